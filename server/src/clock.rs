//! The only reader of clocks.

use jiff::Timestamp;
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
