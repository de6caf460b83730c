//! A content-addressed, deduplicating, encrypted backup repository.

pub mod id;
#[doc(hidden)]
pub mod seal;
#[doc(hidden)]
pub mod wire;
