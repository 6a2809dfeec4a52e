//! JSON that keeps its bytes: validation by simd-json on a copy, and where each member's value stands in the original.
//!
//! Accepted is RFC 8259 with these rules, the same for every log: UTF-8, no lone surrogates, no key twice in one
//! object, nesting up to [`JSON_DEPTH`], numbers of any size and precision. simd-json refuses integers beyond 64 bits
//! and exponents beyond doubles, so the copy carries `0` in the place of such a number once its grammar is checked.
//! Two readers stand behind one answer: the fast one decides, and [`check`] (plain and slow) says what is wrong and
//! where. Fuzzing holds them to the same verdict.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use simd_json::{Buffers, Node, Tape};

use crate::limits::JSON_DEPTH;

/// Why bytes are not acceptable JSON, and the byte where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset from the start of the text that was read.
    pub at: usize,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The text ends inside a value.
    End,
    /// A byte that cannot stand there.
    Unexpected,
    /// More after the value.
    Trailing,
    /// Not UTF-8.
    Utf8,
    /// A raw control character inside a string.
    Control,
    /// An unknown or incomplete escape.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// Not a JSON number.
    Number,
    /// Nesting over [`JSON_DEPTH`].
    Depth,
    /// A key that the object has already.
    DuplicateKey,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::End => "the text ends inside a value",
            What::Unexpected => "unexpected byte",
            What::Trailing => "more text after the value",
            What::Utf8 => "invalid UTF-8",
            What::Control => "raw control character in a string",
            What::Escape => "invalid escape in a string",
            What::Surrogate => "lone surrogate in a string",
            What::Number => "invalid number",
            What::Depth => {
                return write!(
                    f,
                    "nesting over the limit of {JSON_DEPTH} at byte {}",
                    self.at
                );
            }
            What::DuplicateKey => "duplicate key",
        };
        write!(f, "{what} at byte {}", self.at)
    }
}

impl std::error::Error for Fault {}

/// A value as simd-json saw it, beside the place of its bytes in the original.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: Node<'a>,
    pub(crate) span: Range<usize>,
}

/// Reads objects one after the other with the same working memory.
#[derive(Default)]
pub(crate) struct Reader {
    /// The copy that simd-json works in and unescapes strings in, with the padding it asks for.
    copy: Vec<u8>,
    buffers: Buffers,
}

impl Reader {
    /// Checks `raw` and returns the members of the object that it is; `None` when it is acceptable JSON but no object.
    pub(crate) fn object<'a>(&'a mut self, raw: &[u8]) -> Result<Option<Vec<Member<'a>>>, Fault> {
        self.copy.clear();
        self.copy.extend_from_slice(raw);
        let Some(spans) = outline(raw, &mut self.copy) else {
            return Err(refusal(raw));
        };
        self.copy.resize(raw.len() + simd_json::INPUT_PADDING, 0);
        let mut tape = Tape(Vec::with_capacity(raw.len() / 8 + 8));
        let parsed =
            simd_json::fill_tape_padded(&mut self.copy, raw.len(), &mut self.buffers, &mut tape);
        if parsed.is_err() || !has_unique_keys(&tape.0) {
            return Err(refusal(raw));
        }
        Ok(members(&tape.0, spans))
    }
}

/// What the plain reader says of a text that the fast one refuses.
fn refusal(raw: &[u8]) -> Fault {
    // The fast reader is the stricter of the two only if one of them is wrong; fuzzing has found no such text.
    check(raw).err().unwrap_or(Fault {
        at: 0,
        what: What::Unexpected,
    })
}

fn members<'a>(tape: &[Node<'a>], spans: Vec<Range<usize>>) -> Option<Vec<Member<'a>>> {
    let Some(Node::Object { len, .. }) = tape.first() else {
        return None;
    };
    let mut members = Vec::with_capacity(*len);
    let mut at = 1;
    for span in spans {
        let (Some(Node::String(key)), Some(value)) = (tape.get(at), tape.get(at + 1)) else {
            break;
        };
        members.push(Member {
            key,
            value: *value,
            span,
        });
        at = after(tape, at + 1);
    }
    Some(members)
}

