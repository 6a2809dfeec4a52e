//! Close codes, and the payload of a close frame (RFC 6455 §5.5.1 and §7.4).
//!
//! Invariant: a [`CloseCode`] may stand in a frame. Codes that exist only to be reported locally (1005, 1006, 1015) and
//! unassigned ones have no value of this type. Which situation ends with which code is the caller's choice.
use std::fmt;

use super::FrameError;

/// A status code that may appear in a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The work is done.
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes away: the process stops, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// A kind of data that is not accepted here, such as a binary message.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// A rule of this server was broken that has no code of its own.
    pub const POLICY: Self = Self(1008);
    /// A frame or message over the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL: Self = Self(1011);
    /// The server drains before a restart: reconnect.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded: try later.
    pub const OVERLOAD: Self = Self(1013);
    /// No valid credentials.
    pub const UNAUTHORISED: Self = Self(3000);
    /// Valid credentials without the right to do this.
    pub const FORBIDDEN: Self = Self(3003);
    /// The client did not answer in time.
    pub const TIMEOUT: Self = Self(3008);
    /// The client reads too slowly.
    pub const SLOW: Self = Self(4408);
    /// A newer connection took this one's place.
    pub const REPLACED: Self = Self(4409);
    /// The position asked for is no longer in the log.
    pub const POSITION_GONE: Self = Self(4410);
    /// Too many messages in too short a time.
    pub const RATE_LIMITED: Self = Self(4429);

    /// The code if a peer may send it: assigned by RFC 6455 §7.4.1 or its registry, or from the ranges for libraries
    /// (3000–3999) and applications (4000–4999).
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// Why a peer closes, when it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The reason as a number.
    pub code: CloseCode,
    /// The reason in words for people, often empty, at most [`CLOSE_REASON_BYTES`](super::CLOSE_REASON_BYTES).
    pub reason: String,
}

impl CloseFrame {
    /// Reads a close frame's whole payload, which is empty or begins with a code.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() {
                Ok(None)
            } else {
                Err(FrameError::CloseTruncated)
            };
        };
        let code = u16::from_be_bytes(*code);
        let code = CloseCode::new(code).ok_or(FrameError::CloseCode { code })?;
        match simdutf8::compat::from_utf8(reason) {
            Ok(reason) => Ok(Some(Self {
                code,
                reason: reason.to_owned(),
            })),
            Err(error) => Err(FrameError::CloseReasonNotUtf8 {
                at: error.valid_up_to(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent_are_codes() {
        let legal: Vec<u16> = (0..=u16::MAX)
            .filter(|code| CloseCode::new(*code).is_some())
            .collect();
        let expected: Vec<u16> = (1000..=1003)
            .chain(1007..=1014)
            .chain(3000..=4999)
            .collect();
        assert_eq!(legal, expected);
    }

    #[test]
    fn every_named_code_may_be_sent() {
        use CloseCode as C;
        let named = [
            (C::NORMAL, 1000),
            (C::GOING_AWAY, 1001),
            (C::PROTOCOL, 1002),
            (C::UNSUPPORTED, 1003),
            (C::INVALID_DATA, 1007),
            (C::POLICY, 1008),
            (C::TOO_BIG, 1009),
            (C::INTERNAL, 1011),
            (C::RESTART, 1012),
            (C::OVERLOAD, 1013),
            (C::UNAUTHORISED, 3000),
            (C::FORBIDDEN, 3003),
            (C::TIMEOUT, 3008),
            (C::SLOW, 4408),
            (C::REPLACED, 4409),
            (C::POSITION_GONE, 4410),
            (C::RATE_LIMITED, 4429),
        ];
        for (code, number) in named {
            assert_eq!(code.number(), number);
            assert_eq!(C::new(number), Some(code));
        }
    }

    #[test]
    fn a_payload_is_empty_or_a_code_with_a_reason() {
        assert_eq!(CloseFrame::parse(b""), Ok(None));
        assert_eq!(CloseFrame::parse(b"\x03"), Err(FrameError::CloseTruncated));
        assert_eq!(
            CloseFrame::parse(b"\x03\xed"),
            Err(FrameError::CloseCode { code: 1005 })
        );
        assert_eq!(
            CloseFrame::parse(b"\x03\xe8ab\xff"),
            Err(FrameError::CloseReasonNotUtf8 { at: 2 })
        );
        let bye = CloseFrame {
            code: CloseCode::GOING_AWAY,
            reason: "bye".to_owned(),
        };
        assert_eq!(CloseFrame::parse(b"\x03\xe9bye"), Ok(Some(bye)));
    }
}
