//! What lets a client go on: its admission, looked at again when it may have changed, and when it ends.
//!
//! One watch for all subscribers of a shard waits for changes of who may come in, and for the times at which single
//! admissions want to be looked at; it holds no more than those times. They are the wall clock's, which a timer does not
//! follow when it is set or the machine has slept, so it is read again at each heartbeat. What is done then is the
//! subscriber's matter.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use todoki_codec::Filter;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::line::Order;
use super::terms::reached;
use crate::auth::{Admission, Auth, Generation};
use crate::clock;
use crate::hub::floor::MemberId;
use crate::hub::shard::Shard;
use crate::limit::{Account, Exceeded};
use crate::log::Log;
use crate::reply::Refusal;

/// A client is told that its token ends so long before it does: enough to ask for another one, and again if that fails.
const WARNING_MS: u32 = 60_000;

/// Up to so much earlier, so that clients that came together do not all ask for new tokens at once.
const WARNING_JITTER_MS: u32 = 10_000;

/// A look that comes early would have to come again: timers and the wall's clock round differently.
const LATE: Duration = Duration::from_millis(2);

/// See the [module](self). Every client has one, so it is small and in a box.
#[derive(Debug)]
pub struct Access {
    /// Who came in, and until when.
    pub(super) admission: Admission,
    /// What was asked for, when that is not what is given.
    asked: Option<Box<Filter>>,
    /// Whether the subscription began with what is stored.
    pub(super) is_resumed: bool,
    /// How long before its token ends the client is to be told so; `None` when that is done, or it never ends.
    warns_ahead_ms: Option<u32>,
    /// When the watch has it looked at.
    looked_at: Option<Timestamp>,
    /// What counts the wrong tokens that the client shows, and what is looked for in the log for it; none outside a server.
    account: Option<Account>,
}

/// What the time asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// Telling that the token ends in so many milliseconds.
    Warning(u64),
    /// The end.
    End,
}

impl Access {
    /// The access of somebody who was let in, and what counts for them.
    pub fn new(admission: Admission, account: Option<Account>) -> Box<Self> {
        let warns_ahead_ms = warning(admission.expires, clock::now());
        Box::new(Self {
            admission,
            asked: None,
            is_resumed: false,
            warns_ahead_ms,
            looked_at: None,
            account,
        })
    }

    /// Goes on with another admission of the same principal.
    pub(super) fn renew(&mut self, admission: Admission) {
        self.warns_ahead_ms = warning(admission.expires, clock::now());
        self.admission = admission;
    }

    /// What a token that was not taken is answered: it is a guess, wherever it is made.
    pub(super) fn refused(&self, refusal: Refusal) -> Refusal {
        match &self.account {
            Some(account) => account.refused(refusal),
            None => refusal,
        }
    }

    /// The log looks for something on behalf of the client, as it does for a page.
    pub(super) fn spend_read(&self) -> Result<(), Exceeded> {
        let principal = &self.admission.principal;
        let account = self.account.as_ref();
        account.map_or(Ok(()), |account| account.spend_read(principal))
    }

    /// Notes what was asked for, and what is given of it.
    pub(super) fn note(&mut self, asked: &Filter, given: &Filter, is_resumed: bool) {
        self.asked = (asked != given).then(|| Box::new(asked.clone()));
        self.is_resumed = is_resumed;
    }

    /// What was asked for, when this is given.
    pub(super) fn asked(&self, given: &Filter) -> Filter {
        self.asked.as_deref().unwrap_or(given).clone()
    }

    /// What the time asks for now. A warning is due once.
    pub(super) fn due(&mut self, now: Timestamp) -> Due {
        let Some(expires) = self.admission.expires else {
            return Due::Nothing;
        };
        if self.admission.ends().is_some_and(|end| end <= now) {
            return Due::End;
        }
        if self.warns_at().is_none_or(|at| now < at) {
            return Due::Nothing;
        }
        self.warns_ahead_ms = None;
        Due::Warning(millis_until(expires, now))
    }

    /// For how long the token still counts, as the client is told it.
    pub(super) fn expires_in_ms(&self, now: Timestamp) -> Option<u64> {
        let expires = self.admission.expires?;
        Some(millis_until(expires, now))
    }

    /// When it wants to be looked at next.
    fn next_look(&self) -> Option<Timestamp> {
        let end = self.admission.ends()?;
        Some(self.warns_at().map_or(end, |at| at.min(end)))
    }

    fn warns_at(&self) -> Option<Timestamp> {
        let ahead = SignedDuration::from_millis(self.warns_ahead_ms?.into());
        self.admission.expires?.checked_sub(ahead).ok()
    }
}

/// How many milliseconds before its end to tell that a token ends: a minute and some seconds, or half of what is left.
fn warning(expires: Option<Timestamp>, now: Timestamp) -> Option<u32> {
    let half = millis_until(expires?, now) / 2;
    let usual = WARNING_MS + fastrand::u32(0..=WARNING_JITTER_MS);
    Some(u32::try_from(half).map_or(usual, |half| half.min(usual)))
}

fn millis_until(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(then.duration_since(now).as_millis()).unwrap_or(0)
}

