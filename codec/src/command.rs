//! What a client says on a WebSocket, one JSON object per text message.
//!
//! Strict: an unknown type, an unknown member or a value of the wrong type is refused, and the refusal carries the
//! command's `ref` so that the client knows which one it was. The stream goes on.

use std::borrow::Cow;
use std::fmt;

use simd_json::{Node, StaticNode};

use crate::json::{Fault, Member, Reader};
use crate::limits::{INBOUND_MESSAGE_BYTES, REFERENCE_BYTES, TOKEN_BYTES};
use crate::query::{self, QueryError, Subscription, SubscriptionFields};

/// A command, with the `ref` that its answer repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Chosen by the client.
    pub reference: Option<String>,
    /// What to do.
    pub action: Action,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// `ping`: answer with `pong`, and with the same `t`.
    Ping {
        /// The client's own number, such as its clock.
        t: Option<i64>,
    },
    /// `pong`: the answer to our `ping`; a sign of life and nothing more.
    Pong,
    /// `subscribe`: replace filter and position.
    Subscribe(Subscription),
    /// `auth`: go on with another token of the same principal.
    Auth(Token),
}

/// A token, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// For whoever has to tell a right one from a wrong one.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Token {
    fn from(secret: &str) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// The command's `ref`, when it could be read.
    pub reference: Option<String>,
    /// What is wrong.
    pub reason: CommandReason,
}

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandReason {
    /// Not acceptable JSON.
    Json(Fault),
    /// Not an object with a `type`.
    NotACommand,
    /// A type that no command has.
    UnknownType(Box<str>),
    /// A member that this command does not have.
    UnknownMember(Box<str>),
    /// A member of the wrong JSON type.
    Type {
        /// Which member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A subscription that a query string could not ask for either.
    Subscription(QueryError),
}

impl CommandReason {
    /// The stable code that a client may branch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "invalid_json",
            Self::UnknownType(_) => "unknown_command",
            _ => "invalid_command",
        }
    }
}

impl fmt::Display for CommandReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(fault) => fault.fmt(f),
            Self::NotACommand => {
                f.write_str("expected a command, which is a JSON object with a type")
            }
            Self::UnknownType(name) => {
                write!(
                    f,
                    "unknown command {name:?}; the commands are auth, ping, pong, subscribe"
                )
            }
            Self::UnknownMember(name) => write!(f, "unknown member {name:?}"),
            Self::Type { member, expected } => write!(f, "{member} must be {expected}"),
            Self::Subscription(error) => error.fmt(f),
        }
    }
}

/// Reads one text message of a client.
pub fn read(text: &[u8]) -> Result<Command, CommandError> {
    debug_assert!(
        text.len() <= INBOUND_MESSAGE_BYTES,
        "the frame decoder has this limit"
    );
    let refuse = |reason| CommandError {
        reference: None,
        reason,
    };
    let mut reader = Reader::default();
    let members = reader
        .object(text)
        .map_err(|fault| refuse(CommandReason::Json(fault)))?
        .ok_or_else(|| refuse(CommandReason::NotACommand))?;
    let reference = find(&members, "ref")
        .map(reference)
        .transpose()
        .map_err(refuse)?;
    match action(text, &members) {
        Ok(action) => Ok(Command { reference, action }),
        Err(reason) => Err(CommandError { reference, reason }),
    }
}

fn find<'a, 'm>(members: &'m [Member<'a>], key: &str) -> Option<&'m Member<'a>> {
    members.iter().find(|member| member.key == key)
}

fn reference(member: &Member<'_>) -> Result<String, CommandReason> {
    match member.value {
        Node::String(text) if text.len() <= REFERENCE_BYTES => Ok(text.to_owned()),
        _ => Err(CommandReason::Type {
            member: "ref",
            expected: "a string of at most 64 bytes",
        }),
    }
}

