//! What somebody may see or send: the union of what each grant lets through.
//!
//! Scopes are canonical, as filters are: sets of grants that let the same through are equal, whatever their order and
//! however they are cut up, and narrow a filter to equal filters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::event::Ids;
use crate::kind::{self, Pattern};
use crate::limits::{GRANT_IDS, GRANTS, PATTERNS};

/// Patterns and ids that are gone through to find the canonical form: a few milliseconds. Grants of which each names ids
/// of its own in all four lists have a form of as many parts as there are ways to combine them.
const STEPS: usize = 1 << 15;

/// Parts of the canonical form of one principal's grants: four for each of as many grants as there may be. Every event is
/// held against them, and every part of what else bounds somebody.
const PARTS: usize = 4 * GRANTS;

/// Patterns and ids that are looked up to find what two unions have in common: some ten milliseconds, and enough for as
/// many grants as there may be with as many patterns and ids as each may have.
const LOOKUPS: usize = 1 << 20;

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
    pub fn new(patterns: Vec<Pattern>, mut within: Within) -> Self {
        for ids in within.each_mut().into_iter().flatten() {
            ids.sort_unstable();
            ids.dedup();
        }
        Self {
            within,
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
        self.within.matches(ids) && self.matches_kind(kind)
    }

    /// Whether an event of this kind is let through, with the right ids.
    pub fn matches_kind(&self, kind: &str) -> bool {
        kind::is_picked(&self.patterns, kind)
    }

    /// Whether everything that `other` lets through is let through here too.
    fn covers(&self, other: &Self) -> bool {
        let is_covered = |pattern| kind::is_covered(&self.patterns, pattern);
        self.within.covers(&other.within) && other.patterns.iter().all(is_covered)
    }

    /// What both let through; `None` when that is nothing.
    fn and(&self, other: &Self) -> Option<Self> {
        let within = self.within.and(&other.within)?;
        // Of two patterns that share a kind, one covers the other.
        let narrower = |one: &Self, wide: &Self| -> Vec<Pattern> {
            let is_covered = |pattern: &&Pattern| kind::is_covered(&wide.patterns, pattern);
            one.patterns.iter().filter(is_covered).cloned().collect()
        };
        let mut patterns = narrower(self, other);
        patterns.append(&mut narrower(other, self));
        (!patterns.is_empty()).then(|| Self::new(patterns, within))
    }

    fn check(&self, place: usize) -> Result<(), ScopesError> {
        let found = self.patterns.len();
        if found > PATTERNS {
            return Err(ScopesError::TooManyPatterns { place, found });
        }
        for (list, ids) in Within::NAMES.into_iter().zip(self.within.each()) {
            let found = ids.as_ref().map_or(0, Vec::len);
            if found > GRANT_IDS {
                return Err(ScopesError::TooManyIds { place, list, found });
            }
        }
        Ok(())
    }
}

impl Within {
    const NAMES: [&str; 4] = ["agent_id", "session_id", "task_id", "project_id"];

    /// The lists, in the order in which [`Ids::each`] has what is looked for in them.
    pub fn each(&self) -> [&Option<Vec<Uuid>>; 4] {
        [
            &self.agent_id,
            &self.session_id,
            &self.task_id,
            &self.project_id,
        ]
    }

    fn each_mut(&mut self) -> [&mut Option<Vec<Uuid>>; 4] {
        [
            &mut self.agent_id,
            &mut self.session_id,
            &mut self.task_id,
            &mut self.project_id,
        ]
    }

    /// Whether an event with these ids is in all lists, which are sorted.
    pub fn matches(&self, ids: &Ids) -> bool {
        let is_in = |(list, id): (&Option<Vec<Uuid>>, Option<Uuid>)| {
            let Some(list) = list else { return true };
            id.is_some_and(|id| list.binary_search(&id).is_ok())
        };
        self.each().into_iter().zip(ids.each()).all(is_in)
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
        let mut both = Self::default();
        for ((list, one), other) in both
            .each_mut()
            .into_iter()
            .zip(self.each())
            .zip(other.each())
        {
            *list = match (one, other) {
                (one, None) | (None, one) => one.clone(),
                (Some(one), Some(other)) => {
                    let is_in_other = |id: &&Uuid| other.binary_search(id).is_ok();
                    Some(one.iter().filter(is_in_other).copied().collect())
                }
            };
            if list.as_ref().is_some_and(Vec::is_empty) {
                return None;
            }
        }
        Some(both)
    }

