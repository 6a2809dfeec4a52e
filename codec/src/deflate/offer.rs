//! The handshake's part of permessage-deflate: what a client offers in `Sec-WebSocket-Extensions`, and what is agreed
//! (RFC 6455 §9.1, RFC 7692 §7.1).

/// What is agreed with most clients: theirs are messages on their own, so nothing is kept for them between messages.
const ANSWER: &str = "permessage-deflate; client_no_context_takeover";

/// The same, to a client that wants to hear of the server's window.
const ANSWER_WINDOW: &str =
    "permessage-deflate; client_no_context_takeover; server_max_window_bits=15";

/// The header's value to answer with, for the first offer that can be kept; `None` when messages stay uncompressed.
///
/// One stream serves all readers, with the largest window and a context that goes on. An offer that asks the server for
/// less, that has a parameter twice, or one that RFC 7692 does not know, is declined as §7.1 says, and the next one is
/// looked at.
pub fn answer(header: &str) -> Option<&'static str> {
    split(header, ',').find_map(judge)
}

fn judge(offer: &str) -> Option<&'static str> {
    let mut parts = split(offer, ';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    let mut agreed = ANSWER;
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (parameter, None),
        };
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value) {
            ("client_no_context_takeover" | "client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(bits)) if is_window(bits) => {}
            ("server_max_window_bits", Some("15")) => agreed = ANSWER_WINDOW,
            _ => return None,
        }
    }
    Some(agreed)
}

/// A window's exponent, without leading zeros (RFC 7692 §7.1.2.1).
fn is_window(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// A value may be a quoted string, which means what is inside; escapes have no place in a number, so none are read.
fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

/// The parts between separators that stand outside of quoted strings.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let escaped = std::mem::take(&mut is_escaped);
        match c {
            _ if escaped => {}
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        c == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_libraries_are_answered() {
        // Chromium and Firefox; node ws; Python websockets; Safari.
        for offer in [
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_max_window_bits=12",
            "permessage-deflate",
            " permessage-deflate ;client_max_window_bits = \"15\" ",
            "x-webkit-deflate-frame, permessage-deflate",
        ] {
            assert_eq!(answer(offer), Some(ANSWER), "{offer}");
        }
    }

    #[test]
    fn the_first_offer_that_can_be_kept_counts() {
        let small = "permessage-deflate; server_max_window_bits=10";
        assert_eq!(answer(small), None);
        assert_eq!(
            answer(&format!("{small}, permessage-deflate")),
            Some(ANSWER)
        );
        assert_eq!(
            answer(&format!(
                "{small}, permessage-deflate; server_max_window_bits=15"
            )),
            Some(ANSWER_WINDOW)
        );
    }

    #[test]
    fn what_cannot_be_kept_is_declined() {
        for offer in [
            "",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=015",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; mystery",
            "permessage-deflate;",
            "Permessage-Deflate",
            "other; note=\", permessage-deflate\"",
            "other; note=\"\\\", permessage-deflate",
        ] {
            assert_eq!(answer(offer), None, "{offer}");
        }
    }
}
