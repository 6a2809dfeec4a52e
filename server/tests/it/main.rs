//! Integration tests: one binary, a module for each capability.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy does not see that helpers here are tests"
)]

mod assets;
mod auth;
mod catalogue;
mod command_line;
mod compression;
mod crash;
mod database;
mod demo;
mod embedded_log;
mod grants_live;
mod grants_matrix;
mod grants_silence;
mod harness;
mod history;
mod limits;
mod log_contract;
mod metrics;
mod model;
mod origins;
mod postgres_log;
mod process;
mod proxies;
mod revocation;
mod settings;
mod shared_tickets;
mod stream;
mod subscribe;
mod tickets;
mod timeline;
mod tls;
mod tls_cli;
mod tls_stream;
