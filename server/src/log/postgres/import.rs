//! Taking over the events of a classic table, with their cursors.

use std::path::Path;

use tokio_postgres::types::Type;

use super::connect::{Connector, Role};
use super::error::{DatabaseError, line};
use super::schema;

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// How many events.
    pub events: u64,
    /// The time zone that times were taken to be in, when the table does not say it.
    pub zone: Option<String>,
}

/// Copies the events of the table `source` (cursor, kind, time, `agent_id`, `session_id`, `task_id`, data) into the log of the
/// same database, which must never have had any. All or none: where that fails, no log is made either.
pub async fn import(url: &str, ca: Option<&Path>, source: &str) -> Result<Imported, DatabaseError> {
    let connector = Connector::new(url, ca)?;
    let client = connector.connect(Role::Writer).await?.client;
    let unfit = |error: tokio_postgres::Error| DatabaseError::Unfit {
        place: connector.place.clone(),
        what: format!("{}; nothing was imported", line(&error)).into(),
    };
    schema::check_database(&client, &connector).await?;
    // As long as it takes: somebody waits for it, and nothing else writes meanwhile. Whatever fails takes the session with
    // it, and so the transaction.
    let begin = "BEGIN; SET LOCAL statement_timeout = 0";
    client.batch_execute(begin).await.map_err(unfit)?;
    let applied = schema::upgrade(&client, &connector).await?;
    schema::check_rights(&client, &connector).await?;
    let rows = client
        .query_typed(
            "SELECT imported, zone FROM todoki.import($1)",
            &[(&source, Type::TEXT)],
        )
        .await
        .map_err(unfit)?;
    client.batch_execute("COMMIT").await.map_err(unfit)?;
    schema::tell(&applied);
    let row = rows.first();
    Ok(Imported {
        events: row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()),
        zone: row.and_then(|row| row.get(1)),
    })
}
