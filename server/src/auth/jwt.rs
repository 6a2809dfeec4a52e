//! JWTs: who signed one, for whom, until when, and what its claims let its holder do.
//!
//! A token chooses nothing about how it is verified: its issuer chooses the verifier, its `kid` is compared with the names
//! of the verifier's keys, and the key decides the algorithm. Keys that a token brings or points to (`jwk`, `jku`, `x5c`,
//! `x5u`) are not looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use simd_json::OwnedValue;
use simd_json::prelude::*;
use todoki_codec::json;
use todoki_codec::limits::GRANTS;
use uuid::Uuid;

use super::grants::{GrantText, ids, within_projects};
use super::jwks::Jwks;
use super::keys::{Key, KeySet, Thumb};
use super::policy::Revoked;
use super::principal::Grant;
use super::{LEEWAY, is_over};

/// Largest JWT: dozens of claims. What is larger carries something that belongs elsewhere.
pub const JWT_BYTES: usize = 8 << 10;

/// Longest `sub` and `jti`: room for an e-mail address or two UUIDs, and small enough for a log line.
const NAME_BYTES: usize = 256;

/// Types of token that are for letting somebody in; others are signed by the same keys for other purposes (RFC 8725 §3.11).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// One `[[jwt]]` of a file.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) issuer: String,
    /// One of them is in `aud`.
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: Keys,
    pub(super) names: ClaimNames,
}

/// Where keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    /// From files or the environment.
    Fixed(Arc<KeySet>),
    /// From a server that may change them.
    Fetched(Arc<Jwks>),
}

/// The claims that say what is granted.
#[derive(Debug)]
pub(super) struct ClaimNames {
    pub(super) role: String,
    pub(super) grants: String,
    /// When it is there, every token must have it, and is narrowed to its projects.
    pub(super) project: Option<String>,
}

/// Claims that were verified, as far as they are needed to judge somebody again.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) id: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) expires: Timestamp,
    /// The key that had signed them.
    pub(super) key: Thumb,
    /// All of them: other names may say what is granted tomorrow.
    pub(super) all: OwnedValue,
}

/// Why a JWT does not let anybody in: for operators, never for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtFault {
    /// It is larger than [`JWT_BYTES`].
    TooLarge(usize),
    /// It is not three parts of base64url, or its header or claims are no JSON object that every reader reads alike.
    Malformed(String),
    /// Its header names an algorithm that is not taken.
    Algorithm(String),
    /// Its header asks for something that we do not do.
    Header(String),
    /// No verifier is for its issuer.
    Issuer(String),
    /// No key of its issuer has its `kid`.
    UnknownKey(Option<String>),
    /// A claim that it must have is missing or is not what it must be.
    Claim(String),
    /// Nobody with that key has signed it.
    Signature,
    /// It is for others.
    Audience,
    /// It is over.
    Expired,
    /// It is not valid yet.
    Early,
    /// It was revoked: by its subject or by its id.
    Revoked(&'static str),
}

impl fmt::Display for JwtFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => {
                write!(f, "it has {bytes} bytes; at most {JWT_BYTES} are taken")
            }
            Self::Malformed(what) => write!(f, "it is no JWT: {what}"),
            Self::Algorithm(name) => write!(
                f,
                "its algorithm is {name:?}, which its issuer's keys are not for; see `algorithms`"
            ),
            Self::Header(what) => write!(f, "its header {what}"),
            Self::Issuer(issuer) => {
                write!(f, "its issuer is {issuer:?}, and no [[jwt]] is for that one")
            }
            Self::UnknownKey(Some(id)) => {
                write!(f, "its kid is {id:?}, and no key of its issuer has that name")
            }
            Self::UnknownKey(None) => f.write_str(
                "it names no kid, and its issuer's keys, of which there are several, all have names",
            ),
            Self::Claim(what) => f.write_str(what),
            Self::Signature => f.write_str("its signature is not that of its issuer's key"),
            Self::Audience => f.write_str("it is for others: none of its `aud` is the `audience` of its issuer's [[jwt]]"),
            Self::Expired => f.write_str("it has expired, says its exp"),
            Self::Early => f.write_str("it is not valid yet, says its nbf"),
            Self::Revoked(by) => write!(f, "[revoked] {by} names it"),
        }
    }
}

impl std::error::Error for JwtFault {}

/// Whether a token has the form of a JWT.
pub(super) fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The header and the claims that a token states, whether or not they are true.
pub(super) fn stated(token: &str) -> Result<(OwnedValue, OwnedValue), JwtFault> {
    if token.len() > JWT_BYTES {
        return Err(JwtFault::TooLarge(token.len()));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwtFault::Malformed("it has not three parts".into()));
    };
    Ok((object("header", header)?, object("claims", claims)?))
}

