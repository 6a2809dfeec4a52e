//! Who may come in: holders of the one token of `--token`, and those that `auth.toml` knows, in whatever way a client can
//! carry a token.
//!
//! Tokens are compared as SHA-256 digests in constant time, and never appear in a log line or an answer. Every way of
//! failing is the same [`Refusal::Unauthorised`]: why it failed is for those who run the server, by `todoki token inspect`.

mod file;
mod grants;
mod jwks;
mod jwt;
mod keys;
mod policy;
mod principal;
mod signatures;
mod signing;
mod sources;
mod ticket;
mod verifiers;
mod watched;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use simd_json::OwnedValue;
use subtle::ConstantTimeEq;
use todoki_codec::{ScopesError, query};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::reply::Refusal;
use jwks::Jwks;
use jwt::Claims;
use policy::{Digest, Policy};
use sources::Sources;
use ticket::Shown;
use watched::Watched;

pub use file::{FileError, hash};
pub(crate) use grants::{GrantText, WithinText};
pub use jwt::{JWT_BYTES, JwtFault};
pub use policy::TokenFault;
pub use principal::{Action, Grant, Principal};
pub use signing::SigningKey;
pub use ticket::{LIFETIME as TICKET_LIFETIME, Tickets};

/// The subprotocol of version 1, echoed when a client offers it.
pub const SUBPROTOCOL: &str = "todoki.v1";

/// A browser's way to carry a token: a second subprotocol, never echoed, with the token in base64url behind this.
const SUBPROTOCOL_TOKEN: &str = "base64url.bearer.authorization.todoki.";

/// For so long a token still counts after it expired, and a connection that came in with it goes on: clocks of two
/// machines that are kept by NTP differ by less.
pub const LEEWAY: Duration = Duration::from_secs(10);

/// How often it is looked whether it is time to fetch keys: a new address is asked at once, as people see it.
const KEYS_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Knows who may come in. What `auth.toml` says may change at any time; [`Auth::keep`] takes it up.
pub struct Auth {
    /// The token that may do everything, when there is one.
    everything: Option<Everything>,
    /// Whether a token may come in the query.
    has_query_token: bool,
    policy: RwLock<Arc<Policy>>,
    /// The file of the policy.
    watched: Option<Arc<Watched>>,
    changes: watch::Sender<Generation>,
}

/// What an operator should know of a file that is right.
#[derive(Debug)]
pub struct Survey {
    /// Every file that says who may come in.
    pub files: Vec<PathBuf>,
    /// Those of them that nobody else should read.
    pub secrets: Vec<PathBuf>,
    /// The labels of tokens that count and never expire, one for each.
    pub endless: Vec<String>,
    /// Whether anybody can come in: a token counts, or an issuer is named.
    pub lets_in: bool,
}

struct Everything {
    digest: Digest,
    principal: Arc<Principal>,
}

/// Somebody who came in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who.
    pub principal: Arc<Principal>,
    /// Until when; `None` is for ever. [`LEEWAY`] comes on top.
    pub expires: Option<Timestamp>,
    proof: Proof,
    /// The state of things that they were judged by.
    generation: Generation,
}

/// A state of who may come in, of those that an [`Auth`] went through: each change makes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);

/// What somebody came in with, as far as it is needed to judge them again.
#[derive(Clone, Debug)]
enum Proof {
    /// The token that may do everything, by its digest. It stays what it is for as long as the server runs.
    Everything(Digest),
    /// A static token, by its digest.
    Static(Digest),
    /// The claims of a JWT, which was verified.
    Jwt(Arc<Claims>),
}

impl Admission {
    /// The state of things that they were judged by.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// When it does not count any more; `None` is never.
    pub fn ends(&self) -> Option<Timestamp> {
        ends(self.expires?)
    }

    /// This one, within what bounded the one before it.
    fn bounded_as(mut self, before: &Self) -> Result<Self, ScopesError> {
        if let Some(bound) = before.principal.bound() {
            self.principal = Arc::new(self.principal.bounded(bound.clone())?);
        }
        Ok(self)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth(…)")
    }
}

impl Auth {
    /// Lets in whoever carries `token`, for everything.
    pub fn new(token: &str) -> Self {
        let mut auth = Self::nobody();
        auth.everything = Some(Everything {
            digest: Sha256::digest(token).into(),
            principal: Arc::new(Principal::everything("token")),
        });
        auth
    }

