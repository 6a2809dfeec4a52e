#![no_main]
use todoki_codec::property::deflate;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deflate::windows_are_read_from_where_they_open(data);
    deflate::messages_on_their_own_are_read(data);
});
