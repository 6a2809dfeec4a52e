//! Who may come in: `auth.toml`, its tokens and what becomes of them when it changes.

mod commands;
pub(crate) mod jwks;
mod jwts;
mod redaction;
mod static_tokens;

use std::path::{Path, PathBuf};

use todoki::auth::SigningKey;
use todoki::clock;

/// A key of the tests.
pub(crate) fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/keys")
        .join(name)
}

pub(crate) fn signing_key(name: &str) -> SigningKey {
    SigningKey::read(&std::fs::read(key_file(name)).unwrap()).unwrap()
}

/// Seconds since 1970, some of them away from now.
fn seconds(away: i64) -> i64 {
    clock::now().as_second() + away
}

/// Claims that let their holder in, with these members behind them.
pub(crate) fn claims(members: &str) -> String {
    let expires = seconds(600);
    format!(r#"{{"iss":"https://id.example","aud":"todoki","sub":"ann","exp":{expires}{members}}}"#)
}
