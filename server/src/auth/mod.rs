//! Who may come in: one static token, in whatever way a client can carry it.
//!
//! Tokens are compared as SHA-256 digests in constant time, and never appear in a log line or an answer.

mod principal;
mod ticket;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use todoki_codec::query;
use tokio::sync::watch;

use crate::reply::Refusal;

pub use principal::{Action, Grant, Principal};
pub use ticket::{LIFETIME as TICKET_LIFETIME, Tickets};

/// The subprotocol of version 1, echoed when a client offers it.
pub const SUBPROTOCOL: &str = "todoki.v1";

/// A browser's way to carry a token: a second subprotocol, never echoed, with the token in base64url behind this.
const SUBPROTOCOL_TOKEN: &str = "base64url.bearer.authorization.todoki.";

/// Knows the token, as a digest.
pub struct Auth {
    digest: [u8; 32],
    principal: Arc<Principal>,
    changes: watch::Sender<u64>,
}

/// Somebody who came in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who.
    pub principal: Arc<Principal>,
    /// Until when; `None` is for ever.
    pub expires: Option<Timestamp>,
}

impl Admission {
    /// This one, within what bounded the one before it.
    fn bounded_as(mut self, before: &Self) -> Self {
        if let Some(bound) = before.principal.bound() {
            self.principal = Arc::new(self.principal.bounded(bound.clone()));
        }
        self
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
        Self {
            digest: Sha256::digest(token).into(),
            principal: Arc::new(Principal::everything("token")),
            changes: watch::Sender::new(0),
        }
    }

    /// Who sent this request, by the token that it carries: in its header, as a subprotocol, or in its query, the first
    /// that is there. Two `Authorization` headers carry none: which of them counts would differ from hop to hop.
    pub async fn admit(&self, headers: &HeaderMap, query: &str) -> Result<Admission, Refusal> {
        let token = carried(headers, query).ok_or(Refusal::Unauthorised)?;
        self.admit_token(&token).await
    }

    /// Who holds this token.
    #[expect(
        clippy::unused_async,
        reason = "the keys that a token is checked with may have to be fetched"
    )]
    pub async fn admit_token(&self, token: &str) -> Result<Admission, Refusal> {
        if !self.is_token(token) {
            return Err(Refusal::Unauthorised);
        }
        Ok(Admission {
            principal: Arc::clone(&self.principal),
            expires: None,
        })
    }

    /// The same admission as it would be now: with the grants of now, or not at all any more.
    pub fn readmit(&self, admission: &Admission) -> Result<Admission, Refusal> {
        Ok(admission.clone().bounded_as(admission))
    }

    /// Changes whenever an admission may have to be looked at again: tokens, roles or revocations are others now.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn is_token(&self, offered: &str) -> bool {
        let offered: [u8; 32] = Sha256::digest(offered).into();
        offered.ct_eq(&self.digest).into()
    }
}

/// Whether a request carries a token, right or wrong: then a ticket beside it is one too many.
pub fn carries_token(headers: &HeaderMap, query: &str) -> bool {
    headers.get_all(AUTHORIZATION).iter().count() > 1 || carried(headers, query).is_some()
}

fn carried(headers: &HeaderMap, query: &str) -> Option<String> {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return None;
    }
    bearer(headers)
        .or_else(|| subprotocol_token(headers))
        .or_else(|| query::token(query))
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
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

/// A new token: 128 random bits, so it can only be guessed by luck that nobody has.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
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
        carried(headers, query).is_some_and(|token| auth.is_token(&token))
    }

    #[test]
    fn a_token_comes_in_by_header_subprotocol_or_query() {
        let auth = Auth::new("sé cret");
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
        let auth = Auth::new("secret");
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
    }

    #[test]
    fn a_generated_token_is_new_each_time() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), 22);
        assert_ne!(one, other);
    }
}
