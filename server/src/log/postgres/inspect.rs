//! A look at a database from outside, for `todoki doctor`: what a server would do there is tried and taken back, so
//! nothing is changed.

use std::path::Path;

use super::connect::{Connector, Role};
use super::error::DatabaseError;
use super::schema;

/// What a look at a database found.
#[derive(Debug)]
pub struct Sight {
    /// Where it is, without user and password.
    pub place: String,
    /// How far the log has come; `None` when there is no log yet.
    pub head: Option<i64>,
    /// What its operator should know, although a server would start.
    pub caution: Option<String>,
}

/// Looks at the database at `url`, as a server would find it.
pub async fn look(url: &str, ca: Option<&Path>) -> Result<Sight, DatabaseError> {
    let connector = Connector::new(url, ca)?;
    let client = connector.connect(Role::Reader).await?.client;
    let failed = |error: tokio_postgres::Error| DatabaseError::failed(&connector.place, &error);
    schema::check_database(&client, &connector).await?;
    client.batch_execute("BEGIN").await.map_err(failed)?;
    let is_new = schema::upgrade(&client, &connector).await?.contains(&1);
    schema::check_rights(&client, &connector).await?;
    let caution = schema::caution(&client, &connector).await?;
    let head =
        "SELECT greatest((SELECT max(cursor) FROM todoki.events), trimmed_through) FROM todoki.log";
    let rows = client.query_typed(head, &[]).await.map_err(failed)?;
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    let head = rows.first().map(|row| row.get(0));
    Ok(Sight {
        place: connector.place.to_string(),
        head: head.filter(|_| !is_new),
        caution,
    })
}