    /// What is in either, list by list: at least what one of the two takes.
    fn hull(mut self, other: &Self) -> Self {
        for (list, other) in self.each_mut().into_iter().zip(other.each()) {
            *list = match (list.take(), other) {
                (Some(mut ids), Some(other)) => {
                    ids.extend(other);
                    ids.sort_unstable();
                    ids.dedup();
                    Some(ids)
                }
                _ => None,
            };
        }
        self
    }
}

/// The union of scopes: what the grants of somebody let through together. The default lets nothing through.
///
/// Cheap to clone: whoever is narrowed to the same has the same lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(Arc<[Scope]>);

impl Scopes {
    /// The canonical union.
    ///
    /// Of grants that [`checked`](Self::checked) refuses as tangled, some that let the same through are not equal. They
    /// share no work, and that is all.
    pub fn new(scopes: Vec<Scope>) -> Self {
        Self::canonical(&scopes).unwrap_or_else(|| Self::sorted(scopes))
    }

    /// The canonical union of the grants of one principal, or which of them breaks a limit.
    pub fn checked(scopes: &[Scope]) -> Result<Self, ScopesError> {
        if scopes.len() > GRANTS {
            return Err(ScopesError::TooMany {
                found: scopes.len(),
            });
        }
        for (place, scope) in scopes.iter().enumerate() {
            scope.check(place)?;
        }
        Self::bounded(scopes)
    }

    /// What both let through, unless it is tangled: of what was [`checked`](Self::checked) that takes bounded time.
    pub fn checked_and(&self, other: &Self) -> Result<Self, ScopesError> {
        if let Some(both) = self.easily_and(other) {
            return Ok(both);
        }
        // Each part is held against each of the other.
        let lookups = self.size() * other.0.len() + other.size() * self.0.len();
        if lookups > LOOKUPS {
            return Err(ScopesError::Tangled);
        }
        Self::bounded(&self.pairs(other))
    }

    fn bounded(scopes: &[Scope]) -> Result<Self, ScopesError> {
        let found = Self::canonical(scopes).filter(|found| found.0.len() <= PARTS);
        found.ok_or(ScopesError::Tangled)
    }

    fn canonical(scopes: &[Scope]) -> Option<Self> {
        let scopes: Vec<_> = scopes.iter().collect();
        let mut parts = split(&scopes, 0, &mut STEPS.clone())?;
        parts.sort_unstable();
        Some(Self(parts.into()))
    }

    /// The union with what is easy to see put together: the same ids, and what another scope covers.
    fn sorted(mut scopes: Vec<Scope>) -> Self {
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
        let kept = scopes.iter().filter(|one| {
            let mut others = scopes.iter().filter(|other| other != one);
            !others.any(|other| other.covers(one))
        });
        Self(kept.cloned().collect())
    }

    /// Lets everything through.
    pub fn all() -> Self {
        Self(Arc::new([Scope::new(Vec::new(), Within::default())]))
    }

    /// Whether everything is let through.
    pub fn is_all(&self) -> bool {
        matches!(&*self.0, [one] if *one.patterns == [Pattern::All] && one.within == Within::default())
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

    /// The ids that what is let through has, list by list: not all that has such ids is let through. `None` when nothing is.
    pub(crate) fn hull(&self) -> Option<Within> {
        hull(self.0.iter())
    }

    /// The same of what is let through of a kind.
    pub(crate) fn hull_of(&self, kind: &str) -> Option<Within> {
        hull(self.0.iter().filter(|scope| scope.matches_kind(kind)))
    }

    /// What both let through, however long it takes to find: for a subscription, which is a scope or a few.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = self.easily_and(other);
        both.unwrap_or_else(|| Self::new(self.pairs(other)))
    }

