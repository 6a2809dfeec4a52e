#![no_main]
use todoki_codec::property::emit;
libfuzzer_sys::fuzz_target!(|data: &[u8]| emit::bodies_are_refused_or_kept(data));
