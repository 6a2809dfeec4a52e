//! Our decoder beside that of fastwebsockets, on streams that both must read.
//!
//! fastwebsockets 0.10 is laxer than RFC 6455 (it takes unmasked frames, long controls, lengths that are not in their
//! shortest form, any number of fragments) and refuses compression. So a stream counts only when ours accepts it
//! without compressed messages: then fastwebsockets must hear the same messages.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fastwebsockets::{FragmentCollector, OpCode, Payload, WebSocket};
use todoki_codec::frame::{Decoder, Incoming, Limits, Role};

/// So that 255 bytes, each of which may become a `\u{fffd}` of three, stay within one frame.
const REPEATS: u8 = 64;

type Heard = Vec<(u8, Vec<u8>)>;

/// The bytes as a client's stream, and the well-formed stream that they choose, are heard alike by both decoders.
pub(crate) fn decoders_hear_the_same(bytes: &[u8]) {
    let (heard, accepted) = ours(bytes, [bytes.len()]);
    if accepted {
        assert_eq!(theirs(bytes), heard, "a stream that ours accepts");
    }
    let (stream, said) = told(bytes);
    let pieces = bytes.iter().map(|byte| usize::from(byte % 32));
    assert_eq!(ours(&stream, pieces), (said.clone(), true));
    assert_eq!(theirs(&stream), said, "a well-formed stream");
}

/// What our decoder hears, the stream coming in pieces of these lengths and then the rest.
fn ours(stream: &[u8], lengths: impl IntoIterator<Item = usize>) -> (Heard, bool) {
    let mut decoder = Decoder::new(Role::Server, Limits::inbound());
    let mut heard = Heard::new();
    let mut rest = stream;
    let mut lengths = lengths.into_iter();
    while !rest.is_empty() {
        let len = lengths.next().unwrap_or(usize::MAX).min(rest.len());
        let (mut piece, tail) = rest.split_at(len);
        rest = tail;
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(incoming)) => heard.push(plain(incoming)),
                Ok(None) => break,
                Err(_) => return (heard, false),
            }
        }
    }
    (heard, true)
}

fn plain(incoming: Incoming) -> (u8, Vec<u8>) {
    match incoming {
        Incoming::Text { bytes, .. } => (1, bytes.to_vec()),
        Incoming::Binary { bytes, .. } => (2, bytes.to_vec()),
        Incoming::Close(None) => (8, Vec::new()),
        Incoming::Close(Some(close)) => {
            let code = close.code.number().to_be_bytes();
            (8, [&code, close.reason.as_bytes()].concat())
        }
        Incoming::Ping(bytes) => (9, bytes.to_vec()),
        Incoming::Pong(bytes) => (10, bytes.to_vec()),
    }
}

/// What fastwebsockets hears until the stream ends or closes.
fn theirs(stream: &[u8]) -> Heard {
    let socket = tokio::io::join(stream, tokio::io::sink());
    let mut socket = WebSocket::after_handshake(socket, fastwebsockets::Role::Server);
    socket.set_auto_close(false);
    socket.set_auto_pong(false);
    let mut socket = FragmentCollector::new(socket);
    let mut heard = Heard::new();
    while let Ok(frame) = now(socket.read_frame()) {
        heard.push((frame.opcode as u8, frame.payload.to_vec()));
        if frame.opcode == OpCode::Close {
            break;
        }
    }
    heard
}

/// The result of a future that waits for nothing but memory.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}

/// A client's well-formed stream, its bytes written by fastwebsockets, and what it says.
///
/// The bytes are a list of messages: one byte for the kind, one for the number of fragments, one for how often the
/// payload repeats, one for its length.
fn told(bytes: &[u8]) -> (Vec<u8>, Heard) {
    let (mut stream, mut said) = (Vec::new(), Heard::new());
    let mut rest = bytes;
    while let [kind, fragments, repeat, len, tail @ ..] = rest
        && stream.len() < 1 << 17
    {
        let (payload, tail) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = tail;
        let key = [*kind, *fragments, *repeat, 0x5a];
        let short = &payload[..payload.len().min(125)];
        match kind % 8 {
            0 => {
                let code = 3000 + u16::from(*fragments);
                let reason = String::from_utf8_lossy(&payload[..payload.len().min(40)]);
                let close = [&code.to_be_bytes(), reason.as_bytes()].concat();
                write(true, 8, &close, key, &mut stream);
                said.push((8, close));
                break;
            }
            1 => control(9, short, key, &mut stream, &mut said),
            2 => control(10, short, key, &mut stream, &mut said),
            3 | 4 => {
                let payload = payload.repeat(1 + usize::from(*repeat % REPEATS));
                data(2, &payload, *fragments, key, &mut stream, &mut said);
            }
            _ => {
                let text = String::from_utf8_lossy(payload);
                let text = text.repeat(1 + usize::from(*repeat % REPEATS));
                data(1, text.as_bytes(), *fragments, key, &mut stream, &mut said);
            }
        }
    }
    (stream, said)
}

fn control(opcode: u8, payload: &[u8], key: [u8; 4], stream: &mut Vec<u8>, said: &mut Heard) {
    write(true, opcode, payload, key, stream);
    said.push((opcode, payload.to_vec()));
}

/// A message cut anywhere, also inside of characters, with a ping before its last fragment.
fn data(
    opcode: u8,
    payload: &[u8],
    fragments: u8,
    key: [u8; 4],
    stream: &mut Vec<u8>,
    said: &mut Heard,
) {
    let (mut first, mut rest) = (opcode, payload);
    for cut in 0..fragments % 6 {
        let len = (usize::from(fragments) * 7 + usize::from(cut)) % (rest.len() + 1);
        let (piece, tail) = rest.split_at(len);
        write(false, first, piece, key, stream);
        (first, rest) = (0, tail);
    }
    if fragments % 6 > 3 {
        control(9, &[fragments], key, stream, said);
    }
    write(true, first, rest, key, stream);
    said.push((opcode, payload.to_vec()));
}

fn write(fin: bool, opcode: u8, payload: &[u8], key: [u8; 4], stream: &mut Vec<u8>) {
    let opcode = OpCode::try_from(opcode).expect("the opcodes here are those of RFC 6455");
    let mut payload = payload.to_vec();
    let payload = Payload::BorrowedMut(&mut payload);
    let mut frame = fastwebsockets::Frame::new(fin, opcode, Some(key), payload);
    frame.mask();
    stream.extend_from_slice(frame.write(&mut Vec::new()));
}
