#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::restic::fuzz_restic_document(data));
