#![no_main]
use todoki_codec::property::query;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    query::queries_read_back(data);
    query::filters_pick_like_naive(data);
});