/// The node behind the value at `at`.
fn after(tape: &[Node<'_>], at: usize) -> usize {
    match tape[at] {
        Node::Object { count, .. } | Node::Array { count, .. } => at + 1 + count,
        Node::String(_) | Node::Static(_) => at + 1,
    }
}

fn has_unique_keys(tape: &[Node<'_>]) -> bool {
    let mut keys = Vec::new();
    tape.iter().enumerate().all(|(at, node)| match node {
        Node::Object { len, .. } if *len > 1 => {
            keys.clear();
            let mut key_at = at + 1;
            for _ in 0..*len {
                if let Node::String(key) = tape[key_at] {
                    keys.push(key);
                }
                key_at = after(tape, key_at + 1);
            }
            keys.sort_unstable();
            keys.is_sorted_by(|one, next| one < next)
        }
        _ => true,
    })
}

/// One walk over bytes that nothing is known of yet: masks in `copy` the numbers that simd-json would refuse for their
/// size, and notes where the values of the outermost object's members stand; `None` when it nests too deep. On invalid
/// JSON the spans mean nothing, and simd-json refuses the copy just as it would have refused the original.
fn outline(raw: &[u8], copy: &mut [u8]) -> Option<Vec<Range<usize>>> {
    let mut spans = Vec::new();
    let mut value_start = None;
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = raw.get(at) {
        match byte {
            b'"' => {
                at = string_end(raw, at + 1);
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let end = number_end(raw, at);
                mask_number(&raw[at..end], &mut copy[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > JSON_DEPTH {
                    return None;
                }
            }
            b'}' | b']' => {
                if depth == 1 {
                    spans.extend(value_start.take().map(|start| trimmed(raw, start, at)));
                }
                depth = depth.saturating_sub(1);
            }
            b':' if depth == 1 => value_start = Some(at + 1),
            b',' if depth == 1 => {
                spans.extend(value_start.take().map(|start| trimmed(raw, start, at)));
            }
            _ => {}
        }
        at += 1;
    }
    Some(spans)
}

/// The place behind the closing quote of the string whose first character is at `at`; the end if it never closes.
pub(crate) fn string_end(raw: &[u8], mut at: usize) -> usize {
    while let Some(found) = raw
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += found;
        if raw[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    raw.len()
}

fn number_end(raw: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let length = raw[start..].iter().take_while(|byte| is_part(byte)).count();
    start + length
}

/// Up to this length a plain number is within what simd-json reads exactly.
const PLAIN_NUMBER_BYTES: usize = 15;

fn mask_number(token: &[u8], copy: &mut [u8]) {
    let is_plain =
        token.len() <= PLAIN_NUMBER_BYTES && !token.iter().any(|byte| matches!(byte, b'e' | b'E'));
    if !is_plain && is_number(token) {
        copy.fill(b' ');
        copy[0] = b'0';
    }
}

/// RFC 8259 §6: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
fn is_number(token: &[u8]) -> bool {
    let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = exponent
            .strip_prefix(b"-")
            .or_else(|| exponent.strip_prefix(b"+"));
        let exponent = unsigned.unwrap_or(exponent);
        return digits(exponent) == exponent.len() && !exponent.is_empty();
    }
    rest.is_empty()
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trimmed(raw: &[u8], mut start: usize, mut end: usize) -> Range<usize> {
    while start < end && is_space(raw[start]) {
        start += 1;
    }
    while start < end && is_space(raw[end - 1]) {
        end -= 1;
    }
    start..end
}

/// Reads `raw` plainly and says what is wrong with it and where; `Ok` exactly when the fast reader accepts it.
pub fn check(raw: &[u8]) -> Result<(), Fault> {
    let mut checker = Checker {
        raw: std::str::from_utf8(raw)
            .map_err(|error| Fault {
                at: error.valid_up_to(),
                what: What::Utf8,
            })?
            .as_bytes(),
        at: 0,
    };
    checker.value(1)?;
    checker.skip_space();
    match checker.peek() {
        None => Ok(()),
        Some(_) => checker.fault(What::Trailing),
    }
}

struct Checker<'a> {
    raw: &'a [u8],
    at: usize,
}

impl Checker<'_> {
    fn fault<T>(&self, what: What) -> Result<T, Fault> {
        Err(Fault { at: self.at, what })
    }

    fn peek(&self) -> Option<u8> {
        self.raw.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => self.fault(What::Unexpected),
            None => self.fault(What::End),
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth > JSON_DEPTH => self.fault(What::Depth),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(_) => self.fault(What::Unexpected),
            None => self.fault(What::End),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.expect(b'{')?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut keys = HashSet::new();
        loop {
            self.skip_space();
            let key_at = self.at;
            let key = self.string()?;
            if !keys.insert(key) {
                return Err(Fault {
                    at: key_at,
                    what: What::DuplicateKey,
                });
            }
            self.skip_space();
            self.expect(b':')?;
            self.value(depth + 1)?;
            self.skip_space();
            if self.peek() != Some(b',') {
                return self.expect(b'}');
            }
            self.at += 1;
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.expect(b'[')?;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.skip_space();
            if self.peek() != Some(b',') {
                return self.expect(b']');
            }
            self.at += 1;
        }
    }

    /// The string's bytes, unescaped.
    fn string(&mut self) -> Result<Vec<u8>, Fault> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.peek() {
                None => return self.fault(What::End),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(0..=0x1f) => return self.fault(What::Control),
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Fault> {
        let plain = match self.raw.get(self.at + 1) {
            Some(b'u') => return self.unicode_escape(text),
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            _ => return self.fault(What::Escape),
        };
        text.push(plain);
        self.at += 2;
        Ok(())
    }

    fn unicode_escape(&mut self, text: &mut Vec<u8>) -> Result<(), Fault> {
        let high = self.code_unit(self.at)?;
        let (code, length) = match high {
            0xd800..=0xdbff if self.raw.get(self.at + 6..self.at + 8) == Some(b"\\u") => {
                let low = self.code_unit(self.at + 6)?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return self.fault(What::Surrogate);
                }
                (0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12)
            }
            code => (code, 6),
        };
        let Some(character) = char::from_u32(code) else {
            return self.fault(What::Surrogate);
        };
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }

    /// The four hexadecimal digits of the `\uXXXX` at `at`.
    fn code_unit(&self, at: usize) -> Result<u32, Fault> {
        let digits = self.raw.get(at + 2..at + 6);
        digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or(Fault {
                at,
                what: What::Escape,
            })
    }

    fn number(&mut self) -> Result<(), Fault> {
        let end = number_end(self.raw, self.at);
        if !is_number(&self.raw[self.at..end]) {
            return self.fault(What::Number);
        }
        self.at = end;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        word.iter().try_for_each(|&byte| self.expect(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<(usize, What)> {
        let slow = check(text.as_bytes()).err();
        let fast = Reader::default().object(text.as_bytes()).err();
        assert_eq!(slow, fast, "{text}");
        slow.map(|fault| (fault.at, fault.what))
    }

    #[test]
    fn numbers_of_any_size_are_accepted() {
        for number in [
            "18446744073709551616",
            "1e400",
            "-0",
            "1E-999",
            "1e131071",
            "0.10",
            &"9".repeat(400),
        ] {
            assert_eq!(
                fault(&format!("{{\"n\":[{number} ,{number}]}}")),
                None,
                "{number}"
            );
        }
        for number in [
            "01",
            "1.",
            "+1",
            "1e",
            ".5",
            "-",
            "1e+",
            "0123456789012345678",
            "1.2.3",
            "1-2",
            "NaN",
        ] {
            assert!(
                fault(&format!("{{\"n\":[{number}]}}")).is_some(),
                "{number}"
            );
        }
    }

    #[test]
    fn a_fault_names_its_byte() {
        assert_eq!(fault(""), Some((0, What::End)));
        assert_eq!(fault("{\"a\":1,}"), Some((7, What::Unexpected)));
        assert_eq!(fault("{\"a\":1} x"), Some((8, What::Trailing)));
        assert_eq!(fault("{\"a\":\"\\ud800\"}"), Some((6, What::Surrogate)));
        assert_eq!(
            fault("{\"a\":\"\\ud800\\u0041\"}"),
            Some((6, What::Surrogate))
        );
        assert_eq!(fault("{\"a\":\"\\udc00\"}"), Some((6, What::Surrogate)));
        assert_eq!(fault("{\"a\":\"\\x\"}"), Some((6, What::Escape)));
        assert_eq!(fault("{\"a\":\"\t\"}"), Some((6, What::Control)));
        assert_eq!(fault("{\"a\":01}"), Some((5, What::Number)));
        assert_eq!(
            fault("{\"a\":1,\"\\u0061\":2}"),
            Some((7, What::DuplicateKey))
        );
        assert_eq!(
            fault("{\"b\":{\"a\":1,\"a\":2}}"),
            Some((12, What::DuplicateKey))
        );
        assert_eq!(fault("{\"a\":tru}"), Some((8, What::Unexpected)));
        assert_eq!(fault("{\"a\":\"\\u0000\"}"), None);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(fault(&nested(JSON_DEPTH)), None);
        assert_eq!(
            fault(&nested(JSON_DEPTH + 1)),
            Some((JSON_DEPTH, What::Depth))
        );
        let broken_before = format!("[01,{}", nested(JSON_DEPTH));
        assert_eq!(fault(&broken_before), Some((1, What::Number)));
    }

    #[test]
    fn spans_are_the_bytes_of_the_values() {
        let raw = br#" { "a" : {"b":[1, 2]} , "c":"x,}" ,"d": 1e9 } "#;
        let mut reader = Reader::default();
        let members = reader.object(raw).unwrap().unwrap();
        let found: Vec<_> = members
            .iter()
            .map(|m| (m.key, &raw[m.span.clone()]))
            .collect();
        assert_eq!(
            found,
            [
                ("a", &br#"{"b":[1, 2]}"#[..]),
                ("c", &br#""x,}""#[..]),
                ("d", &b"1e9"[..])
            ]
        );
    }
}
