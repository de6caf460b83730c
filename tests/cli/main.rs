//! The program as its users run it: what it prints, and its exit codes.
#![cfg(feature = "cli")]

mod closed;
mod copy;
mod daily;
mod defective;
mod doubt;
mod drill;
mod from_restic;
mod import;
mod info;
mod keys;
#[path = "../lacking/mod.rs"]
mod lacking;
mod limits;
mod look;
mod machine;
mod mirror;
mod misuse;
mod mount;
mod mounted;
mod owners;
mod pages;
mod profiles;
mod push;
mod rehash;
mod repair;
mod retention;
mod run;
mod schedules;
mod screens;
mod second_copies;
mod selection;
mod sources;
mod stats;
mod status;
mod terminal;
mod verified;
mod wounds;