    /// What both let through, where that is one of them.
    fn easily_and(&self, other: &Self) -> Option<Self> {
        if self.is_all() {
            return Some(other.clone());
        }
        // Mostly the same is granted for what is stored and for what comes.
        (other.is_all() || self == other).then(|| self.clone())
    }

    /// Parts, with their patterns and ids.
    fn size(&self) -> usize {
        let ids = |scope: &Scope| -> usize {
            let lists = scope.within.each().into_iter().flatten();
            lists.map(Vec::len).sum()
        };
        let sizes = self.0.iter();
        sizes
            .map(|scope| 1 + scope.patterns.len() + ids(scope))
            .sum()
    }

    fn pairs(&self, other: &Self) -> Vec<Scope> {
        let pairs = self
            .0
            .iter()
            .flat_map(|one| other.0.iter().map(move |other| (one, other)));
        pairs.filter_map(|(one, other)| one.and(other)).collect()
    }
}

fn hull<'a>(mut scopes: impl Iterator<Item = &'a Scope>) -> Option<Within> {
    let first = scopes.next()?.within.clone();
    Some(scopes.fold(first, |within, scope| within.hull(&scope.within)))
}

/// The canonical parts of a union, by its lists from the one at `level` on; those before it take any id. `None` when that
/// takes too many steps.
///
/// An id that no scope names gets what the scopes without a list let through. An id that some name gets that and what
/// those let through. Either is a union with one list less, so it is split in the same way, and ids that get the same are
/// in one list. Nothing of this depends on how the union was put together.
fn split(scopes: &[&Scope], level: usize, steps: &mut usize) -> Option<Vec<Scope>> {
    if scopes.is_empty() {
        return Some(Vec::new());
    }
    if level == Within::NAMES.len() {
        return leaf(scopes, steps).map(|scope| vec![scope]);
    }
    let mut any = Vec::new();
    let mut named: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (place, scope) in scopes.iter().enumerate() {
        let Some(ids) = scope.within.each()[level] else {
            any.push(*scope);
            continue;
        };
        *steps = steps.checked_sub(ids.len())?;
        for id in ids {
            named.entry(*id).or_default().push(place);
        }
    }
    let of_any = split(&any, level + 1, steps)?;
    let mut by_names: BTreeMap<Vec<usize>, Vec<Uuid>> = BTreeMap::new();
    for (id, places) in named {
        by_names.entry(places).or_default().push(id);
    }
    let mut by_parts: BTreeMap<Vec<Scope>, Vec<Uuid>> = BTreeMap::new();
    for (places, mut ids) in by_names {
        let own = places.iter().map(|place| scopes[*place]);
        let all: Vec<_> = any.iter().copied().chain(own).collect();
        let parts = split(&all, level + 1, steps)?;
        by_parts.entry(parts).or_default().append(&mut ids);
    }
    let mut parts = of_any.clone();
    for (of_named, mut ids) in by_parts {
        ids.sort_unstable();
        for mut part in of_named
            .into_iter()
            .filter_map(|part| beyond(part, &of_any))
        {
            *part.within.each_mut()[level] = Some(ids.clone());
            parts.push(part);
        }
    }
    Some(parts)
}

/// The union of scopes without lists.
fn leaf(scopes: &[&Scope], steps: &mut usize) -> Option<Scope> {
    let count = scopes.iter().map(|scope| scope.patterns.len()).sum();
    *steps = steps.checked_sub(count)?;
    let patterns = scopes.iter().flat_map(|scope| &*scope.patterns);
    Some(Scope {
        within: Within::default(),
        patterns: kind::canonical(patterns.cloned().collect()),
    })
}

/// A part without the patterns that are let through anyway.
fn beyond(mut part: Scope, anyway: &[Scope]) -> Option<Scope> {
    let wider: Vec<_> = anyway
        .iter()
        .filter(|wide| wide.within.covers(&part.within))
        .collect();
    let is_beyond = |pattern: &&Pattern| {
        !wider
            .iter()
            .any(|wide| kind::is_covered(&wide.patterns, pattern))
    };
    part.patterns = part.patterns.iter().filter(is_beyond).cloned().collect();
    (!part.patterns.is_empty()).then_some(part)
}

