//! A content-addressed, deduplicating, encrypted backup repository.

pub mod id;
#[doc(hidden)]
pub mod index;
#[doc(hidden)]
pub mod layout;
#[doc(hidden)]
pub mod pack;
#[doc(hidden)]
pub mod seal;
#[doc(hidden)]
pub mod segment;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod wire;
