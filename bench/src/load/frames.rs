//! The frames of a server that speaks WebSocket, found in place.
//!
//! The codec's decoder checks all that RFC 6455 says and gives each message a buffer of its own; at millions of messages a
//! second that would be what is measured. This one reads heads, and refuses what our server never sends. A test holds it
//! to the decoder.

use todoki_codec::frame::encode::masked;

use super::receive::Framing;
use crate::Outcome;

/// No proxy is between us and the server, so the mask need not surprise anybody.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of the frames there are: whole, and without reserved bits.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Frames {
    has_lines: bool,
    owed: Vec<u8>,
}

/// Where a frame's payload is.
struct Head {
    first: u8,
    start: usize,
    end: usize,
}

impl Frames {
    /// Frames of one message each.
    pub fn messages() -> Self {
        Self::default()
    }

    /// Frames of many messages, joined by line feeds.
    pub fn lines() -> Self {
        Self {
            has_lines: true,
            ..Self::default()
        }
    }

    /// As the query of a subscription asks for.
    pub fn for_query(query: &str) -> Self {
        if query.contains("encoding=lines") {
            Self::lines()
        } else {
            Self::messages()
        }
    }

    /// Hands out the first frame's payload alone.
    pub fn first(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        match head(bytes)? {
            Some(head) if head.end <= bytes.len() => self.split(&bytes[..head.end], take),
            _ => Ok(0),
        }
    }

    #[cold]
    fn control(&mut self, first: u8, payload: &[u8]) -> Outcome<()> {
        match (first, payload) {
            (PING, _) => masked::pong(payload, MASK, &mut self.owed),
            (PONG, _) => {}
            (CLOSE, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                let reason = String::from_utf8_lossy(reason);
                return Err(format!("the server closed with {code}: {reason}").into());
            }
            (CLOSE, _) => return Err("the server closed without a code".into()),
            _ => return Err(format!("a frame that begins with {first:#04x}").into()),
        }
        Ok(())
    }
}

impl Framing for Frames {
    fn split(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        let mut done = 0;
        while let Some(head) = head(&bytes[done..])? {
            let frame = &bytes[done..];
            let Some(payload) = frame.get(head.start..head.end) else {
                break;
            };
            done += head.end;
            match head.first {
                TEXT if self.has_lines => lines(payload, take)?,
                TEXT | BINARY => take(payload)?,
                first => self.control(first, payload)?,
            }
        }
        Ok(done)
    }

    fn owed(&mut self) -> Option<Vec<u8>> {
        (!self.owed.is_empty()).then(|| std::mem::take(&mut self.owed))
    }
}

fn lines(payload: &[u8], take: &mut impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', payload) {
        take(&payload[start..end])?;
        start = end + 1;
    }
    take(&payload[start..])
}

/// The head at the beginning of `bytes`; `None` when it is cut off.
fn head(bytes: &[u8]) -> Outcome<Option<Head>> {
    let Some((&[first, length], rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let (start, length) = match length {
        0..=125 => (2, u64::from(length)),
        126 => match rest.first_chunk::<2>() {
            Some(length) => (4, u16::from_be_bytes(*length).into()),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        _ => return Err("a masked frame from a server".into()),
    };
    let end = usize::try_from(length)?
        .checked_add(start)
        .ok_or("a frame longer than memory")?;
    Ok(Some(Head { first, start, end }))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use todoki_codec::frame::{Decoder, Incoming, Limits, Role, encode};

    use super::*;

    /// Lengths around the ones where a head grows.
    fn length() -> impl Strategy<Value = usize> {
        prop_oneof![0..300_usize, 65_530..65_540_usize]
    }

    /// What the decoder hears: the payloads, and the pings that are to be answered.
    fn decoded(mut bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let limits = Limits {
            frame_bytes: 1 << 20,
            message_bytes: 1 << 20,
            fragments: 1,
        };
        let mut decoder = Decoder::new(Role::Client, limits);
        let (mut payloads, mut pongs) = (Vec::new(), Vec::new());
        while let Some(incoming) = decoder.decode(&mut bytes).unwrap() {
            match incoming {
                Incoming::Text { bytes, .. } | Incoming::Binary { bytes, .. } => {
                    payloads.push(bytes.to_vec());
                }
                Incoming::Ping(payload) => masked::pong(&payload, MASK, &mut pongs),
                Incoming::Pong(_) | Incoming::Close(_) => {}
            }
        }
        (payloads, pongs)
    }

    /// What we find, reading as the receiver does: what is not done with comes again, with more behind it.
    fn split(mut framing: Frames, bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut payloads, mut pongs, mut held) = (Vec::new(), Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            held.extend_from_slice(piece);
            let mut take = |payload: &[u8]| {
                payloads.push(payload.to_vec());
                Ok(())
            };
            let done = framing.split(&held, &mut take).unwrap();
            held.drain(..done);
            pongs.extend(framing.owed().unwrap_or_default());
        }
        assert!(held.is_empty());
        (payloads, pongs)
    }

    proptest! {
        #[test]
        fn frames_are_those_that_the_decoder_hears(
            frames in vec((0..4_u8, length()), 1..8),
            piece in prop_oneof![1..20_usize, 1000..100_000_usize],
        ) {
            let mut bytes = Vec::new();
            for (kind, length) in frames {
                let payload = vec![b'a'; length];
                match kind {
                    0 => encode::ping(&payload[..length.min(125)], &mut bytes),
                    1 => encode::pong(&payload[..length.min(125)], &mut bytes),
                    _ => encode::text(&payload, &mut bytes),
                }
            }
            prop_assert_eq!(split(Frames::messages(), &bytes, piece), decoded(&bytes));
        }
    }

    #[test]
    fn lines_are_handed_out_one_by_one() {
        let mut bytes = Vec::new();
        encode::text(b"one\ntwo", &mut bytes);
        encode::text(b"three", &mut bytes);
        let expected = [&b"one"[..], b"two", b"three"].map(<[u8]>::to_vec);
        assert_eq!(split(Frames::lines(), &bytes, 5).0, expected);
    }

    #[test]
    fn what_our_server_never_sends_is_refused() {
        let close = b"\x88\x04\x03\xf4no";
        for (bytes, why) in [
            (&b"\x01\x01a"[..], "a fragment"),
            (b"\x80\x01a", "a continuation"),
            (b"\xc1\x01a", "a reserved bit"),
            (b"\x83\x00", "a reserved opcode"),
            (b"\x81\x81\x00\x00\x00\x00a", "a mask"),
            (close, "a close"),
        ] {
            let split = Frames::messages().split(bytes, &mut |_| Ok(()));
            assert!(split.is_err(), "{why}");
        }
    }
}