fn action(text: &[u8], members: &[Member<'_>]) -> Result<Action, CommandReason> {
    let Some(Node::String(name)) = find(members, "type").map(|member| member.value) else {
        return Err(CommandReason::NotACommand);
    };
    let own = members
        .iter()
        .filter(|member| !matches!(member.key, "type" | "ref"));
    match name {
        "ping" => ping(text, own),
        "pong" => nothing(own).map(|()| Action::Pong),
        "subscribe" => subscribe(text, own),
        "auth" => auth(own),
        _ => Err(CommandReason::UnknownType(name.into())),
    }
}

fn nothing<'a, 'm: 'a>(
    mut members: impl Iterator<Item = &'a Member<'m>>,
) -> Result<(), CommandReason> {
    members.next().map_or(Ok(()), |member| {
        Err(CommandReason::UnknownMember(member.key.into()))
    })
}

fn ping<'a, 'm: 'a>(
    text: &[u8],
    members: impl Iterator<Item = &'a Member<'m>>,
) -> Result<Action, CommandReason> {
    let mut t = None;
    for member in members {
        match member.key {
            "t" => {
                t = Some(integer(text, member).ok_or(CommandReason::Type {
                    member: "t",
                    expected: "a whole number of 64 bits",
                })?);
            }
            unknown => return Err(CommandReason::UnknownMember(unknown.into())),
        }
    }
    Ok(Action::Ping { t })
}

fn auth<'a, 'm: 'a>(
    members: impl Iterator<Item = &'a Member<'m>>,
) -> Result<Action, CommandReason> {
    let refusal = CommandReason::Type {
        member: "token",
        expected: "a string of 1 to 8192 bytes",
    };
    let mut token = None;
    for member in members {
        match (member.key, member.value) {
            ("token", Node::String(text)) if (1..=TOKEN_BYTES).contains(&text.len()) => {
                token = Some(Token::from(text));
            }
            ("token", _) => return Err(refusal),
            (unknown, _) => return Err(CommandReason::UnknownMember(unknown.into())),
        }
    }
    token.map(Action::Auth).ok_or(refusal)
}

/// From the text, since a large number's node does not carry its value.
fn integer(text: &[u8], member: &Member<'_>) -> Option<i64> {
    std::str::from_utf8(&text[member.span.clone()])
        .ok()?
        .parse()
        .ok()
}

/// The members are the parameters of the query string, and `kinds` may be an array.
fn subscribe<'a, 'm: 'a>(
    text: &[u8],
    members: impl Iterator<Item = &'a Member<'m>>,
) -> Result<Action, CommandReason> {
    let mut fields = SubscriptionFields::default();
    for member in members {
        let raw = &text[member.span.clone()];
        let value = match (member.key, member.value) {
            // They came with the upgrade, or not at all.
            (name @ ("token" | "ticket"), _) => {
                return Err(CommandReason::UnknownMember(name.into()));
            }
            (name, Node::Static(StaticNode::Null)) if SubscriptionFields::has(name) => continue,
            ("kinds", Node::Array { .. }) => kinds(raw)?.into(),
            (_, Node::String(value)) => Cow::from(value),
            ("kinds", _) => return Err(NOT_KINDS),
            // Numbers, and whatever the parameter's own grammar will refuse.
            _ => String::from_utf8_lossy(raw),
        };
        fields
            .take(member.key, &value)
            .map_err(CommandReason::Subscription)?;
    }
    Ok(Action::Subscribe(fields.finish()))
}

const NOT_KINDS: CommandReason = CommandReason::Type {
    member: "kinds",
    expected: "an array of patterns, or a string of them joined by commas",
};

