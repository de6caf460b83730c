//! What fuzzing runs: a function for each decoder, over any bytes. Each holds the laws of its room by assertions.

pub mod pack;
pub mod segment;
