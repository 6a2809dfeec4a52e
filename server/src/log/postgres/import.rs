//! Taking over the events of a classic table, with their cursors.

use std::path::Path;

use tokio_postgres::types::Type;

use super::connect::{Connector, Role};
use super::error::{DatabaseError, line};
use super::schema;

/// Copies the events of the table `source` (cursor, kind, time, `agent_id`, `session_id`, `task_id`, data) into the log of the
/// same database, which must never have had any, and says how many. All or none.
pub async fn import(url: &str, ca: Option<&Path>, source: &str) -> Result<u64, DatabaseError> {
    let connector = Connector::new(url, ca)?;
    let session = connector.connect(Role::Writer).await?;
    schema::open(&session.client, &connector, false).await?;
    let unfit = |error: tokio_postgres::Error| DatabaseError::Unfit {
        place: connector.place.clone(),
        what: line(&error).into(),
    };
    // As long as it takes: somebody waits for it, and nothing else writes meanwhile.
    let patience = "SET statement_timeout = 0";
    session
        .client
        .batch_execute(patience)
        .await
        .map_err(unfit)?;
    let rows = session
        .client
        .query_typed(
            "SELECT todoki.import($1::text::regclass)",
            &[(&source, Type::TEXT)],
        )
        .await
        .map_err(unfit)?;
    let imported: i64 = rows.iter().map(|row| row.get::<_, i64>(0)).sum();
    Ok(u64::try_from(imported).unwrap_or_default())
}
