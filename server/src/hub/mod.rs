//! The fan-out point: durable batches in, frames to every subscriber out.
//!
//! Work is split into shards, each a thread with subscribers of its own. The hub's part is small: it puts a batch into
//! the inbox of every shard, and rings the bell of those that sleep. Everything else is inside a shard, on one thread,
//! without locks:
//!
//! - [`group`]: subscribers with the same filter and encoding share bytes, so an event is written once for all of them;
//! - [`segment`]: those bytes, contiguous, so that one system call writes many frames;
//! - [`ring`]: what a subscriber has yet to be given, as a few runs of those bytes;
//! - [`floor`]: who is here, and whose turn it is;
//! - [`shard`]: the thread, its rounds, and the log for those who are behind;
//! - [`meter`] and [`survey`]: what a shard counts, and what it says when it is asked.
//!
//! The hub knows no HTTP.

pub mod floor;
pub mod group;
pub mod meter;
pub mod ring;
pub mod segment;
pub mod shard;
pub mod survey;

/// The atomics of a ring; the model puts its own in their place.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::queue::ArrayQueue;
use todoki_codec::Cursor;
use tokio::sync::{Notify, mpsc, watch};

use self::survey::{Question, Survey};
use crate::clock;
use crate::log::Batch;
use crate::subscriber::Arrival;
use group::Key;

/// Batches that a shard may be behind the log before it reads them from there instead: a pause of seconds at the
/// highest rate of commits.
const INBOX_BATCHES: usize = 4096;

/// Sockets on their way to a shard.
const ARRIVALS: usize = 1024;

/// Keys whose shards are remembered; beyond it the memory starts anew. Far more than there are filters worth sharing.
const HOMES: usize = 4096;

/// A shard that has a client's group is preferred while it has no more members than this many halves of what the one
/// with the fewest has, and [`CROWD`]: sharing bytes saves one copy per event, an idle core saves everything.
const CROWD_HALVES: usize = 3;

/// Members that make no shard crowded.
const CROWD: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub struct Hub {
    shards: Vec<Door>,
    /// The shard that was last chosen for a key. Its group may be gone since, which costs nothing but the preference.
    homes: Mutex<HashMap<Key, usize>>,
    /// The last cursor that was released.
    news: watch::Sender<Cursor>,
}

/// A shard, from outside.
#[derive(Debug)]
struct Door {
    inbox: Arc<Inbox>,
    arrivals: mpsc::Sender<Arrival>,
    questions: mpsc::Sender<Question>,
}

/// A batch, and when it became durable.
#[derive(Debug)]
struct Released {
    batch: Batch,
    at: u64,
}

/// What other threads put before a shard.
#[derive(Debug)]
pub struct Inbox {
    batches: ArrayQueue<Released>,
    /// A batch found no room; the shard reads it from the log.
    has_missed: AtomicBool,
    is_asleep: AtomicBool,
    bell: Notify,
    /// Members of the shard, for whoever chooses one.
    members: AtomicUsize,
}

impl Inbox {
    fn new() -> Self {
        Self {
            batches: ArrayQueue::new(INBOX_BATCHES),
            has_missed: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            bell: Notify::new(),
            members: AtomicUsize::new(0),
        }
    }

