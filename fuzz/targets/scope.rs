#![no_main]
use todoki_codec::property::scope;
libfuzzer_sys::fuzz_target!(|data: &[u8]| scope::grants_narrow_like_naive(data));