/// The times at which subscribers of a shard are to be looked at.
#[derive(Debug)]
pub(crate) struct Watch {
    due: RefCell<BTreeSet<(Timestamp, MemberId)>>,
    /// Rings when another time comes first.
    bell: Notify,
    /// Changes of who may come in that everyone on the floor was told of.
    generation: Cell<Generation>,
}

impl Watch {
    pub(crate) fn new(auth: &Auth) -> Self {
        Self {
            due: RefCell::default(),
            bell: Notify::new(),
            generation: Cell::new(auth.generation()),
        }
    }

    /// Whether everyone on the floor was told of the same state of things, and of none since.
    pub(super) fn is_at(&self, generation: Generation) -> bool {
        self.generation.get() == generation
    }

    /// Has a subscriber looked at when its access wants it, and at no other time.
    pub(super) fn set(&self, id: MemberId, access: &mut Access) {
        self.forget(id, access);
        let Some(at) = access.next_look() else { return };
        access.looked_at = Some(at);
        let mut due = self.due.borrow_mut();
        due.insert((at, id));
        if due.first() == Some(&(at, id)) {
            self.bell.notify_one();
        }
    }

    /// Has a subscriber not looked at any more.
    pub(super) fn forget(&self, id: MemberId, access: &mut Access) {
        if let Some(at) = access.looked_at.take() {
            self.due.borrow_mut().remove(&(at, id));
        }
    }

    /// For how long there is nothing to do as far as is known at this time, which is asked again after `longest`.
    fn wait(&self, now: Timestamp, longest: Duration) -> Option<Duration> {
        let (at, _) = *self.due.borrow().first()?;
        let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        Some(wait.saturating_add(LATE).min(longest))
    }

    /// Those whose time has come. They stay until they are set anew or forgotten, unless another look is on its way.
    fn take_due(&self, now: Timestamp) -> Vec<MemberId> {
        let mut due = self.due.borrow_mut();
        let mut members = Vec::new();
        while let Some((at, id)) = due.first().copied().filter(|(at, _)| *at <= now) {
            due.remove(&(at, id));
            members.push(id);
        }
        members
    }
}

/// Watches for as long as the shard lives.
pub(crate) async fn watch<L: Log>(shard: Rc<Shard<L>>) {
    let mut changes = shard.auth.changes();
    loop {
        let wait = shard.watch.wait(clock::now(), shard.settings.heartbeat);
        let next = wait.map(|wait| Instant::now() + wait);
        tokio::select! {
            changed = changes.changed() => {
                // The shard holds the sender, so it is there.
                if changed.is_err() {
                    return;
                }
                shard.watch.generation.set(*changes.borrow_and_update());
                for line in shard.floor.borrow().sinks() {
                    line.order(Order::Look);
                }
            }
            () = shard.watch.bell.notified() => {}
            () = reached(next) => {}
        }
        let floor = shard.floor.borrow();
        for id in shard.watch.take_due(clock::now()) {
            floor.sink(id).order(Order::Look);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_warning_comes_a_minute_before_the_end_or_at_half_of_a_short_life() {
        for _ in 0..100 {
            let ahead = warning(Some(at(10_000)), at(0)).unwrap();
            assert!((60_000..=70_000).contains(&ahead), "{ahead}");
            assert!(warning(Some(at(1 << 36)), at(0)).unwrap() >= 60_000);
        }
        assert_eq!(warning(Some(at(20)), at(0)), Some(10_000));
        assert_eq!(warning(Some(at(20)), at(25)), Some(0));
        assert_eq!(warning(None, at(0)), None);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_forward_is_noticed_by_the_next_heartbeat() {
        let auth = Auth::new("secret");
        let mut admission = auth.admit_token("secret").await.unwrap();
        let now = clock::now();
        let hours = |count| now + SignedDuration::from_hours(count);
        admission.expires = Some(hours(8));
        let mut access = Access::new(admission, None);
        let (watch, heartbeat) = (Watch::new(&auth), Duration::from_secs(30));
        assert_eq!(watch.wait(now, heartbeat), None, "nobody is there");
        watch.set(MemberId::default(), &mut access);
        assert_eq!(watch.wait(now, heartbeat), Some(heartbeat));
        assert_eq!(watch.wait(hours(9), heartbeat), Some(LATE));
        assert!(watch.take_due(now).is_empty());
        assert_eq!(watch.take_due(hours(9)), [MemberId::default()]);
        assert_eq!(access.due(hours(9)), Due::End);
    }

    #[test]
    fn it_is_small_enough_for_every_client_to_have_one() {
        // What the allocator hands out for anything from 129 bytes on.
        assert!(size_of::<Access>() <= 160, "{} bytes", size_of::<Access>());
    }

    #[tokio::test]
    async fn a_client_is_warned_once_and_ended_after_the_leeway() {
        let auth = Auth::new("secret");
        let mut admission = auth.admit_token("secret").await.unwrap();
        let now = clock::now();
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        admission.expires = Some(after(20));
        let mut access = Access::new(admission, None);
        assert_eq!(access.due(now), Due::Nothing);
        assert_eq!(access.due(after(12)), Due::Warning(8_000));
        assert_eq!(access.due(after(13)), Due::Nothing);
        assert_eq!(access.due(after(29)), Due::Nothing);
        assert_eq!(access.due(after(30)), Due::End);
        access.admission.expires = None;
        assert_eq!(access.due(after(1_000_000)), Due::Nothing);
    }
}
