//! How peers put events into a byte stream, found in place.
//!
//! As for our own frames, what a message costs us must be little beside what it costs the server, so heads are read and
//! payloads are handed on where they are. The payloads are our events: the publisher wrote them.

use todoki_codec::frame::encode::masked;

use crate::Outcome;
use crate::load::frames::Frames;
use crate::load::receive::Framing;

/// No proxy is between us and the server, so the mask need not surprise anybody.
pub(super) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What precedes and follows an event in a message of Centrifugo, for a channel without a history.
const CENTRIFUGO_HEAD: &[u8] = br#"{"push":{"channel":"events","pub":{"data":"#;
const CENTRIFUGO_TAIL: &[u8] = b"}}}";

/// MQTT packets that a server sends to a subscriber of quality 0, by the upper half of their first byte.
const MQTT_PUBLISH: u8 = 3;
const MQTT_ACKNOWLEDGES: [u8; 3] = [2, 9, 13];

/// What a subscriber reads.
#[derive(Debug)]
pub enum PeerFraming {
    /// WebSocket, each event a message.
    Frames(Frames),
    /// The protocol of NATS clients.
    Nats(Nats),
    /// MQTT 3.1.1.
    Mqtt,
    /// Centrifugo's JSON in WebSocket frames.
    Centrifugo(Centrifugo),
}

impl Framing for PeerFraming {
    fn split(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        match self {
            Self::Frames(frames) => frames.split(bytes, take),
            Self::Nats(nats) => nats.split(bytes, take),
            Self::Mqtt => mqtt(bytes, take),
            Self::Centrifugo(centrifugo) => centrifugo.split(bytes, take),
        }
    }

    fn owed(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Frames(frames) => frames.owed(),
            Self::Nats(nats) => nats.owed(),
            Self::Mqtt => None,
            Self::Centrifugo(centrifugo) => centrifugo.owed(),
        }
    }
}

/// `MSG subject id length`, a line end, the payload, a line end; and lines of other words in between.
#[derive(Debug, Default)]
pub struct Nats {
    owes_pong: bool,
}

impl Framing for Nats {
    fn split(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        let mut done = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[done..]) {
            let line = bytes[done..done + end].trim_ascii_end();
            let after = done + end + 1;
            if line.starts_with(b"MSG ") {
                let length = nats_length(line)?;
                let Some(payload) = bytes[after..].get(..length + 2) else {
                    break;
                };
                take(&payload[..length])?;
                done = after + length + 2;
                continue;
            }
            match line {
                b"PING" => self.owes_pong = true,
                b"PONG" | b"+OK" => {}
                _ if line.starts_with(b"INFO ") => {}
                _ => return Err(told("NATS", line)),
            }
            done = after;
        }
        Ok(done)
    }

    fn owed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.owes_pong).then(|| b"PONG\r\n".to_vec())
    }
}

/// The last word of a `MSG` line.
fn nats_length(line: &[u8]) -> Outcome<usize> {
    let word = line.rsplit(|byte| *byte == b' ').next();
    let length = word.and_then(|word| str::from_utf8(word).ok()?.parse().ok());
    length.ok_or_else(|| told("NATS", line))
}

fn mqtt(bytes: &[u8], take: &mut impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<usize> {
    let mut done = 0;
    while let Some((start, end)) = mqtt_body(&bytes[done..])? {
        let Some(body) = bytes[done..].get(start..end) else {
            break;
        };
        match bytes[done] >> 4 {
            MQTT_PUBLISH => take(mqtt_payload(body).ok_or_else(|| told("MQTT", body))?)?,
            kind if MQTT_ACKNOWLEDGES.contains(&kind) => {}
            _ => return Err(told("MQTT", &bytes[done..done + end])),
        }
        done += end;
    }
    Ok(done)
}

/// Where the body of the packet at the beginning is: after one byte, and a length of seven bits in each of up to four.
fn mqtt_body(bytes: &[u8]) -> Outcome<Option<(usize, usize)>> {
    let mut length = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let start = place + 2;
            return Ok(Some((start, start + length)));
        }
    }
    if bytes.len() > 4 {
        return Err(told("MQTT", &bytes[..5]));
    }
    Ok(None)
}

/// What follows the topic; at quality 0 there is no packet number.
fn mqtt_payload(body: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    rest.get(usize::from(u16::from_be_bytes(*length))..)
}

/// Many messages in a frame, one in a line; an empty one is a ping.
#[derive(Debug)]
pub struct Centrifugo {
    frames: Frames,
    owed: Vec<u8>,
}

impl Default for Centrifugo {
    /// At the beginning of a stream.
    fn default() -> Self {
        Self {
            frames: Frames::lines(),
            owed: Vec::new(),
        }
    }
}

