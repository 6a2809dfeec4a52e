#![no_main]
#[path = "../../codec/tests/it/fastwebsockets_differential.rs"]
mod differential;
libfuzzer_sys::fuzz_target!(|data: &[u8]| differential::decoders_hear_the_same(data));
