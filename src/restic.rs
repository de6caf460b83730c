//! Reads a repository that restic made, versions 1 and 2 of its format, in a local folder. Nothing is ever written to
//! it, and its locks are neither made nor asked.
//!
//! ```text
//! keys/<file id>        JSON: scrypt's parameters, and the master key sealed with what scrypt makes of the password
//! config                sealed JSON: the version
//! snapshots/<file id>   sealed JSON: time, host, paths, tags, the blob of the root's tree
//! index/<file id>       sealed JSON: which blob lies where in which pack
//! data/<2 hex>/<file id>  a pack: sealed blobs one behind the other, a sealed list of them, its length
//! ```
//!
//! What is *sealed* is a nonce of 16 bytes, the bytes under AES-256-CTR, and a Poly1305-AES of those. A *blob* is the JSON
//! of one directory (a *tree*) or a piece of a file, named by the SHA-256 of its bytes; files are named by the SHA-256 of
//! theirs. Every seal, name and length is checked before anything is believed, and nothing is allocated on the word of
//! a length that the bytes at hand don't bear out.

mod blob;
mod document;
mod error;
mod id;
mod index;
mod key;
mod node;
mod pack_header;
mod place;
mod quote;
mod repository;
mod seal;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use blob::BlobKind;
pub use error::{Fault, Object, ResticError};
pub use id::{BlobId, FileId};
pub use node::{Node, Tree};
pub use repository::{Opened, Repository, Snapshots};
pub use snapshot::Snapshot;

/// What the fuzzer runs: the decoders of what strangers may have written, each given plain bytes.
#[doc(hidden)]
pub mod decode {
    pub use crate::restic::document::unpack;
    pub use crate::restic::index::Index;
    pub use crate::restic::key::MasterKey;
    pub use crate::restic::node::Tree;
    pub use crate::restic::pack_header::entries;
    pub use crate::restic::quote::unquote;
    pub use crate::restic::snapshot::Snapshot;
}
