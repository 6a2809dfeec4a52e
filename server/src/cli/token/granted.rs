//! The flags that say what a token lets its holder do, in the words of a grant of `auth.toml`.

use clap::Args;
use todoki_codec::Pattern;
use uuid::Uuid;

use crate::auth::{GrantText, WithinText};
use crate::cli::Failure;

/// One grant; whoever needs several writes them into a role of `auth.toml`.
#[derive(Args, Debug)]
#[group(skip)]
#[command(next_help_heading = "A grant of its own")]
pub(super) struct Granted {
    /// What its holder may do, joined by commas: read (events as they come), replay (stored ones), emit, admin (metrics)
    #[arg(
        long,
        value_name = "ACTIONS",
        value_delimiter = ',',
        value_parser = ["read", "replay", "emit", "admin"],
        hide_possible_values = true
    )]
    pub(super) actions: Vec<String>,

    /// Only on events of these kinds and patterns, joined by commas: `task.created,agent.*`
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',', value_parser = pattern)]
    kinds: Vec<String>,

    /// Only on events of these projects; ids are joined by commas
    #[arg(long, alias = "project", value_name = "UUIDS", value_delimiter = ',')]
    pub(super) project_id: Vec<Uuid>,

    /// Only on events of these agents
    #[arg(long, value_name = "UUIDS", value_delimiter = ',')]
    agent_id: Vec<Uuid>,

    /// Only on events of these sessions
    #[arg(long, value_name = "UUIDS", value_delimiter = ',')]
    session_id: Vec<Uuid>,

    /// Only on events of these tasks
    #[arg(long, value_name = "UUIDS", value_delimiter = ',')]
    task_id: Vec<Uuid>,
}

fn pattern(text: &str) -> Result<String, String> {
    let pattern = Pattern::parse(text).map_err(|error| format!("the pattern {error}"))?;
    Ok(pattern.to_string())
}

impl Granted {
    /// The grant, if there is one; or why `auth.toml` would not take it.
    pub(super) fn grant(&self) -> Result<Option<GrantText>, Failure> {
        if self.actions.is_empty() {
            return match self.narrowing() {
                None if self.project_id.is_empty() => Ok(None),
                flag => Err(Failure::usage(format!(
                    "{} says on which events something is allowed, and not what: give --actions too, such as --actions read,replay",
                    flag.unwrap_or("--project-id")
                ))),
            };
        }
        let ids = |ids: &[Uuid]| listed(ids.iter().map(Uuid::to_string));
        let within = WithinText {
            agent_id: ids(&self.agent_id),
            session_id: ids(&self.session_id),
            task_id: ids(&self.task_id),
            project_id: ids(&self.project_id),
        };
        let grant = GrantText {
            actions: self.actions.clone(),
            kinds: listed(self.kinds.iter().cloned()),
            within: Some(within).filter(|within| *within != WithinText::default()),
        };
        grant
            .grant()
            .map_err(|fault| Failure::usage(format!("the grant of the flags: {fault}")))?;
        Ok(Some(grant))
    }

    /// A flag that was given and can narrow nothing but a grant; a role can be narrowed to a project too.
    pub(super) fn narrowing(&self) -> Option<&'static str> {
        [
            ("--kinds", self.kinds.is_empty()),
            ("--agent-id", self.agent_id.is_empty()),
            ("--session-id", self.session_id.is_empty()),
            ("--task-id", self.task_id.is_empty()),
        ]
        .into_iter()
        .find_map(|(flag, is_absent)| (!is_absent).then_some(flag))
    }
}

/// What was given; a list that is not there means any.
fn listed(texts: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let texts: Vec<_> = texts.collect();
    (!texts.is_empty()).then_some(texts)
}
