//! Which pages of the web may use this server, and how a browser is told so.
//!
//! A page of the server's own host may always; others by the configuration. A WebSocket request of any other page is
//! refused. Over HTTP it is the browser that refuses: it keeps an answer from a page unless the answer names the page's
//! origin (CORS, as the Fetch standard has it), and asks beforehand (a preflight) where a token is to be sent. Tokens travel
//! in headers that the page sets itself, never in cookies, so no answer allows credentials.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response};

use crate::reply::Refusal;

/// What an origin looks like, for whoever wrote something else.
const EXAMPLE: &str = "https://app.example.org or http://localhost:5173";

/// What pages may use from elsewhere: the rest is for probes, scrapers and people.
const API: &str = "/api/";

/// Headers that a page may send: all that the API reads and a browser does not send by itself.
const SENT_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID";

/// Headers of answers that a page may read, besides those that every page may.
const SHOWN_HEADERS: &str = "Allow, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate";

/// How long a browser may remember a preflight: long enough that paging does not ask twice for each page, short enough that
/// a changed `--allow-origin` is seen by the time its operator has looked.
const PREFLIGHT_AGE_S: &str = "600";

/// Which pages may connect: those that this server is the host of, and those that the configuration names.
#[derive(Debug, Default)]
pub struct Origins {
    allowed: Vec<String>,
}

/// What a request says about the page it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: not a browser.
    None,
    /// A page that may connect.
    Allowed,
}

impl Origins {
    /// Also lets in pages of these origins, such as `https://app.example.org`.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// What a request says of its page, or that its page may not connect.
    pub fn check(&self, headers: &HeaderMap) -> Result<Origin, Refusal> {
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(Origin::None);
        };
        let origin = only(headers, &ORIGIN)
            .and_then(|_| origin.to_str().ok())
            .ok_or(Refusal::ForeignOrigin)?;
        let host = headers
            .get(hyper::header::HOST)
            .and_then(|host| host.to_str().ok());
        let is_own = origin.split_once("://").is_some_and(|(_, authority)| {
            host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
        });
        if is_own
            || self
                .allowed
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin))
        {
            Ok(Origin::Allowed)
        } else {
            Err(Refusal::ForeignOrigin)
        }
    }
}

/// What an answer over HTTP will say to the browser behind a request.
#[derive(Debug)]
pub struct Caller {
    /// Whether the path is one that pages may use from elsewhere.
    is_of_api: bool,
    /// The origin exactly as it was sent, if it is allowed.
    origin: Option<HeaderValue>,
    is_preflight: bool,
}

impl Caller {
    /// Whoever sent this request.
    pub fn of<B>(origins: &Origins, request: &Request<B>) -> Self {
        let headers = request.headers();
        let is_allowed = origins.check(headers).is_ok();
        Self {
            is_of_api: request.uri().path().starts_with(API),
            origin: headers.get(ORIGIN).filter(|_| is_allowed).cloned(),
            is_preflight: request.method() == Method::OPTIONS
                && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        }
    }

    /// Adds to an answer, whatever it is, what a browser wants to know of it.
    pub fn inform<B>(self, response: &mut Response<B>) {
        if !self.is_of_api {
            return;
        }
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.origin else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.is_preflight {
            let shown = HeaderValue::from_static(SHOWN_HEADERS);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, shown);
            return;
        }
        if let Some(methods) = headers.get(ALLOW).cloned() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_HEADERS, SENT_HEADERS),
            (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Reads the origin of pages that may connect, as a browser would write it; the error says what one looks like.
pub fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains('*') {
        return Err(format!(
            "{text:?} would let in pages that nobody has named, so there are no wildcards; name each origin, such as {EXAMPLE}"
        ));
    }
    let expected = || {
        format!(
            "{text:?} is not an origin such as {EXAMPLE}: scheme, host and perhaps port, with nothing behind them"
        )
    };
    let (scheme, place) = text.split_once("://").ok_or_else(expected)?;
    let own_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(expected()),
    };
    let authority: Authority = place.parse().map_err(|_| expected())?;
    let port = place
        .strip_prefix(authority.host())
        .filter(|_| !authority.host().is_empty());
    // Browsers leave out the port that goes without saying.
    match (port, authority.port_u16()) {
        (Some(""), _) => Ok(text.to_owned()),
        (Some(_), Some(port)) if port == own_port => Ok(format!("{scheme}://{}", authority.host())),
        (Some(_), Some(_)) => Ok(text.to_owned()),
        _ => Err(expected()),
    }
}

/// The value of a header that is there once.
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_connects_to_its_own_host_or_by_permission() {
        let origins = Origins::new(vec!["https://app.example.org".into()]);
        let check = |origin: &str| {
            let headers = [("host", "127.0.0.1:3000"), ("origin", origin)];
            let headers =
                headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            origins.check(&headers.into_iter().collect()).ok()
        };
        assert_eq!(check("http://127.0.0.1:3000"), Some(Origin::Allowed));
        assert_eq!(check("https://app.example.org"), Some(Origin::Allowed));
        assert_eq!(check("http://127.0.0.1:3001"), None);
        assert_eq!(check("null"), None);
        assert_eq!(check("https://evil.example"), None);
        assert_eq!(origins.check(&HeaderMap::new()).unwrap(), Origin::None);
    }

    #[test]
    fn an_origin_is_named_as_a_browser_writes_it() {
        for (text, read) in [
            ("https://app.example.org", "https://app.example.org"),
            (" http://localhost:5173 ", "http://localhost:5173"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("HTTPS://App.Example.org:443", "HTTPS://App.Example.org"),
            ("https://app.example.org:80", "https://app.example.org:80"),
            ("http://app.example.org:80", "http://app.example.org"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(read));
        }
        for bad in [
            "",
            "null",
            "app.example.org",
            "localhost:5173",
            "//app.example.org",
            "ftp://app.example.org",
            "https://",
            "https://:443",
            "https://app.example.org/",
            "https://app.example.org/page",
            "https://app.example.org?a",
            "https://app.example.org#a",
            "https://app.example.org:",
            "https://app.example.org:99999",
            "https://ann@app.example.org",
            "https://app example.org",
            "https://äpp.example.org",
        ] {
            let fault = origin(bad).unwrap_err();
            assert!(
                fault.contains("is not an origin such as https://app.example.org"),
                "{fault}"
            );
        }
        for wild in ["*", "https://*", "https://*.example.org"] {
            assert!(origin(wild).unwrap_err().contains("no wildcards"), "{wild}");
        }
    }
}
