//! What the database does for each statement, as it tells itself: no statement scans a table of events.

use std::time::Duration;

use todoki::log::{Kept, KeptTicket, Log, PageRequest, TicketRoom, TicketTable};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Filter, Pattern, Scope, Scopes, WantedIds, Windows, Within};
use uuid::Uuid;

use crate::database::Cluster;
use crate::log_contract::{Store, at, draft, keyed, no_release, request};

/// Events in two partitions, skewed as real ones are: a few kinds and tasks are everywhere, most are rare.
const FILL: &str = "
    UPDATE todoki.log SET partition_events = 600000;
    SELECT todoki.intern(ARRAY(SELECT 'family' || n % 3 || '.k' || n FROM generate_series(1, 40) n), 0);
    BEGIN;
    SELECT todoki.take_turn();
    SELECT todoki.make_room(EVENTS);
    INSERT INTO todoki.events (cursor, time, kind, agent_id, session_id, task_id, project_id, draft_id, data)
    SELECT n, now() + n * interval '1 ms', CASE WHEN n % 3 = 0 THEN 1 ELSE 1 + n % 40 END,
        CASE WHEN n % 2 = 0 THEN lpad(to_hex(n % 50), 32, '0')::uuid END,
        CASE WHEN n % 5 = 0 THEN lpad(to_hex(n % 1000), 32, '0')::uuid END,
        CASE WHEN n % 3 = 0 THEN lpad(to_hex(n % 900), 32, '0')::uuid END,
        CASE WHEN n % 7 = 0 THEN lpad(to_hex(7), 32, '0')::uuid END,
        CASE WHEN n % 4 = 0 THEN 'id' || n END, '{\"pad\":\"' || repeat('x', 150) || '\"}'
    FROM generate_series(1, EVENTS) n;
    COMMIT;
    INSERT INTO todoki.tickets
    SELECT sha256(n::text::bytea), sha256((n / 100)::text::bytea), '', now() + (n - 3000) * interval '1 s'
    FROM generate_series(1, 12000) n";

const EVENTS: i64 = 1_000_000;

fn filter(patterns: &[&str], wanted: WantedIds) -> Filter {
    let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
    Filter::new(patterns.collect(), wanted)
}

fn filters() -> Vec<Filter> {
    let id = |n| Some(Uuid::from_u128(n));
    let any = WantedIds::default();
    let by = |agent_id, session_id, task_id, project_id| WantedIds {
        agent_id,
        session_id,
        task_id,
        project_id,
    };
    vec![
        Filter::default(),
        filter(&["family1.k1"], any),
        filter(&["family2.k2"], any),
        filter(&["family2.k2", "family0.k3", "family1.k4"], any),
        filter(&["family0.*"], any),
        filter(&["family0.*"], by(None, None, id(3), None)),
        filter(&[], by(id(8), None, None, None)),
        filter(&[], by(id(0), None, None, None)),
        filter(&["family2.k2"], by(id(0), None, None, None)),
        filter(&[], by(None, id(5), None, None)),
        filter(&[], by(None, None, id(3), None)),
        filter(&[], by(None, None, None, id(7))),
        filter(&["family2.k2"], by(id(8), id(5), id(3), id(7))),
    ]
    .into_iter()
    .chain(narrowed())
    .collect()
}

/// Filters of principals whose grants say more than kinds and ids can.
fn narrowed() -> Vec<Filter> {
    let ids = |numbers: &[u128]| Some(numbers.iter().copied().map(Uuid::from_u128).collect());
    let scope = |patterns: &[&str], agent_id, task_id, project_id| {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        let within = Within {
            agent_id,
            session_id: None,
            task_id,
            project_id,
        };
        Scope::new(patterns.collect(), within)
    };
    let many: Vec<u128> = (0..40).collect();
    [
        // Few projects, of which one has events.
        vec![scope(&[], None, None, ids(&[7, 8, 9]))],
        vec![
            scope(&["family0.*"], None, None, ids(&[7])),
            scope(&["family1.k1"], None, None, ids(&[8])),
        ],
        // Many tasks.
        vec![scope(&[], None, ids(&many), None)],
        // The system, beside agents.
        vec![scope(&["family2.*"], ids(&[0, 4]), None, None)],
        // Nothing in common.
        vec![
            scope(&["family2.k2"], None, None, None),
            scope(&["family0.*"], ids(&[8]), None, ids(&[7])),
            scope(&[], None, ids(&[3, 6]), None),
        ],
        vec![
            scope(&["family2.k2"], ids(&[8]), None, ids(&[7])),
            scope(&["family1.k4"], ids(&[8]), ids(&[3]), None),
        ],
    ]
    .into_iter()
    .map(|scopes| {
        let filter = Filter::default().narrowed(&Scopes::new(scopes)).unwrap();
        assert!(filter.is_scoped(), "{filter:?}");
        filter
    })
    .collect()
}

