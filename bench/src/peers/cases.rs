//! The cases: what is done to a server, and what is looked at.

use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::framing::PeerFraming;
use super::row::{CaseName, Figures, PeerRow};
use super::subject::{Subject, Window};
use crate::Outcome;
use crate::load::fan_out::{self, Run};
use crate::load::receive::Receiver;
use crate::load::{LOOK_UP, PATIENCE, rounded};
use crate::pace;
use crate::server::Usage;
use crate::settings::Settings;

/// A server that has sent nothing for so long has nothing more to send.
pub const QUIET: Duration = Duration::from_secs(3);

/// What a stalled subscriber reads, and how often: 1 KiB a second.
const SIP_BYTES: usize = 256;
const SIP_EVERY: Duration = Duration::from_millis(250);

/// The stalled case lasts longer than others: kernels take the first seconds of what nobody reads.
const STALLED_TIMES: u32 = 4;

/// How long idle subscribers are left alone before memory is looked at, and before they come.
const SETTLE: Duration = Duration::from_secs(1);

/// What is done in a case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Which.
    pub name: CaseName,
    /// Subscribers.
    pub subscribers: u32,
    /// Bytes of an event, about.
    pub event_bytes: usize,
    /// Events in each publish.
    pub batch: u32,
    /// Publishes a second; none when as fast as possible or never.
    pub rate_per_s: Option<u32>,
}

impl Case {
    /// The case of this name. `idle` is how many subscribers there are in the idle one.
    pub fn of(name: CaseName, settings: &Settings, idle: u32) -> Self {
        let many = |count: u32| if settings.quick { count.min(10) } else { count };
        let (subscribers, event_bytes, batch, rate_per_s) = match name {
            CaseName::Steady => (many(100), 200, 1, Some(1000)),
            CaseName::Saturation => (many(100), 200, 32, None),
            CaseName::StalledHalf => (many(100), 2000, 1, Some(500)),
            CaseName::Idle => (many(idle), 200, 0, None),
        };
        Self {
            name,
            subscribers,
            event_bytes,
            batch,
            rate_per_s,
        }
    }

    /// Does it.
    pub fn measure(&self, settings: &Settings, subject: &Subject<'_>) -> Outcome<Figures> {
        match (self.name, self.rate_per_s) {
            (CaseName::Steady, Some(rate)) => self.steady(settings, subject, rate),
            (CaseName::StalledHalf, Some(rate)) => self.stalled_half(settings, subject, rate),
            (CaseName::Idle, _) => self.idle(settings, subject),
            _ => self.saturation(settings, subject),
        }
    }

    /// The row of a server in this case, of this version, or missing for this reason.
    pub fn row(
        &self,
        peer: &str,
        keeps: &str,
        published_by: &str,
        version: Result<String, String>,
        figures: Figures,
    ) -> PeerRow {
        let (version, missing) = match version {
            Ok(version) => (version, None),
            Err(why) => (String::new(), Some(why)),
        };
        PeerRow {
            case: self.name,
            peer: peer.to_owned(),
            version,
            missing,
            keeps: keeps.to_owned(),
            published_by: published_by.to_owned(),
            subscribers: self.subscribers,
            event_bytes: self.event_bytes,
            batch: self.batch,
            rate_per_s: self.rate_per_s,
            figures,
        }
    }

    /// The same for the load that is steady.
    pub fn fan_out(&self, rate_per_s: u32) -> fan_out::Case {
        fan_out::Case {
            subscribers: self.subscribers,
            rate_per_s,
            event_bytes: self.event_bytes,
            encoding: "message".to_owned(),
        }
    }

    fn steady(&self, settings: &Settings, subject: &Subject<'_>, rate: u32) -> Outcome<Figures> {
        let streams = subject.subscribe(self.subscribers)?;
        let case = self.fan_out(rate);
        let before = subject.process.usage()?;
        let mut run = Run::begin(settings, &case, subject.publishers(), streams, before)?;
        let (publisher, schedule) = (
            subject.publisher(self.batch, self.event_bytes),
            run.schedule,
        );
        let published = thread::scope(|scope| {
            let publishing = scope.spawn(move || publisher.follow(schedule));
            while_publishing(publishing, || run.receiver.turn(LOOK_UP))
        })?;
        read_the_rest(&mut run.receiver, published.emits)?;
        let cut_off = cut_off(&mut run.receiver)?;
        let lost = self.lost(published.emits, run.receiver.deliveries());
        let row = run.end(
            "",
            &case,
            &published.sent_late,
            &published.own_late,
            subject.process.usage()?,
        );
        Ok(Figures {
            deliveries: Some(row.deliveries),
            lost: Some(lost),
            cut_off: Some(cut_off),
            cpu_us_per_delivery: Some(row.cpu_us_per_delivery),
            to_subscriber: Some(row.to_subscriber),
            generator: Some(row.generator),
            ..Figures::default()
        })
    }

