//! `vectors/query.json`: each rule of query strings and filters.

use serde::Deserialize;
use todoki_codec::query::{self, Direction, QueryError, Start, Subscription};
use todoki_codec::{Cursor, Kind};

use crate::vectors::rows;

/// A row reads a query of one endpoint, or asks a filter which kinds it picks.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Row {
    Query {
        name: String,
        endpoint: Endpoint,
        input: String,
        expect: Option<Box<Expect>>,
        refused: Option<String>,
        why: String,
    },
    Filter {
        name: String,
        filter: String,
        picks: Vec<String>,
        skips: Vec<String>,
        why: String,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Endpoint {
    Subscription,
    Stream,
    Filter,
    Page,
    Replay,
    Seek,
    Histogram,
    Facets,
    Nothing,
    Token,
    Ticket,
}

/// What a query means; a filter as it is written in its canonical form. Which members there are depends on the endpoint.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    filter: Option<String>,
    start: Option<RowStart>,
    limit: Option<usize>,
    after: Option<Cursor>,
    before: Option<Cursor>,
    from: Option<Cursor>,
    to: Option<Cursor>,
    time: Option<String>,
    windows: Option<RowWindows>,
    token: Option<String>,
    ticket: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RowStart {
    Head,
    Earliest,
    After(Cursor),
    Time(String),
}

/// Windows by where the first begins and the last ends.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowWindows {
    from: String,
    to: String,
    count: usize,
    width_ms: i64,
}

fn start(start: Start) -> RowStart {
    match start {
        Start::Head => RowStart::Head,
        Start::Earliest => RowStart::Earliest,
        Start::After(cursor) => RowStart::After(cursor),
        Start::Time(time) => RowStart::Time(time.to_string()),
    }
}

fn subscribed(asked: &Subscription) -> Expect {
    Expect {
        filter: Some(asked.filter.to_string()),
        start: Some(start(asked.start.unwrap_or(Start::Head))),
        ..Expect::default()
    }
}

fn read(endpoint: Endpoint, input: &str) -> Result<Expect, QueryError> {
    let nothing = Expect::default();
    Ok(match endpoint {
        Endpoint::Subscription => subscribed(&query::subscription(input)?),
        Endpoint::Stream => subscribed(&query::stream(input)?),
        Endpoint::Filter => Expect {
            filter: Some(query::filter(input)?.to_string()),
            ..nothing
        },
        Endpoint::Page => {
            let page = query::page(input)?;
            let (after, before) = match page.direction {
                Direction::After(cursor) => (Some(cursor), None),
                Direction::Before(cursor) => (None, Some(cursor)),
            };
            Expect {
                filter: Some(page.filter.to_string()),
                limit: Some(page.limit),
                after,
                before,
                ..nothing
            }
        }
        Endpoint::Replay => {
            let range = query::replay(input)?;
            Expect {
                filter: Some(range.filter.to_string()),
                from: Some(range.from.unwrap_or_default()),
                to: range.to,
                ..nothing
            }
        }
        Endpoint::Seek => Expect {
            time: Some(query::seek(input)?.to_string()),
            ..nothing
        },
        Endpoint::Histogram => {
            let asked = query::histogram(input)?;
            let windows = asked.windows;
            Expect {
                filter: Some(asked.filter.to_string()),
                windows: Some(RowWindows {
                    from: windows.from().to_string(),
                    to: windows.edge(windows.count()).to_string(),
                    count: windows.count(),
                    width_ms: windows.width_ms(),
                }),
                ..nothing
            }
        }
        Endpoint::Facets => {
            let asked = query::facets(input)?;
            Expect {
                filter: Some(asked.filter.to_string()),
                limit: Some(asked.limit),
                ..nothing
            }
        }
        Endpoint::Nothing => {
            query::nothing(input)?;
            nothing
        }
        Endpoint::Token => Expect {
            token: query::token(input),
            ..nothing
        },
        Endpoint::Ticket => Expect {
            ticket: query::ticket(input),
            ..nothing
        },
    })
}

#[test]
fn every_query_vector_holds() {
    for row in rows(include_str!("../vectors/query.json")) {
        match row {
            Row::Query {
                name,
                endpoint,
                input,
                expect,
                refused,
                why,
            } => {
                let expected = refused.map_or_else(|| Ok(*expect.unwrap()), Err);
                let found = read(endpoint, &input).map_err(|error| error.to_string());
                assert_eq!(found, expected, "{name}: {why}");
            }
            Row::Filter {
                name,
                filter,
                picks,
                skips,
                why,
            } => {
                let filter = query::subscription(&filter).unwrap().filter;
                for (kinds, picked) in [(picks, true), (skips, false)] {
                    for kind in kinds {
                        let kind = Kind::parse(&kind).unwrap();
                        let found = filter.matches_kind(kind.as_str());
                        assert_eq!(found, picked, "{name}: {kind}: {why}");
                    }
                }
            }
        }
    }
}
