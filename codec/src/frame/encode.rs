//! The encoder: frames appended to a buffer, whole messages only, each length in its shortest form (RFC 6455 §5.2).
//!
//! The functions here write a server's frames; [`masked`] writes a client's. Payloads are not copied twice: a caller that
//! already has its payload in place writes a [`Header`] in front of it.
use std::ops::Deref;

use bytes::BufMut;

use super::head::Opcode;
use super::{CLOSE_REASON_BYTES, CONTROL_BYTES, CloseCode};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// The head of an unmasked frame, 2, 4 or 10 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    bytes: [u8; 10],
    len: u8,
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The head of a whole message or control frame of `len` bytes; `compressed` says that permessage-deflate was applied to
/// the payload (RFC 7692 §6).
pub fn header(opcode: Opcode, compressed: bool, len: usize) -> Header {
    debug_assert!(!opcode.is_control() || (len <= CONTROL_BYTES && !compressed));
    let mut header = Header {
        bytes: [0; 10],
        len: 2,
    };
    header.bytes[0] = FIN | if compressed { RSV1 } else { 0 } | opcode as u8;
    if let Ok(len) = u8::try_from(len)
        && len < 126
    {
        header.bytes[1] = len;
    } else if let Ok(len) = u16::try_from(len) {
        header.bytes[1] = 126;
        header.bytes[2..4].copy_from_slice(&len.to_be_bytes());
        header.len = 4;
    } else {
        header.bytes[1] = 127;
        header.bytes[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        header.len = 10;
    }
    header
}

/// The head of an uncompressed text message of `len` bytes.
pub fn text_header(len: usize) -> Header {
    header(Opcode::Text, false, len)
}

/// A text message; `payload` is UTF-8.
pub fn text(payload: &[u8], out: &mut impl BufMut) {
    frame(Opcode::Text, payload, out);
}

/// A ping; `payload` has at most [`CONTROL_BYTES`].
pub fn ping(payload: &[u8], out: &mut impl BufMut) {
    frame(Opcode::Ping, control(payload), out);
}

/// A pong with the payload of the ping that it answers.
pub fn pong(payload: &[u8], out: &mut impl BufMut) {
    frame(Opcode::Pong, control(payload), out);
}

/// A close; the reason is cut to the [`CLOSE_REASON_BYTES`] that fit, between characters.
pub fn close(code: CloseCode, reason: &str, out: &mut impl BufMut) {
    let reason = fitting(reason);
    out.put_slice(&header(Opcode::Close, false, 2 + reason.len()));
    out.put_u16(code.number());
    out.put_slice(reason.as_bytes());
}

/// A close that gives no code, in answer to one that gave none.
pub fn close_without_code(out: &mut impl BufMut) {
    frame(Opcode::Close, &[], out);
}

fn frame(opcode: Opcode, payload: &[u8], out: &mut impl BufMut) {
    out.put_slice(&header(opcode, false, payload.len()));
    out.put_slice(payload);
}

fn control(payload: &[u8]) -> &[u8] {
    assert!(
        payload.len() <= CONTROL_BYTES,
        "a control frame carries at most {CONTROL_BYTES} bytes"
    );
    payload
}

fn fitting(reason: &str) -> &str {
    reason
        .get(..reason.floor_char_boundary(CLOSE_REASON_BYTES))
        .unwrap_or_default()
}

/// A client's frames. The key comes from the caller, fresh and unpredictable for each frame (RFC 6455 §5.3).
pub mod masked {
    use super::{MASKED, control, fitting, header};
    use crate::frame::mask::mask;
    use crate::frame::{CloseCode, Opcode};

    /// A text message; `payload` is UTF-8.
    pub fn text(payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
        frame(Opcode::Text, &[payload], key, out);
    }

    /// A ping; `payload` has at most [`CONTROL_BYTES`](crate::frame::CONTROL_BYTES).
    pub fn ping(payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
        frame(Opcode::Ping, &[control(payload)], key, out);
    }

    /// A pong with the payload of the ping that it answers.
    pub fn pong(payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
        frame(Opcode::Pong, &[control(payload)], key, out);
    }

    /// A close; the reason is cut to the [`CLOSE_REASON_BYTES`](crate::frame::CLOSE_REASON_BYTES) that fit.
    pub fn close(code: CloseCode, reason: &str, key: [u8; 4], out: &mut Vec<u8>) {
        let code = code.number().to_be_bytes();
        frame(
            Opcode::Close,
            &[&code, fitting(reason).as_bytes()],
            key,
            out,
        );
    }

    /// A close that gives no code, in answer to one that gave none.
    pub fn close_without_code(key: [u8; 4], out: &mut Vec<u8>) {
        frame(Opcode::Close, &[], key, out);
    }

    fn frame(opcode: Opcode, parts: &[&[u8]], key: [u8; 4], out: &mut Vec<u8>) {
        let len = parts.iter().map(|part| part.len()).sum();
        let head = out.len();
        out.extend_from_slice(&header(opcode, false, len));
        out[head + 1] |= MASKED;
        out.extend_from_slice(&key);
        let payload = out.len();
        for part in parts {
            out.extend_from_slice(part);
        }
        mask(&mut out[payload..], key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_takes_the_shortest_form() {
        let lengths = [
            (0, 2),
            (125, 2),
            (126, 4),
            (65_535, 4),
            (65_536, 10),
            (usize::MAX >> 1, 10),
        ];
        for (len, bytes) in lengths {
            assert_eq!(text_header(len).len(), bytes, "a payload of {len} bytes");
        }
    }

    #[test]
    fn frames_are_appended_behind_each_other() {
        let mut out = bytes::BytesMut::new();
        text(b"a", &mut out);
        pong(b"b", &mut out);
        close(CloseCode::RESTART, "", &mut out);
        close_without_code(&mut out);
        assert_eq!(out, &b"\x81\x01a\x8a\x01b\x88\x02\x03\xf4\x88\x00"[..]);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut out = Vec::new();
        close(CloseCode::SLOW, &"€".repeat(50), &mut out);
        assert_eq!(out[1], 2 + 41 * 3);
        assert_eq!(&out[4..], "€".repeat(41).as_bytes());

        out.clear();
        close(CloseCode::SLOW, &format!("x{}", "€".repeat(50)), &mut out);
        assert_eq!(out[1], 2 + 1 + 40 * 3);
    }

    #[test]
    fn a_masked_frame_is_the_unmasked_one_behind_its_key() {
        let mut out = vec![0xee];
        masked::text(b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut out);
        assert_eq!(out, b"\xee\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    #[should_panic(expected = "a control frame carries at most 125 bytes")]
    fn a_ping_over_125_bytes_is_a_mistake_of_the_caller() {
        ping(&[0; 126], &mut Vec::new());
    }
}
