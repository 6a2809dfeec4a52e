//! Which events a subscriber gets.
//!
//! A filter is canonical: patterns are sorted, and those that another one covers are gone, so two subscriptions that
//! pick the same events by the same means are equal, hash equally, and can share work.

use std::fmt;

use uuid::Uuid;

use crate::event::{Event, Ids};
use crate::kind::Pattern;

/// A canonical filter: an event is picked when one pattern matches its kind and each id that is asked for is its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Sorted, none covered by another; never empty.
    patterns: Box<[Pattern]>,
    wanted: WantedIds,
}

/// The ids an event must have; `None` takes any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WantedIds {
    /// The agent; the nil UUID asks for the system's events.
    pub agent_id: Option<Uuid>,
    /// The agent's session.
    pub session_id: Option<Uuid>,
    /// The task.
    pub task_id: Option<Uuid>,
    /// The project.
    pub project_id: Option<Uuid>,
}

impl Default for Filter {
    fn default() -> Self {
        Self::new(Vec::new(), WantedIds::default())
    }
}

impl Filter {
    /// The canonical filter of these patterns (none means all kinds) and ids.
    pub fn new(mut patterns: Vec<Pattern>, wanted: WantedIds) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        if patterns.is_empty() {
            patterns.push(Pattern::All);
        }
        let kept = patterns
            .iter()
            .filter(|one| {
                !patterns
                    .iter()
                    .any(|other| other != *one && other.covers(one))
            })
            .cloned()
            .collect();
        Self {
            patterns: kept,
            wanted,
        }
    }

    /// The patterns, canonical.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The ids an event must have.
    pub fn wanted(&self) -> WantedIds {
        self.wanted
    }

    /// Whether every event is picked.
    pub fn is_all(&self) -> bool {
        *self.patterns == [Pattern::All] && self.wanted == WantedIds::default()
    }

    /// Whether `event` is picked.
    pub fn matches(&self, event: &Event) -> bool {
        self.matches_kind(event.kind.as_str()) && self.matches_ids(&event.ids)
    }

    /// Whether a kind can be picked; the log asks this once per kind, not per event.
    pub fn matches_kind(&self, kind: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(kind))
    }

    /// Whether an event with these ids can be picked.
    pub fn matches_ids(&self, ids: &Ids) -> bool {
        let WantedIds {
            agent_id,
            session_id,
            task_id,
            project_id,
        } = self.wanted;
        agent_id.is_none_or(|wanted| wanted == ids.agent_id)
            && (session_id.is_none() || session_id == ids.session_id)
            && (task_id.is_none() || task_id == ids.task_id)
            && (project_id.is_none() || project_id == ids.project_id)
    }
}

impl fmt::Display for Filter {
    /// As a query string that reads back as the same filter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kinds=")?;
        for (place, pattern) in self.patterns.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{pattern}")?;
        }
        for (name, id) in [
            ("agent_id", self.wanted.agent_id),
            ("session_id", self.wanted.session_id),
            ("task_id", self.wanted.task_id),
            ("project_id", self.wanted.project_id),
        ] {
            if let Some(id) = id {
                write!(f, "&{name}={id}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Draft;
    use crate::kind::Kind;
    use crate::{Cursor, encode};

    fn filter(patterns: &[&str]) -> Filter {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        Filter::new(patterns.collect(), WantedIds::default())
    }

    fn event(kind: &str, ids: Ids) -> Event {
        let draft = Draft {
            kind: Kind::parse(kind).unwrap(),
            ids,
            data: "{}".into(),
            id: None,
        };
        encode::event(Cursor::ORIGIN.next(), jiff::Timestamp::UNIX_EPOCH, &draft)
    }

    #[test]
    fn equal_subscriptions_have_equal_filters() {
        assert_eq!(filter(&["a.*", "b", "a.b", "b"]), filter(&["b", "a.*"]));
        assert_eq!(filter(&["*", "b"]), Filter::default());
        assert_eq!(filter(&["b", "a*"]).to_string(), "kinds=a*,b");
    }

    #[test]
    fn no_pattern_means_every_kind() {
        assert!(Filter::default().is_all());
        assert!(Filter::default().matches(&event("x.y", Ids::default())));
    }

    #[test]
    fn every_id_that_is_asked_for_must_be_the_events() {
        let task = Uuid::from_u128(7);
        let wanted = WantedIds {
            task_id: Some(task),
            agent_id: Some(Uuid::nil()),
            ..WantedIds::default()
        };
        let filter = Filter::new(Vec::new(), wanted);
        let with_task = Ids {
            task_id: Some(task),
            ..Ids::default()
        };
        assert!(filter.matches(&event("a", with_task)));
        assert!(!filter.matches(&event("a", Ids::default())));
        let other_agent = Ids {
            agent_id: Uuid::from_u128(1),
            ..with_task
        };
        assert!(!filter.matches(&event("a", other_agent)));
    }
}
