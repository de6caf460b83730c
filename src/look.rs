//! Looking into snapshots without restoring them: what differs between two, where something is in many, and its content
//! as a stream.
//!
//! Two snapshots are compared node by node: what they share is not read, so a comparison costs what differs and a search
//! through many snapshots little more than one through the first. Everything is told in key order while it is read;
//! memory does not grow with what a snapshot holds.

mod diff;
mod dump;
mod entries;
mod find;

pub use diff::diff;
pub use dump::{DumpForm, DumpReport, dump};
pub use entries::Entries;
pub use find::{Wanted, find, history};

use crate::error::{Error, ErrorKind};
use crate::manifest::Key;
use crate::session::Snapshot;

fn nothing_there(snapshot: &Snapshot, path: &Key) -> Error {
    let message = format!("snapshot {} holds nothing at {}", snapshot.id.short(), path.to_path().display());
    Error::new(ErrorKind::NotFound, message)
}
