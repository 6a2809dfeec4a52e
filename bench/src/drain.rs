//! The other end of many sockets: reads whatever comes and throws it away, as cheaply as the kernel can, and never waits
//! for a socket, so that whoever writes to one does not pay for waking it.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::Outcome;

/// Between one look at all sockets and the next.
const PAUSE: Duration = Duration::from_micros(500);

/// Thrown away with one system call: more than a socket can hold here, so that one call empties it.
const PIECE_BYTES: usize = 8 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct Drain {
    read: Arc<AtomicU64>,
    thread: JoinHandle<io::Result<()>>,
}

impl Drain {
    /// Reads from these sockets, on a thread of its own, until each has come to its end.
    pub fn start(sockets: Vec<TcpStream>) -> Outcome<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&read);
        let thread = thread::Builder::new()
            .name("drain".into())
            .spawn(move || drain(&sockets, &counting))?;
        Ok(Self { read, thread })
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns once every socket has come to its end.
    pub fn join(self) -> Outcome<()> {
        Ok(self.thread.join().map_err(|_| "the drain panicked")??)
    }
}

fn drain(sockets: &[TcpStream], read: &AtomicU64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut is_open = vec![true; sockets.len()];
    while is_open.contains(&true) {
        for (socket, is_open) in sockets.iter().zip(&mut is_open).filter(|(_, open)| **open) {
            // TRUNC: TCP discards the bytes instead of copying them, and says how many they were.
            match recv(
                socket,
                &mut piece[..],
                RecvFlags::TRUNC | RecvFlags::DONTWAIT,
            ) {
                Ok((_, 0)) => *is_open = false,
                Ok((_, bytes)) => {
                    read.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
