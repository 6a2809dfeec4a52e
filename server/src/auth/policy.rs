//! Who may come in, as one `auth.toml` says it: judged without a clock or a file of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use simd_json::OwnedValue;
use simd_json::prelude::*;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use todoki_codec::ScopesError;

use super::jwks::Jwks;
use super::jwt::{self, Claims, JwtFault, Keys, Verifier};
use super::keys::Thumb;
use super::principal::{Grant, Principal};
use super::{Admission, Generation, Proof, is_over};

/// JWTs that are remembered as verified: those of all who are busy at one time. When there are more, all are forgotten
/// and verified again.
const VERIFIED: usize = 4096;

/// Grants of JWTs whose meaning is remembered: roles in the combinations and projects that are busy at one time. When
/// there are more, all are forgotten and found again.
const GRANTED: usize = 256;

/// SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// See the [module](self). The default lets nobody in.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// Named sets of grants.
    roles: BTreeMap<String, Vec<Grant>>,
    /// Static tokens; no two have one digest.
    pub(super) tokens: Vec<StaticToken>,
    /// Whose JWTs are taken.
    verifiers: Vec<Verifier>,
    /// Who must not come in any more.
    revoked: Revoked,
    /// JWTs that were verified under this policy: a client sends the same one with each request.
    verified: Mutex<HashMap<Digest, Admission>>,
    /// What was found that grants let their holders do: when a policy changes, all who are in are judged again, and most of
    /// them have the same.
    granted: Mutex<HashMap<Vec<Grant>, Result<Principal, ScopesError>>>,
}

/// A token that a file knows by its digest.
#[derive(Debug)]
pub(super) struct StaticToken {
    /// SHA-256 of the token.
    pub(super) digest: Digest,
    /// What people call it; tokens that share it are one principal, so that one can take over from another.
    pub(super) label: String,
    /// Whoever holds it.
    pub(super) principal: Arc<Principal>,
    /// Until when; `None` is for ever.
    pub(super) expires: Option<Timestamp>,
}

/// Those who must not come in, whatever they hold.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    /// Labels of static tokens.
    pub(super) labels: BTreeSet<String>,
    /// `sub` of JWTs, or the whole names of their principals.
    pub(super) subjects: BTreeSet<String>,
    /// `jti` of JWTs.
    pub(super) ids: BTreeSet<String>,
}

