//! Which core a thread runs on.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;

/// A core that this program may use.
#[derive(Clone, Copy, Debug)]
pub struct Core(usize);

impl Core {
    /// All that this thread may use now.
    pub fn all() -> Outcome<Vec<Self>> {
        let may = sched_getaffinity(None)?;
        let all = (0..CpuSet::MAX_CPU).filter(|core| may.is_set(*core));
        Ok(all.map(Self).collect())
    }

    /// Binds the thread that calls it.
    pub fn enter(self) -> io::Result<()> {
        enter(&[self])
    }
}

/// Lets the thread that calls it run on any of these.
pub fn enter(cores: &[Core]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(core.0);
    }
    Ok(sched_setaffinity(None, &set)?)
}
