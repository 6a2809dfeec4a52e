//! What a stream over HTTP is made of: chunks (RFC 9112 §7.1) of lines, each of which is a message, or a field of a
//! server-sent event.
//!
//! As with [`frames`](super::frames), what our server never sends is refused, and messages are found in place. Our server
//! puts whole messages into a chunk; a chunk that ends inside of a line would be a change that this is to notice.

use super::receive::Framing;
use crate::Outcome;

/// The longest size of a chunk, with what ends it.
const SIZE_BYTES: usize = 18;

/// Ends a chunk, and its size.
const END: &[u8] = b"\r\n";

/// What a message of a server-sent event stands behind.
const DATA: &[u8] = b"data: ";

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// `text/event-stream`.
    ServerSent,
    /// `application/x-ndjson`.
    Lines,
}

impl Chunks {
    /// As `Accept` asks for it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::ServerSent => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// Hands out the messages of the first chunk alone.
    pub fn first(
        self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        match chunk(bytes)? {
            Some((lines, end)) => self.messages(lines, take).map(|()| end),
            None => Ok(0),
        }
    }

    fn messages(self, lines: &[u8], take: &mut impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines) {
            let line = &lines[start..end];
            let message = match self {
                Self::ServerSent => line.strip_prefix(DATA),
                Self::Lines => Some(line),
            };
            message.map_or(Ok(()), &mut *take)?;
            start = end + 1;
        }
        if start < lines.len() {
            return Err("a chunk that ends inside of a line".into());
        }
        Ok(())
    }
}

impl Framing for Chunks {
    fn split(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        let mut done = 0;
        loop {
            match self.first(&bytes[done..], take)? {
                0 => return Ok(done),
                end => done += end,
            }
        }
    }
}

/// What is in the chunk at the beginning of `bytes`, and where it ends; `None` when it is cut off.
fn chunk(bytes: &[u8]) -> Outcome<Option<(&[u8], usize)>> {
    let Some(size_end) = memchr::memmem::find(bytes, END) else {
        return if bytes.len() > SIZE_BYTES {
            Err("a chunk without a size".into())
        } else {
            Ok(None)
        };
    };
    let size = std::str::from_utf8(&bytes[..size_end])?;
    let size = usize::from_str_radix(size, 16).map_err(|_| format!("a chunk of size {size:?}"))?;
    if size == 0 {
        return Err("the server ended the stream".into());
    }
    let start = size_end + END.len();
    let end = start
        .checked_add(size)
        .ok_or("a chunk longer than memory")?;
    let Some(content) = bytes.get(start..end) else {
        return Ok(None);
    };
    match bytes.get(end..end + END.len()) {
        Some(END) => Ok(Some((content, end + END.len()))),
        Some(_) => Err("a chunk that is longer than its size".into()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(parts: &[&str]) -> Vec<u8> {
        let chunk = |part: &&str| format!("{:x}\r\n{part}\r\n", part.len());
        parts.iter().map(chunk).collect::<String>().into_bytes()
    }

    /// What is found, reading as the receiver does: what is not done with comes again, with more behind it.
    fn split(mut framing: Chunks, bytes: &[u8], piece: usize) -> Outcome<Vec<String>> {
        let (mut messages, mut held) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            held.extend_from_slice(piece);
            let done = framing.split(&held, &mut |message| {
                messages.push(String::from_utf8(message.to_vec())?);
                Ok(())
            })?;
            held.drain(..done);
        }
        assert!(held.is_empty());
        Ok(messages)
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let sent = chunked(&[
            "retry: 1000\nevent: subscribed\ndata: {\"a\":1}\n\n",
            "id: e:1\ndata: {\"b\":2}\n\nid: e:2\ndata: {\"c\":3}\n\n",
        ]);
        let lines = chunked(&["{\"a\":1}\n", "{\"b\":2}\n{\"c\":3}\n"]);
        let messages = [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#];
        for (framing, bytes) in [(Chunks::ServerSent, sent), (Chunks::Lines, lines)] {
            for piece in 1..=bytes.len() {
                assert_eq!(split(framing, &bytes, piece).unwrap(), messages, "{piece}");
            }
        }
    }

    #[test]
    fn the_first_chunk_alone_is_read_in_a_handshake() {
        let bytes = chunked(&["one\n", "two\n"]);
        let mut messages = Vec::new();
        let mut take = |message: &[u8]| {
            messages.push(message.to_vec());
            Ok(())
        };
        assert_eq!(
            Chunks::Lines.first(&bytes, &mut take).unwrap(),
            bytes.len() / 2
        );
        assert_eq!(messages, [b"one"]);
    }

    #[test]
    fn what_our_server_never_sends_is_refused() {
        for (bytes, why) in [
            (&b"x\r\n"[..], "no size"),
            (b"1234567890123456789", "a size without an end"),
            (b"0\r\n\r\n", "the last chunk"),
            (b"3\r\none\r\n", "a line without an end"),
            (b"4\r\none\n--", "more than was said"),
        ] {
            let split = Chunks::Lines.split(bytes, &mut |_| Ok(()));
            assert!(split.is_err(), "{why}");
        }
    }
}
