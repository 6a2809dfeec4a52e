//! What somebody may see or send: the union of what each grant lets through.
//!
//! Scopes are canonical, as filters are: equal sets of grants are equal, and narrow a filter to equal filters.

use uuid::Uuid;

use crate::event::Ids;
use crate::kind::{self, Pattern};

/// What one grant lets through: a kind that one of the patterns matches, with ids that are in the lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    within: Within,
    /// Sorted, none covered by another; never empty.
    patterns: Box<[Pattern]>,
}

/// The ids that an event may have; `None` takes any, also none. The lists are sets: order and repetition mean nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Within {
    /// Agents; the nil UUID is the system.
    pub agent_id: Option<Vec<Uuid>>,
    /// Agents' sessions.
    pub session_id: Option<Vec<Uuid>>,
    /// Tasks.
    pub task_id: Option<Vec<Uuid>>,
    /// Projects.
    pub project_id: Option<Vec<Uuid>>,
}

impl Scope {
    /// The canonical scope of these patterns (none means all kinds) and ids.
    pub fn new(patterns: Vec<Pattern>, within: Within) -> Self {
        Self {
            within: within.map(|ids| {
                let mut ids = ids?;
                ids.sort_unstable();
                ids.dedup();
                Some(ids)
            }),
            patterns: kind::canonical(patterns),
        }
    }

    /// The patterns, canonical.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The ids that an event may have, each list sorted.
    pub fn within(&self) -> &Within {
        &self.within
    }

    /// Whether an event of this kind with these ids is let through.
    pub fn matches(&self, kind: &str, ids: &Ids) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(kind)) && self.within.matches(ids)
    }

    /// Whether everything that `other` lets through is let through here too.
    fn covers(&self, other: &Self) -> bool {
        let covers = |pattern: &Pattern| self.patterns.iter().any(|one| one.covers(pattern));
        other.patterns.iter().all(covers) && self.within.covers(&other.within)
    }

    /// What both let through; `None` when that is nothing.
    fn and(&self, other: &Self) -> Option<Self> {
        let within = self.within.and(&other.within)?;
        let pairs = self
            .patterns
            .iter()
            .flat_map(|one| other.patterns.iter().map(move |other| (one, other)));
        let patterns: Vec<_> = pairs
            .filter_map(|(one, other)| {
                // Of two patterns that share a kind, one covers the other.
                let narrower = if one.covers(other) { other } else { one };
                (one.covers(other) || other.covers(one)).then(|| narrower.clone())
            })
            .collect();
        (!patterns.is_empty()).then(|| Self::new(patterns, within))
    }
}

impl Within {
    fn each(&self) -> [&Option<Vec<Uuid>>; 4] {
        [
            &self.agent_id,
            &self.session_id,
            &self.task_id,
            &self.project_id,
        ]
    }

    fn map(self, mut change: impl FnMut(Option<Vec<Uuid>>) -> Option<Vec<Uuid>>) -> Self {
        Self {
            agent_id: change(self.agent_id),
            session_id: change(self.session_id),
            task_id: change(self.task_id),
            project_id: change(self.project_id),
        }
    }

    fn matches(&self, ids: &Ids) -> bool {
        let own = [
            Some(ids.agent_id),
            ids.session_id,
            ids.task_id,
            ids.project_id,
        ];
        let is_in = |(list, id): (&Option<Vec<Uuid>>, Option<Uuid>)| {
            let Some(list) = list else { return true };
            id.is_some_and(|id| list.binary_search(&id).is_ok())
        };
        self.each().into_iter().zip(own).all(is_in)
    }

    fn covers(&self, other: &Self) -> bool {
        let mut lists = self.each().into_iter().zip(other.each());
        lists.all(|(own, other)| match (own, other) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => other.iter().all(|id| own.binary_search(id).is_ok()),
        })
    }

    /// `None` when a list would be empty.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut lists = self
            .each()
            .into_iter()
            .zip(other.each())
            .map(|lists| match lists {
                (list, None) | (None, list) => list.clone(),
                (Some(one), Some(other)) => {
                    let both = one.iter().filter(|id| other.binary_search(id).is_ok());
                    Some(both.copied().collect())
                }
            });
        let both = Self {
            agent_id: lists.next()?,
            session_id: lists.next()?,
            task_id: lists.next()?,
            project_id: lists.next()?,
        };
        let is_empty = |list: &Option<Vec<Uuid>>| list.as_ref().is_some_and(Vec::is_empty);
        let is_possible = !both.each().into_iter().any(is_empty);
        is_possible.then_some(both)
    }
}