/// Runs everything that a log asks of its database.
async fn exercise(log: &impl Log) {
    for filter in filters() {
        for cursor in [0, EVENTS / 2, EVENTS - 10] {
            for direction in [Direction::After(at(cursor)), Direction::Before(at(cursor))] {
                for max_events in [64, 1000] {
                    let page = PageRequest {
                        filter: filter.clone(),
                        max_events,
                        max_bytes: 256 << 10,
                        ..request(direction)
                    };
                    log.page(page).await.unwrap();
                }
            }
        }
    }
    let now = todoki::clock::now();
    for filter in filters() {
        let windows = Windows::new(now, now + Duration::from_mins(1), 20).unwrap();
        log.histogram(filter.clone(), windows).await.unwrap();
        log.facets(filter, 10).await.unwrap();
    }
    log.append(vec![draft("family1.k1", "{}"); 100])
        .await
        .unwrap();
    let keyed: Vec<_> = (1..100).map(|n| keyed(&format!("id{n}"), "{}")).collect();
    // Some of these ids are there already, on other drafts.
    log.append(keyed).await.unwrap_err();
    log.append(vec![draft("a.new.kind", "{}")]).await.unwrap();
    log.seek(todoki::clock::now() + Duration::from_secs(30))
        .await
        .unwrap();
    log.trim(at(10)).await.unwrap();
    assert!(log.bounds().head > Cursor::ORIGIN.forward(1_000_000));
}

/// Gives tickets, of which the first clears expired ones away, and takes one.
async fn exercise_tickets(tickets: &TicketTable) {
    let ticket = |digest, principal| KeptTicket {
        digest: [digest; 32],
        principal: [principal; 32],
        sealed: vec![1],
    };
    let room = |most| TicketRoom {
        lifetime: Duration::from_mins(1),
        most_of_one: 1,
        most,
    };
    let put = async |ticket, most| tickets.put(&ticket, room(most)).await.unwrap();
    assert_eq!(put(ticket(1, 1), 10_000).await, Kept::Yes);
    assert_eq!(put(ticket(2, 1), 10_000).await, Kept::ManyOfOne);
    assert_eq!(put(ticket(3, 2), 8_000).await, Kept::Many);
    assert_eq!(tickets.take(&[1; 32]).await.unwrap(), Some(vec![1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_scans_the_events_or_the_tickets() {
    let cluster = Cluster::start(&[
        "session_preload_libraries = auto_explain",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "log_line_prefix = '@@@ '",
    ]);
    for is_analysed in [false, true] {
        let database = cluster.database();
        drop(database.open(no_release()));
        let client = database.connect().await;
        let fill = FILL.replace("EVENTS", &EVENTS.to_string());
        client.batch_execute(&fill).await.unwrap();
        if is_analysed {
            client.batch_execute("ANALYZE").await.unwrap();
        }
        let name = database.url().rsplit_once('/').unwrap().1;
        let watch = format!("ALTER DATABASE {name} SET auto_explain.log_min_duration = 0");
        client.batch_execute(&watch).await.unwrap();
        let log = database.open(no_release());
        exercise(&log).await;
        exercise_tickets(&log.tickets()).await;
        client
            .batch_execute("SELECT todoki_emit('family1.k1', NULL, '{}', id => 'sql')")
            .await
            .unwrap();
        drop(log);
        let row = client
            .query_one("SELECT pg_read_file('../log')", &[])
            .await
            .unwrap();
        let plans = row.get::<_, String>(0);
        let plans: Vec<_> = plans
            .split("@@@ ")
            .filter(|entry| entry.contains("plan:"))
            .collect();
        assert!(plans.len() > 200, "{} plans", plans.len());
        let ticketing = |plan: &&&str| plan.contains("Scan using tickets_");
        assert!(plans.iter().filter(ticketing).count() >= 5);
        for plan in plans {
            assert!(!plan.contains("Seq Scan on events"), "{plan}");
            assert!(!plan.contains("Seq Scan on tickets"), "{plan}");
            assert_bounded(plan);
        }
    }
}

/// No node of the plan looks at more rows than a page or a group has, but for counts and for walks along the cursors with
/// a filter, whose spans are bounded.
fn assert_bounded(plan: &str) {
    let is_filtered = plan.contains("Rows Removed by Filter") || plan.contains("GROUP BY");
    for line in plan
        .lines()
        .filter(|line| line.contains("on events") && !is_filtered)
    {
        let rows = line
            .split_once("actual rows=")
            .and_then(|(_, rows)| rows.split(' ').next()?.parse::<u64>().ok());
        assert!(rows.is_none_or(|rows| rows <= 1100), "{line}\n{plan}");
    }
}
