//! `GET /ws/event-bus`: from a request to a subscriber.
//!
//! fastwebsockets makes the handshake but checks little of it, so RFC 6455 §4.2.1 is checked here first. The socket is
//! then taken back from hyper, for the subscriber to own.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fastwebsockets::upgrade::UpgradeFut;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{
    HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
};
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use todoki_codec::Cursor;
use todoki_codec::deflate::offer;
use todoki_codec::frame::CloseCode;
use todoki_codec::query::{self, Start};

use crate::accept::Permit;
use crate::auth;
use crate::listen::Socket;
use crate::log::Log;
use crate::origin::{Origin, only};
use crate::reply::{Body, Refusal};
use crate::route::App;
use crate::subscriber::access::Access;
use crate::subscriber::place::Place;
use crate::subscriber::stream::Stream;
use crate::subscriber::{self, Arrival};

/// Answers an upgrade request, and leaves a subscriber behind it.
pub async fn upgrade<L: Log>(
    app: &Arc<App<L>>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    check_handshake(&request)?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let origin = app.origins.check(request.headers())?;
    let (admission, seat) = match app.admit_reader(&request).await {
        Ok(entered) => entered,
        Err(refusal) => return turned_away(app, request, origin, refusal),
    };
    let subscription = query::subscription(&query)?;
    let is_resumed = resumes(subscription.start);
    let source = app.limiter.source(&request);
    let place = match app.place(source, &admission.principal, subscription).await {
        Ok(place) => place,
        Err(refusal) => return turned_away(app, request, origin, refusal),
    };
    let access = Access::new(admission, Some(app.limiter.account(source)));
    let extension = agreed_extension(app, request.headers());
    let (mut response, socket) = accept(&mut request)?;
    if let Some(extension) = extension {
        let extension = HeaderValue::from_static(extension);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    if is_resumed {
        app.traffic.resumed.add(1);
    }
    let permit = request.extensions().get::<Permit>().cloned();
    if let Some(permit) = &permit {
        permit.keep(seat);
    }
    let app = Arc::clone(app);
    app.tasks.clone().spawn(async move {
        let is_compressed = extension.is_some();
        if let Err(error) = admit(&app, socket, is_compressed, place, access, permit).await {
            tracing::debug!(%error, "upgrade failed");
        }
    });
    Ok(response)
}

/// Refuses somebody who has no right to what they ask. A browser cannot see a refused upgrade's status, only the code of a
/// close behind it.
fn turned_away<L: Log>(
    app: &Arc<App<L>>,
    mut request: Request<Incoming>,
    origin: Origin,
    refusal: Refusal,
) -> Result<Response<Body>, Refusal> {
    let (code, reason) = match (origin, &refusal) {
        (Origin::Allowed, Refusal::Unauthorised) => {
            (CloseCode::UNAUTHORISED, "no token, or a wrong one".into())
        }
        (Origin::Allowed, Refusal::Forbidden) => (CloseCode::FORBIDDEN, refusal.to_string()),
        (Origin::Allowed, Refusal::RateLimited(_)) => {
            (CloseCode::RATE_LIMITED, refusal.to_string())
        }
        _ => return Err(refusal),
    };
    let (response, socket) = accept(&mut request)?;
    app.traffic.refuse_page(&refusal);
    app.tasks.spawn(turn_away(socket, code, reason));
    Ok(response)
}

/// Whether a client goes on from where it was: after a cursor that it must have been given. 0 is not one.
fn resumes(start: Option<Start>) -> bool {
    matches!(start, Some(Start::After(cursor)) if cursor > Cursor::ORIGIN)
}

/// Hands the upgraded socket to a shard.
async fn admit<L: Log>(
    app: &App<L>,
    upgraded: UpgradeFut,
    is_compressed: bool,
    place: Place,
    access: Box<Access>,
    permit: Option<Permit>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (stream, early) = taken_back(upgraded).await?;
    let arrival = Arrival {
        stream: stream.detach()?,
        early,
        is_compressed,
        place,
        access,
        permit,
        token: app.tasks.token(),
    };
    app.hub.admit(arrival).await;
    Ok(())
}

/// What of the offered extensions the connection will have.
fn agreed_extension<L>(app: &App<L>, headers: &HeaderMap) -> Option<&'static str> {
    if !app.is_compressing {
        return None;
    }
    // Several lines are one list (RFC 6455 §9.1); one that is not text offers nothing.
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .find_map(offer::answer)
}

fn check_handshake<B: HttpBody>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    if request.version() != Version::HTTP_11
        || !fastwebsockets::upgrade::is_upgrade_request(request)
    {
        return Err(Refusal::NotAnUpgrade(
            "this path speaks WebSocket: send Connection: Upgrade and Upgrade: websocket",
        ));
    }
    // Nobody would read it as a body: its bytes would be the first frames.
    if !request.body().is_end_stream() {
        return Err(Refusal::Malformed("an upgrade request has no body"));
    }
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::WebSocketVersion);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return Err(Refusal::Header {
            name: "Sec-WebSocket-Key",
            expected: "16 bytes in base64, given once",
        });
    }
    Ok(())
}

fn accept(request: &mut Request<Incoming>) -> Result<(Response<Body>, UpgradeFut), Refusal> {
    let offers_ours = auth::offers_subprotocol(request.headers());
    let (response, socket) = fastwebsockets::upgrade::upgrade(request)
        .map_err(|_| Refusal::Malformed("the WebSocket handshake is incomplete"))?;
    let mut response = response.map(|empty| empty.map_err(|never| match never {}).boxed_unsync());
    if offers_ours {
        let ours = HeaderValue::from_static(auth::SUBPROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
    }
    Ok((response, socket))
}

/// The socket under hyper's connection, and what hyper read beyond the request. hyper's buffer is copied out of rather
/// than kept: even empty it would hold 8 KiB for as long as the subscriber lives.
async fn taken_back(
    upgraded: UpgradeFut,
) -> Result<(Stream, BytesMut), fastwebsockets::WebSocketError> {
    let upgraded = upgraded.await?.into_inner().into_inner();
    let parts = upgraded
        .downcast::<TokioIo<Socket>>()
        .expect("connections are served on this very type");
    let (socket, session) = parts.io.into_inner().into_parts();
    Ok((
        Stream::new(socket, session),
        BytesMut::from(&*parts.read_buf),
    ))
}

async fn turn_away(upgraded: UpgradeFut, code: CloseCode, reason: String) {
    let Ok((stream, _)) = taken_back(upgraded).await else {
        return;
    };
    // Whether the client hears it or not, the connection ends here.
    subscriber::refuse(stream, code, &reason).await.ok();
}
