//! Todoki: an event streaming server.
//!
//! Producers POST events; Todoki puts them in one durable, numbered log; every subscriber gets each event that matches
//! its filter, in order, from any point in history, and stays live on the same socket. The modules are the path of an
//! event: [`accept`] takes connections in and [`listen`] serves them, [`route`] finds the handler, [`emit`] decodes, the
//! [`log`] makes durable, the [`hub`] fans out, a [`subscriber`] delivers; [`page`] reads history and [`timeline`] counts
//! it, [`metrics`] tells what was counted on the way, [`assets`] shows the web app, and [`reply`] alone chooses statuses.

pub mod accept;
pub mod assets;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod emit;
pub mod guard;
pub mod histogram;
pub mod hub;
pub mod limit;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod negotiate;
pub mod origin;
pub mod page;
pub mod proxy;
pub mod reply;
pub mod retention;
pub mod route;
mod server;
pub mod stream;
pub mod subscriber;
pub mod timeline;
pub mod tls;
pub mod traffic;
pub mod upgrade;
pub mod visible;

pub use server::{Server, ServerError};
