//! `todoki doctor`: check what a server needs, and say what to do about what is missing.

mod exposure;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::StatusCode;
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};

use super::Failure;
use super::client::{ClientError, Remote};
use crate::auth::{Auth, Survey};
use crate::log::{Inspection, Sight};
use crate::tls::{Standing, Tls};
use crate::{clock, config};

/// Less free space than this is worth a warning: minutes of heavy traffic.
const FREE_BYTES: u64 = 1 << 30;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Doctor {
    #[command(flatten)]
    config: config::Serve,
}

const EXAMPLES: &str = "\
Takes the flags and variables of `todoki serve` and checks what they would meet, and what they leave open to \
others. Changes nothing. Notes are advice; what is BAD keeps a server from working, and the exit code is 1.

Examples:
  todoki doctor
  todoki doctor --data-dir /var/lib/todoki --listen 0.0.0.0:3000";

/// What a check found; the text of a problem says what to do.
enum Finding {
    Fine(String),
    Warning(String),
    Problem(String),
}

use Finding::{Fine, Problem, Warning};

pub(super) async fn run(doctor: Doctor) -> Result<(), Failure> {
    let config = &doctor.config;
    let (port, is_serving) = port(config).await;
    let inspection = crate::log::inspect(&config.data);
    let (admission, survey) = admission(config);
    let mut findings = vec![
        ("config", admission),
        ("port", port),
        ("tls", tls(config)),
        ("disk", disk(&config.data)),
        (
            "log",
            match config.database() {
                Some(url) => database(url, config.log_ca.as_deref()).await,
                None => log(&inspection, is_serving),
            },
        ),
        ("clock", clock(&inspection)),
        ("limits", limits(config)),
        ("origins", origins(config)),
    ];
    let notes = exposure::notes(config, survey.as_ref());
    findings.extend(notes.into_iter().map(|(name, text)| (name, Warning(text))));
    let mut problems = 0;
    for (name, finding) in findings {
        let (sign, text) = match &finding {
            Fine(text) => ("ok  ", text),
            Warning(text) => ("note", text),
            Problem(text) => ("BAD ", text),
        };
        problems += usize::from(matches!(finding, Problem(_)));
        print(&format!("{sign}  {name:<7} {text}"))?;
    }
    if problems == 0 {
        return Ok(());
    }
    Err(Failure {
        exit: 1,
        message: format!("{problems} of the checks found a problem"),
    })
}

fn print(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}")
}

async fn database(url: &str, ca: Option<&Path>) -> Finding {
    let Sight {
        place,
        head,
        caution,
    } = match crate::log::look(url, ca).await {
        Ok(sight) => sight,
        Err(error) => return Problem(error.to_string()),
    };
    let found = match head {
        None => format!("{place} has no log yet, which `todoki serve` makes there"),
        Some(0) => format!("{place} has a log without events"),
        Some(head) => format!("{place} has a log, up to event {head}"),
    };
    match caution {
        None => Fine(found),
        Some(caution) => Warning(format!("{found}; {caution}")),
    }
}

/// Who may come in, and what the file says of it, if there is one that is right.
fn admission(config: &config::Serve) -> (Finding, Option<Survey>) {
    let Some(path) = &config.auth else {
        return (token(config), None);
    };
    let auth = match Auth::open(path, None) {
        Ok(auth) => auth,
        Err(error) => return (Problem(error.to_string()), None),
    };
    let says = format!(
        "{} says who may come in: {}",
        path.display(),
        auth.summary()
    );
    (Fine(says), auth.survey())
}

fn token(config: &config::Serve) -> Finding {
    match config.given_token() {
        Some(token) => match exposure::short(&token) {
            Some(note) => Warning(note),
            None => Fine("a token is set".into()),
        },
        None if config.listen.ip().is_loopback() => {
            Fine("no token set: one is generated, loopback only".into())
        }
        None => Problem(format!(
            "{} can be reached by others, so a token is needed: set --auth, --token or TODOKI_TOKEN",
            config.listen
        )),
    }
}

fn tls(config: &config::Serve) -> Finding {
    let Some(files) = config.tls_files() else {
        return if config.listen.ip().is_loopback() || !config.trusted_proxy.is_empty() {
            Fine("not spoken".into())
        } else {
            Warning(format!(
                "not spoken, and {} can be reached by others: tokens and events can be read on their way; set \
                 --tls-cert and --tls-key, or put a proxy in front and name it with --trusted-proxy",
                config.listen
            ))
        };
    };
    let is_open = exposure::is_open(&files.key, exposure::READ);
    let tls = match Tls::open(files.clone()) {
        Ok(tls) => tls,
        Err(error) => return Problem(error.to_string()),
    };
    let facts = tls.facts();
    match facts.standing(clock::now()) {
        Standing::Early | Standing::Expired => Problem(format!(
            "the certificate holds from {} to {}, which is not now; renew it, or set the clock",
            facts.begins, facts.ends
        )),
        _ if facts.names.is_empty() => Problem(
            "the certificate names no host, so clients refuse it; make one with a subjectAltName"
                .into(),
        ),
        Standing::EndsSoon => Warning(format!("the certificate is {facts}: renew it")),
        Standing::Good if is_open => Warning(format!(
            "every user of this machine can read the key in {}; chmod o-r",
            files.key.display()
        )),
        Standing::Good => Fine(format!("the certificate is {facts}")),
    }
}

