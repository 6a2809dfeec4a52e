//! The very source of the server's ring, on loom's atomics.
#![forbid(unsafe_code)]

#[path = "../../src/hub/ring.rs"]
pub mod ring;

/// In the place of the server's: the same names, every interleaving.
mod sync {
    pub(super) use loom::sync::atomic::Ordering;

    /// loom 0.7 looks for other interleavings at an access only against the last access of the same variable, and a
    /// thread that loads before it stores hides the access of the other thread behind its own load: whole families of
    /// interleavings are then never tried. So every access passes a gate first, which is read and written at once and
    /// hides nothing. The gate is relaxed: it orders nothing in the model that the ring's own orderings do not.
    #[derive(Debug)]
    pub(super) struct AtomicU64 {
        gate: loom::sync::atomic::AtomicU64,
        value: loom::sync::atomic::AtomicU64,
    }

    impl AtomicU64 {
        pub(super) fn new(value: u64) -> Self {
            Self {
                gate: loom::sync::atomic::AtomicU64::new(0),
                value: loom::sync::atomic::AtomicU64::new(value),
            }
        }

        fn pass(&self) {
            self.gate.fetch_add(1, Ordering::Relaxed);
        }

        pub(super) fn load(&self, order: Ordering) -> u64 {
            self.pass();
            self.value.load(order)
        }

        pub(super) fn store(&self, value: u64, order: Ordering) {
            self.pass();
            self.value.store(value, order);
        }

        pub(super) fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.pass();
            self.value.compare_exchange(current, new, success, failure)
        }
    }
}
