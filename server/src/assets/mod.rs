//! `/events`: the web app, as it was built into the program.
//!
//! `/events` and whatever is below it is one page, which reads the rest of its URL itself; every file of the app answers at
//! its own path. None of it needs the token, for it holds no data: the page asks for the token, and sends it where data is.
//! Nothing is read from disk and nothing is compressed here.

mod coding;
mod files;

pub use files::{Assets, File};

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use hyper::{Method, Request, Response};

use crate::reply::{self, Body, Refusal};
use files::{Asset, Form, INDEX};

/// What these paths answer.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Where the page is.
const PAGE: &str = "/events";

/// Files below this have a digest of their content in their name, so what is behind a name never changes.
const HASHED: &str = "/assets/";

/// For a year, which is the longest that caches promise.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Kept, and asked about by its `ETag` before each use: a new server shows its own page at once.
const REVALIDATED: &str = "no-cache";

/// What the page may do, and what may be done with it. A worker is held to the policy that comes with its own script, so
/// files carry it as well as the page. `'self'` covers the page's own `ws:` and `wss:` origin (CSP 3; in Chromium and
/// Firefox since 2018, in Safari since 15.4).
const POLICY: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; \
         img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    // The clipboard is not here: links and events are copied to it.
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Answers a request for what is no endpoint: with the page, a file of it, or a refusal.
pub fn answer<B>(assets: &Assets, request: &Request<B>) -> Result<Response<Body>, Refusal> {
    let found = find(assets, request.uri().path()).ok_or(Refusal::NotFound)?;
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(reply::options(ALLOW)),
        _ => return Err(Refusal::Method { allow: ALLOW }),
    }
    Ok(match found {
        Found::Root => reply::redirect(PAGE),
        Found::Unbuilt => guarded(reply::no_page()),
        Found::Asset(asset) => guarded(send(asset, request.headers())),
    })
}

/// What a path names.
enum Found<'a> {
    /// The server itself, of which the page is all there is to look at.
    Root,
    /// The page, in a program that was built without it.
    Unbuilt,
    Asset(&'a Asset),
}

/// Paths are compared byte by byte, with those of a list: one that climbs or is escaped is merely unknown.
fn find<'a>(assets: &'a Assets, path: &str) -> Option<Found<'a>> {
    let below = path.strip_prefix(PAGE);
    if below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
        return Some(assets.get(INDEX).map_or(Found::Unbuilt, Found::Asset));
    }
    match path {
        "/" => Some(Found::Root),
        _ => assets.get(path).map(Found::Asset),
    }
}

/// The form that the client likes best, or word that it has that form.
fn send(asset: &Asset, headers: &HeaderMap) -> Response<Body> {
    let coding = coding::preferred(&joined(headers, &ACCEPT_ENCODING), |coding| {
        asset.form(coding).is_some()
    });
    let form = asset.form(coding).unwrap_or(&asset.plain);
    let mut response = if is_known(form, headers) {
        reply::not_modified()
    } else {
        reply::file(Bytes::from_static(form.bytes), asset.content_type)
    };
    let is_hashed = asset.path.starts_with(HASHED);
    let caching = if is_hashed { IMMUTABLE } else { REVALIDATED };
    let answer = response.headers_mut();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    answer.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    answer.insert(ETAG, form.etag.clone());
    if let Some(name) = coding.name() {
        answer.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response
}

/// RFC 9110 §13.1.2: any of the tags, compared weakly, or a star.
fn is_known(form: &Form, headers: &HeaderMap) -> bool {
    let tags = joined(headers, &IF_NONE_MATCH);
    let is_its = |tag: &str| form.etag == tag.trim().trim_start_matches("W/");
    tags.trim() == "*" || tags.split(',').any(is_its)
}

/// Several lines of a header are one list (RFC 9110 §5.3); one that is not text says nothing.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

fn guarded(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in POLICY {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
