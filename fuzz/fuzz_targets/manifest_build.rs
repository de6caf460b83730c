#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::manifest::fuzz_manifest_build(data));
