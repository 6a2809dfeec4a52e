//! What became of the subscribers of a shard, counted.

use todoki_codec::frame::CloseCode;
use todoki_codec::message::GapReason;

use super::Closed;

/// In the place of a code: any that has no line of its own.
const OTHER: u16 = 0;

/// Codes that stand in no frame (RFC 6455 §7.4.1): of a close frame without a code, and of no close frame.
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

/// Who ended a connection, and with which code: all series that there can be. Clients may close with any of two thousand
/// codes, and all that say nothing about this server are one.
const ENDINGS: [(&str, u16); 18] = [
    ("client", CloseCode::NORMAL.number()),
    ("client", CloseCode::GOING_AWAY.number()),
    ("client", NO_CODE),
    ("client", NO_CLOSE),
    ("client", OTHER),
    ("network", NO_CLOSE),
    ("server", CloseCode::PROTOCOL.number()),
    ("server", CloseCode::UNSUPPORTED.number()),
    ("server", CloseCode::INVALID_DATA.number()),
    ("server", CloseCode::POLICY.number()),
    ("server", CloseCode::TOO_BIG.number()),
    ("server", CloseCode::RESTART.number()),
    ("server", CloseCode::UNAUTHORISED.number()),
    ("server", CloseCode::FORBIDDEN.number()),
    ("server", CloseCode::TIMEOUT.number()),
    ("server", CloseCode::SLOW.number()),
    ("server", CloseCode::RATE_LIMITED.number()),
    ("server", OTHER),
];

/// What was counted since the shard began.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    gaps: [u64; 3],
    /// In the order of [`ENDINGS`].
    endings: [u64; ENDINGS.len()],
}

impl Counts {
    /// Adds what another shard has counted.
    pub fn add(&mut self, other: &Self) {
        let gaps = self.gaps.iter_mut().zip(other.gaps);
        let endings = self.endings.iter_mut().zip(other.endings);
        for (count, more) in gaps.chain(endings) {
            *count += more;
        }
    }

    /// A subscriber was told of a hole.
    pub(super) fn gap(&mut self, reason: GapReason) {
        self.gaps[reason as usize] += 1;
    }

    /// A connection has ended.
    pub(super) fn end(&mut self, closed: &Closed) {
        let (by, code) = match closed {
            Closed::ByClient(code) => ("client", code.map_or(NO_CODE, CloseCode::number)),
            Closed::Left => ("client", NO_CLOSE),
            Closed::ByUs(code) => ("server", code.number()),
            Closed::Socket(_) => ("network", NO_CLOSE),
        };
        self.end_many(by, code, 1);
    }

    /// So many browsers were turned away with this code right after their upgrade.
    pub fn turned_away(&mut self, code: CloseCode, count: u64) {
        self.end_many("server", code.number(), count);
    }

    fn end_many(&mut self, by: &str, code: u16, count: u64) {
        let place_of = |code| ENDINGS.iter().position(|ending| *ending == (by, code));
        if let Some(place) = place_of(code).or_else(|| place_of(OTHER)) {
            self.endings[place] += count;
        }
    }

    /// Holes by their reason.
    pub fn gaps(&self) -> [(&'static str, u64); 3] {
        let count = |reason: GapReason| self.gaps[reason as usize];
        [
            ("ahead", count(GapReason::Ahead)),
            ("retention", count(GapReason::Retention)),
            ("slow", count(GapReason::Slow)),
        ]
    }

    /// Ended connections by who ended them, and with which code.
    pub fn endings(&self) -> impl Iterator<Item = (&'static str, String, u64)> {
        let endings = ENDINGS.into_iter().zip(self.endings);
        endings.map(|((by, code), count)| {
            let code = match code {
                OTHER => "other".to_owned(),
                code => code.to_string(),
            };
            (by, code, count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_a_series_and_no_client_can_make_one() {
        let mut counts = Counts::default();
        for code in (1000..5000).filter_map(CloseCode::new) {
            counts.end(&Closed::ByClient(Some(code)));
        }
        counts.end(&Closed::ByClient(None));
        counts.end(&Closed::Left);
        counts.end(&Closed::ByUs(CloseCode::SLOW));
        counts.end(&Closed::ByUs(CloseCode::INTERNAL));
        counts.end(&Closed::Socket(std::io::ErrorKind::BrokenPipe.into()));
        counts.turned_away(CloseCode::UNAUTHORISED, 2);
        counts.turned_away(CloseCode::FORBIDDEN, 3);
        let seen: Vec<_> = counts
            .endings()
            .filter(|(.., count)| *count > 0)
            .map(|(by, code, count)| format!("{by} {code} {count}"))
            .collect();
        assert_eq!(
            seen,
            [
                "client 1000 1",
                "client 1001 1",
                "client 1005 1",
                "client 1006 1",
                "client other 2010",
                "network 1006 1",
                "server 3000 2",
                "server 3003 3",
                "server 4408 1",
                "server other 1"
            ]
        );
    }
}
