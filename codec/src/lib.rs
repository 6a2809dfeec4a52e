//! Todoki's words as bytes.
//!
//! Pure functions between bytes and values: no clock, no I/O, no async, no unsafe. The modules follow an event:
//! a request is [`decode`]d into drafts, a draft becomes an [`Event`] when it is [`encode`]d with its cursor,
//! a [`query`] says which events a client wants, a [`Filter`] picks them, and a [`message`] inside a [`frame`]
//! carries each to a subscriber. Properties that hold for all input live in [`property`], called by tests and by fuzz.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod command;
pub mod decode;
pub mod deflate;
pub mod encode;
pub mod event;
pub mod filter;
pub mod frame;
pub mod json;
pub mod kind;
pub mod limits;
pub mod message;
pub mod property;
pub mod query;
pub mod scope;
pub mod time;
pub mod windows;

pub use event::{Cursor, Draft, Event, Ids};
pub use filter::{Filter, WantedIds};
pub use kind::{Kind, KindError, Pattern};
pub use scope::{Scope, Scopes, ScopesError, Within};
pub use windows::Windows;
