//! Events on standard output: a line each, for people or as JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use todoki_codec::{Event, decode};
use uuid::Uuid;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// Writes lines, and whole runs of them at once.
pub(super) struct Printer {
    is_json: bool,
    has_colour: bool,
    lines: Vec<u8>,
}

impl Printer {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            has_colour: io::stdout().is_terminal(),
            lines: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        if self.is_json {
            self.lines.extend_from_slice(&one_line(&event.json));
        } else {
            let line = self.human(event);
            self.lines.extend_from_slice(line.as_bytes());
        }
        self.lines.push(b'\n');
    }

    /// `2026-02-27 10:30:00.123  101  task.created  task=018f3c2e  {"n":1}`
    fn human(&self, event: &Event) -> String {
        let (dim, bold, reset) = if self.has_colour {
            (DIM, BOLD, RESET)
        } else {
            ("", "", "")
        };
        let time = event.time.strftime("%Y-%m-%d %H:%M:%S%.3f");
        let mut line = format!(
            "{dim}{time}{reset} {:>7}  {bold}{}{reset}",
            event.cursor, event.kind
        );
        let agent = Some(event.ids.agent_id).filter(|id| !id.is_nil());
        for (name, id) in [
            ("agent", agent),
            ("session", event.ids.session_id),
            ("task", event.ids.task_id),
            ("project", event.ids.project_id),
        ] {
            if let Some(id) = id {
                write!(line, "  {dim}{name}={}{reset}", short(id))
                    .expect("writing into memory cannot fail");
            }
        }
        let data = decode::event_data(event);
        line.push_str("  ");
        line.extend(String::from_utf8_lossy(&data).chars().map(visible));
        line
    }

    /// Hands over what was printed; `false` when nobody reads any more.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let mut out = io::stdout().lock();
        let written = out.write_all(&self.lines).and_then(|()| out.flush());
        self.lines.clear();
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The producer may have sent line breaks between tokens; spaces say the same.
fn one_line(json: &[u8]) -> Vec<u8> {
    let spaced = |byte: &u8| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            *byte
        }
    };
    json.iter().map(spaced).collect()
}

/// A terminal must not obey what an event says.
fn visible(character: char) -> char {
    if character.is_control() {
        ' '
    } else {
        character
    }
}

/// Enough of a UUID to tell it from others on the screen.
fn short(id: Uuid) -> String {
    id.to_string().chars().take(8).collect()
}
