//! The other end of many sockets: reads what was written and throws it away, as cheaply as the kernel can.
//!
//! It reads when it is told to and only then, so that nobody else touches the sockets while their writer is measured:
//! what a `send` costs depends on whether its reader has to be woken, has just acknowledged, or holds the socket's
//! memory in another core's cache.

use std::io;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use todoki::clock;

use crate::Outcome;
use crate::cores::Core;

/// Thrown away with one system call: more than a socket can hold here, so that one call empties it.
const PIECE_BYTES: usize = 8 << 20;

/// What was written arrives within this; if it does not, something was lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the [module](self).
#[derive(Debug)]
pub struct Drain {
    orders: SyncSender<u64>,
    answers: Receiver<io::Result<()>>,
    thread: JoinHandle<()>,
}

impl Drain {
    /// Takes the reading ends, and a thread of its own to read them, on this core if it is given one.
    pub fn start(sockets: Vec<TcpStream>, core: Option<Core>) -> Outcome<Self> {
        let (orders, ordered) = sync_channel(1);
        let (answering, answers) = sync_channel(1);
        let work = move || {
            for bytes in ordered {
                let drained = core.map_or(Ok(()), Core::enter);
                let drained = drained.and_then(|()| drain(&sockets, bytes));
                if answering.send(drained).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("drain".into()).spawn(work)?;
        Ok(Self {
            orders,
            answers,
            thread,
        })
    }

    /// Reads so many bytes; there must be no more and no fewer.
    pub fn take(&self, bytes: u64) -> Outcome<()> {
        self.orders.send(bytes)?;
        Ok(self.answers.recv()??)
    }

    /// Closes the sockets.
    pub fn close(self) -> Outcome<()> {
        drop(self.orders);
        Ok(self.thread.join().map_err(|_| "the drain panicked")?)
    }
}

fn drain(sockets: &[TcpStream], bytes: u64) -> io::Result<()> {
    let begin = clock::instant();
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = bytes;
    while left > 0 {
        for socket in sockets {
            // TRUNC: TCP discards the bytes instead of copying them, and says how many they were.
            match recv(
                socket,
                &mut piece[..],
                RecvFlags::TRUNC | RecvFlags::DONTWAIT,
            ) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((_, taken)) => {
                    let more = || io::Error::other("more bytes came than were written");
                    left = left.checked_sub(taken as u64).ok_or_else(more)?;
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if begin.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{left} bytes did not arrive")));
        }
    }
    Ok(())
}
