//! Backing up: walk, compare, read, cut, claim, frame, seal, pack, store, publish.
//!
//! ```text
//! walk + join (1 thread) -> batches -> workers (one a core) -> finished rows, in order -> assemble (1 thread)
//!                                        |  full frames -> idle workers
//!                                        v
//!                                      packs -> checkpointer (1 thread: footers, fsync, segments, outcomes)
//! ```
//!
//! Every arrow is a bounded queue; memory does not depend on how many files there are or how long they are.

mod assemble;
mod components;
mod contents;
mod counted;
mod doubt;
mod entry;
mod file;
mod foreign;
mod join;
mod links;
mod losses;
mod metadata;
mod old_leaves;
mod options;
mod owners;
mod parent;
mod pipeline;
mod problem;
mod rehash;
mod stream;
mod unfinished;
mod waiting;
mod work;
mod workers;

pub use counted::Changes;
pub use foreign::{Foreign, run_foreign};
pub use metadata::is_untouched;
pub use options::{BackupOptions, BackupReport, ParentChoice};
pub use owners::OwnerNames;
pub use problem::{Problem, ProblemKind};
pub use rehash::{RehashShare, Rehashed};
pub use stream::{Need, StreamFate, StreamSource};
pub use unfinished::Unfinished;

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::Excerpt;
use crate::id::{ObjectHash, SnapshotId};
use crate::manifest::Key;
use crate::outcome::{Counts, OutcomeDescription, OutcomeKind, SegmentRef};
use crate::progress::{Event, Progress};
use crate::session::{
    self, BodyAttributes, ClientState, DescriptionAttributes, History, Imported, Packed, RunningSession,
};
use crate::session_record::SessionKind;
use crate::source::{Source, Trees, WalkOptions};
use crate::store::Protected;
use crate::wire::{Blob, List};
use components::Components;
use doubt::Doubt;
use losses::Losses;
use owners::ThisMachine;
use parent::Parent;
use pipeline::Parts;
use problem::Problems;
use rehash::Window;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Makes one snapshot of the trees and streams that the options name.
///
/// # Errors
/// When the repository fails, the caller stops, or nothing at all can be read. What single source items can't deliver
/// is in the report.
pub fn run(
    access: &Access,
    history: &History,
    state: &ClientState,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<BackupReport> {
    let walk = WalkOptions::default().selection(options.selection.clone());
    let walk = options.readers.map_or(walk.clone(), |readers| walk.thread_count(readers.get()));
    let source = match (options.paths.as_slice(), options.streams.is_empty()) {
        ([], false) => Source::nothing()?,
        (paths, _) => Source::open(paths, walk)?,
    };
    stream::check_names(&options.streams, &source)?;
    let trees: Arc<dyn Trees> = Arc::new(source);
    let material = Material {
        owners: &ThisMachine,
        paths: metadata::stated_paths(trees.arguments()),
        trees,
        kind: SessionKind::Backup,
        walk_start: WalkStart::Now,
        imported: None,
    };
    carry_out(access, history, state, (options, &material), progress)
}

/// What is backed up, and what the snapshot says of it.
struct Material<'a> {
    trees: Arc<dyn Trees>,
    owners: &'a dyn OwnerNames,
    /// The paths that the snapshot states for the trees.
    paths: Vec<Vec<u8>>,
    kind: SessionKind,
    walk_start: WalkStart,
    /// The snapshot of another tool that they are.
    imported: Option<Imported>,
}

/// When the trees began to be read.
#[derive(Clone, Copy)]
enum WalkStart {
    /// When this run walks.
    Now,
    /// In nanoseconds since the epoch, by whoever did.
    At(i64),
}

