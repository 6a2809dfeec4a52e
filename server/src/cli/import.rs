//! `todoki import`: take over the events of a classic table into the log of the same database.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::log;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// The database, with the table and the log
    #[arg(
        long,
        env = "TODOKI_LOG_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    log: String,

    /// Certificate, PEM, that the database's is signed with, which then must use TLS; without it, those that the system
    /// trusts
    #[arg(long, env = "TODOKI_LOG_CA", value_name = "FILE")]
    log_ca: Option<PathBuf>,

    /// The table, in the schema public unless another is named: cursor, kind, time, `agent_id`, `session_id`, `task_id`, data
    #[arg(long, default_value = "public.events", value_name = "TABLE")]
    from: String,
}

const EXAMPLES: &str = "\
Examples:
  TODOKI_LOG_URL=postgres://todoki_server:SECRET@db/todoki todoki import
  todoki import --log postgres://todoki_server:SECRET@localhost/todoki --from old.events

Events keep their cursors. The log must never have had events, and all are imported or none. Stop whatever writes the \
table first; it is read and left as it is.";

pub(super) async fn run(import: Import) -> Result<(), Failure> {
    let imported = log::import(&import.log, import.log_ca.as_deref(), &import.from).await?;
    let zone = imported.zone.map(|zone| {
        format!("; its times have no zone, and were taken to be in {zone}, that of the database")
    });
    writeln!(
        std::io::stdout(),
        "imported {} events from {}{}",
        imported.events,
        import.from,
        zone.unwrap_or_default()
    )?;
    Ok(())
}
