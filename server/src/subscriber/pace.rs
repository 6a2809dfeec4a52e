//! How much a client may say on its WebSocket.
//!
//! A client over a limit is told once, and what it said beyond is not acted on; one that goes on is closed. How often a
//! socket is read is limited as well, but nobody is told: bytes wait in the kernel and are read together, so that a client
//! which sends them one by one costs no more than others.
//!
//! The state of a bucket is one number, which is kept in the subscriber that it belongs to; the rates are the shard's.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use tokio::time::Instant;

use crate::limit::{self, Limits, Name};

/// For so long after it was told a client may have more on its way.
const GRACE: Duration = Duration::from_secs(1);

/// So much of that is ignored: what a client sends before it has read what it is told.
const IGNORED: u16 = 100;

/// After so long the first time over a limit is the first again.
const FORGIVEN: Duration = Duration::from_mins(1);

/// How much clients may say; 0 is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    messages: u32,
    controls: u32,
    reads: u32,
    errors: u32,
}

impl Inbound {
    /// No limits, for benches.
    pub const UNLIMITED: Self = Self {
        messages: 0,
        controls: 0,
        reads: 0,
        errors: 0,
    };

    /// As the table has them.
    pub fn new(limits: &Limits) -> Self {
        let value = |name| limits.get(name).unwrap_or(0);
        Self {
            messages: value(Name::SocketMessages),
            controls: value(Name::SocketControls),
            reads: value(Name::SocketReads),
            errors: value(Name::SocketErrors),
        }
    }
}

/// A bucket's state: when it is full again, 0 before anything was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Level(Cell<u64>);

impl Hash for Level {
    /// Where a key is its own state there is no map to find it in, but governor asks for keys that could be in one.
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Keeps each state in its key.
#[derive(Debug)]
struct InPlace;

impl StateStore for InPlace {
    type Key = Level;