    /// Lets in whom this `auth.toml` knows, and whoever carries `token`, if there is one, for everything.
    pub fn open(path: &Path, token: Option<&str>) -> Result<Self, FileError> {
        let mut auth = token.map_or_else(Self::nobody, Self::new);
        signatures::install();
        let (watched, policy) = Watched::open(path)?;
        auth.policy = RwLock::new(Arc::new(policy));
        auth.watched = Some(watched);
        Ok(auth)
    }

    /// Whether this text would be taken as the `auth.toml` at this path.
    pub fn check_text(text: &str, path: &Path) -> Result<(), FileError> {
        signatures::install();
        file::parse(&mut Sources::new(path), text.as_bytes()).map(|_| ())
    }

    /// What the file has, in a line.
    pub fn summary(&self) -> String {
        self.policy().summary()
    }

    /// What an operator should know of the file; none without one.
    pub fn survey(&self) -> Option<Survey> {
        let (files, secrets) = self.watched.as_ref()?.files();
        let (policy, now) = (self.policy(), clock::now());
        Some(Survey {
            files,
            secrets,
            endless: policy.endless(),
            lets_in: policy.lets_in(now),
        })
    }

    /// The roles that a JWT names and the file does not know: they may be another program's, or misspelt.
    pub fn unknown_roles(&self, admission: &Admission) -> Vec<String> {
        match &admission.proof {
            Proof::Jwt(claims) => self.policy().unknown_roles(claims),
            Proof::Everything(_) | Proof::Static(_) => Vec::new(),
        }
    }

    fn nobody() -> Self {
        Self {
            everything: None,
            has_query_token: false,
            policy: RwLock::default(),
            watched: None,
            changes: watch::Sender::default(),
        }
    }

    /// Whether a token is also taken from the query of a request, where proxies and histories keep it.
    #[must_use]
    pub fn with_query_token(mut self, has_query_token: bool) -> Self {
        self.has_query_token = has_query_token;
        self
    }

    /// Who sent this request, by the token that it carries: in its header, as a subprotocol, or in its query, the first
    /// that is there. Two `Authorization` headers carry none: which of them counts would differ from hop to hop.
    pub async fn admit(&self, headers: &HeaderMap, query: &str) -> Result<Admission, Refusal> {
        let token = self.carried(headers, query).ok_or(Refusal::Unauthorised)?;
        self.admit_token(&token).await
    }

    /// Who holds this token. The keys that it is checked with may have to be fetched first.
    pub async fn admit_token(&self, token: &str) -> Result<Admission, Refusal> {
        let judged = self.judge(token).await;
        judged.map_err(|fault| {
            tracing::debug!("refused a token: {fault}");
            Refusal::Unauthorised
        })
    }

    /// Who holds this token, or why it lets nobody in, for operators to know.
    pub async fn judge(&self, token: &str) -> Result<Admission, TokenFault> {
        // Before it is judged, so that a change in between is seen to be later.
        let generation = self.generation();
        let admission = self.judge_now(token).await?;
        Ok(Admission {
            generation,
            ..admission
        })
    }

    async fn judge_now(&self, token: &str) -> Result<Admission, TokenFault> {
        if let Some(admission) = self.admit_everything(&Sha256::digest(token).into()) {
            return Ok(admission);
        }
        let policy = self.policy();
        let judged = policy.admit(token, clock::now());
        if let Err(TokenFault::Jwt(JwtFault::UnknownKey(_))) = &judged
            && let Some(jwks) = policy.fetched_for(token)
        {
            self.look_for_more(jwks).await;
            return policy.admit(token, clock::now());
        }
        judged
    }

    /// Who has shown this, be it to another server that had it verified: judged here and now, as if it were shown again.
    async fn admit_shown(&self, shown: &Shown) -> Result<Admission, Refusal> {
        let generation = self.generation();
        let admission = self.judge_shown(shown).await.map_err(|fault| {
            tracing::debug!("refused a ticket: {fault}");
            Refusal::Unauthorised
        })?;
        Ok(Admission {
            generation,
            ..admission
        })
    }

    async fn judge_shown(&self, shown: &Shown) -> Result<Admission, TokenFault> {
        let policy = self.policy();
        match shown {
            Shown::Token(digest) => match self.admit_everything(digest) {
                Some(admission) => Ok(admission),
                None => policy.admit_digest(digest, clock::now()),
            },
            Shown::Jwt { key, claims } => {
                let judged = policy.admit_verified(claims, *key, clock::now());
                // The other server may have fetched the key already.
                if let Err(JwtFault::Signature) = &judged
                    && let Some(jwks) = policy.fetched_of(claims)
                {
                    self.look_for_more(jwks).await;
                    return Ok(policy.admit_verified(claims, *key, clock::now())?);
                }
                Ok(judged?)
            }
        }
    }

