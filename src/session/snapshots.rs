//! The snapshots of a repository.

use crate::config::Role;
use crate::id::{NodeId, RepositoryId, SessionId, SignerKey, SnapshotId};
use crate::manifest::Key;
use crate::outcome::{
    Component, ComponentDescription, ComponentKind, ComponentState, Counts, Outcome, OutcomeDescription, OutcomeKind,
    OwnerName,
};
use crate::session::attributes::{BodyAttributes, CopyOf, DescriptionAttributes, Imported, Written};
use crate::session::drills::LastDrill;
use crate::session::history::History;
use crate::session::statements::Pin;
use crate::wire::Blob;
use std::cmp::Reverse;

/// A committed snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its id: the hash of the outcome that committed it.
    pub id: SnapshotId,
    /// The session that made it.
    pub session: SessionId,
    /// The key that signed it.
    pub signer: SignerKey,
    /// What that key may do.
    pub role: Role,
    /// When it was taken, as the user says, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// When it was committed, by the clock of the machine that did.
    pub committed_at_ns: i64,
    /// Whether a record forgets it.
    pub forgotten: bool,
    /// Its pin, which may have ended.
    pub pin: Option<Pin>,
    /// The last time that it was restored for a test.
    pub drill: Option<LastDrill>,
    /// Who made it; none when the key at hand can't read descriptions.
    pub origin: Option<Origin>,
    /// The damaged snapshot beside which a repair made it, without what was lost.
    pub repairs: Option<SnapshotId>,
    /// What it is a copy of, if it came from another repository.
    pub copy_of: Option<CopyOf>,
    /// What the run that made it stored; none where its outcome does not say.
    pub written: Option<Written>,
    /// What it holds.
    pub components: Vec<SnapshotComponent>,
}

/// Where a snapshot comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The host's name.
    pub host: Vec<u8>,
    /// The user's name.
    pub user: Vec<u8>,
    /// The paths that were backed up.
    pub paths: Vec<Vec<u8>>,
    /// Its tags.
    pub tags: Vec<Vec<u8>>,
    /// The program that made it.
    pub program: Vec<u8>,
    /// The snapshot that it was made against.
    pub parent: Option<SnapshotId>,
    /// The snapshot of another tool that it was made of.
    pub imported: Option<Imported>,
    /// Up to where the last run of its chain that read unchanged files again came, in the order of keys.
    pub rehashed_to: Option<Key>,
}

/// One component of a snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotComponent {
    /// Its name; empty when there is one only, or the key at hand can't read it.
    pub name: Vec<u8>,
    /// A file tree or a stream.
    pub kind: ComponentKind,
    /// Whether there can't be a snapshot without it.
    pub required: bool,
    /// Complete, partial or missing.
    pub state: ComponentState,
    /// Why it is partial or missing; empty where it is complete, or the key at hand can't read it.
    pub reason: Vec<u8>,
    /// Root of its manifest.
    pub manifest: Option<NodeId>,
    /// Root of its stat tree.
    pub stat: Option<NodeId>,
    /// What it holds.
    pub counts: Counts,
    /// When its walk began, in nanoseconds since the epoch; the distant past where that is not known.
    pub walk_started_ns: i64,
    /// Names of the owners, by id.
    pub users: Vec<(u32, Vec<u8>)>,
    /// Names of the groups, by id.
    pub groups: Vec<(u32, Vec<u8>)>,
}

impl SnapshotComponent {
    /// What is told of one of which the snapshot holds nothing.
    pub(crate) fn lack(&self) -> String {
        format!("the snapshot lacks its component \"{}\"", self.name.escape_ascii())
    }
}

impl Snapshot {
    /// What all components hold together.
    pub fn counts(&self) -> Counts {
        self.components.iter().fold(Counts::default(), |sum, component| sum.plus(&component.counts))
    }

    /// Its place among all, oldest first. Of two of one time the one that holds more counts as the newer: an import that
    /// was made again has the time of the one that lacks something.
    pub fn place(&self) -> (i64, Reverse<u64>, SnapshotId) {
        (self.time_ns, Reverse(self.counts().unreadable), self.id)
    }

    /// Whether no forget may be made for it at this time.
    pub fn is_pinned(&self, now_ns: i64) -> bool {
        self.pin.is_some_and(|pin| pin.holds_at(now_ns))
    }

    /// What it is a copy of; itself, in the repository at hand, where a backup made it.
    pub fn first(&self, repository: RepositoryId) -> CopyOf {
        self.copy_of.unwrap_or(CopyOf { repository, snapshot: self.id })
    }

    /// Whether some component is not complete.
    pub fn is_partial(&self) -> bool {
        self.components.iter().any(|component| component.state != ComponentState::Complete)
    }
}

/// Which snapshots to consider. Empty lists let everything pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Only from these hosts.
    pub hosts: Vec<Vec<u8>>,
    /// Only with all tags of one of these lists. An empty tag stands for having none.
    pub tags: Vec<Vec<Vec<u8>>>,
    /// Only of these paths.
    pub paths: Vec<Vec<u8>>,
}

