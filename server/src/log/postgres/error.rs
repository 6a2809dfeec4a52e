//! Why a log in a database cannot be opened, said to the person who starts the server: what is wrong, what to do.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use rustls::CertificateError;
use tokio_postgres::error::SqlState;

/// Why a log in a database cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The URL cannot be read.
    Url {
        /// What is wrong with it, and what to write. Not the URL itself, which may hold a password.
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
        /// What to do about it.
        advice: &'static str,
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
        /// What the database says, and what to do where that is known.
        cause: Box<str>,
    },
    /// The thread of the log does not start.
    Thread {
        /// What the system says.
        cause: Box<str>,
    },
}

impl DatabaseError {
    pub(super) fn failed(place: &str, error: &tokio_postgres::Error) -> Self {
        Self::Failed {
            place: place.into(),
            cause: explained(error).into(),
        }
    }

    pub(super) fn thread(cause: &dyn fmt::Display) -> Self {
        let cause = cause.to_string().into();
        Self::Thread { cause }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { cause } => write!(f, "--log: {cause}"),
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
            Self::Unreachable {
                place,
                cause,
                advice,
            } => write!(f, "{place}: {cause}; {advice}"),
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
            Self::Failed { place, cause } => write!(f, "{place}: {cause}"),
            Self::Thread { cause } => write!(f, "cannot start a thread: {cause}; check ulimit -u"),
        }
    }
}

impl Error for DatabaseError {}

/// What a person can do about a connection that does not come about, by what stands in its way.
pub(super) struct Obstacle {
    pub(super) cause: String,
    pub(super) advice: &'static str,
}

impl Obstacle {
    /// Nobody answers, or not in time.
    const SILENCE: &str = "check that PostgreSQL runs there, and that it can be reached from here";

    pub(super) fn too_late() -> Self {
        Self {
            cause: "no answer in time".into(),
            advice: Self::SILENCE,
        }
    }

    pub(super) fn new(error: &tokio_postgres::Error) -> Self {
        let mut cause = line(error);
        let advice = if let Some(code) = error.code() {
            advice_on_refusal(code)
        } else if let Some(error) = tls_error(error) {
            if is_authority(error) {
                cause = "its certificate is that of an authority, which no server may show".into();
            }
            advice_on_tls(error)
        } else {
            advice_on(&cause)
        };
        Self { cause, advice }
    }
}

/// The database itself says no.
fn advice_on_refusal(code: &SqlState) -> &'static str {
    match code {
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            "make it (CREATE DATABASE … OWNER … ENCODING 'UTF8' TEMPLATE template0), or name another at the end of the URL"
        }
        code if *code == SqlState::INVALID_PASSWORD => {
            "check the user and the password in the URL, in which @ : / % # are written percent-encoded (@ is %40)"
        }
        code if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check the user, and what pg_hba.conf says of connections from here, with TLS and without"
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "raise its max_connections: each server has up to ten sessions"
        }
        code if *code == SqlState::CANNOT_CONNECT_NOW => "it starts or stops: try again shortly",
        _ => "what PostgreSQL logs may say more",
    }
}

fn advice_on_tls(error: &rustls::Error) -> &'static str {
    let rustls::Error::InvalidCertificate(fault) = error else {
        return "check its TLS settings, or, where the network is yours, write ?sslmode=disable";
    };
    match fault {
        // The latter of an issuer that has the name of one we trust, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "name the certificate that signs the database's with --log-ca, or, where the network is yours, write \
             ?sslmode=disable"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "write the host in the URL as its certificate names it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew its certificate, and check the clock here"
        }
        _ if is_authority(error) => {
            "sign one for it with that authority, or make a self-signed one with openssl req -x509 … -addext \
             basicConstraints=critical,CA:FALSE, and name it with --log-ca"
        }
        _ => "renew its certificate",
    }
}

/// What `openssl req -x509` makes when it is not told otherwise. Only its text says so: the type behind it is of a crate
/// that we do not depend on.
fn is_authority(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(fault)) => {
            fault.to_string() == "CaUsedAsEndEntity"
        }
        _ => false,
    }
}

/// Failures that have no type of their own.
fn advice_on(cause: &str) -> &'static str {
    let known = [
        (
            "password missing",
            "write it into the URL, postgres://USER:PASSWORD@HOST:PORT/DATABASE; no other place is looked at",
        ),
        (
            "does not support TLS",
            "set ssl = on there, or, where the network is yours, write ?sslmode=disable and no --log-ca",
        ),
        (
            "does not allow writes",
            "it is a standby: name the primary, or all hosts with commas between them",
        ),
        ("lookup address", "check the name of the host in the URL"),
    ];
    let mut known = known.iter();
    let found = known.find(|(text, _)| cause.contains(text));
    found.map_or(Obstacle::SILENCE, |(_, advice)| advice)
}

/// The error of rustls that is behind an error, if one is.
fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = held.and_then(|held| held.downcast_ref()) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error of a statement that makes or reads the log's tables, with what to do about it where that is known.
pub(super) fn explained(error: &tokio_postgres::Error) -> String {
    let told = line(error);
    let taken = [
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_FUNCTION,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_FUNCTION,
    ];
    match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => format!("{told}; {OWNERSHIP}"),
        Some(code) if taken.contains(code) => format!(
            "{told}; the schema todoki and the function public.todoki_emit have to be Todoki's own: rename what is there, \
             or use another database"
        ),
        _ => told,
    }
}

/// What the role of a server may have to be told.
const OWNERSHIP: &str = "the user must own the schema todoki, or be allowed to create it and a function in the \
                                    schema public";

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
