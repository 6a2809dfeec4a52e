//! permessage-deflate (RFC 7692): messages made smaller, and made whole again.
//!
//! A server's messages share a context: [`Deflater`] compresses a message against those before it, and the same bytes go
//! to every reader that has had them all. A window is a run of messages that refer to nothing before it, so a reader may
//! come in where one opens; uncompressed messages in between change nothing (RFC 7692 §7.2.3.2). A client's messages are
//! each on their own, as [`offer::answer`] agrees with it, so one [`Inflater`] serves any number of clients.
//!
//! It does not frame and it does not check text: a message comes and goes as bytes.
pub mod offer;

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::frame::CloseCode;

/// How every flush ends, an empty stored block; left out on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Bytes that an inflated message begins with; it doubles from there, so that memory follows what came out.
const FIRST_ROOM: usize = 1 << 10;

/// The fastest level: with a shared context it is within a fifth of the best ratio at a tenth of its time.
const LEVEL: Compression = Compression::fast();

/// Compresses one side's messages, each against those before it.
#[derive(Debug)]
pub struct Deflater {
    stream: Compress,
}

impl Default for Deflater {
    fn default() -> Self {
        Self {
            stream: Compress::new(LEVEL, false),
        }
    }
}

impl Deflater {
    /// Opens a window: what comes next refers to nothing before it.
    pub fn reset(&mut self) {
        self.stream.reset();
    }

    /// Appends the payload of a message (RFC 7692 §7.2.1).
    pub fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) {
        if message.is_empty() {
            // A flush with nothing to flush writes nothing; this is an empty block (RFC 7692 §7.2.3.6).
            return out.push(0);
        }
        // Room for a message that does not shrink: nine bits a byte, and the flush.
        out.reserve(message.len() + message.len() / 8 + 64);
        let mut rest = message;
        loop {
            let before = self.stream.total_in();
            self.stream
                .compress_vec(rest, out, FlushCompress::Sync)
                .expect("a stream that is never finished takes more");
            rest = &rest[taken(before, self.stream.total_in())..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(rest.len() + 64);
        }
        debug_assert!(out.ends_with(&TAIL), "a flush ends in an empty block");
        out.truncate(out.len() - TAIL.len());
    }
}

/// Makes messages whole.
#[derive(Debug)]
pub struct Inflater {
    stream: Decompress,
    keeps_context: bool,
}

impl Inflater {
    /// Reads messages that are each on their own, from any number of peers.
    pub fn stateless() -> Self {
        Self {
            stream: Decompress::new(false),
            keeps_context: false,
        }
    }

    /// Reads the messages of one peer, in their order, each of which may refer to those before it.
    pub fn streaming() -> Self {
        Self {
            keeps_context: true,
            ..Self::stateless()
        }
    }

    /// The message behind a payload (RFC 7692 §7.2.2), if it has at most `limit` bytes. After an error a streaming
    /// inflater is of no more use.
    pub fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        if !self.keeps_context {
            self.stream.reset(false);
        }
        let mut out = Vec::new();
        for input in [payload, &TAIL] {
            self.feed(input, limit, &mut out)?;
        }
        Ok(out)
    }

    /// As [`inflate`](Self::inflate), for a message that is text.
    pub fn inflate_text(&mut self, payload: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        let text = self.inflate(payload, limit)?;
        match simdutf8::compat::from_utf8(&text) {
            Ok(_) => Ok(text),
            Err(error) => Err(InflateError::NotUtf8 {
                at: error.valid_up_to(),
            }),
        }
    }

    fn feed(
        &mut self,
        mut input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        loop {
            if out.len() == out.capacity() {
                // One byte over the limit is room enough to see that it is exceeded.
                let most = (limit + 1).saturating_sub(out.len());
                out.reserve_exact(out.len().max(FIRST_ROOM).min(most));
            }
            let before = self.stream.total_in();
            let status = self
                .stream
                .decompress_vec(input, out, FlushDecompress::Sync)
                .map_err(|_| InflateError::Corrupt)?;
            input = &input[taken(before, self.stream.total_in())..];
            if out.len() > limit {
                return Err(InflateError::TooBig { limit });
            }
            match status {
                // A final block ends a stream, not the message (RFC 7692 §7.2.3.4): another may follow.
                Status::StreamEnd => self.stream.reset(false),
                Status::Ok | Status::BufError if out.len() < out.capacity() => return Ok(()),
                Status::Ok | Status::BufError => {}
            }
            if input.is_empty() && status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

fn taken(before: u64, after: u64) -> usize {
    usize::try_from(after - before).expect("no more than was given")
}

/// Why a payload is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateError {
    /// It is not compressed as RFC 1951 has it.
    Corrupt,
    /// It is said to be text and is not UTF-8 (RFC 6455 §8.1).
    NotUtf8 {
        /// Where in the message the broken character begins.
        at: usize,
    },
    /// The message is longer than the limit; inflating stopped there.
    TooBig {
        /// Bytes that it may have.
        limit: usize,
    },
}

impl InflateError {
    /// The code to close the connection with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Corrupt | Self::NotUtf8 { .. } => CloseCode::INVALID_DATA,
            Self::TooBig { .. } => CloseCode::TOO_BIG,
        }
    }
}

