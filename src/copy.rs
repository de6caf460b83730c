//! Copying snapshots from another repository into this one, which may have other keys and parameters.
//!
//! Oldest first, each in a session of its own that is open before anything is looked up: a prune at the destination waits
//! for it. What has not changed since a snapshot that was copied before is taken from that copy, unread; of the rest the
//! source's entries are read in order, and their content is stored under the destination's own names and keys. Where both
//! repositories name and cut alike, a chunk is read only if the destination lacks it; otherwise content is cut anew. A
//! source is only read: what a prune there moves meanwhile is found where it is then.
//!
//! A snapshot of which anything can't be read is not made at all: what stands in the destination is whole. Where it is the
//! earlier snapshot or its copy that can't be read, the one at hand is read whole, as if it were the first.

mod base;
mod entry;
mod links;
mod options;
mod plan;
mod tree;

pub use options::{CopiedSnapshot, CopyOptions, CopyReport, LackingSnapshot};
pub use plan::{CopyPlan, CopyWanted, PresentCopy, Way};

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::SnapshotId;
use crate::outcome::{
    Component, ComponentDescription, ComponentState, OutcomeDescription, OutcomeKind, OwnerName, SegmentRef,
};
use crate::progress::{Event, Gravity, Progress};
use crate::session::{
    self, BodyAttributes, DescriptionAttributes, History, Intake, Packed, Packing, RunningSession, Snapshot,
    SnapshotComponent, check_may_open,
};
use crate::session_record::SessionKind;
use crate::wire::{Blob, List};
use base::Base;
use entry::Entries;
use options::Lacks;
use plan::Copies;
use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

/// Says what a copy would do.
///
/// # Errors
/// [`ErrorKind::Invalid`] when both are the same repository; when a store can't be read.
pub fn plan(from: &Access, to: &Access, wanted: CopyWanted) -> Result<CopyPlan> {
    plan::make(from, to, wanted)
}

/// Copies as planned. What can't be read in the source is in the report; the snapshots that it belongs to are not made.
///
/// # Errors
/// [`ErrorKind::Denied`] when the destination's key may not make snapshots; when the destination fails, or the caller
/// stops. What was copied until then stands, and another run goes on.
pub fn run(
    from: &Access,
    to: &Access,
    plan: CopyPlan,
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<CopyReport> {
    let started = Instant::now();
    check_may_open(to, SessionKind::Copy)?;
    let (state, history) = (session::load(to)?, History::load(to)?);
    session::finish_interrupted(to, &history, state.client)?;
    let CopyPlan { to_copy, present, forgotten, way } = plan;
    tell_estimate(&to_copy, progress);
    let mut report = CopyReport { present, forgotten, ..CopyReport::default() };
    let mut copying = Copying {
        from,
        to,
        options,
        way,
        progress,
        reader: ContentReader::new(from.clone()),
        number: history.next_number(state.client),
    };
    for snapshot in &to_copy {
        copying.one(snapshot, &mut report).map_err(|error| error.if_stopped("run it again to go on"))?;
    }
    report.duration = started.elapsed();
    Ok(report)
}

fn tell_estimate(snapshots: &[Snapshot], progress: &dyn Progress) {
    let counts = snapshots.iter().map(Snapshot::counts);
    let (files, bytes) = counts.fold((0u64, 0u64), |(files, bytes), counts| {
        (files.saturating_add(counts.files), bytes.saturating_add(counts.bytes))
    });
    progress.event(&Event::Estimated { files, bytes });
}

/// One run.
struct Copying<'a> {
    from: &'a Access,
    to: &'a Access,
    options: &'a CopyOptions,
    way: Way,
    progress: &'a dyn Progress,
    /// Reads the source.
    reader: ContentReader,
    /// The first session number that may be free.
    number: u64,
}

/// What became of one snapshot.
enum Fate {
    Copied(SnapshotId),
    /// Somebody else copied it meanwhile.
    Present(SnapshotId),
    /// Parts of the source can't be read.
    Lacking(Lacks),
    /// Trees can't be read that it was to be built upon, or its own: what to tell if it was not its own.
    Baseless(String),
}

/// What a copy may be built upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upon {
    AnEarlierCopy,
    Nothing,
}

