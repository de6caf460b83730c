//! A repository that lists chunks which nobody ever read: real sessions, segments and outcomes over packs that are
//! holes of the right length.
//!
//! Whatever reads no pack can't tell it from a real one: opening, backing up, and the structure pass of `check`.
//! Reading a chunk, `check --read-data` and `scrub` would find nothing but zeros.

use crate::{Outcome, open};
use holdall::access::Access;
use holdall::id::{ChunkId, ClientId, PackId};
use holdall::layout::{Class, FrameTable};
use holdall::outcome::OutcomeKind;
use holdall::segment::{PackFacts, PackRow};
use holdall::session::{self, Ledger, RunningSession, Writer};
use holdall::session_record::SessionKind;
use holdall::store::ObjectName;
use holdall::{CreateOptions, Repository, Secret, Unlock, format_key_file};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A checkpoint of a large backup, and one segment of it.
const CHECKPOINT_CHUNKS: u64 = 400_000;
/// A pack of 16 MiB whose chunks of 64 KiB shrink to a half.
const PACK_CHUNKS: u64 = 512;
/// A frame of 2 MiB.
const FRAME_CHUNKS: u64 = 32;

/// Makes `place/repo` with its key file, and fills it.
pub(crate) fn run(place: &Path, chunk_count: u64) -> Outcome<String> {
    let started = Instant::now();
    std::fs::create_dir_all(place)?;
    let secret = Secret::random();
    std::fs::write(place.join("key"), format_key_file(&secret).as_bytes())?;
    Repository::create(&place.join("repo"), Unlock::KeyFile(&secret), &CreateOptions::default())?;
    let repository = open(place)?;
    let mut generator = Generator {
        access: repository.access(),
        packs: place.join("repo/packs"),
        folders: BTreeSet::new(),
        ids: Ids::new(place),
        lengths: Ids::of(b"lengths"),
        next_pack: 0,
    };
    let client = ClientId::from_bytes([0x5c; 16]);
    let mut left = chunk_count;
    let mut number = 0u64;
    while left > 0 {
        number += 1;
        let now = left.min(CHECKPOINT_CHUNKS);
        generator.checkpoint(client, number, now)?;
        left -= now;
    }
    let seconds = started.elapsed().as_secs_f64();
    let packs = generator.next_pack;
    Ok(format!(
        r#"{{"chunks": {chunk_count}, "sessions": {number}, "packs": {packs}, "generate_seconds": {seconds:.3}}}"#
    ))
}

struct Generator<'a> {
    access: &'a Access,
    packs: PathBuf,
    folders: BTreeSet<String>,
    ids: Ids,
    lengths: Ids,
    next_pack: u64,
}

impl Generator<'_> {
    fn checkpoint(&mut self, client: ClientId, number: u64, mut chunks: u64) -> Outcome<()> {
        let running = session::open(self.access, client, number, SessionKind::Checkpoint, &Writer::default())?;
        let mut ledger = Ledger::default();
        while chunks > 0 {
            let now = chunks.min(PACK_CHUNKS);
            ledger.add(self.pack(&running, now)?);
            chunks -= now;
        }
        let published = ledger.publish(self.access)?;
        let body = running.outcome(OutcomeKind::Checkpoint, ledger.pack_ids(), published.references());
        running.commit(self.access, &body, None)?;
        Ok(())
    }

    fn pack(&mut self, session: &RunningSession, chunks: u64) -> Outcome<PackRow> {
        let mut frames = FrameTable::new(128)?;
        let mut ids = Vec::with_capacity(usize::try_from(chunks)?);
        while u64::try_from(ids.len())? < chunks {
            let count = (chunks - u64::try_from(ids.len())?).min(FRAME_CHUNKS);
            let lengths: Vec<u32> = (0..count).map(|_| self.lengths.length()).collect();
            let raw: u32 = lengths.iter().sum();
            frames.push(raw / 2, &lengths)?;
            ids.extend((0..count).map(|_| ChunkId::from_bytes(self.ids.next())));
        }
        let pack = PackId::from_bytes(self.ids.next());
        let bytes = u64::from(frames.end_offset()) + 600;
        self.hole(pack, bytes)?;
        self.next_pack += 1;
        let signer = self.access.ring.signer();
        let facts = PackFacts { pack, class: Class::Content, bytes, signer, session: session.id };
        Ok(PackRow::new(facts, frames, ids)?)
    }

    /// A file of this length in the pack's place, which takes no room.
    fn hole(&mut self, pack: PackId, bytes: u64) -> Outcome<()> {
        let name = ObjectName::Pack(pack).to_string();
        let (_, inner) = name.split_once('/').ok_or("a pack's name has a folder")?;
        let (folder, _) = inner.split_once('/').ok_or("a pack's name has two folders")?;
        if self.folders.insert(folder.to_owned()) {
            std::fs::create_dir_all(self.packs.join(folder))?;
        }
        std::fs::File::create_new(self.packs.join(inner))?.set_len(bytes)?;
        Ok(())
    }
}

/// Ids that look like hashes and are the same for the same place name.
pub(crate) struct Ids {
    reader: blake3::OutputReader,
    buffer: Vec<u8>,
    at: usize,
}

impl Ids {
    pub(crate) fn new(place: &Path) -> Self {
        Self::of(place.as_os_str().as_encoded_bytes())
    }

    pub(crate) fn of(seed: &[u8]) -> Self {
        let reader = blake3::Hasher::new_derive_key("holdall benches scale ids").update(seed).finalize_xof();
        Self { reader, buffer: vec![0; 1 << 16], at: usize::MAX }
    }

    pub(crate) fn next(&mut self) -> [u8; 32] {
        let end = self.at.saturating_add(32);
        if end > self.buffer.len() {
            self.reader.fill(&mut self.buffer);
            self.at = 0;
        }
        let id = self.buffer.get(self.at..self.at + 32).and_then(|id| id.try_into().ok());
        self.at += 32;
        id.expect("the buffer holds whole ids")
    }

    /// Between 16 and 112 KiB, 64 in the mean.
    fn length(&mut self) -> u32 {
        let [a, b, ..] = self.next();
        (16 << 10) + u32::from(u16::from_le_bytes([a, b])) % (96 << 10) * 3 / 2
    }
}