/// One sentence that fits a close reason.
impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt => {
                f.write_str("the message is not compressed as permessage-deflate has it")
            }
            Self::NotUtf8 { at } => write!(f, "the text message is not UTF-8 at byte {at}"),
            Self::TooBig { limit } => {
                write!(
                    f,
                    "the message inflates to more than the limit of {limit} bytes"
                )
            }
        }
    }
}

impl std::error::Error for InflateError {}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn deflated(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        deflater.deflate(message, &mut out);
        out
    }

    #[test]
    fn rfc_7692_examples_are_read() {
        let mut inflater = Inflater::stateless();
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflater.inflate(&hello, LIMIT).unwrap(), b"Hello");
        let stored = [
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ];
        assert_eq!(inflater.inflate(&stored, LIMIT).unwrap(), b"Hello");
        let final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        assert_eq!(inflater.inflate(&final_block, LIMIT).unwrap(), b"Hello");
        let two_blocks = [
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ];
        assert_eq!(inflater.inflate(&two_blocks, LIMIT).unwrap(), b"Hello");
        assert_eq!(inflater.inflate(&[0x00], LIMIT).unwrap(), b"");
        let mut streaming = Inflater::streaming();
        assert_eq!(streaming.inflate(&hello, LIMIT).unwrap(), b"Hello");
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(streaming.inflate(&again, LIMIT).unwrap(), b"Hello");
    }

    #[test]
    fn a_message_is_smaller_behind_others_like_it() {
        let mut deflater = Deflater::default();
        let event =
            br#"{"type":"event","cursor":101,"kind":"task.created","data":{"title":"Fix login"}}"#;
        let alone = deflated(&mut deflater, event).len();
        let behind = deflated(&mut deflater, event).len();
        assert!(behind * 4 < alone, "{behind} against {alone}");
        deflater.reset();
        assert_eq!(deflated(&mut deflater, event).len(), alone);
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = deflated(&mut Deflater::default(), &vec![b' '; 8 << 20]);
        assert!(bomb.len() < 128 << 10);
        let mut inflater = Inflater::stateless();
        assert_eq!(
            inflater.inflate(&bomb, LIMIT),
            Err(InflateError::TooBig { limit: LIMIT })
        );
        assert_eq!(inflater.inflate(&bomb, 8 << 20).unwrap().len(), 8 << 20);
    }

    /// One inflater reads for many clients: what one of them sent is no business of another's.
    #[test]
    fn a_message_on_its_own_refers_to_nothing_before_it() {
        let mut inflater = Inflater::stateless();
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        // Repeats what came before it (RFC 7692 §7.2.3.2).
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let random = |n: u32| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap();
        let long: Vec<_> = (0..100_000).map(random).collect();
        let long = deflated(&mut Deflater::default(), &long);
        for before in [&hello[..], &long, &[0xff; 8]] {
            inflater.inflate(before, LIMIT).ok();
            assert_eq!(inflater.inflate(&again, LIMIT), Err(InflateError::Corrupt));
            inflater.inflate(before, 1).ok();
            assert_eq!(inflater.inflate(&again, LIMIT), Err(InflateError::Corrupt));
        }
    }

    #[test]
    fn what_is_not_deflate_is_refused() {
        let mut inflater = Inflater::stateless();
        // A block of the reserved type (RFC 1951 §3.2.3).
        assert_eq!(
            inflater.inflate(&[0xff; 8], LIMIT),
            Err(InflateError::Corrupt)
        );
        assert_eq!(InflateError::Corrupt.close_code(), CloseCode::INVALID_DATA);
    }
}
