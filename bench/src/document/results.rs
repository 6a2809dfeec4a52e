//! Finding the newest results of a measurement among the directories of `bench/results`.
//!
//! Each day and machine has a directory, and each measurement a file in it. Not everything is measured every day, so
//! the newest file of each measurement counts, wherever it is.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use crate::Outcome;

/// What is read of every file, whatever its rows are.
#[derive(Deserialize)]
struct Head {
    bench: String,
    date: String,
}

/// The newest results of a measurement, unread, if it was ever run.
pub(super) fn newest(results: &Path, bench: &str) -> Outcome<Option<Vec<u8>>> {
    let mut newest: Option<(Timestamp, PathBuf, Vec<u8>)> = None;
    for path in files(results, bench)? {
        let json = fs::read(&path).map_err(|error| at(&path, &error))?;
        let date = date(&json, bench).map_err(|error| at(&path, &*error))?;
        // Of two with the same date the one later in the alphabet counts, so that the choice does not depend on how a
        // disk lists its files.
        if newest
            .as_ref()
            .is_none_or(|(other_date, other, _)| (*other_date, other) < (date, &path))
        {
            newest = Some((date, path, json));
        }
    }
    Ok(newest.map(|(_, _, json)| json))
}

fn files(results: &Path, bench: &str) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for dir in fs::read_dir(results).map_err(|error| at(results, &error))? {
        let file = dir?.path().join(format!("{bench}.json"));
        if file.is_file() {
            files.push(file);
        }
    }
    Ok(files)
}

fn date(json: &[u8], bench: &str) -> Outcome<Timestamp> {
    let head: Head = simd_json::serde::from_slice(&mut json.to_vec())?;
    if head.bench != bench {
        return Err(format!("these are results of `{}`", head.bench).into());
    }
    Ok(head.date.parse()?)
}

fn at(path: &Path, error: &(impl std::fmt::Display + ?Sized)) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(results: &Path, dir: &str, file: &str, json: &str) {
        fs::create_dir_all(results.join(dir)).unwrap();
        fs::write(results.join(dir).join(file), json).unwrap();
    }

    fn chosen(results: &Path, bench: &str) -> Option<String> {
        newest(results, bench)
            .unwrap()
            .map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn the_newest_of_each_measurement_counts_by_its_own_date() {
        let results = tempfile::tempdir().unwrap();
        let (old, new) = (
            r#"{"bench":"emit","date":"2001-01-02T10:00:00.9Z"}"#,
            r#"{"bench":"emit","date":"2001-01-02T10:00:00.91Z"}"#,
        );
        save(results.path(), "2001-01-02-z", "emit.json", old);
        save(results.path(), "2001-01-02-a", "emit.json", new);
        let replay = r#"{"bench":"replay","date":"2001-01-01T10:00:00Z"}"#;
        save(results.path(), "2001-01-01-z", "replay.json", replay);
        save(results.path(), "2001-01-03-z", "notes.txt", "");
        assert_eq!(chosen(results.path(), "emit").unwrap(), new);
        assert_eq!(chosen(results.path(), "replay").unwrap(), replay);
        assert_eq!(chosen(results.path(), "latency"), None);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let results = tempfile::tempdir().unwrap();
        save(
            results.path(),
            "a",
            "emit.json",
            r#"{"bench":"replay","date":"2001-01-02T10:00:00Z"}"#,
        );
        save(
            results.path(),
            "a",
            "replay.json",
            r#"{"bench":"replay","date":"yesterday"}"#,
        );
        let refused = |bench| newest(results.path(), bench).unwrap_err().to_string();
        assert!(refused("emit").ends_with("emit.json: these are results of `replay`"));
        assert!(refused("replay").contains("replay.json: "));
        let missing = results.path().join("missing");
        let refusal = newest(&missing, "emit").unwrap_err().to_string();
        assert!(refusal.contains("missing: "), "{refusal}");
    }
}
