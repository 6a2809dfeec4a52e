//! What a table that several servers share keeps of a ticket: what its holder has shown, and the filter that it is for, so
//! that any of them judges the holder as the first would.
//!
//! It is sealed with a key that follows from the ticket itself, which is in no table: so whoever reads the table has
//! neither digests of tokens, which might be guessed, nor what a JWT says of somebody.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use serde::{Deserialize, Serialize};
use simd_json::OwnedValue;
use todoki_codec::{Filter, query};

use super::super::keys::Thumb;
use super::super::policy::Digest;
use super::super::{Admission, Proof};

/// Sets the key apart from what else might be made of a ticket.
const PURPOSE: &[u8] = b"todoki: what a ticket seals";

/// See the [module](self).
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) shown: Shown,
    /// As a query says it.
    filter: String,
}

/// What somebody came in with, as far as any server needs it to judge them.
#[derive(Clone, Serialize, Deserialize)]
pub(in super::super) enum Shown {
    /// A token that is no JWT, by its digest.
    Token(Digest),
    /// The claims of a JWT, which was verified with this key.
    Jwt { key: Thumb, claims: OwnedValue },
}

impl Shown {
    fn of(proof: &Proof) -> Self {
        match proof {
            Proof::Everything(digest) | Proof::Static(digest) => Self::Token(*digest),
            Proof::Jwt(claims) => Self::Jwt {
                key: claims.key,
                claims: claims.all.clone(),
            },
        }
    }
}

impl Record {
    pub(super) fn new(admission: &Admission, filter: &Filter) -> Self {
        Self {
            shown: Shown::of(&admission.proof),
            filter: filter.to_string(),
        }
    }

    /// The filter; `None` when a server of another version has written what this one does not understand.
    pub(super) fn filter(&self) -> Option<Filter> {
        query::filter(&self.filter).ok()
    }

    /// The record as whoever has the ticket can read it, and nobody else.
    pub(super) fn seal(&self, ticket: &str) -> Vec<u8> {
        // Our own types have nothing that JSON cannot say.
        let mut bytes = simd_json::serde::to_vec(self).unwrap_or_default();
        key(ticket)
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut bytes)
            .expect("a record is far smaller than what can be sealed");
        bytes
    }

    /// What this ticket has sealed, unless it is something else.
    pub(super) fn open(ticket: &str, mut sealed: Vec<u8>) -> Option<Self> {
        let opened = key(ticket).open_in_place(nonce(), Aad::empty(), &mut sealed);
        simd_json::serde::from_slice(opened.ok()?).ok()
    }
}

fn key(ticket: &str) -> LessSafeKey {
    let ticket = hmac::Key::new(hmac::HMAC_SHA256, ticket.as_bytes());
    let key = hmac::sign(&ticket, PURPOSE);
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref());
    LessSafeKey::new(key.expect("both have 32 bytes"))
}

/// No key seals twice, so any nonce is new.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let claims =
            br#"{"iss":"https://id.example","sub":"ann","exp":1790000000,"n":[1.5,null,"\u00e9"]}"#;
        Record {
            shown: Shown::Jwt {
                key: [7; 32],
                claims: simd_json::to_owned_value(&mut claims.to_vec()).unwrap(),
            },
            filter: "kinds=task.*&agent_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e01".into(),
        }
    }

    #[test]
    fn a_record_reads_back_for_whoever_has_the_ticket() {
        let (record, sealed) = (record(), record().seal("ticket"));
        let opened = Record::open("ticket", sealed).unwrap();
        let (Shown::Jwt { key, claims }, Shown::Jwt { claims: before, .. }) =
            (&opened.shown, &record.shown)
        else {
            panic!("a JWT was sealed");
        };
        assert_eq!((key, claims), (&[7; 32], before));
        assert_eq!(opened.filter().unwrap().to_string(), record.filter);
    }

    #[test]
    fn nobody_else_reads_it_or_changes_it() {
        let sealed = record().seal("ticket");
        let text = String::from_utf8_lossy(&sealed);
        assert!(!text.contains("ann") && !text.contains("task"), "{text}");
        assert!(Record::open("tickeT", sealed.clone()).is_none());
        for place in [0, sealed.len() / 2, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(Record::open("ticket", changed).is_none());
        }
        assert!(Record::open("ticket", Vec::new()).is_none());
    }
}
