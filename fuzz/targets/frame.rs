#![no_main]
use todoki_codec::property::frame;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    frame::frame_streams_like_naive(data);
    frame::frame_round_trip(data);
});
