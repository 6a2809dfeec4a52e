//! `todoki token`: make tokens, say what is in them and what they let their holders do, and check `auth.toml`.

mod granted;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::{Failure, note};
use crate::auth::{self, Admission, Auth, GrantText, JWT_BYTES, SigningKey};
use crate::{clock, config};
use granted::Granted;

/// How long a JWT counts when nobody says: an hour's work, and short enough to need no revocation.
const JWT_LIFE: &str = "1h";

/// The claims that `sign` sets, and what decides them.
const SET_CLAIMS: [(&str, &str); 7] = [
    ("iss", "--issuer"),
    ("aud", "--audience"),
    ("sub", "--subject"),
    ("iat", "the time of signing"),
    ("exp", "--expires (1h unless it is given)"),
    ("role", "--role"),
    ("grants", "--actions"),
];

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

const NEW: &str = "\
Examples:
  todoki token new --label ci --role agent --expires 90d --add auth.toml
  todoki token new --label ann --role viewer --project-id 018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f
  todoki token new --label board --actions read,replay --kinds 'task.*,agent.error'
  todoki token new --label worker-7 --actions emit --kinds 'agent.*' \\
    --agent-id 018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10
  todoki token new --label prometheus --actions admin

read is to see events as they come, replay is to see those that are stored; `todoki tail --cursor` and `todoki replay` \
need both. \
A token has a role or a grant of its own; several grants are a role in auth.toml. `todoki token inspect` says what a \
token allows.";

const KEYS: &str = "\
Whoever verifies it takes role and grants from the claims `role` and `grants`, unless its [[jwt]] names others: give \
those by --claims.

