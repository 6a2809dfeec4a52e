//! Keys that another server publishes (RFC 7517 §5): fetched, kept, and fetched again now and then. A server that does not
//! answer changes nothing: the keys of the last time stay.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::Algorithm;
use rustls::{ClientConfig, RootCertStore};

use super::keys::{self, KeySet};
use crate::clock;

/// Fetched again this often: a key that was withdrawn is not taken much longer.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);

/// Between two attempts at least this much: tokens with made-up key names must not make us a burden to the other server.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// A server that does not answer within this is not there. Whoever comes with an unknown key waits for it.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// Largest answer: dozens of keys with their certificates.
const ANSWER_BYTES: usize = 256 << 10;

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// See the [module](self).
pub(super) struct Jwks {
    url: Uri,
    algorithms: Vec<Algorithm>,
    keys: RwLock<Arc<KeySet>>,
    client: HttpClient,
    /// Held while fetching, so that all who wait are served by one fetch.
    fetching: tokio::sync::Mutex<()>,
    last: Mutex<Option<Attempt>>,
    refresh_interval: Duration,
    retry_interval: Duration,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Instant,
    is_done: bool,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwks({})", self.url)
    }
}

impl Jwks {
    /// Keys for these algorithms at this address; none until they are fetched.
    pub(super) fn new(url: Uri, algorithms: Vec<Algorithm>) -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(url.scheme_str() == Some("https"))?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            url,
            algorithms,
            keys: RwLock::default(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            fetching: tokio::sync::Mutex::default(),
            last: Mutex::default(),
            refresh_interval: REFRESH_INTERVAL,
            retry_interval: RETRY_INTERVAL,
        })
    }

    /// Whether this fetches the same keys as the other: the order of the algorithms means nothing.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let are_in = |one: &Self, other: &Self| {
            let mut algorithms = one.algorithms.iter();
            algorithms.all(|algorithm| other.algorithms.contains(algorithm))
        };
        self.url == other.url && are_in(self, other) && are_in(other, self)
    }

    /// The keys as they were last known.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what there was of these algorithms for its keys, until they are fetched.
    pub(super) fn begin_with(&self, keys: &KeySet) {
        let fitting = keys.of(&self.algorithms);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fitting);
    }

    /// Fetches the keys if it is time to; whether they are others by that.
    pub(super) async fn refresh(&self) -> bool {
        let is_due = |last: Attempt| {
            let wait = if last.is_done {
                self.refresh_interval
            } else {
                self.retry_interval
            };
            last.at.elapsed() >= wait
        };
        self.fetch_if(is_due).await
    }

    /// Fetches the keys because a token names one that is not among them, unless that was done a moment ago; whether they
    /// are others by that. Whoever comes while they are fetched waits for them.
    pub(super) async fn look_for_more(&self) -> bool {
        self.fetch_if(|last| last.at.elapsed() >= self.retry_interval)
            .await
    }

    async fn fetch_if(&self, is_due: impl Fn(Attempt) -> bool) -> bool {
        let _fetching = self.fetching.lock().await;
        // Whoever waited for another's fetch has changed nothing.
        let before = self.keys();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(is_due)
            && let Err(error) = self.fetch().await
        {
            let kept = self.keys().len();
            tracing::warn!(url = %self.url, kept, "cannot fetch keys: {error}; those of the last time stay");
        }
        !before.is_same(&self.keys())
    }

    async fn fetch(&self) -> Result<(), String> {
        let at = clock::instant();
        let mark = |is_done| {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(Attempt { at, is_done });
        };
        // Before asking, for whoever waits for the answer may go away: that must not let the next one ask at once.
        mark(false);
        let fetched = tokio::time::timeout(FETCH_DEADLINE, self.ask()).await;
        let fetched =
            fetched.unwrap_or_else(|_| Err(format!("no answer within {FETCH_DEADLINE:?}")));
        let is_done = fetched.is_ok();
        let kept = fetched.map(|keys| {
            tracing::debug!(url = %self.url, keys = keys.len(), "fetched keys");
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        });
        mark(is_done);
        kept
    }

    async fn ask(&self) -> Result<KeySet, String> {
        let request = Request::get(self.url.clone())
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| causes(&error))?;
        // A redirect is not followed: it could lead anywhere, and whoever set the address can set the right one.
        if response.status() != StatusCode::OK {
            return Err(format!("it answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES)
            .collect()
            .await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        keys::set(&body, &self.algorithms)
    }
}

/// What a server must prove who is asked over HTTPS: that somebody whom the system trusts knows it.
fn tls(is_needed: bool) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if is_needed {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(
                "the system has no certificates to verify it by; install ca-certificates".into(),
            );
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// An error with what it comes from, which says more.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives this answer, whatever it is at the time, and how often it was asked.
    async fn serve(answer: Arc<Mutex<String>>) -> (Uri, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let mut request = [0; 4096];
                assert_ne!(stream.read(&mut request).await.unwrap(), 0);
                let answer = answer.lock().unwrap().clone();
                // Whoever finds it too long hangs up.
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        (url.parse().unwrap(), asked)
    }

    fn ok(body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    /// A set of keys with these names.
    fn set(names: &[&str]) -> String {
        let point = "A".repeat(43);
        let key = |name: &&str| {
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{name}","x":"{point}"}}"#)
        };
        let keys: Vec<_> = names.iter().map(key).collect();
        format!(
            r#"{{"keys":[{},{{"kty":"new","kid":"x"}}]}}"#,
            keys.join(",")
        )
    }

    fn names(jwks: &Jwks, name: &str) -> bool {
        !jwks.keys().named(Some(name)).is_empty()
    }

    #[tokio::test]
    async fn many_tokens_with_unknown_keys_are_one_fetch() {
        let (url, asked) = serve(Arc::new(Mutex::new(ok(&set(&["a"]))))).await;
        let jwks = Arc::new(Jwks::new(url, vec![Algorithm::EdDSA]).unwrap());
        let looking: Vec<_> = (0..50)
            .map(|_| {
                let jwks = Arc::clone(&jwks);
                tokio::spawn(async move { jwks.look_for_more().await })
            })
            .collect();
        for one in looking {
            one.await.unwrap();
        }
        assert!(names(&jwks, "a"));
        assert!(!jwks.look_for_more().await);
        assert!(!jwks.refresh().await);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_fetch_that_is_given_up_is_not_made_again_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let jwks = Jwks::new(url.parse().unwrap(), vec![Algorithm::EdDSA]).unwrap();
        // It has been asked, and whoever did so goes away.
        let _unanswered = tokio::select! {
            _ = jwks.look_for_more() => unreachable!("nobody answers"),
            accepted = listener.accept() => accepted.unwrap(),
        };
        // Another look would wait for an answer that never comes.
        let looking = async {
            assert!(!jwks.look_for_more().await);
            assert!(!jwks.refresh().await);
        };
        tokio::time::timeout(FETCH_DEADLINE / 2, looking)
            .await
            .unwrap();
    }

    #[test]
    fn the_same_algorithms_in_another_order_are_the_same_keys() {
        let jwks = |url: &str, algorithms: &[Algorithm]| {
            Jwks::new(url.parse().unwrap(), algorithms.to_vec()).unwrap()
        };
        let (rsa, ed) = (Algorithm::RS256, Algorithm::EdDSA);
        let one = jwks("http://localhost/a", &[rsa, ed]);
        assert!(one.is_same(&jwks("http://localhost/a", &[ed, rsa, ed])));
        assert!(!one.is_same(&jwks("http://localhost/a", &[ed])));
        assert!(!jwks("http://localhost/a", &[ed]).is_same(&one));
        assert!(!one.is_same(&jwks("http://localhost/b", &[rsa, ed])));
    }

    #[tokio::test]
    async fn keys_come_and_go_as_their_server_says() {
        let answer = Arc::new(Mutex::new(ok(&set(&["a"]))));
        let (url, _) = serve(Arc::clone(&answer)).await;
        let mut jwks = Jwks::new(url, vec![Algorithm::EdDSA]).unwrap();
        jwks.retry_interval = Duration::ZERO;
        jwks.refresh_interval = Duration::ZERO;
        assert!(jwks.refresh().await);
        *answer.lock().unwrap() = ok(&set(&["a", "b"]));
        assert!(jwks.look_for_more().await);
        assert!(names(&jwks, "a") && names(&jwks, "b"));
        *answer.lock().unwrap() = ok(&set(&["b"]));
        assert!(jwks.refresh().await);
        assert!(!names(&jwks, "a"));
    }

    #[tokio::test]
    async fn a_server_that_fails_leaves_the_keys_of_the_last_time() {
        let answer = Arc::new(Mutex::new(ok(&set(&["a"]))));
        let (url, _) = serve(Arc::clone(&answer)).await;
        let mut jwks = Jwks::new(url, vec![Algorithm::EdDSA]).unwrap();
        jwks.retry_interval = Duration::ZERO;
        jwks.refresh_interval = Duration::ZERO;
        assert!(jwks.refresh().await);
        let many: Vec<_> = (0..=keys::KEYS).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        for failing in [
            ok("{}"),
            ok("{\"keys\":[]}"),
            ok("no JSON"),
            ok(&format!(
                "{{\"keys\":[],\"x\":\"{}\"}}",
                "x".repeat(ANSWER_BYTES)
            )),
            ok(&set(&many)),
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_owned(),
            String::new(),
        ] {
            answer.lock().unwrap().clone_from(&failing);
            assert!(!jwks.refresh().await, "{failing}");
            assert!(names(&jwks, "a"), "{failing}");
        }
    }

    #[tokio::test]
    async fn the_keys_of_other_algorithms_are_passed_over() {
        let (url, _) = serve(Arc::new(Mutex::new(ok(&set(&["a"]))))).await;
        let jwks = Jwks::new(url, vec![Algorithm::RS256]).unwrap();
        assert!(!jwks.refresh().await);
        assert_eq!(jwks.keys().len(), 0);
    }
}
