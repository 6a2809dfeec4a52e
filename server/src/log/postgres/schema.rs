//! The tables: made and brought up to date by whoever opens the log, one at a time.

use jiff::Timestamp;
use todoki_codec::{Cursor, Kind};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::connect::Connector;
use super::error::{DatabaseError, explained, line};
use super::row::{self, Time};
use crate::log::ReadError;

/// How the tables came to be, each version from the one before it. What was released is never changed, only added to.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_log.sql"),
    include_str!("migrations/0002_sql_writers.sql"),
    include_str!("migrations/0003_tickets.sql"),
];

/// The oldest PostgreSQL that has all that is used here.
const OLDEST_VERSION: i32 = 140_000;

/// Kinds after an id, in their order.
pub(super) const KINDS_AFTER: &str = "SELECT id, name FROM todoki.kinds WHERE id > $1 ORDER BY id";

/// A log as it was found.
pub(super) struct Opened {
    pub(super) epoch: Uuid,
    pub(super) head: Cursor,
    pub(super) head_time: Option<Timestamp>,
    pub(super) trimmed_through: Cursor,
    pub(super) kinds: Vec<Kind>,
}

/// Opens the log over a session of the writer.
pub(super) async fn open(
    client: &Client,
    connector: &Connector,
    renew_epoch: bool,
) -> Result<Opened, DatabaseError> {
    check_database(client, connector).await?;
    migrate(client, connector).await?;
    check_rights(client, connector).await?;
    if let Some(caution) = caution(client, connector).await? {
        tracing::warn!("{caution}");
    }
    if renew_epoch {
        let statement = "UPDATE todoki.log SET epoch = gen_random_uuid()";
        client
            .batch_execute(statement)
            .await
            .map_err(|error| DatabaseError::failed(&connector.place, &error))?;
    }
    load(client).await.map_err(|error| DatabaseError::Failed {
        place: connector.place.clone(),
        cause: error.0.to_string().into(),
    })
}

/// Whether the database can keep the promise.
pub(super) async fn check_database(
    client: &Client,
    connector: &Connector,
) -> Result<(), DatabaseError> {
    let settings = client
        .query_typed(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
                    current_setting('server_encoding'), current_setting('fsync')",
            &[],
        )
        .await;
    let unfit = |what: String| DatabaseError::Unfit {
        place: connector.place.clone(),
        what: what.into(),
    };
    let row = match settings.as_deref() {
        Ok([row]) => row,
        Ok(_) => return Err(unfit("it does not tell its settings".into())),
        Err(error) => return Err(unfit(line(error))),
    };
    let text = |place| row.get::<_, &str>(place);
    if row.get::<_, i32>(0) < OLDEST_VERSION {
        Err(unfit(format!(
            "PostgreSQL {} is too old; use 14 or later",
            text(1)
        )))
    } else if text(2) != "UTF8" {
        Err(unfit(format!(
            "the database is encoded in {}, and events are UTF-8; make one with CREATE DATABASE … ENCODING 'UTF8'",
            text(2)
        )))
    } else if text(3) != "on" {
        Err(unfit(
            "fsync is off, so nothing would be durable; set fsync = on in postgresql.conf".into(),
        ))
    } else {
        Ok(())
    }
}

/// The latest schema that this version knows.
fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Brings the tables up to date. Nothing is asked of a database that is.
async fn migrate(client: &Client, connector: &Connector) -> Result<(), DatabaseError> {
    let failed = |error: tokio_postgres::Error| DatabaseError::failed(&connector.place, &error);
    if version(client).await.map_err(failed)? == known() {
        return Ok(());
    }
    client.batch_execute("BEGIN").await.map_err(failed)?;
    let applied = upgrade(client, connector).await?;
    client.batch_execute("COMMIT").await.map_err(failed)?;
    tell(&applied);
    Ok(())
}

/// Says which versions were applied, once they are committed.
pub(super) fn tell(applied: &[i32]) {
    for version in applied {
        tracing::info!(version, "the log has a new schema");
    }
}

/// Brings the tables up to date in the caller's transaction, and says which versions were applied. Servers that start
/// together come one after the other, and find it done: the lock is held to the end of the transaction.
pub(super) async fn upgrade(
    client: &Client,
    connector: &Connector,
) -> Result<Vec<i32>, DatabaseError> {
    let failed = |error: tokio_postgres::Error| DatabaseError::failed(&connector.place, &error);
    if is_current(client, connector).await? {
        return Ok(Vec::new());
    }
    client
        .batch_execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
             SELECT pg_advisory_xact_lock(1415867241, 2)",
        )
        .await
        .map_err(failed)?;
    if is_current(client, connector).await? {
        return Ok(Vec::new());
    }
    // IF NOT EXISTS would ask for the right to create one also where an administrator has made it.
    let missing = client
        .query_typed("SELECT to_regnamespace('todoki') IS NULL", &[])
        .await
        .map_err(failed)?;
    if missing.iter().any(|row| row.get::<_, bool>(0)) {
        let schema = "CREATE SCHEMA todoki";
        client.batch_execute(schema).await.map_err(failed)?;
    }
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS todoki.migrations (
                 version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()
             )",
        )
        .await
        .map_err(failed)?;
    let found = version(client).await.map_err(failed)?;
    let mut applied = Vec::new();
    for (version, migration) in (1..)
        .zip(MIGRATIONS)
        .filter(|(version, _)| *version > found)
    {
        let note = format!("INSERT INTO todoki.migrations (version) VALUES ({version})");
        client.batch_execute(migration).await.map_err(failed)?;
        client.batch_execute(&note).await.map_err(failed)?;
        applied.push(version);
    }
    Ok(applied)
}

