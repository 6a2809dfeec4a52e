//! A made-up day of agents at work, as drafts: tasks are created, assigned, planned, worked on, asked about, and end.
//!
//! A seed and a number of agents give the same day on every machine. Knows no clock, no socket and no server: a beat says
//! how long after the beginning of the day it happens, and whoever plays the day decides how fast. Everything says
//! `"demo":true` in its data. docs/EVENTS.md has the shapes of the data, and a test holds the two together.

mod agent;
mod script;
mod task;
mod tools;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use simd_json::OwnedValue;
use simd_json::prelude::Writable;
use uuid::Uuid;

use agent::Agent;
use script::Script;

/// One event of the day.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Since the day began.
    pub at: Duration,
    /// What happens.
    pub kind: &'static str,
    /// To whom; no agent is the system, or a human.
    pub ids: Ids,
    /// As docs/EVENTS.md says.
    pub data: OwnedValue,
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Who works.
    pub agent: Option<Uuid>,
    /// One attempt at a task.
    pub session: Option<Uuid>,
    /// What is worked on.
    pub task: Option<Uuid>,
    /// What the task is part of.
    pub project: Option<Uuid>,
}

impl Beat {
    /// The draft of this event, with an id by which the server knows a repetition.
    pub fn draft(&self, id: &str) -> String {
        let ids: String = [
            ("agent_id", self.ids.agent),
            ("session_id", self.ids.session),
            ("task_id", self.ids.task),
            ("project_id", self.ids.project),
        ]
        .into_iter()
        .filter_map(|(name, id)| id.map(|id| format!("\"{name}\":\"{id}\",")))
        .collect();
        let (kind, data) = (self.kind, self.data.encode());
        format!("{{\"kind\":\"{kind}\",{ids}\"data\":{data},\"id\":\"{id}\"}}")
    }
}

/// All that happens, in order of time and without an end.
#[derive(Debug)]
pub struct Day {
    lanes: Vec<Lane>,
}

/// Those whose time is their own: what one of them does never waits for another.
#[derive(Debug)]
struct Lane {
    who: Who,
    rng: Rng,
    /// Up to when it is written.
    clock: Duration,
    beats: VecDeque<Beat>,
}

#[derive(Debug)]
enum Who {
    /// What connects the agents to the server, and is lost at times.
    Relay {
        is_up: bool,
    },
    Agent(Box<Agent>),
}

impl Day {
    /// The day of this seed, with so many agents.
    pub fn new(seed: u64, agents: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let projects: [Uuid; words::PROJECTS.len()] = std::array::from_fn(|_| id(&mut rng));
        let relay = Lane::new(Who::Relay { is_up: false }, &mut rng);
        let mut lanes = vec![relay];
        for number in 0..agents {
            let agent = Agent::new(number, projects, &mut rng);
            lanes.push(Lane::new(Who::Agent(Box::new(agent)), &mut rng));
        }
        Self { lanes }
    }
}

impl Iterator for Day {
    type Item = Beat;

    fn next(&mut self) -> Option<Beat> {
        for lane in &mut self.lanes {
            lane.refill();
        }
        // The first of several at the same time: the order is to be the same each time.
        let next = self.lanes.iter_mut().min_by_key(|lane| lane.next_at())?;
        next.beats.pop_front()
    }
}

impl Lane {
    fn new(who: Who, rng: &mut Rng) -> Self {
        Self {
            who,
            rng: rng.fork(),
            clock: Duration::ZERO,
            beats: VecDeque::new(),
        }
    }

    /// Writes on where nothing is left; every script has at least one beat.
    fn refill(&mut self) {
        if self.beats.is_empty() {
            let mut script = Script::new(&mut self.rng, self.clock);
            match &mut self.who {
                Who::Relay { is_up } => relay(is_up, &mut script),
                Who::Agent(agent) => agent.work(&mut script),
            }
            (self.clock, self.beats) = script.end();
        }
    }

    fn next_at(&self) -> Duration {
        self.beats.front().map_or(Duration::MAX, |beat| beat.at)
    }
}

/// Connected from the start, and once in some hours away for a minute.
fn relay(is_up: &mut bool, script: &mut Script<'_>) {
    let relay = words::RELAY;
    if *is_up {
        script.wait(3_000..20_000);
        let reason = script.pick(&["ping timeout", "deploy", "network changed"]);
        script.say(
            "system.relay_disconnected",
            simd_json::json!({"relay": relay, "reason": reason}),
        );
        script.wait(4..90);
    }
    *is_up = true;
    script.say(
        "system.relay_connected",
        simd_json::json!({"relay": relay, "version": "1.4.2"}),
    );
}

/// A UUID like any random one, and the same for the same seed.
fn id(rng: &mut Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests;
