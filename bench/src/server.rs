//! A server as a process of its own, so that what it costs can be told from what driving it costs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Issued;
use crate::database::Database;
use crate::http::{self, Connection};
use crate::settings::Settings;
use crate::{Outcome, pace};

/// The token that a measured server is given.
pub const TOKEN: &str = "bench-token";

/// Linux tells user programs CPU time in hundredths of a second, whatever its own clock.
const TICKS_PER_SECOND: u32 = 100;

/// A running server on a free port and an empty log. Dropping it kills it and removes the log.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
    /// Held open, so that the server can go on writing to it.
    _stdout: BufReader<ChildStdout>,
    _data: TempDir,
    /// Where its log is, when that is not its data directory; shared with servers beside it.
    database: Option<Arc<Database>>,
    /// Its certificate, when it has one.
    issued: Option<Issued>,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time since its start.
    pub cpu: Duration,
    /// Resident memory.
    pub resident_bytes: u64,
}

impl ServerProcess {
    /// Starts one, and waits until it listens.
    pub fn start(settings: &Settings) -> Outcome<Self> {
        Self::start_with(settings, &[])
    }

    /// Starts one with more flags.
    pub fn start_with(settings: &Settings, flags: &[&str]) -> Outcome<Self> {
        let database = settings.database.as_deref().map(Database::create);
        let database = database.transpose()?.map(Arc::new);
        Self::start_on(settings, settings.fresh_data()?, database, flags)
    }

    /// Starts one with a certificate, made for it.
    pub fn start_secure(settings: &Settings) -> Outcome<Self> {
        let data = settings.fresh_data()?;
        let issued = Issued::new(data.path())?;
        let path = |path: &Path| {
            path.to_str()
                .map(str::to_owned)
                .ok_or("a path that is no text")
        };
        let (certificate, key) = (path(&issued.certificate)?, path(&issued.key)?);
        let flags = ["--tls-cert", &certificate, "--tls-key", &key];
        let mut server = Self::start_on(settings, data, None, &flags)?;
        server.issued = Some(issued);
        Ok(server)
    }

    /// Starts another one on the same log; `None` where the log is one that a server has for itself.
    pub fn start_beside(&self, settings: &Settings) -> Outcome<Option<Self>> {
        self.database
            .clone()
            .map(|database| Self::start_on(settings, settings.fresh_data()?, Some(database), &[]))
            .transpose()
    }

    fn start_on(
        settings: &Settings,
        data: TempDir,
        database: Option<Arc<Database>>,
        flags: &[&str],
    ) -> Outcome<Self> {
        let log = database.as_ref().map(|database| database.url());
        let mut child = Command::new(settings.server()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--token", TOKEN])
            .arg("--data-dir")
            .arg(data.path())
            .args(flags)
            .envs(log.map(|url| ("TODOKI_LOG_URL", url)))
            .env("TODOKI_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let told = stdout.read_line(&mut line);
        let address = line
            .trim_end()
            .rsplit_once("://")
            .and_then(|(_, address)| address.parse().ok());
        let Some(address) = address else {
            // It is ended here, before anything else owns it; what it said is the failure to tell.
            child.kill().and_then(|()| child.wait()).ok();
            told?;
            return Err(format!("the server does not say where it listens: {line:?}").into());
        };
        Ok(Self {
            child,
            address,
            _stdout: stdout,
            _data: data,
            database,
            issued: None,
        })
    }

    /// Who signed its certificate, when it has one: a file that clients are to trust.
    pub fn authority(&self) -> Option<&Path> {
        self.issued
            .as_ref()
            .map(|issued| issued.authority.as_path())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has used so far.
    pub fn usage(&self) -> Outcome<Usage> {
        usage(&self.child.id().to_string())
    }

    /// A metric of its own that has no labels and is a whole number.
    pub fn metric(&self, name: &str) -> Outcome<u64> {
        let answer = pace::runtime()?.block_on(async {
            let mut connection = Connection::open(self.address).await?;
            connection.send(&http::get("/metrics")).await
        })?;
        let text = std::str::from_utf8(&answer)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(one, _)| *one == name);
        let (_, value) = found.ok_or_else(|| format!("the server has no metric {name}"))?;
        Ok(value.parse()?)
    }

    /// Descriptors that it has open: its end's count of connections.
    pub fn open_files(&self) -> Outcome<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself; whoever needed it has noticed.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

/// What this very process has used: the cost of driving, which on a small machine is taken from the server.
pub fn own_usage() -> Outcome<Usage> {
    usage("self")
}

pub(crate) fn usage(process: &str) -> Outcome<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse(&stat, &status).ok_or_else(|| format!("/proc/{process} does not read as expected").into())
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The second field is a name in parentheses that may hold anything; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u32>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Usage {
        cpu: Duration::from_secs(ticks.into()) / TICKS_PER_SECOND,
        resident_bytes: kib << 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b)) S 1 7 7 0 -1 0 10 0 0 0 150 50 0 0 20 0 9 0";
        let usage = parse(stat, "Name:\ta\nVmRSS:\t    2048 kB\n").unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(2));
        assert_eq!(usage.resident_bytes, 2 << 20);
    }

    #[test]
    fn we_know_what_we_use_ourselves() {
        assert!(own_usage().unwrap().resident_bytes > 0);
    }
}
