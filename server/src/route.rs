//! One table: path → what it is, which methods it answers, and whether it needs the token. What is not in it is looked for
//! among the files of the web app.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use serde::Serialize;
use todoki_codec::query::{self, Subscription};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assets::Assets;
use crate::auth::{Admission, Auth, Principal, TICKET_LIFETIME, Tickets};
use crate::hub::Hub;
use crate::limit::{self, Address, Limiter, PrincipalSeat, Use};
use crate::listen::Deadlines;
use crate::log::{Log, Recorder};
use crate::origin::{Caller, Origins};
use crate::proxy::{ClientAddress, Proxies};
use crate::reply::{self, Body, Refusal};
use crate::subscriber::place::{self, Looking, Place, View};
use crate::subscriber::terms::millis;
use crate::timeline::Counting;
use crate::tls::Tls;
use crate::traffic::Traffic;
use crate::{assets, emit, guard, metrics, page, stream, timeline, upgrade};

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
    pub auth: Arc<Auth>,
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
    /// Turns of replays over HTTP at reading the log.
    pub reading: Arc<Semaphore>,
    /// Room for what a timeline counts.
    pub counting: Counting,
    /// TLS, if it is spoken here.
    pub tls: Option<Arc<Tls>>,
    /// Whose word counts about where a request comes from.
    pub proxies: Proxies,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// What lets in whoever can send no header.
    pub tickets: Tickets,
    /// Interval of signs of life.
    pub heartbeat: Duration,
    /// Turns of those who come in at finding where they begin.
    pub looking: Looking,
    /// How much clients may do.
    pub limiter: Arc<Limiter>,
    /// Connections and subscribers, to be waited for at the end.
    pub tasks: TaskTracker,
}

impl<L> App<L> {
    /// Where a request comes from, and who sent it.
    async fn admit<B: Sync>(
        &self,
        request: &Request<B>,
    ) -> Result<(Option<Address>, Admission), Refusal> {
        let source = self.limiter.source(request);
        let query = request.uri().query().unwrap_or_default();
        let admitted = self.auth.admit(request.headers(), query).await;
        let admission = admitted.map_err(|refusal| self.limiter.refused(source, refusal))?;
        note_admitted(request, &admission);
        Ok((source, admission))
    }

    /// Who begins a stream, by a token, or by a ticket and nothing else; and their seat for as long as it lasts.
    pub async fn admit_reader<B: Sync>(
        &self,
        request: &Request<B>,
    ) -> Result<(Admission, PrincipalSeat), Refusal> {
        let source = self.limiter.source(request);
        let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
        let admitted = match query::ticket(query) {
            None => self.auth.admit(headers, query).await,
            Some(_) if self.auth.is_carried(headers, query) => Err(Refusal::Unauthorised),
            Some(ticket) => self.tickets.redeem(&self.auth, &ticket).await,
        };
        let admission = admitted.map_err(|refusal| self.limiter.refused(source, refusal))?;
        note_admitted(request, &admission);
        let seat = self.limiter.stream(source, &admission.principal)?;
        Ok((admission, seat))
    }
}

impl<L: Log> App<L> {
    /// Finds where somebody's new stream begins. Where the log has to look for that, it is a read as a page is.
    pub async fn place(
        &self,
        source: Option<Address>,
        principal: &Principal,
        subscription: Subscription,
    ) -> Result<Place, Refusal> {
        if place::is_looked_for(&subscription, principal) {
            // What is not granted is refused as that, and uses nothing up.
            View::of(&subscription, false, principal)?;
            self.limiter.spend(Use::Read, source, principal, 1)?;
        }
        self.looking
            .place(&*self.log, principal, subscription)
            .await
    }
}

