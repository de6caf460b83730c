//! Chunks and nodes on their way into packs and back: claim, gather, frame, seal, prove, pack; and read, open, decode,
//! prove.

mod claim;
mod closed_pack;
mod frame_cache;
mod frame_crew;
mod framer;
mod keys;
mod medium;
mod neighbours;
mod node_writer;
mod pack_stream;
mod reader;
mod surplus;

pub use claim::{Claim, Claims};
pub use closed_pack::ClosedPack;
pub use frame_cache::{DecodedFrame, FrameBytes, FrameScratch, OpenPack, open_pack};
pub use frame_crew::FrameCrew;
pub use framer::{FrameWriter, Framer, RawFrame, StoredAmount, StoredTotals};
pub use keys::RingKeys;
pub(crate) use node_writer::NODE_FRAME_BYTES_TARGET;
pub use node_writer::NodeWriter;
pub use pack_stream::{PackStream, Place, SessionSource, Turn};
pub use reader::ContentReader;
pub use surplus::{Surplus, SurplusSender, surplus};
