//! Todoki: an event streaming server.
pub mod clock;
pub mod log;
