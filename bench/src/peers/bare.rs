//! The bare sender among the peers: no server at all, and so what the machine, the sockets and the receiver allow.

use super::cases::{Case, QUIET};
use super::row::{CaseName, Figures, PeerRow};
use crate::Outcome;
use crate::load::connect;
use crate::load::fan_out::{self, no_handshake};
use crate::load::publish::Pace;
use crate::load::receive::Receiver;
use crate::load::{LOOK_UP, bare, rounded, while_hearing};
use crate::pace;
use crate::settings::Settings;

/// As rows name it.
pub const NAME: &str = "bare_sender";

/// Its rows in a case; it has none where there is nothing to send.
pub fn rows(settings: &Settings, case: &Case) -> Outcome<Vec<PeerRow>> {
    match (case.name, case.rate_per_s) {
        (CaseName::Steady, Some(rate)) => steady(settings, case, rate),
        (CaseName::Saturation, _) => Ok(vec![saturation(settings, case)?]),
        _ => Ok(Vec::new()),
    }
}

fn steady(settings: &Settings, case: &Case, rate: u32) -> Outcome<Vec<PeerRow>> {
    let same = case.fan_out(rate);
    let subjects = [
        (fan_out::Subject::BareEvents, "a write for each event"),
        (
            fan_out::Subject::BareBatches,
            "a write for what was due in 5 ms",
        ),
    ];
    let cases = subjects.map(|(subject, _)| (subject, same.clone()));
    let rows = fan_out::run(&settings.once(), &cases)?;
    let rows = rows.into_iter().zip(subjects).map(|(row, (_, how))| {
        let figures = Figures {
            deliveries: Some(row.deliveries),
            lost: Some(0),
            cut_off: Some(0),
            cpu_us_per_delivery: Some(row.cpu_us_per_delivery),
            to_subscriber: Some(row.to_subscriber),
            generator: Some(row.generator),
            ..Figures::default()
        };
        named(case, how, figures)
    });
    Ok(rows.collect())
}

fn saturation(settings: &Settings, case: &Case) -> Outcome<PeerRow> {
    let mut sender = bare::start(case.subscribers)?;
    let mut receiver = Receiver::new(None)?;
    for stream in connect::subscribers(sender.address, case.subscribers, no_handshake)? {
        receiver.add(stream)?;
    }
    let (before, begin) = (sender.part.usage()?, pace::monotonic());
    sender.part.tell(&bare::Job {
        event_bytes: case.event_bytes,
        pace: Pace::Closed {
            connections: 1,
            lasts: settings.duration(),
        },
        gather: std::time::Duration::ZERO,
    })?;
    let sent: bare::Sent = while_hearing(&mut sender.part, || receiver.turn(LOOK_UP))?;
    let after = sender.part.usage()?;
    receiver.set_goal(sent.events);
    receiver.run(QUIET)?;
    let deliveries = rounded(receiver.deliveries());
    let took = pace::monotonic().saturating_sub(begin).as_secs_f64();
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    let figures = Figures {
        deliveries: Some(receiver.deliveries()),
        lost: Some(0),
        cut_off: Some(0),
        deliveries_per_s: Some(deliveries / took),
        deliveries_per_cpu_s: Some(deliveries / cpu),
        cpu_us_per_delivery: Some(cpu * 1e6 / deliveries),
        ..Figures::default()
    };
    Ok(named(case, "a write for 256 events", figures))
}

fn named(case: &Case, how: &str, figures: Figures) -> PeerRow {
    let itself = format!("todoki-bench {}", env!("CARGO_PKG_VERSION"));
    case.row(NAME, "nothing", how, Ok(itself), figures)
}
