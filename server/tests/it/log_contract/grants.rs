//! Filters that were narrowed to grants: pages and counts have what each grant lets through, against a plain reading of the
//! grants.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use todoki::log::Log;
use todoki_codec::{Pattern, Scope, Scopes, Within};
use uuid::Uuid;

use super::count::{check_facets, check_histogram, fill, windows};
use super::read::{check_page, filters, pattern, requests};
use super::*;

/// A grant as it is written down.
#[derive(Clone, Debug)]
struct Written {
    patterns: Vec<String>,
    /// For agent, session, task and project.
    lists: [Option<Vec<Uuid>>; 4],
}

impl Written {
    fn scope(&self) -> Scope {
        let patterns = self.patterns.iter();
        let [agent_id, session_id, task_id, project_id] = self.lists.clone();
        let within = Within {
            agent_id,
            session_id,
            task_id,
            project_id,
        };
        Scope::new(
            patterns.map(|text| Pattern::parse(text).unwrap()).collect(),
            within,
        )
    }

    fn lets_through(&self, event: &Event) -> bool {
        let kind = event.kind.as_str();
        let is_kind = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => kind == pattern,
        };
        let ids = &event.ids;
        let own = [
            Some(ids.agent_id),
            ids.session_id,
            ids.task_id,
            ids.project_id,
        ];
        self.patterns.iter().any(is_kind)
            && self.lists.iter().zip(own).all(|(list, own)| match list {
                None => true,
                Some(ids) => own.is_some_and(|own| ids.contains(&own)),
            })
    }
}

/// Few lists and many; ids that are everywhere, rare ones, and for agents the system's; now and then more ids than are
/// looked up one by one.
fn grants() -> impl Strategy<Value = Vec<Written>> {
    let id = prop_oneof![2 => Just(1), 2 => 0..4_u128, 1 => 0..45_u128].prop_map(Uuid::from_u128);
    let list = move || {
        let ids = prop_oneof![
            3 => prop::collection::vec(id.clone(), 1..4),
            1 => prop::collection::vec(id.clone(), 1..30),
        ];
        prop_oneof![3 => Just(None), 1 => ids.prop_map(Some)]
    };
    let by_project = (0..4_u128).prop_map(|id| Some(vec![Uuid::from_u128(id)]));
    let lists = (list(), list(), list(), prop_oneof![list(), by_project]);
    let patterns = prop::collection::vec(pattern(), 1..6);
    let grant = (patterns, lists).prop_map(|(patterns, (agent, session, task, project))| Written {
        patterns,
        lists: [agent, session, task, project],
    });
    prop::collection::vec(grant, 1..5)
}

/// What is asked, by somebody with such grants: the filter that they get, and what it must pick.
fn narrowed(asked: &Filter, grants: &[Written]) -> Option<(Filter, impl Fn(&Event) -> bool)> {
    let scopes = Scopes::new(grants.iter().map(Written::scope).collect());
    let filter = asked.narrowed(&scopes)?;
    let picks = move |event: &Event| {
        asked.matches(event) && grants.iter().any(|grant| grant.lets_through(event))
    };
    Some((filter, picks))
}

/// Mostly all, or too little is left of it.
fn asked() -> impl Strategy<Value = Filter> {
    prop_oneof![2 => Just(Filter::default()), 1 => filters()]
}

/// Makes filters of this many principals that are more than patterns and ids can say, and passes them on.
macro_rules! for_each_principal {
    ($count:expr, $runner:expr, |$filter:ident, $picks:ident| $body:block) => {
        let mut scoped = 0;
        while scoped < $count {
            let both = (asked(), grants()).new_tree($runner).unwrap().current();
            let Some(($filter, $picks)) = narrowed(&both.0, &both.1) else {
                continue;
            };
            scoped += u32::from($filter.is_scoped());
            $body
        }
    };
}

pub(crate) async fn a_page_has_what_grants_let_through(store: &impl Store) {
    let mut runner = TestRunner::deterministic();
    let log = store.open(no_release());
    for _ in 0..3 {
        let batch = prop::collection::vec(drafts(), 300);
        let batch = batch.new_tree(&mut runner).unwrap().current();
        log.append(batch).await.unwrap();
    }
    for round in 0..2 {
        let events = all(&log).await;
        for_each_principal!(100, &mut runner, |filter, picks| {
            let request = requests(900).new_tree(&mut runner).unwrap().current();
            check_page(&log, &events, PageRequest { filter, ..request }, picks).await;
        });
        if round == 0 {
            log.trim(at(300)).await.unwrap();
        }
    }
}

pub(crate) async fn a_histogram_counts_what_grants_let_through(store: &impl Store) {
    let mut runner = TestRunner::deterministic();
    let log = store.open(no_release());
    fill(&log, &mut runner).await;
    let events = all(&log).await;
    for_each_principal!(80, &mut runner, |filter, picks| {
        let windows = windows(&events).new_tree(&mut runner).unwrap().current();
        let picked = events.iter().filter(|event| picks(event));
        check_histogram(&log, &filter, windows, picked).await;
    });
}

pub(crate) async fn facets_are_of_what_grants_let_through(store: &impl Store) {
    let mut runner = TestRunner::deterministic();
    let log = store.open(no_release());
    fill(&log, &mut runner).await;
    let events = all(&log).await;
    for_each_principal!(80, &mut runner, |filter, picks| {
        let limit = prop_oneof![1..5_usize, 1..50_usize];
        let limit = limit.new_tree(&mut runner).unwrap().current();
        let picked = events.iter().filter(|event| picks(event));
        check_facets(&log, &filter, limit, picked).await;
    });
}
