//! Grows JSON from bytes that choose.

use std::ops::Range;

use crate::limits::JSON_DEPTH;

/// Bytes after which nothing large is grown any more, so that a few choices cannot grow without end.
const ENOUGH_BYTES: usize = 2 << 10;

/// Takes choices from bytes, and zeros when they are used up; a zero always chooses what ends soonest.
pub(super) struct Grower<'a> {
    choices: &'a [u8],
    keys: usize,
}

impl<'a> Grower<'a> {
    pub(super) fn new(choices: &'a [u8]) -> Self {
        Self { choices, keys: 0 }
    }

    pub(super) fn next(&mut self) -> u8 {
        let (first, rest) = self.choices.split_first().unwrap_or((&0, &[]));
        self.choices = rest;
        *first
    }

    pub(super) fn number(&mut self) -> usize {
        usize::from(self.next()) << 8 | usize::from(self.next())
    }

    /// A draft, and the place of its data in `out`.
    pub(super) fn draft(&mut self, out: &mut Vec<u8>) -> Range<usize> {
        let data_first = self.next() % 2 == 1;
        let mut data = 0..0;
        out.push(b'{');
        for member in 0..2 {
            self.space(out);
            if (member == 0) == data_first {
                out.extend(b"\"data\"");
                self.space(out);
                out.push(b':');
                self.space(out);
                let start = out.len();
                self.object(2, out);
                data = start..out.len();
            } else {
                out.extend(b"\"kind\":\"a.b\"");
            }
            self.space(out);
            out.push(if member == 0 { b',' } else { b'}' });
        }
        data
    }

    fn value(&mut self, depth: usize, out: &mut Vec<u8>) {
        let may_nest = depth <= JSON_DEPTH && out.len() < ENOUGH_BYTES;
        match self.next() % 8 {
            0 => out.extend(b"null"),
            1 => out.extend(b"true"),
            2 => out.extend(b"false"),
            3 if may_nest => self.array(depth, out),
            4 | 5 if may_nest => self.object(depth, out),
            6 => self.string(out),
            _ => self.numeral(out),
        }
    }

    fn object(&mut self, depth: usize, out: &mut Vec<u8>) {
        let members = self.next() % 5;
        out.push(b'{');
        self.space(out);
        for member in 0..members {
            if member > 0 {
                out.push(b',');
                self.space(out);
            }
            self.key(out);
            self.space(out);
            out.push(b':');
            self.space(out);
            self.value(depth + 1, out);
            self.space(out);
        }
        out.push(b'}');
    }

    fn array(&mut self, depth: usize, out: &mut Vec<u8>) {
        let elements = self.next() % 5;
        out.push(b'[');
        self.space(out);
        for element in 0..elements {
            if element > 0 {
                out.push(b',');
                self.space(out);
            }
            self.value(depth + 1, out);
            self.space(out);
        }
        out.push(b']');
    }

    /// A string that no other key is equal to: the count at its end differs.
    fn key(&mut self, out: &mut Vec<u8>) {
        self.keys += 1;
        self.string(out);
        out.pop();
        out.extend(format!("#{}\"", self.keys).bytes());
    }

    fn string(&mut self, out: &mut Vec<u8>) {
        let pieces = self.next() % 8;
        out.push(b'"');
        for _ in 0..pieces {
            self.piece(out);
        }
        out.push(b'"');
    }

    fn piece(&mut self, out: &mut Vec<u8>) {
        match self.next() % 8 {
            // Long runs reach over the blocks that a reader with wide registers takes at once.
            0 => out.extend(vec![b'x'; usize::from(self.next() % 80)]),
            1 => out.push(match self.next() % 0x60 + 0x20 {
                b'"' | b'\\' => b'_',
                plain => plain,
            }),
            2 => {
                let escapes = *b"\"\\/bfnrt";
                out.extend([b'\\', escapes[usize::from(self.next() % 8)]]);
            }
            3 => out.extend(
                [
                    "é",
                    "€",
                    "😀",
                    "\u{2028}",
                    "\u{7f}",
                    "\u{ffff}",
                    "\u{10ffff}",
                    "\u{80}",
                ][usize::from(self.next() % 8)]
                .bytes(),
            ),
            4 => {
                let high = 0xd800 + self.number() % 0x400;
                let low = 0xdc00 + self.number() % 0x400;
                out.extend(format!("\\u{high:04x}\\u{low:04X}").bytes());
            }
            5 => out.extend(format!("\\u{:04X}", self.next()).bytes()),
            6 => {
                let unit = self.number();
                let unit = if (0xd800..0xe000).contains(&unit) {
                    unit - 0xd800
                } else {
                    unit
                };
                out.extend(format!("\\u{unit:04x}").bytes());
            }
            _ => {
                let code = u32::try_from(self.number()).unwrap_or_default() << 5;
                let found = char::from_u32(code).filter(|c| *c >= ' ' && *c != '"' && *c != '\\');
                out.extend(found.unwrap_or('ü').encode_utf8(&mut [0; 4]).bytes());
            }
        }
    }

    /// RFC 8259 §6, to any length.
    fn numeral(&mut self, out: &mut Vec<u8>) {
        let shape = self.next();
        if shape & 1 != 0 {
            out.push(b'-');
        }
        if shape & 2 != 0 {
            out.push(b'1' + self.next() % 9);
            self.digits(0, out);
        } else {
            out.push(b'0');
        }
        if shape & 4 != 0 {
            out.push(b'.');
            self.digits(1, out);
        }
        if shape & 8 != 0 {
            out.push(if shape & 16 != 0 { b'e' } else { b'E' });
            match shape >> 6 {
                0 => out.push(b'-'),
                1 => out.push(b'+'),
                _ => {}
            }
            self.digits(1, out);
        }
    }

    fn digits(&mut self, least: usize, out: &mut Vec<u8>) {
        let length = usize::from(self.next());
        // Mostly around the lengths where 64 bits end, now and then hundreds.
        let length = if length < 240 {
            length % 24
        } else {
            length * 2
        };
        let digit = self.next();
        for place in 0..length.max(least) {
            let place = u8::try_from(place % 10).unwrap_or_default();
            out.push(b'0' + digit.wrapping_add(place) % 10);
        }
    }

    fn space(&mut self, out: &mut Vec<u8>) {
        let choice = self.next();
        if choice >= 0xc0 {
            let kind = *b" \t\n\r";
            for place in 0..choice & 7 {
                out.push(kind[usize::from((choice >> 3).wrapping_add(place) & 3)]);
            }
        }
    }
}