/// Whether the schema is the latest; a later one is refused.
async fn is_current(client: &Client, connector: &Connector) -> Result<bool, DatabaseError> {
    let found = version(client)
        .await
        .map_err(|error| DatabaseError::failed(&connector.place, &error))?;
    if found > known() {
        return Err(DatabaseError::Newer {
            place: connector.place.clone(),
            found,
            known: known(),
        });
    }
    Ok(found == known())
}

/// Makes sure that this role may do what a server does: partitions are made and dropped by who owns the table.
pub(super) async fn check_rights(
    client: &Client,
    connector: &Connector,
) -> Result<(), DatabaseError> {
    let rows = client
        .query_typed(
            "SELECT current_user::text, pg_get_userbyid(relowner)::text FROM pg_class
             WHERE oid = to_regclass('todoki.events')
                 AND NOT (pg_has_role(relowner, 'USAGE') AND has_schema_privilege('todoki', 'CREATE'))",
            &[],
        )
        .await
        .map_err(|error| DatabaseError::failed(&connector.place, &error))?;
    match rows.first() {
        None => Ok(()),
        Some(row) => Err(DatabaseError::Unfit {
            place: connector.place.clone(),
            what: format!(
                "the log belongs to {}, and {} may not make and drop its partitions; connect as its owner",
                row.get::<_, &str>(1),
                row.get::<_, &str>(0)
            )
            .into(),
        }),
    }
}

/// What the operator should know about the role, although the log works: a `search_path` that leads into the log. "$user"
/// is in everybody's, so a role that is called as the schema has it.
pub(super) async fn caution(
    client: &Client,
    connector: &Connector,
) -> Result<Option<String>, DatabaseError> {
    let rows = client
        .query_typed(
            // What the session began with: our own setting has taken its place.
            "SELECT quote_ident(current_user) FROM pg_settings, string_to_table(reset_val, ',') place
             WHERE name = 'search_path' AND replace(btrim(place, ' \"'), '$user', current_user) = 'todoki'",
            &[],
        )
        .await
        .map_err(|error| DatabaseError::failed(&connector.place, &error))?;
    Ok(rows.first().map(|row| {
        let role = row.get::<_, &str>(0);
        format!(
            "the search_path of the role {role} leads into the schema todoki, so whoever logs in as it and says DELETE FROM \
             events means the log: ALTER ROLE {role} SET search_path = public, or give the server a role of another name"
        )
    }))
}

/// Version of the schema; 0 when there is none.
async fn version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let exists = client
        .query_typed("SELECT to_regclass('todoki.migrations') IS NOT NULL", &[])
        .await?;
    if !exists.iter().all(|row| row.get::<_, bool>(0)) {
        return Ok(0);
    }
    let rows = client
        .query_typed(
            "SELECT coalesce(max(version), 0) FROM todoki.migrations",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get::<_, i32>(0)).sum())
}

async fn load(client: &Client) -> Result<Opened, ReadError> {
    let read = |error: tokio_postgres::Error| ReadError(explained(&error).into());
    // Two statements, and the kinds last: every event up to the head has its kind among them.
    let rows = client
        .query_typed(
            "SELECT l.epoch, l.trimmed_through, e.cursor, e.time FROM todoki.log l
             LEFT JOIN LATERAL (
                 SELECT cursor, time FROM todoki.events ORDER BY cursor DESC LIMIT 1
             ) e ON e.cursor > l.trimmed_through",
            &[],
        )
        .await
        .map_err(read)?;
    let row = rows
        .first()
        .ok_or_else(|| ReadError("the log has lost its only row".into()))?;
    let trimmed_through = row::cursor(row, 1)?;
    let last: Option<i64> = row::column(row, 2)?;
    let found = client
        .query_typed(KINDS_AFTER, &[(&0_i32, Type::INT4)])
        .await
        .map_err(read)?;
    let mut kinds = Vec::with_capacity(found.len());
    for row in &found {
        let (id, kind) = kind(row)?;
        kinds.push(kind);
        if usize::try_from(id) != Ok(kinds.len()) {
            return Err(ReadError("the kinds are not numbered 1, 2, 3, …".into()));
        }
    }
    Ok(Opened {
        epoch: row::column(row, 0)?,
        head: match last {
            Some(_) => row::cursor(row, 2)?,
            None => trimmed_through,
        },
        head_time: row::column::<Option<Time>>(row, 3)?.map(|time| time.0),
        trimmed_through,
        kinds,
    })
}

/// A kind and its id.
pub(super) fn kind(row: &Row) -> Result<(i32, Kind), ReadError> {
    let name: &str = row::column(row, 1)?;
    let kind = Kind::parse(name)
        .map_err(|error| ReadError(format!("the kind {name:?} {error}").into()))?;
    Ok((row::column(row, 0)?, kind))
}