fn carry_out(
    access: &Access,
    history: &History,
    state: &ClientState,
    (options, material): (&BackupOptions, &Material<'_>),
    progress: &dyn Progress,
) -> Result<BackupReport> {
    let started = std::time::Instant::now();
    let recovered = session::finish_interrupted(access, history, state.client)?;
    let number = history.next_number(state.client);
    let main = session::open(access, state.client, number, material.kind, &options.writer)?;
    let attempt = Attempt { access, state, options, material, main };
    let outcome = attempt.run(progress);
    if outcome.is_err() {
        main.abort(access);
    }
    let mut report = outcome.map_err(|error| error.if_stopped("what was stored so far is reused by the next run"))?;
    report.recovered_pack_count = recovered.pack_count;
    report.duration = started.elapsed();
    Ok(report)
}

/// One run after its main session is open. What the store says is read again now: whatever a collector does from here
/// on sees the session.
struct Attempt<'a> {
    access: &'a Access,
    state: &'a ClientState,
    options: &'a BackupOptions,
    material: &'a Material<'a>,
    main: RunningSession,
}

impl Attempt<'_> {
    fn run(&self, progress: &dyn Progress) -> Result<BackupReport> {
        let history = History::load(self.access)?;
        let absent = session::take_stock(self.access, &history)?;
        let (material, losses) = (self.material, Losses::new(self.access));
        let parent = if material.trees.arguments().is_empty() {
            None
        } else {
            parent::choose(self.access, &history, self.options, self.state.client, (&material.paths, &losses))?
        };
        if let Some(parent) = &parent {
            progress.event(&Event::Estimated { files: parent.counts.files, bytes: parent.counts.bytes });
        }
        let problems = Problems::new(progress);
        let walk_started_ns = match material.walk_start {
            WalkStart::Now => session::now_ns(),
            WalkStart::At(started_ns) => started_ns,
        };
        let window = self.window(parent.as_ref(), &losses)?;
        let doubt = Doubt::of(&history, absent, (&self.options.writer.host, &material.paths));
        let run = pipeline::Run {
            access: self.access,
            source: &material.trees,
            inputs: &self.options.streams,
            writer: &self.options.writer,
            main: self.main,
            parent: parent.as_ref(),
            window: window.as_ref(),
            doubt: self.unsettled(doubt.as_ref(), parent.as_ref())?,
            losses: &losses,
            compression: self.options.compression,
            fault: self.options.fault.as_ref(),
            readers: self.options.readers.map_or(self.access.threads, NonZeroUsize::get),
            problems: &problems,
            progress,
        };
        let (parts, mut stored) = run.store()?;
        let problems = problems.into_report();
        let has_stream = parts.streams.iter().any(|kept| matches!(kept.fate, StreamFate::Stored { .. }));
        // What a command delivered is kept whatever became of the trees.
        if let Some(trees) = parts.trees.as_ref().filter(|trees| trees.is_bare() && !has_stream) {
            if problems.count() > 0 {
                return Err(nothing_read(&problems));
            }
            if let Some(unfinished) = &trees.unfinished {
                return Err(nothing_in_time(unfinished));
            }
        }
        let published = stored.main.publish(self.access)?;
        let made = components::of(&parts, &self.options.streams, parent.as_ref(), (walk_started_ns, material.owners));
        let counts = made.counts();
        let rehashed_to = rehash::position(window.as_ref(), parts.trees.as_ref(), parent.as_ref());
        let description = self.description(&made, parent.as_ref(), rehashed_to);
        let hash = self.commit(&history, &stored, published.references(), made, &description)?;
        published.apply_last(self.access);
        let snapshot = SnapshotId::from(hash);
        if let Some(doubt) = &doubt {
            doubt.settle(self.access, snapshot);
        }
        losses.tell();
        let parent = parent.map(|parent| parent.id);
        Ok(BackupReport { problems, ..self.report(snapshot, parent, counts, &parts, &stored) })
    }

    /// Which unchanged files this run reads again.
    fn window(&self, parent: Option<&Parent>, losses: &Losses<'_>) -> Result<Option<Window>> {
        let (Some(share), Some(parent)) = (self.options.rehash, parent) else { return Ok(None) };
        Window::plan(&ContentReader::new(self.access.clone()), parent, share, losses)
    }

    /// What may be lost of what the parent holds, unless it was made when that was lost already.
    fn unsettled<'d>(&self, doubt: Option<&'d Doubt>, parent: Option<&Parent>) -> Result<Option<&'d Doubt>> {
        let (Some(doubt), Some(parent)) = (doubt, parent) else { return Ok(None) };
        let is_settled = doubt.is_settled(self.access, parent)?;
        Ok(Some(doubt).filter(|_| !is_settled))
    }

    fn report(
        &self,
        snapshot: SnapshotId,
        parent: Option<SnapshotId>,
        counts: Counts,
        parts: &Parts,
        stored: &Packed,
    ) -> BackupReport {
        let names = self.options.streams.iter().map(|stream| stream.name.clone());
        let fates = parts.streams.iter().map(|kept| kept.fate.clone());
        BackupReport {
            snapshot,
            parent,
            counts,
            changes: parts.trees.as_ref().map(|trees| trees.changes).unwrap_or_default(),
            streams: names.zip(fates).collect(),
            content_raw_bytes: stored.content.raw_bytes,
            content_stored_bytes: stored.content.stored_bytes,
            content_chunk_count: stored.content.chunk_count,
            tree_raw_bytes: stored.trees.raw_bytes,
            tree_stored_bytes: stored.trees.stored_bytes,
            protected: Protected::default(),
            recovered_pack_count: 0,
            left_out_count: parts.trees.as_ref().map_or(0, |trees| trees.left_out_count),
            rehashed: self.options.rehash.map(|_| parts.trees.as_ref().map(|trees| trees.rehashed).unwrap_or_default()),
            unfinished: parts.trees.as_ref().and_then(|trees| trees.unfinished.clone()),
            problems: Excerpt::default(),
            notices: Vec::new(),
            duration: std::time::Duration::ZERO,
        }
    }

    fn commit(
        &self,
        history: &History,
        stored: &Packed,
        segments: Vec<SegmentRef>,
        made: Components,
        description: &OutcomeDescription,
    ) -> Result<ObjectHash> {
        let mut body = self.main.outcome(OutcomeKind::Snapshot, stored.main.pack_ids(), segments);
        body.time_ns = self.options.time_ns.unwrap_or(body.committed_at_ns);
        body.components = List(made.components);
        body.attributes = BodyAttributes {
            walk_starts_ns: made.walk_starts_ns,
            written: Some(stored.written()),
            ..BodyAttributes::default()
        }
        .encode();
        session::commit_seen(self.access, self.main, self.state, history.seen(), body, Some(description))
    }

    fn description(&self, made: &Components, parent: Option<&Parent>, rehashed_to: Option<&Key>) -> OutcomeDescription {
        let attributes = DescriptionAttributes { imported: self.material.imported, rehashed_to: rehashed_to.cloned() };
        let trees = self.material.paths.iter().cloned();
        let streams = self.options.streams.iter().map(|stream| [b"/", stream.name.as_slice()].concat());
        OutcomeDescription {
            host: Blob(self.options.writer.host.clone()),
            user: Blob(self.options.writer.user.clone()),
            paths: List(trees.chain(streams).map(Blob).collect()),
            tags: List(self.options.tags.iter().cloned().map(Blob).collect()),
            program: Blob::from(concat!("holdall ", env!("CARGO_PKG_VERSION"))),
            parent: parent.map(|parent| parent.id),
            components: List(made.descriptions.clone()),
            attributes: attributes.encode(),
        }
    }
}

fn nothing_read(problems: &[Problem]) -> Error {
    let first = problems.first().map_or("nothing was found", |problem| problem.message.as_str());
    Error::new(ErrorKind::NotFound, format!("nothing could be read, so no snapshot was made: {first}"))
}

fn nothing_in_time(unfinished: &Unfinished) -> Error {
    Error::new(ErrorKind::NotFound, format!("nothing was read in time, so no snapshot was made: {unfinished}"))
}

fn unstorable(key: &Key, why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("the attributes of {key:?} can't be stored: {why}"))
}

#[cfg(test)]
mod tests;
