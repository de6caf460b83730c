//! Tree nodes in, ids out: nodes are stored like chunks, under claims of their own kind of id.

use crate::access::Access;
use crate::content::{Claim, Claims, FrameWriter, RawFrame};
use crate::error::{Error, Result};
use crate::id::NodeId;
use crate::manifest::NodeSink;
use std::sync::Arc;

/// How many bytes of nodes share a frame. Small, because a later reader wants single nodes; chosen with
/// format-spec/14-rationale.md.
pub(crate) const NODE_FRAME_BYTES_TARGET: usize = 256 << 10;

/// Stores the nodes of one class. What the repository has is not stored again.
pub struct NodeWriter {
    access: Access,
    claims: Arc<Claims>,
    writer: FrameWriter,
    gathering: RawFrame,
}

impl NodeWriter {
    /// Starts with an empty frame.
    pub fn new(access: Access, claims: Arc<Claims>, writer: FrameWriter) -> Self {
        Self { access, claims, writer, gathering: RawFrame::default() }
    }

    /// Stores what is gathered, full or not.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.store(&mut self.gathering)
    }
}

impl NodeSink for NodeWriter {
    type Error = Error;

    fn put(&mut self, bytes: &[u8]) -> Result<NodeId> {
        let id = self.access.naming.node_ids.id(bytes);
        if self.claims.claim_one(id.as_chunk())? == Claim::New {
            self.gathering.chunks.push(bytes);
            self.gathering.ids.push(id.as_chunk());
            if self.gathering.chunks.is_full(NODE_FRAME_BYTES_TARGET) {
                self.flush()?;
            }
        }
        Ok(id)
    }
}
