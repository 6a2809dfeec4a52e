//! The one table of limits: what each is called, what it counts, and why its value is what it is.
//!
//! The defaults are finite where somebody who is not known could cost much, and so generous that neither a person nor a
//! fleet of agents behind one address meets them. Those of principals are off: a server whose only token is shared by all
//! would otherwise limit everybody together, and whoever hands out tokens knows best what each is for. On are those of what
//! one could use up for all others: memory of replays and of bodies, and the kinds of the log.

use std::fmt::{self, Write as _};
use std::time::Duration;

use todoki_codec::limits::BODY_BYTES;

/// Which limit: its place in [`LIMITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Connections that have not sent a whole request yet, of all clients.
    Handshakes,
    /// Connections accepted.
    Accepts,
    /// What bodies of emits hold at the same time, of all clients.
    Bodies,
    /// See [`Name::Handshakes`], of one address.
    AddressHandshakes,
    /// Connections at the same time, of one address.
    AddressConnections,
    /// Streams begun, by one address.
    AddressConnects,
    /// Emit requests, of one address.
    AddressEmits,
    /// Size of emit bodies, of one address.
    AddressEmitKib,
    /// See [`Name::Bodies`], of one address.
    AddressBodies,
    /// Requests that read what is stored, of one address.
    AddressReads,
    /// Requests of one address without a token that counts, and wrong tokens on its streams.
    AddressFailures,
    /// Streams at the same time, of one principal.
    PrincipalStreams,
    /// Streams begun, by one principal.
    PrincipalConnects,
    /// Emit requests, of one principal.
    PrincipalEmits,
    /// Size of emit bodies, of one principal.
    PrincipalEmitKib,
    /// See [`Name::Bodies`], of one principal.
    PrincipalBodies,
    /// Kinds that the log did not have, of one principal.
    PrincipalKinds,
    /// Requests that read what is stored, of one principal.
    PrincipalReads,
    /// Replays over HTTP at the same time, of one principal.
    PrincipalReplays,
    /// Messages of a client on one WebSocket.
    SocketMessages,
    /// Control frames of a client on one WebSocket.
    SocketControls,
    /// Reads of one WebSocket's socket.
    SocketReads,
    /// Commands in a row that are answered with an error, on one WebSocket.
    SocketErrors,
    /// Whether loopback addresses are exempt from the limits of addresses.
    LoopbackExempt,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many in a second, evenly; so many seconds' worth may come at once.
    PerSecond(u32),
    /// So many in a minute, evenly; all of a minute's may come at once.
    PerMinute,
    /// So many in a day, evenly; all of a day's may come at once.
    PerDay,
    /// So many at the same time.
    AtOnce,
    /// So many, one after the other.
    InARow,
    /// 1 is yes, 0 is no.
    Switch,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// As it is written by operators, and told to whoever is over it.
    pub name: &'static str,
    /// What its value counts.
    pub unit: Unit,
    /// Unless it is set; 0 is none.
    pub default: u32,
    /// The smallest value besides 0 that makes sense.
    least: u32,
    /// Why it is there, and so much.
    pub reason: &'static str,
}

const fn limit(name: &'static str, unit: Unit, default: u32, reason: &'static str) -> Limit {
    Limit {
        name,
        unit,
        default,
        least: 1,
        reason,
    }
}

/// A bucket that a whole body does not fit into would never let one through.
const fn of_bodies(limit: Limit) -> Limit {
    Limit {
        least: BODY_KIB,
        ..limit
    }
}

const BODY_KIB: u32 = 1 << 10;

const _: () = assert!(BODY_KIB as usize == BODY_BYTES >> 10);

