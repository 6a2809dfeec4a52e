//! One table: path → what it is, which methods it answers, and whether it needs the token. What is not in it is looked for
//! among the files of the web app.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assets::Assets;
use crate::auth::{Auth, Principal};
use crate::hub::Hub;
use crate::limit::{self, Address, Limiter, Use};
use crate::listen::Deadlines;
use crate::log::{Log, Recorder};
use crate::origin::{Caller, Origins};
use crate::reply::{self, Body, Refusal};
use crate::timeline::Counting;
use crate::traffic::Traffic;
use crate::{assets, emit, guard, metrics, page, timeline, upgrade};

/// Everything that a request may need.
#[derive(Debug)]
pub struct App<L> {
    /// Where history is.
    pub log: Arc<L>,
    /// Where news is.
    pub hub: Arc<Hub>,
    /// The web app.
    pub assets: Assets,
    /// Cancelled when the server drains.
    pub stop: CancellationToken,
    /// Who may come in.
    pub auth: Auth,
    /// Which pages may connect.
    pub origins: Origins,
    /// Whether clients that offer it are sent compressed messages.
    pub is_compressing: bool,
    /// Whether metrics are told without the token.
    pub has_open_metrics: bool,
    /// What the log counts.
    pub recorder: Arc<Recorder>,
    /// What is counted here.
    pub traffic: Traffic,
    /// Room for what a timeline counts.
    pub counting: Counting,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// How much clients may do.
    pub limiter: Limiter,
    /// Connections and subscribers, to be waited for at the end.
    pub tasks: TaskTracker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Subscribe,
    Emit,
    Page,
    Latest,
    Replay,
    Seek,
    Histogram,
    Facets,
    Health,
    Live,
    Ready,
    Metrics,
}

impl Endpoint {
    /// What each request to it uses up, of what is limited.
    fn uses(self) -> Option<Use> {
        match self {
            Self::Emit => Some(Use::Emit),
            Self::Page
            | Self::Latest
            | Self::Replay
            | Self::Seek
            | Self::Histogram
            | Self::Facets => Some(Use::Read),
            // A stream is counted where it begins; the rest costs nothing, or is for the operator's own programs.
            Self::Subscribe | Self::Health | Self::Live | Self::Ready | Self::Metrics => None,
        }
    }
}

struct Route {
    path: &'static str,
    endpoint: Endpoint,
    allow: &'static str,
}

const GET: &str = "GET, HEAD, OPTIONS";
const POST: &str = "OPTIONS, POST";
/// An upgrade is a GET, and nothing else would mean anything.
const UPGRADE: &str = "GET, OPTIONS";

const ROUTES: [Route; 12] = [
    Route {
        path: "/ws/event-bus",
        endpoint: Endpoint::Subscribe,
        allow: UPGRADE,
    },
    Route {
        path: "/api/event-bus/emit",
        endpoint: Endpoint::Emit,
        allow: POST,
    },
    Route {
        path: "/api/event-bus",
        endpoint: Endpoint::Page,
        allow: GET,
    },
    Route {
        path: "/api/event-bus/latest",
        endpoint: Endpoint::Latest,
        allow: GET,
    },
    Route {
        path: "/api/event-bus/replay",
        endpoint: Endpoint::Replay,
        allow: POST,
    },
    Route {
        path: "/api/event-bus/seek",
        endpoint: Endpoint::Seek,
        allow: GET,
    },
    Route {
        path: "/api/event-bus/histogram",
        endpoint: Endpoint::Histogram,
        allow: GET,
    },
    Route {
        path: "/api/event-bus/facets",
        endpoint: Endpoint::Facets,
        allow: GET,
    },
    Route {
        path: "/health",
        endpoint: Endpoint::Health,
        allow: GET,
    },
    Route {
        path: "/livez",
        endpoint: Endpoint::Live,
        allow: GET,
    },
    Route {
        path: "/readyz",
        endpoint: Endpoint::Ready,
        allow: GET,
    },
    Route {
        path: "/metrics",
        endpoint: Endpoint::Metrics,
        allow: GET,
    },
];

