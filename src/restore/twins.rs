//! Files with the same content, all of it: the first is written, the others are cloned from it where the file system
//! lets files share blocks.
//!
//! A content is known by what its list says: ids of chunks, or of the node that holds them. What was written is remembered
//! for the last few thousand files; two files that lie farther apart are both written.

use crate::manifest::{Content, Hole, ItemList, Key, Timestamp};
use crate::restore::window::FileWork;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shorter files are written: there is little to share.
const BYTES_MIN: u64 = 16 << 10;
/// So many contents are remembered at least, and at most twice as many: with names of 100 bytes that is 2 MiB.
const REMEMBERED: usize = 4096;
/// Longer names are not remembered, so that the bound holds.
const NAME_BYTES_MAX: usize = 512;

/// A file that was written, or is about to be.
pub(super) struct Source {
    pub(super) target: Key,
    pub(super) bytes: u64,
    pub(super) mtime: Timestamp,
    /// Whether it is complete, and every byte of it proved.
    is_whole: AtomicBool,
}

/// A file that is to be cloned once its window is written.
pub(super) struct Twin {
    pub(super) file: Arc<FileWork>,
    pub(super) source: Arc<Source>,
    /// What is written if that can't be done.
    pub(super) list: ItemList,
}

/// What is known of a file's content.
pub(super) enum Met {
    /// Nothing that matters.
    Nothing,
    /// It is the first with this content.
    First(Arc<Source>),
    /// It has the content of an earlier one.
    Again(Arc<Source>),
}

/// The contents that were met lately.
#[derive(Default)]
pub(super) struct Twins {
    young: HashMap<[u8; blake3::OUT_LEN], Arc<Source>>,
    old: HashMap<[u8; blake3::OUT_LEN], Arc<Source>>,
}

impl Source {
    pub(super) fn complete(&self) {
        self.is_whole.store(true, Ordering::Release);
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }
}

impl Twins {
    /// Meets a file. `clones` says whether files may share blocks; it is asked once there is something to share.
    pub(super) fn meet(&mut self, work: &FileWork, content: &Content, clones: impl FnOnce() -> bool) -> Met {
        let Content::Items(list) = content else { return Met::Nothing };
        if work.bytes < BYTES_MIN || work.target.as_bytes().len() > NAME_BYTES_MAX {
            return Met::Nothing;
        }
        let content = digest(list, &work.holes);
        if let Some(source) = self.find(&content) {
            return if clones() { Met::Again(source) } else { Met::Nothing };
        }
        let source = Arc::new(Source {
            target: work.target.clone(),
            bytes: work.bytes,
            mtime: work.metadata.mtime,
            is_whole: AtomicBool::new(false),
        });
        self.remember(content, Arc::clone(&source));
        Met::First(source)
    }

    fn find(&mut self, content: &[u8; blake3::OUT_LEN]) -> Option<Arc<Source>> {
        if let Some(source) = self.young.get(content) {
            return Some(Arc::clone(source));
        }
        let source = self.old.remove(content)?;
        self.remember(*content, Arc::clone(&source));
        Some(source)
    }

    fn remember(&mut self, content: [u8; blake3::OUT_LEN], source: Arc<Source>) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(content, source);
    }
}

/// What tells one content from another: its items, and where its holes are.
fn digest(list: &ItemList, holes: &[Hole]) -> [u8; blake3::OUT_LEN] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&list.fingerprint());
    for hole in holes {
        hasher.update(&hole.offset.to_le_bytes()).update(&hole.bytes.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