impl Copying<'_> {
    fn one(&mut self, source: &Snapshot, report: &mut CopyReport) -> Result<()> {
        let mut fate = self.attempt(source, Upon::AnEarlierCopy, report)?;
        if let Fate::Baseless(told) = fate {
            fate = self.attempt(source, Upon::Nothing, report)?;
            if matches!(fate, Fate::Copied(_)) {
                report.notices.push(told);
            }
        }
        match fate {
            Fate::Copied(copy) => {
                report.copied.push(CopiedSnapshot { source: source.id, time_ns: source.time_ns, copy })
            }
            Fate::Present(copy) => {
                report.present.push(PresentCopy { source: source.id, time_ns: source.time_ns, copy })
            }
            Fate::Lacking(_) if self.was_forgotten(source)? => report.gone.push(source.id),
            Fate::Lacking(lacks) => report.lacking.push(lacks.of(source)),
            Fate::Baseless(told) => return Err(Error::new(ErrorKind::Damaged, told)),
        }
        Ok(())
    }

    fn attempt(&mut self, source: &Snapshot, upon: Upon, report: &mut CopyReport) -> Result<Fate> {
        check_stopped(self.progress)?;
        let state = session::load(self.to)?;
        let main = session::open(self.to, state.client, self.number, SessionKind::Copy, &self.options.writer)?;
        self.number = main.id.number.saturating_add(1);
        let fate = self.make((source, upon), main, &state, report);
        if !matches!(fate, Ok(Fate::Copied(_))) {
            main.abort(self.to);
        }
        fate
    }

    /// Whether somebody forgot it in the source since it was chosen: then a prune there may have taken what it needs.
    fn was_forgotten(&self, source: &Snapshot) -> Result<bool> {
        let is_it = |snapshot: &Snapshot| snapshot.id == source.id && snapshot.forgotten;
        Ok(!source.forgotten && session::all(&History::load(self.from)?).iter().any(is_it))
    }

    fn make(
        &self,
        (source, upon): (&Snapshot, Upon),
        main: RunningSession,
        state: &session::ClientState,
        report: &mut CopyReport,
    ) -> Result<Fate> {
        let history = History::load(self.to)?;
        session::take_stock(self.to, &history)?;
        let copies = Copies::of(self.to, &history);
        if let Some(copy) = copies.live(source.first(self.from.chain.repository())) {
            return Ok(Fate::Present(copy));
        }
        let base = match upon {
            Upon::AnEarlierCopy => base::choose(self.from, self.to, source, (&history, &copies))?,
            Upon::Nothing => None,
        };
        let reader = ContentReader::new(self.to.clone());
        let (writer, compression) = (&self.options.writer, self.options.compression);
        let packing = Packing { access: self.to, main, writer, compression, fault: None };
        let (made, mut stored) = packing.gather(|intake| {
            let made = self.components(source, base.as_ref(), &reader, intake);
            made.map(Ok).or_else(|stopped| stopped.of_base().map(Err))
        })?;
        let (made, lacks) = match (made, &base) {
            (Ok(made), _) => made,
            (Err(error), Some(base)) => return Ok(Fate::Baseless(base.unreadable(source, &error))),
            (Err(error), None) => return Err(error),
        };
        if !lacks.is_empty() {
            return Ok(Fate::Lacking(lacks));
        }
        let published = stored.main.publish(self.to)?;
        let body = body(source, &made, main, &stored, published.references(), self.from);
        let description = describe(source, base.as_ref());
        let hash = session::commit_seen(self.to, main, state, history.seen(), body, Some(&description))?;
        published.apply_last(self.to);
        report.add(&stored);
        Ok(Fate::Copied(SnapshotId::from(hash)))
    }

    /// All components, and what can't be read of them.
    ///
    /// # Errors
    /// [`Stopped::Base`]; when the destination fails, or the caller stops.
    fn components(
        &self,
        source: &Snapshot,
        base: Option<&Base>,
        reader: &ContentReader,
        intake: &mut Intake<'_>,
    ) -> Result<(Vec<Component>, Lacks), Stopped> {
        let mut lacks = Lacks::default();
        let mut made = Vec::new();
        let told = Told::new(self.progress);
        for component in &source.components {
            let earlier = base.and_then(|base| base.component(component));
            let trees = tree::Trees { source: &self.reader, copy: reader, earlier };
            let mut entries = Entries::new((&self.reader, component.manifest), self.to, self.way, &mut lacks, &told);
            let manifest = component.manifest.map(|root| trees.manifest(root, &mut entries, intake)).transpose()?;
            let stat = component.stat.map(|root| trees.stat(root, &mut lacks, intake)).transpose()?;
            made.push(Component {
                kind: component.kind,
                required: component.required && component.state != ComponentState::Missing,
                state: component.state,
                manifest: manifest.flatten(),
                stat: stat.flatten(),
                counts: component.counts,
            });
        }
        told.all(source);
        Ok((made, lacks))
    }
}

