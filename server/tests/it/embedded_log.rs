//! The embedded log: the contract, and what is its own.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use todoki::log::{AppendError, Embedded, Log, OpenError, Options, PageRequest, Release};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Draft, Filter, WantedIds};

use crate::log_contract::{self, Released, Store, all, at, draft, no_release, numbers, request};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn database(&self) -> PathBuf {
        self.path().join("events.db")
    }

    fn open_with(&self, options: &Options) -> Result<Embedded, OpenError> {
        Embedded::open(&self.path(), options, no_release())
    }

    fn refusal(&self) -> OpenError {
        self.open_with(&Options::default()).unwrap_err()
    }
}

impl Store for Folder {
    type Log = Embedded;

    fn open(&self, release: Release) -> Embedded {
        Embedded::open(&self.path(), &Options::default(), release).unwrap()
    }

    fn open_renewed(&self, release: Release) -> Embedded {
        let options = Options {
            renew_epoch: true,
            ..Options::default()
        };
        Embedded::open(&self.path(), &options, release).unwrap()
    }
}

crate::log_contract!(Folder::new());

fn sqlite(path: &Path, sql: &str) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn assert_says(error: &OpenError, path: &Path, what: &str) {
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains(what), "{text}");
}

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_is_gone() {
    let folder = Folder::new();
    let first = folder.open(no_release());
    let refusal = folder.refusal();
    assert!(matches!(refusal, OpenError::Locked { .. }));
    assert_says(&refusal, &folder.path(), "another server has this log open");
    drop(first);
    folder.open(no_release());
}

#[test]
fn a_place_where_no_directory_can_be_is_refused_by_name() {
    let folder = Folder::new();
    fs::write(folder.path(), "a file").unwrap();
    let refusal = folder.refusal();
    assert!(matches!(refusal, OpenError::Unusable { .. }));
    assert_says(&refusal, &folder.path(), "name a directory");
    let below = folder.path().join("below");
    let refusal = Embedded::open(&below, &Options::default(), no_release()).unwrap_err();
    assert_says(&refusal, &below, "name a directory");
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.path()).unwrap();
    sqlite(&folder.database(), "CREATE TABLE theirs (a)");
    let before = fs::read(folder.database()).unwrap();
    let refusal = folder.refusal();
    assert!(matches!(refusal, OpenError::NotALog { .. }));
    assert_says(&refusal, &folder.database(), "not a Todoki log");
    assert_eq!(fs::read(folder.database()).unwrap(), before);

    let letter = "Dear reader, ".repeat(1000);
    fs::write(folder.database(), &letter).unwrap();
    assert!(matches!(folder.refusal(), OpenError::NotALog { .. }));
    assert_eq!(fs::read(folder.database()).unwrap(), letter.as_bytes());
}

#[test]
fn a_log_of_a_later_version_is_refused() {
    let folder = Folder::new();
    drop(folder.open(no_release()));
    sqlite(&folder.database(), "PRAGMA user_version = 2");
    let refusal = folder.refusal();
    assert!(matches!(refusal, OpenError::Newer { found: 2, .. }));
    assert_says(&refusal, &folder.database(), "schema 2");
}

#[tokio::test]
async fn a_log_with_a_hole_at_its_start_is_refused() {
    let folder = Folder::new();
    let log = folder.open(no_release());
    log.append(vec![draft("a", "{}"); 3]).await.unwrap();
    drop(log);
    sqlite(&folder.database(), "DELETE FROM events WHERE cursor = 1");
    assert!(matches!(folder.refusal(), OpenError::Corrupt { .. }));
}

/// What is on disk at this moment, as a crash would leave it.
fn crashed(folder: &Folder) -> Folder {
    let crashed = Folder::new();
    fs::create_dir(crashed.path()).unwrap();
    for file in ["events.db", "events.db-wal"] {
        fs::copy(folder.path().join(file), crashed.path().join(file)).unwrap();
    }
    crashed
}

