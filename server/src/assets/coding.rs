//! Which form of a file a client likes best (RFC 9110 §12.5.3). Knows no file and no HTTP library.

/// How the bytes of a form are coded, from the best on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    /// As they are.
    Identity,
}

impl Coding {
    /// The best of those that a client likes equally comes first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// As `Content-Encoding` says it; what is not coded says nothing.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    fn is_named(self, name: &str) -> bool {
        let other_name = match self {
            Self::Brotli => "br",
            Self::Gzip => "x-gzip",
            Self::Identity => "identity",
        };
        name.eq_ignore_ascii_case(self.name().unwrap_or(other_name))
            || name.eq_ignore_ascii_case(other_name)
    }
}

/// A weight in thousandths, which is as fine as the grammar lets it be.
type Weight = u16;

const FULL: Weight = 1000;

/// The coding to send: of those that there are, the one that `accept_encoding` gives most weight. A client that says nothing
/// gets the file as it is, and so does one that would refuse even that: it may still make something of it.
pub(super) fn preferred(accept_encoding: &str, is_there: impl Fn(Coding) -> bool) -> Coding {
    let mut best = (Coding::Identity, 0);
    for coding in Coding::ALL.into_iter().filter(|coding| is_there(*coding)) {
        let weight = weight(accept_encoding, coding);
        if weight > best.1 {
            best = (coding, weight);
        }
    }
    best.0
}

fn weight(accept_encoding: &str, coding: Coding) -> Weight {
    let named = |is_wanted: &dyn Fn(&str) -> bool| {
        accept_encoding
            .split(',')
            .map(name_and_weight)
            .find(|(name, _)| is_wanted(name))
            .map(|(_, weight)| weight)
    };
    let own = named(&|name| coding.is_named(name));
    // What is not coded may be sent unasked, and is what everything else is better than.
    let unnamed = Weight::from(coding == Coding::Identity);
    own.or_else(|| named(&|name| name == "*"))
        .unwrap_or(unnamed)
}

fn name_and_weight(item: &str) -> (&str, Weight) {
    let Some((name, parameter)) = item.split_once(';') else {
        return (item.trim(), FULL);
    };
    let value = parameter.trim().strip_prefix(['q', 'Q']);
    let value = value.and_then(|value| value.trim_start().strip_prefix('='));
    (
        name.trim(),
        value.map_or(0, |value| thousandths(value.trim())),
    )
}

/// `0`, `0.5`, `1.000`. What is out of the grammar weighs nothing, so that no form is sent that was perhaps refused.
fn thousandths(text: &str) -> Weight {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if is_plain => format!("{fraction:0<3}").parse().unwrap_or(0),
        "1" if is_plain && fraction.bytes().all(|byte| byte == b'0') => FULL,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity};
    use super::*;

    #[test]
    fn the_best_form_that_is_accepted_is_sent() {
        for (header, expected) in [
            ("", Identity),
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip, deflate", Gzip),
            ("deflate, zstd", Identity),
            ("x-gzip", Gzip),
            ("BR", Brotli),
            ("*", Brotli),
            ("identity", Identity),
            ("gzip,, ,br", Brotli),
        ] {
            assert_eq!(preferred(header, |_| true), expected, "{header:?}");
        }
    }

    #[test]
    fn weights_are_obeyed() {
        for (header, expected) in [
            ("br;q=0.8, gzip", Gzip),
            ("br;q=0.8, gzip;q=0.8", Brotli),
            ("br;q=0, gzip;q=0.001", Gzip),
            ("br;q=0, *", Gzip),
            ("*;q=0.5, gzip;q=0.6", Gzip),
            ("gzip;q=0.5, identity", Identity),
            ("gzip;q=0.5, identity;q=0.4", Gzip),
            ("br ; Q=1.000", Brotli),
            ("*;q=0", Identity),
            ("identity;q=0, br;q=0, gzip;q=0", Identity),
        ] {
            assert_eq!(preferred(header, |_| true), expected, "{header:?}");
        }
    }

    #[test]
    fn a_weight_out_of_its_grammar_is_none() {
        for weight in [
            "", "x", "2", "1.001", "0.0001", "-1", "0.5.5", "+1", ".5", "1e0",
        ] {
            let header = format!("br;q={weight}");
            assert_eq!(preferred(&header, |_| true), Identity, "{header:?}");
        }
        assert_eq!(preferred("br;level=9", |_| true), Identity);
    }

    #[test]
    fn a_form_that_is_not_there_is_not_sent() {
        assert_eq!(preferred("br, gzip", |coding| coding != Brotli), Gzip);
        assert_eq!(preferred("br, gzip", |coding| coding == Identity), Identity);
    }
}
