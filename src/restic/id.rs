//! The names of what a restic repository holds.

use crate::id::identifier;
use aws_lc_rs::digest::{SHA256, digest};
use serde::de::{Deserialize, Deserializer, Error as _};
use std::borrow::Cow;

identifier!(
    /// A piece of content or a directory: SHA-256 of its bytes.
    BlobId, 32, "the id of a blob"
);
identifier!(
    /// A file of the repository (pack, index, snapshot, key): SHA-256 of its bytes.
    FileId, 32, "the id of a file of restic"
);

macro_rules! named_by_sha256 {
    ($name:ident) => {
        impl $name {
            /// The name of these bytes.
            pub fn of(bytes: &[u8]) -> Self {
                let mut id = [0; Self::LEN];
                id.copy_from_slice(digest(&SHA256, bytes).as_ref());
                Self::from_bytes(id)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

named_by_sha256!(BlobId);
named_by_sha256!(FileId);
