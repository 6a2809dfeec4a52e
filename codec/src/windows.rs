//! Windows of time, one behind the other: what events are counted in.

use jiff::Timestamp;

use crate::time::to_microsecond;

/// Equal windows from a time on. A window begins at its edge, and ends before the next one.
///
/// Invariant: at least one, of at least a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    from: Timestamp,
    width_ms: i64,
    count: usize,
}

impl Windows {
    /// So many windows of whole milliseconds that hold the times from `from` up to, not including, `to`. What does not
    /// divide is rounded up, so the last may end behind `to`. `None` when there is nothing to hold, or no window.
    pub fn new(from: Timestamp, to: Timestamp, count: usize) -> Option<Self> {
        let span_us = to.as_microsecond() - from.as_microsecond();
        let share_us = i64::try_from(count).ok()?.checked_mul(1000)?;
        (span_us > 0 && count > 0).then(|| Self {
            from: to_microsecond(from),
            width_ms: (span_us - 1) / share_us + 1,
            count,
        })
    }

    /// Where the first begins.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// How long each is.
    pub fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Where the window of this place begins, counted from 0; at [`count`](Self::count) it is where the last ends. What
    /// lies behind the end of the calendar is its end.
    pub fn edge(&self, place: usize) -> Timestamp {
        i64::try_from(place)
            .ok()
            .and_then(|place| self.width_ms.checked_mul(1000)?.checked_mul(place))
            .and_then(|behind_us| self.from.as_microsecond().checked_add(behind_us))
            .and_then(|edge_us| Timestamp::from_microsecond(edge_us).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(from_us: i64, to_us: i64, count: usize) -> Option<Windows> {
        let time = |us| Timestamp::from_microsecond(us).unwrap();
        Windows::new(time(from_us), time(to_us), count)
    }

    #[test]
    fn the_span_is_rounded_up_to_whole_milliseconds_for_each_window() {
        for (span_us, count, width_ms) in [
            (3_600_000_000, 120, 30_000),
            (3_600_000_001, 120, 30_001),
            (10_000, 10, 1),
            (10_001, 10, 2),
            (1, 500, 1),
        ] {
            let windows = windows(-7, span_us - 7, count).unwrap();
            assert_eq!(windows.width_ms(), width_ms, "{span_us} in {count}");
            assert!(windows.edge(count).as_microsecond() >= span_us - 7);
        }
    }

    #[test]
    fn each_window_ends_where_the_next_begins() {
        let windows = windows(5, 3_000_005, 3).unwrap();
        let edges: Vec<_> = (0..=3)
            .map(|place| windows.edge(place).as_microsecond())
            .collect();
        assert_eq!(edges, [5, 1_000_005, 2_000_005, 3_000_005]);
    }

    #[test]
    fn nothing_is_not_divided() {
        assert_eq!(windows(1, 1, 1), None);
        assert_eq!(windows(2, 1, 1), None);
        assert_eq!(windows(1, 2, 0), None);
    }

    #[test]
    fn windows_do_not_leave_the_calendar() {
        let all = Windows::new(Timestamp::MIN, Timestamp::MAX, 7).unwrap();
        assert_eq!(all.edge(7), Timestamp::MAX);
        assert!(all.edge(6) < Timestamp::MAX);
    }
}
