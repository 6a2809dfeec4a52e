//! Conservation: whatever happens to a floor, every member is given exactly its events.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use jiff::Timestamp;
use proptest::prelude::*;
use todoki_codec::deflate::Inflater;
use todoki_codec::frame::{Decoder, Incoming, Limits, Role};
use todoki_codec::query::Encoding;
use todoki_codec::{
    Draft, Event, Filter, Ids, Kind, Pattern, Scope, Scopes, WantedIds, Within, encode,
};
use uuid::Uuid;

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
    let mut decoder = Decoder::new(Role::Client, limits).with_deflate(true);
    let mut inflater = Inflater::streaming();
    let taken = wire.taken.borrow();
    let mut bytes = &taken[..];
    let mut heard = Vec::new();
    while let Some(incoming) = decoder.decode(&mut bytes).unwrap() {
        let Incoming::Text { bytes, compressed } = incoming else {
            panic!("only texts are sent")
        };
        let bytes = if compressed {
            inflater.inflate(&bytes, 1 << 20).unwrap().into()
        } else {
            bytes
        };
        for line in bytes.split(|byte| *byte == b'\n') {
            let event = todoki_codec::decode::event(&Bytes::copy_from_slice(line));
            heard.push(event.map(|event| event.cursor.get()));
        }
    }
    heard
}

const KINDS: [&str; 3] = ["a", "b", "c.d"];

/// One event of each kind is of the first project, and the next of the second.
const PROJECTS: [Uuid; 2] = [Uuid::from_u128(1), Uuid::from_u128(2)];

fn event(number: i64, size: usize) -> Event {
    let place = usize::try_from(number).unwrap();
    let kind = KINDS[place % KINDS.len()];
    let project = PROJECTS[place / KINDS.len() % PROJECTS.len()];
    let draft = Draft {
        kind: Kind::parse(kind).unwrap(),
        ids: Ids {
            project_id: Some(project),
            ..Ids::default()
        },
        data: format!("{{\"x\":\"{}\"}}", "y".repeat(size)).into(),
        id: None,
    };
    encode::event(Cursor::new(number).unwrap(), Timestamp::UNIX_EPOCH, &draft)
}

#[derive(Clone, Debug)]
enum Act {
    /// So many events of such a size.
    Publish(usize, usize),
    /// A new member: filter, lines or not, compressed or not, how far back in per mille.
    Join(usize, bool, bool, i64),
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
        2 => (0..FILTERS, any::<bool>(), any::<bool>(), 0_i64..=1000).prop_map(|(filter, lines, compressed, back)| Act::Join(filter, lines, compressed, back)),
        6 => (0_usize..16, prop_oneof![1_usize..2_000, Just(5_000_000)]).prop_map(|(who, room)| Act::Room(who, room)),
        1 => (0_usize..16, prop_oneof![Just(1_usize), Just(super::super::ring::SLOTS)]).prop_map(|(who, count)| Act::Say(who, count)),
        3 => (0_usize..16).prop_map(Act::Block),
        1 => (0_usize..16).prop_map(Act::Leave),
        1 => (0_usize..16, 0..FILTERS).prop_map(|(who, filter)| Act::Refilter(who, filter)),
    ]
}

const FILTERS: usize = 6;

fn filter(number: usize) -> Filter {
    let patterns = |texts: &[&str]| {
        let patterns = texts.iter().map(|text| Pattern::parse(text).unwrap());
        patterns.collect()
    };
    let scope = |texts: &[&str], project| {
        let within = Within {
            project_id: Some(vec![project]),
            ..Within::default()
        };
        Scope::new(patterns(texts), within)
    };
    let [first, second] = PROJECTS;
    let granted = match number {
        0 => return Filter::default(),
        1 => return Filter::new(patterns(&["a"]), WantedIds::default()),
        2 => return Filter::new(patterns(&["b", "c.*"]), WantedIds::default()),
        3 => return Filter::new(patterns(&["none"]), WantedIds::default()),
        4 => vec![scope(&["*"], second)],
        _ => vec![scope(&["a", "b"], first), scope(&["b", "c.*"], second)],
    };
    let narrowed = Filter::default().narrowed(&Scopes::new(granted));
    narrowed.unwrap()
}

