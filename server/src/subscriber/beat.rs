//! Signs of life: one timer wheel for all subscribers of a shard.
//!
//! A heartbeat is two signs, a message that programs see and a ping frame that every WebSocket client answers by
//! itself. A timer for each subscriber would cost more than its silence. While the log is away they are told that too,
//! since those that are live would not find out.

use std::rc::{Rc, Weak};
use std::time::Duration;

use todoki_codec::frame;
use todoki_codec::message::Message;
use tokio::time::{Instant, MissedTickBehavior};

use super::line::{self, Line, Order};
use super::terms::unavailable;
use crate::clock;
use crate::hub::floor::{Sink, Turn};
use crate::hub::shard::Shard;
use crate::log::Log;

/// Spokes of the wheel: a heartbeat is late by a sixty-fourth of its interval at most.
const SPOKES: u8 = 64;

/// The timer's own precision.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// The subscribers of a shard, each on the spoke that comes round when its heartbeat is due.
#[derive(Debug)]
pub(crate) struct Wheel {
    spokes: [Vec<Weak<Line>>; SPOKES as usize],
    now: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            spokes: std::array::from_fn(|_| Vec::new()),
            now: 0,
        }
    }
}

impl Wheel {
    /// Its first heartbeat is a full turn away.
    pub(super) fn join(&mut self, line: &Rc<Line>) {
        self.spokes[self.now].push(Rc::downgrade(line));
    }

    fn turn(&mut self) -> Vec<Weak<Line>> {
        self.now = next(self.now);
        std::mem::take(&mut self.spokes[self.now])
    }
}

fn next(spoke: usize) -> usize {
    (spoke + 1) % usize::from(SPOKES)
}

/// Turns the wheel for as long as the shard lives.
pub(crate) async fn beat<L: Log>(shard: Rc<Shard<L>>) {
    let tick = (shard.settings.heartbeat / u32::from(SPOKES)).max(SHORTEST_TICK);
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let lines = shard.wheel.borrow_mut().turn();
        for line in lines.iter().filter_map(Weak::upgrade) {
            let is_due = line.beat_at.get() <= now;
            if is_due {
                line.beat_at.set(now + shard.settings.heartbeat);
                attend(&shard, &line, now);
            }
            // One that is not due yet is met again a tick later; with a turn, it would be late by all of it.
            let mut wheel = shard.wheel.borrow_mut();
            let spoke = if is_due { wheel.now } else { next(wheel.now) };
            wheel.spokes[spoke].push(Rc::downgrade(&line));
        }
    }
}

fn attend<L: Log>(shard: &Shard<L>, line: &Rc<Line>, now: Instant) {
    let Some(id) = line.id.get() else { return };
    let mut floor = shard.floor.borrow_mut();
    // Taking events shows life; taking a ping does not, since the kernel takes it for a client that is gone.
    let progress = floor.progress(id);
    if line.progress.replace(progress) != progress {
        line.alive.set(now);
    }
    if now - line.alive.get() >= shard.settings.heartbeat * 2 {
        return line.order(Order::Silent);
    }
    if line.blocked_since().is_some() {
        return;
    }
    let watermark = floor.watermark(id);
    let told = line.tell(floor.newest_until(id, watermark));
    let ping = Message::Ping {
        time: clock::now(),
        cursor: told.unwrap_or(watermark),
    };
    let mut frames = Vec::new();
    if shard.log.is_away() {
        frame::encode::text(&unavailable().to_json(), &mut frames);
    }
    frame::encode::text(&ping.to_json(), &mut frames);
    frame::encode::ping(b"", &mut frames);
    floor.say(id, frames.into());
    if line::turn(&mut floor, line, id) != Turn::Done {
        line.nudge();
    }
}