/// How much of a snapshot was told to be done.
struct Told<'a> {
    progress: &'a dyn Progress,
    files: Cell<u64>,
    bytes: Cell<u64>,
}

impl<'a> Told<'a> {
    const fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, files: Cell::new(0), bytes: Cell::new(0) }
    }

    fn file(&self, bytes: u64) {
        self.files.set(self.files.get().saturating_add(1));
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.progress.event(&Event::Processed { files: 1, bytes });
    }

    fn problem(&self, path: &Path, error: &Error) {
        let message = crate::error::chain(error);
        let gravity = Gravity::Trouble;
        self.progress.event(&Event::Problem { path, operation: "copy", message: &message, gravity });
    }

    /// Tells what was not told, because it was taken from an earlier copy.
    fn all(self, snapshot: &Snapshot) {
        let counts = snapshot.counts();
        let (files, bytes) =
            (counts.files.saturating_sub(self.files.get()), counts.bytes.saturating_sub(self.bytes.get()));
        self.progress.event(&Event::Processed { files, bytes });
    }
}

fn body(
    source: &Snapshot,
    made: &[Component],
    main: RunningSession,
    stored: &Packed,
    segments: Vec<SegmentRef>,
    from: &Access,
) -> crate::outcome::OutcomeBody {
    let mut body = main.outcome(OutcomeKind::Snapshot, stored.main.pack_ids(), segments);
    body.time_ns = source.time_ns;
    body.components = List(made.to_vec());
    body.attributes = BodyAttributes {
        walk_starts_ns: source.components.iter().map(|component| component.walk_started_ns).collect(),
        repairs: None,
        copy_of: Some(source.first(from.chain.repository())),
        written: Some(stored.written()),
    }
    .encode();
    body
}

fn describe(source: &Snapshot, base: Option<&Base>) -> OutcomeDescription {
    let origin = source.origin.clone().unwrap_or_default();
    let blobs = |list: Vec<Vec<u8>>| List(list.into_iter().map(Blob).collect());
    OutcomeDescription {
        host: Blob(origin.host),
        user: Blob(origin.user),
        paths: blobs(origin.paths),
        tags: blobs(origin.tags),
        program: Blob(origin.program),
        parent: base.map(|base| base.copy.id),
        components: List(source.components.iter().map(describe_component).collect()),
        attributes: DescriptionAttributes { imported: origin.imported, rehashed_to: None }.encode(),
    }
}

fn describe_component(component: &SnapshotComponent) -> ComponentDescription {
    let names = |list: &[(u32, Vec<u8>)]| {
        List(list.iter().map(|(id, name)| OwnerName { id: *id, name: Blob(name.clone()) }).collect())
    };
    ComponentDescription {
        name: Blob(component.name.clone()),
        reason: Blob(component.reason.clone()),
        users: names(&component.users),
        groups: names(&component.groups),
    }
}

/// What ends the reading of a part of the source: its own trouble, which the run survives; that of what the copy is built
/// upon, without which it can be made; or the run's.
enum Stopped {
    Source(Error),
    Base(Error),
    Run(Error),
}

impl Stopped {
    /// The trouble of what the copy is built upon.
    ///
    /// # Errors
    /// Any other.
    fn of_base(self) -> Result<Error> {
        match self {
            Self::Base(error) => Ok(error),
            Self::Source(error) | Self::Run(error) => Err(error),
        }
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

/// An error of the source.
fn of_source(error: impl Into<Error>) -> Stopped {
    let error = error.into();
    // What memory or this machine can't do is nothing that the source lacks.
    use ErrorKind::{Damaged, Denied, Io, NotFound, Unsupported};
    let is_its_own = matches!(error.kind(), Damaged | Denied | Io | NotFound | Unsupported);
    if is_its_own { Stopped::Source(error) } else { Stopped::Run(error) }
}

/// An error of what the copy is built upon, here or in the source.
fn of_base(error: impl Into<Error>) -> Stopped {
    match of_source(error) {
        Stopped::Source(error) => Stopped::Base(error),
        stopped @ (Stopped::Base(_) | Stopped::Run(_)) => stopped,
    }
}

#[cfg(test)]
mod tests;
