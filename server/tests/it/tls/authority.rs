//! Certificates for tests, made when they are needed.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Who signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for these names, from the beginning of one year to that of another.
    pub(crate) fn issue(&self, names: &[&str], years: [i32; 2]) -> Issued {
        let names = names.iter().map(|name| (*name).to_owned());
        let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(years[0], 1, 1);
        params.not_after = date_time_ymd(years[1], 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: format!("{}{}", certificate.pem(), self.pem),
            key: key.serialize_pem(),
        }
    }

    /// Its own certificate, in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}

impl Issued {
    /// One that is good for a test.
    pub(crate) fn good(authority: &Authority) -> Self {
        authority.issue(&["localhost", "127.0.0.1"], [2020, 2120])
    }

    /// Puts both where a server looks for them, whole.
    pub(crate) fn put(&self, dir: &Path) -> [PathBuf; 2] {
        let paths = ["cert.pem", "key.pem"].map(|name| dir.join(name));
        for (path, content) in paths.iter().zip([&self.certificate, &self.key]) {
            let new = path.with_extension("new");
            std::fs::write(&new, content).unwrap();
            let owner_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&new, owner_alone).unwrap();
            std::fs::rename(&new, path).unwrap();
        }
        paths
    }
}
