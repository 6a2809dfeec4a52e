//! Conservation: whatever happens to a floor, every member is given exactly its events.

use std::cell::{Cell, RefCell};

use jiff::Timestamp;
use proptest::prelude::*;
use todoki_codec::frame::{Decoder, Incoming, Limits, Role};
use todoki_codec::query::Encoding;
use todoki_codec::{Draft, Ids, Pattern, WantedIds, encode};

use super::super::group;
use super::*;

/// A socket that has room when the test says so.
#[derive(Debug, Default)]
struct Wire {
    taken: RefCell<Vec<u8>>,
    room: Cell<usize>,
    is_blocked: Cell<bool>,
}

impl Sink for Rc<Wire> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let most = bytes.len().min(self.room.get());
        self.is_blocked.set(most == 0);
        if most == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - most);
        self.taken.borrow_mut().extend_from_slice(&bytes[..most]);
        Ok(most)
    }

    fn write_each<'a>(
        wires: impl Iterator<Item = &'a Self>,
        bytes: &[u8],
        written: &mut Vec<io::Result<usize>>,
    ) {
        written.extend(wires.map(|wire| wire.try_write(bytes)));
    }

    fn is_blocked(&self) -> bool {
        self.is_blocked.get()
    }

    fn nudge(&self) {}
}

/// Cursors of the events that came out, and the private messages between them as `None`.
fn heard(wire: &Wire) -> Vec<Option<i64>> {
    let limits = Limits {
        frame_bytes: 1 << 20,
        message_bytes: 1 << 20,
        fragments: 1,
    };
    let mut decoder = Decoder::new(Role::Client, limits);
    let taken = wire.taken.borrow();
    let mut bytes = &taken[..];
    let mut heard = Vec::new();
    while let Some(incoming) = decoder.decode(&mut bytes).unwrap() {
        let Incoming::Text { bytes, .. } = incoming else {
            panic!("only texts are sent")
        };
        for line in bytes.split(|byte| *byte == b'\n') {
            let event = todoki_codec::decode::event(&Bytes::copy_from_slice(line));
            heard.push(event.map(|event| event.cursor.get()));
        }
    }
    heard
}

const KINDS: [&str; 3] = ["a", "b", "c.d"];

fn event(number: i64, size: usize) -> Event {
    let kind = KINDS[usize::try_from(number).unwrap() % KINDS.len()];
    let draft = Draft {
        kind: Kind::parse(kind).unwrap(),
        ids: Ids::default(),
        data: format!("{{\"x\":\"{}\"}}", "y".repeat(size)).into(),
        id: None,
    };
    encode::event(Cursor::new(number).unwrap(), Timestamp::UNIX_EPOCH, &draft)
}

#[derive(Clone, Debug)]
enum Act {
    /// So many events of such a size.
    Publish(usize, usize),
    /// A new member: pattern, lines or not, how far back in per mille.
    Join(usize, bool, i64),
    /// Room for one of the members.
    Room(usize, usize),
    /// No more room for one of the members.
    Block(usize),
    /// So many things for one member alone.
    Say(usize, usize),
    Leave(usize),
    /// Another filter for one of the members, from where it stands.
    Refilter(usize, usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1_usize..40, prop_oneof![8 => 1_usize..300, 1 => 1_usize..120_000]).prop_map(|(count, size)| Act::Publish(count, size)),
        2 => (0_usize..4, any::<bool>(), 0_i64..=1000).prop_map(|(pattern, lines, back)| Act::Join(pattern, lines, back)),
        6 => (0_usize..16, prop_oneof![1_usize..2_000, Just(5_000_000)]).prop_map(|(who, room)| Act::Room(who, room)),
        1 => (0_usize..16, prop_oneof![Just(1_usize), Just(super::super::ring::SLOTS)]).prop_map(|(who, count)| Act::Say(who, count)),
        3 => (0_usize..16).prop_map(Act::Block),
        1 => (0_usize..16).prop_map(Act::Leave),
        1 => (0_usize..16, 0_usize..4).prop_map(|(who, pattern)| Act::Refilter(who, pattern)),
    ]
}

fn key(pattern: usize, is_lines: bool) -> Key {
    let patterns = [&["*"][..], &["a"], &["b", "c.*"], &["none"]][pattern];
    let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
    Key {
        filter: Filter::new(patterns.collect(), WantedIds::default()),
        encoding: if is_lines {
            Encoding::Lines
        } else {
            Encoding::Message
        },
    }
}

struct Watched {
    id: MemberId,
    key: Key,
    wire: Rc<Wire>,
    /// What it must be given: events, and `None` for what was said to it alone.
    expected: Vec<i64>,
    said: usize,
    /// Events of its present filter are expected after this.
    since: i64,
}

