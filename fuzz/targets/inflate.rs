#![no_main]
use todoki_codec::property::deflate;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deflate::payloads_inflate_within_the_limit(data);
    deflate::offers_are_answered_as_they_allow(data);
});