impl Framing for Centrifugo {
    fn split(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        let Self { frames, owed } = self;
        frames.split(bytes, &mut |line| {
            let event = line.strip_prefix(CENTRIFUGO_HEAD);
            if let Some(event) = event.and_then(|event| event.strip_suffix(CENTRIFUGO_TAIL)) {
                return take(event);
            }
            match line {
                b"{}" => masked::text(b"{}", MASK, owed),
                // Answers to our commands, of which only a refusal matters.
                _ if line.starts_with(br#"{"id":"#) && !contains(line, b"\"error\"") => {}
                _ => return Err(told("Centrifugo", line)),
            }
            Ok(())
        })
    }

    fn owed(&mut self) -> Option<Vec<u8>> {
        self.owed.extend(self.frames.owed().unwrap_or_default());
        (!self.owed.is_empty()).then(|| std::mem::take(&mut self.owed))
    }
}

pub(super) fn contains(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

fn told(protocol: &str, what: &[u8]) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{protocol} server: {}", String::from_utf8_lossy(what)).into()
}

#[cfg(test)]
mod tests {
    use todoki_codec::frame::encode;

    use super::*;

    /// Reads a stream cut into pieces of every size, as the receiver does, and says what came and what was owed.
    fn read(new: impl Fn() -> PeerFraming, stream: &[u8]) -> (Vec<String>, Vec<u8>) {
        let one_read = |piece: usize| {
            let (mut framing, mut held) = (new(), Vec::new());
            let (mut events, mut owed) = (Vec::new(), Vec::new());
            for bytes in stream.chunks(piece) {
                held.extend_from_slice(bytes);
                let mut take = |event: &[u8]| {
                    events.push(String::from_utf8(event.to_vec()).unwrap());
                    Ok(())
                };
                let done = framing.split(&held, &mut take).unwrap();
                held.drain(..done);
                owed.extend(framing.owed().unwrap_or_default());
            }
            assert!(held.is_empty(), "pieces of {piece}");
            (events, owed)
        };
        let whole = one_read(stream.len());
        for piece in 1..stream.len() {
            assert_eq!(one_read(piece), whole, "pieces of {piece}");
        }
        whole
    }

    #[test]
    fn nats_messages_are_found_by_their_length_and_pings_answered() {
        let stream = b"PONG\r\nMSG events 1 7\r\n{\"a\":1}\r\nPING\r\n\
            MSG events 1 reply.to 10\r\n{\"b\":\"\r\n\"}\r\n+OK\r\nMSG events 1 0\r\n\r\n";
        let (events, owed) = read(|| PeerFraming::Nats(Nats::default()), stream);
        assert_eq!(
            events,
            ["{\"a\":1}", "{\"b\":\"\r\n\"}", ""].map(String::from)
        );
        assert_eq!(owed, b"PONG\r\n");
    }

    #[test]
    fn nats_errors_are_told() {
        let split = Nats::default().split(b"-ERR 'Slow Consumer'\r\n", &mut |_| Ok(()));
        let error = split.unwrap_err().to_string();
        assert_eq!(error, "NATS server: -ERR 'Slow Consumer'");
    }

    #[test]
    fn mqtt_payloads_follow_the_topic_whatever_the_length_takes() {
        // CONNACK, SUBACK, a PUBLISH of length 15, PINGRESP, and a PUBLISH whose length takes two bytes: 208 = 0xd0 0x01.
        let mut stream =
            b"\x20\x02\x00\x00\x90\x03\x00\x01\x00\x30\x0f\x00\x06events{\"a\":1}\xd0\x00".to_vec();
        stream.extend(b"\x30\xd0\x01\x00\x06events");
        stream.extend([b'x'; 200]);
        let (events, owed) = read(|| PeerFraming::Mqtt, &stream);
        assert_eq!(events, ["{\"a\":1}".to_owned(), "x".repeat(200)]);
        assert!(owed.is_empty());
    }

    #[test]
    fn mqtt_lengths_of_five_bytes_and_unknown_packets_are_refused() {
        for bytes in [&b"\x30\x80\x80\x80\x80\x01"[..], b"\xe0\x00"] {
            assert!(mqtt(bytes, &mut |_| Ok(())).is_err());
        }
    }

    #[test]
    fn centrifugo_publications_are_taken_out_of_their_lines_and_pings_answered() {
        let mut stream = Vec::new();
        encode::text(
            b"{\"id\":1,\"connect\":{\"client\":\"c\",\"ping\":25,\"pong\":true}}\n{\"id\":2,\"subscribe\":{}}",
            &mut stream,
        );
        encode::text(
            b"{\"push\":{\"channel\":\"events\",\"pub\":{\"data\":{\"a\":1}}}}\n{\"push\":{\"channel\":\"events\",\"pub\":{\"data\":{\"b\":{}}}}}",
            &mut stream,
        );
        encode::text(b"{}", &mut stream);
        let (events, owed) = read(|| PeerFraming::Centrifugo(Centrifugo::default()), &stream);
        assert_eq!(events, ["{\"a\":1}", "{\"b\":{}}"]);
        assert_eq!(
            owed,
            [0x81, 0x82, 0x37, 0xfa, 0x21, 0x3d, b'{' ^ 0x37, b'}' ^ 0xfa]
        );
    }

    #[test]
    fn centrifugo_refusals_are_told() {
        for line in [
            &b"{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"[..],
            b"{\"push\":{\"disconnect\":{\"code\":3008,\"reason\":\"slow\"}}}",
        ] {
            let mut stream = Vec::new();
            encode::text(line, &mut stream);
            let split = Centrifugo::default().split(&stream, &mut |_| Ok(()));
            assert!(split.is_err());
        }
    }
}
