//! Which events a subscriber gets.
//!
//! A filter is canonical: patterns are sorted, and those that another one covers are gone, so two subscriptions that
//! pick the same events by the same means are equal, hash equally, and can share work.

use std::fmt;

use uuid::Uuid;

use crate::event::{Event, Ids};
use crate::kind::{self, Pattern};
use crate::scope::{Scope, Scopes, Within};

/// A canonical filter: an event is picked when one pattern matches its kind, each id that is asked for is its id, and one
/// scope lets it through, if the filter was narrowed to more than patterns and ids can say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Sorted, none covered by another; never empty.
    patterns: Box<[Pattern]>,
    wanted: WantedIds,
    /// What `patterns` and `wanted` leave to be decided; nothing when they say it all.
    scopes: Scopes,
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

impl WantedIds {
    fn within(self) -> Within {
        let list = |id: Option<Uuid>| id.map(|id| vec![id]);
        Within {
            agent_id: list(self.agent_id),
            session_id: list(self.session_id),
            task_id: list(self.task_id),
            project_id: list(self.project_id),
        }
    }

    /// The ids that all of these scopes ask for; `None` when there are no scopes.
    fn common(scopes: &[Scope]) -> Option<Self> {
        let wanted = |scope: &Scope| {
            let within = scope.within();
            let only = |list: &Option<Vec<Uuid>>| match list.as_deref() {
                Some([id]) => Some(*id),
                _ => None,
            };
            Self {
                agent_id: only(&within.agent_id),
                session_id: only(&within.session_id),
                task_id: only(&within.task_id),
                project_id: only(&within.project_id),
            }
        };
        let both = |one: Self, other: Self| Self {
            agent_id: one.agent_id.filter(|_| one.agent_id == other.agent_id),
            session_id: one
                .session_id
                .filter(|_| one.session_id == other.session_id),
            task_id: one.task_id.filter(|_| one.task_id == other.task_id),
            project_id: one
                .project_id
                .filter(|_| one.project_id == other.project_id),
        };
        scopes.iter().map(wanted).reduce(both)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::new(Vec::new(), WantedIds::default())
    }
}

impl Filter {
    /// The canonical filter of these patterns (none means all kinds) and ids.
    pub fn new(patterns: Vec<Pattern>, wanted: WantedIds) -> Self {
        Self {
            patterns: kind::canonical(patterns),
            wanted,
            scopes: Scopes::default(),
        }
    }

    /// This filter, for somebody to whom no more than this is allowed; `None` when that leaves nothing.
    ///
    /// What is left is canonical too: whoever may see the same of the same subscription has an equal filter.
    pub fn narrowed(&self, allowed: &Scopes) -> Option<Self> {
        if allowed.is_all() {
            return Some(self.clone());
        }
        Self::of(self.as_scopes().and(allowed))
    }

    /// What is picked, as scopes.
    pub fn as_scopes(&self) -> Scopes {
        if self.scopes.is_nothing() {
            let within = self.wanted.within();
            Scopes::new(vec![Scope::new(self.patterns.to_vec(), within)])
        } else {
            self.scopes.clone()
        }
    }

    /// The filter that picks what these scopes let through.
    fn of(scopes: Scopes) -> Option<Self> {
        let each = scopes.as_slice();
        let wanted = WantedIds::common(each)?;
        let patterns = each.iter().flat_map(Scope::patterns).cloned().collect();
        let is_plain = matches!(each, [one] if *one.within() == wanted.within());
        Some(Self {
            patterns: kind::canonical(patterns),
            wanted,
            scopes: if is_plain { Scopes::default() } else { scopes },
        })
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
        *self.patterns == [Pattern::All] && self.wanted == WantedIds::default() && !self.is_scoped()
    }

    /// Whether kind and ids are not judged one by one: then [`matches_scopes`](Self::matches_scopes) has the last word.
    pub fn is_scoped(&self) -> bool {
        !self.scopes.is_nothing()
    }

