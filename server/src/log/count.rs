//! What counts of events say, and how they are put together, whatever holds the events.
//!
//! A count looks at the newest events first and ends where it has cost enough; its [`Reach`] says how far it came. What it
//! says is exact for the events from there on, and never an estimate.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use todoki_codec::limits::HISTOGRAM_FAMILIES;
use todoki_codec::{Cursor, Kind};
use uuid::Uuid;

/// Distinct ids of one facet that a count keeps: some 5 MiB of them with their counts. A log whose newest events have more
/// of them is counted as far back as these reach, where a count of the rest would be a guess.
const IDS: usize = 100_000;

/// The name that stands for all families beyond [`HISTOGRAM_FAMILIES`]: no kind has a `*`.
pub const OTHER_FAMILIES: &str = "*";

/// How far back a count came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Every event from this cursor on that was asked for is counted, and none before it.
    pub from_cursor: Cursor,
    /// Whether the log has no more of what was asked for.
    pub is_complete: bool,
}

/// Events by window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The families that have events, by name; [`OTHER_FAMILIES`] last.
    pub families: Vec<Family>,
    /// In each window, the events that tell of a failure.
    pub failures: Vec<u64>,
    /// How far back they were counted.
    pub reach: Reach,
}

/// Events of the kinds that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// What their kinds have before the first dot.
    pub name: Box<str>,
    /// How many there are in each window.
    pub counts: Vec<u64>,
}

/// Values with the number of events that have them, most frequent first, equal ones by value.
pub type Frequent<T> = Vec<(T, u64)>;

/// What events are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facets {
    /// Their kinds.
    pub kinds: Frequent<Kind>,
    /// Their agents, without the system.
    pub agents: Frequent<Uuid>,
    /// Their sessions.
    pub sessions: Frequent<Uuid>,
    /// Their tasks.
    pub tasks: Frequent<Uuid>,
    /// How many they are.
    pub events: u64,
    /// How far back they were counted.
    pub reach: Reach,
}

/// A histogram in the making. Kinds are places in the list that it was made with.
#[derive(Debug)]
pub(super) struct HistogramTally {
    /// The place of each kind's family, and whether the kind is one of a failure.
    kinds: Vec<(usize, bool)>,
    /// Without counts until the first of their events comes: a vocabulary may be large, and its part in use small.
    families: Vec<Family>,
    failures: Vec<u64>,
}

impl HistogramTally {
    pub(super) fn new(kinds: &[Kind], windows: usize) -> Self {
        let mut places = BTreeMap::new();
        let mut families = Vec::new();
        let of_kind = |kind: &Kind| {
            let place = *places.entry(kind.family().to_owned()).or_insert_with(|| {
                families.push(Family {
                    name: kind.family().into(),
                    counts: Vec::new(),
                });
                families.len() - 1
            });
            (place, kind.is_failure())
        };
        Self {
            kinds: kinds.iter().map(of_kind).collect(),
            families,
            failures: vec![0; windows],
        }
    }

    /// So many events of this kind in this window.
    pub(super) fn add(&mut self, kind: usize, window: usize, events: u64) {
        if events == 0 {
            return;
        }
        let (family, is_failure) = self.kinds[kind];
        let counts = &mut self.families[family].counts;
        if counts.is_empty() {
            counts.resize(self.failures.len(), 0);
        }
        counts[window] += events;
        if is_failure {
            self.failures[window] += events;
        }
    }

    pub(super) fn finish(self, reach: Reach) -> Histogram {
        let mut families = self.families;
        families.retain(|family| !family.counts.is_empty());
        let others = split_others(&mut families);
        families.sort_by(|one, other| one.name.cmp(&other.name));
        families.extend(others);
        Histogram {
            families,
            failures: self.failures,
            reach,
        }
    }
}

/// Takes the least frequent families out, as one, where there are too many.
fn split_others(families: &mut Vec<Family>) -> Option<Family> {
    if families.len() <= HISTOGRAM_FAMILIES {
        return None;
    }
    families.sort_by_cached_key(|family| {
        let events: u64 = family.counts.iter().sum();
        (Reverse(events), family.name.clone())
    });
    let others = families.split_off(HISTOGRAM_FAMILIES - 1);
    others.into_iter().reduce(|mut sum, family| {
        for (sum, count) in sum.counts.iter_mut().zip(family.counts) {
            *sum += count;
        }
        sum.name = OTHER_FAMILIES.into();
        sum
    })
}

/// Facets in the making. Kinds are places in the list that it was made for.
#[derive(Debug)]
pub(super) struct FacetsTally {
    kinds: Vec<u64>,
    agents: HashMap<Uuid, u64>,
    sessions: HashMap<Uuid, u64>,
    tasks: HashMap<Uuid, u64>,
    events: u64,
}

impl FacetsTally {
    pub(super) fn new(kinds: usize) -> Self {
        Self {
            kinds: vec![0; kinds],
            agents: HashMap::new(),
            sessions: HashMap::new(),
            tasks: HashMap::new(),
            events: 0,
        }
    }

