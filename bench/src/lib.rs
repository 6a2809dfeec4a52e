//! What Todoki costs, measured from outside.
//!
//! A measurement starts a [`server`] process, drives it over real sockets ([`http`], [`websocket`]) with known drafts
//! ([`sample`]), checks what came back ([`wire`]), and hands rows to the [`report`]. The measurements are [`latency`],
//! [`emit`], [`replay`] and [`load`], the same load at other servers in [`peers`], and without a server [`limit`] and
//! [`compression`]; with [`database`] the first three keep their logs in PostgreSQL; a new one adds a module with a `run` and a subcommand in `main`. What they saved becomes documents and
//! charts in [`document`]. The criterion benches in `benches/` measure single functions.
#![forbid(unsafe_code)]

pub mod authority;
pub mod compression;
pub mod cores;
pub mod database;
pub mod disk;
pub mod document;
pub mod drain;
pub mod emit;
pub mod http;
pub mod latency;
pub mod limit;
pub mod load;
pub mod machine;
pub mod pace;
pub mod peers;
pub mod quantiles;
pub mod replay;
pub mod report;
pub mod sample;
pub mod server;
pub mod settings;
pub mod websocket;
pub mod wire;

/// What a measurement gives: a failure is told to whoever started it, and never caught in between.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
