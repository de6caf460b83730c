//! Opaque nodes: bytes that are stored like a node and mean something elsewhere, such as an outcome's long list.

use super::error::NodeError;
use super::node::{NODE_BYTES_MAX, NodeRows, Tree};

/// Longest payload of an opaque node in bytes.
pub const OPAQUE_BYTES_MAX: usize = NODE_BYTES_MAX - 1;

/// Makes an opaque node of a payload; none when it is longer than [`OPAQUE_BYTES_MAX`].
pub fn encode(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() > OPAQUE_BYTES_MAX { None } else { Some([&[Tree::Opaque.code() << 4], payload].concat()) }
}

/// Takes the payload out of an opaque node.
///
/// # Errors
/// [`NodeError`] when the bytes are no opaque node.
pub fn decode(node: &[u8]) -> Result<&[u8], NodeError> {
    match NodeRows::head(node)? {
        (Tree::Opaque, 0) => Ok(node.get(1..).unwrap_or(&[])),
        (Tree::Opaque, found) => Err(NodeError::Level { expected: 0, found }),
        (found, _) => Err(NodeError::Tree { expected: Tree::Opaque, found }),
    }
}
