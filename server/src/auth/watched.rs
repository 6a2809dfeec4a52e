//! The file of a policy, looked at again and again: what changes in it is in force within a second, and a file that is not
//! right changes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::file::{self, FileError};
use super::policy::Policy;
use crate::clock;

/// Looking twice as often as it is promised leaves the other half for the connections that have to go.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A file that was written this short before it was read may be written again within the same tick of the file system's
/// clock: it is read once more.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// A policy's file, and what was last seen of it.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    stamp: Stamp,
    /// What it says, if it could be read.
    content: Option<Vec<u8>>,
    fault: Option<FileError>,
}

/// What tells a changed file from the same one without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let Ok(metadata) = fs::metadata(path) else {
            return Self::default();
        };
        Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        }
    }

    fn is_settled(&self) -> bool {
        let Some(modified) = self.modified else {
            return true;
        };
        Timestamp::try_from(modified)
            .is_ok_and(|modified| clock::now().duration_since(modified) > SETTLED_AFTER)
    }
}

impl Watched {
    /// Reads a file that must be right.
    pub(super) fn open(path: &Path) -> Result<(Arc<Self>, Policy), FileError> {
        let stamp = Stamp::of(path);
        let content = file::read(path)?;
        let policy = file::parse(path, &content)?;
        let seen = Seen {
            stamp,
            content: Some(content),
            fault: None,
        };
        let watched = Self {
            path: path.to_owned(),
            seen: Mutex::new(seen),
        };
        Ok((Arc::new(watched), policy))
    }

    /// Hands over each new policy, for ever.
    pub(super) async fn keep(self: &Arc<Self>, take: impl Fn(Policy)) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Where signals cannot be had, the ticks find everything too.
        let mut hangups = signal(SignalKind::hangup()).ok();
        loop {
            let is_asked = tokio::select! {
                _ = ticks.tick() => false,
                () = hung_up(&mut hangups) => true,
            };
            let watched = Arc::clone(self);
            let looking = tokio::task::spawn_blocking(move || watched.look(is_asked));
            // A panic in it has been reported; the next look starts afresh.
            if let Ok(Some(policy)) = looking.await {
                tracing::info!(file = %self.path.display(), "took up who may come in");
                take(policy);
            }
        }
    }

    /// The policy, when the file says something else now, and something that is right.
    fn look(&self, is_asked: bool) -> Option<Policy> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if stamp == seen.stamp && stamp.is_settled() && !is_asked {
            return None;
        }
        seen.stamp = stamp;
        let read = file::read(&self.path);
        let content = read.as_ref().ok().cloned();
        if content.is_some() && content == seen.content && !is_asked {
            return None;
        }
        seen.content = content;
        match read.and_then(|content| file::parse(&self.path, &content)) {
            Ok(policy) => {
                seen.fault = None;
                Some(policy)
            }
            Err(fault) => {
                if is_asked || seen.fault.as_ref() != Some(&fault) {
                    tracing::error!("{fault}; who may come in stays as it was");
                }
                seen.fault = Some(fault);
                None
            }
        }
    }
}

async fn hung_up(hangups: &mut Option<tokio::signal::unix::Signal>) {
    let Some(signals) = hangups else {
        return std::future::pending().await;
    };
    if signals.recv().await.is_none() {
        *hangups = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_leaves_the_one_before_it_in_force_and_is_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.toml");
        fs::write(&path, "").unwrap();
        let (watched, _) = Watched::open(&path).unwrap();
        let fault = || watched.seen.lock().unwrap().fault.clone();
        assert!(watched.look(false).is_none());
        fs::write(&path, "[tokens").unwrap();
        assert!(watched.look(false).is_none());
        assert!(fault().unwrap().to_string().contains("line 1"));
        fs::remove_file(&path).unwrap();
        assert!(watched.look(false).is_none());
        assert!(fault().unwrap().to_string().contains("cannot be read"));
        // The content that was in force before is taken up again like any other.
        fs::write(&path, "").unwrap();
        assert!(watched.look(false).is_some());
        assert!(fault().is_none());
        assert!(watched.look(false).is_none());
        // Whoever asks for it is obeyed.
        assert!(watched.look(true).is_some());
    }
}