fn kinds(array: &[u8]) -> Result<String, CommandReason> {
    let patterns: Result<Vec<String>, _> = simd_json::serde::from_slice(&mut array.to_vec());
    match patterns {
        Ok(patterns) => {
            query::check_count(patterns.len()).map_err(CommandReason::Subscription)?;
            // Each for itself: once they are joined, a comma inside of one would make two of it.
            for text in &patterns {
                query::pattern(text).map_err(CommandReason::Subscription)?;
            }
            Ok(patterns.join(","))
        }
        Err(_) => Err(NOT_KINDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Start;
    use crate::{Cursor, query};

    fn refusal(text: &str) -> (Option<String>, String) {
        let error = read(text.as_bytes()).unwrap_err();
        (error.reference, error.reason.to_string())
    }

    #[test]
    fn a_subscription_by_command_is_the_one_by_query() {
        let command = read(
            br#"{"type":"subscribe","kinds":["task.*","agent.output"],"cursor":7,"ref":"r1"}"#,
        )
        .unwrap();
        let by_query = query::subscription("kinds=task.*,agent.output&cursor=7").unwrap();
        assert_eq!(command.action, Action::Subscribe(by_query));
        assert_eq!(command.reference.as_deref(), Some("r1"));
        let earliest = read(br#"{"type":"subscribe","cursor":"earliest","task_id":null}"#).unwrap();
        assert!(
            matches!(earliest.action, Action::Subscribe(s) if s.start == Some(Start::Earliest))
        );
        let zero = read(br#"{"type":"subscribe","cursor":0}"#).unwrap();
        assert!(
            matches!(zero.action, Action::Subscribe(s) if s.start == Some(Start::After(Cursor::ORIGIN)))
        );
    }

    #[test]
    fn a_token_is_read_and_never_shown() {
        let command = read(br#"{"type":"auth","token":"s3cret","ref":"a1"}"#).unwrap();
        assert_eq!(command.action, Action::Auth(Token::from("s3cret")));
        let shown = format!("{command:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let expected = "token must be a string of 1 to 8192 bytes";
        let long = format!(
            r#"{{"type":"auth","token":"{}"}}"#,
            "x".repeat(TOKEN_BYTES + 1)
        );
        for text in [
            r#"{"type":"auth"}"#,
            r#"{"type":"auth","token":""}"#,
            r#"{"type":"auth","token":7}"#,
            &long,
        ] {
            assert_eq!(refusal(text).1, expected);
        }
    }

    #[test]
    fn a_ping_keeps_its_number() {
        let t = |text: &str| read(text.as_bytes()).map(|command| command.action);
        assert_eq!(t(r#"{"type":"ping"}"#).unwrap(), Action::Ping { t: None });
        assert_eq!(
            t(r#"{"type":"ping","t":-9223372036854775808}"#).unwrap(),
            Action::Ping { t: Some(i64::MIN) }
        );
        assert!(t(r#"{"type":"ping","t":9223372036854775808}"#).is_err());
        assert_eq!(t(r#"{"type":"pong"}"#).unwrap(), Action::Pong);
    }

    #[test]
    fn a_refusal_says_which_command_and_why() {
        let commands = "the commands are auth, ping, pong, subscribe";
        let kinds = "kinds must be an array of patterns, or a string of them joined by commas";
        let object = "expected a command, which is a JSON object with a type";
        for (text, reference, reason) in [
            (
                r#"{"type":"dance","ref":"9"}"#,
                Some("9"),
                format!("unknown command \"dance\"; {commands}"),
            ),
            (
                r#"{"type":"subscribe","kind":"a","ref":"9"}"#,
                Some("9"),
                "unknown parameter \"kind\"".into(),
            ),
            (
                r#"{"type":"subscribe","ticket":"a"}"#,
                None,
                "unknown member \"ticket\"".into(),
            ),
            (
                r#"{"type":"subscribe","token":"a"}"#,
                None,
                "unknown member \"token\"".into(),
            ),
            (
                r#"{"type":"ping","t":"x"}"#,
                None,
                "t must be a whole number of 64 bits".into(),
            ),
            (
                r#"{"type":"pong","x":1}"#,
                None,
                "unknown member \"x\"".into(),
            ),
            (
                r#"{"type":"pong","ref":1}"#,
                None,
                "ref must be a string of at most 64 bytes".into(),
            ),
            (
                r#"{"type":"subscribe","kind":null}"#,
                None,
                "unknown parameter \"kind\"".into(),
            ),
            (r#"{"type":"subscribe","kinds":true}"#, None, kinds.into()),
            (r#"{"type":"subscribe","kinds":5}"#, None, kinds.into()),
            (
                r#"{"type":"subscribe","kinds":["a,b"]}"#,
                None,
                "kinds: \"a,b\" has ',' at byte 1; segments are made of A-Z a-z 0-9 _ - and joined by dots".into(),
            ),
            (r#"{"ref":"9"}"#, Some("9"), object.into()),
            ("[1]", None, object.into()),
            ("nonsense", None, "unexpected byte at byte 1".into()),
        ] {
            assert_eq!(
                refusal(text),
                (reference.map(str::to_owned), reason),
                "{text}"
            );
        }
    }
}
