//! Corrected snapshots: beside each snapshot that misses something, one that holds all the rest.

mod correct;

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::id::{NodeId, SnapshotId};
use crate::index::{Excluded, Scratch};
use crate::layout::Class;
use crate::manifest::{NodeSink, NodeSource};
use crate::outcome::{Component, ComponentDescription, ComponentState, OutcomeDescription, OwnerName};
use crate::progress::{Event, Progress};
use crate::repair::aside::AilingPacks;
use crate::repair::look::{IndexLook, notices};
use crate::repair::missing::{Missing, SnapshotRepair, SnapshotRepairPlan, SnapshotRepairReport};
use crate::repair::options::RepairOptions;
use crate::repair::wanted::{self, Damaged, Wanted};
use crate::session::{
    self, Batch, Beating, BodyAttributes, History, Snapshot, SnapshotDraft, check_may_open, steadily,
};
use crate::session_record::SessionKind;
use crate::wire::{Blob, List};
use correct::{Corrected, Correction};
use std::collections::{BTreeSet, HashSet};

/// The most that is said of why a component is partial.
const REASON_BYTES_MAX: usize = 60_000;

/// Finds the snapshots that miss something, and what a corrected one would lack. Changes nothing. What lies in packs that
/// are damaged and were not set aside is taken to be there. Time: every distinct tree node is read, and those of damaged
/// snapshots once more for each.
///
/// # Errors
/// [`crate::ErrorKind::Damaged`] while the index itself has to be repaired; when the store can't be read, or the caller stops.
pub fn plan_snapshots(access: &Access, progress: &dyn Progress) -> Result<SnapshotRepairPlan> {
    steadily(access, || plan(access, progress))
}

fn plan(access: &Access, progress: &dyn Progress) -> Result<SnapshotRepairPlan> {
    let look = Look::take(access, progress)?;
    let mut plan = SnapshotRepairPlan {
        notices: notices(access, &look.history, &BTreeSet::new())?,
        ..SnapshotRepairPlan::default()
    };
    for snapshot in &look.damaged {
        let made = look.correct(snapshot, &mut Unstored(access), progress)?;
        match look.standing(snapshot, &made) {
            _ if nothing_is_left(&made) => plan.beyond.push(snapshot.id),
            Some(standing) => plan.repaired.push(repair_of(snapshot, Some(standing), made)),
            None => plan.damaged.push(repair_of(snapshot, None, made)),
        }
    }
    Ok(plan)
}

/// Makes a corrected snapshot beside each one that misses something, unless there is one that holds the same. The damaged
/// one stays as it is.
///
/// # Errors
/// [`crate::ErrorKind::Denied`] when the key's role may not make snapshots; when the store fails or the caller stops. Whatever
/// was committed until then stands, and another run goes on.
pub fn repair_snapshots(
    access: &Access,
    options: &RepairOptions,
    progress: &dyn Progress,
) -> Result<SnapshotRepairReport> {
    check_may_open(access, SessionKind::Copy)?;
    let started = std::time::Instant::now();
    let plan = plan_snapshots(access, progress)?;
    let SnapshotRepairPlan { damaged, repaired, beyond, notices } = plan;
    let mut report = SnapshotRepairReport { repaired, beyond, notices, ..SnapshotRepairReport::default() };
    for planned in &damaged {
        match steadily(access, || repair_one(access, options, planned.damaged, progress))? {
            Some(repair) => report.made.push(repair),
            None => report.notices.push(format!(
                "snapshot {} is passed over: a prune is under way, or somebody forgot or repaired it meanwhile; run it again",
                planned.damaged.short()
            )),
        }
    }
    report.duration = started.elapsed();
    Ok(report)
}

/// Makes one corrected snapshot, in a session that is open before anything is read: a prune waits for it, or had counted
/// the damaged snapshot as live when it condemned.
fn repair_one(
    access: &Access,
    options: &RepairOptions,
    damaged: SnapshotId,
    progress: &dyn Progress,
) -> Result<Option<SnapshotRepair>> {
    let session = Beating::open(access, &History::load(access)?, SessionKind::Copy, &options.writer)?;
    let mut batch = Batch::begin(access, session, options.compression)?;
    match repair_in(access, &mut batch, damaged, progress) {
        Ok(None) => {
            batch.abort(access);
            Ok(None)
        }
        Ok(repair) => Ok(repair),
        Err(error) => {
            batch.give_up(access, &error);
            Err(error)
        }
    }
}

