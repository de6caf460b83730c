//! A content-addressed, deduplicating, encrypted backup repository.

#[doc(hidden)]
pub mod access;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod chunk;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod content;
#[doc(hidden)]
pub mod destination;
#[doc(hidden)]
pub mod envelope;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod fs;
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod gc;
pub mod id;
#[doc(hidden)]
pub mod index;
#[doc(hidden)]
pub mod key;
#[doc(hidden)]
pub mod layout;
#[doc(hidden)]
pub mod manifest;
#[doc(hidden)]
pub mod outcome;
#[doc(hidden)]
pub mod owner;
#[doc(hidden)]
pub mod pack;
pub mod progress;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod scratch;
#[doc(hidden)]
pub mod seal;
#[doc(hidden)]
pub mod segment;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod session_record;
#[doc(hidden)]
pub mod source;
pub mod stats;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod wire;

#[doc(hidden)]
pub mod backup;
pub mod error;
pub mod repository;
#[doc(hidden)]
pub mod restore;
