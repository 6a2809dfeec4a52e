//! A peer that runs: the process we started, and those that it started itself, all of which count.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Outcome;
use crate::pace;
use crate::server::{self, Usage};

/// How long a peer may take until it listens, and until it has ended after it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often we look.
const LOOK: Duration = Duration::from_millis(20);

/// What a peer is told when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// An empty directory that is removed with it.
    pub data: &'a Path,
}

/// A running peer. Dropping it ends it, and removes what it wrote.
#[derive(Debug)]
pub struct PeerProcess {
    child: Child,
    address: SocketAddr,
    data: TempDir,
}

impl PeerProcess {
    /// Starts one in a directory of its own, and waits until it listens.
    pub fn start(
        data: TempDir,
        command: impl FnOnce(Place<'_>) -> Outcome<Command>,
    ) -> Outcome<Self> {
        let address = free_address()?;
        let place = Place {
            port: address.port(),
            data: data.path(),
        };
        let mut command = command(place)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(said(data.path()))?)
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let mut process = Self {
            child,
            address,
            data,
        };
        process.wait_until_it_listens()?;
        Ok(process)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has used so far, with all processes below it.
    pub fn usage(&self) -> Outcome<Usage> {
        let mut sum = server::usage(&self.child.id().to_string())?;
        for id in below(self.child.id())? {
            // One that ends in between has been counted before, or was short.
            if let Ok(usage) = server::usage(&id.to_string()) {
                sum.cpu += usage.cpu;
                sum.resident_bytes += usage.resident_bytes;
            }
        }
        Ok(sum)
    }

    fn wait_until_it_listens(&mut self) -> Outcome<()> {
        let until = pace::monotonic() + PATIENCE;
        loop {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || pace::monotonic() > until {
                let said = fs::read_to_string(said(self.data.path())).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing");
                return Err(format!("it does not listen: {last}").into());
            }
            thread::sleep(LOOK);
        }
    }

    /// Asks it to end, as a master that is killed leaves its workers behind.
    fn ask_to_end(&mut self) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or(io::ErrorKind::InvalidInput)?;
        kill_process(id, Signal::TERM)?;
        let until = pace::monotonic() + PATIENCE;
        while self.child.try_wait()?.is_none() && pace::monotonic() < until {
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        if below(self.child.id()).is_ok_and(|below| !below.is_empty()) {
            // If it cannot be asked, it is killed all the same.
            self.ask_to_end().ok();
        }
        // It may have ended by itself; whoever needed it has noticed.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

/// Where its standard error goes.
fn said(data: &Path) -> std::path::PathBuf {
    data.join("stderr")
}

/// A port that was free a moment ago: not every peer can be told to take any, and say which.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// All processes below this one.
fn below(id: u32) -> Outcome<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended since it was listed.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        parents.extend(parent(&stat).map(|parent| (id, parent)));
    }
    let mut found = vec![id];
    let mut next = 0;
    while let Some(&of) = found.get(next) {
        let children = parents.iter().filter(|(_, parent)| *parent == of);
        found.extend(children.map(|(id, _)| *id));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// Field 4, behind a name in parentheses that may hold anything and a state.
fn parent(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_past_any_name() {
        assert_eq!(parent("7 (a) b)) S 1 7 7 0"), Some(1));
        assert_eq!(parent(""), None);
    }

    #[test]
    fn a_program_that_does_not_listen_tells_why() {
        let data = tempfile::tempdir().unwrap();
        let started = PeerProcess::start(data, |place| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo no port {} >&2; exit 1", place.port)]);
            Ok(command)
        });
        let error = started.unwrap_err().to_string();
        assert!(error.starts_with("it does not listen: no port"), "{error}");
    }

    #[test]
    fn processes_below_ours_are_found() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 5 & wait"])
            .spawn()
            .unwrap();
        let until = pace::monotonic() + PATIENCE;
        let mut found = Vec::new();
        while found.is_empty() && pace::monotonic() < until {
            found = below(child.id()).unwrap();
        }
        assert_eq!(found.len(), 1);
        assert!(below(std::process::id()).unwrap().contains(&found[0]));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