fn repair_in(
    access: &Access,
    batch: &mut Batch,
    damaged: SnapshotId,
    progress: &dyn Progress,
) -> Result<Option<SnapshotRepair>> {
    let look = Look::take(access, progress)?;
    let Some(snapshot) = look.damaged.iter().find(|snapshot| snapshot.id == damaged) else { return Ok(None) };
    if !look.history.may_inherit(damaged) {
        return Ok(None);
    }
    let stored = access.scratch();
    let made = look.correct(snapshot, &mut Stored { access, batch, stored, reader: &look.reader }, progress)?;
    if nothing_is_left(&made) || look.standing(snapshot, &made).is_some() {
        return Ok(None);
    }
    let draft = draft(snapshot, &made);
    let id = batch.commit_snapshot(access, draft)?;
    Ok(Some(repair_of(snapshot, Some(id), made)))
}

/// What was seen.
struct Look<'a> {
    access: &'a Access,
    history: History,
    reader: ContentReader,
    wanted: Wanted,
    /// Live snapshots that miss something of their content, oldest first; no repaired one whose original is among the
    /// live ones.
    damaged: Vec<Snapshot>,
    /// Snapshots that were made by repairs and are whole.
    corrected: Vec<Snapshot>,
}

impl<'a> Look<'a> {
    fn take(access: &'a Access, progress: &dyn Progress) -> Result<Self> {
        let history = History::load(access)?;
        IndexLook::require_clean(access, &history, progress)?;
        session::bring_up_to_date(access, &history)?;
        // What lies in them must not hide that it is lost.
        access.index.exclude(&Excluded::packs(session::unseen_packs(access)?))?;
        progress.event(&Event::Phase("finding what is lost"));
        let wanted = wanted::find(access, &history, &AilingPacks::new(), progress)?;
        let reader = wanted::reader(access);
        let live: Vec<Snapshot> = session::all(&history).into_iter().filter(|snapshot| !snapshot.forgotten).collect();
        let mut look = Self { access, history, reader, wanted, damaged: Vec::new(), corrected: Vec::new() };
        if look.wanted.left_count > 0 {
            look.sort(live, progress)?;
        }
        Ok(look)
    }

    fn sort(&mut self, live: Vec<Snapshot>, progress: &dyn Progress) -> Result<()> {
        let ids: HashSet<SnapshotId> = live.iter().map(|snapshot| snapshot.id).collect();
        let mut search = Damaged::new(self.access);
        for snapshot in live {
            let is_damaged = search.is_damaged(&self.reader, &self.wanted, &snapshot, progress)?;
            let has_original = snapshot.repairs.is_some_and(|original| ids.contains(&original));
            match (is_damaged, has_original) {
                (false, true) => self.corrected.push(snapshot),
                (true, false) => self.damaged.push(snapshot),
                (false, false) | (true, true) => {}
            }
        }
        Ok(())
    }

    /// A whole snapshot that stands beside a damaged one already and holds what a correction would.
    fn standing(&self, damaged: &Snapshot, made: &[Made]) -> Option<SnapshotId> {
        let manifests = |snapshot: &Snapshot| snapshot.components.iter().map(|one| one.manifest).collect::<Vec<_>>();
        let wanted: Vec<Option<NodeId>> = made.iter().map(|made| made.component.manifest).collect();
        let fits = |other: &&Snapshot| other.repairs == Some(damaged.id) && manifests(other) == wanted;
        self.corrected.iter().find(fits).map(|snapshot| snapshot.id)
    }

    /// The components of a corrected snapshot.
    fn correct(&self, snapshot: &Snapshot, sink: &mut dyn TreeSink, progress: &dyn Progress) -> Result<Vec<Made>> {
        let mut all = Vec::new();
        for component in &snapshot.components {
            let (reader, wanted) = (&self.reader, &self.wanted);
            let correction = Correction { access: self.access, reader, wanted, progress };
            let corrected = correction.component(component, sink)?;
            let Corrected { component: body, missing } = corrected;
            let description = describe(component, snapshot.id, &missing);
            let walk_started_ns = if missing.is_empty() { component.walk_started_ns } else { i64::MIN };
            all.push(Made { component: body, description, missing, walk_started_ns });
        }
        Ok(all)
    }
}

