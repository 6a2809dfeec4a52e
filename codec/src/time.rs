//! Times as they go on the wire: RFC 3339, UTC, six decimals.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serializer};

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Cuts a time to the microsecond, so that what is stored and what is sent live are the same.
pub fn to_microsecond(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// Appends `2026-02-27T10:30:00.123456Z`.
pub fn write(time: Timestamp, out: &mut Vec<u8>) {
    PRINTER
        .print_timestamp(&time, out)
        .expect("writing into memory cannot fail");
}

/// For `#[serde(with = "time")]`.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&PRINTER.timestamp_to_string(time))
}

/// For `#[serde(with = "time")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_utc_with_six_decimals() {
        let mut out = Vec::new();
        write(
            Timestamp::from_microsecond(1_772_188_200_123_000).unwrap(),
            &mut out,
        );
        assert_eq!(out, b"2026-02-27T10:30:00.123000Z");
    }
}
