//! The decoder: from a byte stream, however it is cut, to whole messages.
//!
//! Invariant: all partial state is in the [`Decoder`], so a read may be cancelled, end anywhere, or bring several
//! messages, and the results are the same. An idle decoder holds no heap memory; a busy one holds what arrived of one
//! message and one control frame, within [`Limits`]. A rule is judged as soon as its bytes are there: bits and opcode at
//! the second byte, sizes at the end of the length, text byte by byte. Nothing is allocated for a length alone.
use std::mem;

use bytes::{Buf, Bytes};

use super::head::{Opcode, Opening, PartialHead};
use super::mask::{mask, turn};
use super::message::Message;
use super::{CloseFrame, FrameError};
use crate::limits::{INBOUND_FRAME_BYTES, INBOUND_MESSAGE_BYTES, MESSAGE_FRAGMENTS};

/// RSV1 alone: the message is compressed (RFC 7692 §6).
const COMPRESSED: u8 = 0b100;

/// Which side reads. It decides whether frames must be masked (RFC 6455 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server reads a client's frames, which are masked.
    Server,
    /// A client reads a server's frames, which are not.
    Client,
}

/// How much a peer may send at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest payload of one data frame.
    pub frame_bytes: usize,
    /// Largest message, summed over its fragments (and before inflation, if it is compressed).
    pub message_bytes: usize,
    /// Most frames of one message; a message in one frame counts as one.
    pub fragments: usize,
}

impl Limits {
    /// What a server accepts from clients, see [`limits`](crate::limits).
    pub const fn inbound() -> Self {
        Self {
            frame_bytes: INBOUND_FRAME_BYTES,
            message_bytes: INBOUND_MESSAGE_BYTES,
            fragments: MESSAGE_FRAGMENTS,
        }
    }
}

/// One thing that the peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message: valid UTF-8 unless it is compressed.
    Text {
        /// The payload, joined from its fragments.
        bytes: Bytes,
        /// Whether the payload is to be inflated first (RFC 7692 §7.2.2), and then still to be checked as UTF-8.
        compressed: bool,
    },
    /// A binary message. Whether to accept it is for the caller to say.
    Binary {
        /// The payload, joined from its fragments.
        bytes: Bytes,
        /// Whether the payload is to be inflated first (RFC 7692 §7.2.2).
        compressed: bool,
    },
    /// A ping, to be answered by a pong with the same bytes.
    Ping(Bytes),
    /// A pong, asked for or not.
    Pong(Bytes),
    /// The peer's last word, to be answered by a close unless one was sent.
    Close(Option<CloseFrame>),
}

/// Reads one peer's frames.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    limits: Limits,
    deflate: bool,
    head: PartialHead,
    /// The frame whose payload is being read, none while a head is.
    frame: Option<Frame>,
    /// The message under way, from the head of its first fragment to the end of its last.
    message: Option<Message>,
    /// What arrived of the control frame being read.
    control: Vec<u8>,
    end: Option<End>,
}

/// A frame whose head is complete.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    /// Bytes of payload still to come.
    left: usize,
    /// The mask, turned so that it begins at the next byte of payload; zeros for an unmasked frame.
    key: [u8; 4],
}

/// Why a decoder reads no more.
#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Failed(FrameError),
}