#[tokio::test]
async fn everything_acknowledged_survives_a_crash_whatever_the_tail() {
    let folder = Folder::new();
    let released = Released::default();
    let log = folder.open(released.hook());
    for _ in 0..20 {
        log.append(vec![draft("kept", "{}"); 2]).await.unwrap();
    }
    let kept = released.events();
    let kept_bytes = fs::metadata(folder.path().join("events.db-wal"))
        .unwrap()
        .len();
    log.append(vec![draft("torn", "{}"); 100]).await.unwrap();

    let cut = |bytes: u64| {
        let crashed = crashed(&folder);
        let wal = fs::File::options()
            .write(true)
            .open(crashed.path().join("events.db-wal"));
        wal.unwrap().set_len(bytes).unwrap();
        crashed
    };
    let all_bytes = fs::metadata(folder.path().join("events.db-wal"))
        .unwrap()
        .len();
    for bytes in [kept_bytes, kept_bytes + 1, kept_bytes + 2000, all_bytes - 1] {
        let crashed = cut(bytes);
        let log = crashed.open(no_release());
        assert_eq!(all(&log).await, kept, "cut at {bytes} of {all_bytes}");
        // The cursors of what was torn were never given to anyone.
        assert_eq!(
            log.append(vec![draft("next", "{}")]).await,
            Ok(vec![at(41)])
        );
    }

    let garbled = cut(kept_bytes);
    let wal_path = garbled.path().join("events.db-wal");
    let mut wal = fs::read(&wal_path).unwrap();
    wal.extend((0..10_000_u32).map(|n| n.to_le_bytes()[0] ^ 0x5a));
    fs::write(&wal_path, wal).unwrap();
    assert_eq!(all(&garbled.open(no_release())).await, kept);
    assert_eq!(all(&crashed(&folder).open(no_release())).await.len(), 140);
}