    /// Whether `event` is picked.
    pub fn matches(&self, event: &Event) -> bool {
        self.matches_kind(event.kind.as_str())
            && self.matches_ids(&event.ids)
            && self.matches_scopes(event.kind.as_str(), &event.ids)
    }

    /// Whether a kind and ids that can be picked are picked together.
    pub fn matches_scopes(&self, kind: &str, ids: &Ids) -> bool {
        !self.is_scoped() || self.scopes.matches(kind, ids)
    }

    /// What the filter was narrowed to, where kind and ids are not judged one by one: an event is picked when one of these
    /// lets it through. Empty otherwise.
    pub fn scopes(&self) -> &[Scope] {
        self.scopes.as_slice()
    }

    /// The ids that an event can have and be picked, each list sorted; `None` takes any, also none.
    pub fn within(&self) -> Within {
        self.scopes.hull().unwrap_or_else(|| self.wanted.within())
    }

    /// The same of events of one kind; `None` when none of them can be picked.
    pub fn within_of(&self, kind: &str) -> Option<Within> {
        if self.is_scoped() {
            self.scopes.hull_of(kind)
        } else {
            self.matches_kind(kind).then(|| self.wanted.within())
        }
    }

    /// Whether a kind can be picked; the log asks this once per kind, not per event.
    pub fn matches_kind(&self, kind: &str) -> bool {
        kind::is_picked(&self.patterns, kind)
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
    /// As a query string that reads back as the same filter, but for what it was narrowed to.
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

    fn scope(patterns: &[&str], projects: &[u128]) -> Scope {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        let projects = projects.iter().map(|id| Uuid::from_u128(*id)).collect();
        let within = Within {
            project_id: Some(projects),
            ..Within::default()
        };
        Scope::new(patterns.collect(), within)
    }

    fn of_project(kind: &str, id: u128) -> Event {
        let project_id = Some(Uuid::from_u128(id));
        event(
            kind,
            Ids {
                project_id,
                ..Ids::default()
            },
        )
    }

    #[test]
    fn a_filter_narrowed_to_one_project_is_the_one_that_asks_for_it() {
        let allowed = Scopes::new(vec![scope(&["task.*"], &[1]), scope(&["agent.*"], &[1])]);
        let narrowed = filter(&["task.created", "human.*"]).narrowed(&allowed);
        let wanted = WantedIds {
            project_id: Some(Uuid::from_u128(1)),
            ..WantedIds::default()
        };
        let asked = vec![Pattern::parse("task.created").unwrap()];
        assert_eq!(narrowed, Some(Filter::new(asked, wanted)));
    }

    #[test]
    fn a_filter_narrowed_by_grants_that_differ_picks_what_each_lets_through() {
        let allowed = Scopes::new(vec![scope(&["a.*"], &[1]), scope(&["b"], &[2, 3])]);
        let narrowed = Filter::default().narrowed(&allowed).unwrap();
        assert!(narrowed.is_scoped() && !narrowed.is_all());
        for (kind, project, is_picked) in [
            ("a.x", 1, true),
            ("a.x", 2, false),
            ("b", 3, true),
            ("b", 1, false),
        ] {
            assert_eq!(
                narrowed.matches(&of_project(kind, project)),
                is_picked,
                "{kind} {project}"
            );
        }
        assert_eq!(narrowed.narrowed(&allowed), Some(narrowed.clone()));
        let less = narrowed
            .narrowed(&Scopes::new(vec![scope(&["*"], &[1])]))
            .unwrap();
        assert_eq!(
            less.to_string(),
            format!("kinds=a.*&project_id={}", Uuid::from_u128(1))
        );
        assert!(!less.is_scoped());
    }

    #[test]
    fn a_filter_that_has_nothing_in_common_with_what_is_allowed_is_none() {
        let allowed = Scopes::new(vec![scope(&["a.*"], &[1])]);
        assert_eq!(filter(&["b"]).narrowed(&allowed), None);
        assert_eq!(Filter::default().narrowed(&Scopes::default()), None);
        let all = filter(&["b"]).narrowed(&Scopes::all());
        assert_eq!(all, Some(filter(&["b"])));
    }
}
