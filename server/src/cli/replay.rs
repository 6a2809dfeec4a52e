//! `todoki replay`: print stored events and end.

use clap::Args;
use todoki_codec::Cursor;

use super::tail::{Follower, Until};
use super::{Failure, Wanted};
use crate::config;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Replay {
    /// After this cursor; 0 is all history
    #[arg(long, default_value = "0", value_parser = cursor, value_name = "CURSOR")]
    from: Cursor,

    /// Up to and including this cursor; the newest event when absent
    #[arg(long, value_parser = cursor, value_name = "CURSOR")]
    to: Option<Cursor>,

    #[command(flatten)]
    wanted: Wanted,

    /// Print each event as one line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    client: config::Client,
}

const EXAMPLES: &str = "\
Examples:
  todoki replay                                  everything that is stored
  todoki replay --from 100 --to 200 --json       a range, as lines of JSON
  todoki replay --kinds agent.error > errors.txt";

pub(super) async fn run(replay: Replay) -> Result<(), Failure> {
    if replay.to.is_some_and(|to| to <= replay.from) {
        return Err(Failure::usage("--to must be after --from"));
    }
    let until = Until {
        cursor: replay.to,
        is_replay: true,
        ..Until::default()
    };
    let start = Some(replay.from.to_string());
    Follower::new(&replay.client, &replay.wanted, start, replay.json, until)?
        .follow()
        .await
}

fn cursor(text: &str) -> Result<Cursor, String> {
    let number = text.parse().ok().and_then(Cursor::new);
    number.ok_or_else(|| format!("{text:?} is not a cursor, which is a whole number from 0"))
}
