//! Signs JWTs, for operators and tests: the server itself hands out none.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::{keys, signatures};

/// A private key, or the secret of HS256.
#[derive(Debug)]
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// Reads a private key in PEM (PKCS #8; RSA also in PKCS #1), or else takes the content as the secret of HS256.
    pub fn read(content: &[u8]) -> Result<Self, String> {
        signatures::install();
        if !content.trim_ascii_start().starts_with(b"-----BEGIN") {
            keys::secret(content)?;
            let secret = content.strip_suffix(b"\n").unwrap_or(content);
            let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
            return Ok(Self {
                algorithm: Algorithm::HS256,
                key: EncodingKey::from_secret(secret),
            });
        }
        if !String::from_utf8_lossy(content).contains("PRIVATE KEY") {
            return Err("is a public key, which signs nothing".into());
        }
        let of = |algorithm, key: jsonwebtoken::errors::Result<EncodingKey>| {
            let key = key.ok()?;
            // Whether the key is one that the algorithm can sign with shows when it signs.
            crypto::sign(b"", &key, algorithm).ok()?;
            Some(Self { algorithm, key })
        };
        of(Algorithm::EdDSA, EncodingKey::from_ed_pem(content))
            .or_else(|| of(Algorithm::ES256, EncodingKey::from_ec_pem(content)))
            .or_else(|| of(Algorithm::RS256, EncodingKey::from_rsa_pem(content)))
            .ok_or_else(|| {
                "is no private key in PKCS #8 for RS256, ES256 or EdDSA; openssl pkcs8 -topk8 -nocrypt converts others".into()
            })
    }

    /// The name of its algorithm, as headers have it.
    pub fn algorithm(&self) -> String {
        format!("{:?}", self.algorithm)
    }

    /// A JWT of this header and these claims, which are taken as they are.
    pub fn sign(&self, header: &str, claims: &str) -> Result<String, String> {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let message = format!("{header}.{claims}");
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm);
        Ok(format!(
            "{message}.{}",
            signature.map_err(|error| error.to_string())?
        ))
    }
}