fn key(number: usize, is_lines: bool, is_compressed: bool) -> Key {
    Key {
        filter: filter(number),
        encoding: if is_lines {
            Encoding::Lines
        } else {
            Encoding::Message
        },
        is_compressed,
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
    /// Events that members took which have left since.
    left_with: usize,
    /// Whether one left in the middle of a page, whose events count when all of it is written.
    is_left_inside: bool,
}

impl World {
    fn new() -> Self {
        Self {
            floor: Floor::new(Cursor::ORIGIN),
            log: Vec::new(),
            members: Vec::new(),
            left_with: 0,
            is_left_inside: false,
        }
    }

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
                    self.floor.refill(id, end, page.len(), |out| {
                        group::frames(&page, key.encoding, out);
                    });
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
            Act::Join(filter, is_lines, is_compressed, back) => {
                let position = self.head().get() * back / 1000;
                let (key, wire) = (key(filter, is_lines, is_compressed), Rc::<Wire>::default());
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
                self.left_with += heard(&member.wire).into_iter().flatten().count();
                self.is_left_inside |=
                    !self.floor.is_live(member.id) && !self.floor.is_written(member.id);
                self.floor.leave(member.id);
            }
            Act::Refilter(who, filter) => {
                let place = who % count;
                let id = self.members[place].id;
                let standing = self.floor.stand(id);
                self.expect_up_to(place, standing.get());
                let old = &self.members[place].key;
                let is_lines = old.encoding == Encoding::Lines;
                let key = key(filter, is_lines, old.is_compressed);
                self.members[place].key = key.clone();
                self.floor.rejoin(id, key, standing);
            }
        }
    }
}

/// Joins a compressed group, with all the room it needs.
fn join_compressed(floor: &mut Floor<Rc<Wire>>, filter: usize) -> (MemberId, Rc<Wire>) {
    let wire = Rc::<Wire>::default();
    wire.room.set(usize::MAX);
    let id = floor.join(key(filter, false, true), floor.position(), Rc::clone(&wire));
    (id, wire)
}

fn publish(floor: &mut Floor<Rc<Wire>>, numbers: std::ops::RangeInclusive<i64>) {
    let batch: Vec<_> = numbers.map(|number| event(number, 200)).collect();
    floor.distribute([&batch[..]]);
    while floor.flush(64) {}
}

