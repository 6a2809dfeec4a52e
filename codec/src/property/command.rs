//! Properties of what a client says: any text is a command or a refusal, and a subscription by command is the one by
//! query string.

use std::fmt::Write as _;

use super::query::{spell, spell_subscription};
use crate::command::{Action, CommandReason, read};
use crate::limits::REFERENCE_BYTES;
use crate::{decode, query};

/// What `subscribe` may have, by docs/WIRE.md.
const MEMBERS: [&str; 10] = [
    "type",
    "ref",
    "kinds",
    "cursor",
    "encoding",
    "slow",
    "agent_id",
    "session_id",
    "task_id",
    "project_id",
];

/// Any bytes are a command or a refusal that can be told; a subscription can be asked for in a query string too.
pub fn texts_are_commands_or_refused(bytes: &[u8]) {
    let (reference, action) = match read(bytes) {
        Ok(command) => (command.reference, Some(command.action)),
        Err(error) => {
            assert!(!error.reason.to_string().is_empty() && !error.reason.code().is_empty());
            if let CommandReason::Json(fault) = error.reason {
                assert!(fault.at <= bytes.len(), "{fault} of {}", bytes.len());
            }
            (error.reference, None)
        }
    };
    assert!(reference.is_none_or(|reference| reference.len() <= REFERENCE_BYTES));
    match action {
        Some(Action::Subscribe(asked)) => {
            for (name, _) in decode::members(bytes).unwrap_or_default() {
                assert!(
                    MEMBERS.contains(&&*name),
                    "{name:?} is no member of subscribe"
                );
            }
            assert_eq!(query::subscription(&spell_subscription(&asked)), Ok(asked));
        }
        Some(Action::Ping { t: Some(t) }) => {
            let again = read(format!(r#"{{"type":"ping","t":{t}}}"#).as_bytes());
            assert_eq!(
                again.map(|command| command.action),
                Ok(Action::Ping { t: Some(t) })
            );
        }
        _ => {}
    }
}

/// Bytes that are `name=value&…`, unescaped, mean the same as a command and as a query string, down to the refusal.
pub fn subscribe_is_the_query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pairs: Vec<(&str, &str)> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    // A JSON object has a key once, and these mean something else in a command.
    let apart = |name: &&str| matches!(*name, "type" | "ref" | "token" | "ticket");
    if names.iter().any(apart) || !names.is_sorted_by(|one, next| one < next) {
        return;
    }
    let command = read(as_command(&pairs).as_bytes());
    let spelled: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", spell(name), spell(value)))
        .collect();
    let expected = query::subscription(&spelled.join("&"));
    assert_eq!(
        command
            .map(|command| command.action)
            .map_err(|error| error.reason),
        expected
            .map(Action::Subscribe)
            .map_err(CommandReason::Subscription)
    );
}

fn as_command(pairs: &[(&str, &str)]) -> String {
    let mut json = r#"{"type":"subscribe""#.to_owned();
    for (name, value) in pairs {
        let value = match *name {
            "kinds" if value.len() % 2 == 0 => {
                let patterns: Vec<String> = value.split(',').map(quoted).collect();
                format!("[{}]", patterns.join(" ,"))
            }
            "cursor" if is_numeral(value) => (*value).to_owned(),
            _ => quoted(value),
        };
        write!(json, ",{}:{value}", quoted(name)).expect("a string takes what is written");
    }
    json + "}"
}

fn is_numeral(text: &str) -> bool {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits && (text == "0" || !text.starts_with('0'))
}

/// A JSON string with everything but letters and digits as escapes.
fn quoted(text: &str) -> String {
    let mut json = "\"".to_owned();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(plain) if plain.is_ascii_alphanumeric() => json.push(char::from(plain)),
            _ => write!(json, "\\u{unit:04x}").expect("a string takes what is written"),
        }
    }
    json + "\""
}