    fn measure_and_replace<T, F, E>(&self, level: &Level, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = Some(level.0.get()).filter(|state| *state > 0);
        let (verdict, next) = judge(state.map(Nanos::new))?;
        level.0.set(next.as_u64());
        Ok(verdict)
    }
}

type Rate<C> = RateLimiter<Level, InPlace, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The rates that all clients of a shard have.
pub(crate) struct Pacing<C: Clock = DefaultClock> {
    messages: Option<Rate<C>>,
    controls: Option<Rate<C>>,
    reads: Option<Rate<C>>,
    clock: C,
    inbound: Inbound,
}

impl Pacing {
    pub(crate) fn new(inbound: Inbound) -> Self {
        Self::with(inbound, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Pacing<C> {
    fn with(inbound: Inbound, clock: C) -> Self {
        let rate = |name: Name, value| {
            let quota = limit::quota(name.limit().unit, NonZeroU32::new(value)?);
            Some(RateLimiter::new(quota, InPlace, clock.clone()))
        };
        Self {
            messages: rate(Name::SocketMessages, inbound.messages),
            controls: rate(Name::SocketControls, inbound.controls),
            reads: rate(Name::SocketReads, inbound.reads),
            clock,
            inbound,
        }
    }

    /// Whether so many errors in a row are over the limit.
    fn is_too_many(&self, errors: u32) -> bool {
        self.inbound.errors > 0 && errors > self.inbound.errors
    }

    /// Takes one, or says after which time there will be one.
    fn take(&self, rate: Option<&Rate<C>>, level: &Level) -> Result<(), Duration> {
        let Some(rate) = rate else {
            return Ok(());
        };
        let taken = rate.check_key(level);
        taken.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// What a client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A text or binary message.
    Message,
    /// A ping or a pong.
    Control,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is acted on.
    Act,
    /// It is not, and the client is told why.
    Tell(Over),
    /// It is not, as the client may not yet have read what it was told.
    Ignore,
    /// The client does not listen.
    Close(Over),
}

/// A client is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    name: Name,
    value: u32,
    /// Until it may go on.
    pub(super) wait: Duration,
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limit = self.name.limit();
        write!(
            f,
            "over the limit {} of {} {}",
            limit.name, self.value, limit.unit
        )
    }
}

/// How much one client has said.
#[derive(Debug, Default)]
pub(super) struct Pace {
    messages: Level,
    controls: Level,
    reads: Level,
    /// When it was last told that it is over a limit.
    told: Option<Instant>,
    /// What it has said since then that was over a limit too.
    ignored: u16,
    /// Tokens in a row that were wrong, whatever else was said between them.
    guesses: u16,
    /// Commands in a row that were answered with an error.
    errors: u32,
    /// When its socket is read again.
    rests_until: Option<Instant>,
}

impl Pace {
    /// It said something.
    pub(super) fn hear<C: Clock + Clone>(
        &mut self,
        pacing: &Pacing<C>,
        said: Said,
        now: Instant,
    ) -> Verdict {
        let (rate, level, name, value) = match said {
            Said::Message => (
                &pacing.messages,
                &self.messages,
                Name::SocketMessages,
                pacing.inbound.messages,
            ),
            Said::Control => (
                &pacing.controls,
                &self.controls,
                Name::SocketControls,
                pacing.inbound.controls,
            ),
        };
        match pacing.take(rate.as_ref(), level) {
            Ok(()) => Verdict::Act,
            Err(wait) => self.judge(Over { name, value, wait }, now),
        }
    }

    fn judge(&mut self, over: Over, now: Instant) -> Verdict {
        match self.told.map(|told| now - told) {
            Some(since) if since < GRACE && self.ignored < IGNORED => {
                self.ignored += 1;
                Verdict::Ignore
            }
            Some(since) if since < FORGIVEN => Verdict::Close(over),
            _ => {
                self.told = Some(now);
                self.ignored = 0;
                Verdict::Tell(over)
            }
        }
    }

    /// Its socket was read.
    pub(super) fn read<C: Clock + Clone>(&mut self, pacing: &Pacing<C>, now: Instant) {
        if let Err(wait) = pacing.take(pacing.reads.as_ref(), &self.reads) {
            self.rests_until = Some(now + wait);
        }
    }

    /// When its socket is read again, if it is not at once.
    pub(super) fn rests_until(&mut self, now: Instant) -> Option<Instant> {
        self.rests_until = self.rests_until.filter(|until| *until > now);
        self.rests_until
    }

    /// A command was right.
    pub(super) fn succeed(&mut self) {
        self.errors = 0;
    }

    /// A command was wrong; whether it is one too many.
    pub(super) fn err<C: Clock + Clone>(&mut self, pacing: &Pacing<C>) -> bool {
        self.errors = self.errors.saturating_add(1);
        pacing.is_too_many(self.errors)
    }

    /// A token was right.
    pub(super) fn know(&mut self) {
        self.guesses = 0;
    }

    /// A token was wrong; whether it is one too many. Right commands between guesses do not make them fewer.
    pub(super) fn guess<C: Clock + Clone>(&mut self, pacing: &Pacing<C>) -> bool {
        self.guesses = self.guesses.saturating_add(1);
        pacing.is_too_many(self.guesses.into())
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn pacing(inbound: Inbound) -> (Pacing<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Pacing::with(inbound, clock.clone()), clock)
    }

    fn limited() -> Inbound {
        Inbound {
            messages: 60,
            controls: 2,
            reads: 10,
            errors: 2,
        }
    }

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn who_goes_on_after_being_told_is_closed() {
        let (pacing, clock) = pacing(limited());
        let (mut pace, now) = (Pace::default(), later(0));
        for _ in 0..60 {
            assert_eq!(pace.hear(&pacing, Said::Message, now), Verdict::Act);
        }
        let Verdict::Tell(over) = pace.hear(&pacing, Said::Message, now) else {
            panic!("the first beyond is told")
        };
        assert_eq!(over.wait, Duration::from_secs(1));
        assert_eq!(
            over.to_string(),
            "over the limit socket-messages of 60 per minute"
        );
        assert_eq!(pace.hear(&pacing, Said::Message, now), Verdict::Ignore);
        assert!(matches!(
            pace.hear(&pacing, Said::Message, now + GRACE),
            Verdict::Close(_)
        ));
        clock.advance(Duration::from_secs(1));
        assert_eq!(pace.hear(&pacing, Said::Message, now + GRACE), Verdict::Act);
        assert!(matches!(
            pace.hear(&pacing, Said::Message, now + FORGIVEN),
            Verdict::Tell(_)
        ));
    }

    #[test]
    fn a_flood_is_not_ignored_for_long() {
        let (pacing, _) = pacing(limited());
        let (mut pace, now) = (Pace::default(), later(0));
        let verdicts = (0..1_000).map(|_| pace.hear(&pacing, Said::Control, now));
        let before: Vec<_> = verdicts
            .take_while(|verdict| !matches!(verdict, Verdict::Close(_)))
            .collect();
        let acted = before.iter().filter(|verdict| **verdict == Verdict::Act);
        assert_eq!(acted.count(), 20, "ten seconds' worth");
        assert_eq!(before.len(), 20 + 1 + IGNORED as usize);
    }

    #[test]
    fn messages_and_control_frames_are_counted_apart() {
        let (pacing, _) = pacing(limited());
        let (mut pace, now) = (Pace::default(), later(0));
        for _ in 0..20 {
            pace.hear(&pacing, Said::Control, now);
        }
        assert_eq!(pace.hear(&pacing, Said::Message, now), Verdict::Act);
    }

    #[test]
    fn a_socket_that_was_read_too_often_rests() {
        let (pacing, _) = pacing(limited());
        let (mut pace, now) = (Pace::default(), later(0));
        for _ in 0..50 {
            pace.read(&pacing, now);
            assert_eq!(pace.rests_until(now), None);
        }
        pace.read(&pacing, now);
        let until = now + Duration::from_millis(100);
        assert_eq!(pace.rests_until(now), Some(until));
        assert_eq!(pace.rests_until(until), None);
    }

    #[test]
    fn errors_in_a_row_are_counted_and_a_right_command_ends_the_row() {
        let (pacing, _) = pacing(limited());
        let mut pace = Pace::default();
        assert!(!pace.err(&pacing) && !pace.err(&pacing));
        pace.succeed();
        assert!(!pace.err(&pacing) && !pace.err(&pacing));
        assert!(pace.err(&pacing));
    }

    #[test]
    fn only_a_right_token_ends_a_row_of_guesses() {
        let (pacing, _) = pacing(limited());
        let mut pace = Pace::default();
        assert!(!pace.guess(&pacing) && !pace.guess(&pacing));
        pace.know();
        assert!(!pace.guess(&pacing) && !pace.guess(&pacing));
        pace.succeed();
        assert!(pace.guess(&pacing));
    }

    #[test]
    fn it_is_small_enough_for_every_subscriber_to_have_one() {
        assert!(size_of::<Pace>() <= 64, "{} bytes", size_of::<Pace>());
    }

    #[test]
    fn without_limits_nothing_is_too_much() {
        let (pacing, _) = pacing(Inbound::UNLIMITED);
        let (mut pace, now) = (Pace::default(), later(0));
        for _ in 0..10_000 {
            assert_eq!(pace.hear(&pacing, Said::Message, now), Verdict::Act);
            pace.read(&pacing, now);
            assert!(!pace.err(&pacing));
        }
        assert_eq!(pace.rests_until(now), None);
    }
}
