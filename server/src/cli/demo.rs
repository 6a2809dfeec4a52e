//! `todoki demo`: plays a made-up day of agents at work to a server: hours of it at once as history, then on as it happens.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::{ClientError, Remote};
use super::sender::{Batch, Progress, Sender};
use super::{Failure, note};
use crate::demo::{Beat, Day};
use crate::{clock, config};

/// So few that something happens while one looks, so many that one machine still makes them.
const RATES: std::ops::RangeInclusive<f64> = 0.1..=50_000.0;

/// What fits on a screen of lanes, and more.
const AGENTS: std::ops::RangeInclusive<i64> = 1..=64;

/// More history than this is no demonstration but a load.
const HISTORY_LONGEST: Duration = Duration::from_hours(24 * 30);

/// Beats whose bursts and lulls are kept as they are while their sum is made to fit the rate.
const STRETCH: u8 = 64;

/// A server that was away for longer is not flooded with what it has missed: the day goes on later instead.
const BEHIND: Duration = Duration::from_secs(1);

/// For what is on its way when the end comes.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Live events a second, on the whole; they come in bursts, as work does
    #[arg(long, default_value_t = 5.0, value_parser = rate, value_name = "COUNT")]
    rate: f64,

    /// Agents at work
    #[arg(
        long,
        default_value_t = 6,
        value_parser = clap::value_parser!(u8).range(AGENTS),
        value_name = "COUNT"
    )]
    agents: u8,

    /// Hours of their work to begin with, fed at once; 0 for none
    #[arg(long, default_value = "12h", value_parser = history, value_name = "SPAN")]
    history: Span,

    /// How long to go on live, such as 30s or 2h; 0 for the history alone, until Ctrl-C when absent
    #[arg(long, value_parser = span, value_name = "SPAN")]
    duration: Option<Span>,

    /// The same number gives the same day again, to the byte; a new one each time when absent
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    #[command(flatten)]
    client: config::Client,
}

const EXAMPLES: &str = "\
Examples:
  todoki demo                                12 hours of history, then 5 events a second
  todoki demo --rate 200 --agents 24         a busy day
  todoki demo --history 0 --duration 30s     half a minute, live only
  todoki demo --history 3h --duration 0      history only
  todoki demo --seed 7                       the same day each time

All of it is made up, and says so: each event has \"demo\":true in its data. It is stored like \
any other, so use a server whose log may hold it. Events are stamped as they arrive: the \
history is of now.";

/// A duration that may be nothing.
#[derive(Clone, Copy, Debug)]
struct Span(Duration);

fn span(text: &str) -> Result<Span, String> {
    match text {
        "0" => Ok(Span(Duration::ZERO)),
        _ => config::duration(text).map(Span),
    }
}

fn history(text: &str) -> Result<Span, String> {
    let history = span(text)?;
    if history.0 <= HISTORY_LONGEST {
        Ok(history)
    } else {
        Err(format!("{text:?} is longer than 30d"))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| RATES.contains(rate));
    rate.ok_or_else(|| format!("{text:?} is not a number from 0.1 to 50000"))
}

pub(super) async fn run(demo: Demo) -> Result<(), Failure> {
    let remote = Remote::new(&demo.client).map_err(Failure::usage)?;
    let seed = match demo.seed {
        Some(seed) => seed,
        // Short enough to be typed again.
        None => u64::from(getrandom::u32()?) % 100_000,
    };
    introduce(&demo, seed);
    let mut feed = Feed {
        sender: Sender::new(remote),
        run: Uuid::new_v4(),
        number: 0,
        progress: Progress::new(),
        stop: stopped_by_signal()?,
    };
    let fed = feed
        .day(Day::new(seed, usize::from(demo.agents)), &demo)
        .await;
    feed.progress.finish();
    Ok(fed?)
}

/// What is about to happen, and where to look.
fn introduce(demo: &Demo, seed: u64) {
    let url = demo.client.url.trim_end_matches('/');
    let token = demo
        .client
        .generated_token()
        .map_or_else(String::new, |file| {
            format!("; the token that it asks for is in {}", file.display())
        });
    note(&format!(
        "made-up events of {} agents go to {url}, each with \"demo\":true in its data (--seed {seed} repeats them)\n\
         look at {url}/events{token}\n\
         Ctrl-C ends it",
        demo.agents
    ));
}

fn stopped_by_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}

/// What has gone out, and how the rest does.
struct Feed {
    sender: Sender,
    /// Makes the drafts' ids unlike those of any other run, also of the same day.
    run: Uuid,
    /// Of the last draft, from 1.
    number: u64,
    progress: Progress,
    stop: CancellationToken,
}

impl Feed {
    /// Its history, and then the rest as it happens.
    async fn day(&mut self, day: Day, demo: &Demo) -> Result<(), ClientError> {
        let mut day = day.peekable();
        let is_history = |beat: &Beat| beat.at < demo.history.0;
        self.all(std::iter::from_fn(|| day.next_if(is_history)))
            .await?;
        let duration = demo.duration.map(|span| span.0);
        if self.stop.is_cancelled() || duration == Some(Duration::ZERO) {
            return Ok(());
        }
        if self.number > 0 {
            // Two rates in one figure would say nothing.
            self.progress.finish();
            self.progress = Progress::new();
            note(&format!("live from here on, {} a second", demo.rate));
        }
        self.live(Live::new(day, demo.rate), duration).await
    }