fn large(count: usize) -> Vec<Draft> {
    vec![draft("large", &format!(r#"{{"pad":"{}"}}"#, "x".repeat(10_000))); count]
}

#[tokio::test]
async fn a_full_log_refuses_whole_appends_and_goes_on_once_there_is_room() {
    let folder = Folder::new();
    let with = |max_bytes| Options {
        max_bytes: Some(max_bytes),
        ..Options::default()
    };
    let log = folder.open_with(&with(1 << 20)).unwrap();
    let mut stored = 0;
    let refusal = loop {
        match log.append(large(5)).await {
            Ok(_) => stored += 5,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, AppendError::Full);
    assert!(stored > 50, "{stored}");
    assert_eq!(log.bounds().head, at(stored));
    assert_eq!(numbers(&all(&log).await), (1..=stored).collect::<Vec<_>>());
    // A kind that came with a refused append is as new as before when it comes again.
    let mut new_kind = large(5);
    new_kind.extend(vec![draft("later", "{}"); 2]);
    assert_eq!(log.append(new_kind.clone()).await, Err(AppendError::Full));

    log.trim(at(20)).await.unwrap();
    assert_eq!(
        log.append(new_kind.clone()).await.unwrap()[0],
        at(stored + 1)
    );
    drop(log);
    let log = folder.open_with(&with(4 << 20)).unwrap();
    for _ in 0..10 {
        log.append(new_kind.clone()).await.unwrap();
    }
    let later = all(&log).await.into_iter();
    assert_eq!(
        later.filter(|event| event.kind.as_str() == "later").count(),
        22
    );
}

#[tokio::test]
async fn the_last_cursor_is_the_last() {
    let folder = Folder::new();
    let options = Options {
        start_after: at(Cursor::MAX.get() - 3),
        ..Options::default()
    };
    let log = folder.open_with(&options).unwrap();
    assert_eq!(log.bounds().earliest, at(Cursor::MAX.get() - 2));
    assert_eq!(
        log.append(vec![draft("a", "{}"); 4]).await,
        Err(AppendError::Exhausted)
    );
    assert!(log.append(vec![draft("a", "{}"); 2]).await.is_ok());
    let last = log_contract::keyed("last", "{}");
    assert_eq!(log.append(vec![last.clone()]).await, Ok(vec![Cursor::MAX]));
    assert_eq!(log.append(vec![last]).await, Ok(vec![Cursor::MAX]));
    assert_eq!(
        log.append(vec![draft("a", "{}")]).await,
        Err(AppendError::Exhausted)
    );
    assert_eq!(all(&log).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_when_the_log_closes_is_stored() {
    let folder = Folder::new();
    let log = std::sync::Arc::new(folder.open(no_release()));
    let append = |turn: usize| {
        let log = std::sync::Arc::clone(&log);
        tokio::spawn(async move { log.append(vec![draft("a", "{}"); 1 + turn % 5]).await })
    };
    let appends: Vec<_> = (0..200).map(append).collect();
    tokio::task::yield_now().await;
    tokio::task::block_in_place(|| log.close());
    let mut answered = Vec::new();
    for outcome in appends {
        match outcome.await.unwrap() {
            Ok(cursors) => answered.extend(cursors),
            Err(error) => assert!(matches!(error, AppendError::Closed(_)), "{error:?}"),
        }
    }
    answered.sort_unstable();
    let wal = folder.path().join("events.db-wal");
    assert_eq!(
        fs::metadata(wal).map_or(0, |wal| wal.len()),
        0,
        "checkpointed"
    );
    let cursors: Vec<_> = all(&*log).await.iter().map(|event| event.cursor).collect();
    assert_eq!(cursors, answered);
}

#[tokio::test]
async fn a_panic_behind_the_release_hook_stops_the_log_and_is_told() {
    let folder = Folder::new();
    let log = Embedded::open(
        &folder.path(),
        &Options::default(),
        Box::new(|_| panic!("on purpose")),
    );
    let log = log.unwrap();
    let refused = log.append(vec![draft("a", "{}")]).await;
    assert!(
        matches!(refused, Err(AppendError::Closed(_))),
        "{refused:?}"
    );
    assert!(log.failed().await.contains("panicked"));
    assert!(log.append(vec![draft("a", "{}")]).await.is_err());
    drop(log);
    // Its outcome was unknown to the producer, and it is stored.
    assert_eq!(all(&folder.open(no_release())).await.len(), 1);
}

#[tokio::test]
async fn a_corrupted_log_stops_instead_of_going_on() {
    let folder = Folder::new();
    let log = folder.open(no_release());
    log.append(vec![draft("a", "{}")]).await.unwrap();
    // Somebody else takes the next cursor.
    sqlite(
        &folder.database(),
        "INSERT INTO events (cursor, kind, time, json) VALUES (2, 1, 0, '{}')",
    );
    let refused = log.append(vec![draft("a", "{}")]).await;
    assert!(
        matches!(refused, Err(AppendError::Closed(_))),
        "{refused:?}"
    );
    assert!(log.failed().await.contains("UNIQUE"));
}

#[tokio::test]
async fn a_filter_that_picks_next_to_nothing_reads_a_bounded_part_of_the_log_at_a_time() {
    let folder = Folder::new();
    drop(folder.open(no_release()));
    // 450,000 events of one agent, and one of the system in their midst.
    sqlite(
        &folder.database(),
        "INSERT INTO kinds VALUES (1, 'a');
         INSERT INTO events (cursor, kind, time, agent_id, json)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 450000)
         SELECT n, 1, n, iif(n = 300000, NULL, x'00000000000000000000000000000001'), '{}' FROM n;",
    );
    let log = folder.open(no_release());
    let wanted = WantedIds {
        agent_id: Some(uuid::Uuid::nil()),
        ..WantedIds::default()
    };
    let of_the_system = |direction| PageRequest {
        filter: Filter::new(Vec::new(), wanted),
        ..request(direction)
    };
    let mut direction = Direction::After(Cursor::ORIGIN);
    for (found, reached, has_more) in [(0, 200_000, true), (1, 400_000, true), (0, 450_000, false)]
    {
        let page = log.page(of_the_system(direction)).await.unwrap();
        assert_eq!(page.events.len(), found);
        assert_eq!((page.reached, page.has_more), (at(reached), has_more));
        direction = Direction::After(page.reached);
    }
    let mut direction = Direction::Before(Cursor::MAX);
    for (found, reached, has_more) in [(1, 250_001, true), (0, 50_001, true), (0, 1, false)] {
        let page = log.page(of_the_system(direction)).await.unwrap();
        assert_eq!(page.events.len(), found);
        assert_eq!((page.reached, page.has_more), (at(reached), has_more));
        direction = Direction::Before(page.reached);
    }
}

#[tokio::test]
async fn the_file_can_be_looked_at_and_backed_up_while_the_server_runs() {
    let folder = Folder::new();
    let log = folder.open(no_release());
    log.append(vec![draft("a.b", r#"{"answer":42}"#)])
        .await
        .unwrap();
    let visitor = rusqlite::Connection::open(folder.database()).unwrap();
    let seen: (String, i64) = visitor
        .query_row(
            "SELECT name, json ->> '$.data.answer' FROM events JOIN kinds ON kinds.id = kind",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(seen, ("a.b".to_owned(), 42));

    let restored = Folder::new();
    fs::create_dir(restored.path()).unwrap();
    visitor
        .execute("VACUUM INTO ?1", [restored.database().to_str().unwrap()])
        .unwrap();
    let copy = restored.open_renewed(no_release());
    assert_eq!(all(&copy).await, all(&log).await);
    assert_ne!(copy.bounds().epoch, log.bounds().epoch);
}
