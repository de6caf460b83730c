//! Knows at every moment which chunks live snapshots need, and how many copies of each can be read. What an operation
//! costs here follows what it changes.

use super::ground::{Chunks, Pack, each};
use crate::id::{ObjectHash, PackId, SegmentId, SnapshotId};
use std::collections::{HashMap, HashSet};

const CHUNK_COUNT_MAX: usize = 64;

/// Why a pack can be read.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    is_present: bool,
    is_committed: bool,
    /// How many segments list it that are there and that a committed outcome names.
    listed_count: u32,
}

impl Standing {
    fn stands(self) -> bool {
        self.is_present && self.is_committed && self.listed_count > 0
    }
}

#[derive(Debug, Clone, Default)]
struct Snapshot {
    chunks: Chunks,
    /// The records that forget it and that nothing has cancelled.
    forgets: Vec<ObjectHash>,
}

#[derive(Clone)]
pub(super) struct Oracle {
    packs: HashMap<PackId, Standing>,
    named: HashSet<SegmentId>,
    snapshots: HashMap<SnapshotId, Snapshot>,
    copies: [u32; CHUNK_COUNT_MAX],
    needs: [u32; CHUNK_COUNT_MAX],
    lost: Option<String>,
}

impl Default for Oracle {
    fn default() -> Self {
        Self {
            packs: HashMap::new(),
            named: HashSet::new(),
            snapshots: HashMap::new(),
            copies: [0; CHUNK_COUNT_MAX],
            needs: [0; CHUNK_COUNT_MAX],
            lost: None,
        }
    }
}

impl Oracle {
    /// The first loss, if there was one.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    pub(super) fn is_committed(&self, pack: PackId) -> bool {
        self.packs.get(&pack).is_some_and(|standing| standing.is_committed)
    }

    pub(super) fn pack_came(&mut self, pack: &Pack) {
        self.change(pack, |standing| standing.is_present = true);
    }

    pub(super) fn pack_went(&mut self, pack: &Pack) {
        self.change(pack, |standing| standing.is_present = false);
    }

    pub(super) fn packs_committed(&mut self, packs: &[Pack]) {
        packs.iter().for_each(|pack| self.change(pack, |standing| standing.is_committed = true));
    }

    /// A committed outcome names a segment.
    pub(super) fn segment_named(&mut self, id: SegmentId, packs: &[Pack]) {
        if self.named.insert(id) {
            packs.iter().for_each(|pack| self.change(pack, |standing| standing.listed_count += 1));
        }
    }

    pub(super) fn segment_went(&mut self, id: SegmentId, packs: &[Pack]) {
        if self.named.remove(&id) {
            packs.iter().for_each(|pack| self.change(pack, |standing| standing.listed_count -= 1));
        }
    }

    pub(super) fn snapshot_came(&mut self, id: SnapshotId, chunks: Chunks) {
        self.snapshots.insert(id, Snapshot { chunks, forgets: Vec::new() });
        self.need(id, chunks);
    }

    pub(super) fn forgotten(&mut self, snapshots: &[SnapshotId], record: ObjectHash) {
        for id in snapshots {
            let snapshot = self.snapshots.get_mut(id).expect("only what is there is forgotten");
            snapshot.forgets.push(record);
            if snapshot.forgets.len() == 1 {
                each(snapshot.chunks).for_each(|chunk| self.needs[chunk] -= 1);
            }
        }
    }

    pub(super) fn cancelled(&mut self, snapshots: &[SnapshotId], records: &[ObjectHash]) {
        for id in snapshots {
            let snapshot = self.snapshots.get_mut(id).expect("only what is there is brought back");
            let was_forgotten = !snapshot.forgets.is_empty();
            snapshot.forgets.retain(|record| !records.contains(record));
            if was_forgotten && snapshot.forgets.is_empty() {
                let chunks = snapshot.chunks;
                self.need(*id, chunks);
            }
        }
    }

    fn need(&mut self, id: SnapshotId, chunks: Chunks) {
        for chunk in each(chunks) {
            self.needs[chunk] += 1;
            if self.copies[chunk] == 0 {
                self.lose(|| format!("snapshot {} came to live without chunk {chunk}", id.short()));
            }
        }
    }

    fn change(&mut self, pack: &Pack, change: impl FnOnce(&mut Standing)) {
        let standing = self.packs.entry(pack.id).or_default();
        let before = standing.stands();
        change(standing);
        let after = standing.stands();
        for chunk in each(pack.chunks).filter(|_| before != after) {
            if after {
                self.copies[chunk] += 1;
                continue;
            }
            self.copies[chunk] -= 1;
            if self.copies[chunk] == 0 && self.needs[chunk] > 0 {
                self.lose(|| {
                    format!("with pack {} went the last copy of chunk {chunk}, which is needed", pack.id.short())
                });
            }
        }
    }

    fn lose(&mut self, what: impl FnOnce() -> String) {
        if self.lost.is_none() {
            self.lost = Some(what());
        }
    }
}
