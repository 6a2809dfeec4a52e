//! How a subscriber reads what its client says, up to the messages that it is made of.

use std::io;
use std::rc::Rc;

use bytes::BytesMut;
use todoki_codec::frame::Incoming;
use tokio::time::Instant;

use super::{Closed, Subscriber};
use crate::log::Log;

/// Bytes that wait for one client alone beyond which we stop reading: whoever asks must also listen.
const READ_STOP_BYTES: usize = 1 << 20;

impl<L: Log> Subscriber<L> {
    /// Whether to read at all: a client has to keep to its pace, and to take what it is told.
    pub(super) fn may_read(&mut self) -> bool {
        self.pace.rests_until(Instant::now()).is_none()
            && self.shard.floor.borrow().private_bytes(self.id) < READ_STOP_BYTES
    }

    /// Reads what the client says. The buffer is the shard's, so what is heard is decoded before anything is awaited.
    pub(super) fn read(&mut self, readable: io::Result<()>) -> Result<Vec<Incoming>, Closed> {
        readable.map_err(Closed::Socket)?;
        let shard = Rc::clone(&self.shard);
        let mut scratch = shard.scratch.borrow_mut();
        let heard = match self.line.stream.try_read(&mut scratch) {
            Ok(0) => return Err(self.outcome_or(Closed::Left)),
            Ok(bytes) => {
                if let Some(closing) = &mut self.closing {
                    closing.hear(bytes);
                }
                self.decode(&scratch[..bytes])
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) => return Err(self.outcome_or(Closed::Socket(error))),
        };
        let now = Instant::now();
        self.line.alive.set(now);
        self.pace.read(&shard.pacing, now);
        Ok(heard)
    }

    /// Acts on what has come already.
    pub(super) async fn hear(&mut self, bytes: BytesMut) {
        let heard = self.decode(&bytes);
        drop(bytes);
        self.act_on(heard).await;
    }

    fn decode(&mut self, mut bytes: &[u8]) -> Vec<Incoming> {
        let mut heard = Vec::new();
        loop {
            match self.decoder.decode(&mut bytes) {
                Ok(None) => return heard,
                Ok(Some(incoming)) => heard.push(incoming),
                Err(error) => {
                    if self.closing.is_none() {
                        self.close(error.close_code(), &error.to_string());
                    }
                    // Whatever comes behind a broken frame, no close can be told in it.
                    self.answered();
                    return heard;
                }
            }
        }
    }

    pub(super) async fn act_on(&mut self, heard: Vec<Incoming>) {
        if !heard.is_empty() {
            Box::pin(self.act(heard)).await;
        }
    }
}
