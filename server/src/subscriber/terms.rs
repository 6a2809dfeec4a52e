//! What holds for every subscription, whether it comes over a WebSocket or over plain HTTP: how much is read first, when
//! to come again, and what is said while the log is away.

use std::time::Duration;

use todoki_codec::message::Message;
use tokio::time::{Instant, sleep_until};

/// Events of a replay's first page: a selective filter looks up each by itself, and a client waits for the first.
pub(crate) const FIRST_PAGE_EVENTS: usize = 64;

/// Wait so long before reading the log again after it failed.
pub(crate) const READ_RETRY: Duration = Duration::from_secs(1);

/// What clients are told to wait before they return to a server that restarts: long enough for most restarts.
pub(crate) const RECONNECT_AFTER_MS: u64 = 1_000;

/// Tells a client that the log is away.
pub(crate) fn unavailable() -> Message {
    Message::Error {
        code: "log_unavailable".into(),
        message: "the log cannot be read just now; the stream goes on where it stopped".into(),
        retry_after_ms: Some(millis(READ_RETRY)),
        reference: None,
    }
}

/// Returns then; never, without a time. Most clients have no deadline, and a timer is large.
pub(crate) async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => Box::pin(sleep_until(deadline)).await,
        None => std::future::pending().await,
    }
}

/// A time as the wire has it.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
