//! Properties of scopes, and of filters that are narrowed to them: they pick what the plain reading of the grants picks, and
//! are equal when they pick the same.
//!
//! Kinds, patterns and ids are from a universe so small that it can be looked through, and so whole that what is equal in
//! it is equal everywhere: it has, for each pattern, a kind that no narrower one picks, and an id that nobody names.

use std::hash::{BuildHasher, RandomState};

use uuid::Uuid;

use crate::event::Ids;
use crate::filter::{Filter, WantedIds};
use crate::kind::Pattern;
use crate::scope::{Scope, Scopes, Within};

const PATTERNS: [&str; 8] = ["*", "a*", "a.*", "a.b", "a.b.*", "ab", "b", "b.*"];

const KINDS: [&str; 9] = ["c", "ac", "a.c", "a.b", "a.b.c", "ab", "b", "b.c", "abc.d"];

/// Ids that are named; the nil UUID is the system's agent.
const NAMED: u128 = 3;

/// One that is not.
const UNNAMED: Uuid = Uuid::from_u128(9);

/// A grant as it is written down: patterns, and for agent, session, task and project the ids it is for.
#[derive(Clone, Debug)]
struct Written {
    patterns: Vec<&'static str>,
    lists: [Option<Vec<Uuid>>; 4],
}

/// Filters that are narrowed to grants pick what both do; what they are is decided by what they pick, and by nothing else.
pub fn grants_narrow_like_naive(choices: &[u8]) {
    let mut choices = Choices(choices);
    let (asked, filter) = choices.filter();
    let grants = choices.grants();
    let scopes = scopes(&grants);
    let narrowed = filter.narrowed(&scopes);
    let mut picked = 0;
    for_each_event(|kind, ids| {
        let is_allowed = grants.iter().any(|grant| grant.lets_through(kind, ids));
        assert_eq!(
            scopes.matches(kind, ids),
            is_allowed,
            "{grants:?} {kind} {ids:?}"
        );
        let is_picked = asked.lets_through(kind, ids) && is_allowed;
        let found = narrowed
            .as_ref()
            .is_some_and(|filter| picks(filter, kind, ids));
        assert_eq!(found, is_picked, "{filter} {grants:?} {kind} {ids:?}");
        picked += u32::from(is_picked);
    });
    assert_eq!(narrowed.is_some(), picked > 0, "{filter} {grants:?}");
    assert_eq!(
        scopes.is_nothing(),
        Filter::default().narrowed(&scopes).is_none()
    );

    let other_words = choices.respelled(&grants);
    same_in_other_words(&filter, &scopes, &other_words);
    let more = choices.grants();
    narrowing_goes_on(&filter, &scopes, &self::scopes(&more));
    what_picks_the_same_is_the_same(&grants, &more);
}

fn same_in_other_words(filter: &Filter, scopes: &Scopes, other_words: &[Written]) {
    let again = self::scopes(other_words);
    assert_eq!(&again, scopes, "{other_words:?}");
    let (one, other) = (filter.narrowed(scopes), filter.narrowed(&again));
    let state = RandomState::new();
    assert_eq!(state.hash_one(&one), state.hash_one(&other));
    assert_eq!(one, other);
}

/// Narrowing twice is narrowing to what both let through, in either order; to the same, it changes nothing.
fn narrowing_goes_on(filter: &Filter, scopes: &Scopes, more: &Scopes) {
    let narrowed = filter.narrowed(scopes);
    let twice = |first: &Scopes, second: &Scopes| filter.narrowed(first)?.narrowed(second);
    assert_eq!(twice(scopes, scopes), narrowed);
    assert_eq!(twice(scopes, &Scopes::all()), narrowed);
    let both = twice(scopes, more);
    assert_eq!(twice(more, scopes), both);
    assert_eq!(filter.narrowed(&scopes.and(more)), both);
    assert_eq!(scopes.and(more), more.and(scopes));
}

/// Whatever the two have to do with each other.
fn what_picks_the_same_is_the_same(one: &[Written], other: &[Written]) {
    let (a, b) = (scopes(one), scopes(other));
    let (mut is_same, mut is_all) = (true, true);
    for_each_event(|kind, ids| {
        is_same &= a.matches(kind, ids) == b.matches(kind, ids);
        is_all &= a.matches(kind, ids);
    });
    assert_eq!(a == b, is_same, "{one:?} {other:?}");
    assert_eq!(a.is_all(), is_all, "{one:?}");
}

/// Whether the filter picks it, by each of the ways in which it is asked.
fn picks(filter: &Filter, kind: &str, ids: &Ids) -> bool {
    let can_be = filter.matches_kind(kind) && filter.matches_ids(ids);
    let is_picked = can_be && filter.matches_scopes(kind, ids);
    if is_picked {
        assert!(filter.within().matches(ids), "{filter:?} {ids:?}");
        let of_kind = filter.within_of(kind);
        let of_kind = of_kind.is_some_and(|within| within.matches(ids));
        assert!(of_kind, "{filter:?} {kind} {ids:?}");
    }
    if !filter.is_scoped() {
        assert_eq!(filter.matches_ids(ids), filter.within().matches(ids));
    }
    let by_scope = filter.scopes().iter().any(|scope| scope.matches(kind, ids));
    assert_eq!(is_picked, by_scope || (can_be && !filter.is_scoped()));
    is_picked
}

