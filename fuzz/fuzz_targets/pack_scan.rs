#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::pack::fuzz_pack_scan(data));