/// A part as a JSON object. A member that is there twice is refused: readers differ in which of them they take.
fn object(name: &str, part: &str) -> Result<OwnedValue, JwtFault> {
    let fault = |what: &dyn fmt::Display| JwtFault::Malformed(format!("its {name}: {what}"));
    let mut content = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|error| fault(&error))?;
    json::check(&content).map_err(|error| fault(&error))?;
    let value = simd_json::to_owned_value(&mut content).map_err(|error| fault(&error))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(fault(&"it is no object"))
    }
}

impl Claims {
    /// The name of the principal. No issuer has a '#' in it, so two of them never share one.
    pub(super) fn name(&self) -> String {
        format!("jwt:{}#{}", self.issuer, self.subject)
    }
}

impl Verifier {
    /// The claims of a token that is this issuer's, was signed with one of its keys, is for us, and is valid now.
    pub(super) fn verify(
        &self,
        token: &str,
        header: &OwnedValue,
        claims: OwnedValue,
    ) -> Result<Claims, JwtFault> {
        let algorithm = self.algorithm(header)?;
        let id = match header.get("kid") {
            None => None,
            Some(id) => Some(
                id.as_str()
                    .ok_or_else(|| JwtFault::Header("has a kid that is no string".into()))?,
            ),
        };
        let keys = self.keys();
        let named = keys.named(id);
        if named.is_empty() {
            return Err(JwtFault::UnknownKey(id.map(str::to_owned)));
        }
        let fitting: Vec<_> = named
            .into_iter()
            .filter(|key| key.algorithm == algorithm)
            .collect();
        if fitting.is_empty() {
            return Err(JwtFault::Algorithm(format!("{algorithm:?}")));
        }
        let mut fault = JwtFault::Signature;
        for key in fitting {
            match self.verify_with(token, key) {
                Ok(()) => return self.claims(claims, key.thumb),
                Err(found) => fault = found,
            }
        }
        Err(fault)
    }

