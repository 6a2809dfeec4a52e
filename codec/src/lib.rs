//! Todoki's words as bytes.
//!
//! Pure functions between bytes and values: no clock, no I/O, no async, no unsafe. The modules follow an event:
//! a request is [`decode`]d into drafts, a draft becomes an [`Event`] when it is [`encode`]d with its cursor,
//! a [`query`] says which events a client wants, a [`Filter`] picks them, and a [`message`] inside a [`frame`]
//! carries each to a subscriber. Properties that hold for all input live in [`property`], called by tests and by fuzz.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod frame;
pub mod limits;
pub mod property;
