//! The only reader of clocks.

use jiff::Timestamp;
use std::sync::LazyLock;
use std::time::Instant;

/// The wall clock: stamps events, never orders them.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The monotonic clock: deadlines and measurements.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub fn instant() -> Instant {
    Instant::now()
}

/// The monotonic clock in nanoseconds since it was first asked: for times that are kept by the thousand.
pub fn nanos() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(instant);
    // Some five centuries fit.
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
