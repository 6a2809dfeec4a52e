//! What is here to be measured: the list that `bench/peers/install` writes, and the baselines beside this program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// The list's name: each line has a peer, a tab, and its version or why it is missing.
const LIST: &str = "versions";

/// What a reason begins with, in the list.
const MISSING: &str = "missing: ";

/// Peers, and where they are.
#[derive(Debug)]
pub struct Installed {
    directory: PathBuf,
    programs: PathBuf,
    list: Option<String>,
}

impl Installed {
    /// Looks into the directory that was installed into, and the one of our own programs.
    pub fn read(directory: PathBuf, programs: PathBuf) -> Self {
        let list = fs::read_to_string(directory.join(LIST)).ok();
        Self {
            // Peers are given it in their configuration, and run elsewhere.
            directory: directory.canonicalize().unwrap_or(directory),
            programs,
            list,
        }
    }

    /// Where packages were unpacked.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// One of our own programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The version of an installed package, or why there is none.
    pub fn version(&self, peer: &str) -> Result<String, String> {
        let list = self
            .list
            .as_ref()
            .ok_or("not installed: run bench/peers/install")?;
        let told = list
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(name, _)| *name == peer)
            .map(|(_, told)| told);
        match told {
            None => Err("not installed: run bench/peers/install again".to_owned()),
            Some(told) => match told.strip_prefix(MISSING) {
                Some(reason) => Err(reason.to_owned()),
                None => Ok(told.to_owned()),
            },
        }
    }

    /// The version of one of our own programs, as it tells it itself, or why there is none.
    pub fn own_version(&self, program: &str) -> Result<String, String> {
        own_version(&self.program(program))
            .map_err(|_| "not built: run cargo build --release in bench/peers".to_owned())
    }
}

fn own_version(program: &Path) -> Outcome<String> {
    let output = Command::new(program).arg("--version").output()?;
    if !output.status.success() {
        return Err("it does not tell its version".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_there_is_and_why_the_rest_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let list = "nats\tnats-server 2.9.10\ncentrifugo\tmissing: there is no Go\n";
        fs::write(directory.path().join(LIST), list).unwrap();
        let installed = Installed::read(directory.path().to_owned(), PathBuf::new());
        assert_eq!(
            installed.version("nats"),
            Ok("nats-server 2.9.10".to_owned())
        );
        assert_eq!(
            installed.version("centrifugo"),
            Err("there is no Go".to_owned())
        );
        assert!(
            installed
                .version("bun")
                .unwrap_err()
                .starts_with("not installed")
        );
    }

    #[test]
    fn without_a_list_and_without_programs_everything_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let here = || directory.path().to_owned();
        let installed = Installed::read(here(), here());
        assert!(
            installed
                .version("nats")
                .unwrap_err()
                .starts_with("not installed")
        );
        assert!(
            installed
                .own_version("peer-axum")
                .unwrap_err()
                .starts_with("not built")
        );
    }
}