A pair of keys for EdDSA; the public half goes beside auth.toml, as keys = [\"ed.pub.pem\"]:
  openssl genpkey -algorithm ed25519 -out ed.pem
  openssl pkey -in ed.pem -pubout -out ed.pub.pem
Then:
  todoki token sign --key ed.pem --issuer https://id.example.org \\
    --audience todoki --subject me --role viewer
  todoki token sign --key ed.pem --issuer https://id.example.org \\
    --audience todoki --subject worker-7 --actions emit --kinds 'agent.*'";

const EXAMPLES: &str = "\
Examples:
  todoki token new --label ci --role agent             a token, and the lines for auth.toml
  todoki token new --label ci --role viewer --expires 90d --add auth.toml
  todoki token new --label board --actions read --kinds 'task.*'
  todoki token inspect --auth auth.toml < token        what it allows, or why it is refused
  todoki token sign --key private.pem --issuer https://id.example.org --audience todoki \\
    --subject me --actions read --kinds 'task.*'
  todoki token check auth.toml                         whether a server would take the file

A token is printed once and kept nowhere: auth.toml has its hash.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a static token: the token on standard output, and what belongs into auth.toml
    New(New),
    /// Say what a token is, and with --auth what it lets its holder do
    Inspect(Inspect),
    /// Sign a JWT with a private key, or with the secret of HS256
    Sign(Sign),
    /// Check an auth.toml, with the files that it names
    Check {
        /// The file
        #[arg(value_name = "FILE", env = "TODOKI_AUTH")]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
#[command(after_help = NEW, group(ArgGroup::new("allowed").args(["role", "actions"]).required(true)))]
struct New {
    /// What people call its holder: 1 to 64 letters, digits, dots, dashes, underscores
    #[arg(long, value_name = "NAME")]
    label: String,

    /// What its holder may do: viewer, agent, operator, admin, or a role of the file; with --project-id in that project alone
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,

    /// Only for this long, such as 90d or 12h
    #[arg(long, value_name = "AGE", value_parser = config::duration)]
    expires: Option<Duration>,

    /// Put it into this file, which is made when missing
    #[arg(long, value_name = "FILE")]
    add: Option<PathBuf>,

    #[command(flatten)]
    granted: Granted,
}

#[derive(Args, Debug)]
struct Inspect {
    /// The token; without it, it is read from standard input, where other users of the machine do not see it
    #[arg(value_name = "TOKEN")]
    token: Option<String>,

    /// Judge it by this file, as a server would
    #[arg(long, env = "TODOKI_AUTH", value_name = "FILE")]
    auth: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = KEYS)]
struct Sign {
    /// Private key in PEM (PKCS #8), which decides the algorithm; or the secret of HS256
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The key's name, when its issuer has several
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,

    /// Who says it: `issuer` of the [[jwt]]
    #[arg(long, value_name = "ISSUER")]
    issuer: String,

    /// For whom: an `audience` of the [[jwt]]
    #[arg(long, value_name = "NAME")]
    audience: String,

    /// About whom
    #[arg(long, value_name = "NAME")]
    subject: String,

    /// The claim `role`
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,

    /// Until then
    #[arg(long, default_value = JWT_LIFE, value_name = "AGE", value_parser = config::duration)]
    expires: Duration,

    /// More claims, as a JSON object
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

pub(super) async fn run(token: Token) -> Result<(), Failure> {
    match token.command {
        Command::New(new) => make(&new),
        Command::Inspect(inspect) => look(inspect).await,
        Command::Sign(sign) => signed(&sign),
        Command::Check { file } => check(&file),
    }
}

fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

fn make(new: &New) -> Result<(), Failure> {
    let token =
        auth::generate().map_err(|error| Failure::usage(format!("no randomness: {error}")))?;
    let entry = entry(new, &auth::hash(&token))?;
    if let Some(path) = &new.add {
        add(path, &entry)?;
        note(&format!(
            "added to {}; a server takes it up within a second",
            path.display()
        ));
    } else {
        Auth::check_text(&entry, Path::new("auth.toml")).or_else(|error| {
            // A role of a file that is not named here may be meant.
            if error.is_about("role") {
                Ok(())
            } else {
                Err(Failure::usage(error))
            }
        })?;
        note(&format!("Put this into auth.toml:\n{entry}"));
    }
    note("This is the token. It is printed once and kept nowhere:");
    Ok(print(&token)?)
}

/// The lines of `auth.toml`.
fn entry(new: &New, hash: &str) -> Result<String, Failure> {
    let mut entry = format!(
        "\n[[tokens]]\nlabel = {:?}\nhash = {hash:?}\n{}",
        new.label,
        allowed(new)?
    );
    let into_memory = "writing into memory cannot fail";
    if let Some(life) = new.expires {
        let expires = after(life)?;
        writeln!(
            entry,
            "expires = {}",
            expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        .expect(into_memory);
    }
    Ok(entry)
}

/// The lines that say what it lets its holder do.
fn allowed(new: &New) -> Result<String, Failure> {
    let Some(role) = &new.role else {
        let grant = new.granted.grant()?;
        // One of the two is there.
        return Ok(grant.map_or(String::new(), |grant| format!("grants = [{grant}]\n")));
    };
    if let Some(flag) = new.granted.narrowing() {
        return Err(Failure::usage(format!(
            "{flag} narrows a grant, not a role: give --actions in place of --role, such as --actions read,replay, or \
             write a role into auth.toml"
        )));
    }
    match new.granted.project_id.as_slice() {
        [] => Ok(format!("role = {role:?}\n")),
        [project] => Ok(format!("role = {role:?}\nproject_id = \"{project}\"\n")),
        _ => Err(Failure::usage(
            "a role is narrowed to one --project-id; for several give --actions in its place, such as --actions read,replay",
        )),
    }
}

fn after(life: Duration) -> Result<Timestamp, Failure> {
    let time = clock::now().checked_add(life);
    time.map_err(|_| Failure::usage("--expires is beyond the calendar"))
}

/// Appends to a file by replacing it whole, if the outcome is one that a server takes.
fn add(path: &Path, entry: &str) -> Result<(), Failure> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(path, &error)),
    };
    let after = match before.as_str() {
        "" => entry.trim_start().to_owned(),
        before => format!("{}\n{entry}", before.trim_end()),
    };
    Auth::check_text(&after, path).map_err(Failure::usage)?;
    // What a link points to is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&target, &after).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure {
        exit: 1,
        message: format!("{}: {error}", path.display()),
    }
}

/// Whoever reads the file meanwhile, or after a power cut, finds the old one or the new one.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = (|| {
        let mut file = options.open(&new)?;
        file.write_all(content.as_bytes())?;
        if let Ok(metadata) = fs::metadata(path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if written.is_err() {
        // There may be nothing to remove.
        fs::remove_file(&new).ok();
    }
    written
}

async fn look(inspect: Inspect) -> Result<(), Failure> {
    let token = match inspect.token {
        Some(token) => token,
        None => read_token()?,
    };
    let token = token.trim();
    if token.is_empty() {
        return Err(Failure::usage("there is no token to look at"));
    }
    print(&stated(token))?;
    let Some(path) = inspect.auth else {
        return Ok(());
    };
    let auth = Auth::open(&path, None).map_err(Failure::usage)?;
    match auth.judge(token).await {
        Ok(admission) => {
            print(&described(&admission))?;
            for role in auth.unknown_roles(&admission) {
                print(&format!(
                    "  no role is called {} in {}, so it gives nothing",
                    role.escape_debug(),
                    path.display()
                ))?;
            }
            Ok(())
        }
        Err(fault) => Err(Failure {
            exit: 1,
            message: format!("{} lets nobody in with it: {fault}", path.display()),
        }),
    }
}

