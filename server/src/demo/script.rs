//! How a stretch of the day is written: a clock that only goes forward, and beats at its time.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use simd_json::OwnedValue;
use simd_json::prelude::MutableObject;
use uuid::Uuid;

use super::{Beat, Ids};

#[derive(Debug)]
pub(super) struct Script<'a> {
    rng: &'a mut Rng,
    clock: Duration,
    /// Whom the beats from here on are about.
    pub(super) ids: Ids,
    beats: VecDeque<Beat>,
}

impl<'a> Script<'a> {
    pub(super) fn new(rng: &'a mut Rng, clock: Duration) -> Self {
        Self {
            rng,
            clock,
            ids: Ids::default(),
            beats: VecDeque::new(),
        }
    }

    /// Up to when it is written, and what.
    pub(super) fn end(self) -> (Duration, VecDeque<Beat>) {
        (self.clock, self.beats)
    }

    pub(super) fn clock(&self) -> Duration {
        self.clock
    }

    pub(super) fn millis_since(&self, begin: Duration) -> u64 {
        let passed = self.clock.saturating_sub(begin);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets so many seconds pass, and a part of one.
    pub(super) fn wait(&mut self, seconds: Range<u64>) {
        let millis = self.rng.u64(seconds.start * 1000..seconds.end * 1000);
        self.clock += Duration::from_millis(millis);
    }

    /// Something happens to whomever the script is about now.
    pub(super) fn say(&mut self, kind: &'static str, data: OwnedValue) {
        self.say_of(self.ids, kind, data);
    }

    /// Something is done by the system, or by a human, about the same task and session.
    pub(super) fn say_from_outside(&mut self, kind: &'static str, data: OwnedValue) {
        let ids = Ids {
            agent: None,
            ..self.ids
        };
        self.say_of(ids, kind, data);
    }

    fn say_of(&mut self, ids: Ids, kind: &'static str, mut data: OwnedValue) {
        put(&mut data, "demo", true.into());
        let at = self.clock;
        self.beats.push_back(Beat {
            at,
            kind,
            ids,
            data,
        });
    }

    /// Output of the agent, in one batch.
    pub(super) fn output(&mut self, stream: &'static str, items: Vec<OwnedValue>) {
        let mut data = simd_json::json!({"stream": stream});
        put(&mut data, "items", items.into());
        self.say("agent.output_batch", data);
    }

    /// A line of text of the agent.
    pub(super) fn text(&mut self, stream: &'static str, text: &str) {
        self.output(
            stream,
            vec![simd_json::json!({"type": "text", "text": text})],
        );
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    pub(super) fn number(&mut self, range: Range<u64>) -> u64 {
        self.rng.u64(range)
    }

    pub(super) fn count(&mut self, range: Range<usize>) -> usize {
        self.rng.usize(range)
    }

    /// Whether it happens, in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.rng.u64(..100) < percent
    }

    pub(super) fn id(&mut self) -> Uuid {
        super::id(self.rng)
    }
}

fn put(data: &mut OwnedValue, name: &str, value: OwnedValue) {
    let put = data.insert(name, value);
    put.expect("data is an object");
}
