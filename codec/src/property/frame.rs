//! Properties of WebSocket frames.
//!
//! The decoder must give the same answer however a stream is cut, and the same as a [`naive`] one; what the encoder
//! writes, the decoder must read back. Each function takes raw bytes, as a fuzzer has them, and makes its case of them.
pub mod naive;

use bytes::Buf;

use self::naive::Heard;
use crate::frame::encode::{self, masked};
use crate::frame::{CONTROL_BYTES, CloseCode, CloseFrame, Decoder, Incoming, Limits, Opcode, Role};

/// Limits that an input of a few hundred bytes can break.
const TIGHT: Limits = Limits {
    frame_bytes: 300,
    message_bytes: 500,
    fragments: 4,
};

/// How a stream is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether the frames come from a client, and so must be masked.
    pub masked: bool,
    /// Whether compressed messages are allowed.
    pub deflate: bool,
    /// How much may come at once.
    pub limits: Limits,
}

impl Settings {
    fn from_byte(byte: u8) -> Self {
        Self {
            masked: byte & 1 == 0,
            deflate: byte & 2 != 0,
            limits: if byte & 4 == 0 {
                Limits::inbound()
            } else {
                TIGHT
            },
        }
    }

    fn decoder(self) -> Decoder {
        let role = if self.masked {
            Role::Server
        } else {
            Role::Client
        };
        Decoder::new(role, self.limits).with_deflate(self.deflate)
    }
}

/// A stream reads the same whole, byte by byte, in pieces, and by the naive decoder; what it said can be said again.
///
/// The first byte chooses the settings and the second the pieces; the rest is the stream.
pub fn frame_streams_like_naive(bytes: &[u8]) {
    let [settings, pace, stream @ ..] = bytes else {
        return;
    };
    streams_like_naive(stream, Settings::from_byte(*settings), *pace);
}

/// [`frame_streams_like_naive`] with the choices spelled out, returning what was heard.
pub fn streams_like_naive(stream: &[u8], settings: Settings, pace: u8) -> Heard {
    let heard = naive::hear(stream, settings);
    let whole = hear(stream, settings, [stream.len()]);
    assert_eq!(whole, heard, "read as a whole");
    assert_eq!(
        hear(stream, settings, std::iter::repeat(1)),
        heard,
        "read byte by byte"
    );
    assert_eq!(
        hear(stream, settings, pieces(pace)),
        heard,
        "read in pieces"
    );

    // A message may be larger than a frame, and here it is repeated in one.
    let limits = Limits {
        frame_bytes: settings.limits.message_bytes,
        ..settings.limits
    };
    let again = say_again(&heard.messages, settings.masked);
    let repeated = hear(&again, Settings { limits, ..settings }, [again.len()]);
    assert_eq!(repeated.refused, None, "what was said can be said again");
    assert_eq!(
        repeated.messages, heard.messages,
        "what was said can be said again"
    );
    heard
}

