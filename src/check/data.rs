//! Data: every pack is read once from its first byte to its last; its name, every frame and every chunk are proved.

use crate::access::Access;
use crate::check::packs::damage;
use crate::check::report::Findings;
use crate::content::open_pack;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::FrameDecoder;
use crate::id::ChunkId;
use crate::layout::Class;
use crate::pack::{PackHasher, PackOpener, TRAILER_BYTES, Trailer};
use crate::segment::{PackRow, SegmentReader};
use crate::session::{History, read_segment};
use crossbeam_channel::{Receiver, bounded};
use std::collections::HashSet;

/// Proves every pack that a committed segment lists, on all cores. Memory: a frame a core, and one segment.
pub(super) fn check(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    let (rows, queue) = bounded::<PackRow>(access.threads);
    let excluded: HashSet<_> = history.excluded().into_iter().collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..access.threads).map(|_| scope.spawn(|| prove_all(access, &queue, findings))).collect();
        let mut known = HashSet::new();
        let mut fed = Ok(());
        'segments: for segment in history.segments().into_keys() {
            // What is wrong with a segment was told before.
            let Ok(body) = read_segment(access, segment) else { continue };
            let Ok(reader) = SegmentReader::parse(segment, &body) else { continue };
            for row in reader.packs() {
                if findings.progress.stopped() {
                    fed = Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
                    break 'segments;
                }
                let is_new = !excluded.contains(&row.facts().pack) && known.insert(row.facts().pack);
                if is_new && rows.send(row).is_err() {
                    break 'segments;
                }
            }
        }
        drop(rows);
        let worked =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        worked.collect::<Vec<Result<()>>>().into_iter().collect::<Result<()>>().and(fed)
    })
}

fn prove_all(access: &Access, queue: &Receiver<PackRow>, findings: &Findings<'_>) -> Result<()> {
    let mut prover = Prover { access, findings, decoder: FrameDecoder::new(), stored: Vec::new() };
    queue.iter().try_for_each(|row| prover.prove(&row))
}

struct Prover<'a> {
    access: &'a Access,
    findings: &'a Findings<'a>,
    decoder: FrameDecoder,
    stored: Vec<u8>,
}

impl Prover<'_> {
    fn prove(&mut self, row: &PackRow) -> Result<()> {
        let id = row.facts().pack;
        let pack = match open_pack(self.access, id) {
            Ok(pack) => pack,
            Err(error) if error.kind() == ErrorKind::Damaged => {
                self.findings.damage(damage(id, "header".to_owned(), error.to_string()), row.ids().iter().copied());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut hasher = PackHasher::new();
        let header_bytes = usize::try_from(row.frames().header_bytes()).unwrap_or(0);
        let mut whole = self.read(pack.object.as_ref(), 0, header_bytes);
        hasher.update(&self.stored);
        let mut chunk = 0usize;
        for frame in row.frames().frames() {
            let length = usize::try_from(frame.place.stored_bytes).unwrap_or(0);
            let read = self.read(pack.object.as_ref(), frame.place.offset.into(), length);
            hasher.update(&self.stored);
            let count = frame.lengths.len();
            let ids = row.ids().get(chunk..chunk.saturating_add(count)).unwrap_or_default();
            chunk = chunk.saturating_add(count);
            let proved = match &read {
                Ok(()) => self.prove_frame(&pack.opener, row, &frame, ids),
                Err(error) => Err(error.to_string()),
            };
            whole = whole.and(read);
            if let Err(wrong) = proved {
                let place = format!("frame {} at byte {}", frame.place.number, frame.place.offset);
                self.findings.damage(damage(id, place, wrong), ids.iter().copied());
            }
        }
        let end = row.frames().end_offset();
        let rest = usize::try_from(row.facts().bytes.saturating_sub(end.into())).unwrap_or(0);
        whole = whole.and(self.read(pack.object.as_ref(), end.into(), rest));
        hasher.update(&self.stored);
        self.prove_end(&pack.opener, row);
        if whole.is_ok() && hasher.id() != id {
            let wrong = "its bytes do not hash to its name".to_owned();
            self.findings.damage(damage(id, "as a whole".to_owned(), wrong), []);
        }
        self.findings.read(row.facts().bytes);
        Ok(())
    }

    /// Reads a part of the pack into the buffer; one that can't be read leaves the buffer empty.
    fn read(&mut self, object: &dyn crate::store::Object, offset: u64, length: usize) -> Result<()> {
        self.stored.resize(length, 0);
        object.read_at(offset, &mut self.stored).map_err(|error| {
            self.stored.clear();
            error.into()
        })
    }

    fn prove_frame(
        &mut self,
        opener: &PackOpener,
        row: &PackRow,
        frame: &crate::layout::FrameRow<'_>,
        ids: &[ChunkId],
    ) -> Result<(), String> {
        let plaintext =
            opener.open_frame(frame.place, &mut self.stored).map_err(|error| crate::error::chain(&error))?;
        let decoded = self.decoder.decode(plaintext).map_err(|error| crate::error::chain(&error))?;
        if decoded.lengths() != frame.lengths {
            return Err("its chunks have other lengths than the index says".to_owned());
        }
        let naming = &self.access.naming;
        for (bytes, id) in decoded.chunks().zip(ids) {
            let found = match row.facts().class {
                Class::Content => naming.chunk_ids.id(bytes),
                Class::Manifest | Class::Stat => naming.node_ids.id(bytes).as_chunk(),
            };
            if found != *id {
                return Err(format!("it holds {found} where the index says {id}"));
            }
        }
        Ok(())
    }

    /// Footer and trailer, which the buffer holds: a reader without the index needs them.
    fn prove_end(&mut self, opener: &PackOpener, row: &PackRow) {
        let id = row.facts().pack;
        let tail = self.stored.len().checked_sub(TRAILER_BYTES).and_then(|start| self.stored.get(start..));
        let Some(tail) = tail.and_then(|tail| tail.first_chunk::<TRAILER_BYTES>()).copied() else { return };
        let proved = Trailer::parse(Some(id), &tail, row.facts().bytes).and_then(|trailer| {
            let length = usize::try_from(trailer.footer_bytes).unwrap_or(usize::MAX).min(self.stored.len());
            opener.open_footer(&trailer, self.stored.get_mut(..length).unwrap_or_default())
        });
        let wrong = match proved {
            Ok(table) if table == *row.frames() => return,
            Ok(_) => "it lists other frames than the index says".to_owned(),
            Err(error) => crate::error::chain(&error),
        };
        self.findings.damage(damage(id, "footer".to_owned(), wrong), []);
    }
}