    /// One event more; the system's has no agent.
    pub(super) fn add(
        &mut self,
        kind: usize,
        agent: Option<Uuid>,
        session: Option<Uuid>,
        task: Option<Uuid>,
    ) {
        self.events += 1;
        self.kinds[kind] += 1;
        for (ids, id) in [
            (&mut self.agents, agent),
            (&mut self.sessions, session),
            (&mut self.tasks, task),
        ] {
            if let Some(id) = id {
                *ids.entry(id).or_default() += 1;
            }
        }
    }

    /// Whether there is no room for another id.
    pub(super) fn is_full(&self) -> bool {
        [&self.agents, &self.sessions, &self.tasks]
            .iter()
            .any(|ids| ids.len() >= IDS)
    }

    /// The `limit` most frequent of each; `kinds` is the list that the places are of.
    pub(super) fn finish(self, kinds: &[Kind], limit: usize, reach: Reach) -> Facets {
        let kinds = kinds.iter().cloned().zip(self.kinds);
        Facets {
            kinds: most_frequent(kinds, limit),
            agents: most_frequent(self.agents, limit),
            sessions: most_frequent(self.sessions, limit),
            tasks: most_frequent(self.tasks, limit),
            events: self.events,
            reach,
        }
    }
}

/// The `limit` most frequent of these values, each of which comes once.
pub(super) fn most_frequent<T: Ord>(
    counts: impl IntoIterator<Item = (T, u64)>,
    limit: usize,
) -> Frequent<T> {
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    let order = |one: &(T, u64), other: &(T, u64)| other.1.cmp(&one.1).then(one.0.cmp(&other.0));
    if counts.len() > limit {
        // Ordering a hundred thousand ids to keep twenty would cost more than the rest of a short count.
        counts.select_nth_unstable_by(limit, order);
        counts.truncate(limit);
    }
    counts.sort_unstable_by(order);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: Reach = Reach {
        from_cursor: Cursor::ORIGIN,
        is_complete: true,
    };

    fn kinds(names: impl IntoIterator<Item = String>) -> Vec<Kind> {
        let kinds = names.into_iter().map(|name| Kind::parse(&name).unwrap());
        kinds.collect()
    }

    #[test]
    fn kinds_of_a_family_are_counted_together_and_failures_beside_them() {
        let kinds =
            kinds(["task.failed", "agent.started", "task.created", "never.seen"].map(Into::into));
        let mut tally = HistogramTally::new(&kinds, 2);
        for (kind, window, events) in [(0, 1, 2), (2, 1, 3), (1, 0, 5), (3, 0, 0)] {
            tally.add(kind, window, events);
        }
        let histogram = tally.finish(REACH);
        let family = |name: &str, counts: [u64; 2]| Family {
            name: name.into(),
            counts: counts.into(),
        };
        assert_eq!(
            histogram.families,
            [family("agent", [5, 0]), family("task", [0, 5])]
        );
        assert_eq!(histogram.failures, [0, 2]);
    }

    #[test]
    fn families_beyond_the_limit_are_one() {
        let few = HISTOGRAM_FAMILIES as u64;
        let kinds = kinds((0..few + 3).map(|number| format!("family{number:03}.kind")));
        let mut tally = HistogramTally::new(&kinds, 1);
        for (kind, number) in (0..kinds.len()).zip(1..) {
            tally.add(kind, 0, number);
        }
        let families = tally.finish(REACH).families;
        assert_eq!(families.len(), HISTOGRAM_FAMILIES);
        assert_eq!(&*families[0].name, "family004");
        assert_eq!(families[0].counts, [5]);
        let last = families.last().unwrap();
        assert_eq!((&*last.name, &*last.counts), (OTHER_FAMILIES, &[10][..]));
    }

    #[test]
    fn the_most_frequent_come_first_and_equal_ones_by_value() {
        let counts = [("c", 2), ("a", 1), ("b", 2), ("none", 0), ("d", 3)];
        assert_eq!(
            most_frequent(counts, 9),
            [("d", 3), ("b", 2), ("c", 2), ("a", 1)]
        );
        assert_eq!(most_frequent(counts, 2), [("d", 3), ("b", 2)]);
        assert_eq!(most_frequent(counts, 0), []);
    }

    #[test]
    fn facets_are_full_before_they_take_more_ids_than_they_may() {
        let mut tally = FacetsTally::new(1);
        let mut events = 0;
        while !tally.is_full() {
            tally.add(0, None, None, Some(Uuid::from_u128(events)));
            tally.add(0, Some(Uuid::from_u128(1)), None, None);
            events += 1;
        }
        assert_eq!((events, tally.tasks.len()), (IDS as u128, IDS));
        let facets = tally.finish(&kinds(["a".into()]), 1, REACH);
        assert_eq!(facets.events, 2 * IDS as u64);
        assert_eq!(facets.agents, [(Uuid::from_u128(1), IDS as u64)]);
    }
}
