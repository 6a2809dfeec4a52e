//! The codec from outside: golden vectors and properties, a module per capability.
#![allow(
    clippy::unwrap_used,
    reason = "helper functions of tests are not seen as tests; a broken vector may panic"
)]

mod command_vectors;
mod corpus;
mod emit_vectors;
mod event_vectors;
mod fastwebsockets_differential;
mod frame_properties;
mod frame_vectors;
mod message_vectors;
mod query_vectors;
mod scope_properties;
mod vectors;
mod wire_document;