    /// Fetches keys because a token was signed with one that is not among them.
    async fn look_for_more(&self, jwks: Arc<Jwks>) {
        let looking = look_for_more(jwks, self.changes.clone());
        // Whoever asked may hang up; the others still want the keys. A panic in it has been reported.
        tokio::spawn(looking).await.ok();
    }

    /// The same admission as it would be now: with the grants of now, or not at all any more.
    pub fn readmit(&self, admission: &Admission) -> Result<Admission, Refusal> {
        let (generation, now) = (self.generation(), clock::now());
        let is_over = admission.ends().is_some_and(|end| end <= now);
        if admission.generation == generation && !is_over {
            return Ok(admission.clone());
        }
        let policy = self.policy();
        let again = match &admission.proof {
            Proof::Everything(_) => Ok(admission.clone()),
            Proof::Static(digest) => policy.admit_digest(digest, now),
            Proof::Jwt(claims) => policy.admit_claims(claims, now).map_err(TokenFault::from),
        };
        let again = again.map_err(|_| Refusal::Unauthorised)?;
        let again = again.bounded_as(admission);
        let again = again.map_err(|_| Refusal::Unauthorised)?;
        Ok(Admission {
            generation,
            ..again
        })
    }

    /// The present state of who may come in.
    pub fn generation(&self) -> Generation {
        *self.changes.borrow()
    }

    /// Changes whenever an admission may have to be looked at again: tokens, roles or revocations are others now.
    pub fn changes(&self) -> watch::Receiver<Generation> {
        self.changes.subscribe()
    }

    /// Takes up what changes in the file, and keeps the keys of others fresh, until `stop`. Without a file there is nothing
    /// to do.
    pub async fn keep(&self, stop: CancellationToken) {
        let Some(watched) = &self.watched else {
            return;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = watched.keep(|policy| self.take(policy)) => {}
            () = self.refresh_keys() => {}
        }
    }

    /// Puts a policy in force.
    fn take(&self, mut policy: Policy) {
        policy.adopt(&self.policy());
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.note(true);
    }

    /// Fetches keys when it is time to, for ever.
    async fn refresh_keys(&self) {
        let mut ticks = tokio::time::interval(KEYS_LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for jwks in self.policy().all_fetched() {
                self.note(jwks.refresh().await);
            }
        }
    }

    /// Has admissions looked at again if something has changed.
    fn note(&self, is_changed: bool) {
        if is_changed {
            note(&self.changes);
        }
    }

    fn policy(&self) -> Arc<Policy> {
        // A writer that panicked has left the policy before or after it: both are whole.
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&policy)
    }

    fn admit_everything(&self, digest: &Digest) -> Option<Admission> {
        let everything = self.everything.as_ref()?;
        bool::from(everything.digest.ct_eq(digest)).then(|| Admission {
            principal: Arc::clone(&everything.principal),
            expires: None,
            proof: Proof::Everything(*digest),
            generation: Generation::default(),
        })
    }

    /// Whether a request carries a token, right or wrong: then a ticket beside it is one too many.
    pub fn is_carried(&self, headers: &HeaderMap, query: &str) -> bool {
        headers.get_all(AUTHORIZATION).iter().count() > 1 || self.carried(headers, query).is_some()
    }

    fn carried(&self, headers: &HeaderMap, query: &str) -> Option<String> {
        if headers.get_all(AUTHORIZATION).iter().count() > 1 {
            return None;
        }
        bearer(headers)
            .or_else(|| subprotocol_token(headers))
            .or_else(|| query::token(query).filter(|_| self.has_query_token))
    }
}

/// Has admissions looked at again.
fn note(changes: &watch::Sender<Generation>) {
    changes.send_modify(|generation| generation.0 += 1);
}

/// Fetches keys because a token names one that is not among them.
async fn look_for_more(jwks: Arc<Jwks>, changes: watch::Sender<Generation>) {
    if jwks.look_for_more().await {
        note(&changes);
    }
}

/// When a token that expires then does not count any more, the leeway included.
fn ends(expires: Timestamp) -> Option<Timestamp> {
    // A time so late that the leeway leaves the calendar never comes.
    expires.checked_add(LEEWAY).ok()
}

