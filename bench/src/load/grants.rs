//! Grants of subscribers: what they cost whoever fans out.
//!
//! All get the same events, of one project, from a server that knows all of them; only what is granted to them and what they
//! ask for differs, and with it what the server asks of each event. Subscribers who may see the same of the same share
//! bytes, so grants that are each subscriber's own also make more groups, as filters of their own do. Each case therefore
//! has another beside it, that differs from it in the grants or in the groups alone, and is held against it round by round.

use std::fmt::Write;

use clap::Args;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use todoki::auth;
use uuid::Uuid;

use super::fan_out::{self, Case, FanOutRow};
use super::{FanOut, connect};
use crate::Outcome;
use crate::quantiles::Spread;
use crate::report::Row;
use crate::sample::COMMON_KIND;
use crate::server::{ServerProcess, TOKEN};
use crate::settings::Settings;

/// The project that all events are of.
const PROJECT: Uuid = Uuid::from_u128(0x018f_3c2e_7b1a_7c3d_9e4f_5a6b_7c8d_9e11);

/// One that has no events.
const OTHER_PROJECT: Uuid = Uuid::from_u128(0x018f_3c2e_7b1a_7c3d_9e4f_5a6b_7c8d_9e10);

/// What the server says its groups are.
const GROUPS: &str = "todoki_groups";

/// Flags of grants.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// The stream.
    #[command(flatten)]
    pub stream: FanOut,

    /// Groups of subscribers, where there are several: of filters of their own, or of grants of their own
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub groups: u32,
}

/// What is granted, and what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// All there is: an event is not looked at.
    Everything,
    /// One project: its id is compared, as if it had been asked for.
    OneProject,
    /// Several kinds of several projects and agents, so that each event is judged by its kind and ids together.
    Differing,
    /// All there is, to several groups of subscribers who ask for some kinds of one project.
    Asked,
    /// The same kinds and project, to each group as its grants.
    Granted,
    /// As `Differing`, each group its own.
    DifferingApart,
}

impl Subject {
    /// One after the other.
    const ALL: [Self; 6] = [
        Self::Everything,
        Self::OneProject,
        Self::Differing,
        Self::Asked,
        Self::Granted,
        Self::DifferingApart,
    ];