async fn port(config: &config::Serve) -> (Finding, bool) {
    let address = config.listen;
    match TcpListener::bind(address) {
        Ok(_) => (Fine(format!("{address} is free")), false),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            match ask(address, config).await {
                Ok(()) => (Fine(format!("a Todoki server answers on {address}")), true),
                Err(error) => (
                    Problem(format!(
                        "{address} is in use, and not by a Todoki that we can talk to ({error}); choose another with --listen"
                    )),
                    false,
                ),
            }
        }
        Err(error) => (
            Problem(format!(
                "cannot listen on {address} ({error}); choose another with --listen"
            )),
            false,
        ),
    }
}

async fn ask(address: SocketAddr, config: &config::Serve) -> Result<(), ClientError> {
    let client = config::Client {
        url: format!("http://{address}"),
        ca: None,
        token: config.token.clone(),
        data_dir: config.data.clone(),
    };
    let remote = match &config.tls_cert {
        Some(certificate) => Remote::pinned(&client, certificate)?,
        None => Remote::new(&client)?,
    };
    let request = remote
        .request("/readyz")
        .body(Full::<Bytes>::default())
        .map_err(|error| ClientError::Broken(error.to_string()))?;
    let answer = remote.fetch(&mut remote.connect().await?, request).await?;
    if answer == "ready\n" {
        return Ok(());
    }
    Err(ClientError::Refused {
        status: StatusCode::OK,
        code: "unknown".into(),
        detail: "it is another kind of server".into(),
        limit: None,
        retry_after: None,
    })
}

/// The directory, or where it would be made.
fn disk(data: &Path) -> Finding {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else {
        return Problem(format!("{} has no parent that exists", data.display()));
    };
    if !existing.is_dir() {
        return Problem(format!(
            "{} is not a directory; choose another with --data-dir",
            existing.display()
        ));
    }
    if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() {
        return Problem(format!(
            "{} cannot be written by this user; change its owner, or choose another with --data-dir",
            existing.display()
        ));
    }
    match rustix::fs::statvfs(existing) {
        Err(error) => Warning(format!(
            "free space of {} is unknown: {error}",
            existing.display()
        )),
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!(
                "{:.1} GB free at {}",
                mebibytes(free) / 1024.0,
                existing.display()
            );
            if free < FREE_BYTES {
                Warning(format!(
                    "only {text}; free some, or keep less with --retain-age"
                ))
            } else {
                Fine(text)
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: u64) -> f64 {
    (bytes >> 20) as f64
}

fn log(inspection: &Inspection, is_serving: bool) -> Finding {
    match inspection {
        Inspection::Missing => Fine("none yet; `todoki serve` makes one".into()),
        Inspection::InUse if is_serving => Fine("held by the running server".into()),
        Inspection::InUse => Problem(
            "held by another process, perhaps a server on another port; stop it, or choose another with --data-dir".into(),
        ),
        Inspection::Sound { events, .. } => Fine(format!("{events} events, and the database is sound")),
        Inspection::Broken(what) => Problem(format!("{what}; restore a backup, then start with --new-epoch")),
    }
}

fn clock(inspection: &Inspection) -> Finding {
    let now = clock::now();
    // This program was written after that.
    let floor: Timestamp = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
    if now < floor {
        return Problem(format!(
            "it says {now}, which is in the past; set it, or run an NTP client"
        ));
    }
    match inspection {
        Inspection::Sound {
            newest: Some(newest),
            ..
        } if *newest > now => Warning(format!(
            "the newest event is stamped {newest}, in the future of the clock; order is not affected, times are"
        )),
        _ => Fine(format!("{now}")),
    }
}

fn limits(config: &config::Serve) -> Finding {
    let open_files = getrlimit(Resource::Nofile).current;
    let needed = u64::from(config.max_connections) + 64;
    match open_files {
        Some(open_files) if open_files < needed => Warning(format!(
            "{open_files} open files are allowed, and {} connections need {needed}: raise it with ulimit -n, or lower \
             --max-connections",
            config.max_connections
        )),
        _ => Fine("enough open files for --max-connections".into()),
    }
}

/// Which pages of the web may connect, and where that is said.
fn origins(config: &config::Serve) -> Finding {
    let others = config.allow_origin.join(", ");
    Fine(match others.as_str() {
        "" => "pages of the server's own host may connect, and no others; --allow-origin or TODOKI_ALLOW_ORIGIN names more".into(),
        others => format!("pages of the server's own host may connect, and those of {others}"),
    })
}
