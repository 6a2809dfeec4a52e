//! A data message as it grows, fragment by fragment.
//!
//! Invariant: `checked ≤ bytes.len()`; an uncompressed text is valid UTF-8 up to `checked`, and what follows is at most
//! three bytes that begin a character. So a bad byte is found when it arrives, not when the message ends.
use bytes::Bytes;

use super::mask::mask;
use super::{FrameError, Incoming};

#[derive(Debug)]
pub(super) struct Message {
    text: bool,
    compressed: bool,
    /// Frames begun so far.
    pub(super) fragments: usize,
    bytes: Vec<u8>,
    checked: usize,
}

impl Message {
    pub(super) const fn new(text: bool, compressed: bool) -> Self {
        Self {
            text,
            compressed,
            fragments: 0,
            bytes: Vec::new(),
            checked: 0,
        }
    }

    /// Bytes received so far.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory taken.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends and unmasks a piece of payload.
    pub(super) fn append(&mut self, piece: &[u8], key: [u8; 4]) -> Result<(), FrameError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        mask(&mut self.bytes[start..], key);
        if self.text && !self.compressed {
            self.check()
        } else {
            Ok(())
        }
    }

    fn check(&mut self) -> Result<(), FrameError> {
        let Err(error) = simdutf8::compat::from_utf8(&self.bytes[self.checked..]) else {
            self.checked = self.bytes.len();
            return Ok(());
        };
        self.checked += error.valid_up_to();
        // Without a length the error means that the bytes end inside of a character, which may yet become valid.
        error.error_len().map_or(Ok(()), |_| {
            Err(FrameError::TextNotUtf8 { at: self.checked })
        })
    }

    /// The message, its last fragment being complete.
    pub(super) fn finish(self) -> Result<Incoming, FrameError> {
        let Self {
            text,
            compressed,
            bytes,
            checked,
            ..
        } = self;
        if text && !compressed && checked < bytes.len() {
            return Err(FrameError::TextNotUtf8 { at: checked });
        }
        let bytes = Bytes::from(bytes);
        Ok(if text {
            Incoming::Text { bytes, compressed }
        } else {
            Incoming::Binary { bytes, compressed }
        })
    }
}
