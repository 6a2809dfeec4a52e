//! The directory of a log: made durable when new, and held by one server at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::OpenError;

/// The database within the directory.
pub(super) const DATABASE_FILE: &str = "events.db";

/// Locked for as long as a server has the log open. The file stays; the lock goes with the process.
pub(super) const LOCK_FILE: &str = "lock";

/// A log's directory, locked until dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Drop for Directory {
    /// Closing alone would leave the lock with any process that was forked meanwhile and has not yet become another
    /// program: they share the open file.
    fn drop(&mut self) {
        // What cannot be unlocked goes with the process.
        self.lock.unlock().ok();
    }
}

impl Directory {
    /// Makes the directory if there is none, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let unusable = |cause: io::Error| OpenError::unusable(path, &cause);
        create(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: path.into() }),
            Err(TryLockError::Error(cause)) => Err(unusable(cause)),
        }
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// Makes the names of new files in the directory durable.
    pub(super) fn sync(&self) -> Result<(), OpenError> {
        sync(&self.path).map_err(|cause| OpenError::unusable(&self.path, &cause))
    }
}

/// Creates a directory. A new directory is there after a power cut only once its parent is synced too.
fn create(path: &Path) -> io::Result<()> {
    let mut parents = Vec::new();
    for ancestor in path.ancestors() {
        if ancestor.is_dir() {
            break;
        }
        parents.push(match ancestor.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        });
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // Events are for who has the token, not for everyone on the machine.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    parents.into_iter().try_for_each(sync)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parents_are_made() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        let directory = Directory::open(&deep).unwrap();
        assert!(deep.join(LOCK_FILE).exists());
        assert_eq!(directory.database(), deep.join(DATABASE_FILE));
    }

    #[test]
    fn the_lock_goes_with_its_holder() {
        let root = tempfile::tempdir().unwrap();
        let first = Directory::open(root.path()).unwrap();
        assert!(matches!(
            Directory::open(root.path()),
            Err(OpenError::Locked { .. })
        ));
        drop(first);
        assert!(Directory::open(root.path()).is_ok());
    }
}
