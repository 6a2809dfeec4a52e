//! Forgetting: a mark that moves, and then partitions that are dropped whole.

use todoki_codec::Cursor;
use tokio_postgres::types::Type;

use super::read::Readers;
use super::row;
use crate::log::shared::Shared;
use crate::log::{AppendError, ReadError};

/// Forgets events up to `through`. Nobody is given one from then on; their space comes back with the partitions that
/// have nothing else in them.
pub(super) async fn trim(
    readers: &Readers,
    shared: &Shared,
    through: Cursor,
) -> Result<(), AppendError> {
    mark(readers, shared, through).await.map_err(|error| {
        tracing::warn!(%error, "nothing was forgotten");
        AppendError::Unavailable { is_unknown: false }
    })?;
    // What is not dropped now is dropped by the next trim.
    if let Err(error) = drop_partitions(readers).await {
        tracing::warn!(%error, "forgotten events still take their space: somebody reads the table");
    }
    Ok(())
}

/// Moves the mark. Committed before anything is dropped: a page reads it with the snapshot that it looks for events with.
async fn mark(readers: &Readers, shared: &Shared, through: Cursor) -> Result<(), ReadError> {
    // No further than this server has read, so that it never reads on from what is gone.
    let target = through.min(shared.head());
    let rows = readers
        .rows(
            "UPDATE todoki.log SET trimmed_through = greatest(trimmed_through, $1) RETURNING trimmed_through",
            &[(&target.get(), Type::INT8)],
        )
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| ReadError("the log has lost its only row".into()))?;
    shared.trimmed(row::cursor(row, 0)?.min(shared.head()));
    Ok(())
}

async fn drop_partitions(readers: &Readers) -> Result<(), ReadError> {
    loop {
        let rows = readers
            .rows("SELECT todoki.drop_partition()::text", &[])
            .await?;
        let row = rows.first().ok_or_else(|| ReadError("no answer".into()))?;
        match row::column::<Option<&str>>(row, 0)? {
            Some(partition) => tracing::info!(partition, "dropped"),
            None => return Ok(()),
        }
    }
}
