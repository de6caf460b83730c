//! The manifest of a stream: something that is no file tree, such as what a command wrote, restored as one file.

use super::NodeSource;
use super::cursor::Cursor;
use super::entry::{Body, Entry, State};
use super::error::ReadError;
use crate::id::NodeId;

/// Whether a manifest has the form of a stream's: the root directory as an ancestor, and in it one file that is stored,
/// without a hard-link group and without attributes. Reads three entries at most.
///
/// # Errors
/// Those of [`Cursor::next_row`].
pub fn is_stream<S: NodeSource>(source: S, root: NodeId) -> Result<bool, ReadError<S::Error>> {
    let mut cursor: Cursor<Entry, S> = Cursor::new(source, root);
    let (top, file, more) = (cursor.next_row()?, cursor.next_row()?, cursor.next_row()?);
    Ok(matches!((&top, &file, &more), (Some(top), Some(file), None) if is_top(top) && is_file(file)))
}

fn is_top(top: &Entry) -> bool {
    top.key.is_root() && matches!(top.body, Body::Ancestor)
}

fn is_file(file: &Entry) -> bool {
    let is_plain = file.group.is_none() && file.attributes.iter().next().is_none() && file.state == State::Stored;
    is_plain && matches!(file.body, Body::File(_)) && file.key.parent().is_some_and(|parent| parent.is_root())
}
