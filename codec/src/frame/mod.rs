//! WebSocket frames, strictly as RFC 6455 writes them.
//!
//! Owns the step between a byte stream and whole messages: [`Decoder`] reads, [`encode`] writes, [`FrameError`] says
//! which rule the peer broke and [`CloseCode`] what to answer. The result never depends on how the stream was cut into
//! reads, and memory follows the bytes that arrived, never a length that was claimed.
//!
//! It does not answer: a pong, the echo of a close, the refusal of a binary message are for the caller to send. It does
//! not inflate: a compressed message is handed out as such. It draws no randomness: mask keys are passed in.
mod close;
mod decode;
pub mod encode;
mod error;
mod head;
mod mask;
mod message;

pub use close::{CloseCode, CloseFrame};
pub use decode::{Decoder, Incoming, Limits, Role};
pub use error::FrameError;
pub use head::Opcode;

/// Most payload bytes of a ping, a pong or a close (RFC 6455 §5.5).
pub const CONTROL_BYTES: usize = 125;

/// Most bytes of a close reason: a control payload without the two bytes of the code (RFC 6455 §5.5.1).
pub const CLOSE_REASON_BYTES: usize = CONTROL_BYTES - 2;