/// The union of scopes: what the grants of somebody let through together. The default lets nothing through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(Box<[Scope]>);

impl Scopes {
    /// The canonical union: sorted, those with equal ids in one, none covered by another.
    pub fn new(mut scopes: Vec<Scope>) -> Self {
        scopes.retain(|scope| scope.within.and(&Within::default()).is_some());
        scopes.sort_unstable();
        scopes.dedup_by(|next, merged| {
            let is_mergeable = next.within == merged.within;
            if is_mergeable {
                let both = merged.patterns.iter().chain(&next.patterns).cloned();
                merged.patterns = kind::canonical(both.collect());
            }
            is_mergeable
        });
        let kept = scopes
            .iter()
            .filter(|one| {
                !scopes
                    .iter()
                    .any(|other| other != *one && other.covers(one))
            })
            .cloned()
            .collect();
        Self(kept)
    }

    /// Lets everything through.
    pub fn all() -> Self {
        Self(Box::new([Scope::new(Vec::new(), Within::default())]))
    }

    /// Whether everything is let through.
    pub fn is_all(&self) -> bool {
        *self == Self::all()
    }

    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes, canonical.
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }

    /// Whether an event of this kind with these ids is let through.
    pub fn matches(&self, kind: &str, ids: &Ids) -> bool {
        self.0.iter().any(|scope| scope.matches(kind, ids))
    }

    /// What both let through.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self
            .0
            .iter()
            .flat_map(|one| other.0.iter().map(move |other| (one, other)));
        Self::new(pairs.filter_map(|(one, other)| one.and(other)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str], projects: &[u128]) -> Scope {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        let projects = projects.iter().map(|id| Uuid::from_u128(*id)).collect();
        let within = Within {
            project_id: Some(projects).filter(|ids: &Vec<_>| !ids.is_empty()),
            ..Within::default()
        };
        Scope::new(patterns.collect(), within)
    }

    fn scopes(scopes: &[Scope]) -> Scopes {
        Scopes::new(scopes.to_vec())
    }

    fn of_project(id: u128) -> Ids {
        Ids {
            project_id: Some(Uuid::from_u128(id)),
            ..Ids::default()
        }
    }

    #[test]
    fn nothing_is_let_through_without_a_scope() {
        assert!(!Scopes::default().matches("a", &Ids::default()));
        assert!(Scopes::default().is_nothing());
        assert!(Scopes::all().and(&Scopes::default()).is_nothing());
    }

    #[test]
    fn an_event_without_an_id_is_in_no_list() {
        let scopes = scopes(&[scope(&[], &[1, 2])]);
        assert!(scopes.matches("a", &of_project(2)));
        assert!(!scopes.matches("a", &of_project(3)));
        assert!(!scopes.matches("a", &Ids::default()));
    }

    #[test]
    fn a_list_of_nothing_lets_nothing_through() {
        let within = Within {
            task_id: Some(Vec::new()),
            ..Within::default()
        };
        assert!(Scopes::new(vec![Scope::new(Vec::new(), within)]).is_nothing());
    }

    #[test]
    fn equal_grants_are_equal_scopes() {
        let one = scopes(&[scope(&["b"], &[2, 1]), scope(&["a.*", "a.b"], &[1, 2])]);
        assert_eq!(one, scopes(&[scope(&["a.*", "b"], &[1, 2, 2])]));
        assert_eq!(
            scopes(&[scope(&["a"], &[1]), scope(&[], &[])]),
            Scopes::all()
        );
    }

    #[test]
    fn two_unions_have_in_common_what_both_let_through() {
        let one = scopes(&[scope(&["a.*"], &[1, 2]), scope(&["b"], &[])]);
        let other = scopes(&[scope(&["a.x", "b"], &[2, 3])]);
        let both = scopes(&[scope(&["a.x"], &[2]), scope(&["b"], &[2, 3])]);
        assert_eq!(one.and(&other), both);
        assert_eq!(other.and(&one), both);
        assert_eq!(one.and(&Scopes::all()), one);
    }
}