/// Why a token does not let anybody in: for operators, never for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// No entry has its hash, and it has not the form of a JWT.
    Unknown,
    /// The label of its entry is revoked.
    Revoked(String),
    /// Its entry expired.
    Expired(Timestamp),
    /// It is a JWT that is not taken.
    Jwt(JwtFault),
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no [[tokens]] has its hash, and it is no JWT"),
            Self::Revoked(label) => write!(f, "[revoked] labels names {label:?}"),
            Self::Expired(time) => write!(f, "it expired at {time}"),
            Self::Jwt(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for TokenFault {}

impl From<JwtFault> for TokenFault {
    fn from(fault: JwtFault) -> Self {
        Self::Jwt(fault)
    }
}

impl Policy {
    pub(super) fn new(
        roles: BTreeMap<String, Vec<Grant>>,
        tokens: Vec<StaticToken>,
        verifiers: Vec<Verifier>,
        revoked: Revoked,
    ) -> Self {
        Self {
            roles,
            tokens,
            verifiers,
            revoked,
            verified: Mutex::default(),
            granted: Mutex::default(),
        }
    }

    /// What is in it, for people.
    pub(super) fn summary(&self) -> String {
        let revoked = &self.revoked;
        format!(
            "{} roles, {} tokens, {} issuers of JWTs, {} revocations",
            self.roles.len(),
            self.tokens.len(),
            self.verifiers.len(),
            revoked.labels.len() + revoked.subjects.len() + revoked.ids.len()
        )
    }

    /// The labels of the tokens that count for ever, one for each token.
    pub(super) fn endless(&self) -> Vec<String> {
        let is_endless = |token: &&StaticToken| {
            token.expires.is_none() && !self.revoked.labels.contains(&token.label)
        };
        let endless = self.tokens.iter().filter(is_endless);
        endless.map(|token| token.label.clone()).collect()
    }

    /// Whether anybody can come in now: a token counts, or JWTs of somebody are taken.
    pub(super) fn lets_in(&self, now: Timestamp) -> bool {
        let is_taken = |token: &StaticToken| self.admit_digest(&token.digest, now).is_ok();
        !self.verifiers.is_empty() || self.tokens.iter().any(is_taken)
    }

    /// The roles that claims name and nobody has defined.
    pub(super) fn unknown_roles(&self, claims: &Claims) -> Vec<String> {
        let verifier = self.verifier(&claims.issuer);
        let mut named = verifier.map_or_else(Vec::new, |verifier| verifier.roles(claims));
        named.retain(|name| !self.roles.contains_key(name));
        named
    }

    /// Keeps the keys that the policy before this one has fetched, where this one would fetch the same. Where an issuer's
    /// are to be had elsewhere now, they stay until they come from there: an address that does not answer puts nobody out,
    /// and nothing else that has changed waits for it.
    pub(super) fn adopt(&mut self, before: &Self) {
        let known = before.all_fetched();
        for verifier in &mut self.verifiers {
            let Keys::Fetched(jwks) = &mut verifier.keys else {
                continue;
            };
            if let Some(same) = known.iter().find(|other| other.is_same(jwks)) {
                *jwks = Arc::clone(same);
            } else if let Some(verifier) = before.verifier(&verifier.issuer) {
                jwks.begin_with(&verifier.keys());
            }
        }
    }

    /// The keys that are fetched from elsewhere.
    pub(super) fn all_fetched(&self) -> Vec<Arc<Jwks>> {
        let fetched = |verifier: &Verifier| match &verifier.keys {
            Keys::Fixed(_) => None,
            Keys::Fetched(jwks) => Some(Arc::clone(jwks)),
        };
        self.verifiers.iter().filter_map(fetched).collect()
    }

    /// Where more keys of the issuer of this JWT may be had.
    pub(super) fn fetched_for(&self, token: &str) -> Option<Arc<Jwks>> {
        let (_, claims) = jwt::stated(token).ok()?;
        self.fetched_of(&claims)
    }

    /// Where more keys of the issuer of these claims may be had.
    pub(super) fn fetched_of(&self, claims: &OwnedValue) -> Option<Arc<Jwks>> {
        match &self.verifier(claims.get_str("iss")?)?.keys {
            Keys::Fixed(_) => None,
            Keys::Fetched(jwks) => Some(Arc::clone(jwks)),
        }
    }

    /// Who holds this token now.
    pub(super) fn admit(&self, token: &str, now: Timestamp) -> Result<Admission, TokenFault> {
        let digest = Sha256::digest(token).into();
        match self.admit_digest(&digest, now) {
            Err(TokenFault::Unknown) if jwt::is_jwt(token) => {
                Ok(self.admit_jwt(token, digest, now)?)
            }
            admitted => admitted,
        }
    }

    /// Who holds the static token with this digest now. All digests are compared, in a time that does not tell which of
    /// them is alike, or how much of it.
    pub(super) fn admit_digest(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Admission, TokenFault> {
        let mut found = u64::MAX;
        for (index, token) in (0..).zip(&self.tokens) {
            let is_it: Choice = token.digest.ct_eq(digest);
            found.conditional_assign(&index, is_it);
        }
        let found = usize::try_from(found).ok();
        let token = found
            .and_then(|found| self.tokens.get(found))
            .ok_or(TokenFault::Unknown)?;
        if self.revoked.labels.contains(&token.label) {
            return Err(TokenFault::Revoked(token.label.clone()));
        }
        match token.expires {
            Some(expires) if is_over(expires, now) => Err(TokenFault::Expired(expires)),
            expires => Ok(Admission {
                principal: Arc::clone(&token.principal),
                expires,
                proof: Proof::Static(token.digest),
                generation: Generation::default(),
            }),
        }
    }

    fn admit_jwt(
        &self,
        token: &str,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Admission, JwtFault> {
        if let Some(known) = self.known(&digest)
            && let Proof::Jwt(claims) = &known.proof
        {
            self.check(claims, now)?;
            return Ok(known);
        }
        let (header, claims) = jwt::stated(token)?;
        let issuer = claims.get_str("iss").unwrap_or_default().to_owned();
        let verifier = self.verifier(&issuer).ok_or(JwtFault::Issuer(issuer))?;
        let claims = verifier.verify(token, &header, claims)?;
        let admission = self.admit_claims(&Arc::new(claims), now)?;
        self.remember(digest, admission.clone());
        Ok(admission)
    }

    /// Who these claims are about now, which were verified with this key elsewhere.
    pub(super) fn admit_verified(
        &self,
        claims: &OwnedValue,
        key: Thumb,
        now: Timestamp,
    ) -> Result<Admission, JwtFault> {
        let issuer = claims.get_str("iss").unwrap_or_default();
        let verifier = self.verifier(issuer);
        let verifier = verifier.ok_or_else(|| JwtFault::Issuer(issuer.to_owned()))?;
        let claims = verifier.claims(claims.clone(), key)?;
        self.admit_claims(&Arc::new(claims), now)
    }

    /// Who these claims are about now.
    pub(super) fn admit_claims(
        &self,
        claims: &Arc<Claims>,
        now: Timestamp,
    ) -> Result<Admission, JwtFault> {
        let verifier = self.check(claims, now)?;
        Ok(Admission {
            principal: self.principal(&claims.name(), verifier.grants(claims, &self.roles)?)?,
            expires: Some(claims.expires),
            proof: Proof::Jwt(Arc::clone(claims)),
            generation: Generation::default(),
        })
    }

    /// Somebody of this name with these grants.
    fn principal(&self, name: &str, grants: Vec<Grant>) -> Result<Arc<Principal>, JwtFault> {
        let known = self.granted().get(&grants).cloned();
        let principal = known.unwrap_or_else(|| {
            let principal = Principal::new(name, &grants);
            let mut granted = self.granted();
            if granted.len() >= GRANTED {
                granted.clear();
            }
            granted.insert(grants, principal.clone());
            principal
        });
        match principal {
            Ok(principal) => Ok(principal.named(name).into()),
            Err(error) => Err(JwtFault::Claim(error.to_string())),
        }
    }

    fn granted(&self) -> MutexGuard<'_, HashMap<Vec<Grant>, Result<Principal, ScopesError>>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses claims that were true and do not count any more.
    fn check(&self, claims: &Claims, now: Timestamp) -> Result<&Verifier, JwtFault> {
        let verifier = self
            .verifier(&claims.issuer)
            .ok_or_else(|| JwtFault::Issuer(claims.issuer.clone()))?;
        verifier.check(claims, &self.revoked, now)?;
        Ok(verifier)
    }

    fn verifier(&self, issuer: &str) -> Option<&Verifier> {
        self.verifiers
            .iter()
            .find(|verifier| verifier.issuer == issuer)
    }

    fn known(&self, digest: &Digest) -> Option<Admission> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.get(digest).cloned()
    }

    fn remember(&self, digest: Digest, admission: Admission) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED {
            verified.clear();
        }
        verified.insert(digest, admission);
    }
}
