//! `POST /api/event-bus/emit`: a body becomes drafts, drafts become durable events, the answer is their cursors.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Request, Response};
use sha2::{Digest, Sha256};
use todoki_codec::decode::{self, Emit, Form};
use todoki_codec::limits::BODY_BYTES;
use todoki_codec::{Cursor, Draft, query};

use crate::auth::{Admission, Principal};
use crate::limit::{Address, BodyRoom, NewKinds};
use crate::log::{AppendError, Log};
use crate::reply::{self, Body, Refusal};
use crate::route::App;

/// Makes a retry of the whole request return the first cursors.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Answers an emit whose body arrives within the deadline.
pub async fn emit<L: Log>(
    app: &App<L>,
    admission: &Admission,
    source: Option<Address>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let mut drafts = 0;
    let answer = append(app, admission, source, request, &mut drafts).await;
    app.traffic.emit(drafts, &answer);
    answer.map(reply::json)
}

/// Also says how many drafts were read, whatever becomes of them.
async fn append<L: Log>(
    app: &App<L>,
    admission: &Admission,
    source: Option<Address>,
    request: Request<Incoming>,
    read: &mut u64,
) -> Result<String, Refusal> {
    admission.principal.check_emits()?;
    query::nothing(request.uri().query().unwrap_or_default())?;
    let form = form(request.headers())?;
    let key = idempotency_key(request.headers())?;
    // Kept until the drafts are stored, or the request ends otherwise.
    let mut room = app.limiter.body(source, &admission.principal);
    let body = read_body(request.into_body(), app.deadlines.body, &mut room).await?;
    // A body may take its time, and grants are those of now.
    let admission = app.auth.readmit(admission)?;
    let principal = &*admission.principal;
    app.limiter.spend_body(source, principal, body.len())?;
    Ok(match decode::emit(&body, form)? {
        Emit::One(mut draft) => {
            *read = 1;
            draft.id = draft.id.or(key);
            let drafts = vec![draft];
            let taken = check(app, principal, &drafts).map_err(Refusal::of_one)?;
            let cursors = store(app, principal, drafts, &taken).await?;
            cursors.first().map(ToString::to_string).unwrap_or_default()
        }
        Emit::Batch(mut drafts) => {
            *read = drafts.len() as u64;
            if let Some(key) = &key {
                name_each(&mut drafts, key)?;
            }
            let taken = check(app, principal, &drafts)?;
            array(&store(app, principal, drafts, &taken).await?)
        }
    })
}

/// Refuses drafts that they may not emit, or that bring more new kinds than they may.
fn check<L: Log>(
    app: &App<L>,
    principal: &Principal,
    drafts: &[Draft],
) -> Result<NewKinds, Refusal> {
    principal.check_emit(drafts)?;
    let new = || app.log.new_kinds(drafts);
    Ok(app.limiter.spend_kinds(principal, drafts, new)?)
}

/// Appends what was checked. What it took is given back if the log does not take it; who leaves before they know that gets
/// nothing back.
async fn store<L: Log>(
    app: &App<L>,
    principal: &Principal,
    mut drafts: Vec<Draft>,
    taken: &NewKinds,
) -> Result<Vec<Cursor>, AppendError> {
    own_ids(&mut drafts, principal);
    let stored = app.log.append(drafts).await;
    if stored.as_ref().is_err_and(|error| !error.is_unknown()) {
        app.limiter.give_back_kinds(principal, taken);
    }
    stored
}

fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| value != "identity")
    {
        return Err(Refusal::ContentEncoding);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return Err(Refusal::ContentType);
    };
    let name = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    match name.trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" | "application/jsonl" | "application/ndjson" => Ok(Form::Ndjson),
        _ => Err(Refusal::ContentType),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Box<str>>, Refusal> {
    let refusal = || Refusal::Header {
        name: "Idempotency-Key",
        expected: "1 to 128 visible ASCII characters, given once",
    };
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => {
            let text = key.to_str().map_err(|_| refusal())?;
            decode::id(text).map(Some).map_err(|_| refusal())
        }
        _ => Err(refusal()),
    }
}

/// Each draft of a batch needs a key of its own, and the same one when the batch comes again.
fn name_each(drafts: &mut [Draft], key: &str) -> Result<(), Refusal> {
    for (index, draft) in drafts
        .iter_mut()
        .enumerate()
        .filter(|(_, draft)| draft.id.is_none())
    {
        let id = decode::id(&format!("{key}/{index}")).map_err(|_| Refusal::Header {
            name: "Idempotency-Key",
            expected: "short enough that /INDEX fits behind it in 128 characters",
        })?;
        draft.id = Some(id);
    }
    Ok(())
}

/// Makes the ids of somebody from whom events are hidden their own: the id of an event that they must not know of is free
/// for them, and stays so for its owner. The log keeps such an id as a digest of the name and the id.
fn own_ids(drafts: &mut [Draft], principal: &Principal) {
    if !principal.is_restricted() {
        return;
    }
    for id in drafts.iter_mut().filter_map(|draft| draft.id.as_mut()) {
        // Behind a byte that no id on the wire has, so that nobody can take one of these for their own.
        let digest = Sha256::new()
            .chain_update(principal.name().as_bytes())
            // No name has it, so no two pairs of name and id are the same bytes.
            .chain_update([0])
            .chain_update(id.as_bytes())
            .finalize();
        *id = format!("\u{1}{}", URL_SAFE_NO_PAD.encode(digest)).into();
    }
}

fn array(cursors: &[Cursor]) -> String {
    let numbers: Vec<_> = cursors.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}

async fn read_body(
    mut body: Incoming,
    deadline: Duration,
    room: &mut BodyRoom<'_>,
) -> Result<Bytes, Refusal> {
    let declared = body.size_hint().exact();
    if declared.is_some_and(|length| length > BODY_BYTES as u64) {
        return Err(Refusal::BodyTooLarge);
    }
    let most = declared.and_then(|length| usize::try_from(length).ok());
    let most = most.unwrap_or(BODY_BYTES);
    let read = async {
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::BodyBroken)?;
            // Trailers say nothing that we use.
            let data = frame.into_data().unwrap_or_default();
            if whole.len() + data.len() > BODY_BYTES {
                return Err(Refusal::BodyTooLarge);
            }
            if whole.is_empty() && declared == Some(data.len() as u64) {
                room.grow(data.len())?;
                return Ok(data);
            }
            append_within(&mut whole, &data, most, room)?;
        }
        Ok(whole.into())
    };
    tokio::time::timeout(deadline, read)
        .await
        .unwrap_or(Err(Refusal::BodyTimeout(deadline)))
}

/// Takes room for all that the buffer will hold before it grows: twice what it did, and no more than it will ever need.
fn append_within(
    whole: &mut Vec<u8>,
    data: &[u8],
    most: usize,
    room: &mut BodyRoom<'_>,
) -> Result<(), Refusal> {
    let needed = whole.len() + data.len();
    if needed > whole.capacity() {
        let capacity = (whole.capacity() * 2).min(most).max(needed);
        room.grow(capacity)?;
        whole.reserve_exact(capacity - whole.len());
    }
    whole.extend_from_slice(data);
    Ok(())
}
