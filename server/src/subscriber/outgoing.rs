//! The way out of many subscribers: writing the same bytes to each, and how much of it the other side has not taken yet.
//!
//! The only unsafe code is here: the kernel answers the latter by an ioctl, for which no crate has a safe function.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{SendFlags, send};

/// Sends the same bytes to each, and says in the same order what came of it.
///
/// Straight to the system call: between two of them, a runtime and a C library are a measurable part of a delivery. Never
/// inlined, so that whoever measures it runs the very same code: in another loop the same calls took up to a fifth more.
#[inline(never)]
pub fn send_each(sockets: &[BorrowedFd<'_>], bytes: &[u8], written: &mut Vec<io::Result<usize>>) {
    let send = |socket| send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    written.extend(
        sockets
            .iter()
            .map(|socket| send(socket).map_err(io::Error::from)),
    );
}

/// Bytes that the peer has not acknowledged, sent or not.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "an ioctl that no crate has a safe function for")]
pub(super) fn unacknowledged(socket: impl AsFd) -> io::Result<u32> {
    use rustix::ioctl::{Getter, Opcode, ioctl};

    /// `SIOCOUTQ`, see tcp(7): "the amount of unsent data in the socket send queue", of which unacknowledged data is a part.
    const SIOCOUTQ: Opcode = 0x5411;

    // SAFETY: `SIOCOUTQ` writes one C `int` to where its argument points, on a socket of any kind, and nothing else; the
    // getter owns an integer of that size and alignment.
    let queued = unsafe { Getter::<SIOCOUTQ, i32>::new() };
    // SAFETY: as above; the descriptor is borrowed, hence open.
    let queued = unsafe { ioctl(socket, queued) }?;
    Ok(u32::try_from(queued).unwrap_or_default())
}

/// As above; elsewhere the kernel is not asked, and only what a socket takes from us counts.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacknowledged(_: impl AsFd) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_the_other_side_cannot_take_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _reader = listener.accept().unwrap();
        assert_eq!(unacknowledged(&writer).unwrap(), 0);
        writer.set_nonblocking(true).unwrap();
        while writer.write(&[0; 4096]).is_ok() {}
        assert!(unacknowledged(&writer).unwrap() > 0);
    }
}