/// A floor, and the log it stands for.
struct World {
    floor: Floor<Rc<Wire>>,
    log: Vec<Event>,
    members: Vec<Watched>,
}

impl World {
    fn head(&self) -> Cursor {
        self.floor.position()
    }

    /// What the subscriber's task does: reads the log for a member as long as that is what it needs.
    fn drive(&mut self, place: usize) {
        let Watched { id, key, .. } = &self.members[place];
        let id = *id;
        loop {
            match self.floor.next(id, self.floor.position(), None) {
                Next::Read { after, until } => {
                    let end = until.min(after.forward(7));
                    let page: Vec<_> = self.log[usize::try_from(after.get()).unwrap()
                        ..usize::try_from(end.get()).unwrap()]
                        .iter()
                        .filter(|event| key.filter.matches(event))
                        .cloned()
                        .collect();
                    self.floor
                        .refill(id, end, |out| group::frames(&page, key.encoding, out));
                }
                Next::Write => {
                    if !matches!(self.floor.turn(id), Turn::Done | Turn::More) {
                        return;
                    }
                }
                Next::Live | Next::Wait => {
                    while self.floor.turn(id) == Turn::More {}
                    return;
                }
            }
        }
    }

    fn drive_all(&mut self) {
        while self.floor.flush(64) {}
        for place in 0..self.members.len() {
            self.drive(place);
        }
    }

    fn expect_up_to(&mut self, place: usize, end: i64) {
        let member = &mut self.members[place];
        let news = self
            .log
            .iter()
            .filter(|event| (member.since + 1..=end).contains(&event.cursor.get()));
        member.expected.extend(
            news.filter(|event| member.key.filter.matches(event))
                .map(|event| event.cursor.get()),
        );
        member.since = end;
    }

    fn act(&mut self, act: &Act) {
        let count = self.members.len();
        match *act {
            Act::Publish(events, size) => {
                let head = self.head();
                let batch: Vec<_> = (head.next().get()..=head.forward(events).get())
                    .map(|number| event(number, size))
                    .collect();
                self.log.extend_from_slice(&batch);
                self.floor.distribute([&batch[..]]);
            }
            Act::Join(pattern, is_lines, back) => {
                let position = self.head().get() * back / 1000;
                let (key, wire) = (key(pattern, is_lines), Rc::<Wire>::default());
                let id = self.floor.join(
                    key.clone(),
                    Cursor::new(position).unwrap(),
                    Rc::clone(&wire),
                );
                self.members.push(Watched {
                    id,
                    key,
                    wire,
                    expected: Vec::new(),
                    said: 0,
                    since: position,
                });
            }
            _ if count == 0 => {}
            Act::Room(who, room) => {
                let wire = &self.members[who % count].wire;
                wire.room.set(wire.room.get() + room);
            }
            Act::Block(who) => self.members[who % count].wire.room.set(0),
            Act::Say(who, times) => {
                let member = &mut self.members[who % count];
                for _ in 0..times {
                    let mut frame = Vec::new();
                    todoki_codec::frame::encode::text(b"hello", &mut frame);
                    member.said += 1;
                    self.floor.say(member.id, frame.into());
                }
            }
            Act::Leave(who) => {
                let member = self.members.swap_remove(who % count);
                self.floor.leave(member.id);
            }
            Act::Refilter(who, pattern) => {
                let place = who % count;
                let id = self.members[place].id;
                let standing = self.floor.stand(id);
                self.expect_up_to(place, standing.get());
                let encoding = self.members[place].key.encoding == Encoding::Lines;
                let key = key(pattern, encoding);
                self.members[place].key = key.clone();
                self.floor.rejoin(id, key, standing);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]
    #[test]
    fn every_member_is_given_exactly_its_events_whatever_happens(
        // After each act there are so many turns, or as many as are needed.
        acts in prop::collection::vec((act(), prop::option::of(0_usize..6)), 1..120),
    ) {
        let mut world = World { floor: Floor::new(Cursor::ORIGIN), log: Vec::new(), members: Vec::new() };
        for (act, turns) in &acts {
            world.act(act);
            match turns {
                Some(turns) => drop(world.floor.flush(*turns)),
                None => world.drive_all(),
            }
        }
        for member in &world.members {
            member.wire.room.set(usize::MAX);
            member.wire.is_blocked.set(false);
        }
        for _ in 0..3 {
            world.drive_all();
        }
        let end = world.head().get();
        for place in 0..world.members.len() {
            world.expect_up_to(place, end);
            let member = &world.members[place];
            let heard = heard(&member.wire);
            let events: Vec<_> = heard.iter().copied().flatten().collect();
            prop_assert_eq!(&events, &member.expected);
            prop_assert_eq!(heard.len() - events.len(), member.said, "what was said to it alone");
            prop_assert!(world.floor.is_live(member.id) && world.floor.lag(member.id) == Lag::default());
        }
    }
}
