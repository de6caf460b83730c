#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::wire::fuzz_wire_plain(data));