/// A component of a corrected snapshot.
struct Made {
    component: Component,
    description: ComponentDescription,
    missing: Missing,
    walk_started_ns: i64,
}

fn nothing_is_left(made: &[Made]) -> bool {
    made.iter().all(|made| made.component.manifest.is_none())
}

fn repair_of(snapshot: &Snapshot, corrected: Option<SnapshotId>, made: Vec<Made>) -> SnapshotRepair {
    let mut missing = Missing::default();
    made.into_iter().for_each(|made| missing.add(made.missing));
    SnapshotRepair { damaged: snapshot.id, time_ns: snapshot.time_ns, corrected, missing }
}

fn describe(component: &session::SnapshotComponent, original: SnapshotId, missing: &Missing) -> ComponentDescription {
    let names = |list: &[(u32, Vec<u8>)]| {
        List(list.iter().map(|(id, name)| OwnerName { id: *id, name: Blob(name.clone()) }).collect())
    };
    let mut reason = if missing.is_empty() { Vec::new() } else { missing.reason(original).into_bytes() };
    reason.truncate(REASON_BYTES_MAX);
    ComponentDescription {
        name: Blob(component.name.clone()),
        reason: Blob(reason),
        users: names(&component.users),
        groups: names(&component.groups),
    }
}

fn draft(snapshot: &Snapshot, made: &[Made]) -> SnapshotDraft {
    let origin = snapshot.origin.clone().unwrap_or_default();
    let blobs = |list: Vec<Vec<u8>>| List(list.into_iter().map(Blob).collect());
    let description = OutcomeDescription {
        host: Blob(origin.host),
        user: Blob(origin.user),
        paths: blobs(origin.paths),
        tags: blobs(origin.tags),
        program: Blob::from(concat!("holdall ", env!("CARGO_PKG_VERSION"))),
        parent: Some(snapshot.id),
        components: List(made.iter().map(|made| made.description.clone()).collect()),
        ..OutcomeDescription::default()
    };
    let walk_starts_ns = made.iter().map(|made| made.walk_started_ns).collect();
    let repairs = Some(snapshot.id);
    SnapshotDraft {
        time_ns: snapshot.time_ns,
        components: made.iter().map(|made| made.component).collect(),
        attributes: BodyAttributes { walk_starts_ns, repairs, ..BodyAttributes::default() },
        description,
    }
}

/// Takes the nodes of a tree, which are of a class.
trait TreeSink {
    fn put(&mut self, class: Class, node: &[u8]) -> Result<NodeId>;
}

/// Only names the nodes.
struct Unstored<'a>(&'a Access);

impl TreeSink for Unstored<'_> {
    fn put(&mut self, _class: Class, node: &[u8]) -> Result<NodeId> {
        Ok(self.0.naming.node_ids.id(node))
    }
}

/// Stores the nodes that can't be read from elsewhere.
struct Stored<'a> {
    access: &'a Access,
    batch: &'a mut Batch,
    stored: Box<dyn Scratch>,
    reader: &'a ContentReader,
}

impl TreeSink for Stored<'_> {
    fn put(&mut self, class: Class, node: &[u8]) -> Result<NodeId> {
        let id = self.access.naming.node_ids.id(node);
        if self.stored.get(id.as_bytes())?.is_some() {
            return Ok(id);
        }
        self.stored.put(id.as_bytes(), &[])?;
        let mut found = Vec::new();
        self.access.index.lookup(&[id.as_chunk()], &mut found)?;
        let is_hit = found.iter().any(Option::is_some);
        // What is listed may lie in a pack that is damaged and was not set aside.
        if !is_hit || self.reader.node(id).is_err() {
            self.batch.add(self.access, class, id.as_chunk(), node)?;
        }
        Ok(id)
    }
}

/// The nodes of one tree on their way.
struct OfClass<'a> {
    sink: &'a mut dyn TreeSink,
    class: Class,
}

impl NodeSink for OfClass<'_> {
    type Error = Error;

    fn put(&mut self, node: &[u8]) -> Result<NodeId> {
        self.sink.put(self.class, node)
    }
}

/// A component of which nothing is left.
fn nothing_of(component: &session::SnapshotComponent) -> Component {
    Component {
        kind: component.kind,
        required: false,
        state: ComponentState::Missing,
        manifest: None,
        stat: None,
        counts: crate::outcome::Counts::default(),
    }
}