    fn saturation(&self, settings: &Settings, subject: &Subject<'_>) -> Outcome<Figures> {
        let mut receiver = Receiver::new(None)?;
        for stream in subject.subscribe(self.subscribers)? {
            receiver.add(stream)?;
        }
        let window = Window::default();
        let publisher = subject.publisher(self.batch, self.event_bytes);
        let begin = pace::monotonic() + settings.warm_up();
        let until = begin + settings.duration();
        let look = |receiver: &Receiver<_>| -> Outcome<Look> {
            Ok(Look {
                at: pace::monotonic(),
                cpu: subject.process.usage()?.cpu,
                deliveries: receiver.deliveries(),
            })
        };
        let mut first = None;
        let batches = thread::scope(|scope| {
            let publishing = scope.spawn(|| publisher.saturate(&window, until));
            let published = while_publishing(publishing, || {
                if first.is_none() && pace::monotonic() >= begin {
                    first = Some(look(&receiver)?);
                }
                receiver.turn(LOOK_UP)?;
                window.reach(receiver.least());
                Ok(())
            });
            // If reading failed, publishers are not to wait for it.
            window.close();
            published
        })?;
        let second = look(&receiver)?;
        let first = first.ok_or("it was over before it began")?;
        read_the_rest(&mut receiver, batches * u64::from(self.batch))?;
        let cut_off = cut_off(&mut receiver)?;
        let count = second.deliveries - first.deliveries;
        let deliveries = rounded(count);
        let cpu = second.cpu.saturating_sub(first.cpu).as_secs_f64();
        let took = second.at.saturating_sub(first.at).as_secs_f64();
        Ok(Figures {
            deliveries: Some(count),
            lost: Some(self.lost(batches, receiver.deliveries())),
            cut_off: Some(cut_off),
            deliveries_per_s: Some(deliveries / took),
            deliveries_per_cpu_s: Some(deliveries / cpu),
            cpu_us_per_delivery: Some(cpu * 1e6 / deliveries),
            ..Figures::default()
        })
    }

    fn stalled_half(
        &self,
        settings: &Settings,
        subject: &Subject<'_>,
        rate: u32,
    ) -> Outcome<Figures> {
        let settings = &settings.lasting(STALLED_TIMES);
        let half = self.subscribers / 2;
        let streams = subject.subscribe(self.subscribers - half)?;
        let mut stalled = Stalled::subscribe(subject, half)?;
        let case = self.fan_out(rate);
        let before = subject.process.usage()?;
        let mut run = Run::begin(settings, &case, subject.publishers(), streams, before)?;
        let (publisher, schedule) = (
            subject.publisher(self.batch, self.event_bytes),
            run.schedule,
        );
        let mut most = before;
        let published = thread::scope(|scope| {
            let publishing = scope.spawn(move || publisher.follow(schedule));
            while_publishing(publishing, || {
                run.receiver.turn(LOOK_UP)?;
                if stalled.sip()? {
                    most = larger(most, subject.process.usage()?);
                }
                Ok(())
            })
        })?;
        read_the_rest(&mut run.receiver, published.emits)?;
        let cut_off = cut_off(&mut run.receiver)?;
        most = larger(most, subject.process.usage()?);
        stalled.let_go(published.emits)?;
        let deliveries = run.receiver.deliveries() + stalled.receiver.deliveries();
        let lost = self.lost(published.emits, deliveries);
        let row = run.end("", &case, &published.sent_late, &published.own_late, most);
        Ok(Figures {
            deliveries: Some(deliveries),
            lost: Some(lost),
            cut_off: Some(cut_off + stalled.cut_off),
            to_subscriber: Some(row.to_subscriber),
            generator: Some(row.generator),
            resident_growth_mib: Some(mib(before, most)),
            ..Figures::default()
        })
    }

