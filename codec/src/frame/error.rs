//! What a peer can do wrong with frames, and the close code that each wrong deserves.
//!
//! Small and `Copy`: nothing is formatted or allocated until somebody prints it.
use std::fmt;

use super::{CLOSE_REASON_BYTES, CONTROL_BYTES, CloseCode};

/// The rule that the peer broke. The connection cannot go on: answer with [`close_code`](Self::close_code).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A client sent an unmasked frame (RFC 6455 §5.1).
    Unmasked,
    /// A server sent a masked frame (RFC 6455 §5.1).
    Masked,
    /// A reserved bit is set that no negotiated extension defines here (RFC 6455 §5.2, RFC 7692 §6).
    ReservedBits {
        /// RSV1, RSV2 and RSV3 as the three bits of a number, RSV1 being the highest.
        bits: u8,
    },
    /// An opcode without a meaning (RFC 6455 §5.2).
    ReservedOpcode {
        /// The opcode, 3–7 or 11–15.
        opcode: u8,
    },
    /// A ping, pong or close without the final bit (RFC 6455 §5.5).
    ControlFragmented,
    /// A ping, pong or close of more than [`CONTROL_BYTES`] (RFC 6455 §5.5).
    ControlTooLong,
    /// A continuation with nothing to continue (RFC 6455 §5.4).
    OrphanContinuation,
    /// A new message inside of an unfinished one (RFC 6455 §5.4).
    NestedMessage,
    /// A length that fits a shorter form (RFC 6455 §5.2).
    LengthNotMinimal {
        /// The length as sent.
        len: u64,
    },
    /// A 64-bit length with its highest bit set (RFC 6455 §5.2).
    LengthTopBit,
    /// A close payload of one byte: a code takes two (RFC 6455 §5.5.1).
    CloseTruncated,
    /// A close code that must not be sent (RFC 6455 §7.4).
    CloseCode {
        /// The code as sent.
        code: u16,
    },
    /// A text message that is not, or at its end not completely, UTF-8 (RFC 6455 §8.1).
    TextNotUtf8 {
        /// Where in the message the broken character begins.
        at: usize,
    },
    /// A close reason that is not UTF-8 (RFC 6455 §5.5.1).
    CloseReasonNotUtf8 {
        /// Where in the reason the broken character begins.
        at: usize,
    },
    /// A frame over [`Limits::frame_bytes`](super::Limits::frame_bytes), refused from its head.
    FrameTooBig {
        /// The payload length that the head claims.
        len: u64,
        /// The limit.
        limit: usize,
    },
    /// A message over [`Limits::message_bytes`](super::Limits::message_bytes), refused from the head of the fragment
    /// that would exceed it.
    MessageTooBig {
        /// The message so far together with the length that the head claims.
        len: u64,
        /// The limit.
        limit: usize,
    },
    /// A message of more frames than [`Limits::fragments`](super::Limits::fragments).
    TooManyFragments {
        /// The limit.
        limit: usize,
    },
}

impl FrameError {
    /// The code to close the connection with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::TextNotUtf8 { .. } | Self::CloseReasonNotUtf8 { .. } => CloseCode::INVALID_DATA,
            Self::FrameTooBig { .. } | Self::MessageTooBig { .. } => CloseCode::TOO_BIG,
            Self::TooManyFragments { .. } => CloseCode::POLICY,
            Self::Unmasked
            | Self::Masked
            | Self::ReservedBits { .. }
            | Self::ReservedOpcode { .. }
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::OrphanContinuation
            | Self::NestedMessage
            | Self::LengthNotMinimal { .. }
            | Self::LengthTopBit
            | Self::CloseTruncated
            | Self::CloseCode { .. } => CloseCode::PROTOCOL,
        }
    }
}

/// One sentence that fits a close reason.
impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unmasked => f.write_str("a client's frame must be masked"),
            Self::Masked => f.write_str("a server's frame must not be masked"),
            Self::ReservedBits { bits } => write!(
                f,
                "the reserved bits {bits:03b} have no meaning on this frame"
            ),
            Self::ReservedOpcode { opcode } => write!(f, "opcode {opcode:#x} is reserved"),
            Self::ControlFragmented => f.write_str("a control frame must not be fragmented"),
            Self::ControlTooLong => {
                write!(f, "a control frame carries at most {CONTROL_BYTES} bytes")
            }
            Self::OrphanContinuation => {
                f.write_str("a continuation frame has no message to continue")
            }
            Self::NestedMessage => {
                f.write_str("a new message began before the fragmented one ended")
            }
            Self::LengthNotMinimal { len } => {
                write!(f, "the length {len} is not in its shortest form")
            }
            Self::LengthTopBit => f.write_str("a 64-bit length has its highest bit set"),
            Self::CloseTruncated => f.write_str("a close payload of one byte is no close code"),
            Self::CloseCode { code } => write!(f, "the close code {code} must not be sent"),
            Self::TextNotUtf8 { at } => write!(f, "the text message is not UTF-8 at byte {at}"),
            Self::CloseReasonNotUtf8 { at } => {
                write!(f, "the close reason is not UTF-8 at byte {at}")
            }
            Self::FrameTooBig { len, limit } => {
                write!(f, "a frame of {len} bytes is over the limit of {limit}")
            }
            Self::MessageTooBig { len, limit } => {
                write!(f, "a message of {len} bytes is over the limit of {limit}")
            }
            Self::TooManyFragments { limit } => {
                write!(f, "a message of more than {limit} frames is over the limit")
            }
        }
    }
}

impl std::error::Error for FrameError {}

// A refusal is sent as the reason of a close frame, which must hold the longest sentence with the longest numbers.
const _: () = assert!(
    "a message of 18446744073709551615 bytes is over the limit of 18446744073709551615".len()
        <= CLOSE_REASON_BYTES
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_value_and_the_limit() {
        let error = FrameError::MessageTooBig {
            len: 1_048_577,
            limit: 1_048_576,
        };
        assert_eq!(
            error.to_string(),
            "a message of 1048577 bytes is over the limit of 1048576"
        );
        assert_eq!(error.close_code(), CloseCode::TOO_BIG);
        assert_eq!(
            FrameError::ReservedBits { bits: 0b100 }.to_string(),
            "the reserved bits 100 have no meaning on this frame"
        );
    }
}
