//! Random streams: valid ones say what was put into them, broken ones break like the naive decoder says.
use proptest::collection::vec;
use proptest::prelude::*;
use todoki_codec::frame::{CloseCode, CloseFrame, Incoming, Limits};
use todoki_codec::property::frame::{
    Settings, frame_round_trip, frame_streams_like_naive, streams_like_naive,
};

const KEY: [u8; 4] = [0x9c, 0x01, 0xfe, 0x42];

/// A data message with the places where it is cut into fragments, and what stands between them.
#[derive(Debug, Clone)]
struct Told {
    payload: Payload,
    cuts: Vec<(prop::sample::Index, Option<Incoming>)>,
}

#[derive(Debug, Clone)]
enum Payload {
    Text(String),
    Compressed(Vec<u8>),
    Binary(Vec<u8>),
}

impl Told {
    /// Writes the fragments and collects what a reader must report, in order.
    fn write(&self, masked: bool, out: &mut Vec<u8>, heard: &mut Vec<Incoming>) {
        let (first, bytes) = match &self.payload {
            Payload::Text(text) => (0x01, text.as_bytes()),
            Payload::Compressed(bytes) => (0x41, bytes.as_slice()),
            Payload::Binary(bytes) => (0x02, bytes.as_slice()),
        };
        let mut cuts: Vec<(usize, &Option<Incoming>)> = self
            .cuts
            .iter()
            .map(|(at, between)| (at.index(bytes.len() + 1), between))
            .collect();
        cuts.sort_by_key(|(at, _)| *at);
        let mut from = 0;
        let mut opcode = first;
        for (at, between) in cuts {
            frame(opcode, &bytes[from..at], masked, out);
            (from, opcode) = (at, 0x00);
            if let Some(control) = between {
                write_control(control, masked, out);
                heard.push(control.clone());
            }
        }
        frame(0x80 | opcode, &bytes[from..], masked, out);
        let bytes = bytes.to_vec().into();
        heard.push(match self.payload {
            Payload::Binary(_) => Incoming::Binary {
                bytes,
                compressed: false,
            },
            Payload::Text(_) => Incoming::Text {
                bytes,
                compressed: false,
            },
            Payload::Compressed(_) => Incoming::Text {
                bytes,
                compressed: true,
            },
        });
    }
}

fn frame(first: u8, payload: &[u8], masked: bool, out: &mut Vec<u8>) {
    let bit = if masked { 128 } else { 0 };
    out.push(first);
    match payload.len() {
        len @ 0..126 => out.push(bit + u8::try_from(len).unwrap()),
        len @ 126..65_536 => {
            out.push(bit + 126);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(bit + 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend(KEY);
        out.extend(
            payload
                .iter()
                .enumerate()
                .map(|(i, byte)| byte ^ KEY[i % 4]),
        );
    } else {
        out.extend(payload);
    }
}

fn write_control(control: &Incoming, masked: bool, out: &mut Vec<u8>) {
    match control {
        Incoming::Ping(bytes) => frame(0x89, bytes, masked, out),
        Incoming::Pong(bytes) => frame(0x8a, bytes, masked, out),
        Incoming::Close(None) => frame(0x88, &[], masked, out),
        Incoming::Close(Some(CloseFrame { code, reason })) => {
            let payload = [&code.number().to_be_bytes(), reason.as_bytes()].concat();
            frame(0x88, &payload, masked, out);
        }
        data => panic!("{data:?} is no control frame"),
    }
}

fn control() -> impl Strategy<Value = Incoming> {
    let payload = || prop_oneof![3 => vec(any::<u8>(), 0..8), 1 => vec(any::<u8>(), 0..=125)];
    prop_oneof![
        payload().prop_map(|bytes| Incoming::Ping(bytes.into())),
        payload().prop_map(|bytes| Incoming::Pong(bytes.into())),
    ]
}

fn close() -> impl Strategy<Value = Incoming> {
    let code = prop_oneof![1000_u16..=1003, 1007_u16..=1014, 3000_u16..=4999];
    let frame = (code, "\\PC{0,30}").prop_map(|(code, reason)| CloseFrame {
        code: CloseCode::new(code).unwrap(),
        reason,
    });
    prop::option::of(frame).prop_map(Incoming::Close)
}

fn told() -> impl Strategy<Value = Told> {
    let payload = prop_oneof![
        4 => "\\PC{0,40}".prop_map(Payload::Text),
        2 => ("\\PC{1,20}", 1_usize..300).prop_map(|(text, n)| Payload::Text(text.repeat(n))),
        1 => vec(any::<u8>(), 0..300).prop_map(Payload::Compressed),
        1 => vec(any::<u8>(), 0..300).prop_map(Payload::Binary),
    ];
    let cuts = vec(
        (any::<prop::sample::Index>(), prop::option::of(control())),
        0..5,
    );
    (payload, cuts).prop_map(|(payload, cuts)| Told { payload, cuts })
}

/// First bytes that may follow each other: fragments, controls, and now and then a fault.
fn first_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        12 => prop::sample::select(vec![0x00, 0x01, 0x02, 0x41, 0x80, 0x81, 0x89, 0x8a]),
        1 => any::<u8>(),
    ]
}

/// A valid stream and what it says.
fn conversation() -> impl Strategy<Value = (bool, Vec<u8>, Vec<Incoming>)> {
    (any::<bool>(), vec(told(), 0..5), prop::option::of(close())).prop_map(
        |(masked, messages, end)| {
            let (mut out, mut heard) = (Vec::new(), Vec::new());
            for message in &messages {
                message.write(masked, &mut out, &mut heard);
            }
            if let Some(close) = end {
                write_control(&close, masked, &mut out);
                heard.push(close);
            }
            (masked, out, heard)
        },
    )
}

fn settings(masked: bool) -> Settings {
    Settings {
        masked,
        deflate: true,
        limits: Limits::inbound(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_stream_says_what_was_put_into_it((masked, stream, said) in conversation(), pace: u8) {
        let heard = streams_like_naive(&stream, settings(masked), pace);
        prop_assert_eq!(heard.refused, None);
        prop_assert_eq!(heard.messages, said);
    }

    #[test]
    fn a_mutated_stream_breaks_where_the_naive_decoder_breaks(
        (masked, mut stream, _) in conversation(),
        faults in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
        pace: u8,
    ) {
        for (at, byte) in faults {
            if !stream.is_empty() {
                let at = at.index(stream.len());
                stream[at] ^= byte;
            }
        }
        stream.truncate(cut.index(2 * stream.len() + 1));
        streams_like_naive(&stream, settings(masked), pace);
    }

    #[test]
    fn any_bytes_read_like_the_naive_decoder_reads_them(bytes in vec(any::<u8>(), 0..400)) {
        frame_streams_like_naive(&bytes);
    }

    #[test]
    fn small_heads_under_tight_limits_read_like_the_naive_decoder_reads_them(
        settings in 4_u8..8,
        pace: u8,
        frames in vec((first_byte(), 0_usize..200, 0_u8..0xe0), 0..12),
    ) {
        let mut bytes = vec![settings, pace];
        for (first, len, fill) in frames {
            frame(first, &vec![fill; len], settings & 1 == 0, &mut bytes);
        }
        frame_streams_like_naive(&bytes);
    }

    #[test]
    fn what_is_written_is_read_back(bytes in vec(any::<u8>(), 0..600)) {
        frame_round_trip(&bytes);
    }
}
