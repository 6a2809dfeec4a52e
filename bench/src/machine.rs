//! Where and of what a figure was taken: without it, it says nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// A machine, as far as it matters to us.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    /// As the processor calls itself.
    pub cpu: String,
    /// Cores that we may use.
    pub cores: usize,
    /// Memory.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// File system of the measured logs.
    pub file_system: String,
}

impl Machine {
    /// This one, with logs in `data`.
    pub fn here(data: &Path) -> Outcome<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        Ok(Self {
            cpu: value(&cpu, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: value(&memory, "MemTotal")
                .and_then(|total| total.strip_suffix(" kB")?.parse::<u64>().ok())
                .map_or(0, |kib| kib >> 10),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            file_system: file_system(&fs::read_to_string("/proc/self/mounts")?, data),
        })
    }

    /// Short enough for a directory's name: `2x-amd-epyc`.
    pub fn slug(&self) -> String {
        let words: Vec<_> = self
            .cpu
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(3)
            .map(str::to_ascii_lowercase)
            .collect();
        format!("{}x-{}", self.cores, words.join("-"))
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            cpu,
            cores,
            memory_mib,
            kernel,
            file_system,
        } = self;
        write!(
            f,
            "{cores} × {cpu}, {memory_mib} MiB, Linux {kernel}, {file_system}"
        )
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// The type of the mount that is nearest above `path`.
fn file_system(mounts: &str, path: &Path) -> String {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// The commit that is checked out, with a mark when files differ from it.
pub fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    git(&["describe", "--always", "--dirty", "--abbrev=10"]).unwrap_or_else(|| "unknown".to_owned())
}

/// Load averages over 1, 5 and 15 minutes: how much else was going on.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = load.split(' ').take(3).collect();
    averages.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/tmpx")), "ext4");
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::here(Path::new("/")).unwrap();
        assert!(machine.cores > 0 && machine.memory_mib > 0);
        assert!(machine.slug().contains("x-"));
    }
}
