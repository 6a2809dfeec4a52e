//! What the disk alone takes, in the same minute: no durable emit can be quicker.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use todoki::clock;

use crate::Outcome;
use crate::quantiles::{Quantiles, Times};
use crate::settings::Settings;

/// What a lone emit adds to the write-ahead log: a page of the table and one of an index.
const WRITE_BYTES: usize = 8 << 10;

/// The file is written round and round, as a write-ahead log is.
const FILE_WRITES: u64 = 1024;

/// Times of writes of 8 KiB over old ones, each synced, one every millisecond at most.
pub fn sync_times(settings: &Settings) -> Outcome<Quantiles> {
    let data = settings.fresh_data()?;
    let file = File::create(data.path().join("probe"))?;
    let bytes = [0x55; WRITE_BYTES];
    for place in 0..FILE_WRITES {
        file.write_all_at(&bytes, place * WRITE_BYTES as u64)?;
    }
    file.sync_all()?;
    let mut times = Times::new()?;
    let begin = clock::instant();
    let mut place = 0;
    while begin.elapsed() < settings.duration() {
        let start = clock::instant();
        file.write_all_at(&bytes, place * WRITE_BYTES as u64)?;
        file.sync_data()?;
        let took = start.elapsed();
        times.record(took);
        place = (place + 1) % FILE_WRITES;
        std::thread::sleep(Duration::from_millis(1).saturating_sub(took));
    }
    Ok(times.quantiles())
}
