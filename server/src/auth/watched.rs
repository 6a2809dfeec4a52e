//! The files of a policy, looked at again and again: what changes in them is in force within a second, and a file that is
//! not right changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::file::{self, FileError};
use super::policy::Policy;
use super::sources::Sources;

/// Looking twice as often as it is promised leaves the other half for the connections that have to go.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A policy's files, and what was last seen of them.
#[derive(Debug)]
pub(super) struct Watched(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    sources: Sources,
    fault: Option<FileError>,
}

impl Watched {
    /// Reads files that must be right.
    pub(super) fn open(path: &Path) -> Result<(Arc<Self>, Policy), FileError> {
        let (sources, policy) = load(path);
        let seen = Seen {
            sources,
            fault: None,
        };
        Ok((Arc::new(Self(Mutex::new(seen))), policy?))
    }

    /// Every file that was read last, and those of them that nobody else may read.
    pub(super) fn files(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = vec![seen.sources.path().to_owned()];
        secrets.extend(seen.sources.secrets());
        (seen.sources.files(), secrets)
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
                take(policy);
                tracing::info!(file = %self.path().display(), "took up who may come in");
            }
        }
    }

    fn path(&self) -> PathBuf {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.sources.path().to_owned()
    }

    /// The policy, when the files say something else now, and something that is right.
    fn look(&self, is_asked: bool) -> Option<Policy> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.sources.is_unchanged() && !is_asked {
            return None;
        }
        let (sources, policy) = load(seen.sources.path());
        let is_same = sources.is_same(&seen.sources) && seen.fault.is_none();
        seen.sources = sources;
        match policy {
            Ok(_) if is_same && !is_asked => None,
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

fn load(path: &Path) -> (Sources, Result<Policy, FileError>) {
    let mut sources = Sources::new(path);
    let content = sources.read_main();
    let policy = content.and_then(|content| file::parse(&mut sources, &content));
    (sources, policy)
}

async fn hung_up(hangups: &mut Option<Signal>) {
    let Some(signals) = hangups else {
        return std::future::pending().await;
    };
    if signals.recv().await.is_none() {
        *hangups = None;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_bad_file_leaves_the_one_before_it_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.toml");
        fs::write(&path, "").unwrap();
        let (watched, _) = Watched::open(&path).unwrap();
        let fault = || watched.0.lock().unwrap().fault.clone();
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

    #[test]
    fn a_file_of_keys_is_watched_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.toml");
        let verifier = "[[jwt]]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"HS256\"]\nsecret_file = \"secret\"";
        fs::write(&path, verifier).unwrap();
        fs::write(
            dir.path().join("secret"),
            "a secret of thirty-two bytes, or more",
        )
        .unwrap();
        let (watched, _) = Watched::open(&path).unwrap();
        assert!(watched.look(false).is_none());
        fs::write(
            dir.path().join("secret"),
            "another one of thirty-two bytes and more",
        )
        .unwrap();
        assert!(watched.look(false).is_some());
        assert!(watched.look(false).is_none());
    }
}
