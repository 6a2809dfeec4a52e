#![no_main]
use todoki_codec::property::command;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    command::texts_are_commands_or_refused(data);
    command::subscribe_is_the_query(data);
});
