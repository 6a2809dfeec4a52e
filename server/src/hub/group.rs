//! Subscribers that are given the same bytes: those with the same filter and the same encoding.
//!
//! An event is written once per group, however many members it has, and compressed once, if its members can read that.
//! The members' list and the strand are all a group is; how far each member is, is the member's own matter.
//!
//! A compressed frame refers to those before it in its window, so a member comes in where a window opens. One does
//! whenever a member asks, hence nobody waits for it, and at last after 128 events or 32 KiB.

use todoki_codec::deflate::Deflater;
use todoki_codec::frame::{self, Opcode};
use todoki_codec::query::Encoding;
use todoki_codec::{Cursor, Event, Filter, encode};

use super::ring::Run;
use super::segment::{Content, Strand};

/// Bytes of segments that a group keeps: how far a member may lag before it reads the log instead.
pub const GROUP_BYTES: usize = 8 << 20;

/// Bytes of one frame of lines: what a browser parses within a frame of its screen.
const LINES_BYTES: usize = 64 << 10;

/// Events of one frame of lines, for the same reason.
const LINES_EVENTS: u16 = 512;

/// Events of a window: beyond, a larger one makes frames hardly smaller.
const WINDOW_EVENTS: u32 = 128;

/// Bytes of events in a window: as far back as a compressed frame can refer (RFC 1951 §2).
const WINDOW_BYTES: usize = 32 << 10;

/// What members of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which events.
    pub filter: Filter,
    /// In which form.
    pub encoding: Encoding,
    /// Whether frames are compressed (RFC 7692).
    pub is_compressed: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Group {
    pub(super) key: Key,
    pub(super) strand: Strand,
    pub(super) members: Vec<usize>,
    /// The newest event that was added; the origin before there is one.
    pub(super) newest: Cursor,
    /// Whether the distribution under way has brought something.
    pub(super) is_touched: bool,
    /// Runs of the distribution under way, to be pushed to every member.
    fresh: Vec<Run>,
    lines: Lines,
    /// `None` in a group whose frames are not compressed.
    window: Option<Window>,
}

/// The run of compressed frames that refer to each other.
#[derive(Debug, Default)]
struct Window {
    deflater: Deflater,
    /// Of the last frame.
    payload: Vec<u8>,
    events: u32,
    bytes: usize,
    /// Whether a member has asked for another.
    is_over: bool,
}

/// A frame of lines in the making.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    first: Cursor,
    last: Cursor,
    events: u16,
}

impl Group {
    /// A group that holds what comes after `start`.
    pub fn new(key: Key, start: Cursor) -> Self {
        Self {
            window: key.is_compressed.then(Window::default),
            key,
            strand: Strand::new(start),
            members: Vec::new(),
            newest: Cursor::ORIGIN,
            is_touched: false,
            fresh: Vec::new(),
            lines: Lines::default(),
        }
    }

    /// Adds an event that the filter picks.
    pub fn add(&mut self, event: &Event) {
        match self.key.encoding {
            Encoding::Message => {
                let content = Content {
                    first: event.cursor,
                    last: event.cursor,
                    events: 1,
                };
                self.put(content, &event.json);
            }
            Encoding::Lines => {
                if !self.lines.has_room(event.json.len()) {
                    self.finish_lines();
                }
                self.lines.add(event);
            }
        }
    }

    /// Ends a distribution: what is in the making becomes a frame, and the runs are handed out.
    pub fn finish(&mut self) -> Vec<Run> {
        self.finish_lines();
        self.is_touched = false;
        std::mem::take(&mut self.fresh)
    }

    fn finish_lines(&mut self) {
        if self.lines.events == 0 {
            return;
        }
        let Lines {
            text,
            first,
            last,
            events,
        } = std::mem::take(&mut self.lines);
        let content = Content {
            first,
            last,
            events,
        };
        self.put(content, &text);
        // Keep the room for the next frame.
        self.lines.text = text;
        self.lines.text.clear();
    }

    /// Appends a frame.
    fn put(&mut self, content: Content, text: &[u8]) {
        self.newest = content.last;
        let (is_opening, payload) = match &mut self.window {
            Some(window) => window.deflate(content, text),
            None => (true, text),
        };
        let header = frame::encode::header(Opcode::Text, self.key.is_compressed, payload.len());
        let length = header.len() + payload.len();
        let run = self.strand.append(content, is_opening, length, |out| {
            out.extend_from_slice(&header);
            out.extend_from_slice(payload);
        });
        self.push_fresh(run);
    }

    /// Lets the next frame be one that a member can begin with.
    pub fn open_window(&mut self) {
        if let Some(window) = &mut self.window {
            window.is_over = true;
        }
    }

    fn push_fresh(&mut self, run: Run) {
        match self.fresh.last_mut() {
            Some(last) if last.segment == run.segment && last.end == run.start => {
                last.end = run.end;
                last.events += run.events;
            }
            _ => self.fresh.push(run),
        }
    }
}

impl Window {
    /// The payload of a frame, and whether it opens a window.
    fn deflate(&mut self, content: Content, text: &[u8]) -> (bool, &[u8]) {
        let is_opening = self.bytes == 0
            || self.is_over
            || self.events >= WINDOW_EVENTS
            || self.bytes >= WINDOW_BYTES;
        if is_opening {
            self.deflater.reset();
            (self.events, self.bytes, self.is_over) = (0, 0, false);
        }
        self.events += u32::from(content.events);
        self.bytes += text.len();
        self.payload.clear();
        self.deflater.deflate(text, &mut self.payload);
        (is_opening, &self.payload)
    }
}

impl Lines {
    fn has_room(&self, bytes: usize) -> bool {
        self.events == 0
            || (self.events < LINES_EVENTS && self.text.len() + 1 + bytes <= LINES_BYTES)
    }

    fn add(&mut self, event: &Event) {
        if self.events == 0 {
            self.first = event.cursor;
        } else {
            self.text.push(b'\n');
        }
        self.last = event.cursor;
        self.events += 1;
        encode::line(&event.json, &mut self.text);
    }
}

/// Frames of events that are read from the log for one subscriber, in its encoding.
pub fn frames(events: &[Event], encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Message => {
            for event in events {
                frame::encode::text(&event.json, out);
            }
        }
        Encoding::Lines => {
            let mut lines = Lines::default();
            for event in events {
                if !lines.has_room(event.json.len()) {
                    frame::encode::text(&lines.text, out);
                    lines = Lines::default();
                }
                lines.add(event);
            }
            if lines.events > 0 {
                frame::encode::text(&lines.text, out);
            }
        }
    }
}
