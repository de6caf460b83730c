#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::operations::fuzz_operations(data));
