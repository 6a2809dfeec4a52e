//! Why a certificate cannot be used, in words that name the file and say what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why TLS cannot be spoken with these files.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file is no PEM, or a broken one.
    NotPem(PathBuf, String),
    /// There is no certificate in the file of certificates.
    NoCertificate(PathBuf),
    /// There is no private key in the file of the key.
    NoKey(PathBuf),
    /// The key needs a password, and nobody is here to type it.
    Encrypted(PathBuf),
    /// What is in the file of certificates cannot be understood.
    BadCertificate(PathBuf, String),
    /// What is in the file of the key cannot be understood.
    BadKey(PathBuf, String),
    /// The key is not the certificate's.
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// No key for the tickets by which sessions are resumed.
    Tickets(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::NotPem(path, cause) => write!(
                f,
                "{} is not in PEM ({cause}): it should begin with -----BEGIN",
                path.display()
            ),
            Self::NoCertificate(path) => write!(
                f,
                "{} has no certificate in it: --tls-cert names a file with -----BEGIN CERTIFICATE-----",
                path.display()
            ),
            Self::NoKey(path) => write!(
                f,
                "{} has no private key in it: --tls-key names a file with -----BEGIN PRIVATE KEY-----",
                path.display()
            ),
            Self::Encrypted(path) => write!(
                f,
                "the key in {} needs a password: take it off with openssl pkey -in {0} -out NEW, readable by the \
                 server's user alone",
                path.display()
            ),
            Self::BadCertificate(path, cause) => {
                write!(
                    f,
                    "the certificate in {} cannot be used: {cause}",
                    path.display()
                )
            }
            Self::BadKey(path, cause) => {
                write!(f, "the key in {} cannot be used: {cause}", path.display())
            }
            Self::Mismatch { certificate, key } => write!(
                f,
                "the key in {} is not that of the first certificate in {}; the server's own certificate comes first, \
                 those that signed it behind",
                key.display(),
                certificate.display()
            ),
            Self::Tickets(error) => write!(f, "cannot make a key for session tickets: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}