impl SnapshotFilter {
    /// Whether a snapshot passes. One whose description can't be read passes an empty filter only.
    pub fn passes(&self, snapshot: &Snapshot) -> bool {
        let Some(origin) = &snapshot.origin else {
            return self.hosts.is_empty() && self.tags.is_empty() && self.paths.is_empty();
        };
        self.fits(&origin.host, &origin.tags, &origin.paths)
    }
}

impl SnapshotFilter {
    /// Whether a snapshot of this host, with these tags and paths, passes.
    pub fn fits(&self, host: &[u8], tags: &[Vec<u8>], paths: &[Vec<u8>]) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|wanted| wanted == host))
            && (self.tags.is_empty() || self.tags.iter().any(|wanted| has_tags(tags, wanted)))
            && self.paths.iter().all(|path| paths.contains(path))
    }
}

/// Whether all of some tags are among `own`. An empty one stands for having none.
pub fn has_tags(own: &[Vec<u8>], wanted: &[Vec<u8>]) -> bool {
    wanted.iter().all(|tag| if tag.is_empty() { own.is_empty() } else { own.contains(tag) })
}

/// All snapshots, by their [places](Snapshot::place), oldest first.
pub fn all(history: &History) -> Vec<Snapshot> {
    let (forgotten, pins, drills) = (history.forgotten(), history.pins(), history.last_drills());
    let mut snapshots: Vec<Snapshot> = history
        .committed()
        .filter(|(_, held)| matches!(held.body.kind, OutcomeKind::Snapshot | OutcomeKind::Group))
        .map(|(session, held)| {
            let id = held.snapshot_id();
            let (pin, drill) = (pins.get(&id).copied(), drills.get(&id).copied());
            Snapshot { forgotten: forgotten.contains(&id), pin, drill, ..describe(history, *session, held) }
        })
        .collect();
    snapshots.sort_by_cached_key(Snapshot::place);
    snapshots
}

/// A snapshot as its outcome describes it, without what records say about it.
fn describe(history: &History, session: SessionId, held: &Outcome) -> Snapshot {
    let mut components = Vec::new();
    add_components(held, &mut components);
    for member in &held.body.members.0 {
        let staged = history
            .committed()
            .find(|(_, other)| other.body.kind == OutcomeKind::Staged && other.hash.as_bytes() == member.as_bytes());
        match staged {
            Some((_, staged)) => add_components(staged, &mut components),
            None => components.push(lost_member()),
        }
    }
    let said = BodyAttributes::decode(&held.body.attributes);
    Snapshot {
        id: held.snapshot_id(),
        session,
        signer: held.signer,
        role: held.role,
        time_ns: held.body.time_ns,
        committed_at_ns: held.body.committed_at_ns,
        forgotten: false,
        pin: None,
        drill: None,
        origin: held.description.as_open().map(origin),
        repairs: said.repairs,
        copy_of: said.copy_of,
        written: said.written,
        components,
    }
}

fn add_components(held: &Outcome, components: &mut Vec<SnapshotComponent>) {
    let nothing = ComponentDescription::default();
    let started = BodyAttributes::decode(&held.body.attributes).walk_starts_ns;
    for (place, component) in held.body.components.0.iter().enumerate() {
        let description = held.description.as_open().and_then(|all| all.components.0.get(place));
        let started_ns = started.get(place).copied().unwrap_or(i64::MIN);
        components.push(describe_component(component, description.unwrap_or(&nothing), started_ns));
    }
}

/// Stands for all components of a member of a group that is not there: what is known of them is that they are missing.
fn lost_member() -> SnapshotComponent {
    let (kind, state) = (ComponentKind::Tree, ComponentState::Missing);
    let lost = Component { kind, required: true, state, manifest: None, stat: None, counts: Counts::default() };
    describe_component(&lost, &ComponentDescription::default(), i64::MIN)
}

fn describe_component(
    component: &Component,
    description: &ComponentDescription,
    walk_started_ns: i64,
) -> SnapshotComponent {
    let names = |list: &[OwnerName]| list.iter().map(|owner| (owner.id, owner.name.0.clone())).collect();
    SnapshotComponent {
        name: description.name.0.clone(),
        kind: component.kind,
        required: component.required,
        state: component.state,
        reason: description.reason.0.clone(),
        manifest: component.manifest,
        stat: component.stat,
        counts: component.counts,
        walk_started_ns,
        users: names(&description.users.0),
        groups: names(&description.groups.0),
    }
}

fn origin(description: &OutcomeDescription) -> Origin {
    let DescriptionAttributes { imported, rehashed_to } = DescriptionAttributes::decode(&description.attributes);
    let texts = |list: &[Blob]| list.iter().map(|text| text.0.clone()).collect();
    Origin {
        host: description.host.0.clone(),
        user: description.user.0.clone(),
        paths: texts(&description.paths.0),
        tags: texts(&description.tags.0),
        program: description.program.0.clone(),
        parent: description.parent,
        imported,
        rehashed_to,
    }
}
