//! Forgets what is older or more than the configuration keeps.

use std::sync::Arc;
use std::time::Duration;

use todoki_codec::Cursor;

use crate::clock;
use crate::log::Log;

/// How often to look: retention is about disk space, not about the minute.
const INTERVAL: Duration = Duration::from_mins(1);

/// What to keep; nothing set keeps everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// The newest so many events.
    pub events: Option<u64>,
    /// Events younger than this.
    pub age: Option<Duration>,
}

/// Trims at once and then every minute, until it is dropped.
pub async fn keep<L: Log>(log: Arc<L>, retention: Retention) {
    if retention.events.is_none() && retention.age.is_none() {
        return;
    }
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        if log.is_away() {
            continue;
        }
        if let Err(error) = trim(&*log, retention).await {
            tracing::warn!(%error, "old events could not be forgotten; will try again in a minute");
        }
    }
}

async fn trim<L: Log>(
    log: &L,
    retention: Retention,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let before = log.bounds();
    let mut through = Cursor::ORIGIN;
    if let Some(events) = retention.events {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        through = Cursor::new(before.head.get().saturating_sub(events)).unwrap_or(Cursor::ORIGIN);
    }
    if let Some(age) = retention.age {
        through = through.max(log.seek(clock::now() - age).await?);
    }
    if through >= before.earliest {
        log.trim(through).await?;
        tracing::info!(%through, "forgot old events");
    }
    Ok(())
}
