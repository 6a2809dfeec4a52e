//! What HTTP leaves open and we do not: requests that two hops could read differently are refused at the door.
//!
//! hyper parses; this checks what it lets through. RFC 9112 §3.2 (Host, target forms) and §6.3 (Content-Length).

use hyper::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Uri, Version};

use crate::reply::Refusal;

/// Longest request target: room for a filter of the largest size, percent-encoded.
const TARGET_BYTES: usize = 12 << 10;

/// Refuses what must not reach a handler.
pub fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.version() != Version::HTTP_11 && request.version() != Version::HTTP_10 {
        return Err(Refusal::Malformed("this server speaks HTTP/1.1"));
    }
    check_host(request.headers())?;
    check_target(request.method(), request.uri())?;
    check_expectation(request.headers())?;
    check_coding(request.headers())?;
    check_length(request.headers())
}

fn check_host(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::Malformed("exactly one Host header is required"));
    };
    let is_authority = |host: &str| {
        let parsed = host.parse::<hyper::http::uri::Authority>();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        parsed.is_ok_and(|authority| !authority.host().is_empty())
            && host.bytes().all(is_plain)
            && has_valid_port(host)
    };
    match host.to_str() {
        Ok(host) if is_authority(host) => Ok(()),
        _ => Err(Refusal::Malformed("the Host header is not a host and port")),
    }
}

fn has_valid_port(host: &str) -> bool {
    let behind_address = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    match behind_address.rsplit_once(':') {
        None => true,
        Some((_, port)) => {
            port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit())
        }
    }
}

fn check_target(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    if method == Method::CONNECT {
        return Err(Refusal::Method {
            allow: "GET, HEAD, OPTIONS, POST",
        });
    }
    if uri.path() == "*" {
        let is_options = method == Method::OPTIONS;
        return if is_options {
            Ok(())
        } else {
            Err(Refusal::Malformed("the target * is for OPTIONS alone"))
        };
    }
    if uri
        .scheme()
        .is_some_and(|scheme| scheme.as_str() != "http" && scheme.as_str() != "https")
    {
        return Err(Refusal::Malformed("this server answers for http alone"));
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > TARGET_BYTES {
        return Err(Refusal::TargetTooLong {
            bytes: target.len(),
            limit: TARGET_BYTES,
        });
    }
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed(
            "the request target must be a path in visible ASCII",
        ));
    }
    Ok(())
}

/// RFC 9110 §10.1.1: what is expected of us we do, or we say that we do not.
fn check_expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(is_known) {
        Ok(())
    } else {
        Err(Refusal::Expectation)
    }
}

/// RFC 9112 §6.1. hyper undoes the last coding, `chunked`, and would leave those before it to whoever reads the body.
fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::TransferCoding),
    }
}

fn check_length(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(());
    };
    if lengths.next().is_some() || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::Malformed(
            "the length of the body is stated more than once",
        ));
    }
    let digits = length.as_bytes();
    let is_plain = digits == b"0"
        || (!digits.is_empty()
            && digits.iter().all(u8::is_ascii_digit)
            && !digits.starts_with(b"0"));
    if is_plain {
        Ok(())
    } else {
        Err(Refusal::Malformed(
            "Content-Length must be a plain decimal number",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn is_let_in(method: &str, target: &str, headers: &[(&str, &str)]) -> bool {
        check(&request(method, target, headers)).is_ok()
    }

    #[test]
    fn exactly_one_host_is_required() {
        for host in [
            "a",
            "a:1",
            "127.0.0.1:3000",
            "[::1]:3000",
            "[::1]",
            "example.org",
        ] {
            assert!(is_let_in("GET", "/", &[("host", host)]), "{host}");
        }
        for host in [
            "", "a b", "a:", "a:x", "a:99999", "u@a", "a/b", "a,b", "a:+1",
        ] {
            assert!(!is_let_in("GET", "/", &[("host", host)]), "{host}");
        }
        assert!(!is_let_in("GET", "/", &[]));
        assert!(!is_let_in("GET", "/", &[("host", "a"), ("host", "a")]));
    }

    #[test]
    fn a_body_has_one_plain_length() {
        let length = |values: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(values.iter().map(|value| ("content-length", *value)));
            is_let_in("POST", "/", &headers)
        };
        assert!(length(&["0"]) && length(&["10"]));
        for bad in [&["010"][..], &["00"], &["+1"], &["1", "1"], &["1,1"], &[""]] {
            assert!(!length(bad), "{bad:?}");
        }
        let both = [
            ("host", "a"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
        ];
        assert!(!is_let_in("POST", "/", &both));
    }

    #[test]
    fn chunks_are_the_one_transfer_coding() {
        let coding = |values: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(values.iter().map(|value| ("transfer-encoding", *value)));
            is_let_in("POST", "/", &headers)
        };
        assert!(coding(&[]) && coding(&["chunked"]) && coding(&["Chunked"]));
        for bad in [
            &["gzip, chunked"][..],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &[""],
        ] {
            assert!(!coding(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_continue_is_expected_of_us() {
        let expect = |value| is_let_in("POST", "/", &[("host", "a"), ("expect", value)]);
        assert!(expect("100-continue") && expect("100-Continue"));
        assert!(!expect("nonsense") && !expect("") && !expect("100-continue, nonsense"));
    }

    #[test]
    fn targets_are_paths_and_the_star_is_for_options() {
        let host = [("host", "a")];
        assert!(is_let_in("OPTIONS", "*", &host));
        assert!(!is_let_in("GET", "*", &host));
        assert!(!is_let_in("CONNECT", "a:1", &host));
        assert!(is_let_in("GET", "http://a/x?y=1", &host));
        assert!(!is_let_in("GET", "ftp://a/x", &host));
        assert!(!is_let_in(
            "GET",
            &format!("/{}", "x".repeat(TARGET_BYTES)),
            &host
        ));
    }
}
