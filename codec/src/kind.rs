//! Kinds, which name what happened, and patterns, which pick kinds.
//!
//! A kind is dot-separated segments of `[A-Za-z0-9_-]+`, at most [`KIND_BYTES`] long: `task.status_changed`.
//! A pattern is a kind, or a prefix that ends in `*` (`task.*`, `task.st*`), or `*` for all. The prefix is a string
//! prefix: `task.*` also picks `task.review.done`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::limits::KIND_BYTES;

/// How kinds that tell of a failure end: `task.failed`, `agent.qa_test_failed`, `permission.denied`. A convention of
/// names, since no member of an event says so. Timelines in browsers hold the same list, to mark rows without asking.
pub const FAILURES: [&str; 4] = ["failed", "error", "denied", "expired"];

/// Patterns that are tried one by one: more of them are halved.
const FEW: usize = 8;

/// A well-formed kind. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(Arc<str>);

impl Kind {
    /// Reads a kind, or says what is wrong with it and where.
    pub fn parse(text: &str) -> Result<Self, KindError> {
        check_length(text)?;
        check_segments(text, 0)?;
        Ok(Self(text.into()))
    }

    /// The kind as it goes on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dot: what a kind belongs to. `task` for `task.created`.
    pub fn family(&self) -> &str {
        self.0
            .split_once('.')
            .map_or(&*self.0, |(family, _)| family)
    }

    /// Whether it tells of a failure: its text ends in one of [`FAILURES`].
    pub fn is_failure(&self) -> bool {
        FAILURES.iter().any(|ending| self.0.ends_with(ending))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a kind must look like to be picked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// `*`: every kind.
    All,
    /// `task.*`: every kind that starts with these bytes.
    Prefix(Arc<str>),
    /// `task.created`: this kind alone.
    Exact(Kind),
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with it and where.
    pub fn parse(text: &str) -> Result<Self, KindError> {
        check_length(text)?;
        let Some(prefix) = text.strip_suffix('*') else {
            return Kind::parse(text).map(Self::Exact);
        };
        if prefix.is_empty() {
            return Ok(Self::All);
        }
        // The last segment may be empty ("task.") or half a word ("task.st"); those before it are whole.
        let whole = prefix.rfind('.').unwrap_or(0);
        let (head, tail) = prefix.split_at(whole);
        if let Some(segment) = tail.strip_prefix('.') {
            check_segments(head, 0)?;
            check_characters(segment, whole + 1)?;
        } else {
            check_characters(tail, 0)?;
        }
        Ok(Self::Prefix(prefix.into()))
    }

    /// Whether this pattern picks `kind`.
    pub fn matches(&self, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => kind.as_bytes().starts_with(prefix.as_bytes()),
            Self::Exact(exact) => exact.as_str() == kind,
        }
    }

    /// Whether every kind that `other` picks is picked by this pattern too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Prefix(prefix), Self::Prefix(longer)) => longer.starts_with(&**prefix),
            (_, Self::All) | (Self::Exact(_), Self::Prefix(_)) => false,
            (_, Self::Exact(kind)) => self.matches(kind.as_str()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Exact(kind) => f.write_str(kind.as_str()),
        }
    }
}

/// These patterns (none means all kinds), sorted, and without those that another one covers.
pub(crate) fn canonical(mut patterns: Vec<Pattern>) -> Box<[Pattern]> {
    patterns.sort_unstable();
    if patterns.is_empty() {
        patterns.push(Pattern::All);
    }
    // In their order, whatever covers a pattern comes before it.
    let mut kept = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        if !is_covered(&kept, &pattern) {
            kept.push(pattern);
        }
    }
    kept.into()
}

/// Whether one of these patterns, which are canonical, covers `pattern`.
pub(crate) fn is_covered(patterns: &[Pattern], pattern: &Pattern) -> bool {
    match pattern {
        Pattern::All => patterns.first() == Some(&Pattern::All),
        Pattern::Prefix(prefix) => {
            last_before(patterns, prefix).is_some_and(|one| one.covers(pattern))
        }
        Pattern::Exact(kind) => is_picked(patterns, kind.as_str()),
    }
}

/// Whether one of these patterns, which are canonical, picks `kind`.
pub(crate) fn is_picked(patterns: &[Pattern], kind: &str) -> bool {
    if patterns.len() <= FEW {
        return patterns.iter().any(|pattern| pattern.matches(kind));
    }
    let exact = |one: &Pattern| match one {
        Pattern::All | Pattern::Prefix(_) => Ordering::Less,
        Pattern::Exact(exact) => exact.as_str().cmp(kind),
    };
    last_before(patterns, kind).is_some_and(|one| one.matches(kind))
        || patterns.binary_search_by(exact).is_ok()
}

/// The only one of these canonical patterns that can pick what begins with `text` by being a prefix of it, or all:
/// between a prefix of a text and the text there is only what has that prefix too, and would be covered by it.
fn last_before<'a>(patterns: &'a [Pattern], text: &str) -> Option<&'a Pattern> {
    let place = patterns.partition_point(|one| match one {
        Pattern::All => true,
        Pattern::Prefix(prefix) => **prefix <= *text,
        Pattern::Exact(_) => false,
    });
    patterns.get(place.checked_sub(1)?)
}

/// Why a text is not a kind or a pattern. Offsets are bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KindError {
    /// Nothing there.
    Empty,
    /// Over [`KIND_BYTES`].
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// A dot at the start, at the end, or after another dot.
    EmptySegment {
        /// Where the segment should have been.
        at: usize,
    },
    /// A character outside `[A-Za-z0-9_-]`, or a `*` before the end.
    Character {
        /// Where it stands.
        at: usize,
        /// The character.
        found: char,
    },
}