/// Every limit, in the order of [`Name`].
pub const LIMITS: [Limit; 24] = [
    limit(
        "handshakes",
        Unit::AtOnce,
        512,
        "connections that have not sent a whole request: honest ones take milliseconds, so this is room for a storm; \
         beyond it, one that has dawdled for a second makes room, or else the newest is sent away",
    ),
    limit(
        "accepts",
        Unit::PerSecond(1),
        4_000,
        "connections accepted: about what two cores can greet while they serve others; the rest are told to come later",
    ),
    of_bodies(limit(
        "bodies-kib",
        Unit::AtOnce,
        256 << 10,
        "KiB that the bodies of emits hold until they are stored, but for those of 4 KiB and less: hundreds of the largest, \
         where one takes milliseconds; beyond it, 503",
    )),
    limit(
        "address-handshakes",
        Unit::AtOnce,
        128,
        "a quarter of all: one address cannot hold the door against the others",
    ),
    limit(
        "address-connections",
        Unit::AtOnce,
        1_000,
        "a tenth of all by default: a fleet, or a company behind one address",
    ),
    limit(
        "address-connects",
        Unit::PerMinute,
        3_000,
        "streams begun: all connections of an address come back at once, and twice more",
    ),
    limit(
        "address-emits",
        Unit::PerSecond(1),
        10_000,
        "emit requests: above what lone emitters on one machine reach over a network",
    ),
    of_bodies(limit(
        "address-emit-kib",
        Unit::PerSecond(1),
        64 << 10,
        "KiB of emit bodies, each rounded up: half of a gigabit",
    )),
    of_bodies(limit(
        "address-bodies-kib",
        Unit::AtOnce,
        64 << 10,
        "a quarter of all: one address that sends slowly cannot keep the others out",
    )),
    limit(
        "address-reads",
        Unit::PerSecond(10),
        200,
        "pages, replays, counts and the like, and streams whose beginning is looked for: a hundred people who type into the \
         timeline's search",
    ),
    limit(
        "address-failures",
        Unit::PerMinute,
        20,
        "requests without a token that counts, and wrong tokens on streams: enough to find a mistake, too few to guess; a \
         right token always passes",
    ),
    limit(
        "principal-streams",
        Unit::AtOnce,
        0,
        "streams at the same time; off, as one token may be everybody's",
    ),
    limit(
        "principal-connects",
        Unit::PerMinute,
        0,
        "streams begun; off, as one token may be everybody's",
    ),
    limit(
        "principal-emits",
        Unit::PerSecond(1),
        0,
        "emit requests; off, as one token may be everybody's",
    ),
    of_bodies(limit(
        "principal-emit-kib",
        Unit::PerSecond(1),
        0,
        "KiB of emit bodies, each rounded up; off, as one token may be everybody's",
    )),
    of_bodies(limit(
        "principal-bodies-kib",
        Unit::AtOnce,
        128 << 10,
        "half of all, and twice an address's share, as one token may be everybody's",
    )),
    limit(
        "principal-kinds",
        Unit::PerDay,
        1_000,
        "kinds that the log did not have: a program brings its own once; one that puts ids into its kinds would use up the \
         log's 10,000 for all, and takes ten days to",
    ),
    limit(
        "principal-reads",
        Unit::PerSecond(10),
        0,
        "pages, replays, counts and the like, and streams whose beginning is looked for; off, as one token may be everybody's",
    ),
    limit(
        "principal-replays",
        Unit::AtOnce,
        256,
        "replays over HTTP at the same time: each holds a page, 256 KiB, for as long as its client takes",
    ),
    limit(
        "socket-messages",
        Unit::PerMinute,
        120,
        "commands of one client: a person who types a filter changes it a few times a second, for a while",
    ),
    limit(
        "socket-controls",
        Unit::PerSecond(10),
        10,
        "ping and pong frames of one client: libraries send one in some seconds",
    ),
    limit(
        "socket-reads",
        Unit::PerSecond(5),
        100,
        "reads of one client's socket, which beyond it waits and is read in larger pieces; nobody is told or closed",
    ),
    limit(
        "socket-errors",
        Unit::InARow,
        10,
        "commands that are answered with an error: such a client does not learn",
    ),
    limit(
        "loopback-exempt",
        Unit::Switch,
        1,
        "loopback addresses meet no limit of addresses: programs on this machine, or all clients of a proxy on it",
    ),
];

impl Name {
    /// Its row of the table.
    pub const fn limit(self) -> &'static Limit {
        &LIMITS[self as usize]
    }
}

impl Unit {
    /// The time within which a bucket that is empty is full again.
    pub const fn window(self) -> Duration {
        match self {
            Self::PerSecond(seconds) => Duration::from_secs(seconds as u64),
            Self::PerDay => Duration::from_hours(24),
            _ => Duration::from_mins(1),
        }
    }

    /// What a full bucket holds.
    pub const fn burst(self, value: u32) -> u32 {
        match self {
            Self::PerSecond(seconds) => value.saturating_mul(seconds),
            _ => value,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerSecond(_) => "per second",
            Self::PerMinute => "per minute",
            Self::PerDay => "per day",
            Self::AtOnce => "at once",
            Self::InARow => "in a row",
            Self::Switch => "1 or 0",
        })
    }
}

/// A limit and the value that an operator gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    place: usize,
    value: u32,
}

/// Reads `NAME=VALUE`; the error says exactly what is wrong with it.
pub fn setting(text: &str) -> Result<Setting, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("{text:?} is not NAME=VALUE"));
    };
    let (name, value) = (name.trim(), value.trim());
    let Some(place) = LIMITS.iter().position(|limit| limit.name == name) else {
        let names = LIMITS.map(|limit| limit.name).join(", ");
        return Err(format!("no limit is called {name:?}; there are {names}"));
    };
    let limit = &LIMITS[place];
    let (least, most) = (limit.least, limit.most());
    let given = value.parse::<u32>().ok();
    let value = given.filter(|value| *value == 0 || (least..=most).contains(value));
    let Some(value) = value else {
        return Err(format!(
            "{name} must be a whole number from {least} to {most} ({}), or 0 for none",
            limit.unit
        ));
    };
    Ok(Setting { place, value })
}

