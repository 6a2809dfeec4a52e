//! A certificate and its key, from two files.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Files, TlsError};
use crate::clock;

/// A certificate that ends sooner than this is worth a warning: most are renewed a month before their end.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How a key with a password begins.
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// The files as they are.
pub(super) struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Content {
    pub(super) fn read(files: &Files) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error))
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    /// Tells whether the files have changed, also where their times do not.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.certificate.len() as u64).to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finalize().into()
    }
}

/// What is shown to clients, and what is in it.
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: Facts,
}

impl Pair {
    pub(super) fn parse(files: &Files, content: &Content) -> Result<Self, TlsError> {
        let chain = chain(&files.certificate, &content.certificate)?;
        let facts = Facts::of(&files.certificate, &chain[0])?;
        let key = private_key(&files.key, &content.key)?;
        let provider = ring::default_provider();
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::BadKey(files.key.clone(), error.to_string()))?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            // A key that cannot say what its public half is has to be believed.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(TlsError::Mismatch {
                    certificate: files.certificate.clone(),
                    key: files.key.clone(),
                });
            }
            Err(error) => {
                let path = files.certificate.clone();
                return Err(TlsError::BadCertificate(path, error.to_string()));
            }
        }
        Ok(Self {
            key: Arc::new(pair),
            facts,
        })
    }
}

fn chain(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::NotPem(path.to_owned(), error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        let path = path.to_owned();
        match error {
            _ if bytes.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) => {
                TlsError::Encrypted(path)
            }
            pem::Error::NoItemsFound => TlsError::NoKey(path),
            error => TlsError::NotPem(path, error.to_string()),
        }
    })
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// It holds from here on.
    pub begins: Timestamp,
    /// It holds up to here.
    pub ends: Timestamp,
    /// Whether it vouches for itself: clients must be given it beforehand.
    pub is_self_signed: bool,
}

/// Whether a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does, for a while.
    Good,
    /// It does, but not for long.
    EndsSoon,
    /// It does no longer.
    Expired,
    /// It does not yet.
    Early,
}

impl Facts {
    /// Of the first certificate of a file.
    fn of(path: &Path, certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let bad = |cause: String| TlsError::BadCertificate(path.to_owned(), cause);
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|error| bad(error.to_string()))?;
        let time = |seconds| {
            Timestamp::from_second(seconds).map_err(|_| bad("its dates make no sense".into()))
        };
        let alternatives = certificate
            .subject_alternative_name()
            .map_err(|error| bad(error.to_string()))?;
        let names = alternatives.map(|names| &names.value.general_names[..]);
        Ok(Self {
            names: names.unwrap_or_default().iter().filter_map(name).collect(),
            begins: time(certificate.validity.not_before.timestamp())?,
            ends: time(certificate.validity.not_after.timestamp())?,
            is_self_signed: certificate.issuer() == certificate.subject(),
        })
    }

    /// Whether it holds at this time.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if now < self.begins {
            Standing::Early
        } else if now > self.ends {
            Standing::Expired
        } else if now.duration_until(self.ends) < SOON {
            Standing::EndsSoon
        } else {
            Standing::Good
        }
    }

    /// Says in the log what an operator should know. A certificate that has expired is served all the same: most clients
    /// will refuse it, some know better, and a server that does not start helps none of them.
    pub(super) fn warn(&self, path: &Path) {
        let path = path.display();
        match self.standing(clock::now()) {
            Standing::Good => {}
            Standing::EndsSoon => {
                tracing::warn!(%path, ends = %self.ends, "the certificate ends soon; renew it");
            }
            Standing::Expired => {
                tracing::warn!(%path, ended = %self.ends, "the certificate has expired: clients will refuse it");
            }
            Standing::Early => {
                tracing::warn!(%path, begins = %self.begins, "the certificate is not valid yet: clients will refuse it");
            }
        }
        if self.names.is_empty() {
            tracing::warn!(%path, "the certificate names no host (subjectAltName): clients will refuse it");
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for {} until {}", self.names.join(", "), self.ends)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                Some(std::net::IpAddr::from(v4).to_string())
            } else {
                let v6 = <[u8; 16]>::try_from(*bytes).ok()?;
                Some(std::net::IpAddr::from(v6).to_string())
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_between_its_dates_and_noted_before_its_end() {
        let day = |day: i64| Timestamp::from_second(day * 86_400).expect("a date");
        let facts = Facts {
            names: vec!["localhost".into()],
            begins: day(100),
            ends: day(190),
            is_self_signed: false,
        };
        for (now, standing) in [
            (99, Standing::Early),
            (100, Standing::Good),
            (176, Standing::Good),
            (177, Standing::EndsSoon),
            (190, Standing::EndsSoon),
            (191, Standing::Expired),
        ] {
            assert_eq!(facts.standing(day(now)), standing, "day {now}");
        }
    }
}
