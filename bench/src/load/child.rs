//! The parts of a load that are processes of their own, so that nobody's time is counted for another's: this very
//! program, told by a hidden subcommand which part it is, by a line of JSON what to do, and answering with one.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Outcome;
use crate::server::{self, Usage};

/// A part that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Part {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Part {
    /// Starts this program with a hidden subcommand.
    pub fn start(subcommand: &str) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(subcommand)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or("a process without pipes")?;
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        })
    }

    /// Says something to it.
    pub fn tell(&mut self, what: &impl Serialize) -> Outcome<()> {
        let line = simd_json::serde::to_string(what)?;
        Ok(writeln!(self.stdin, "{line}")?)
    }

    /// Waits for what it says. It has told why on the terminal if it ends without a word.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Outcome<T> {
        read(&mut self.stdout)
    }

    /// What it has used so far.
    pub fn usage(&self) -> Outcome<Usage> {
        server::usage(&self.child.id().to_string())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself, which is how it should.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

/// In the part: what it is told.
pub fn told<T: DeserializeOwned>() -> Outcome<T> {
    read(&mut io::stdin().lock())
}

/// In the part: says something to whoever started it.
pub fn say(what: &impl Serialize) -> Outcome<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", simd_json::serde::to_string(what)?)?;
    Ok(out.flush()?)
}

/// In the part: returns when whoever started it has no more use for it.
pub fn wait_for_end() -> Outcome<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> Outcome<T> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err("a part of the load has ended before its time".into());
    }
    Ok(simd_json::serde::from_slice(&mut line)?)
}
