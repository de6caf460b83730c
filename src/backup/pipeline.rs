//! The threads of a backup and the bounded queues between them.

use crate::access::Access;
use crate::backup::assemble::{Assembled, Assembler, OldTrees};
use crate::backup::doubt::{Doubt, Questions};
use crate::backup::join::{self, Join, ParentStats};
use crate::backup::links::Wholeness;
use crate::backup::losses::Losses;
use crate::backup::old_leaves::OldLeaves;
use crate::backup::parent::Parent;
use crate::backup::problem::Problems;
use crate::backup::rehash::{DueFiles, Tally, Window};
use crate::backup::stream::{Kept, StreamSource};
use crate::backup::work::{Finished, FinishedRow, FreshRow, Row, SMALL_FILE_BYTES_MAX, Shared, Worker};
use crate::backup::workers::{Task, work};
use crate::content::{ContentReader, Framer, NodeWriter, SurplusSender, surplus};
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::frame::{Compression, EncoderFault};
use crate::progress::{Event, Progress};
use crate::session::{OpenPacks, Packed, Packing, RunningSession, Writer};
use crate::source::Trees;
use crate::threads;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

/// How many batches may be between the walk and the trees: at most so many times 512 rows.
const BATCHES_MAX: usize = 32;

/// What a run works with.
pub(super) struct Run<'a> {
    /// The repository.
    pub access: &'a Access,
    /// The trees that are backed up; there may be none.
    pub source: &'a Arc<dyn Trees>,
    /// What else is.
    pub inputs: &'a [StreamSource],
    /// Who backs up.
    pub writer: &'a Writer,
    /// The session that will make the snapshot.
    pub main: RunningSession,
    /// What to compare with.
    pub parent: Option<&'a Parent>,
    /// Which of the files that did not change are read again.
    pub window: Option<&'a Window>,
    /// Whether anything that files which did not change were made of may be lost.
    pub doubt: Option<&'a Doubt>,
    /// Where it is noted what of the parent can't be read.
    pub losses: &'a Losses<'a>,
    /// How to compress.
    pub compression: Compression,
    /// A defect of the encoder, on purpose.
    pub fault: Option<&'a EncoderFault>,
    /// How many workers read; those above that number only compress what others have read.
    pub readers: usize,
    /// Where problems of the source go.
    pub problems: &'a Problems<'a>,
    /// Who wants to know.
    pub progress: &'a dyn Progress,
}

/// What a run made, each with a manifest of its own.
pub(super) struct Parts {
    /// The trees, which are one component; none when none was named.
    pub trees: Option<Assembled>,
    /// The streams, in the order in which they were given.
    pub streams: Vec<Kept>,
}

