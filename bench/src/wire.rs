//! What the server sends, read as little as it takes to check it.

use crate::Outcome;

/// What every event's JSON begins with.
const EVENT: &[u8] = br#"{"type":"event","cursor":"#;

/// Bytes from the start of an event within which its cursor ends: the prefix, 16 digits and a comma.
const CURSOR_END: usize = EVENT.len() + 17;

/// The cursor of an event; `None` for any other message.
pub fn cursor(json: &[u8]) -> Option<u64> {
    number(json.strip_prefix(EVENT)?)
}

/// The number behind `"name":`, which `json` has once.
pub fn member(json: &[u8], name: &str) -> Option<u64> {
    let key = format!("\"{name}\":");
    let at = memchr::memmem::find(json, key.as_bytes())?;
    number(json.get(at + key.len()..)?)
}

/// The number that the text begins with.
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let (mut count, mut number) = (0, 0_u64);
    for digit in digits {
        number = number
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        count += 1;
    }
    (count > 0).then_some(number)
}

/// Holds a stream to the order that is known: every `step`th cursor, none missing, none twice.
#[derive(Debug)]
pub struct Order {
    last: u64,
    step: u64,
    count: u64,
}

impl Order {
    /// A stream whose first event is `after + step`.
    pub fn new(after: u64, step: u64) -> Self {
        Self {
            last: after,
            step,
            count: 0,
        }
    }

    /// The next event of the stream.
    pub fn check(&mut self, cursor: u64) -> Outcome<()> {
        let expected = self.last + self.step;
        if cursor != expected {
            return Err(format!("event {cursor} came where {expected} was due").into());
        }
        self.last = cursor;
        self.count += 1;
        Ok(())
    }

    /// The next event of a stream that some may be missing in.
    pub fn skip_to(&mut self, cursor: u64) -> Outcome<()> {
        if cursor <= self.last {
            let last = self.last;
            return Err(format!("event {cursor} came after {last}").into());
        }
        self.last = cursor;
        self.count += 1;
        Ok(())
    }

    /// The cursor of the last event, or the position before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Events so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Finds the events in a JSON array of them that comes in pieces. Their data is our own, and holds no event.
#[derive(Debug, Default)]
pub struct ArrayReader {
    rest: Vec<u8>,
}

impl ArrayReader {
    /// Takes a piece, and hands the cursors in it to `take`. A cursor that may be cut off waits for the next piece;
    /// an array ends in more bytes of its last event than a cursor has.
    pub fn read(&mut self, piece: &[u8], take: &mut impl FnMut(u64) -> Outcome<()>) -> Outcome<()> {
        self.rest.extend_from_slice(piece);
        let mut done = 0;
        for at in memchr::memmem::find_iter(&self.rest, EVENT) {
            if self.rest.len() - at < CURSOR_END {
                break;
            }
            take(number(&self.rest[at + EVENT.len()..]).ok_or("an event without a cursor")?)?;
            done = at + EVENT.len();
        }
        // What may be the beginning of an event is kept.
        done = done.max(self.rest.len().saturating_sub(CURSOR_END));
        self.rest.drain(..done);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(cursor: u64) -> String {
        format!(r#"{{"type":"event","cursor":{cursor},"kind":"a.b","data":{{"t":12}}}}"#)
    }

    #[test]
    fn cursors_and_members_are_read() {
        assert_eq!(cursor(event(101).as_bytes()), Some(101));
        assert_eq!(member(event(101).as_bytes(), "t"), Some(12));
        assert_eq!(cursor(br#"{"type":"ping","cursor":3}"#), None);
    }

    #[test]
    fn a_stream_out_of_order_is_noticed() {
        let mut order = Order::new(0, 100);
        assert!(order.check(100).is_ok());
        assert!(order.check(100).is_err());
        assert!(order.check(300).is_err());
        assert_eq!(order.count(), 1);
    }

    #[test]
    fn a_stream_that_may_lose_events_may_not_repeat_them() {
        let mut order = Order::new(0, 1);
        assert!(order.skip_to(2).is_ok());
        assert!(order.skip_to(2).is_err());
        assert!(order.skip_to(1).is_err());
        assert!(order.skip_to(5).is_ok());
        assert_eq!((order.count(), order.last()), (2, 5));
    }

    #[test]
    fn an_array_is_read_however_it_is_cut() {
        let array = format!(
            "[{},{},{}]",
            event(9),
            event(10),
            event(9_007_199_254_740_991)
        );
        for size in 1..array.len() {
            let (mut reader, mut found) = (ArrayReader::default(), Vec::new());
            for piece in array.as_bytes().chunks(size) {
                let mut take = |cursor| {
                    found.push(cursor);
                    Ok(())
                };
                reader.read(piece, &mut take).unwrap();
            }
            assert_eq!(found, [9, 10, 9_007_199_254_740_991], "pieces of {size}");
        }
    }
}
