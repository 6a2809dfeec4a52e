//! A look at a database from outside, for `todoki doctor`: changes nothing.

use std::path::Path;

use super::connect::{Connector, Role};
use super::error::{DatabaseError, line};
use super::schema;

/// What a look at a database found.
#[derive(Debug)]
pub struct Sight {
    /// Where it is, without user and password.
    pub place: String,
    /// How far the log has come; `None` when there is no log yet.
    pub head: Option<i64>,
}

/// Looks at the database at `url`, as a server would find it.
pub async fn look(url: &str, ca: Option<&Path>) -> Result<Sight, DatabaseError> {
    let connector = Connector::new(url, ca)?;
    let client = connector.connect(Role::Reader).await?.client;
    schema::check_database(&client, &connector).await?;
    let failed = |error: tokio_postgres::Error| DatabaseError::Failed {
        place: connector.place.clone(),
        cause: line(&error).into(),
    };
    let head = if schema::is_there(&client, &connector).await? {
        let head = "SELECT greatest((SELECT max(cursor) FROM todoki.events), trimmed_through) FROM todoki.log";
        let rows = client.query_typed(head, &[]).await.map_err(failed)?;
        rows.first().map(|row| row.get(0))
    } else {
        None
    };
    Ok(Sight {
        place: connector.place.to_string(),
        head,
    })
}