/// Says who asks, before it is known what they are answered: a name is no secret, and is what operators look for.
fn note_admitted<B>(request: &Request<B>, admission: &Admission) {
    let (client, path) = (ClientAddress::of(request), request.uri().path());
    let client = client.map(|client| client.ip);
    // A name may be what somebody else signed: its control characters must not make lines of their own.
    tracing::debug!(principal = ?admission.principal.name(), ?client, path, "asks");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Subscribe,
    Emit,
    Page,
    Latest,
    Replay,
    Stream,
    Ticket,
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
            | Self::Ticket
            | Self::Seek
            | Self::Histogram
            | Self::Facets => Some(Use::Read),
            // A stream is counted where it begins, and where its place is looked for; the rest costs nothing, or is for the
            // operator's own programs.
            Self::Subscribe
            | Self::Stream
            | Self::Health
            | Self::Live
            | Self::Ready
            | Self::Metrics => None,
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

const ROUTES: [Route; 14] = [
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
        path: "/api/event-bus/stream",
        endpoint: Endpoint::Stream,
        allow: GET,
    },
    Route {
        path: "/api/event-bus/tickets",
        endpoint: Endpoint::Ticket,
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
    let client = ClientAddress::of(&request);
    let caller = Caller::of(&app.origins, &request);
    let mut response = dispatch(&app, request).await.unwrap_or_else(|refusal| {
        tracing::debug!(%method, path, client = client.map(display), %refusal, "refused");
        app.traffic.refuse(&refusal);
        refusal.response()
    });
    caller.inform(&mut response);
    tracing::debug!(%method, path, client = client.map(display), status = response.status().as_u16(), "answered");
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
        Endpoint::Stream => {
            let (admission, seat) = app.admit_reader(&request).await?;
            let stream = stream::stream(app, admission, &request).await?;
            Ok(limit::hold(stream, seat))
        }
        Endpoint::Metrics if app.has_open_metrics => metrics::metrics(&**app, query).await,
        _ => {
            let (source, admission) = app.admit(&request).await?;
            if let Some(what) = endpoint.uses() {
                app.limiter.spend(what, source, &admission.principal, 1)?;
            }
            answer_principal(app, endpoint, &admission, source, request).await
        }
    }
}

/// Answers what only those may ask who came in with a token.
async fn answer_principal<L: Log>(
    app: &Arc<App<L>>,
    endpoint: Endpoint,
    admission: &Admission,
    source: Option<Address>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let principal = &*admission.principal;
    match endpoint {
        Endpoint::Emit => emit::emit(app, admission, source, request).await,
        Endpoint::Page => page::page(&*app.log, principal, query).await,
        Endpoint::Latest => page::latest(&*app.log, principal, query).await,
        Endpoint::Replay => {
            let seat = app.limiter.replay(principal)?;
            let reading = (&app.log, &app.reading);
            let replay = page::replay(reading, &app.auth, admission, &request);
            Ok(limit::hold(replay.await?, seat))
        }
        Endpoint::Ticket => issue_ticket(&app.tickets, admission.clone(), query).await,
        Endpoint::Seek => timeline::seek(&*app.log, principal, query).await,
        Endpoint::Histogram => {
            timeline::histogram(&*app.log, &app.counting, principal, query).await
        }
        Endpoint::Facets => timeline::facets(&*app.log, &app.counting, principal, query).await,
        Endpoint::Metrics => {
            principal.check_admin()?;
            metrics::metrics(&**app, query).await
        }
        Endpoint::Subscribe
        | Endpoint::Stream
        | Endpoint::Live
        | Endpoint::Ready
        | Endpoint::Health => {
            unreachable!("answered without a principal")
        }
    }
}

#[derive(Serialize)]
struct TicketAnswer {
    ticket: String,
    expires_in_ms: u64,
}

/// `POST /api/event-bus/tickets`: lets whoever has it begin one stream, of what the query says at most.
async fn issue_ticket(
    tickets: &Tickets,
    admission: Admission,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    let filter = query::filter(query)?;
    // A ticket that nobody could use is refused to those who can do something about it.
    admission.principal.live(&filter)?;
    let ticket = tickets.issue(admission, &filter).await?;
    Ok(reply::json_of(&TicketAnswer {
        ticket,
        expires_in_ms: millis(TICKET_LIFETIME),
    }))
}
