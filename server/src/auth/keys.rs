//! Keys that JWTs are verified with. A key has one algorithm, which follows from what kind of key it is and never from a
//! token: so no token can choose to have a public key taken for a secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use simd_json::prelude::*;

/// Keys of one issuer: the present ones, and those of some rotations.
pub(super) const KEYS: usize = 64;

/// Shortest secret of HS256 (RFC 7518 §3.2), and shortest modulus of RS256 (§3.3), in bytes.
const SECRET_BYTES: usize = 32;
const MODULUS_BYTES: usize = 256;

/// Length of an uncompressed point on P-256, and of a point on Ed25519.
const P256_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;

/// What names a key to [`super::Proof`]s: a digest, so that nothing of a secret is kept in them.
pub(super) type Thumb = [u8; 32];

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Key {
    /// The name that tokens choose it by; compared, and used for nothing else.
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) thumb: Thumb,
    pub(super) decoding: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?}, {:?})", self.id, self.algorithm)
    }
}

/// A list of keys that is asked for by `kid`.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// Those of them that are for these algorithms.
    pub(super) fn of(&self, algorithms: &[Algorithm]) -> Self {
        let keys = self.0.iter();
        let fitting = keys.filter(|key| algorithms.contains(&key.algorithm));
        Self(fitting.cloned().collect())
    }

    /// The keys that a token with this `kid` may be signed with: those of that very name; without a name those that have
    /// none, or the only one there is.
    pub(super) fn named(&self, id: Option<&str>) -> Vec<&Key> {
        if id.is_none() && self.0.len() == 1 {
            return self.0.iter().collect();
        }
        self.0
            .iter()
            .filter(|key| key.id.as_deref() == id)
            .collect()
    }

    pub(super) fn has(&self, thumb: &Thumb) -> bool {
        self.0.iter().any(|key| key.thumb == *thumb)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the same keys are in both.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let covers = |one: &Self, other: &Self| {
            let is_there = |key: &Key| {
                one.0
                    .iter()
                    .any(|own| own.thumb == key.thumb && own.id == key.id)
            };
            other.0.iter().all(is_there)
        };
        covers(self, other) && covers(other, self)
    }
}

/// The name of an algorithm that we know.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// The secret of HS256.
pub(super) fn secret(content: &[u8]) -> Result<Key, String> {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    if content.starts_with(b"-----BEGIN") {
        return Err(
            "is a key or certificate in PEM; what is known to others is no secret. Put it into `keys`".into(),
        );
    }
    if content.len() < SECRET_BYTES {
        return Err(format!(
            "has {} bytes; a secret of HS256 has at least {SECRET_BYTES}, such as `openssl rand -hex 32` prints",
            content.len()
        ));
    }
    Ok(Key {
        id: None,
        algorithm: Algorithm::HS256,
        thumb: thumb(&[b"HS256", content]),
        decoding: DecodingKey::from_secret(content),
    })
}

/// The public keys of a file: one in PEM, or a JWK, or a set of them.
pub(super) fn public(content: &[u8]) -> Result<Vec<Key>, String> {
    if content.trim_ascii_start().starts_with(b"-----BEGIN") {
        return pem(content).map(|key| vec![key]);
    }
    let set = match simd_json::serde::from_slice::<RawSet>(&mut content.to_vec()) {
        Ok(set) => set.keys,
        Err(_) => vec![RawKey::from_slice(content)?],
    };
    let known: Result<Vec<_>, _> = set.iter().map(jwk).collect();
    let keys: Vec<_> = known?.into_iter().flatten().collect();
    if keys.is_empty() {
        return Err("has no key for RS256, ES256 or EdDSA".into());
    }
    Ok(keys)
}

