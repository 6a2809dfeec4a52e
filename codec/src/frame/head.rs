//! The head of a frame: opcode, bits and length, before any rule about sequence, role or limits (RFC 6455 §5.2).
use super::{CONTROL_BYTES, FrameError};

/// Longest head: two bytes, a 64-bit length and a mask key.
const HEAD_BYTES: usize = 14;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of the message under way.
    Continuation = 0x0,
    /// The whole or the first fragment of a text message.
    Text = 0x1,
    /// The whole or the first fragment of a binary message.
    Binary = 0x2,
    /// The end of the peer's stream.
    Close = 0x8,
    /// A question whether this side is alive.
    Ping = 0x9,
    /// The answer to a ping, or a sign of life.
    Pong = 0xa,
}

impl Opcode {
    fn parse(nibble: u8) -> Result<Self, FrameError> {
        Ok(match nibble {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            opcode => return Err(FrameError::ReservedOpcode { opcode }),
        })
    }

    /// Whether a frame of this opcode may stand between the fragments of a message (RFC 6455 §5.5).
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The first two bytes of a frame, which say how many more its head has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) fin: bool,
    /// RSV1, RSV2, RSV3 as a number of three bits.
    pub(super) reserved: u8,
    pub(super) opcode: Opcode,
    pub(super) masked: bool,
    /// The length itself up to 125; 126 and 127 announce a length of 16 and of 64 bits.
    short_len: u8,
}

impl Opening {
    pub(super) fn parse([first, second]: [u8; 2]) -> Result<Self, FrameError> {
        let opcode = Opcode::parse(first & 0x0f)?;
        let opening = Self {
            fin: first & 0x80 != 0,
            reserved: (first >> 4) & 0b111,
            opcode,
            masked: second & 0x80 != 0,
            short_len: second & 0x7f,
        };
        if opcode.is_control() && !opening.fin {
            return Err(FrameError::ControlFragmented);
        }
        if opcode.is_control() && usize::from(opening.short_len) > CONTROL_BYTES {
            return Err(FrameError::ControlTooLong);
        }
        Ok(opening)
    }

    /// How many bytes of length follow.
    pub(super) const fn length_bytes(self) -> usize {
        match self.short_len {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    /// The payload's length, given the [`length_bytes`](Self::length_bytes) that follow.
    pub(super) fn length(self, extended: &[u8]) -> Result<u64, FrameError> {
        debug_assert_eq!(extended.len(), self.length_bytes());
        let len = extended
            .iter()
            .fold(0, |len, byte| len << 8 | u64::from(*byte));
        let least = match extended.len() {
            0 => return Ok(u64::from(self.short_len)),
            2 => 126,
            _ => 1 << 16,
        };
        if len < least {
            Err(FrameError::LengthNotMinimal { len })
        } else if len >> 63 != 0 {
            Err(FrameError::LengthTopBit)
        } else {
            Ok(len)
        }
    }
}

/// The bytes of a head that arrived so far.
#[derive(Debug)]
pub(super) struct PartialHead {
    bytes: [u8; HEAD_BYTES],
    len: u8,
}

impl PartialHead {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; HEAD_BYTES],
            len: 0,
        }
    }

    /// Makes ready for the next head.
    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes bytes from the input until there are `len`, and returns the first `len` once they are there.
    pub(super) fn fill(&mut self, len: usize, input: &mut &[u8]) -> Option<&[u8]> {
        let have = usize::from(self.len);
        let (piece, rest) = input.split_at(len.saturating_sub(have).min(input.len()));
        *input = rest;
        for (slot, byte) in self.bytes[have..].iter_mut().zip(piece) {
            *slot = *byte;
            self.len += 1;
        }
        self.bytes
            .get(..len)
            .filter(|_| usize::from(self.len) >= len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_must_be_in_its_shortest_form() {
        let judge = |second, extended: &[u8]| Opening::parse([0x81, second])?.length(extended);
        assert_eq!(judge(125, &[]), Ok(125));
        assert_eq!(
            judge(126, &[0, 125]),
            Err(FrameError::LengthNotMinimal { len: 125 })
        );
        assert_eq!(judge(126, &[0, 126]), Ok(126));
        assert_eq!(judge(126, &[255, 255]), Ok(65_535));
        let not_minimal = FrameError::LengthNotMinimal { len: 65_535 };
        assert_eq!(judge(127, &[0, 0, 0, 0, 0, 0, 255, 255]), Err(not_minimal));
        assert_eq!(judge(127, &[0, 0, 0, 0, 0, 1, 0, 0]), Ok(65_536));
        assert_eq!(
            judge(127, &[127, 255, 255, 255, 255, 255, 255, 255]),
            Ok(u64::MAX >> 1)
        );
        assert_eq!(
            judge(127, &[128, 0, 0, 0, 0, 0, 0, 0]),
            Err(FrameError::LengthTopBit)
        );
    }

    #[test]
    fn a_head_is_filled_from_whatever_comes_and_takes_no_byte_too_many() {
        let mut head = PartialHead::new();
        assert_eq!(head.fill(2, &mut &b"a"[..]), None);
        let mut input = &b"bcd"[..];
        assert_eq!(head.fill(2, &mut input), Some(&b"ab"[..]));
        assert_eq!(head.fill(3, &mut input), Some(&b"abc"[..]));
        assert_eq!(
            head.fill(2, &mut input),
            Some(&b"ab"[..]),
            "a step may be taken again"
        );
        assert_eq!(input, b"d");
    }
}