/// Why grants are not those of a principal. Places count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopesError {
    /// Over [`GRANTS`].
    TooMany {
        /// Grants found.
        found: usize,
    },
    /// One has over [`PATTERNS`].
    TooManyPatterns {
        /// Which.
        place: usize,
        /// Patterns found, without those that others cover.
        found: usize,
    },
    /// A list of one is over [`GRANT_IDS`].
    TooManyIds {
        /// Which grant.
        place: usize,
        /// Which list.
        list: &'static str,
        /// Ids found.
        found: usize,
    },
    /// They name ids in so many combinations that it would take too long to narrow each subscription to them.
    Tangled,
}

impl fmt::Display for ScopesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { found } => write!(f, "{found} grants; the limit is {GRANTS}"),
            Self::TooManyPatterns { place, found } => write!(
                f,
                "grant {place} has {found} patterns; the limit is {PATTERNS}"
            ),
            Self::TooManyIds { place, list, found } => write!(
                f,
                "grant {place} has {found} ids in {list}; the limit is {GRANT_IDS}"
            ),
            Self::Tangled => f.write_str(
                "the grants name agents, sessions, tasks and projects in too many combinations; give each less lists",
            ),
        }
    }
}

impl std::error::Error for ScopesError {}

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

    #[test]
    fn grants_that_are_cut_up_are_the_same_scopes() {
        let whole = scopes(&[scope(&["a", "b"], &[1, 2]), scope(&["a"], &[3])]);
        let by_kind = [scope(&["b"], &[2, 1]), scope(&["a"], &[1, 2, 3])];
        let by_project = [
            scope(&["a", "b"], &[1]),
            scope(&["b"], &[2]),
            scope(&["a"], &[2]),
            scope(&["a"], &[3]),
        ];
        assert_eq!(whole, scopes(&by_kind));
        assert_eq!(whole, scopes(&by_project));
    }

    #[test]
    fn what_is_let_through_anyway_is_not_said_again() {
        let both = scopes(&[scope(&["a.*"], &[]), scope(&["a.b", "c"], &[1])]);
        let said = [scope(&["a.*"], &[]), scope(&["c"], &[1])];
        assert_eq!(both.as_slice(), said);
    }

    #[test]
    fn grants_beyond_a_limit_are_refused_by_name() {
        let ids = |count: usize| -> Vec<_> { (1..=count as u128).collect() };
        let patterns = |count: usize| -> Vec<_> {
            let names = (0..count).map(|n| Pattern::parse(&format!("k{n}")).unwrap());
            names.collect()
        };
        let many = |count| Scope::new(patterns(count), Within::default());
        let found = |given: &[Scope]| Scopes::checked(given).map(|_| ());
        for (given, told) in [
            (vec![scope(&[], &ids(GRANT_IDS))], ""),
            (
                vec![scope(&[], &ids(GRANT_IDS + 1))],
                "grant 0 has 257 ids in project_id; the limit is 256",
            ),
            (vec![many(PATTERNS)], ""),
            (
                vec![many(1), many(PATTERNS + 1)],
                "grant 1 has 65 patterns; the limit is 64",
            ),
            (vec![many(1); GRANTS], ""),
            (vec![many(1); GRANTS + 1], "33 grants; the limit is 32"),
        ] {
            let refusal = found(&given)
                .err()
                .map_or_else(String::new, |error| error.to_string());
            assert_eq!(refusal, told);
        }
    }

    /// Grants of which each shares each id of each list with half of the others.
    fn tangled() -> Vec<Scope> {
        let ids = |grant: u128, list: u128| {
            let shared =
                (0..12).filter(|id| (grant.wrapping_mul(0x9e37_79b9 + list) >> id) & 1 == 0);
            Some(shared.map(Uuid::from_u128).collect())
        };
        let one = |grant| Within {
            agent_id: ids(grant, 2),
            session_id: ids(grant, 4),
            task_id: ids(grant, 6),
            project_id: ids(grant, 8),
        };
        let pattern = |grant| Pattern::parse(&format!("k{grant}")).unwrap();
        let grants = (0..GRANTS as u128).map(|grant| Scope::new(vec![pattern(grant)], one(grant)));
        grants.collect()
    }

    /// Grants that are all of kinds of their own, half with a list of agents and half with one of tasks: each combination of
    /// the lists is a part of its own.
    fn odd(grants: u128, level: usize) -> Vec<Scope> {
        let one = |grant: u128| {
            let mut within = Within::default();
            let ids = (0..16_u128).filter(|id| (grant.wrapping_mul(0x9e37_79b9) >> id) & 1 == 0);
            let ids = ids.map(Uuid::from_u128).collect();
            *within.each_mut()[(level + usize::from(grant.is_multiple_of(2))) % 4] = Some(ids);
            let pattern = Pattern::parse(&format!("k{grant}.*")).unwrap();
            Scope::new(vec![pattern, Pattern::parse("k.*").unwrap()], within)
        };
        (1..=grants).map(one).collect()
    }

    #[test]
    fn what_two_unions_have_in_common_is_refused_where_it_has_too_many_parts() {
        let both = |grants| {
            let union = |level| Scopes::checked(&odd(grants, level)).unwrap();
            (union(0), union(2))
        };
        let (one, other) = both(4);
        assert_eq!(one.checked_and(&other), Ok(one.and(&other)));
        for grants in [16, GRANTS as u128] {
            let (one, other) = both(grants);
            assert_eq!(one.checked_and(&other), Err(ScopesError::Tangled));
            assert_eq!(one.checked_and(&one.clone()), Ok(one.clone()));
        }
    }

    #[test]
    fn as_many_grants_with_as_many_patterns_and_ids_as_there_may_be_are_taken() {
        let union = |first: u128| {
            let one = |grant: u128| {
                let ids: Vec<_> = (0..GRANT_IDS as u128).map(|id| grant << 32 | id).collect();
                let names: Vec<_> = (0..PATTERNS)
                    .map(|n| format!("k{first}.n{n}.g{grant}"))
                    .collect();
                let mut names: Vec<_> = names.iter().map(String::as_str).collect();
                names[0] = "shared";
                scope(&names, &ids)
            };
            let grants: Vec<_> = (0..GRANTS as u128).map(one).collect();
            Scopes::checked(&grants).unwrap()
        };
        let both = union(0).checked_and(&union(1)).unwrap();
        assert!(both.matches("shared", &of_project(GRANT_IDS as u128 - 1)));
        assert!(!both.matches("k0.n1.g0", &of_project(0)));
    }

    #[test]
    fn unions_that_are_long_to_hold_against_each_other_are_refused() {
        let union = |kind: &str| {
            let one = |grant: u128| {
                let ids = || {
                    Some(
                        (0..200)
                            .map(|id| Uuid::from_u128(grant << 32 | id))
                            .collect(),
                    )
                };
                let within = Within {
                    agent_id: ids(),
                    session_id: ids(),
                    task_id: ids(),
                    project_id: ids(),
                };
                let pattern = Pattern::parse(&format!("{kind}{grant}")).unwrap();
                Scope::new(vec![pattern], within)
            };
            let grants: Vec<_> = (0..GRANTS as u128).map(one).collect();
            Scopes::checked(&grants).unwrap()
        };
        let (one, other) = (union("a"), union("b"));
        assert_eq!(one.checked_and(&other), Err(ScopesError::Tangled));
    }

    #[test]
    fn tangled_grants_are_refused_and_would_mean_what_they_say() {
        let grants = tangled();
        assert_eq!(Scopes::checked(&grants), Err(ScopesError::Tangled));
        let scopes = Scopes::new(grants.clone());
        for number in 0..12_u128 {
            let ids = Ids {
                agent_id: Uuid::from_u128(number),
                session_id: Some(Uuid::from_u128(number / 2)),
                task_id: Some(Uuid::from_u128(number / 3)),
                project_id: Some(Uuid::from_u128(11 - number)),
            };
            for grant in &grants {
                let kind = grant.patterns()[0].to_string();
                assert_eq!(scopes.matches(&kind, &ids), grant.matches(&kind, &ids));
            }
        }
    }
}
