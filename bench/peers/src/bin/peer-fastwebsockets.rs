//! The quickest of the simple designs: fastwebsockets over `tokio::sync::broadcast`. JSON is never touched and clients
//! share an event's bytes; each event is a frame and a write of its own.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use fastwebsockets::upgrade::{IncomingUpgrade, UpgradeFut};
use fastwebsockets::{Frame, OpCode, Payload, WebSocketError};
use todoki_peers::{BEHIND_EVENTS, Outcome, lines, run};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::sync::mpsc;

/// Answers (pongs and closes) that wait to be written: a client that asks for more without reading is not read further.
const ANSWERS: usize = 4;

type Events = Sender<Bytes>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let router = Router::new()
        .route("/publish", post(publish))
        .route("/subscribe", get(subscribe))
        .with_state(Events::new(BEHIND_EVENTS));
    run("fastwebsockets", router).await
}

async fn publish(State(events): State<Events>, body: String) -> StatusCode {
    let whole = Bytes::from(body);
    let Ok(text) = str::from_utf8(&whole) else {
        return StatusCode::BAD_REQUEST;
    };
    for line in lines(text) {
        // Without subscribers it is sent to nobody.
        events.send(whole.slice_ref(line.as_bytes())).ok();
    }
    StatusCode::NO_CONTENT
}

async fn subscribe(State(events): State<Events>, upgrade: IncomingUpgrade) -> Response {
    let events = events.subscribe();
    match upgrade.upgrade() {
        Ok((response, upgraded)) => {
            tokio::spawn(async move {
                // It ends when its client does, and has nobody to tell.
                serve(upgraded, events).await.ok();
            });
            response.into_response()
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn serve(upgraded: UpgradeFut, mut events: Receiver<Bytes>) -> Result<(), WebSocketError> {
    let (mut reader, mut writer) = upgraded.await?.split(tokio::io::split);
    let (answer, mut answers) = mpsc::channel(ANSWERS);
    // Reading is not cancel-safe, hence a task of its own.
    let reading = tokio::spawn(async move {
        let mut send = |frame| {
            let answer = answer.clone();
            async move { answer.send(frame).await }
        };
        while let Ok(frame) = reader.read_frame(&mut send).await {
            if frame.opcode == OpCode::Close {
                return;
            }
        }
    });
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => writer.write_frame(Frame::text(Payload::Borrowed(&event))).await?,
                // Lost, and nobody learns of it: that is the design.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            frame = answers.recv() => match frame {
                Some(frame) => writer.write_frame(frame).await?,
                None => break,
            },
        }
    }
    reading.abort();
    Ok(())
}
