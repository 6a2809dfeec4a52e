//! Why a log cannot be opened, said to the person who starts the server: which path, what is wrong, what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a log cannot be opened. Nothing was changed in it, except that what a crash had left was recovered.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or a file in it cannot be created, read or written.
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        cause: Box<str>,
    },
    /// Another server has the log open.
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The file is something else than a log.
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// The log was written by a later version.
    Newer {
        /// The file.
        path: PathBuf,
        /// Schema of the file.
        found: i64,
        /// Latest schema that this version reads.
        known: i64,
    },
    /// The log is damaged.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not add up.
        cause: Box<str>,
    },
    /// There is no room left to create the log.
    Full {
        /// The file.
        path: PathBuf,
    },
}

impl OpenError {
    pub(super) fn unusable(path: &Path, cause: &dyn fmt::Display) -> Self {
        Self::Unusable {
            path: path.into(),
            cause: cause.to_string().into(),
        }
    }

    pub(super) fn corrupt(path: &Path, cause: &dyn fmt::Display) -> Self {
        Self::Corrupt {
            path: path.into(),
            cause: cause.to_string().into(),
        }
    }

    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotALog { path: path.into() },
            Some(ErrorCode::DiskFull) => Self::Full { path: path.into() },
            Some(ErrorCode::DatabaseCorrupt) => Self::corrupt(path, error),
            _ => Self::unusable(path, error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { path, cause } => write!(
                f,
                "{}: {cause}; name a directory that this user can create and write",
                path.display()
            ),
            Self::Locked { dir } => write!(
                f,
                "{}: another server has this log open; stop it, or name another directory",
                dir.display()
            ),
            Self::NotALog { path } => write!(
                f,
                "{}: this file is not a Todoki log; move it away, or name another directory",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{}: the log has schema {found}, and this version reads up to {known}; start the version that wrote it, or a later one",
                path.display()
            ),
            Self::Corrupt { path, cause } => write!(
                f,
                "{}: the log is damaged ({cause}); restore a backup and renew the epoch",
                path.display()
            ),
            Self::Full { path } => write!(
                f,
                "{}: no room left to open the log; free some space or raise its size limit, then start again",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}
