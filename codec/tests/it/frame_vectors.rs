//! `vectors/frame.json`: each rule of the frame codec as bytes.
use bytes::Bytes;
use serde::Deserialize;
use todoki_codec::frame::encode::{self, masked};
use todoki_codec::frame::{CloseCode, CloseFrame, Incoming, Limits, Opcode};
use todoki_codec::property::frame::{Settings, streams_like_naive};

use crate::vectors::{self, unhex};

/// A row reads `input` and expects messages, or encodes something and expects `wire`.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Row {
    Decode {
        name: String,
        #[serde(default = "yes")]
        masked: bool,
        #[serde(default)]
        deflate: bool,
        #[serde(default)]
        limits: Option<RowLimits>,
        input: String,
        expect: Vec<Message>,
        #[serde(default)]
        refused: Option<u16>,
        why: String,
    },
    Encode {
        name: String,
        encode: Encode,
        wire: String,
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowLimits {
    frame_bytes: usize,
    message_bytes: usize,
    fragments: usize,
}

/// Bytes are hex, except those of an uncompressed text.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Text(String),
    CompressedText(String),
    Binary(String),
    CompressedBinary(String),
    Ping(String),
    Pong(String),
    Close(Option<Close>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Encode {
    Header {
        opcode: String,
        len: usize,
        compressed: bool,
    },
    Text(String),
    MaskedText {
        text: String,
        key: String,
    },
    Ping(String),
    Pong(String),
    Close(Option<Close>),
}

#[derive(Deserialize)]
struct Close {
    code: u16,
    reason: String,
}

fn yes() -> bool {
    true
}

fn rows() -> Vec<Row> {
    vectors::rows(include_str!("../vectors/frame.json"))
}

fn incoming(message: &Message) -> Incoming {
    let bytes = |hex: &str| Bytes::from(unhex(hex));
    match message {
        Message::Text(text) => Incoming::Text {
            bytes: text.clone().into_bytes().into(),
            compressed: false,
        },
        Message::CompressedText(hex) => Incoming::Text {
            bytes: bytes(hex),
            compressed: true,
        },
        Message::Binary(hex) => Incoming::Binary {
            bytes: bytes(hex),
            compressed: false,
        },
        Message::CompressedBinary(hex) => Incoming::Binary {
            bytes: bytes(hex),
            compressed: true,
        },
        Message::Ping(hex) => Incoming::Ping(bytes(hex)),
        Message::Pong(hex) => Incoming::Pong(bytes(hex)),
        Message::Close(close) => Incoming::Close(close.as_ref().map(|close| CloseFrame {
            code: CloseCode::new(close.code).unwrap(),
            reason: close.reason.clone(),
        })),
    }
}

fn encoded(encode: &Encode) -> Vec<u8> {
    let mut out = Vec::new();
    match encode {
        Encode::Header {
            opcode,
            len,
            compressed,
        } => {
            let opcode = match opcode.as_str() {
                "text" => Opcode::Text,
                "binary" => Opcode::Binary,
                other => panic!("no header for {other}"),
            };
            out.extend_from_slice(&encode::header(opcode, *compressed, *len));
        }
        Encode::Text(text) => encode::text(text.as_bytes(), &mut out),
        Encode::MaskedText { text, key } => {
            masked::text(text.as_bytes(), unhex(key).try_into().unwrap(), &mut out);
        }
        Encode::Ping(hex) => encode::ping(&unhex(hex), &mut out),
        Encode::Pong(hex) => encode::pong(&unhex(hex), &mut out),
        Encode::Close(None) => encode::close_without_code(&mut out),
        Encode::Close(Some(close)) => {
            encode::close(CloseCode::new(close.code).unwrap(), &close.reason, &mut out);
        }
    }
    out
}

#[test]
fn every_frame_vector_holds_however_its_bytes_are_cut() {
    let mut decoded = 0;
    for row in rows() {
        let Row::Decode {
            name,
            masked,
            deflate,
            limits,
            input,
            expect,
            refused,
            why,
        } = row
        else {
            continue;
        };
        let limits = limits.map_or(Limits::inbound(), |limits| Limits {
            frame_bytes: limits.frame_bytes,
            message_bytes: limits.message_bytes,
            fragments: limits.fragments,
        });
        let heard = streams_like_naive(
            &unhex(&input),
            Settings {
                masked,
                deflate,
                limits,
            },
            7,
        );
        let expected: Vec<Incoming> = expect.iter().map(incoming).collect();
        assert_eq!(heard.messages, expected, "{name}: {why}");
        assert_eq!(heard.refused, refused, "{name}: {why}");
        decoded += 1;
    }
    assert!(decoded >= 45, "the vectors cover every rule, not {decoded}");
}

#[test]
fn every_frame_vector_is_written_byte_for_byte() {
    let mut written = 0;
    for row in rows() {
        let Row::Encode {
            name,
            encode,
            wire,
            why,
        } = row
        else {
            continue;
        };
        assert_eq!(encoded(&encode), unhex(&wire), "{name}: {why}");
        written += 1;
    }
    assert!(
        written >= 10,
        "the vectors cover every function, not {written}"
    );
}