/// What the encoder writes, for either side, the decoder of the other side reads back.
///
/// The bytes are a list of messages: one for the kind, one for how often its text repeats, one for the text's length.
pub fn frame_round_trip(bytes: &[u8]) {
    let (mut plain, mut hidden, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = bytes;
    while let [kind, repeat, len, tail @ ..] = rest {
        let (text, tail) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = tail;
        let text = String::from_utf8_lossy(text).repeat(1 + usize::from(*repeat));
        let key = [*kind, *repeat, *len, 0xa5];
        said.push(say(*kind, &text, key, &mut plain, &mut hidden));
        if matches!(said.last(), Some(Incoming::Close(_))) {
            break;
        }
    }
    let limits = Limits {
        frame_bytes: 1 << 20,
        message_bytes: 1 << 20,
        fragments: 1,
    };
    for (stream, masked) in [(&plain, false), (&hidden, true)] {
        let settings = Settings {
            masked,
            deflate: false,
            limits,
        };
        let heard = hear(stream, settings, [stream.len()]);
        assert_eq!(
            heard,
            Heard {
                messages: said.clone(),
                refused: None
            }
        );
    }
}

/// Says one message from a server and from a client, and returns what the other side must hear.
fn say(kind: u8, text: &str, key: [u8; 4], plain: &mut Vec<u8>, hidden: &mut Vec<u8>) -> Incoming {
    let payload = text.as_bytes();
    let short = &payload[..payload.len().min(CONTROL_BYTES)];
    match kind % 8 {
        0 => {
            encode::ping(short, plain);
            masked::ping(short, key, hidden);
            Incoming::Ping(short.to_vec().into())
        }
        1 => {
            encode::pong(short, plain);
            masked::pong(short, key, hidden);
            Incoming::Pong(short.to_vec().into())
        }
        2 => {
            encode::close_without_code(plain);
            masked::close_without_code(key, hidden);
            Incoming::Close(None)
        }
        3 => {
            let code = CloseCode::new(3000 + u16::from(kind)).unwrap_or(CloseCode::NORMAL);
            encode::close(code, text, plain);
            masked::close(code, text, key, hidden);
            let mut reason = String::new();
            let fits =
                |reason: &String, next: char| reason.len() + next.len_utf8() <= CONTROL_BYTES - 2;
            for next in text.chars() {
                if !fits(&reason, next) {
                    break;
                }
                reason.push(next);
            }
            Incoming::Close(Some(CloseFrame { code, reason }))
        }
        _ => {
            encode::text(payload, plain);
            masked::text(payload, key, hidden);
            Incoming::Text {
                bytes: payload.to_vec().into(),
                compressed: false,
            }
        }
    }
}

/// Feeds a stream to a decoder in pieces of the given lengths, and the remainder as the last one.
fn hear(stream: &[u8], settings: Settings, lengths: impl IntoIterator<Item = usize>) -> Heard {
    let mut decoder = settings.decoder();
    let mut messages = Vec::new();
    let mut lengths = lengths.into_iter();
    let mut read = 0;
    while read < stream.len() {
        let len = lengths
            .next()
            .unwrap_or(usize::MAX)
            .min(stream.len() - read);
        let mut piece = &stream[read..read + len];
        read += len;
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.decode(&mut piece), Err(error), "an error stays");
                    assert_eq!(
                        decoder.buffered_bytes(),
                        0,
                        "a failed decoder holds nothing"
                    );
                    return Heard {
                        messages,
                        refused: Some(error.close_code().number()),
                    };
                }
            }
        }
        assert!(
            !piece.has_remaining(),
            "a decoder that wants more has used up what there was"
        );
        assert!(
            decoder.buffered_bytes() <= 16 + 2 * read,
            "memory follows what arrived, not what was claimed"
        );
    }
    Heard {
        messages,
        refused: None,
    }
}

/// Lengths of pieces from 0 to 31, different for each pace.
fn pieces(pace: u8) -> impl Iterator<Item = usize> {
    let mut state = u32::from(pace);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 27) as usize
    })
}

/// The messages as a stream of unfragmented frames.
fn say_again(messages: &[Incoming], mask: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        let (opcode, payload, compressed) = match message {
            Incoming::Text { bytes, compressed } => (Opcode::Text, bytes.to_vec(), *compressed),
            Incoming::Binary { bytes, compressed } => (Opcode::Binary, bytes.to_vec(), *compressed),
            Incoming::Ping(bytes) => (Opcode::Ping, bytes.to_vec(), false),
            Incoming::Pong(bytes) => (Opcode::Pong, bytes.to_vec(), false),
            Incoming::Close(None) => (Opcode::Close, Vec::new(), false),
            Incoming::Close(Some(CloseFrame { code, reason })) => {
                let payload = [&code.number().to_be_bytes(), reason.as_bytes()].concat();
                (Opcode::Close, payload, false)
            }
        };
        let head = out.len();
        out.extend_from_slice(&encode::header(opcode, compressed, payload.len()));
        if mask {
            out[head + 1] |= 0x80;
            let key = [0x11, 0x22, 0x33, 0x44];
            out.extend_from_slice(&key);
            out.extend(
                payload
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            );
        } else {
            out.extend_from_slice(&payload);
        }
    }
    out
}
