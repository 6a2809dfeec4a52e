//! The codec from outside: golden vectors and properties, a module per capability.
#![allow(
    clippy::unwrap_used,
    reason = "helper functions of tests are not seen as tests; a broken vector may panic"
)]

mod corpus;
mod fastwebsockets_differential;
mod frame_properties;
mod frame_vectors;
