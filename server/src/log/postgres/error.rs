//! Why a log in a database cannot be opened, said to the person who starts the server: what is wrong, what to do.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Why a log in a database cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The URL cannot be read.
    Url {
        /// What is wrong with it. Not the URL itself, which may hold a password.
        cause: Box<str>,
    },
    /// There is no certificate to trust.
    Certificates {
        /// The file, when one was given.
        path: Option<PathBuf>,
        /// What is wrong.
        cause: Box<str>,
    },
    /// The database does not answer, or does not let us in.
    Unreachable {
        /// Where it was looked for.
        place: Box<str>,
        /// What was said.
        cause: Box<str>,
    },
    /// The database answers, and could not keep the promise.
    Unfit {
        /// Where it is.
        place: Box<str>,
        /// What is wrong with it, and what to do.
        what: Box<str>,
    },
    /// The log was written by a later version.
    Newer {
        /// Where it is.
        place: Box<str>,
        /// Schema of the log.
        found: i32,
        /// Latest schema that this version knows.
        known: i32,
    },
    /// A statement failed.
    Failed {
        /// Where.
        place: Box<str>,
        /// What the database says.
        cause: Box<str>,
    },
    /// The thread of the log does not start.
    Thread {
        /// What the system says.
        cause: Box<str>,
    },
}

impl DatabaseError {
    pub(super) fn thread(cause: &dyn fmt::Display) -> Self {
        let cause = cause.to_string().into();
        Self::Thread { cause }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { cause } => write!(
                f,
                "--log: {cause}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
            ),
            Self::Certificates {
                path: Some(path),
                cause,
            } => write!(
                f,
                "{}: {cause}; name a file with certificates in PEM with --log-ca",
                path.display()
            ),
            Self::Certificates { path: None, cause } => write!(
                f,
                "the system has no certificates to trust ({cause}); name a file with --log-ca, or add ?sslmode=disable \
                 to the URL where the network is yours"
            ),
            Self::Unreachable { place, cause } => write!(
                f,
                "{place}: {cause}; check that PostgreSQL runs there, the user and the password, and, where it uses TLS, \
                 --log-ca"
            ),
            Self::Unfit { place, what } => write!(f, "{place}: {what}"),
            Self::Newer {
                place,
                found,
                known,
            } => write!(
                f,
                "{place}: the log has schema {found}, and this version knows up to {known}; start the version that \
                 wrote it, or a later one"
            ),
            Self::Failed { place, cause } => write!(
                f,
                "{place}: {cause}; the user must own the schema todoki, or be allowed to create it and a function in \
                 the schema public"
            ),
            Self::Thread { cause } => write!(f, "cannot start a thread: {cause}; check ulimit -u"),
        }
    }
}

impl Error for DatabaseError {}

/// An error of the database as one line: tokio-postgres tells what it was doing, and leaves what went wrong to the cause.
pub(super) fn line(error: &tokio_postgres::Error) -> String {
    if let Some(told) = error.as_db_error() {
        let detail = told
            .detail()
            .map(|detail| format!(" ({detail})"))
            .unwrap_or_default();
        return format!("{}{detail}", told.message());
    }
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