fn for_each_event(mut look: impl FnMut(&str, &Ids)) {
    let ids = || (0..NAMED).map(Uuid::from_u128).chain([UNNAMED]);
    // The first stands for none.
    let or_none = || ids().map(|id| Some(id).filter(|id| !id.is_nil()));
    for kind in KINDS {
        for agent_id in ids() {
            for session_id in or_none() {
                for task_id in or_none() {
                    for project_id in or_none() {
                        let ids = Ids {
                            agent_id,
                            session_id,
                            task_id,
                            project_id,
                        };
                        look(kind, &ids);
                    }
                }
            }
        }
    }
}

fn scopes(grants: &[Written]) -> Scopes {
    Scopes::new(grants.iter().map(Written::scope).collect())
}

impl Written {
    fn scope(&self) -> Scope {
        let [agent_id, session_id, task_id, project_id] = self.lists.clone();
        let within = Within {
            agent_id,
            session_id,
            task_id,
            project_id,
        };
        Scope::new(parsed(&self.patterns), within)
    }

    /// The plain reading.
    fn lets_through(&self, kind: &str, ids: &Ids) -> bool {
        let is_kind = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => kind == *pattern,
        };
        let own = [
            Some(ids.agent_id),
            ids.session_id,
            ids.task_id,
            ids.project_id,
        ];
        let mut lists = self.lists.iter().zip(own);
        (self.patterns.is_empty() || self.patterns.iter().any(is_kind))
            && lists.all(|(list, own)| match (list, own) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(ids), Some(own)) => ids.contains(&own),
            })
    }
}

fn parsed(patterns: &[&str]) -> Vec<Pattern> {
    let parse = |text: &&str| Pattern::parse(text).expect("all of them are patterns");
    patterns.iter().map(parse).collect()
}

/// What the bytes choose; zeros once they are used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % end
    }

    fn is(&mut self) -> bool {
        self.below(2) == 1
    }

    fn id(&mut self, from: u128) -> Uuid {
        let count = usize::try_from(NAMED - from).unwrap_or(1);
        Uuid::from_u128(from + self.below(count) as u128)
    }

    /// Only agents can be nil.
    fn from(place: usize) -> u128 {
        u128::from(place > 0)
    }

    fn filter(&mut self) -> (Written, Filter) {
        let patterns = self.patterns();
        let ids: [Option<Uuid>; 4] =
            std::array::from_fn(|place| (self.below(4) == 0).then(|| self.id(Self::from(place))));
        let [agent_id, session_id, task_id, project_id] = ids;
        let wanted = WantedIds {
            agent_id,
            session_id,
            task_id,
            project_id,
        };
        let filter = Filter::new(parsed(&patterns), wanted);
        let lists = ids.map(|id| id.map(|id| vec![id]));
        (Written { patterns, lists }, filter)
    }

    fn patterns(&mut self) -> Vec<&'static str> {
        (0..self.below(4))
            .map(|_| PATTERNS[self.below(PATTERNS.len())])
            .collect()
    }

    fn grants(&mut self) -> Vec<Written> {
        (0..self.below(5)).map(|_| self.grant()).collect()
    }

    fn grant(&mut self) -> Written {
        Written {
            patterns: self.patterns(),
            lists: std::array::from_fn(|place| {
                // An empty list too, which lets nothing through.
                let is_listed = self.below(3) == 0;
                is_listed.then(|| {
                    (0..self.below(4))
                        .map(|_| self.id(Self::from(place)))
                        .collect()
                })
            }),
        }
    }

    /// The same grants, each cut up by a pattern or an id, some said twice, in another order.
    fn respelled(&mut self, grants: &[Written]) -> Vec<Written> {
        let mut cut = Vec::new();
        for grant in grants {
            let mut rest = grant.clone();
            if self.is() && rest.patterns.len() > 1 {
                let patterns = vec![rest.patterns.remove(0)];
                cut.push(Written {
                    patterns,
                    ..rest.clone()
                });
            }
            let place = self.below(4);
            let is_cut = |list: &Option<Vec<Uuid>>| list.as_ref().is_some_and(|ids| ids.len() > 1);
            if is_cut(&rest.lists[place]) {
                let mut part = rest.clone();
                *ids_of(&mut part, place) = ids_of(&mut rest, place).split_off(1);
                cut.push(part);
            }
            if self.is() {
                cut.push(grant.clone());
            }
            cut.push(rest);
        }
        for place in (1..cut.len()).rev() {
            let other = self.below(place + 1);
            cut.swap(place, other);
        }
        cut
    }
}

fn ids_of(grant: &mut Written, place: usize) -> &mut Vec<Uuid> {
    grant.lists[place].as_mut().expect("it has such a list")
}