    /// The algorithm of the header, if it is one that this issuer uses.
    fn algorithm(&self, header: &OwnedValue) -> Result<Algorithm, JwtFault> {
        if header.get("crit").is_some() {
            return Err(JwtFault::Header(
                "has crit, and nothing of that is understood here".into(),
            ));
        }
        let is_known = |kind: &str| TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind));
        if let Some(kind) = header.get("typ")
            && !kind.as_str().is_some_and(is_known)
        {
            return Err(JwtFault::Header(format!(
                "has typ {kind}, which is no token to come in with"
            )));
        }
        let name = header.get_str("alg").unwrap_or_default();
        let known = self.algorithms.iter().copied();
        let mut fitting = known.filter(|algorithm| format!("{algorithm:?}") == name);
        fitting
            .next()
            .ok_or_else(|| JwtFault::Algorithm(name.into()))
    }

    fn verify_with(&self, token: &str, key: &Key) -> Result<(), JwtFault> {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&self.audiences);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let verified = jsonwebtoken::decode::<OwnedValue>(token, &key.decoding, &validation);
        verified.map(|_| ()).map_err(|error| fault_of(&error))
    }

    /// The claims, in the form that is kept.
    pub(super) fn claims(&self, all: OwnedValue, key: Thumb) -> Result<Claims, JwtFault> {
        let named = |name: &'static str| match all.get(name) {
            None => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) if is_name(text) => Ok(Some(text.to_owned())),
                _ => Err(JwtFault::Claim(format!(
                    "its {name} must be 1 to {NAME_BYTES} bytes of text without control characters"
                ))),
            },
        };
        Ok(Claims {
            issuer: self.issuer.clone(),
            subject: named("sub")?.ok_or_else(|| JwtFault::Claim("it has no sub".into()))?,
            id: named("jti")?,
            audiences: strings(all.get("aud")).ok_or(JwtFault::Audience)?,
            expires: time(&all, "exp")?,
            key,
            all,
        })
    }

    /// Refuses claims that were verified and do not count any more.
    pub(super) fn check(
        &self,
        claims: &Claims,
        revoked: &Revoked,
        now: Timestamp,
    ) -> Result<(), JwtFault> {
        let is_ours = |audience| self.audiences.contains(audience);
        if is_over(claims.expires, now) {
            Err(JwtFault::Expired)
        } else if !claims.audiences.iter().any(is_ours) {
            Err(JwtFault::Audience)
        } else if !self.keys().has(&claims.key) {
            Err(JwtFault::Signature)
        } else if revoked.subjects.contains(&claims.subject)
            || revoked.subjects.contains(&claims.name())
        {
            Err(JwtFault::Revoked("subjects"))
        } else if claims
            .id
            .as_ref()
            .is_some_and(|id| revoked.ids.contains(id))
        {
            Err(JwtFault::Revoked("jti"))
        } else {
            Ok(())
        }
    }

    /// The roles that claims name, known or not; none where they are not named as roles are.
    pub(super) fn roles(&self, claims: &Claims) -> Vec<String> {
        strings(claims.all.get(self.names.role.as_str())).unwrap_or_default()
    }

    /// The grants of the roles, and those that are written out; none when there are neither.
    pub(super) fn grants(
        &self,
        claims: &Claims,
        roles: &BTreeMap<String, Vec<Grant>>,
    ) -> Result<Vec<Grant>, JwtFault> {
        let mut grants = Vec::new();
        if let Some(value) = claims.all.get(self.names.role.as_str()) {
            let named = strings(Some(value)).ok_or_else(|| {
                JwtFault::Claim(format!(
                    "its {} must be a role or a list of roles",
                    self.names.role
                ))
            })?;
            // A role of another program's is nothing to us.
            let known = named.iter().filter_map(|name| roles.get(name));
            grants.extend(known.flatten().cloned());
        }
        grants.extend(self.written_grants(claims)?);
        if grants.len() > GRANTS {
            return Err(JwtFault::Claim(format!(
                "it has {} grants; at most {GRANTS} are taken",
                grants.len()
            )));
        }
        match self.projects(claims)? {
            Some(projects) => Ok(within_projects(&grants, &projects)),
            None => Ok(grants),
        }
    }

    fn written_grants(&self, claims: &Claims) -> Result<Vec<Grant>, JwtFault> {
        let name = &self.names.grants;
        let Some(value) = claims.all.get(name.as_str()) else {
            return Ok(Vec::new());
        };
        let fault = |what: &dyn fmt::Display| JwtFault::Claim(format!("its {name}: {what}"));
        let texts: Vec<GrantText> =
            simd_json::serde::from_refowned_value(value).map_err(|error| fault(&error))?;
        let grants = texts.iter().map(GrantText::grant).collect::<Result<_, _>>();
        grants.map_err(|error| fault(&error))
    }

    fn projects(&self, claims: &Claims) -> Result<Option<Vec<Uuid>>, JwtFault> {
        let Some(name) = &self.names.project else {
            return Ok(None);
        };
        let texts = strings(claims.all.get(name.as_str())).ok_or_else(|| {
            JwtFault::Claim(format!(
                "it has no {name}, a project or a list of projects, to be narrowed to"
            ))
        })?;
        ids(&format!("its {name}"), Some(&texts)).map_err(JwtFault::Claim)
    }

    /// The keys of now.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        match &self.keys {
            Keys::Fixed(keys) => Arc::clone(keys),
            Keys::Fetched(jwks) => jwks.keys(),
        }
    }
}

fn fault_of(error: &jsonwebtoken::errors::Error) -> JwtFault {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => JwtFault::Expired,
        ErrorKind::ImmatureSignature => JwtFault::Early,
        ErrorKind::InvalidAudience => JwtFault::Audience,
        ErrorKind::InvalidSignature => JwtFault::Signature,
        ErrorKind::MissingRequiredClaim(name) => JwtFault::Claim(format!("it has no {name}")),
        ErrorKind::InvalidClaimFormat(name) => {
            JwtFault::Claim(format!("its {name} is not what it must be"))
        }
        // The signature may still be wrong then; who asks for the reason is told the first that shows.
        _ => JwtFault::Claim(error.to_string()),
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A string, or a list of strings.
fn strings(value: Option<&OwnedValue>) -> Option<Vec<String>> {
    let value = value?;
    if let Some(text) = value.as_str() {
        return Some(vec![text.to_owned()]);
    }
    let text = |value: &OwnedValue| value.as_str().map(str::to_owned);
    value.as_array()?.iter().map(text).collect()
}

/// A time in seconds, which may have a fraction.
fn time(claims: &OwnedValue, name: &str) -> Result<Timestamp, JwtFault> {
    let fault = || JwtFault::Claim(format!("its {name} is no time"));
    let value = claims.get(name).ok_or_else(fault)?;
    let seconds = match value.as_i64() {
        Some(seconds) => seconds,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and then is no time"
        )]
        None => value.as_f64().ok_or_else(fault)? as i64,
    };
    Timestamp::from_second(seconds).map_err(|_| fault())
}
