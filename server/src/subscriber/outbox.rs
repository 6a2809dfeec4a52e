//! Frames on their way to one client, in order, as one run of bytes.

use bytes::BytesMut;
use todoki_codec::Event;
use todoki_codec::frame::{self, CloseCode, CloseFrame};
use todoki_codec::message::Message;

/// Room kept between bursts; what a burst needed beyond it is given back.
const KEPT_BYTES: usize = 16 << 10;

/// See the [module](self). Empty and without memory while there is nothing to say.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: BytesMut,
}

impl Outbox {
    /// Bytes not yet written.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What to write; writing consumes it.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Gives back what only a burst needed.
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = BytesMut::new();
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.text(&event.json);
    }

    pub(super) fn message(&mut self, message: &Message) {
        self.text(&message.to_json());
    }

    fn text(&mut self, payload: &[u8]) {
        frame::encode::text(payload, &mut self.bytes);
    }

    pub(super) fn ping(&mut self) {
        frame::encode::ping(b"", &mut self.bytes);
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        frame::encode::pong(payload, &mut self.bytes);
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        frame::encode::close(code, reason, &mut self.bytes);
    }

    /// Repeats the client's close frame, as RFC 6455 §5.5.1 has it.
    pub(super) fn echo_close(&mut self, close: Option<&CloseFrame>) {
        match close {
            Some(close) => self.close(close.code, ""),
            None => frame::encode::close_without_code(&mut self.bytes),
        }
    }
}
