#![no_main]
use todoki_codec::property::message;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    message::bytes_are_nothing_or_said_again(data);
    message::written_messages_read_back(data);
});