impl Limit {
    const fn most(&self) -> u32 {
        match self.unit {
            Unit::Switch => 1,
            // Ten times as many must still be a number of 32 bits.
            _ => u32::MAX / 10,
        }
    }
}

/// The value of each limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([u32; LIMITS.len()]);

impl Default for Limits {
    fn default() -> Self {
        Self(LIMITS.map(|limit| limit.default))
    }
}

impl Limits {
    /// The defaults but for what is set; the last setting of a limit counts.
    pub fn new(settings: &[Setting]) -> Self {
        let mut limits = Self::default();
        for setting in settings {
            limits.0[setting.place] = setting.value;
        }
        limits
    }

    /// The value of a limit; none for 0.
    pub const fn get(&self, name: Name) -> Option<u32> {
        match self.0[name as usize] {
            0 => None,
            value => Some(value),
        }
    }
}

/// What `--help` says of `--limit`.
pub fn help() -> String {
    let mut text = "Set a limit, 0 for none; may be given several times. NAME is one of".to_owned();
    for limit in LIMITS {
        write!(
            text,
            "\n\n  {}: {} {}. {}",
            limit.name, limit.default, limit.unit, limit.reason
        )
        .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_at_its_place() {
        assert_eq!(Name::Handshakes.limit().name, "handshakes");
        assert_eq!(Name::AddressFailures.limit().name, "address-failures");
        assert_eq!(Name::Bodies.limit().name, "bodies-kib");
        assert_eq!(Name::AddressBodies.limit().name, "address-bodies-kib");
        assert_eq!(Name::PrincipalBodies.limit().name, "principal-bodies-kib");
        assert_eq!(Name::PrincipalKinds.limit().name, "principal-kinds");
        assert_eq!(Name::PrincipalReplays.limit().name, "principal-replays");
        assert_eq!(Name::LoopbackExempt as usize, LIMITS.len() - 1);
    }

    #[test]
    fn the_last_setting_counts_and_nought_is_none() {
        let settings = ["address-emits=5", "address-emits=6", "handshakes=0"];
        let limits = Limits::new(&settings.map(|text| setting(text).unwrap()));
        assert_eq!(limits.get(Name::AddressEmits), Some(6));
        assert_eq!(limits.get(Name::Handshakes), None);
        assert_eq!(limits.get(Name::AddressFailures), Some(20));
    }

    #[test]
    fn spaces_around_a_setting_are_nothing() {
        for text in [" address-emits=5", "address-emits=5 ", "address-emits = 5"] {
            assert_eq!(setting(text), setting("address-emits=5"), "{text:?}");
        }
    }

    #[test]
    fn a_bad_setting_is_refused_with_what_is_wrong() {
        for (text, part) in [
            ("", "\"\" is not NAME=VALUE"),
            ("address-emits", "is not NAME=VALUE"),
            (
                "adress-emits=1",
                "no limit is called \"adress-emits\"; there are handshakes, ",
            ),
            (
                "address-emits=",
                "a whole number from 1 to 429496729 (per second), or 0 for none",
            ),
            ("address-emits=-1", "a whole number from 1"),
            ("address-emits=1.5", "a whole number from 1"),
            ("address-emits=4294967295", "a whole number from 1"),
            ("address-emit-kib=1023", "a whole number from 1024"),
            ("loopback-exempt=2", "a whole number from 1 to 1"),
        ] {
            let error = setting(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_operators_document_says_what_each_bucket_holds() {
        let of = |seconds: u32| {
            let same = LIMITS
                .iter()
                .filter(|limit| limit.unit == Unit::PerSecond(seconds));
            let names: Vec<_> = same.map(|limit| format!("`{}`", limit.name)).collect();
            names.join(", ")
        };
        let windows = LIMITS.iter().map(|limit| match limit.unit {
            Unit::PerSecond(seconds) => seconds,
            _ => 1,
        });
        let is_told = |seconds| [1, 5, 10].contains(&seconds);
        assert!(windows.into_iter().all(is_told));
        let document = include_str!("../../../docs/OPERATIONS.md");
        let said = format!(
            "but ten seconds' worth for {}, and five for {}:",
            of(10),
            of(5)
        );
        assert!(document.contains(&said), "{said}");
        assert_eq!(Name::AddressReads.limit().unit.burst(5), 50);
    }

    #[test]
    fn the_operators_document_lists_every_limit_as_it_is() {
        let document = include_str!("../../../docs/OPERATIONS.md");
        for limit in LIMITS {
            let row = format!("| `{}` | {} | {} |", limit.name, limit.default, limit.unit);
            assert!(document.contains(&row), "{row}");
        }
    }
}
