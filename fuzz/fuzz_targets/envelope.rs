#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::envelope::fuzz_envelope(data));
