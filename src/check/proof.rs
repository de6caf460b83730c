//! What is known of a pack while its parts are proved by several threads.

use crate::access::Access;
use crate::check::packs::damage;
use crate::check::remedy;
use crate::check::remember::Recorder;
use crate::check::report::{Damage, Findings};
use crate::check::vouch::Proven;
use crate::content::OpenPack;
use crate::error::{Result, chain};
use crate::frame::FrameDecoder;
use crate::id::ChunkId;
use crate::layout::{FramePlace, FrameRow};
use crate::pack::{PackHasher, TRAILER_BYTES, Trailer};
use crate::segment::PackRow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much is read at a time when a pack is hashed again.
const PIECE_BYTES: u64 = 1 << 20;

/// One thread's means to prove frames.
pub(super) struct Prover<'a> {
    access: &'a Access,
    decoder: FrameDecoder,
}

impl<'a> Prover<'a> {
    pub(super) fn new(access: &'a Access) -> Self {
        Self { access, decoder: FrameDecoder::new() }
    }
}

/// At which attempt a pack could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Second,
}

/// A pack that is being read.
pub(super) struct PackProof<'a> {
    findings: &'a Findings<'a>,
    recorder: &'a Recorder<'a>,
    proven: &'a Proven,
    pub(super) row: PackRow,
    open: OpenPack,
    attempt: Attempt,
    /// Whether all bytes, hashed as they were read, have the pack's name.
    is_whole: AtomicBool,
    /// Whether damage was found in a part of it.
    is_hurt: AtomicBool,
}

