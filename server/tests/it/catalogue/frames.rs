//! Every rule of WebSocket frames, over a real socket.

use super::row::{Input, Row, Subject, row};

pub(super) fn subjects() -> Vec<Subject> {
    vec![Subject {
        title: "Frames",
        rows: [heads(), sequences(), closes(), texts(), sizes()]
            .into_iter()
            .flatten()
            .collect(),
    }]
}

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const MASKED: u8 = 0x80;
const PROTOCOL: &str = "close 1002";

/// A frame whose length is in its shortest form, masked.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..=125 => bytes.push(MASKED | u8::try_from(length).unwrap()),
        length @ ..=0xffff => {
            bytes.push(MASKED | 0x7e);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(MASKED | 0x7f);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(key);
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

fn sent(frames: &[Vec<u8>]) -> Input {
    Input::Frames(frames.concat())
}

fn one(first: u8, payload: &[u8]) -> Input {
    sent(&[frame(first, payload)])
}

fn heads() -> Vec<Row> {
    let raw = |bytes: &[u8]| Input::Frames(bytes.to_vec());
    let (length, bits) = ("RFC 6455 §5.2", "RFC 6455 §5.2: no extension was agreed on");
    let mut rows = vec![
        row(
            "a text that is not masked",
            raw(b"\x81\x02{}"),
            PROTOCOL,
            "must be masked",
            "RFC 6455 §5.1",
        ),
        row(
            "a ping that is not masked",
            raw(b"\x89\x00"),
            PROTOCOL,
            "must be masked",
            "RFC 6455 §5.1",
        ),
        row(
            "RSV1",
            one(FIN | 0x40 | TEXT, b"{}"),
            PROTOCOL,
            "reserved bits 100",
            bits,
        ),
        row(
            "RSV2",
            one(FIN | 0x20 | TEXT, b"{}"),
            PROTOCOL,
            "reserved bits 010",
            bits,
        ),
        row(
            "RSV3",
            one(FIN | 0x10 | TEXT, b"{}"),
            PROTOCOL,
            "reserved bits 001",
            bits,
        ),
        row(
            "RSV1 on a ping",
            one(FIN | 0x40 | PING, b""),
            PROTOCOL,
            "reserved bits 100",
            "RFC 7692 §6",
        ),
        row(
            "16 bits for a length of 125",
            raw(&[0x81, 0xfe, 0, 125]),
            PROTOCOL,
            "shortest form",
            length,
        ),
        row(
            "64 bits for a length of 65535",
            raw(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255]),
            PROTOCOL,
            "shortest form",
            length,
        ),
        row(
            "a length with its highest bit set",
            raw(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            PROTOCOL,
            "highest bit",
            length,
        ),
        row(
            "HTTP for a frame",
            raw(b"GET /health HTTP/1.1\r\nHost: it\r\n\r\n"),
            PROTOCOL,
            "",
            "RFC 6455 §5.1",
        ),
    ];
    rows.extend([0x3, 0x7, 0xb, 0xf].map(|opcode| {
        row(
            format!("opcode {opcode:#x}"),
            one(FIN | opcode, b""),
            PROTOCOL,
            "is reserved",
            "RFC 6455 §5.2",
        )
    }));
    rows
}

fn sequences() -> Vec<Row> {
    let control = "RFC 6455 §5.5";
    let fragments = "RFC 6455 §5.4";
    let ping = br#"{"type":"ping"}"#;
    vec![
        row(
            "a ping in fragments",
            one(PING, b""),
            PROTOCOL,
            "must not be fragmented",
            control,
        ),
        row(
            "a close in fragments",
            one(CLOSE, b""),
            PROTOCOL,
            "must not be fragmented",
            control,
        ),
        row(
            "a ping of 126 bytes",
            one(FIN | PING, &[b'x'; 126]),
            PROTOCOL,
            "at most 125",
            control,
        ),
        row(
            "a close of 126 bytes",
            one(FIN | CLOSE, &[3; 126]),
            PROTOCOL,
            "at most 125",
            control,
        ),
        row(
            "a ping of 125 bytes",
            one(FIN | PING, &[b'x'; 125]),
            "pong frame",
            "",
            control,
        ),
        row(
            "a pong that nobody asked for, then a ping",
            sent(&[frame(FIN | PONG, b"x"), frame(FIN | PING, b"")]),
            "pong frame",
            "",
            "RFC 6455 §5.5.3",
        ),
        row(
            "a continuation of nothing",
            one(FIN | CONTINUATION, b"x"),
            PROTOCOL,
            "no message to continue",
            fragments,
        ),
        row(
            "a continuation behind a whole message",
            sent(&[
                frame(FIN | TEXT, br#"{"type":"pong"}"#),
                frame(FIN | CONTINUATION, b"x"),
            ]),
            PROTOCOL,
            "no message to continue",
            fragments,
        ),
        row(
            "a text inside of a fragmented text",
            sent(&[frame(TEXT, b"{"), frame(FIN | TEXT, b"}")]),
            PROTOCOL,
            "before the fragmented one ended",
            fragments,
        ),
        row(
            "a binary inside of a fragmented text",
            sent(&[frame(TEXT, b"{"), frame(FIN | BINARY, b"}")]),
            PROTOCOL,
            "before the fragmented one ended",
            fragments,
        ),
        row(
            "a command in fragments",
            sent(&[
                frame(TEXT, &ping[..5]),
                frame(CONTINUATION, b""),
                frame(FIN | CONTINUATION, &ping[5..]),
            ]),
            "pong",
            "",
            fragments,
        ),
        row(
            "a ping between fragments",
            sent(&[
                frame(TEXT, &ping[..5]),
                frame(FIN | PING, b""),
                frame(FIN | CONTINUATION, &ping[5..]),
            ]),
            "pong frame",
            "",
            fragments,
        ),
        row(
            "a close between fragments",
            sent(&[frame(TEXT, &ping[..5]), frame(FIN | CLOSE, b"\x03\xe8")]),
            "close 1000",
            "",
            fragments,
        ),
        row(
            "a binary message",
            one(FIN | BINARY, b"{}"),
            "close 1003",
            "text messages",
            "RFC 6455 §7.4.1",
        ),
        row(
            "an empty binary message",
            one(FIN | BINARY, b""),
            "close 1003",
            "text messages",
            "RFC 6455 §7.4.1",
        ),
    ]
}

fn closes() -> Vec<Row> {
    let close =
        |code: u16, reason: &[u8]| one(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat());
    let mut rows: Vec<_> = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]
        .into_iter()
        .map(|code| {
            row(
                format!("close code {code}"),
                close(code, b""),
                PROTOCOL,
                "must not be sent",
                "RFC 6455 §7.4",
            )
        })
        .collect();
    rows.extend([
        row(
            "a close of one byte",
            one(FIN | CLOSE, b"\x03"),
            PROTOCOL,
            "one byte",
            "RFC 6455 §5.5.1",
        ),
        row(
            "a close reason that is not UTF-8",
            close(1000, b"\xff"),
            "close 1007",
            "UTF-8",
            "RFC 6455 §5.5.1",
        ),
        row(
            "a close without a code",
            one(FIN | CLOSE, b""),
            "close without a code",
            "",
            "RFC 6455 §5.5.1",
        ),
        row(
            "close code 4999",
            close(4999, b"bye"),
            "close 4999",
            "",
            "RFC 6455 §7.4.2",
        ),
        row(
            "a close, then a text",
            sent(&[frame(FIN | CLOSE, b"\x03\xe8"), frame(FIN | TEXT, b"{}")]),
            "close 1000",
            "",
            "RFC 6455 §5.5.1: nothing counts behind it",
        ),
    ]);
    rows
}

fn texts() -> Vec<Row> {
    let why = "RFC 6455 §8.1";
    let text = |bytes: &[u8]| one(FIN | TEXT, bytes);
    vec![
        row(
            "a text that is not UTF-8",
            text(b"ab\xff"),
            "close 1007",
            "UTF-8 at byte 2",
            why,
        ),
        row(
            "a text with an overlong encoding",
            text(b"\xc0\xaf"),
            "close 1007",
            "UTF-8 at byte 0",
            why,
        ),
        row(
            "a text with a surrogate",
            text(b"\xed\xa0\x80"),
            "close 1007",
            "UTF-8 at byte 0",
            why,
        ),
        row(
            "a text that ends inside a character",
            text(b"\xe2\x82"),
            "close 1007",
            "UTF-8 at byte 0",
            why,
        ),
        row(
            "a bad byte in a text that has not ended",
            sent(&[frame(TEXT, b"a\xff")]),
            "close 1007",
            "UTF-8 at byte 1",
            "found when it arrives",
        ),
        row(
            "a bad byte before the payload's end",
            Input::Frames(frame(FIN | TEXT, &[&b"\xff"[..], &[b'x'; 99]].concat())[..8].to_vec()),
            "close 1007",
            "UTF-8 at byte 0",
            "found when it arrives",
        ),
        row(
            "a character over two fragments",
            sent(&[frame(TEXT, b"\xe2"), frame(FIN | CONTINUATION, b"\x82\xac")]),
            "error invalid_json",
            "unexpected byte",
            why,
        ),
    ]
}

fn sizes() -> Vec<Row> {
    let limit = "our rule, RFC 6455 §10.4";
    let spaces = |bytes: usize| vec![b' '; bytes];
    let pieces = |count: usize, piece: &[u8]| {
        let first = frame(TEXT, piece);
        let rest = frame(CONTINUATION, piece).repeat(count - 1);
        vec![first, rest]
    };
    let frame_bytes = 64 << 10;
    let ended = |mut frames: Vec<Vec<u8>>| {
        frames.push(frame(FIN | CONTINUATION, b""));
        sent(&frames)
    };
    vec![
        row(
            "a frame of 64 KiB",
            one(FIN | TEXT, &spaces(frame_bytes)),
            "error invalid_json",
            "ends inside a value",
            "within the limit",
        ),
        row(
            "a frame of 64 KiB and a byte",
            one(FIN | TEXT, &spaces(frame_bytes + 1)),
            "close 1009",
            "65537 bytes is over the limit of 65536",
            limit,
        ),
        row(
            "the head alone of a frame of 2^62 bytes",
            Input::Frames(vec![0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0]),
            "close 1009",
            "over the limit of 65536",
            "found before a byte of it is kept",
        ),
        row(
            "a message of 1 MiB",
            ended(pieces(16, &spaces(frame_bytes))),
            "error invalid_json",
            "ends inside a value",
            "within the limit",
        ),
        row(
            "a message of 1 MiB and a byte",
            sent(&[
                pieces(16, &spaces(frame_bytes)).concat(),
                frame(FIN | CONTINUATION, b" "),
            ]),
            "close 1009",
            "1048577 bytes is over the limit of 1048576",
            limit,
        ),
        row(
            "1024 fragments",
            ended(pieces(1023, b" ")),
            "error invalid_json",
            "ends inside a value",
            "within the limit",
        ),
        row(
            "1025 fragments",
            ended(pieces(1024, b" ")),
            "close 1008",
            "1024",
            limit,
        ),
        row(
            "an endless run of empty fragments",
            sent(&pieces(100_000, b"")),
            "close 1008",
            "1024",
            limit,
        ),
    ]
}
