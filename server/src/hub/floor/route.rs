//! Routes: which groups an event may concern, found without looking at the others.
//!
//! Each kind has a route, on which are the groups whose filters pick it. A group that picks events of the kind with certain
//! ids alone is marked with those, so that an event does not come past the groups of other projects, tasks or agents,
//! however many there are. A route leads to every group that an event concerns, and to none twice. What it leads to has to
//! be asked all the same: kind and ids may be judged together, and a group is marked with one of several ids.

use std::collections::HashMap;

use slab::Slab;
use todoki_codec::{Event, Filter, Kind};
use uuid::Uuid;

use crate::hub::group::Group;

/// Kinds whose routes are remembered; beyond it the memory starts anew.
const KINDS: usize = 4096;

/// Places on all routes that are remembered, of 32 bytes each; the same beyond it. Enough for a thousand groups on the
/// routes of a thousand kinds.
const PLACES: usize = 1 << 20;

/// A group that picks more ids than this is asked about each event of the kind: to be marked with all of them would cost
/// more memory than asking costs time.
const GROUP_MARKS: usize = 8;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_kind: HashMap<Kind, Route>,
    /// On all routes.
    places: usize,
}

/// The groups that pick a kind, by what they are found by: sorted, and so those of a mark are side by side.
#[derive(Debug)]
struct Route(Vec<(Mark, usize)>);

/// Which of an event's ids a group is found by, and the one that it picks; `None` when it is asked about each event.
type Mark = Option<(u8, Uuid)>;

impl Routes {
    /// Finds the groups that an event may concern.
    pub(super) fn find(&mut self, event: &Event, groups: &Slab<Group>, found: &mut Vec<usize>) {
        found.clear();
        if let Some(route) = self.by_kind.get(&event.kind) {
            return route.find(event, found);
        }
        let route = Route::of(&event.kind, groups);
        route.find(event, found);
        if self.by_kind.len() >= KINDS {
            self.forget();
        }
        self.places += route.0.len();
        self.by_kind.insert(event.kind.clone(), route);
        self.keep_bound();
    }

    /// A group is there.
    pub(super) fn insert(&mut self, group: usize, filter: &Filter) {
        for (kind, route) in &mut self.by_kind {
            for mark in marks(filter, kind) {
                let place = route.0.partition_point(|other| *other < (mark, group));
                route.0.insert(place, (mark, group));
                self.places += 1;
            }
        }
        self.keep_bound();
    }

    /// A group is gone, which had this filter.
    pub(super) fn remove(&mut self, group: usize, filter: &Filter) {
        for (kind, route) in &mut self.by_kind {
            for mark in marks(filter, kind) {
                if let Ok(place) = route.0.binary_search(&(mark, group)) {
                    route.0.remove(place);
                    self.places -= 1;
                }
            }
        }
    }

