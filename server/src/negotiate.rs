//! What a client would rather have, of what an endpoint can send (RFC 9110 §12.5.1).

use hyper::header::{ACCEPT, HeaderMap};

/// The names of a JSON object a line: none is registered, and all are in use.
const LINES: &[&str] = &[
    "application/x-ndjson",
    "application/jsonl",
    "application/ndjson",
];

/// Whether lines are asked for by name, and not less than `other` is. Whoever accepts anything gets the other.
pub fn prefers_lines(headers: &HeaderMap, other: &str) -> bool {
    let (mut lines, mut others) = (0.0_f32, 0.0_f32);
    let ranges = headers.get_all(ACCEPT).iter();
    for range in ranges
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
    {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let name = name.trim().to_ascii_lowercase();
        let wanted = if name == other {
            &mut others
        } else if LINES.contains(&&*name) {
            &mut lines
        } else {
            continue;
        };
        *wanted = wanted.max(weight(parameters));
    }
    lines > 0.0 && lines >= others
}

/// The `q` of a range's parameters (RFC 9110 §12.4.2), 1 when it has none.
fn weight(parameters: &str) -> f32 {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_to_those_who_prefer_them() {
        let prefers = |accept: &[&str]| {
            let lines = accept.iter().map(|line| (ACCEPT, line.parse().unwrap()));
            prefers_lines(&lines.collect(), "application/json")
        };
        for accept in [
            &["application/x-ndjson"][..],
            &["text/html, Application/X-NDJSON;q=0.1"],
            &["application/json", "application/x-ndjson"],
            &["application/json;q=0.5,application/jsonl;v=1; Q=0.5"],
            &["application/ndjson, */*"],
        ] {
            assert!(prefers(accept), "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["application/*"],
            &["application/json"],
            &["application/x-ndjson;q=0"],
            &["application/x-ndjson;q=nonsense"],
            &["application/x-ndjson;q=0.5, application/json"],
        ] {
            assert!(!prefers(accept), "{accept:?}");
        }
    }
}