    /// In words, as rows have it.
    fn name(self) -> &'static str {
        match self {
            Self::Everything => "everything granted",
            Self::OneProject => "one project granted",
            Self::Differing => "grants that differ",
            Self::Asked => "everything granted, filters apart",
            Self::Granted => "the same filters granted",
            Self::DifferingApart => "grants that differ, apart",
        }
    }

    /// What it is held against.
    fn beside(self) -> Self {
        match self {
            Self::Everything | Self::OneProject | Self::Differing | Self::Asked => Self::Everything,
            Self::Granted | Self::DifferingApart => Self::Asked,
        }
    }

    /// Groups there are to be, of as many as there may be.
    fn groups(self, most: u32) -> u32 {
        match self {
            Self::Everything | Self::OneProject | Self::Differing => 1,
            Self::Asked | Self::Granted | Self::DifferingApart => most,
        }
    }

    /// What whoever is in a group comes in with.
    fn token(self, group: u32) -> String {
        match self {
            Self::Everything | Self::Asked => TOKEN.to_owned(),
            Self::OneProject => "bench-project".to_owned(),
            Self::Granted => format!("bench-granted-{group}"),
            Self::Differing | Self::DifferingApart => format!("bench-differing-{group}"),
        }
    }

    /// What they ask for.
    fn query(self, group: u32) -> String {
        match self {
            Self::Asked => format!("kinds={COMMON_KIND},load.{group}.*&project_id={PROJECT}"),
            _ => String::new(),
        }
    }

    /// Their `grants` in `auth.toml`.
    fn grants(self, group: u32) -> String {
        let grant = |kinds: &str, ids: &str| {
            format!(r#"{{ actions = ["read", "replay"], kinds = [{kinds}], where = {{ {ids} }} }}"#)
        };
        let own_kinds = format!(r#""load.{group}.*", "{COMMON_KIND}""#);
        match self {
            Self::Everything | Self::Asked => String::new(),
            Self::OneProject => grant(r#""*""#, &format!(r#"project_id = ["{PROJECT}"]"#)),
            Self::Granted => grant(&own_kinds, &format!(r#"project_id = ["{PROJECT}"]"#)),
            Self::Differing | Self::DifferingApart => [
                grant(
                    r#""task.*", "human.message""#,
                    &format!(r#"agent_id = ["{OTHER_PROJECT}"]"#),
                ),
                grant(
                    r#""artifact.*", "permission.*""#,
                    &format!(r#"project_id = ["{OTHER_PROJECT}"]"#),
                ),
                grant(
                    &own_kinds,
                    &format!(r#"project_id = ["{PROJECT}", "{OTHER_PROJECT}"]"#),
                ),
            ]
            .join(", "),
        }
    }
}

/// A line of the table of grants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrantsRow {
    /// The round whose cost is the median.
    #[serde(flatten)]
    pub fan_out: FanOutRow,
    /// As the server counted them.
    pub groups: Option<u64>,
    /// What the case is held against.
    pub beside: Option<String>,
    /// What a delivery cost, divided by what it cost there, round by round.
    pub ratio: Option<Spread>,
}

impl Row for GrantsRow {
    const COLUMNS: &'static [&'static str] = &[
        "granted",
        "subscribers",
        "groups",
        "emits/s",
        "event bytes",
        "deliveries",
        "server CPU µs per delivery",
        "held against",
        "CPU ÷ that in the same round, median (middle half)",
        "due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "lags",
        "receiver cores",
        "generator",
        "server MiB resident",
    ];

    fn cells(&self) -> Vec<String> {
        let row = &self.fan_out;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        vec![
            row.subject.clone(),
            row.subscribers.to_string(),
            or_dash(self.groups.map(|groups| groups.to_string())),
            row.rate_per_s.to_string(),
            row.event_bytes.to_string(),
            row.deliveries.to_string(),
            format!("{:.2}", row.cpu_us_per_delivery),
            or_dash(self.beside.clone()),
            or_dash(self.ratio.map(|ratio| ratio.to_string())),
            row.to_subscriber.to_string(),
            row.sent_late.to_string(),
            row.lags.to_string(),
            format!("{:.2}", row.receiver_cores),
            row.generator.name().to_owned(),
            row.resident_mib.to_string(),
        ]
    }
}

/// Measures each case in each round.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<GrantsRow>> {
    let mut rows = Vec::new();
    for subscribers in settings.counts(&flags.stream.subscribers, 10) {
        rows.extend(of_subscribers(settings, flags, subscribers)?);
    }
    Ok(rows)
}

fn of_subscribers(
    settings: &Settings,
    flags: &Flags,
    subscribers: u32,
) -> Outcome<impl Iterator<Item = GrantsRow>> {
    let case = flags.stream.case(subscribers, "message");
    let most = flags.groups.min(subscribers);
    let mut rounds = Subject::ALL.map(|subject| (subject, 0, Vec::new()));
    for (round, first) in (1..=settings.rounds()).zip(0_usize..) {
        // Each round begins with another case, so that none is measured in a better place than the others.
        for turn in 0..rounds.len() {
            let place = (first + turn) % rounds.len();
            let (subject, groups, rows) = &mut rounds[place];
            let name = subject.name();
            settings.note(&format!("grants: round {round}, {name}, {case:?}"));
            let (row, counted) = measure(settings, *subject, &case, most)?;
            *groups = counted;
            rows.push(row);
        }
    }
    let costs = rounds.each_ref().map(|(subject, _, rows)| {
        let costs: Vec<_> = rows.iter().map(|row| row.cpu_us_per_delivery).collect();
        (*subject, costs)
    });
    Ok(rounds.into_iter().map(move |(subject, groups, rows)| {
        let beside = Some(subject.beside()).filter(|beside| *beside != subject);
        GrantsRow {
            ratio: beside.and_then(|beside| ratio(&costs, subject, beside)),
            beside: beside.map(|beside| beside.name().to_owned()),
            groups: Some(groups),
            fan_out: fan_out::median(rows),
        }
    }))
}

fn ratio(costs: &[(Subject, Vec<f64>)], one: Subject, other: Subject) -> Option<Spread> {
    let of = |subject| costs.iter().find(|(whose, _)| *whose == subject);
    let ((_, one), (_, other)) = (of(one)?, of(other)?);
    Spread::of(one.iter().zip(other).map(|(one, other)| one / other))
}

fn measure(
    settings: &Settings,
    subject: Subject,
    case: &Case,
    most: u32,
) -> Outcome<(FanOutRow, u64)> {
    let file = auth_file(most)?;
    let path = file.path().to_str().ok_or("a path that is no text")?;
    let server = ServerProcess::start_with(settings, &["--auth", path])?;
    let groups = subject.groups(most);
    let streams = connect::subscribers(server.address(), case.subscribers, |number, socket| {
        let group = number % groups;
        connect::subscribe_as(socket, &subject.query(group), &subject.token(group))
    })?;
    let counted = server.metric(GROUPS)?;
    let name = subject.name();
    let row = fan_out::todoki(settings, name, case, &server, streams, Some(PROJECT))?;
    Ok((row, counted))
}

/// An `auth.toml` that knows all who come in with grants.
fn auth_file(most: u32) -> Outcome<NamedTempFile> {
    let (file, mut text) = (NamedTempFile::new()?, String::new());
    for subject in [
        Subject::OneProject,
        Subject::Granted,
        Subject::DifferingApart,
    ] {
        for group in 0..subject.groups(most) {
            let (token, grants) = (subject.token(group), subject.grants(group));
            let hash = auth::hash(&token);
            writeln!(
                text,
                "[[tokens]]\nlabel = \"{token}\"\nhash = \"{hash}\"\ngrants = [{grants}]"
            )?;
        }
    }
    std::fs::write(file.path(), text)?;
    Ok(file)
}
