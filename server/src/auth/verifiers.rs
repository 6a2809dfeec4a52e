//! `[[jwt]]` of `auth.toml`: whose tokens are taken, with which keys, and which of their claims say what is granted.

use std::path::Path;
use std::sync::Arc;

use hyper::Uri;
use jsonwebtoken::Algorithm;
use toml::Spanned;

use super::file::{Fault, KeyText, OneOrMany, VerifierText};
use super::jwks::Jwks;
use super::jwt::{ClaimNames, Keys, Verifier};
use super::keys::{self, KEYS, Key, KeySet};
use super::sources::Sources;
use crate::config;

/// Issuers: more identity providers than an organisation has.
const VERIFIERS: usize = 16;

/// Audiences of one: the names that one server goes by.
const AUDIENCES: usize = 16;

/// The verifiers of a file, no two for one issuer.
pub(super) fn verifiers(
    sources: &mut Sources,
    texts: &[Spanned<VerifierText>],
) -> Result<Vec<Verifier>, Fault> {
    if texts.len() > VERIFIERS {
        return Err((None, format!("jwt: at most {VERIFIERS} are taken")));
    }
    let mut verifiers: Vec<Verifier> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let here = |fault: String| (Some(text.span().start), format!("jwt[{index}].{fault}"));
        let verifier = verifier(sources, text.get_ref()).map_err(here)?;
        if verifiers
            .iter()
            .any(|other| other.issuer == verifier.issuer)
        {
            let issuer = verifier.issuer;
            return Err(here(format!(
                "issuer {issuer:?} is that of another [[jwt]] too; put both into one"
            )));
        }
        verifiers.push(verifier);
    }
    Ok(verifiers)
}

fn verifier(sources: &mut Sources, text: &VerifierText) -> Result<Verifier, String> {
    if text.issuer.is_empty()
        || text.issuer.contains('#')
        || text.issuer.chars().any(char::is_control)
    {
        return Err("issuer must be what tokens have as `iss`, without a '#'".into());
    }
    let audiences = match &text.audience {
        OneOrMany::One(one) => vec![one.clone()],
        OneOrMany::Many(many) => many.clone(),
    };
    if audiences.is_empty() || audiences.len() > AUDIENCES {
        return Err(format!(
            "audience must name 1 to {AUDIENCES}, one of which tokens have as `aud`"
        ));
    }
    let algorithms = algorithms(&text.algorithms)?;
    let name =
        |claim: &Option<String>, default: &str| claim.clone().unwrap_or_else(|| default.into());
    Ok(Verifier {
        issuer: text.issuer.clone(),
        audiences,
        keys: keys_of(sources, text, &algorithms)?,
        algorithms,
        names: ClaimNames {
            role: name(&text.role_claim, "role"),
            grants: name(&text.grants_claim, "grants"),
            project: text.project_claim.clone(),
        },
    })
}

fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, String> {
    let known = names.iter().map(|name| {
        keys::algorithm(name).ok_or_else(|| {
            format!(
                "algorithms has {name:?}; it takes \"HS256\", \"RS256\", \"ES256\" and \"EdDSA\""
            )
        })
    });
    let known: Vec<_> = known.collect::<Result<_, _>>()?;
    if known.is_empty() {
        return Err(
            "algorithms must name at least one of \"HS256\", \"RS256\", \"ES256\", \"EdDSA\""
                .into(),
        );
    }
    // What is a secret for one algorithm must not be public for another.
    if known.contains(&Algorithm::HS256) && known.iter().any(|other| *other != Algorithm::HS256) {
        return Err(
            "algorithms has \"HS256\" beside others; an issuer has either a secret or public keys"
                .into(),
        );
    }
    Ok(known)
}

