//! The files that a policy is read from: `auth.toml`, and the keys that it names. Each is remembered with what tells
//! whether it has changed.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::file::FileError;
use crate::clock;

/// Largest `auth.toml`, and largest file of keys: thousands of entries. A greater one is something else by mistake.
const FILE_BYTES: u64 = 1 << 20;

/// A file that was written this short before it was read may be written again within the same tick of the file system's
/// clock: it is read once more.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

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

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sources {
    path: PathBuf,
    files: Vec<(PathBuf, Stamp)>,
    secrets: Vec<PathBuf>,
    digest: Sha256,
}

impl Sources {
    /// Those of the `auth.toml` at this path; nothing is read yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: Vec::new(),
            secrets: Vec::new(),
            digest: Sha256::new(),
        }
    }

    /// Where `auth.toml` is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads `auth.toml`.
    pub(super) fn read_main(&mut self) -> Result<Vec<u8>, FileError> {
        let path = self.path.clone();
        self.read(&path)
            .map_err(|error| FileError::new(&path, error))
    }

    /// Reads a file that `auth.toml` names, from its directory on; the error says what is wrong with which file.
    pub(super) fn read_beside(&mut self, file: &Path) -> Result<Vec<u8>, String> {
        let path = self.beside(file);
        let read = self.read(&path);
        read.map_err(|error| format!("{} {error}", path.display()))
    }

    /// The same for a file that nobody else may read.
    pub(super) fn read_secret(&mut self, file: &Path) -> Result<Vec<u8>, String> {
        self.secrets.push(self.beside(file));
        self.read_beside(file)
    }

    /// Every file that was read.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Those of the files that nobody else may read, without `auth.toml` itself.
    pub(super) fn secrets(&self) -> Vec<PathBuf> {
        self.secrets.clone()
    }

    /// Where a file is that `auth.toml` names.
    pub(super) fn beside(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    /// Reads a file whole, within [`FILE_BYTES`].
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        // Before the content, so that what is written after it shows.
        self.files.push((path.to_owned(), Stamp::of(path)));
        let mut content = Vec::new();
        let read = fs::File::open(path)
            .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut content));
        read.map_err(|error: io::Error| format!("cannot be read: {error}"))?;
        if content.len() as u64 > FILE_BYTES {
            return Err(format!(
                "is over {FILE_BYTES} bytes, which no such file needs"
            ));
        }
        self.digest.update(Sha256::digest(&content));
        Ok(content)
    }

    /// Whether none of the files can have changed since they were read.
    pub(super) fn is_unchanged(&self) -> bool {
        let is_same =
            |(path, stamp): &(PathBuf, Stamp)| stamp.is_settled() && Stamp::of(path) == *stamp;
        self.files.iter().all(is_same)
    }

    /// Whether all files said the same that they say in the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let paths = |sources: &Self| {
            sources
                .files
                .iter()
                .map(|(path, _)| path.clone())
                .collect::<Vec<_>>()
        };
        paths(self) == paths(other)
            && self.digest.clone().finalize() == other.digest.clone().finalize()
    }
}
