//! The usual design, and Todoki's first: axum, one `tokio::sync::broadcast`, and for each client and each event a clone,
//! JSON written anew, a frame and a write.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, post};
use serde::{Deserialize, Serialize};
use todoki_peers::{BEHIND_EVENTS, Outcome, lines, run};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// An event as such servers hold it: typed where the server looks, a JSON value where it does not.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Event {
    #[serde(rename = "type")]
    message: String,
    cursor: u64,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    data: serde_json::Value,
}

type Events = Sender<Arc<Event>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let router = Router::new()
        .route("/publish", post(publish))
        .route("/subscribe", any(subscribe))
        .with_state(Events::new(BEHIND_EVENTS));
    run("axum", router).await
}

async fn publish(State(events): State<Events>, body: String) -> StatusCode {
    for line in lines(&body) {
        let Ok(event) = serde_json::from_str(line) else {
            return StatusCode::BAD_REQUEST;
        };
        // Without subscribers it is sent to nobody.
        events.send(Arc::new(event)).ok();
    }
    StatusCode::NO_CONTENT
}

async fn subscribe(State(events): State<Events>, upgrade: WebSocketUpgrade) -> Response {
    let events = events.subscribe();
    upgrade.on_upgrade(move |socket| serve(socket, events))
}

async fn serve(mut socket: WebSocket, mut events: Receiver<Arc<Event>>) {
    loop {
        tokio::select! {
            event = events.recv() => {
                let event = match event {
                    Ok(event) => event,
                    // Lost, and nobody learns of it: that is the design.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let Ok(json) = serde_json::to_string(&*event) else { return };
                if socket.send(Message::Text(json.into())).await.is_err() {
                    return;
                }
            }
            // Pings are answered inside; whatever else clients say is not for us.
            said = socket.recv() => if !matches!(said, Some(Ok(_))) { return },
        }
    }
}