/// The keys of a set that somebody else keeps: what is not for us in it is passed over.
pub(super) fn set(content: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, String> {
    let set: RawSet = simd_json::serde::from_slice(&mut content.to_vec())
        .map_err(|error| format!("is no JWK set: {error}"))?;
    let mut keys = Vec::new();
    let mut fault = None;
    for raw in &set.keys {
        match jwk(raw) {
            Ok(Some(key)) if algorithms.contains(&key.algorithm) => keys.push(key),
            Ok(_) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    if keys.len() > KEYS {
        return Err(format!("has {} keys; at most {KEYS} are taken", keys.len()));
    }
    if keys.is_empty() {
        return Err(fault.unwrap_or_else(|| "has no key for one of `algorithms`".into()));
    }
    Ok(KeySet(keys))
}

fn pem(content: &[u8]) -> Result<Key, String> {
    let text = String::from_utf8_lossy(content);
    if text.contains("PRIVATE KEY") {
        return Err(
            "is a private key, which the server has no use for; give it the public one".into(),
        );
    }
    if text.contains("CERTIFICATE") {
        return Err(
            "is a certificate; take its public key: openssl x509 -pubkey -noout -in FILE".into(),
        );
    }
    let of =
        |algorithm, key: jsonwebtoken::errors::Result<DecodingKey>| Some((algorithm, key.ok()?));
    let (algorithm, key) = of(Algorithm::EdDSA, DecodingKey::from_ed_pem(content))
        .or_else(|| of(Algorithm::ES256, DecodingKey::from_ec_pem(content)))
        .or_else(|| of(Algorithm::RS256, DecodingKey::from_rsa_pem(content)))
        .ok_or("is no public key in PEM that RS256, ES256 or EdDSA could use")?;
    let bytes = key.try_get_as_bytes().map_err(|error| error.to_string())?;
    let thumb = thumb(&[b"pem", bytes]);
    check(algorithm, bytes)?;
    Ok(Key {
        id: None,
        algorithm,
        thumb,
        decoding: key,
    })
}

/// Refuses a key that is too weak for its algorithm, or on another curve.
fn check(algorithm: Algorithm, bytes: &[u8]) -> Result<(), String> {
    match algorithm {
        Algorithm::RS256 if bytes.len() < MODULUS_BYTES => {
            Err("is an RSA key of less than 2048 bits".into())
        }
        Algorithm::ES256 if bytes.len() != P256_BYTES => {
            Err("is not on the curve P-256, which ES256 is about".into())
        }
        Algorithm::EdDSA if bytes.len() != ED25519_BYTES => Err("is no key of Ed25519".into()),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawKey>,
}

/// A JWK before it is known to be one that we understand, since a set may hold others too.
#[derive(Deserialize)]
#[serde(transparent)]
struct RawKey(simd_json::OwnedValue);

impl RawKey {
    fn from_slice(content: &[u8]) -> Result<Self, String> {
        simd_json::to_owned_value(&mut content.to_vec())
            .map(Self)
            .map_err(|_| "is neither a public key in PEM nor a JWK or a set of them".into())
    }
}

/// A key of a set; nothing when it is for something else than we do.
fn jwk(raw: &RawKey) -> Result<Option<Key>, String> {
    let jwk: Jwk = simd_json::serde::from_refowned_value(&raw.0)
        .map_err(|_| "has an entry that is no JWK".to_owned())?;
    if raw.0.contains_key("d") {
        return Err(
            "has a private key, and whoever has seen it can sign; give the server the public one"
                .into(),
        );
    }
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let operations = common.key_operations.as_ref();
    let may_verify = operations.is_none_or(|all| all.contains(&KeyOperations::Verify));
    if !is_for_signatures || !may_verify {
        return Ok(None);
    }
    let (algorithm, known, bytes) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => (Algorithm::RS256, KeyAlgorithm::RS256, decoded(&rsa.n)?),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            let point = [vec![4], decoded(&ec.x)?, decoded(&ec.y)?].concat();
            (Algorithm::ES256, KeyAlgorithm::ES256, point)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA, decoded(&pair.x)?)
        }
        AlgorithmParameters::OctetKey(_) => {
            return Err(
                "has a symmetric key; a secret belongs into `secret_file` or `secret_env`".into(),
            );
        }
        _ => return Ok(None),
    };
    if common.key_algorithm.is_some_and(|named| named != known) {
        return Ok(None);
    }
    check(algorithm, &bytes)?;
    Ok(Some(Key {
        id: common.key_id.clone(),
        algorithm,
        thumb: thumb(&[b"jwk", &bytes]),
        decoding: DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?,
    }))
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.map_err(|_| "has a member that is not base64url".into())
}

fn thumb(parts: &[&[u8]]) -> Thumb {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}