fn keys_of(
    sources: &mut Sources,
    text: &VerifierText,
    algorithms: &[Algorithm],
) -> Result<Keys, String> {
    let has_secret = algorithms.contains(&Algorithm::HS256);
    match (&text.keys, &text.jwks, &text.secret_file, &text.secret_env) {
        (None, None, Some(file), None) if has_secret => {
            let content = sources
                .read_secret(file)
                .map_err(|error| format!("secret_file: {error}"))?;
            let key = keys::secret(&content)
                .map_err(|error| format!("secret_file: {} {error}", file.display()))?;
            Ok(fixed(vec![key]))
        }
        (None, None, None, Some(name)) if has_secret => {
            let secret =
                config::secret(name).ok_or_else(|| format!("secret_env: {name} is not set"))?;
            let key = keys::secret(secret.as_bytes())
                .map_err(|error| format!("secret_env: {name} {error}"))?;
            Ok(fixed(vec![key]))
        }
        (Some(files), None, None, None) if !has_secret => {
            let keys = public_keys(sources, files, algorithms)?;
            Ok(fixed(keys))
        }
        (None, Some(place), None, None) if !has_secret => jwks(sources, place, algorithms),
        _ if has_secret => Err(
            "algorithms has \"HS256\", which takes `secret_file` or `secret_env` and nothing else"
                .into(),
        ),
        _ => Err("keys or jwks must say where the public keys are: exactly one of them".into()),
    }
}

fn fixed(keys: Vec<Key>) -> Keys {
    Keys::Fixed(Arc::new(KeySet::new(keys)))
}

fn public_keys(
    sources: &mut Sources,
    texts: &[KeyText],
    algorithms: &[Algorithm],
) -> Result<Vec<Key>, String> {
    let mut all = Vec::new();
    for text in texts {
        let (file, id) = match text {
            KeyText::File(file) => (file, None),
            KeyText::Named { file, kid } => (file, Some(kid)),
        };
        let found =
            public_file(sources, file, algorithms).map_err(|error| format!("keys: {error}"))?;
        if id.is_some() && found.len() > 1 {
            return Err(format!(
                "keys: {} has several keys, so one kid is not enough",
                file.display()
            ));
        }
        all.extend(found.into_iter().map(|key| Key {
            id: id.cloned().or(key.id),
            ..key
        }));
    }
    if all.is_empty() || all.len() > KEYS {
        return Err(format!("keys must name 1 to {KEYS} keys"));
    }
    Ok(all)
}

fn public_file(
    sources: &mut Sources,
    file: &Path,
    algorithms: &[Algorithm],
) -> Result<Vec<Key>, String> {
    let content = sources.read_beside(file)?;
    let named = |error: String| format!("{} {error}", sources.beside(file).display());
    let keys = keys::public(&content).map_err(named)?;
    match keys.iter().find(|key| !algorithms.contains(&key.algorithm)) {
        Some(key) => Err(named(format!(
            "has a key for {:?}, which is not among `algorithms`",
            key.algorithm
        ))),
        None => Ok(keys),
    }
}

fn jwks(sources: &mut Sources, place: &str, algorithms: &[Algorithm]) -> Result<Keys, String> {
    if !place.contains("://") {
        let content = sources
            .read_beside(Path::new(place))
            .map_err(|error| format!("jwks: {error}"))?;
        let set =
            keys::set(&content, algorithms).map_err(|error| format!("jwks: {place} {error}"))?;
        return Ok(Keys::Fixed(Arc::new(set)));
    }
    let url: Uri = place
        .parse()
        .map_err(|error| format!("jwks: {place:?} is no address: {error}"))?;
    match url.scheme_str() {
        Some("https") => {}
        // Whoever is on the way could put in keys of their own.
        Some("http") if is_here(&url) => {}
        _ => {
            return Err(format!(
                "jwks: {place:?} must begin with https://, or with http:// on this very machine"
            ));
        }
    }
    let jwks = Jwks::new(url, algorithms.to_vec()).map_err(|error| format!("jwks: {error}"))?;
    Ok(Keys::Fetched(Arc::new(jwks)))
}

/// Whether an address does not leave this machine.
fn is_here(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
