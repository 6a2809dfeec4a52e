//! Properties of permessage-deflate.
//!
//! Whoever has had all messages of a window reads them as they were, also one that comes in later than others; no payload
//! makes an inflater panic or exceed its limit; what a handshake agrees with was offered.
use crate::deflate::{Deflater, InflateError, Inflater, offer};

/// Longer than any message of these properties.
const LIMIT: usize = 1 << 20;

/// Messages of one context are read as they were, from the beginning and from each window on.
///
/// Each message begins with a byte that says how long it is, in steps that make long ones too, and whether it opens a
/// window; what is said there is taken from the rest of the input, over and over.
pub fn windows_are_read_from_where_they_open(bytes: &[u8]) {
    let (mut deflater, mut rest) = (Deflater::default(), bytes);
    let mut readers = vec![Inflater::streaming()];
    while let [plan, tail @ ..] = rest {
        if plan & 1 != 0 && readers.len() < 4 {
            deflater.reset();
            readers.push(Inflater::streaming());
        }
        let len = usize::from(plan >> 1) * 9;
        let message: Vec<u8> = tail
            .iter()
            .copied()
            .cycle()
            .take(if tail.is_empty() { 0 } else { len })
            .collect();
        let mut payload = b"before".to_vec();
        deflater.deflate(&message, &mut payload);
        let payload = payload
            .strip_prefix(b"before")
            .expect("what was there stays");
        for reader in &mut readers {
            assert_eq!(reader.inflate(payload, LIMIT).as_ref(), Ok(&message));
        }
        rest = &tail[tail.len().min(len / 9)..];
    }
}

/// Any payload is a message within the limit or refused, the same each time, whatever came before.
pub fn payloads_inflate_within_the_limit(bytes: &[u8]) {
    let mut inflater = Inflater::stateless();
    let first = inflater.inflate(bytes, 1000);
    assert!(first.as_ref().map_or(0, Vec::len) <= 1000);
    assert_eq!(inflater.inflate(bytes, 1000), first);
    if let Ok(message) = first {
        let most = message.len();
        assert_eq!(inflater.inflate(bytes, most).as_ref(), Ok(&message));
        if let Some(limit) = most.checked_sub(1) {
            assert_eq!(
                inflater.inflate(bytes, limit),
                Err(InflateError::TooBig { limit })
            );
        }
    }
}

/// A message on its own is read as it was.
pub fn messages_on_their_own_are_read(bytes: &[u8]) {
    let mut payload = Vec::new();
    Deflater::default().deflate(bytes, &mut payload);
    let message = Inflater::stateless().inflate(&payload, LIMIT);
    assert_eq!(message.as_deref(), Ok(bytes));
}

/// An answer is agreed only with an offer that allows it, and an offer that asks for nothing is always kept.
pub fn offers_are_answered_as_they_allow(bytes: &[u8]) {
    let Ok(header) = std::str::from_utf8(bytes) else {
        return;
    };
    let answer = offer::answer(header);
    if let Some(answer) = answer {
        assert!(header.contains("permessage-deflate"));
        assert!(answer.contains("server_max") <= header.contains("server_max_window_bits"));
    }
    let plain = offer::answer(&format!("permessage-deflate, {header}"));
    assert_eq!(
        plain,
        Some("permessage-deflate; client_no_context_takeover")
    );
    let may_quote = header.contains(['"', '\\']);
    if !may_quote {
        let last = offer::answer(&format!("{header}, permessage-deflate"));
        assert_eq!(last, answer.or(plain));
    }
}
