//! What a shard says of itself when it is asked.
//!
//! A shard answers between two turns of its members, so what it says agrees with itself and with what was written. That
//! costs it a walk over its members, and nothing while nobody asks.

use std::time::Duration;

use todoki_codec::Cursor;
use tokio::sync::{mpsc, oneshot};

use super::floor::Floor;
use super::meter::Counts;

/// Scrapes that may wait for a shard at the same time; more of them wait their turn.
pub const QUESTIONS: usize = 4;

/// Where a shard is asked, and where it answers.
pub type Question = oneshot::Sender<Survey>;

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What was counted.
    pub counts: Counts,
    /// Subscribers that are given what their group shares.
    pub live: Standing,
    /// Subscribers that are given the log.
    pub behind: Standing,
    /// Groups there are.
    pub groups: usize,
    /// Bytes reserved for segments.
    pub segment_bytes: usize,
}

/// How far some subscribers are behind what was meant for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// How many they are.
    pub subscribers: u64,
    /// Events that they have not been given, together.
    pub lag_events: u64,
    /// Events that the worst of them has not been given.
    pub lag_events_most: u64,
    /// For how long they have lagged, together.
    pub lag: Duration,
    /// For how long the worst of them has lagged.
    pub lag_most: Duration,
}

impl Standing {
    fn note(&mut self, events: u64, lag: Duration) {
        self.add(&Self {
            subscribers: 1,
            lag_events: events,
            lag_events_most: events,
            lag,
            lag_most: lag,
        });
    }

    fn add(&mut self, other: &Self) {
        self.subscribers += other.subscribers;
        self.lag_events += other.lag_events;
        self.lag_events_most = self.lag_events_most.max(other.lag_events_most);
        self.lag += other.lag;
        self.lag_most = self.lag_most.max(other.lag_most);
    }
}

impl Survey {
    /// Looks at everyone on a floor. `lag` says for how long the owner of a sink has lagged.
    pub(super) fn of<S: super::floor::Sink>(
        floor: &mut Floor<S>,
        head: Cursor,
        lag: impl Fn(&S) -> Duration,
    ) -> Self {
        let counts = floor.meter.settled().clone();
        let (groups, segment_bytes) = floor.groups();
        let (mut live, mut behind) = (Standing::default(), Standing::default());
        for (sink, is_live, events) in floor.standings(head) {
            let standing = if is_live { &mut live } else { &mut behind };
            standing.note(events, lag(sink));
        }
        Self {
            counts,
            live,
            behind,
            groups,
            segment_bytes,
        }
    }

    /// Subscribers there are.
    pub fn subscribers(&self) -> u64 {
        self.live.subscribers + self.behind.subscribers
    }

    fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.live.add(&other.live);
        self.behind.add(&other.behind);
        self.groups += other.groups;
        self.segment_bytes += other.segment_bytes;
    }
}

/// Asks every shard at once, and adds up what they say. `None` when one of them has ended.
pub(super) async fn ask(shards: impl Iterator<Item = &mpsc::Sender<Question>>) -> Option<Survey> {
    let mut answers = Vec::new();
    for shard in shards {
        let (question, answer) = oneshot::channel();
        shard.send(question).await.ok()?;
        answers.push(answer);
    }
    let mut whole = Survey::default();
    for answer in answers {
        whole.add(&answer.await.ok()?);
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(subscribers: u64) -> Survey {
        let mut survey = Survey::default();
        for number in 1..=subscribers {
            survey.live.note(number, Duration::from_secs(number));
        }
        survey.behind.note(1, Duration::ZERO);
        survey.counts.writes = subscribers;
        survey.counts.lateness.add(1, subscribers);
        survey.groups = 2;
        survey
    }

    #[test]
    fn what_shards_say_is_added_up_and_of_the_worst_the_worst_is_kept() {
        let mut whole = Survey::default();
        whole.add(&survey(3));
        whole.add(&survey(2));
        assert_eq!((whole.subscribers(), whole.behind.subscribers), (7, 2));
        let Standing {
            lag_events,
            lag_events_most,
            lag,
            lag_most,
            ..
        } = whole.live;
        assert_eq!((lag_events, lag_events_most), (9, 3));
        assert_eq!((lag.as_secs(), lag_most.as_secs()), (9, 3));
        assert_eq!((whole.counts.writes, whole.counts.lateness.count()), (5, 5));
        assert_eq!(whole.groups, 4);
    }

    #[tokio::test]
    async fn every_shard_is_asked_and_one_that_has_ended_is_no_answer() {
        let (one, mut asked) = mpsc::channel::<Question>(QUESTIONS);
        let (other, mut other_asked) = mpsc::channel::<Question>(QUESTIONS);
        let shards = [one, other];
        let answering = async {
            drop(asked.recv().await.unwrap().send(survey(1)));
            drop(other_asked.recv().await.unwrap().send(survey(2)));
        };
        let (whole, ()) = tokio::join!(ask(shards.iter()), answering);
        assert_eq!(whole.unwrap().subscribers(), 5);
        drop(other_asked);
        assert!(ask(shards.iter()).await.is_none());
    }
}
