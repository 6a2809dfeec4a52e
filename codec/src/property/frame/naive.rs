//! A second frame decoder, the simple obvious way, to hold the first one against.
//!
//! Written from the text of RFC 6455 §5 and §7.4 alone, and sharing no code with [`Decoder`](crate::frame::Decoder): it
//! has the whole stream before it, copies at every turn, and knows only close codes instead of errors.
use crate::frame::{CloseCode, CloseFrame, Incoming};

use super::Settings;

/// What a peer said before its stream ended or broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Everything complete, in order.
    pub messages: Vec<Incoming>,
    /// The close code for the rule that the peer broke, none if it kept them all.
    pub refused: Option<u16>,
}

/// Reads a whole stream.
pub fn hear(stream: &[u8], settings: Settings) -> Heard {
    let mut messages = Vec::new();
    let refused = read_all(stream, settings, &mut messages).err();
    Heard { messages, refused }
}

/// The parts of RFC 6455 §5.2, each under its name there. The payload is unmasked, and short if the stream ends in it.
struct Frame {
    fin: bool,
    rsv1: bool,
    opcode: u8,
    payload: Vec<u8>,
    complete: bool,
}

/// A message whose last fragment has not come.
struct Open {
    opcode: u8,
    compressed: bool,
    fragments: Vec<Vec<u8>>,
}

impl Open {
    fn joined(&self) -> Vec<u8> {
        self.fragments.concat()
    }

    fn is_plain_text(&self) -> bool {
        self.opcode == 1 && !self.compressed
    }
}

fn read_all(stream: &[u8], settings: Settings, messages: &mut Vec<Incoming>) -> Result<(), u16> {
    let mut at = 0;
    let mut open: Option<Open> = None;
    while let Some(frame) = read_frame(stream, &mut at, settings, open.as_ref())? {
        if frame.opcode >= 8 {
            if !frame.complete {
                return Ok(());
            }
            messages.push(control(&frame)?);
            if frame.opcode == 8 {
                return Ok(());
            }
            continue;
        }
        let mut message = open.take().unwrap_or(Open {
            opcode: frame.opcode,
            compressed: frame.rsv1,
            fragments: Vec::new(),
        });
        message.fragments.push(frame.payload);
        let bytes = message.joined();
        let ended = frame.complete && frame.fin;
        if message.is_plain_text() && !may_be_utf8(&bytes, ended) {
            return Err(1007);
        }
        if !ended {
            open = Some(message);
        } else if message.opcode == 1 {
            messages.push(Incoming::Text {
                bytes: bytes.into(),
                compressed: message.compressed,
            });
        } else {
            messages.push(Incoming::Binary {
                bytes: bytes.into(),
                compressed: message.compressed,
            });
        }
    }
    Ok(())
}

/// Whether the bytes are UTF-8, or, unless they are all, the beginning of UTF-8.
fn may_be_utf8(bytes: &[u8], all: bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => !all && error.error_len().is_none(),
    }
}

/// The frame at `at`, which moves behind it; none if the stream ends before the payload begins.
fn read_frame(
    stream: &[u8],
    at: &mut usize,
    settings: Settings,
    open: Option<&Open>,
) -> Result<Option<Frame>, u16> {
    let rest = &stream[*at..];
    if rest.len() < 2 {
        return Ok(None);
    }
    let fin = rest[0] & 0x80 == 0x80;
    let (rsv1, rsv2, rsv3) = (
        rest[0] & 0x40 != 0,
        rest[0] & 0x20 != 0,
        rest[0] & 0x10 != 0,
    );
    let opcode = rest[0] % 16;
    let masked = rest[1] >= 128;
    let short = rest[1] % 128;

    let broken = masked != settings.masked
        || rsv2
        || rsv3
        || (rsv1 && !(settings.deflate && (opcode == 1 || opcode == 2)))
        || (3..=7).contains(&opcode)
        || opcode >= 11
        || (opcode >= 8 && (!fin || short > 125))
        || (opcode == 0 && open.is_none())
        || ((opcode == 1 || opcode == 2) && open.is_some());
    if broken {
        return Err(1002);
    }

    let (len, mut head) = match short {
        126 if rest.len() < 4 => return Ok(None),
        126 => (u64::from(rest[2]) * 256 + u64::from(rest[3]), 4),
        127 if rest.len() < 10 => return Ok(None),
        127 => (
            rest[2..10]
                .iter()
                .fold(0, |sum, byte| sum * 256 + u64::from(*byte)),
            10,
        ),
        short => (u64::from(short), 2),
    };
    if (head == 4 && len < 126) || (head == 10 && !(65_536..1 << 63).contains(&len)) {
        return Err(1002);
    }
    if opcode < 8 {
        within_limits(len, settings, open)?;
    }

    let mut key = vec![0; 4];
    if masked {
        if rest.len() < head + 4 {
            return Ok(None);
        }
        key = rest[head..head + 4].to_vec();
        head += 4;
    }
    let payload: Vec<u8> = (rest[head..].iter().zip(key.iter().cycle()))
        .take(usize::try_from(len).unwrap_or(usize::MAX))
        .map(|(byte, key)| byte ^ key)
        .collect();
    *at += head + payload.len();
    let complete = payload.len() as u64 == len;
    Ok(Some(Frame {
        fin,
        rsv1,
        opcode,
        payload,
        complete,
    }))
}

fn within_limits(len: u64, settings: Settings, open: Option<&Open>) -> Result<(), u16> {
    let so_far = open.map_or(0, |open| open.joined().len());
    let frames = open.map_or(0, |open| open.fragments.len());
    if len > settings.limits.frame_bytes as u64 {
        return Err(1009);
    }
    if u128::from(len) + so_far as u128 > settings.limits.message_bytes as u128 {
        return Err(1009);
    }
    if frames + 1 > settings.limits.fragments {
        return Err(1008);
    }
    Ok(())
}

fn control(frame: &Frame) -> Result<Incoming, u16> {
    let payload = frame.payload.clone();
    match frame.opcode {
        9 => return Ok(Incoming::Ping(payload.into())),
        10 => return Ok(Incoming::Pong(payload.into())),
        _ => {}
    }
    if payload.is_empty() {
        return Ok(Incoming::Close(None));
    }
    if payload.len() == 1 {
        return Err(1002);
    }
    let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
    let forbidden = code < 1000
        || [1004, 1005, 1006].contains(&code)
        || (1015..3000).contains(&code)
        || code > 4999;
    let code = CloseCode::new(code)
        .filter(|_| !forbidden)
        .ok_or(1002_u16)?;
    let reason = String::from_utf8(payload[2..].to_vec()).map_err(|_| 1007_u16)?;
    Ok(Incoming::Close(Some(CloseFrame { code, reason })))
}
