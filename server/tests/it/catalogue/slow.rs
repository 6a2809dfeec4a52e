//! Whoever is slow.