    fn idle(&self, settings: &Settings, subject: &Subject<'_>) -> Outcome<Figures> {
        // What the first connection sets up is not theirs.
        let first = subject.subscribe(1)?;
        thread::sleep(SETTLE.min(settings.duration()));
        let before = subject.process.usage()?;
        let streams = subject.subscribe(self.subscribers)?;
        thread::sleep(SETTLE.min(settings.duration()));
        let after = subject.process.usage()?;
        let connections = rounded(streams.len() as u64);
        drop((first, streams));
        Ok(Figures {
            resident_kib_per_connection: Some(mib(before, after) * 1024.0 / connections),
            ..Figures::default()
        })
    }

    /// What did not come of what everybody was to have.
    fn lost(&self, published: u64, deliveries: u64) -> u64 {
        (published * u64::from(self.batch) * u64::from(self.subscribers)).saturating_sub(deliveries)
    }
}

/// A look at a server under load.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    cpu: Duration,
    deliveries: u64,
}

/// Does something over and over until everything is published.
fn while_publishing<T>(
    publishing: ScopedJoinHandle<'_, Outcome<T>>,
    mut turn: impl FnMut() -> Outcome<()>,
) -> Outcome<T> {
    while !publishing.is_finished() {
        turn()?;
    }
    publishing.join().map_err(|_| "a publisher panicked")?
}

/// Reads until everybody that is left has everything up to this event, or no more comes.
fn read_the_rest(receiver: &mut Receiver<PeerFraming>, last: u64) -> Outcome<()> {
    receiver.set_goal(last);
    let until = pace::monotonic() + PATIENCE;
    let mut news = (receiver.deliveries(), pace::monotonic());
    while !receiver.is_done() {
        receiver.turn(LOOK_UP)?;
        let now = pace::monotonic();
        if receiver.deliveries() > news.0 {
            news = (receiver.deliveries(), now);
        }
        if now > until || now > news.1 + QUIET {
            break;
        }
    }
    Ok(())
}

/// How many were hung up on.
fn cut_off(receiver: &mut Receiver<PeerFraming>) -> Outcome<u32> {
    Ok(u32::try_from(receiver.take_ended().len())?)
}

/// The half that hardly reads.
struct Stalled<'a> {
    subject: &'a Subject<'a>,
    receiver: Receiver<PeerFraming>,
    cut_off: u32,
    next: Duration,
}

impl<'a> Stalled<'a> {
    fn subscribe(subject: &'a Subject<'a>, count: u32) -> Outcome<Self> {
        let mut receiver = Receiver::new(None)?;
        for number in 0..count {
            receiver.add(subject.subscribe_slowly(number)?)?;
        }
        Ok(Self {
            subject,
            receiver,
            cut_off: 0,
            next: pace::monotonic(),
        })
    }

    /// When it is time, each reads a little, whether or not there is more; says whether it was time.
    fn sip(&mut self) -> Outcome<bool> {
        if pace::monotonic() < self.next {
            return Ok(false);
        }
        self.next += SIP_EVERY;
        let streams = self.receiver.streams();
        let numbers: Vec<_> = streams.map(|(number, _)| number).collect();
        for number in numbers {
            self.receiver.read(number, SIP_BYTES)?;
        }
        self.come_back()?;
        Ok(true)
    }

    /// Now they read as fast as they can: what still comes was kept for them.
    fn let_go(&mut self, last: u64) -> Outcome<()> {
        loop {
            read_the_rest(&mut self.receiver, last)?;
            if self.come_back()? == 0 {
                return Ok(());
            }
        }
    }

    /// Those that the server has hung up on come back where they stood, if it lets them; says how many.
    fn come_back(&mut self) -> Outcome<u32> {
        let mut count = 0;
        for ended in self.receiver.take_ended() {
            self.cut_off += 1;
            if let Some(stream) = self.subject.resume(&ended) {
                self.receiver.add(stream?)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

fn larger(one: Usage, other: Usage) -> Usage {
    if one.resident_bytes > other.resident_bytes {
        one
    } else {
        other
    }
}

/// How much more memory the second has.
fn mib(before: Usage, after: Usage) -> f64 {
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    rounded(grown) / 1024.0 / 1024.0
}