    fn keep_bound(&mut self) {
        if self.places > PLACES {
            self.forget();
        }
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Route {
    fn of(kind: &Kind, groups: &Slab<Group>) -> Self {
        let places = groups.iter().flat_map(|(id, group)| {
            let marks = marks(&group.key.filter, kind);
            marks.into_iter().map(move |mark| (mark, id))
        });
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        Self(places)
    }

    fn find(&self, event: &Event, found: &mut Vec<usize>) {
        // Those without a mark come first, and mostly they are all.
        let unmarked = self.0.partition_point(|(mark, _)| mark.is_none());
        let (unmarked, marked) = self.0.split_at(unmarked);
        found.extend(unmarked.iter().map(|(_, group)| group));
        for (which, id) in (0..).zip(event.ids.each()) {
            let Some(id) = id else { continue };
            let mark = Some((which, id));
            let first = marked.partition_point(|(other, _)| *other < mark);
            let same = marked[first..]
                .iter()
                .take_while(|(other, _)| *other == mark);
            found.extend(same.map(|(_, group)| group));
        }
    }
}

/// What a group with this filter is found by on the route of a kind; nothing when it picks nothing of the kind. All marks
/// are of the same of the four ids, of which an event has one, so that it is found once.
fn marks(filter: &Filter, kind: &Kind) -> Vec<Mark> {
    let Some(within) = filter.within_of(kind.as_str()) else {
        return Vec::new();
    };
    let lists = (0..).zip(within.each());
    let named = lists.filter_map(|(which, ids)| Some((which, ids.as_ref()?)));
    match named.min_by_key(|(_, ids)| ids.len()) {
        Some((which, ids)) if ids.len() <= GROUP_MARKS => {
            ids.iter().map(|id| Some((which, *id))).collect()
        }
        _ => vec![None],
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use todoki_codec::query::Encoding;
    use todoki_codec::{Cursor, Draft, Ids, Pattern, Scope, Scopes, WantedIds, Within, encode};

    use super::*;
    use crate::hub::group::Key;

    const KINDS: [&str; 3] = ["a.x", "a.y", "b"];

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn group(filter: Filter) -> Group {
        let key = Key {
            filter,
            encoding: Encoding::Message,
            is_compressed: false,
        };
        Group::new(key, Cursor::ORIGIN)
    }

    fn event(kind: &str, ids: Ids) -> Event {
        let draft = Draft {
            kind: Kind::parse(kind).unwrap(),
            ids,
            data: "{}".into(),
            id: None,
        };
        encode::event(Cursor::ORIGIN.next(), Timestamp::UNIX_EPOCH, &draft)
    }

    fn of_project(project: u128) -> Ids {
        Ids {
            project_id: Some(id(project)),
            ..Ids::default()
        }
    }

    /// Some kinds of some agents, tasks and projects; any where there are none.
    fn scope() -> impl Strategy<Value = Scope> {
        let kinds = prop::sample::subsequence(vec!["a.x", "a.*", "b"], 0..3);
        let ids = || {
            let some = prop::collection::vec((0..12_u128).prop_map(id), 1..11);
            prop::option::of(some)
        };
        (kinds, ids(), ids(), ids()).prop_map(|(kinds, agents, tasks, projects)| {
            let patterns = kinds.iter().map(|kind| Pattern::parse(kind).unwrap());
            let within = Within {
                agent_id: agents,
                task_id: tasks,
                project_id: projects,
                ..Within::default()
            };
            Scope::new(patterns.collect(), within)
        })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let scopes = prop::collection::vec(scope(), 1..4).prop_map(Scopes::new);
        scopes.prop_filter_map("nothing is let through", |scopes| {
            Filter::default().narrowed(&scopes)
        })
    }

    #[derive(Clone, Debug)]
    enum Act {
        Come(Filter),
        Go(usize),
        /// An event: its kind, agent, task and project, which all come from the same few ids.
        Look(usize, u128, Option<u128>, Option<u128>),
    }

    fn act() -> impl Strategy<Value = Act> {
        let maybe = || prop::option::of(0..12_u128);
        prop_oneof![
            2 => filter().prop_map(Act::Come),
            1 => any::<usize>().prop_map(Act::Go),
            4 => (0..KINDS.len(), 0..12_u128, maybe(), maybe())
                .prop_map(|(kind, agent, task, project)| Act::Look(kind, agent, task, project)),
        ]
    }

    proptest! {
        #[test]
        fn a_route_leads_to_every_group_that_an_event_concerns_once(
            acts in prop::collection::vec(act(), 1..60),
        ) {
            let (mut routes, mut groups, mut found) = (Routes::default(), Slab::new(), Vec::new());
            for act in acts {
                match act {
                    Act::Come(filter) => {
                        let number = groups.insert(group(filter));
                        routes.insert(number, &groups[number].key.filter);
                    }
                    Act::Go(which) => {
                        let numbers: Vec<_> = groups.iter().map(|(number, _)| number).collect();
                        if let Some(number) = numbers.get(which % numbers.len().max(1)) {
                            routes.remove(*number, &groups.remove(*number).key.filter);
                        }
                    }
                    Act::Look(kind, agent, task, project) => {
                        let ids = Ids {
                            agent_id: id(agent),
                            session_id: None,
                            task_id: task.map(id),
                            project_id: project.map(id),
                        };
                        let event = event(KINDS[kind], ids);
                        routes.find(&event, &groups, &mut found);
                        for (number, group) in &groups {
                            let times = found.iter().filter(|one| **one == number).count();
                            let least = usize::from(group.key.filter.matches(&event));
                            prop_assert!((least..=1).contains(&times), "{times} times: {group:?}");
                        }
                        prop_assert!(found.iter().all(|number| groups.contains(*number)));
                    }
                }
            }
            let places: usize = routes.by_kind.values().map(|route| route.0.len()).sum();
            prop_assert_eq!(places, routes.places);
        }
    }

    /// The groups with these filters that an event comes past.
    fn looked_at(filters: impl IntoIterator<Item = Filter>, event: &Event) -> Vec<usize> {
        let groups: Slab<_> = filters.into_iter().map(group).enumerate().collect();
        let mut found = Vec::new();
        Routes::default().find(event, &groups, &mut found);
        found
    }

    #[test]
    fn an_event_does_not_come_past_the_groups_of_other_projects() {
        let asked = (0..100).map(|project| {
            let wanted = WantedIds {
                project_id: Some(id(project)),
                ..WantedIds::default()
            };
            Filter::new(Vec::new(), wanted)
        });
        assert_eq!(looked_at(asked, &event("b", of_project(7))), [7]);
    }

    #[test]
    fn what_is_granted_of_other_kinds_does_not_bring_an_event_past_a_group() {
        let granted = |project| {
            let scope = |pattern: &str, projects: Vec<Uuid>| {
                let within = Within {
                    project_id: Some(projects),
                    ..Within::default()
                };
                Scope::new(vec![Pattern::parse(pattern).unwrap()], within)
            };
            let scopes = Scopes::new(vec![
                scope("a.*", vec![id(1000)]),
                scope("*", vec![id(project)]),
            ]);
            Filter::default().narrowed(&scopes).unwrap()
        };
        let looked_at = |event| looked_at((0..100).map(granted), &event);
        assert_eq!(looked_at(event("b", of_project(7))), [7]);
        assert!(looked_at(event("b", of_project(1000))).is_empty());
        assert_eq!(looked_at(event("a.x", of_project(1000))).len(), 100);
    }

    #[test]
    fn routes_that_are_remembered_have_a_bound() {
        let (mut routes, mut found) = (Routes::default(), Vec::new());
        let mut groups: Slab<Group> = Slab::new();
        groups.insert(group(Filter::default()));
        for number in 0..=super::KINDS {
            let event = event(&format!("kind.{number}"), Ids::default());
            routes.find(&event, &groups, &mut found);
            assert_eq!(found, [0]);
            assert!(routes.by_kind.len() <= super::KINDS);
        }
        assert_eq!((routes.by_kind.len(), routes.places), (1, 1));
        routes.places = PLACES;
        routes.insert(1, &Filter::default());
        assert_eq!(routes.places, 0, "one more place than there may be");
    }
}
