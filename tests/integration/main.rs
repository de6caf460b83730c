//! The library and the program as a user meets them.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod house;
mod round_trip;
mod sessions;
