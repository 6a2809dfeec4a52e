//! Marked regions of a document: `<!-- begin NAME -->` to `<!-- end NAME -->`, each on a line of its own. What is
//! between is written from results; everything else is kept, byte for byte.

use std::fmt;

/// Why a document's marks cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RegionError {
    /// Nothing is known by this name.
    Unknown(Mark),
    /// A region begins in another, or begins a second time.
    Nested(Mark, String),
    /// It is begun, and not ended.
    Unended(Mark),
    /// It is ended, and not begun.
    Unbegun(Mark),
    /// A document cannot show the same twice.
    Repeated(Mark),
}

/// Where a mark is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) name: String,
    /// Counted from 1.
    pub(super) line: usize,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: region `{}`", self.line, self.name)
    }
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(mark) => write!(f, "{mark} is not one that results fill"),
            Self::Nested(mark, outer) => write!(f, "{mark} begins within region `{outer}`"),
            Self::Unended(mark) => write!(f, "{mark} is not ended"),
            Self::Unbegun(mark) => write!(f, "{mark} is ended, but was not begun"),
            Self::Repeated(mark) => write!(f, "{mark} is there a second time"),
        }
    }
}

impl std::error::Error for RegionError {}

/// A document with its regions written anew, and their names in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) text: String,
    pub(super) regions: Vec<String>,
}

/// Puts into each region what `content` knows by its name.
pub(super) fn rewrite(
    document: &str,
    content: impl Fn(&str) -> Option<String>,
) -> Result<Rewritten, RegionError> {
    let (mut text, mut regions) = (String::new(), Vec::new());
    let mut inside: Option<Mark> = None;
    for (line, number) in document.split_inclusive('\n').zip(1..) {
        let mark = |name: &str| Mark {
            name: name.to_owned(),
            line: number,
        };
        match (marker(line), inside.take()) {
            (Some(Marker::Begin(name)), None) => {
                if regions.iter().any(|region| region == name) {
                    return Err(RegionError::Repeated(mark(name)));
                }
                let Some(content) = content(name) else {
                    return Err(RegionError::Unknown(mark(name)));
                };
                for part in [line, content.trim_end(), "\n"] {
                    text.push_str(part);
                }
                regions.push(name.to_owned());
                inside = Some(mark(name));
            }
            (Some(Marker::Begin(name)), Some(outer)) => {
                return Err(RegionError::Nested(mark(name), outer.name));
            }
            (Some(Marker::End(name)), Some(begun)) if begun.name == name => text.push_str(line),
            (Some(Marker::End(name)), _) => return Err(RegionError::Unbegun(mark(name))),
            (None, None) => text.push_str(line),
            // What was there before is what is replaced.
            (None, Some(begun)) => inside = Some(begun),
        }
    }
    match inside {
        Some(begun) => Err(RegionError::Unended(begun)),
        None => Ok(Rewritten { text, regions }),
    }
}

enum Marker<'a> {
    Begin(&'a str),
    End(&'a str),
}

fn marker(line: &str) -> Option<Marker<'_>> {
    let words = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    match words.trim().split_once(' ')? {
        ("begin", name) => Some(Marker::Begin(name)),
        ("end", name) => Some(Marker::End(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        (name != "strange").then(|| format!("new {name}"))
    }

    fn refused(document: &str) -> String {
        rewrite(document, known).unwrap_err().to_string()
    }

    #[test]
    fn regions_are_written_anew_and_the_rest_is_kept() {
        let document = "# By hand\n\n<!-- begin emit -->\nold\n\nolder\n<!-- end emit -->\n<!-- a remark -->\n  kept\n<!-- begin a b -->\n<!-- end a b -->\nend";
        let rewritten = rewrite(document, known).unwrap();
        assert_eq!(
            rewritten.text,
            "# By hand\n\n<!-- begin emit -->\nnew emit\n<!-- end emit -->\n<!-- a remark -->\n  kept\n<!-- begin a b -->\nnew a b\n<!-- end a b -->\nend"
        );
        assert_eq!(rewritten.regions, ["emit", "a b"]);
        assert_eq!(rewrite(&rewritten.text, known).unwrap(), rewritten);
    }

    #[test]
    fn broken_marks_are_refused_with_their_line() {
        for (document, refusal) in [
            (
                "\n<!-- begin emit -->\nold\n",
                "line 2: region `emit` is not ended",
            ),
            (
                "<!-- end emit -->\n",
                "line 1: region `emit` is ended, but was not begun",
            ),
            (
                "<!-- begin emit -->\n<!-- end latency -->\n",
                "line 2: region `latency` is ended, but was not begun",
            ),
            (
                "<!-- begin strange -->\n<!-- end strange -->\n",
                "line 1: region `strange` is not one that results fill",
            ),
            (
                "<!-- begin emit -->\n<!-- begin latency -->\n<!-- end latency -->\n<!-- end emit -->\n",
                "line 2: region `latency` begins within region `emit`",
            ),
            (
                "<!-- begin emit -->\n<!-- end emit -->\n<!-- begin emit -->\n<!-- end emit -->\n",
                "line 3: region `emit` is there a second time",
            ),
        ] {
            assert_eq!(refused(document), refusal);
        }
    }
}
