//! `auth.toml`: reads the file, and refuses what is not right in it by file, line and key.
//!
//! Nothing of a refused value is repeated that could be a secret which was put in the wrong place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use todoki_codec::limits::GRANTS;
use toml::Spanned;

use super::grants::{GrantText, id, within_projects};
use super::policy::{Policy, Revoked, StaticToken};
use super::principal::{Action, Grant, Principal};
use super::sources::Sources;
use super::verifiers::verifiers;

/// Static tokens: each is compared with whatever is offered. Who has more people than this signs JWTs.
const TOKENS: usize = 1024;

/// Roles: more than anyone can tell apart.
const ROLES: usize = 64;

/// Entries in one list of what is revoked: those that are over by themselves can be taken out again.
const REVOKED: usize = 10_000;

/// Longest label of a token, and longest name of a role.
const NAME_BYTES: usize = 64;

/// What stands before a digest, so that another kind of digest can be told from it one day.
const HASH_PREFIX: &str = "sha256:";

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    path: PathBuf,
    line: Option<usize>,
    message: String,
}

impl FileError {
    pub(super) fn new(path: &Path, message: impl fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            message: message.to_string(),
        }
    }
}

impl FileError {
    /// Whether it is this key of a token that is not right.
    pub fn is_about(&self, key: &str) -> bool {
        self.message.starts_with(&format!("tokens[0].{key} "))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for FileError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    roles: BTreeMap<String, Spanned<RoleText>>,
    #[serde(default)]
    tokens: Vec<Spanned<TokenText>>,
    #[serde(default)]
    jwt: Vec<Spanned<VerifierText>>,
    #[serde(default)]
    revoked: Option<Spanned<RevokedText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleText {
    grants: Vec<Spanned<GrantText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenText {
    label: String,
    hash: String,
    role: Option<String>,
    grants: Option<Vec<Spanned<GrantText>>>,
    project_id: Option<String>,
    expires: Option<toml::value::Datetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifierText {
    pub(super) issuer: String,
    pub(super) audience: OneOrMany,
    pub(super) algorithms: Vec<String>,
    pub(super) keys: Option<Vec<KeyText>>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) secret_env: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) role_claim: Option<String>,
    pub(super) grants_claim: Option<String>,
    pub(super) project_claim: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A file of keys, with or without the name that tokens call its key by.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected the name of a file, or { file = \"…\", kid = \"…\" }"
)]
pub(super) enum KeyText {
    File(PathBuf),
    Named { file: PathBuf, kid: String },
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RevokedText {
    labels: BTreeSet<String>,
    subjects: BTreeSet<String>,
    jti: BTreeSet<String>,
}

/// What is wrong, and at which byte of the file.
pub(super) type Fault = (Option<usize>, String);

/// The policy that a file asks for, with what it reads besides.
pub(super) fn parse(sources: &mut Sources, content: &[u8]) -> Result<Policy, FileError> {
    let path = sources.path().to_owned();
    let text = std::str::from_utf8(content).map_err(|error| {
        FileError::new(
            &path,
            format!("is not UTF-8 text at byte {}", error.valid_up_to()),
        )
    })?;
    let line = |at| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    policy(sources, text).map_err(|(at, message)| FileError {
        line: at.map(line),
        ..FileError::new(&path, message)
    })
}

fn policy(sources: &mut Sources, text: &str) -> Result<Policy, Fault> {
    let file: File = toml::from_str(text)
        .map_err(|error| (error.span().map(|span| span.start), error.message().into()))?;
    let roles = roles(&file.roles)?;
    let tokens = tokens(&file.tokens, &roles)?;
    let verifiers = verifiers(sources, &file.jwt)?;
    let revoked = file.revoked.map_or(Ok(Revoked::default()), revoked)?;
    Ok(Policy::new(roles, tokens, verifiers, revoked))
}

/// The roles that are there without a file. A file may define them otherwise.
pub(super) fn built_in_roles() -> BTreeMap<String, Vec<Grant>> {
    let all = |actions: &[Action]| Grant {
        actions: actions.to_vec(),
        scope: todoki_codec::Scope::new(Vec::new(), todoki_codec::Within::default()),
    };
    let (read, replay, emit) = (Action::Read, Action::Replay, Action::Emit);
    let everything = [all(&[read, replay, emit]), all(&[Action::Admin])];
    [
        ("viewer", vec![all(&[read, replay])]),
        ("agent", vec![all(&[read, replay, emit])]),
        ("operator", everything.to_vec()),
        ("admin", everything.to_vec()),
    ]
    .into_iter()
    .map(|(name, grants)| (name.to_owned(), grants))
    .collect()
}

fn roles(
    texts: &BTreeMap<String, Spanned<RoleText>>,
) -> Result<BTreeMap<String, Vec<Grant>>, Fault> {
    let mut roles = built_in_roles();
    for (name, role) in texts {
        let key = format!("roles.{name}");
        let at = Some(role.span().start);
        name_fault(&key, name).map_or(Ok(()), |fault| Err((at, fault)))?;
        let grants = grants(&format!("{key}.grants"), &role.get_ref().grants)?;
        Principal::new(name, &grants).map_err(|error| (at, format!("{key}.grants: {error}")))?;
        roles.insert(name.clone(), grants);
    }
    if roles.len() > ROLES {
        return Err((None, format!("roles: at most {ROLES} are taken")));
    }
    Ok(roles)
}

fn grants(key: &str, texts: &[Spanned<GrantText>]) -> Result<Vec<Grant>, Fault> {
    let at = texts.first().map(|text| text.span().start);
    if texts.len() > GRANTS {
        let count = texts.len();
        return Err((at, format!("{key} has {count}; at most {GRANTS} are taken")));
    }
    let grant = |(index, text): (usize, &Spanned<GrantText>)| {
        let grant = text.get_ref().grant();
        grant.map_err(|fault| {
            let at = Some(text.span().start);
            (at, format!("{key}[{index}].{fault}"))
        })
    };
    texts.iter().enumerate().map(grant).collect()
}

fn tokens(
    texts: &[Spanned<TokenText>],
    roles: &BTreeMap<String, Vec<Grant>>,
) -> Result<Vec<StaticToken>, Fault> {
    if texts.len() > TOKENS {
        let count = texts.len();
        return Err((
            None,
            format!(
                "tokens: {count} are too many; at most {TOKENS} are taken, so sign JWTs instead"
            ),
        ));
    }
    let mut tokens: Vec<StaticToken> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let key = format!("tokens[{index}]");
        let at = text.span().start;
        let token = token(&key, at, text.get_ref(), roles)?;
        if let Some(twin) = tokens.iter().find(|other| other.digest == token.digest) {
            return Err((
                Some(at),
                format!(
                    "{key}.hash is that of {:?} too; one token is one entry",
                    twin.label
                ),
            ));
        }
        let is_of_another = |other: &Spanned<TokenText>| {
            let (own, other) = (text.get_ref(), other.get_ref());
            other.label == own.label && other.project_id != own.project_id
        };
        if texts[..index].iter().any(is_of_another) {
            return Err((
                Some(at),
                format!(
                    "{key}.label is that of a token of another project; tokens of one label are one principal, with the \
                     same ids and limits, so give this one another label"
                ),
            ));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn token(
    key: &str,
    at: usize,
    text: &TokenText,
    roles: &BTreeMap<String, Vec<Grant>>,
) -> Result<StaticToken, Fault> {
    let here = |fault: String| (Some(at), fault);
    name_fault(&format!("{key}.label"), &text.label).map_or(Ok(()), |fault| Err(here(fault)))?;
    let grants = match (&text.role, &text.grants) {
        (Some(role), None) => role_grants(&format!("{key}.role"), role, roles).map_err(here)?,
        (None, Some(texts)) => grants(&format!("{key}.grants"), texts)?,
        _ => {
            return Err(here(format!(
                "{key} needs either `role` or `grants`, to say what it lets its holder do"
            )));
        }
    };
    let grants = match &text.project_id {
        Some(project) => {
            let project = id(&format!("{key}.project_id"), project).map_err(here)?;
            within_projects(&grants, &[project])
        }
        None => grants,
    };
    Ok(StaticToken {
        digest: digest(&text.hash).ok_or_else(|| {
            here(format!(
                "{key}.hash must be \"sha256:\" and 64 hexadecimal digits, as `todoki token new` prints it; never the \
                 token itself"
            ))
        })?,
        principal: Principal::new(&format!("token:{}", text.label), &grants)
            .map_err(|error| here(format!("{key}: {error}")))?
            .into(),
        label: text.label.clone(),
        expires: expires(&format!("{key}.expires"), text.expires.as_ref()).map_err(here)?,
    })
}

fn role_grants(
    key: &str,
    role: &str,
    roles: &BTreeMap<String, Vec<Grant>>,
) -> Result<Vec<Grant>, String> {
    roles.get(role).cloned().ok_or_else(|| {
        let names: Vec<_> = roles.keys().map(String::as_str).collect();
        format!(
            "{key} is {role:?}, and no role is called that; there are {}",
            names.join(", ")
        )
    })
}

fn expires(key: &str, time: Option<&toml::value::Datetime>) -> Result<Option<Timestamp>, String> {
    let Some(time) = time else { return Ok(None) };
    let parsed = time.to_string().parse().map(Some);
    parsed.map_err(|_| {
        format!("{key} is {time}, which is no point in time; write it with its offset, such as 2027-01-31T00:00:00Z")
    })
}

fn revoked(text: Spanned<RevokedText>) -> Result<Revoked, Fault> {
    let at = Some(text.span().start);
    let text = text.into_inner();
    for (key, list) in [
        ("labels", &text.labels),
        ("subjects", &text.subjects),
        ("jti", &text.jti),
    ] {
        if list.len() > REVOKED {
            let count = list.len();
            return Err((
                at,
                format!("revoked.{key} has {count} entries; at most {REVOKED} are taken"),
            ));
        }
    }
    Ok(Revoked {
        labels: text.labels,
        subjects: text.subjects,
        ids: text.jti,
    })
}

/// What is wrong with a name that goes into log lines and metrics of others.
fn name_fault(key: &str, name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain);
    (!is_name).then(|| {
        format!("{key} must be 1 to {NAME_BYTES} letters, digits, dots, dashes or underscores")
    })
}

/// The digest of a token, as a file keeps it.
pub fn hash(token: &str) -> String {
    let digits = Sha256::digest(token)
        .iter()
        .flat_map(|byte| {
            [byte >> 4, byte & 15]
                .map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default())
        })
        .collect::<String>();
    format!("{HASH_PREFIX}{digits}")
}

fn digest(hash: &str) -> Option<[u8; 32]> {
    let digits = hash.strip_prefix(HASH_PREFIX)?.as_bytes();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Policy, FileError> {
        parse(&mut Sources::new(Path::new("auth.toml")), content)
    }

    fn fault(text: &str) -> String {
        read(text.as_bytes()).map(|_| ()).unwrap_err().to_string()
    }

    fn entry(lines: &str) -> String {
        format!(
            "\n[[tokens]]\nlabel = \"ci\"\nhash = \"{}\"\n{lines}",
            hash("secret")
        )
    }

    #[test]
    fn a_file_that_is_not_right_is_refused_by_line_and_key() {
        let zone = "expires = 2027-01-31T00:00:00";
        for (text, said) in [
            (
                "[role.x]".to_owned(),
                "auth.toml line 1: unknown field `role`",
            ),
            (
                "\n[[tokens]]\nname = \"x\"".into(),
                "auth.toml line 3: unknown field `name`, expected one of `label`",
            ),
            (
                "[[tokens]]\nlabel = \"x\"".into(),
                "line 1: missing field `hash`",
            ),
            (
                "[[tokens]]\nlabel = \"x\"\nhash = \"x\"\nrole = \"viewer\"".into(),
                "line 1: tokens[0].hash must be",
            ),
            (
                entry(""),
                "line 2: tokens[0] needs either `role` or `grants`",
            ),
            (entry("role = \"viewer\"\ngrants = []"), "needs either"),
            (
                entry("role = \"root\""),
                "tokens[0].role is \"root\", and no role is called that; there are admin, agent, operator, viewer",
            ),
            (
                entry("role = \"agent\"\nproject_id = \"x\""),
                "tokens[0].project_id is \"x\"",
            ),
            (
                entry(&format!("role = \"agent\"\n{zone}")),
                "write it with its offset",
            ),
            (entry("role = \"agent\"\nexpires = \"soon\""), "line 6: "),
            (
                entry("grants = [\n{ actions = [\"read\"] },\n{ actions = [\"reed\"] }]"),
                "line 7: tokens[0].grants[1].actions has \"reed\"",
            ),
            (
                format!("{0}{0}", entry("role = \"agent\"\n")),
                "tokens[1].hash is that of \"ci\" too",
            ),
            (
                "[roles.\"a b\"]\ngrants = []".into(),
                "roles.a b must be 1 to 64",
            ),
            (
                "[revoked]\nlabel = []".into(),
                "line 2: unknown field `label`",
            ),
            ("label = ".into(), "line 1: "),
        ] {
            let error = fault(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = read(b"a = \"\xff\"").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "auth.toml: is not UTF-8 text at byte 5");
    }

    /// Grants of which each is of a kind of its own, to read by one list of ids and to replay by another.
    fn odd_grants(count: u128) -> String {
        let lists = ["agent_id", "session_id", "task_id", "project_id"];
        let grant = |(action, place): (&str, u128), number: u128| {
            let ids = (0..16_u128).filter(|id| number.wrapping_mul(0x9e37_79b9) >> id & 1 == 0);
            let ids: Vec<_> = ids
                .map(|id| uuid::Uuid::from_u128(id).to_string())
                .collect();
            let list = lists[usize::try_from((place + number % 2) % 4).unwrap()];
            format!(
                "{{ actions = [\"{action}\"], kinds = [\"k{number}.*\", \"k.*\"], where = {{ {list} = {ids:?} }} }}"
            )
        };
        let both = |number| [("read", 0), ("replay", 2)].map(|action| grant(action, number));
        let grants: Vec<_> = (1..=count / 2).flat_map(both).collect();
        format!("grants = [{}]", grants.join(", "))
    }

    #[test]
    fn grants_of_which_nobody_can_tell_what_they_allow_together_are_refused() {
        let said = "the grants name agents, sessions, tasks and projects in too many combinations";
        let odd = odd_grants(32);
        let error = fault(&entry(&odd));
        assert!(
            error.contains(&format!("line 2: tokens[0]: {said}")),
            "{error}"
        );
        let error = fault(&format!("\n[roles.odd]\n{odd}"));
        assert!(
            error.contains(&format!("line 2: roles.odd.grants: {said}")),
            "{error}"
        );
        assert!(read(entry(&odd_grants(8)).as_bytes()).is_ok());
    }

    #[test]
    fn a_token_in_place_of_its_hash_is_not_repeated() {
        let text = "[[tokens]]\nlabel = \"x\"\nhash = \"my-secret\"\nrole = \"viewer\"";
        assert!(!fault(text).contains("my-secret"));
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let written = hash("secret");
        assert_eq!(digest(&written), Some(Sha256::digest("secret").into()));
        assert_eq!(
            digest(&written.to_uppercase().replace("SHA", "sha")),
            digest(&written)
        );
        for bad in [
            "",
            "sha256:",
            "sha512:00",
            &written.replace("sha256:", ""),
            &format!("{written}0"),
            &written.replace(|c: char| c.is_ascii_digit(), "g"),
        ] {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_may_define_a_built_in_role_otherwise() {
        let text = format!(
            "[roles.agent]\ngrants = [{{ actions = [\"emit\"] }}]\n{}",
            entry("role = \"agent\"")
        );
        let policy = read(text.as_bytes()).unwrap();
        let principal = &policy.tokens[0].principal;
        assert!(principal.check_emits().is_ok());
        assert!(principal.live(&todoki_codec::Filter::default()).is_err());
    }

    #[test]
    fn the_example_of_the_document_is_right() {
        let document = include_str!("../../../docs/OPERATIONS.md");
        let example = document.split("```toml\n").nth(1).unwrap();
        let example = example.split("```").next().unwrap();
        let policy = read(example.as_bytes()).unwrap();
        assert_eq!(
            policy.summary(),
            "5 roles, 2 tokens, 1 issuers of JWTs, 3 revocations"
        );
        for bound in [
            "32 grants",
            "64 patterns",
            "256 ids",
            "64 roles",
            "1024 tokens",
        ] {
            assert!(document.contains(bound), "{bound}");
        }
        assert_eq!((GRANTS, ROLES, TOKENS), (32, 64, 1024));
    }
}