impl fmt::Display for KindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { bytes } => write!(f, "has {bytes} bytes; the limit is {KIND_BYTES}"),
            Self::EmptySegment { at } => write!(f, "has an empty segment at byte {at}"),
            Self::Character { at, found } => write!(
                f,
                "has {found:?} at byte {at}; segments are made of A-Z a-z 0-9 _ - and joined by dots"
            ),
        }
    }
}

impl std::error::Error for KindError {}

fn check_length(text: &str) -> Result<(), KindError> {
    match text.len() {
        0 => Err(KindError::Empty),
        bytes if bytes > KIND_BYTES => Err(KindError::TooLong { bytes }),
        _ => Ok(()),
    }
}

fn check_segments(text: &str, start: usize) -> Result<(), KindError> {
    let mut at = start;
    for segment in text.split('.') {
        if segment.is_empty() {
            return Err(KindError::EmptySegment { at });
        }
        check_characters(segment, at)?;
        at += segment.len() + 1;
    }
    Ok(())
}

fn check_characters(segment: &str, start: usize) -> Result<(), KindError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match segment.char_indices().find(|&(_, c)| !is_allowed(c)) {
        None => Ok(()),
        Some((at, found)) => Err(KindError::Character {
            at: start + at,
            found,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_kind_is_dotted_segments() {
        for text in ["task.created", "a", "A-b_9.c", &"k".repeat(KIND_BYTES)] {
            assert_eq!(Kind::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_family_is_what_stands_before_the_first_dot() {
        for (kind, family) in [("task.review.done", "task"), ("task", "task")] {
            assert_eq!(Kind::parse(kind).unwrap().family(), family);
        }
    }

    #[test]
    fn a_failure_is_known_by_the_end_of_its_kind() {
        let is_failure = |text: &str| Kind::parse(text).unwrap().is_failure();
        for failure in [
            "task.failed",
            "agent.qa_test_failed",
            "agent.error",
            "permission.denied",
            "permission.expired",
            "error",
        ] {
            assert!(is_failure(failure), "{failure}");
        }
        for other in [
            "task.failed.retried",
            "agent.errors",
            "task.Failed",
            "failed.not",
        ] {
            assert!(!is_failure(other), "{other}");
        }
    }

    #[test]
    fn a_bad_kind_is_refused_with_its_place() {
        for (text, error) in [
            ("", KindError::Empty),
            (".a", KindError::EmptySegment { at: 0 }),
            ("a.", KindError::EmptySegment { at: 2 }),
            ("a..b", KindError::EmptySegment { at: 2 }),
            ("a b", KindError::Character { at: 1, found: ' ' }),
            ("a.ü", KindError::Character { at: 2, found: 'ü' }),
            ("a.*", KindError::Character { at: 2, found: '*' }),
        ] {
            assert_eq!(Kind::parse(text), Err(error), "{text}");
        }
        let long = "k".repeat(KIND_BYTES + 1);
        assert_eq!(Kind::parse(&long), Err(KindError::TooLong { bytes: 129 }));
    }

    #[test]
    fn a_pattern_is_a_kind_a_prefix_or_all() {
        assert_eq!(pattern("*"), Pattern::All);
        assert_eq!(pattern("task.*"), Pattern::Prefix("task.".into()));
        assert_eq!(pattern("ta*"), Pattern::Prefix("ta".into()));
        assert_eq!(pattern("a.b.c*").to_string(), "a.b.c*");
        assert!(matches!(pattern("task.created"), Pattern::Exact(_)));
        for text in ["", "*.a", "a.*.b", "a..*", ".*", "**", "a *"] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_trailing_star_is_a_string_prefix() {
        assert!(pattern("task.*").matches("task.review.done"));
        assert!(!pattern("task.*").matches("task"));
        assert!(!pattern("task.*").matches("tasks.a"));
        assert!(pattern("task*").matches("task"));
        assert!(pattern("*").matches("anything.at_all"));
        assert!(!pattern("task.created").matches("task.created2"));
    }

    #[test]
    fn many_patterns_pick_what_each_of_them_picks() {
        let texts = |numbers: std::ops::Range<u32>| {
            let each =
                numbers.flat_map(|n| [format!("a{n}.*"), format!("b{n}"), format!("c.d{n}*")]);
            each.collect::<Vec<_>>()
        };
        let all: Vec<_> = texts(0..30).iter().map(|text| pattern(text)).collect();
        let kept = canonical(all.iter().rev().cloned().collect());
        assert!(kept.is_sorted());
        for text in texts(0..40) {
            let kind = text.replace('*', "x");
            let is_picked_by_one = all.iter().any(|one| one.matches(&kind));
            assert_eq!(is_picked(&kept, &kind), is_picked_by_one, "{kind}");
            let is_covered_by_one = all.iter().any(|one| one.covers(&pattern(&text)));
            assert_eq!(
                is_covered(&kept, &pattern(&text)),
                is_covered_by_one,
                "{text}"
            );
        }
        let is_kept = |one: &&Pattern| !all.iter().any(|other| other != *one && other.covers(one));
        assert_eq!(kept.len(), all.iter().filter(is_kept).count());
        assert!(!is_covered(&kept, &Pattern::All));
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        assert!(pattern("*").covers(&pattern("a.*")));
        assert!(pattern("a*").covers(&pattern("a.b*")));
        assert!(pattern("a.*").covers(&pattern("a.b")));
        assert!(pattern("a.b").covers(&pattern("a.b")));
        assert!(!pattern("a.b").covers(&pattern("a.b*")));
        assert!(!pattern("a.*").covers(&pattern("*")));
    }
}
