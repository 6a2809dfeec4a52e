//! A subscriber's end of a stream inside TLS: another framing, around the one inside.
//!
//! What it costs to decrypt is the receiver's, and in the time that it takes; how much of a core the receiver had is in the
//! row.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use super::connect::{self, Start};
use super::frames::Frames;
use super::receive::Framing;
use crate::Outcome;
use crate::authority::NAME;

/// See the [module](self).
#[derive(Debug)]
pub struct Secure<F> {
    session: ClientConnection,
    inside: F,
    /// What was decrypted, and is the beginning of a frame whose end is still to come.
    rest: Vec<u8>,
}

impl<F> Secure<F> {
    /// How the handshake went.
    pub fn handshake(&self) -> Option<HandshakeKind> {
        self.session.handshake_kind()
    }

    fn decrypt(&mut self, bytes: &mut &[u8]) -> Outcome<()> {
        self.session.read_tls(bytes)?;
        let state = self.session.process_new_packets()?;
        let held = self.rest.len();
        self.rest.resize(held + state.plaintext_bytes_to_read(), 0);
        Ok(self.session.reader().read_exact(&mut self.rest[held..])?)
    }
}

impl<F: Framing> Framing for Secure<F> {
    fn split(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize> {
        let all = bytes.len();
        while !bytes.is_empty() {
            self.decrypt(&mut bytes)?;
            let done = self.inside.split(&self.rest, take)?;
            self.rest.drain(..done);
        }
        Ok(all)
    }

    fn owed(&mut self) -> Option<Vec<u8>> {
        let mut answer = Vec::new();
        // Into memory, which takes everything.
        if let Some(inside) = self.inside.owed() {
            self.session.writer().write_all(&inside).ok()?;
        }
        while self.session.wants_write() {
            self.session.write_tls(&mut answer).ok()?;
        }
        (!answer.is_empty()).then_some(answer)
    }
}

/// Subscribes at a Todoki server inside TLS, and waits for `subscribed`.
pub fn subscribe(
    socket: &mut TcpStream,
    config: &Arc<ClientConfig>,
) -> Outcome<Start<Secure<Frames>>> {
    let name = ServerName::try_from(NAME)?;
    let mut session = ClientConnection::new(Arc::clone(config), name)?;
    let mut stream = rustls::Stream::new(&mut session, socket);
    let Start {
        framing: inside,
        early: rest,
        after,
    } = connect::subscribe(&mut stream, "")?;
    Ok(Start {
        framing: Secure {
            session,
            inside,
            rest,
        },
        early: Vec::new(),
        after,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection};
    use todoki_codec::frame::encode;

    use super::*;
    use crate::authority::{self, Issued};

    /// Both ends of a connection in memory, after their handshake.
    fn pair(dir: &Path) -> (Secure<Frames>, ServerConnection) {
        let issued = Issued::new(dir).unwrap();
        let certificate = CertificateDer::from_pem_file(&issued.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&issued.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let mut server = ServerConnection::new(Arc::new(config)).unwrap();
        let trusting = Arc::new(authority::trusting(&issued.authority).unwrap());
        let mut client =
            ClientConnection::new(trusting, ServerName::try_from(NAME).unwrap()).unwrap();
        while client.wants_write() || server.wants_write() {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            client.write_tls(&mut there).unwrap();
            server.read_tls(&mut &there[..]).unwrap();
            server.process_new_packets().unwrap();
            server.write_tls(&mut back).unwrap();
            client.read_tls(&mut &back[..]).unwrap();
            client.process_new_packets().unwrap();
        }
        let secure = Secure {
            session: client,
            inside: Frames::messages(),
            rest: Vec::new(),
        };
        (secure, server)
    }

    fn encrypted(server: &mut ServerConnection, bytes: &[u8]) -> Vec<u8> {
        server.writer().write_all(bytes).unwrap();
        let mut out = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut out).unwrap();
        }
        out
    }

    #[test]
    fn frames_inside_tls_are_found_however_they_are_cut_and_pings_are_answered_inside() {
        let dir = tempfile::tempdir().unwrap();
        let (mut secure, mut server) = pair(dir.path());
        for piece in [1, 7, 100_000] {
            let mut frames = Vec::new();
            encode::text(b"one", &mut frames);
            encode::text(&vec![b'x'; 40_000], &mut frames);
            encode::ping(b"still there?", &mut frames);
            let mut lengths = Vec::new();
            for piece in encrypted(&mut server, &frames).chunks(piece) {
                let done = secure.split(piece, &mut |payload| {
                    lengths.push(payload.len());
                    Ok(())
                });
                assert_eq!(done.unwrap(), piece.len());
            }
            assert_eq!(lengths, [3, 40_000]);
            server.read_tls(&mut &secure.owed().unwrap()[..]).unwrap();
            let state = server.process_new_packets().unwrap();
            let mut pong = vec![0; state.plaintext_bytes_to_read()];
            server.reader().read_exact(&mut pong).unwrap();
            assert_eq!(pong[0], 0x8a, "a pong");
            assert!(secure.owed().is_none());
        }
    }
}
