//! Lines of standard input, read ahead within a bound.
//!
//! A thread reads, since standard input has no asynchronous reader. It stops while too much is waiting, so that the
//! program that writes the lines is slowed down to what is taken; and of a line that is longer than any event it keeps
//! the beginning alone.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use todoki_codec::limits::{BATCH_DRAFTS, DRAFT_BYTES};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Lines that may wait: what goes into two requests.
const LINES_AHEAD: usize = 2 * BATCH_DRAFTS;

/// Room for the lines that wait, in units of [`UNIT_BYTES`]: 8 MiB.
const ROOM_UNITS: usize = 8 << 10;
const UNIT_BYTES: usize = 1 << 10;

/// A line, without its end.
#[derive(Debug)]
pub(super) struct Line {
    /// As much of it as is kept.
    pub(super) bytes: Vec<u8>,
    /// Bytes behind those, which are not.
    pub(super) cut_bytes: usize,
    _room: OwnedSemaphorePermit,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<io::Result<Line>>);

impl Lines {
    /// Starts to read. The thread ends with the input, or with this.
    pub(super) fn of_stdin() -> Self {
        let (into, lines) = mpsc::channel(LINES_AHEAD);
        let room = Arc::new(Semaphore::new(ROOM_UNITS));
        let handle = Handle::current();
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            while let Some(read) = next_line(&mut input).transpose() {
                let line = read.and_then(|(bytes, cut_bytes)| {
                    let units = u32::try_from(bytes.len() / UNIT_BYTES + 1).unwrap_or(u32::MAX);
                    let room = handle.block_on(Arc::clone(&room).acquire_many_owned(units));
                    Ok(Line {
                        bytes,
                        cut_bytes,
                        _room: room.map_err(io::Error::other)?,
                    })
                });
                let is_last = line.is_err();
                if into.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// Waits for a line; none at the end.
    pub(super) async fn next(&mut self) -> Option<io::Result<Line>> {
        self.0.recv().await
    }

    /// A line that is there already.
    pub(super) fn try_next(&mut self) -> Option<io::Result<Line>> {
        self.0.try_recv().ok()
    }
}

/// The next line, and how many bytes of it are left out.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, usize)>> {
    let mut line = Vec::new();
    let most = DRAFT_BYTES as u64 + 1;
    if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let mut cut_bytes = 0;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() > DRAFT_BYTES {
        cut_bytes = skip_line(input)?;
    }
    Ok(Some((line, cut_bytes)))
}

/// Reads on to the end of the line without keeping it.
fn skip_line(input: &mut impl BufRead) -> io::Result<usize> {
    let mut skipped = 0;
    loop {
        let read = input.fill_buf()?;
        if read.is_empty() {
            return Ok(skipped);
        }
        let end = memchr::memchr(b'\n', read);
        let length = end.unwrap_or(read.len());
        skipped += length;
        input.consume(length + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_kept_up_to_the_largest_draft_and_the_next_is_whole() {
        let long = "x".repeat(DRAFT_BYTES + 100);
        let input = format!("one\r\n\n{long}\ntwo");
        let mut input = input.as_bytes();
        let mut lines = Vec::new();
        while let Some((line, cut_bytes)) = next_line(&mut input).unwrap() {
            lines.push((line.len(), cut_bytes));
        }
        assert_eq!(lines, [(3, 0), (0, 0), (DRAFT_BYTES + 1, 99), (3, 0)]);
    }
}