/// Whether a token that expires then is over at this time.
fn is_over(expires: Timestamp, now: Timestamp) -> bool {
    ends(expires).is_some_and(|end| end <= now)
}

/// The token of `Authorization: Bearer`. One that cannot be read is empty, which no token is, rather than absent: what
/// else the request carries must not count in its place.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let end = value.iter().position(|byte| *byte == b' ');
    let (scheme, token) = value.split_at(end.unwrap_or(value.len()));
    let token = std::str::from_utf8(token).unwrap_or_default();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer");
    is_bearer.then(|| token.trim().to_owned())
}

/// The token that a subprotocol carries. One that cannot be read is empty, which no token is, rather than absent.
fn subprotocol_token(headers: &HeaderMap) -> Option<String> {
    let encoded = subprotocols(headers).find_map(|name| name.strip_prefix(SUBPROTOCOL_TOKEN))?;
    let token = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='));
    let token = token.ok().and_then(|token| String::from_utf8(token).ok());
    Some(token.unwrap_or_default())
}

/// Whether the client offers our subprotocol.
pub fn offers_subprotocol(headers: &HeaderMap) -> bool {
    subprotocols(headers).any(|name| name == SUBPROTOCOL)
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    lines
        .filter_map(|line: &HeaderValue| line.to_str().ok())
        .flat_map(|line| line.split(',').map(str::trim))
}

/// The header and the claims that a JWT states, whether or not they are true.
pub fn stated(token: &str) -> Result<(OwnedValue, OwnedValue), JwtFault> {
    jwt::stated(token)
}

/// A new token: over 128 random bits, so it can only be guessed by luck that nobody has. It does not begin with a dash,
/// which commands would take for a flag.
pub fn generate() -> Result<String, getrandom::Error> {
    loop {
        let mut bytes = [0; 18];
        getrandom::fill(&mut bytes)?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        if !token.starts_with('-') {
            return Ok(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn admits(auth: &Auth, headers: &HeaderMap, query: &str) -> bool {
        let token = auth.carried(headers, query);
        token.is_some_and(|token| {
            let digest = Sha256::digest(token).into();
            auth.admit_everything(&digest).is_some()
        })
    }

    #[test]
    fn a_token_comes_in_by_header_subprotocol_or_query() {
        let auth = Auth::new("sé cret").with_query_token(true);
        let encoded = URL_SAFE_NO_PAD.encode("sé cret");
        let offered = format!("todoki.v1, {SUBPROTOCOL_TOKEN}{encoded}");
        assert!(admits(
            &auth,
            &headers(&[("sec-websocket-protocol", &offered)]),
            ""
        ));
        assert!(admits(&auth, &HeaderMap::new(), "token=s%C3%A9%20cret"));
        let auth = Auth::new("secret");
        assert!(admits(
            &auth,
            &headers(&[("authorization", "bearer secret")]),
            ""
        ));
    }

    #[test]
    fn anything_else_stays_out() {
        let auth = Auth::new("secret");
        assert!(!admits(&auth, &HeaderMap::new(), "token=secret"));
        let auth = auth.with_query_token(true);
        assert!(!admits(&auth, &HeaderMap::new(), ""));
        assert!(!admits(&auth, &HeaderMap::new(), "token=Secret"));
        assert!(!admits(
            &auth,
            &headers(&[("authorization", "Basic secret")]),
            ""
        ));
        // A wrong header is not saved by a right query: one request carries one token.
        assert!(!admits(
            &auth,
            &headers(&[("authorization", "Bearer wrong")]),
            "token=secret"
        ));
    }

    #[test]
    fn a_request_carries_one_token() {
        let auth = Auth::new("secret").with_query_token(true);
        let right = ("authorization", "Bearer secret");
        let twice = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            admits(&auth, &headers, "token=secret")
        };
        assert!(twice(&[right]));
        assert!(!twice(&[right, right]));
        assert!(!twice(&[right, ("authorization", "Bearer wrong")]));
        let unreadable = format!("{SUBPROTOCOL_TOKEN}!!!");
        assert!(!twice(&[("sec-websocket-protocol", &unreadable)]));
        for unreadable in ["Bearer", "Bearer ", "Bearer s\u{e9}cret"] {
            assert!(!twice(&[("authorization", unreadable)]), "{unreadable:?}");
        }
    }

    #[test]
    fn a_generated_token_is_new_each_time() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), 24);
        assert_ne!(one, other);
        assert!((0..1000).all(|_| !generate().unwrap().starts_with('-')));
    }
}
