//! The very source of the server's ring, on loom's atomics.
#![forbid(unsafe_code)]

#[path = "../../src/hub/ring.rs"]
pub mod ring;

/// In the place of the server's: the same names, every interleaving.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}
