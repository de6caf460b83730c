#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdall::fuzzing::frame::fuzz_frame_encode(data));
