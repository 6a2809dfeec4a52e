//! What holds for every input, as functions that panic when it does not. Tests and fuzz targets call them.
pub mod command;
pub mod deflate;
pub mod emit;
pub mod frame;
pub mod message;
pub mod query;
pub mod scope;
pub mod splice;