    /// All of them, as fast as the server takes them.
    async fn all(&mut self, beats: impl Iterator<Item = Beat>) -> Result<(), ClientError> {
        let mut batch = Batch::default();
        for beat in beats {
            let draft = self.draft(&beat);
            if let Err(draft) = batch.push(draft) {
                self.send(&batch).await?;
                batch = Batch::default();
                // It fits: nothing else is in there.
                batch.push(draft).ok();
            }
            if self.stop.is_cancelled() {
                return Ok(());
            }
        }
        self.send(&batch).await
    }

    /// Each at its time, until the end or the signal.
    async fn live(
        &mut self,
        mut live: Live,
        duration: Option<Duration>,
    ) -> Result<(), ClientError> {
        let end = duration.map(|duration| clock::instant() + duration);
        while !self.stop.is_cancelled() {
            let now = clock::instant();
            if end.is_some_and(|end| now >= end) {
                break;
            }
            let mut batch = Batch::default();
            while let Some(beat) = live.due(now) {
                let draft = self.draft(&beat);
                if let Err(draft) = batch.push(draft) {
                    self.send(&batch).await?;
                    batch = Batch::default();
                    batch.push(draft).ok();
                }
            }
            self.send(&batch).await?;
            let next = end.map_or(live.next_at(), |end| end.min(live.next_at()));
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    fn draft(&mut self, beat: &Beat) -> String {
        self.number += 1;
        beat.draft(&format!("demo-{}-{}", self.run, self.number))
    }

    /// Until the server has it. After the signal it is waited for a little longer, and left behind.
    async fn send(&mut self, batch: &Batch) -> Result<(), ClientError> {
        if batch.count == 0 {
            return Ok(());
        }
        let stop = self.stop.clone();
        let given_up = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            cursors = self.sender.send(&batch.body) => self.progress.add(&cursors?),
            () = given_up => note("the server has not answered; what was on its way may be missing"),
        }
        Ok(())
    }
}

/// The rest of the day at a rate.
///
/// The day has a pace of its own, with bursts and lulls. A stretch of it at a time is squeezed or drawn out so that it
/// takes as long as the rate says: within a stretch the rhythm stays, over several the rate is exact.
struct Live {
    day: std::iter::Peekable<Day>,
    rate: f64,
    /// Of the stretch, each with its time.
    waiting: VecDeque<(Instant, Beat)>,
    /// Where the next stretch begins: on the clock, and in the day.
    begins: Instant,
    from: Option<Duration>,
}

impl Live {
    fn new(day: std::iter::Peekable<Day>, rate: f64) -> Self {
        let mut live = Self {
            day,
            rate,
            waiting: VecDeque::new(),
            begins: clock::instant(),
            from: None,
        };
        live.stretch();
        live
    }

    /// The next beat, if its time has come.
    fn due(&mut self, now: Instant) -> Option<Beat> {
        if let Some(late) = now.checked_duration_since(self.next_at() + BEHIND) {
            self.postpone(late);
        }
        if self.next_at() > now {
            return None;
        }
        let (_, beat) = self.waiting.pop_front()?;
        if self.waiting.is_empty() {
            self.stretch();
        }
        Some(beat)
    }

    /// The day never ends, so there always is one.
    fn next_at(&self) -> Instant {
        self.waiting.front().map_or(self.begins, |(at, _)| *at)
    }

    fn postpone(&mut self, late: Duration) {
        self.begins += late;
        for (at, _) in &mut self.waiting {
            *at += late;
        }
    }

    fn stretch(&mut self) {
        let beats: Vec<Beat> = self.day.by_ref().take(STRETCH.into()).collect();
        let (Some(first), Some(last)) = (beats.first(), beats.last()) else {
            return;
        };
        let from = self.from.unwrap_or(first.at);
        let (begins, end) = (self.begins, last.at);
        let length = Duration::from_secs_f64(f64::from(STRETCH) / self.rate);
        // Of a stretch whose beats all come at once there is nothing to draw out.
        let whole = end.saturating_sub(from).max(Duration::from_millis(1));
        let placed = |beat: Beat| {
            let share = beat.at.saturating_sub(from).div_duration_f64(whole);
            (begins + length.mul_f64(share.min(1.0)), beat)
        };
        self.waiting.extend(beats.into_iter().map(placed));
        self.begins += length;
        self.from = Some(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_whatever_the_rhythm() {
        for rate in [0.5, 5.0, 2_000.0] {
            let mut live = Live::new(Day::new(1, 6).peekable(), rate);
            let start = live.next_at();
            let mut count = 0_u32;
            let mut gaps = Vec::new();
            while count < 6_400 {
                let at = live.next_at();
                assert!(live.due(at).is_some(), "it is due when it says");
                gaps.push(live.next_at() - at);
                count += 1;
            }
            let measured = f64::from(count) / (live.next_at() - start).as_secs_f64();
            assert!(
                (measured / rate - 1.0).abs() < 0.02,
                "{measured} for {rate}"
            );
            let longest = gaps.iter().max().unwrap().as_secs_f64();
            assert!(longest > 4.0 / rate, "there are lulls");
        }
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let mut live = Live::new(Day::new(1, 6).peekable(), 10.0);
        let late = live.next_at() + Duration::from_mins(10);
        let mut count = 0;
        while live.due(late).is_some() {
            count += 1;
        }
        assert!((1..=100).contains(&count), "{count} at once");
    }

    #[test]
    fn spans_may_be_nothing_and_rates_may_not() {
        assert!(span("0").is_ok_and(|span| span.0.is_zero()));
        assert!(span("30s").is_ok_and(|span| span.0 == Duration::from_secs(30)));
        assert!(history("31d").is_err() && history("30d").is_ok());
        for bad in ["0", "-1", "NaN", "inf", "x", "50001"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert_eq!(rate("0.1"), Ok(0.1));
    }
}
