//! Certificates for one run: whoever signs is made for it, and gone with it.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use todoki::tls;

use crate::Outcome;

/// What a server is called in its certificate.
pub const NAME: &str = "localhost";

/// Where it listens: what it is called by its address, it says so when it starts.
const ADDRESS: &str = "127.0.0.1";

/// A certificate and its key as files, and who signed it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whom clients are to trust.
    pub authority: PathBuf,
}

impl Issued {
    /// Makes them in a directory. Their kind is rcgen's own, ECDSA on P-256, as most servers have it.
    pub fn new(dir: &Path) -> Outcome<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "todoki bench");
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate()?;
        let names = [NAME, ADDRESS].map(str::to_owned);
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let issued = Self {
            certificate: dir.join("certificate.pem"),
            key: dir.join("key.pem"),
            authority: dir.join("authority.pem"),
        };
        fs::write(&issued.certificate, certificate.pem())?;
        fs::write(&issued.key, key.serialize_pem())?;
        fs::write(&issued.authority, authority)?;
        Ok(issued)
    }
}

/// A client that trusts whoever signed for a run.
pub fn trusting(authority: &Path) -> Outcome<ClientConfig> {
    Ok(tls::trusting(tls::roots(Some(authority))?))
}
