#![no_main]
use todoki_codec::property::splice;
libfuzzer_sys::fuzz_target!(|data: &[u8]| splice::grown_data_is_kept(data));