impl Run<'_> {
    /// Stores everything that is new, and builds the trees: streams first, for a command that fails is soon known. Content
    /// is committed in checkpoints on the way.
    ///
    /// # Errors
    /// The first failure of the repository, or the caller's wish to stop.
    pub(super) fn store(&self) -> Result<(Parts, Packed)> {
        let (access, main, writer) = (self.access, self.main, self.writer);
        let (compression, fault) = (self.compression, self.fault);
        Packing { access, main, writer, compression, fault }.run(|packs| self.fill(&packs))
    }

    /// Runs everything above the packs.
    fn fill(&self, packs: &OpenPacks) -> Result<Parts> {
        let nodes = Mutex::new(packs.manifest_writer());
        let shared = Shared {
            access: self.access,
            source: self.source.as_ref(),
            claims: &packs.claims,
            nodes: &nodes,
            problems: self.problems,
            progress: self.progress,
            member_count: AtomicU64::new(0),
            left_out_count: AtomicU64::new(0),
            not_taken: OnceLock::new(),
            cut_short_count: AtomicU64::new(0),
            listed: Mutex::default(),
            rehash: Tally::default(),
        };
        let reader = ContentReader::new(self.access.clone());
        let parts = self.parts(&shared, packs, || self.pass_through(&shared, packs, &reader, packs.stat_writer()));
        if parts.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::CommandFailed))
        {
            // What was stored until now is committed, so that the next run finds it.
            packs.content.end()?;
        }
        let parts = parts?;
        packs.end()?;
        Ok(parts)
    }

    fn parts(
        &self,
        shared: &Shared<'_>,
        packs: &OpenPacks,
        trees: impl FnOnce() -> Result<Assembled>,
    ) -> Result<Parts> {
        let kept = self.store_streams(shared, packs)?;
        let named = !self.source.arguments().is_empty();
        Ok(Parts { trees: named.then(trees).transpose()?, streams: kept })
    }

    /// A worker that hands what it has too much to `surplus`.
    pub(super) fn worker<'s>(&self, shared: &'s Shared<'s>, packs: &OpenPacks, surplus: SurplusSender) -> Worker<'s> {
        Worker::new(shared, Framer::new(self.access, packs.content_writer(), surplus))
    }

    fn pass_through(
        &self,
        shared: &Shared<'_>,
        packs: &OpenPacks,
        reader: &ContentReader,
        stat_nodes: NodeWriter,
    ) -> Result<Assembled> {
        let (task_sender, tasks) = bounded::<Task>(self.readers);
        let (ordered_sender, ordered) = bounded::<Receiver<Finished>>(BATCHES_MAX);
        let (surplus_sender, surplus) = surplus();
        std::thread::scope(|scope| {
            let mut workers = Vec::new();
            for _ in 0..self.readers {
                let worker = self.worker(shared, packs, surplus_sender.clone());
                let (tasks, surplus) = (tasks.clone(), surplus.clone());
                workers.push(threads::start(scope, move || work(worker, &tasks, &surplus))?);
            }
            for _ in self.readers..self.access.threads {
                let (mut writer, surplus) = (packs.content_writer(), surplus.clone());
                workers.push(threads::start(scope, move || surplus.store_all(&mut writer))?);
            }
            // Its own as well: what the last stage reads, idle workers compress.
            let worker = self.worker(shared, packs, surplus_sender);
            drop((tasks, surplus));
            let walk = threads::start(scope, move || self.walk(shared, reader, &task_sender, &ordered_sender))?;
            let assembled = self.assemble(worker, reader, stat_nodes, &ordered);
            // Whoever still sends must notice that nobody receives.
            drop(ordered);
            let walked = threads::join(walk);
            let worked: Result<Vec<()>> = workers.into_iter().map(threads::join).collect();
            root_cause(worked.map(drop), walked, assembled)
        })
    }

    /// The first stage. A batch without anything to read skips the workers.
    fn walk(
        &self,
        shared: &Shared<'_>,
        reader: &ContentReader,
        tasks: &Sender<Task>,
        ordered: &Sender<Receiver<Finished>>,
    ) -> Result<()> {
        let parent = ParentStats::new(reader, self.parent, self.losses);
        let due = self.window.map(|window| DueFiles::new(reader, window, self.losses));
        let questions = self.doubt.map(|doubt| Questions::new(reader, doubt, self.losses));
        let mut join = Join::new(self.access, parent, self.problems, (questions, due));
        for step in Arc::clone(self.source).steps() {
            check_stopped(self.progress)?;
            if self.progress.enough() {
                // What is behind an entry that can't even be looked at is found by the next one.
                if let Some(key) = join::key_of(&step) {
                    let _ = shared.not_taken.set(key.clone());
                    break;
                }
            }
            if let Some(walked) = join::taken(step, shared)
                && let Some(batch) = join.take(walked)?
            {
                send(batch, tasks, ordered)?;
            }
        }
        send(join.end(), tasks, ordered)
    }

    /// The last stage, in key order whatever the order in which batches are finished.
    fn assemble(
        &self,
        worker: Worker<'_>,
        reader: &ContentReader,
        stat_nodes: NodeWriter,
        ordered: &Receiver<Receiver<Finished>>,
    ) -> Result<Assembled> {
        let parts = || self.parent.into_iter().flat_map(|parent| &parent.parts);
        let manifest = OldLeaves::new(reader, self.losses, parts().map(|part| (part.manifest, part.end.clone())))?;
        let stat = OldLeaves::new(reader, self.losses, parts().map(|part| (part.stat, part.end.clone())))?;
        let old = manifest.zip(stat).map(|(manifest, stat)| OldTrees { manifest, stat });
        let mut assembler = Assembler::new(worker, stat_nodes, (old, self.losses));
        for batch in ordered {
            let rows = batch.recv().map_err(|_| gone("a worker"))?;
            self.tell(&rows);
            assembler.take(rows)?;
        }
        assembler.finish()
    }

    fn tell(&self, rows: &Finished) {
        let (mut files, mut bytes) = (0u64, 0u64);
        for row in rows {
            let (kind, size) = match row {
                FinishedRow::Unchanged(standing) | FinishedRow::Rehashed(standing) => {
                    (standing.row.kind, standing.row.size)
                }
                FinishedRow::Fresh(FreshRow { wholeness: Wholeness::Lacking, .. }) => continue,
                FinishedRow::Fresh(FreshRow { stat, wholeness: Wholeness::Whole, .. }) => (stat.kind, stat.size),
                FinishedRow::Link(walked, _) => (walked.stat.kind, walked.stat.size),
            };
            if kind == crate::manifest::Kind::File {
                files = files.saturating_add(1);
                // Of a long file was told while it was read.
                let was_read = matches!(row, FinishedRow::Fresh(_) | FinishedRow::Rehashed(..));
                let was_told = size > SMALL_FILE_BYTES_MAX && was_read;
                bytes = bytes.saturating_add(if was_told { 0 } else { size });
            }
        }
        self.progress.event(&Event::Processed { files, bytes });
    }
}

fn send(batch: Vec<Row>, tasks: &Sender<Task>, ordered: &Sender<Receiver<Finished>>) -> Result<()> {
    let (sender, receiver) = bounded(1);
    ordered.send(receiver).map_err(|_| gone("the last stage"))?;
    if batch.iter().any(|row| !matches!(row, Row::Unchanged(_))) {
        return tasks.send((batch, sender)).map_err(|_| gone("every worker"));
    }
    let rows = batch.into_iter().filter_map(|row| match row {
        Row::Unchanged(standing) => Some(FinishedRow::Unchanged(standing)),
        Row::Due(_) | Row::Fresh(..) | Row::Link(..) => None,
    });
    sender.send(rows.collect()).map_err(|_| gone("the last stage"))
}

/// Of several failures the one that caused the others: those say only that somebody else is gone.
fn root_cause(worked: Result<()>, walked: Result<()>, assembled: Result<Assembled>) -> Result<Assembled> {
    let mut failures = Vec::new();
    let assembled = match assembled {
        Ok(assembled) => Some(assembled),
        Err(error) => {
            failures.push(error);
            None
        }
    };
    failures.extend(worked.err());
    failures.extend(walked.err());
    let cause = failures.iter().position(|error| error.kind() != ErrorKind::Aborted).unwrap_or(0);
    match assembled {
        Some(assembled) if failures.is_empty() => Ok(assembled),
        _ if cause < failures.len() => Err(failures.swap_remove(cause)),
        _ => Err(gone("a stage")),
    }
}

fn gone(who: &str) -> Error {
    Error::new(ErrorKind::Aborted, format!("{who} of the backup has stopped"))
}
