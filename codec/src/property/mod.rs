//! What holds for every input, as functions that panic when it does not. Tests and fuzz targets call them.
pub mod frame;
