//! Whom a client of TLS believes: the certificates of a file, or those that the system trusts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why there is nobody to believe.
#[derive(Debug)]
pub struct TrustError {
    /// The file; none where the system was asked.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub cause: String,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(
                f,
                "the certificate in {} cannot be used: {}",
                path.display(),
                self.cause
            ),
            None => write!(
                f,
                "the system has no certificates that it trusts ({}): install ca-certificates, or name the server's \
                 with --ca",
                self.cause
            ),
        }
    }
}

impl std::error::Error for TrustError {}

/// The certificates of this file, or those that the system trusts.
pub fn roots(ca: Option<&Path>) -> Result<RootCertStore, TrustError> {
    match ca {
        Some(path) => roots_in(path),
        None => system_roots(),
    }
}

/// A client that believes whom these certificates vouch for.
pub fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn roots_in(path: &Path) -> Result<RootCertStore, TrustError> {
    let unusable = |cause: String| TrustError {
        path: Some(path.into()),
        cause,
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(error.to_string()))?;
    root_store(certificates).ok_or_else(|| unusable("it has no certificate in it".into()))
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    root_store(found.certs).ok_or_else(|| TrustError {
        path: None,
        cause: causes.join(", "),
    })
}

fn root_store(certificates: Vec<CertificateDer<'static>>) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _unreadable) = roots.add_parsable_certificates(certificates);
    (added > 0).then_some(roots)
}
