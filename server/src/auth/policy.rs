//! Who may come in, as one `auth.toml` says it: judged without a clock or a file of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::principal::{Grant, Principal};
use super::{Admission, Proof, is_over};

/// See the [module](self). The default lets nobody in.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// Named sets of grants.
    #[expect(dead_code, reason = "read once JWTs are")]
    pub(super) roles: BTreeMap<String, Vec<Grant>>,
    /// Static tokens; no two have one digest.
    pub(super) tokens: Vec<StaticToken>,
    /// Who must not come in any more.
    pub(super) revoked: Revoked,
}

/// A token that a file knows by its digest.
#[derive(Debug)]
pub(super) struct StaticToken {
    /// SHA-256 of the token.
    pub(super) digest: [u8; 32],
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
    #[expect(dead_code, reason = "read once JWTs are")]
    /// `sub` of JWTs.
    pub(super) subjects: BTreeSet<String>,
    #[expect(dead_code, reason = "read once JWTs are")]
    /// `jti` of JWTs.
    pub(super) ids: BTreeSet<String>,
}

impl Policy {
    /// Who holds the token with this digest now. All digests are compared, in a time that does not tell which is alike.
    pub(super) fn admit_digest(&self, digest: &[u8; 32], now: Timestamp) -> Option<Admission> {
        let mut found = u64::MAX;
        for (index, token) in (0..).zip(&self.tokens) {
            let is_it: Choice = token.digest.ct_eq(digest);
            found.conditional_assign(&index, is_it);
        }
        let token = self.tokens.get(usize::try_from(found).ok()?)?;
        let is_refused = self.revoked.labels.contains(&token.label) || is_over(token.expires, now);
        (!is_refused).then(|| Admission {
            principal: Arc::clone(&token.principal),
            expires: token.expires,
            proof: Proof::Static(token.digest),
        })
    }
}
