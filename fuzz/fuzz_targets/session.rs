#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::session_record::fuzz_session(data));