    fn offer(&self, released: Released) {
        if self.batches.push(released).is_err() {
            self.has_missed.store(true, Ordering::SeqCst);
        }
        // Waking costs microseconds, so only one who sleeps is woken. SeqCst, as in `sleep`: of "a batch is there" and
        // "I am asleep" at least one side sees the other's.
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            self.bell.notify_one();
        }
    }

    /// Whether a batch found no room since this was last asked.
    fn take_missed(&self) -> bool {
        self.has_missed.swap(false, Ordering::SeqCst)
    }

    /// One member fewer.
    fn leave(&self) {
        self.members.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there is anything to pull.
    fn has_news(&self) -> bool {
        !self.batches.is_empty() || self.has_missed.load(Ordering::SeqCst)
    }

    /// Returns once there may be something to pull.
    async fn sleep(&self) {
        while !self.has_news() {
            self.is_asleep.store(true, Ordering::SeqCst);
            if self.has_news() {
                break;
            }
            self.bell.notified().await;
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}

impl Hub {
    /// Gives a durable batch to every shard. Batches come in cursor order, without a hole.
    pub fn release(&self, batch: &Batch) {
        let at = clock::nanos();
        for shard in &self.shards {
            let batch = Batch::clone(batch);
            shard.inbox.offer(Released { batch, at });
        }
        if let Some(event) = batch.last() {
            self.news.send_replace(event.cursor);
        }
    }

    /// Tells whoever reads the log for themselves that there is something new in it: the last cursor that was released, the
    /// origin before the first.
    pub fn news(&self) -> watch::Receiver<Cursor> {
        self.news.subscribe()
    }

    /// How many read the log for themselves.
    pub fn readers(&self) -> usize {
        self.news.receiver_count()
    }

    /// Whether every shard sleeps: what was released before has been distributed, and offered to every socket.
    pub fn is_asleep(&self) -> bool {
        let is_asleep = |shard: &Door| shard.inbox.is_asleep.load(Ordering::SeqCst);
        self.shards.iter().all(is_asleep)
    }

    /// Shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// What all shards say of themselves; `None` when one of them has ended.
    pub async fn survey(&self) -> Option<Survey> {
        survey::ask(self.shards.iter().map(|shard| &shard.questions)).await
    }

    /// Hands a client to a shard: to one that has its group already, or else to the one with the fewest members.
    pub async fn admit(&self, arrival: Arrival) {
        let key = Key {
            filter: arrival.place.view.filter.clone(),
            encoding: arrival.place.encoding,
            is_compressed: arrival.is_compressed,
        };
        if let Some(shard) = self.choose(key) {
            shard.inbox.members.fetch_add(1, Ordering::Relaxed);
            // A shard that has stopped takes nobody in: the server is stopping, and the socket closes.
            shard.arrivals.send(arrival).await.ok();
        }
    }

    fn choose(&self, key: Key) -> Option<&Door> {
        let members = |shard: &usize| self.shards[*shard].inbox.members.load(Ordering::Relaxed);
        let fewest = (0..self.shards.len()).min_by_key(members)?;
        // What is in it stays right whoever panicked meanwhile.
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_crowded =
            |shard: &usize| members(shard) > (members(&fewest) * CROWD_HALVES / 2).max(CROWD);
        let home = homes.get(&key).copied().filter(|home| !is_crowded(home));
        let chosen = home.unwrap_or(fewest);
        if home.is_none() {
            if homes.len() >= HOMES {
                homes.clear();
            }
            homes.insert(key, chosen);
        }
        self.shards.get(chosen)
    }
}

#[cfg(test)]
mod tests {
    use todoki_codec::query::Encoding;
    use todoki_codec::{Filter, Pattern, WantedIds};

    use super::*;

    fn key(pattern: &str) -> Key {
        Key {
            filter: Filter::new(vec![Pattern::parse(pattern).unwrap()], WantedIds::default()),
            encoding: Encoding::Message,
            is_compressed: false,
        }
    }

    /// Members by shard after so many clients with a key have come.
    fn admit(hub: &Hub, key: &Key, clients: usize) -> Vec<usize> {
        for _ in 0..clients {
            let shard = hub.choose(key.clone()).unwrap();
            shard.inbox.members.fetch_add(1, Ordering::Relaxed);
        }
        let members = |shard: &Door| shard.inbox.members.load(Ordering::Relaxed);
        hub.shards.iter().map(members).collect()
    }

    #[test]
    fn clients_with_the_same_filter_share_a_shard_until_it_is_crowded() {
        let (hub, _unstarted) = Hub::new(2);
        let (a, b) = (key("a"), key("b"));
        assert_eq!(admit(&hub, &a, 40), [40, 0]);
        assert_eq!(admit(&hub, &b, 40), [40, 40]);
        assert_eq!(admit(&hub, &a, 10), [50, 40]);
        let members = admit(&hub, &a, 1000);
        assert_eq!(members.iter().sum::<usize>(), 1090);
        let (most, fewest) = (
            *members.iter().max().unwrap(),
            *members.iter().min().unwrap(),
        );
        assert!(most <= fewest * 3 / 2 + 1, "{members:?}");
    }

    #[test]
    fn filters_that_are_all_different_fill_the_shards_evenly() {
        let (hub, _unstarted) = Hub::new(3);
        for number in 0..HOMES + 200 {
            admit(&hub, &key(&format!("kind.{number}")), 1);
        }
        assert!(hub.homes.lock().unwrap().len() <= HOMES);
        let members = admit(&hub, &key("last"), 0);
        assert!(
            members
                .iter()
                .all(|count| count.abs_diff((HOMES + 200) / 3) <= 1),
            "{members:?}"
        );
    }
}
