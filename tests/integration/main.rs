//! The library and the program as a user meets them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on has failed")]

mod dump;
mod found_there;
mod golden;
mod hard_links;
mod house;
mod in_place;
#[path = "../lacking/mod.rs"]
mod lacking;
mod lost_folders;
mod python_reader;
mod round_trip;
mod same_names;
mod second_copy;
mod sessions;