impl Decoder {
    /// A decoder at the start of a stream, right behind the handshake.
    pub const fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            limits,
            deflate: false,
            head: PartialHead::new(),
            frame: None,
            message: None,
            control: Vec::new(),
            end: None,
        }
    }

    /// Says whether the handshake agreed on permessage-deflate, so that messages may come compressed (RFC 7692).
    #[must_use]
    pub const fn with_deflate(mut self, negotiated: bool) -> Self {
        self.deflate = negotiated;
        self
    }

    /// Reads until something is complete or `input` is used up; `None` asks for more input.
    ///
    /// After an error each call returns that error. After a close frame the rest of the stream is discarded, as RFC 6455
    /// §1.4 wants it: each call uses up its input and returns `None`.
    pub fn decode(&mut self, input: &mut impl Buf) -> Result<Option<Incoming>, FrameError> {
        loop {
            match self.end {
                None => {}
                Some(End::Failed(error)) => return Err(error),
                Some(End::Closed) => input.advance(input.remaining()),
            }
            let chunk = input.chunk();
            if chunk.is_empty() {
                return Ok(None);
            }
            let mut rest = chunk;
            let result = self.step(&mut rest);
            let used = chunk.len() - rest.len();
            input.advance(used);
            match result {
                Ok(None) => {}
                Ok(Some(incoming)) => return Ok(Some(incoming)),
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Heap memory held for an unfinished message and control frame; 0 between messages.
    pub fn buffered_bytes(&self) -> usize {
        self.control.capacity() + self.message.as_ref().map_or(0, Message::capacity)
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.message = None;
        self.control = Vec::new();
        self.end = Some(End::Failed(error));
        error
    }

    /// Reads at most to the end of one frame, and at least one byte.
    fn step(&mut self, bytes: &mut &[u8]) -> Result<Option<Incoming>, FrameError> {
        let frame = match self.frame.take() {
            Some(frame) => frame,
            None => match self.read_head(bytes)? {
                Some(frame) => frame,
                None => return Ok(None),
            },
        };
        let frame = self.read_payload(frame, bytes)?;
        if frame.left > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        self.finish(frame)
    }

    /// Reads a head, in three steps, each judged before the next is waited for. A step that was taken before is judged
    /// again after a pause: it has no effects, and heads seldom arrive in pieces.
    fn read_head(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        let Some(&[first, second]) = self.head.fill(2, bytes) else {
            return Ok(None);
        };
        let opening = Opening::parse([first, second])?;
        let compressed = self.judge_opening(opening)?;

        let length_end = 2 + opening.length_bytes();
        let Some(head) = self.head.fill(length_end, bytes) else {
            return Ok(None);
        };
        let len = opening.length(&head[2..])?;
        let left = self.judge_size(opening.opcode, len)?;

        let head_end = length_end + if opening.masked { 4 } else { 0 };
        let Some(head) = self.head.fill(head_end, bytes) else {
            return Ok(None);
        };
        // An unmasked head has no bytes left for a key, and zeros mask nothing.
        let key = head[length_end..].try_into().unwrap_or_default();
        self.head.clear();

        let Opening { fin, opcode, .. } = opening;
        if !opcode.is_control() {
            let fresh = || Message::new(opcode == Opcode::Text, compressed);
            self.message.get_or_insert_with(fresh).fragments += 1;
        }
        Ok(Some(Frame {
            opcode,
            fin,
            left,
            key,
        }))
    }

    /// The rules that the first two bytes can break; says whether the frame begins a compressed message.
    fn judge_opening(&self, opening: Opening) -> Result<bool, FrameError> {
        let Opening {
            reserved,
            opcode,
            masked,
            ..
        } = opening;
        match self.role {
            Role::Server if !masked => return Err(FrameError::Unmasked),
            Role::Client if masked => return Err(FrameError::Masked),
            Role::Server | Role::Client => {}
        }
        let compressed = reserved == COMPRESSED
            && self.deflate
            && matches!(opcode, Opcode::Text | Opcode::Binary);
        if reserved != 0 && !compressed {
            return Err(FrameError::ReservedBits { bits: reserved });
        }
        match (opcode, &self.message) {
            (Opcode::Continuation, None) => Err(FrameError::OrphanContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(FrameError::NestedMessage),
            _ => Ok(compressed),
        }
    }

    /// The limits that a data frame of `len` bytes can break; a control frame's length is already judged.
    fn judge_size(&self, opcode: Opcode, len: u64) -> Result<usize, FrameError> {
        let Limits {
            frame_bytes,
            message_bytes,
            fragments,
        } = self.limits;
        let admitted = usize::try_from(len).unwrap_or(usize::MAX);
        if opcode.is_control() {
            return Ok(admitted);
        }
        let (frames, so_far) = self
            .message
            .as_ref()
            .map_or((0, 0), |message| (message.fragments, message.len()));
        if admitted > frame_bytes {
            return Err(FrameError::FrameTooBig {
                len,
                limit: frame_bytes,
            });
        }
        if admitted > message_bytes.saturating_sub(so_far) {
            return Err(FrameError::MessageTooBig {
                len: so_far as u64 + len,
                limit: message_bytes,
            });
        }
        if frames >= fragments {
            return Err(FrameError::TooManyFragments { limit: fragments });
        }
        Ok(admitted)
    }

    /// Takes what there is of the frame's payload.
    fn read_payload(&mut self, mut frame: Frame, bytes: &mut &[u8]) -> Result<Frame, FrameError> {
        let (piece, rest) = bytes.split_at(frame.left.min(bytes.len()));
        *bytes = rest;
        if frame.opcode.is_control() {
            let start = self.control.len();
            self.control.extend_from_slice(piece);
            mask(&mut self.control[start..], frame.key);
        } else if let Some(message) = &mut self.message {
            message.append(piece, frame.key)?;
        }
        frame.left -= piece.len();
        frame.key = turn(frame.key, piece.len());
        Ok(frame)
    }

    /// What a frame means whose payload is complete.
    fn finish(&mut self, frame: Frame) -> Result<Option<Incoming>, FrameError> {
        Ok(match frame.opcode {
            Opcode::Ping => Some(Incoming::Ping(mem::take(&mut self.control).into())),
            Opcode::Pong => Some(Incoming::Pong(mem::take(&mut self.control).into())),
            Opcode::Close => {
                let close = CloseFrame::parse(&mem::take(&mut self.control))?;
                self.message = None;
                self.end = Some(End::Closed);
                Some(Incoming::Close(close))
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation if frame.fin => {
                self.message.take().map(Message::finish).transpose()?
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::frame::CloseCode;
    use crate::frame::encode::masked;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn server() -> Decoder {
        Decoder::new(Role::Server, Limits::inbound())
    }

    fn client() -> Decoder {
        Decoder::new(Role::Client, Limits::inbound())
    }

    fn text(bytes: &'static str) -> Incoming {
        Incoming::Text {
            bytes: Bytes::from_static(bytes.as_bytes()),
            compressed: false,
        }
    }

    fn refusal(mut decoder: Decoder, mut stream: &[u8]) -> FrameError {
        loop {
            match decoder.decode(&mut stream) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream was accepted"),
                Err(error) => return error,
            }
        }
    }

    #[test]
    fn a_call_returns_one_message_and_leaves_the_next_in_the_input() {
        let mut input = BytesMut::from(&b"\x81\x01a\x81\x01b\x81"[..]);
        let mut decoder = client();
        assert_eq!(decoder.decode(&mut input), Ok(Some(text("a"))));
        assert_eq!(input, &b"\x81\x01b\x81"[..]);
        assert_eq!(decoder.decode(&mut input), Ok(Some(text("b"))));
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(input.is_empty());
    }

    #[test]
    fn input_in_several_chunks_is_read_across_them() {
        let mut input = (&b"\x81"[..])
            .chain(&b"\x05He"[..])
            .chain(&b"llo\x89\x00"[..]);
        let mut decoder = client();
        assert_eq!(decoder.decode(&mut input), Ok(Some(text("Hello"))));
        assert_eq!(
            decoder.decode(&mut input),
            Ok(Some(Incoming::Ping(Bytes::new())))
        );
        assert_eq!(decoder.decode(&mut input), Ok(None));
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let cases: [(&[u8], FrameError); 12] = [
            (b"\x81\x81", FrameError::Masked),
            (b"\xb1\x00", FrameError::ReservedBits { bits: 0b011 }),
            (b"\x8c\x00", FrameError::ReservedOpcode { opcode: 0xc }),
            (b"\x09\x00", FrameError::ControlFragmented),
            (b"\x8a\x7e", FrameError::ControlTooLong),
            (b"\x80\x00", FrameError::OrphanContinuation),
            (b"\x01\x00\x81\x00", FrameError::NestedMessage),
            (
                b"\x81\x7e\x00\x7d",
                FrameError::LengthNotMinimal { len: 125 },
            ),
            (b"\x81\x7f\x80\0\0\0\0\0\0\0", FrameError::LengthTopBit),
            (b"\x88\x01\x03", FrameError::CloseTruncated),
            (b"\x88\x02\x03\xed", FrameError::CloseCode { code: 1005 }),
            (
                b"\x88\x03\x03\xe8\xff",
                FrameError::CloseReasonNotUtf8 { at: 0 },
            ),
        ];
        for (stream, error) in cases {
            assert_eq!(refusal(client(), stream), error);
        }
        assert_eq!(refusal(server(), b"\x81\x01"), FrameError::Unmasked);
    }

    #[test]
    fn a_broken_character_is_placed_in_the_message_not_in_the_fragment() {
        let error = FrameError::TextNotUtf8 { at: 4 };
        assert_eq!(refusal(client(), b"\x01\x03abc\x80\x05d\xe2\x82A"), error);
        assert_eq!(refusal(client(), b"\x01\x05abcd\xe2\x80\x01\x82"), error);
    }

    #[test]
    fn limits_are_judged_from_the_head_without_memory() {
        let limits = Limits {
            frame_bytes: 200,
            message_bytes: 300,
            fragments: 3,
        };
        let mut decoder = Decoder::new(Role::Server, limits);
        let over = decoder.decode(&mut &b"\x81\xfe\x00\xc9"[..]);
        assert_eq!(
            over,
            Err(FrameError::FrameTooBig {
                len: 201,
                limit: 200
            })
        );
        assert_eq!(decoder.buffered_bytes(), 0);

        let mut two = vec![0x01, 126, 0, 200];
        two.extend([b'a'; 200]);
        two.extend([0x80, 101]);
        let error = FrameError::MessageTooBig {
            len: 301,
            limit: 300,
        };
        assert_eq!(refusal(Decoder::new(Role::Client, limits), &two), error);

        let four = b"\x01\x00\x00\x00\x00\x00\x80\x00";
        let error = FrameError::TooManyFragments { limit: 3 };
        assert_eq!(refusal(Decoder::new(Role::Client, limits), four), error);
    }

    #[test]
    fn a_claimed_length_takes_no_memory_and_an_idle_decoder_none_at_all() {
        let mut decoder = server();
        let mut head = &b"\x81\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d"[..];
        assert_eq!(decoder.decode(&mut head), Ok(None));
        assert_eq!(decoder.buffered_bytes(), 0);
        assert_eq!(
            decoder
                .decode(&mut &[0x37; 10][..])
                .map_err(FrameError::close_code),
            Err(CloseCode::INVALID_DATA)
        );

        let mut decoder = server();
        let mut said = Vec::new();
        masked::text(b"Hello", KEY, &mut said);
        masked::ping(b"Hello", KEY, &mut said);
        let mut input = said.as_slice();
        assert_eq!(decoder.decode(&mut input), Ok(Some(text("Hello"))));
        assert!(matches!(
            decoder.decode(&mut input),
            Ok(Some(Incoming::Ping(_)))
        ));
        assert_eq!(decoder.buffered_bytes(), 0);
    }

    #[test]
    fn the_default_limits_admit_a_full_message_and_not_one_fragment_more() {
        let mut decoder = client();
        for i in 0..1024 {
            let mut fragment: &[u8] = if i == 0 { b"\x01\x00" } else { b"\x00\x00" };
            assert_eq!(decoder.decode(&mut fragment), Ok(None));
        }
        assert_eq!(
            refusal(decoder, b"\x80\x00"),
            FrameError::TooManyFragments { limit: 1024 }
        );
    }

    #[test]
    fn an_error_stays_and_reads_no_further() {
        let mut decoder = client();
        assert_eq!(
            decoder.decode(&mut &b"\x83\x00"[..]),
            Err(FrameError::ReservedOpcode { opcode: 3 })
        );
        let mut input = &b"\x81\x01a"[..];
        assert_eq!(
            decoder.decode(&mut input),
            Err(FrameError::ReservedOpcode { opcode: 3 })
        );
        assert_eq!(input.len(), 3);
    }

    #[test]
    fn what_follows_a_close_is_discarded() {
        let mut decoder = client();
        let mut input = &b"\x01\x01a\x88\x00\xff\xff\xff"[..];
        assert_eq!(decoder.decode(&mut input), Ok(Some(Incoming::Close(None))));
        assert_eq!(decoder.buffered_bytes(), 0);
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(input.is_empty());
    }

    #[test]
    fn compressed_messages_are_handed_out_as_they_are() {
        let compressed = Incoming::Text {
            bytes: Bytes::from_static(b"\xff"),
            compressed: true,
        };
        let mut decoder = client().with_deflate(true);
        assert_eq!(
            decoder.decode(&mut &b"\x41\x01\xff\x80\x00"[..]),
            Ok(Some(compressed))
        );
        assert_eq!(
            refusal(client(), b"\xc1\x01\xff"),
            FrameError::ReservedBits { bits: 0b100 }
        );
        let deflate = client().with_deflate(true);
        assert_eq!(
            refusal(deflate, b"\x41\x00\xc0\x00"),
            FrameError::ReservedBits { bits: 0b100 }
        );
    }

    #[test]
    fn a_decoder_is_small_enough_for_every_subscriber_to_have_one() {
        assert!(
            size_of::<Decoder>() <= 192,
            "{} bytes",
            size_of::<Decoder>()
        );
    }
}