/// Answers one request, whatever it is.
pub async fn answer<L: Log>(
    app: Arc<App<L>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let method = request.method().clone();
    // The query may hold a token, so only the path is logged.
    let path = request.uri().path().to_owned();
    let caller = Caller::of(&app.origins, &request);
    let mut response = dispatch(&app, request).await.unwrap_or_else(|refusal| {
        tracing::debug!(%method, path, %refusal, "refused");
        app.traffic.refuse(&refusal);
        refusal.response()
    });
    caller.inform(&mut response);
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    Ok(response)
}

async fn dispatch<L: Log>(
    app: &Arc<App<L>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    guard::check(&request)?;
    if request.uri().path() == "*" {
        return Ok(reply::options("GET, HEAD, OPTIONS, POST"));
    }
    let mut routes = ROUTES.iter();
    let Some(route) = routes.find(|route| route.path == request.uri().path()) else {
        return assets::answer(&app.assets, &request);
    };
    if request.method() == Method::OPTIONS {
        return Ok(reply::options(route.allow));
    }
    if !route
        .allow
        .split(", ")
        .any(|method| method == request.method())
    {
        return Err(Refusal::Method { allow: route.allow });
    }
    answer_route(app, route.endpoint, request).await
}

async fn answer_route<L: Log>(
    app: &Arc<App<L>>,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    match endpoint {
        Endpoint::Live => Ok(reply::text("alive\n")),
        Endpoint::Ready if app.stop.is_cancelled() => Ok(reply::not_ready("draining\n")),
        Endpoint::Ready => Ok(reply::text("ready\n")),
        Endpoint::Health => Ok(reply::json(concat!(
            r#"{"status":"ok","version":""#,
            env!("CARGO_PKG_VERSION"),
            r#""}"#
        ))),
        // A refused browser must be told inside the WebSocket, so it authenticates for itself.
        Endpoint::Subscribe => upgrade::upgrade(app, request).await,
        Endpoint::Metrics if app.has_open_metrics => metrics::metrics(&**app, query).await,
        _ => {
            let source = app.limiter.source(&request);
            let admitted = app.auth.admit(request.headers(), query).await;
            let admission = admitted.map_err(|refusal| app.limiter.refused(source, refusal))?;
            if let Some(what) = endpoint.uses() {
                app.limiter.spend(what, source, &admission.principal, 1)?;
            }
            answer_principal(app, endpoint, &admission.principal, source, request).await
        }
    }
}

/// Answers what only those may ask who came in with a token.
async fn answer_principal<L: Log>(
    app: &Arc<App<L>>,
    endpoint: Endpoint,
    principal: &Principal,
    source: Option<Address>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    match endpoint {
        Endpoint::Emit => emit::emit(app, principal, source, request).await,
        Endpoint::Page => page::page(&*app.log, principal, query).await,
        Endpoint::Latest => page::latest(&*app.log, query),
        Endpoint::Replay => {
            let seat = app.limiter.replay(principal)?;
            let replay = page::replay(&app.log, principal, request.headers(), query)?;
            Ok(limit::hold(replay, seat))
        }
        Endpoint::Seek => timeline::seek(&*app.log, query).await,
        Endpoint::Histogram => {
            timeline::histogram(&*app.log, &app.counting, principal, query).await
        }
        Endpoint::Facets => timeline::facets(&*app.log, &app.counting, principal, query).await,
        Endpoint::Metrics => {
            principal.check_admin()?;
            metrics::metrics(&**app, query).await
        }
        Endpoint::Subscribe | Endpoint::Live | Endpoint::Ready | Endpoint::Health => {
            unreachable!("answered without a principal")
        }
    }
}