impl<'a> PackProof<'a> {
    pub(super) const fn new(
        findings: &'a Findings<'a>,
        (recorder, proven): (&'a Recorder<'a>, &'a Proven),
        row: PackRow,
        open: OpenPack,
        attempt: Attempt,
    ) -> Self {
        let [is_whole, is_hurt] = [AtomicBool::new(false), AtomicBool::new(false)];
        Self { findings, recorder, proven, row, open, attempt, is_whole, is_hurt }
    }

    /// Reads a part into a buffer; one that can't be read leaves it empty.
    pub(super) fn read(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        // What was there stays, so that no byte is cleared that is about to be overwritten.
        buffer.resize(length, 0);
        self.open.object.read_at(offset, buffer).map_err(|error| {
            buffer.clear();
            chain(&error)
        })
    }

    /// Proves a frame as it was read; one that seems bad is read again first.
    pub(super) fn prove(
        &self,
        prover: &mut Prover<'_>,
        place: FramePlace,
        first_chunk: usize,
        stored: &mut Result<Vec<u8>, String>,
    ) {
        let Some(frame) = self.row.frames().frame(place.number) else { return };
        let ids = self.row.ids().get(first_chunk..first_chunk.saturating_add(frame.lengths.len())).unwrap_or_default();
        let first = match stored {
            Ok(stored) => self.prove_frame(prover, &frame, ids, stored),
            Err(wrong) => Err(wrong.clone()),
        };
        if let Err(first) = first {
            let place = format!("frame {} at byte {}", place.number, place.offset);
            match self.look_again(prover, &frame, ids) {
                Ok(()) => self.only_twice(&place, &first),
                Err(wrong) => self.hurt(place, wrong, ids),
            }
        }
        self.findings.read(place.stored_bytes.into());
    }

    fn look_again(&self, prover: &mut Prover<'_>, frame: &FrameRow<'_>, ids: &[ChunkId]) -> Result<(), String> {
        self.open.object.forget_cached();
        let mut stored = Vec::new();
        let length = usize::try_from(frame.place.stored_bytes).unwrap_or(0);
        self.read(frame.place.offset.into(), length, &mut stored)?;
        self.prove_frame(prover, frame, ids, &mut stored)
    }

    fn prove_frame(
        &self,
        prover: &mut Prover<'_>,
        frame: &FrameRow<'_>,
        ids: &[ChunkId],
        stored: &mut [u8],
    ) -> Result<(), String> {
        let plaintext = self.open.opener.open_frame(frame.place, stored).map_err(|error| chain(&error))?;
        let decoded = prover.decoder.decode(plaintext).map_err(|error| chain(&error))?;
        if decoded.lengths() != frame.lengths {
            return Err("its chunks have other lengths than the index says".to_owned());
        }
        let found = prover.access.naming.ids_of(self.row.facts().class, decoded.chunks());
        for (found, id) in found.iter().zip(ids) {
            if found != id {
                return Err(format!("it holds {found} where the index says {id}"));
            }
        }
        Ok(())
    }

    /// Footer and trailer, which the buffer holds: a reader without the index needs them.
    pub(super) fn prove_end(&self, stored: &mut Vec<u8>) {
        let Err(first) = self.prove_footer(stored) else { return };
        self.open.object.forget_cached();
        let end = self.row.frames().end_offset();
        let length = usize::try_from(self.row.facts().bytes.saturating_sub(end.into())).unwrap_or(0);
        match self.read(end.into(), length, stored).and_then(|()| self.prove_footer(stored)) {
            Ok(()) => self.only_twice("footer", &first),
            Err(wrong) => self.hurt("footer".to_owned(), wrong, &[]),
        }
    }

    fn prove_footer(&self, stored: &mut [u8]) -> Result<(), String> {
        let id = self.row.facts().pack;
        let tail = stored.len().checked_sub(TRAILER_BYTES).and_then(|start| stored.get(start..));
        let tail = tail.and_then(|tail| tail.first_chunk::<TRAILER_BYTES>()).copied();
        let tail = tail.ok_or_else(|| "its end is missing".to_owned())?;
        let proved = Trailer::parse(Some(id), &tail, self.row.facts().bytes).and_then(|trailer| {
            let length = usize::try_from(trailer.footer_bytes).unwrap_or(usize::MAX).min(stored.len());
            self.open.opener.open_footer(&trailer, stored.get_mut(..length).unwrap_or_default())
        });
        match proved {
            Ok(table) if table == *self.row.frames() => Ok(()),
            Ok(_) => Err("it lists other frames than the index says".to_owned()),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Says whether all bytes as they were read have the pack's name.
    pub(super) fn hashed(&self, is_whole: bool) {
        self.is_whole.store(is_whole, Ordering::Release);
    }

    /// Lets go of the pack. Whoever does so last knows all that was found.
    pub(super) fn conclude(proof: Arc<Self>) {
        let Some(proof) = Arc::into_inner(proof) else { return };
        let is_whole = proof.is_whole.load(Ordering::Acquire);
        if is_whole {
            proof.compare_header();
        }
        let is_hurt = proof.is_hurt.load(Ordering::Acquire);
        // That an object is longer than its pack was told when it was listed.
        let is_right = proof.attempt == Attempt::First && proof.open.object.bytes() == proof.row.facts().bytes;
        if is_whole && !is_hurt && is_right {
            // Only what was read as it should be at the first attempt is worth remembering.
            proof.recorder.verified(proof.row.facts().pack);
            proof.proven.note(&proof.row);
        }
        if is_hurt || is_whole || proof.findings.is_over() {
            return;
        }
        // No part that is needed is bad, so it is padding, or a byte that was read wrong once.
        match proof.hash_again() {
            Ok(()) => proof.only_twice("as a whole", "its bytes did not hash to its name"),
            Err(wrong) => proof.hurt("as a whole".to_owned(), wrong, &[]),
        }
    }

    /// Holds the row against the header of a pack whose bytes have its name: where they differ, the row is wrong. Only then
    /// may a key that has read the pack say the same under its own name.
    fn compare_header(&self) {
        let (header, facts) = (self.open.opener.header(), self.row.facts());
        if (header.class, header.session) == (facts.class, facts.session) {
            return;
        }
        let wrong = format!(
            "a segment says that it is of session {} and class {}; its header says session {} and class {}, and is right, \
             as all its bytes hash to its name",
            facts.session, facts.class, header.session, header.class
        );
        self.is_hurt.store(true, Ordering::Release);
        let damage = Damage { remedy: remedy::ROW, ..damage(facts.pack, "header".to_owned(), wrong) };
        self.findings.damage(damage, []);
    }

    fn hash_again(&self) -> Result<(), String> {
        self.open.object.forget_cached();
        let (mut hasher, mut piece, mut offset) = (PackHasher::new(), Vec::new(), 0u64);
        while offset < self.row.facts().bytes {
            let bytes = self.row.facts().bytes.saturating_sub(offset).min(PIECE_BYTES);
            self.read(offset, usize::try_from(bytes).unwrap_or(0), &mut piece)?;
            hasher.update(&piece);
            offset = offset.saturating_add(bytes);
        }
        let matches = hasher.id() == self.row.facts().pack;
        if matches { Ok(()) } else { Err("its bytes do not hash to its name".to_owned()) }
    }

    fn hurt(&self, place: String, wrong: String, lost: &[ChunkId]) {
        self.is_hurt.store(true, Ordering::Release);
        self.findings.damage(damage(self.row.facts().pack, place, wrong), lost.iter().copied());
    }

    fn only_twice(&self, place: &str, first: &str) {
        let object = crate::store::ObjectName::Pack(self.row.facts().pack);
        self.findings.only_twice(&format!("{object}, {place},"), first);
    }
}