#[test]
fn members_share_compressed_bytes_whenever_they_join() {
    let mut floor = Floor::new(Cursor::ORIGIN);
    let (early, early_wire) = join_compressed(&mut floor, 0);
    assert_eq!(floor.next(early, Cursor::ORIGIN, None), Next::Live);
    publish(&mut floor, 1..=10);
    let (late, late_wire) = join_compressed(&mut floor, 0);
    let head = floor.position();
    assert_eq!(
        floor.next(late, head, None),
        Next::Live,
        "nobody waits for a window"
    );
    let before = early_wire.taken.borrow().len();
    publish(&mut floor, 11..=20);
    assert_eq!(
        early_wire.taken.borrow()[before..],
        late_wire.taken.borrow()[..]
    );
    assert_eq!(heard(&early_wire), (1..=20).map(Some).collect::<Vec<_>>());
    assert_eq!(heard(&late_wire), (11..=20).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_member_in_the_middle_of_a_window_reads_the_log_to_the_next() {
    let mut floor = Floor::new(Cursor::ORIGIN);
    let (early, _early_wire) = join_compressed(&mut floor, 0);
    floor.next(early, Cursor::ORIGIN, None);
    publish(&mut floor, 1..=10);
    let (late, _late_wire) = join_compressed(&mut floor, 0);
    floor.move_to(late, Cursor::new(4).unwrap());
    let read = Next::Read {
        after: Cursor::new(4).unwrap(),
        until: Cursor::new(10).unwrap(),
    };
    assert_eq!(floor.next(late, floor.position(), None), read);
    // What is distributed while it reads begins a window, so that it comes in there.
    publish(&mut floor, 11..=12);
    assert_eq!(floor.next(late, floor.position(), None), read);
    floor.refill(late, Cursor::new(10).unwrap(), 0, |_| {});
    assert_eq!(floor.next(late, floor.position(), None), Next::Live);
}

#[test]
fn groups_beyond_the_bound_are_not_compressed() {
    let mut floor = Floor::new(Cursor::ORIGIN);
    let mut members = Vec::new();
    for number in 0..=COMPRESSED_GROUPS {
        let mut key = key(0, false, true);
        let pattern = Pattern::parse(&format!("a.{number}")).unwrap();
        key.filter = Filter::new(vec![pattern], WantedIds::default());
        let wire = Rc::<Wire>::default();
        members.push(floor.join(key, Cursor::ORIGIN, wire));
    }
    let is_compressed = |floor: &Floor<Rc<Wire>>, id: MemberId| {
        floor.groups[floor.members[id.0].group].key.is_compressed
    };
    let last = members.pop().unwrap();
    assert!(members.iter().all(|id| is_compressed(&floor, *id)));
    assert!(!is_compressed(&floor, last));
    floor.leave(members[0]);
    let (id, _wire) = join_compressed(&mut floor, 1);
    assert!(is_compressed(&floor, id), "there is room again");
}

#[test]
fn a_member_whose_ring_fills_while_its_segment_is_given_up_falls_behind_once() {
    let mut world = World::new();
    for _ in 0..3 {
        world.act(&Act::Join(0, false, false, 0));
        world.drive_all();
    }
    for (events, size) in [
        (1, 1),
        (1, 1),
        (1, 1),
        (8, 87_197),
        (36, 87_196),
        (21, 87_196),
    ] {
        world.act(&Act::Publish(events, size));
        world.drive_all();
    }
    assert_eq!(world.floor.meter.settled().fell_behind, 3);
}

#[test]
fn what_is_written_of_a_group_is_not_taken_for_what_was_written_of_one_before_it() {
    let mut floor = Floor::new(Cursor::ORIGIN);
    let wire = Rc::<Wire>::default();
    wire.room.set(usize::MAX);
    let id = floor.join(key(0, false, false), Cursor::ORIGIN, Rc::clone(&wire));
    floor.next(id, Cursor::ORIGIN, None);
    let bytes = |floor: &mut Floor<Rc<Wire>>, numbers: std::ops::RangeInclusive<i64>, size| {
        let before = wire.taken.borrow().len();
        let batch: Vec<_> = numbers.map(|number| event(number, size)).collect();
        floor.distribute([&batch[..]]);
        while floor.flush(64) {}
        wire.taken.borrow().len() - before
    };
    let two = bytes(&mut floor, 1..=2, 40);
    // The group is left empty, and the next takes its number; its first event has as many bytes as those two.
    let position = floor.stand(id);
    floor.rejoin(id, key(0, false, false), position);
    assert_eq!(floor.next(id, position, None), Next::Live);
    let lone = |size| {
        let mut frame = Vec::new();
        group::frames(&[event(3, size)], Encoding::Message, &mut frame);
        frame.len()
    };
    let size = (1..1000).find(|size| lone(*size) == two).unwrap();
    assert_eq!(bytes(&mut floor, 3..=3, size), two);
    assert_eq!(floor.meter.settled().live_events, 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]
    #[test]
    fn every_member_is_given_exactly_its_events_whatever_happens(
        // After each act there are so many turns, or as many as are needed.
        acts in prop::collection::vec((act(), prop::option::of(0_usize..6)), 1..120),
    ) {
        let mut world = World::new();
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
        let mut taken = world.left_with;
        for place in 0..world.members.len() {
            world.expect_up_to(place, end);
            let member = &world.members[place];
            let heard = heard(&member.wire);
            let events: Vec<_> = heard.iter().copied().flatten().collect();
            taken += events.len();
            prop_assert_eq!(&events, &member.expected);
            prop_assert_eq!(heard.len() - events.len(), member.said, "what was said to it alone");
            prop_assert!(world.floor.is_live(member.id) && world.floor.lag(member.id) == Lag::default());
        }
        let counts = world.floor.meter.settled();
        let counted = counts.live_events + counts.log_events;
        prop_assert!(counted <= taken as u64 && (counted == taken as u64 || world.is_left_inside), "{} of {}", counted, taken);
        prop_assert_eq!(counts.lateness.count(), counts.live_events);
        prop_assert_eq!(counts.fell_behind, counts.caught_up + counts.gave_up, "all are live again or gone");
    }
}