fn read_token() -> io::Result<String> {
    let mut token = String::new();
    // One that is longer is refused for that.
    let most = 4 * JWT_BYTES as u64;
    io::stdin().lock().take(most).read_to_string(&mut token)?;
    Ok(token)
}

/// What a token says of itself.
fn stated(token: &str) -> String {
    let Ok((header, claims)) = auth::stated(token) else {
        return format!(
            "a static token of {} characters; auth.toml would know it by\n  hash = \"{}\"",
            token.chars().count(),
            auth::hash(token)
        );
    };
    let mut text = format!(
        "a JWT; nothing of it is verified yet\n  header  {}\n  claims  {}",
        header.encode(),
        claims.encode()
    );
    let time = |name: &str| {
        let time = Timestamp::from_second(claims.get_i64(name)?).ok()?;
        let is_past = if time <= clock::now() {
            "past"
        } else {
            "to come"
        };
        Some(format!("\n  {name:<7} {time}, {is_past}"))
    };
    text.extend(["iat", "nbf", "exp"].into_iter().filter_map(time));
    text
}

/// Who came in, and what they may do.
fn described(admission: &Admission) -> String {
    let mut lines = vec![format!("lets in {}", admission.principal.name())];
    if let Some(expires) = admission.expires {
        lines.push(format!("  until   {expires}"));
    }
    let allowed = admission.principal.allowed();
    if allowed.is_empty() {
        lines.push("  may do nothing: neither role nor grants give it anything".into());
    }
    lines.extend(allowed.into_iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn signed(sign: &Sign) -> Result<(), Failure> {
    let content = fs::read(&sign.key).map_err(|error| failed(&sign.key, &error))?;
    let key = SigningKey::read(&content)
        .map_err(|error| Failure::usage(format!("{} {error}", sign.key.display())))?;
    let claims = claims(sign)?;
    let mut header = OwnedValue::object();
    insert(&mut header, "alg", key.algorithm());
    insert(&mut header, "typ", "JWT");
    if let Some(kid) = &sign.kid {
        insert(&mut header, "kid", kid.as_str());
    }
    if key.algorithm() == "HS256" {
        note(&format!(
            "{} is no PEM, so it was taken as the secret of HS256",
            sign.key.display()
        ));
    }
    let token = key
        .sign(&header.encode(), &claims.encode())
        .map_err(Failure::usage)?;
    Ok(print(&token)?)
}

fn claims(sign: &Sign) -> Result<OwnedValue, Failure> {
    let given = sign.claims.as_deref().unwrap_or("{}");
    let mut claims = simd_json::to_owned_value(&mut given.as_bytes().to_vec())
        .ok()
        .filter(OwnedValue::is_object)
        .ok_or_else(|| Failure::usage("--claims is not a JSON object"))?;
    let grant = sign.granted.grant()?;
    refuse_twice(&claims, sign, grant.as_ref())?;
    insert(&mut claims, "iss", sign.issuer.as_str());
    insert(&mut claims, "aud", sign.audience.as_str());
    insert(&mut claims, "sub", sign.subject.as_str());
    insert(&mut claims, "iat", clock::now().as_second());
    insert(&mut claims, "exp", after(sign.expires)?.as_second());
    if let Some(role) = &sign.role {
        insert(&mut claims, "role", role.as_str());
    }
    if let Some(grant) = grant {
        insert(
            &mut claims,
            "grants",
            simd_json::serde::to_owned_value([grant])?,
        );
    }
    Ok(claims)
}

/// One of two values would be dropped, and its writer would not know which.
fn refuse_twice(
    claims: &OwnedValue,
    sign: &Sign,
    grant: Option<&GrantText>,
) -> Result<(), Failure> {
    let is_set = |claim: &str| match claim {
        "role" => sign.role.is_some(),
        "grants" => grant.is_some(),
        _ => true,
    };
    let twice = |(claim, _): &&(&str, &str)| claims.contains_key(*claim) && is_set(claim);
    match SET_CLAIMS.iter().find(twice) {
        None => Ok(()),
        Some((claim, by)) => Err(Failure::usage(format!(
            "--claims has {claim:?}, which {by} sets; take one of them out"
        ))),
    }
}

fn insert(object: &mut OwnedValue, key: &'static str, value: impl Into<OwnedValue>) {
    // It is an object: each caller has seen to that.
    object.insert(key, value.into()).ok();
}

fn check(file: &Path) -> Result<(), Failure> {
    let auth = Auth::open(file, None).map_err(|error| Failure {
        exit: 1,
        message: error.to_string(),
    })?;
    Ok(print(&format!(
        "{} is right: {}",
        file.display(),
        auth.summary()
    ))?)
}
