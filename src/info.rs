//! What somebody who meets a repository, or one of its snapshots, wants to know first. Each answer comes from the room that
//! owns it; nothing is read but control objects and listings, and of a snapshot with items that could not be read its tree.

mod directory;
mod snapshot;

pub use directory::UsedDirectory;
pub use snapshot::{ItemProblem, ParentStanding, Remark, RemarkKind, SnapshotInfo, about_snapshot};

use crate::access::Access;
use crate::check::{self, Verification};
use crate::config::{self, OPEN, Parameters, Role};
use crate::error::Result;
use crate::id::{ClientId, RepositoryId, SignerKey};
use crate::keys::{self, KeySlot};
use crate::seal::SUITE;
use crate::session::{self, Generation, History, Snapshot, Stage, UndecidedSession};
use crate::stats::{self, FolderStats};
use crate::store::Folder;
use std::collections::{BTreeMap, BTreeSet};

/// What there is to know of a repository without looking into its packs.
#[derive(Debug, Clone)]
pub struct RepositoryInfo {
    /// Its id.
    pub id: RepositoryId,
    /// Where it lies, for people.
    pub place: String,
    /// When it was made, by the clock of the machine that did, in nanoseconds since the epoch.
    pub created_at_ns: i64,
    /// The version of the form of its configuration.
    pub format_version: u16,
    /// The number of the suite of algorithms.
    pub suite: u16,
    /// The number of the configuration in force: how often keys or parameters were changed.
    pub config_number: u32,
    /// When that configuration was made.
    pub config_made_at_ns: i64,
    /// How content is cut, framed and packed.
    pub parameters: Parameters,
    /// How much parity new packs get, in percent; none for none, and then small objects get no second copy either.
    pub parity_percent: Option<u8>,
    /// Features in use.
    pub features: Vec<FeatureInUse>,
    /// Key epochs.
    pub epoch_count: u64,
    /// The key at hand.
    pub own_signer: SignerKey,
    /// What it may do.
    pub own_role: Role,
    /// The ways in.
    pub keys: Vec<KeySlot>,
    /// Keys that may sign now, by what they may do.
    pub valid_signer_counts: BTreeMap<Role, u64>,
    /// Keys that were ended.
    pub ended_signer_count: u64,
    /// Objects and their bytes, by folder, as a listing shows them: also those that no longer count.
    pub folders: BTreeMap<String, FolderStats>,
    /// Snapshots.
    pub snapshots: SnapshotCounts,
    /// Clients that ever wrote, one for each user of a machine.
    pub client_count: u64,
    /// Sessions that nobody has decided.
    pub open_sessions: Vec<UndecidedSession>,
    /// Prunes whose generations are not retired.
    pub generations: Vec<GenerationInfo>,
    /// What checks of data left behind.
    pub verification: Verification,
    /// Where the view of the index lies, and what else can be thrown away.
    pub cache: UsedDirectory,
    /// Where the user's state for this repository lies.
    pub state: UsedDirectory,
    /// Control objects that can't be believed, each with the reason.
    pub troubles: Vec<String>,
}

/// A feature that the configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureInUse {
    /// Its number in the registry.
    pub id: u32,
    /// Whether this program knows it.
    pub is_known: bool,
}

/// How many snapshots there are of what standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotCounts {
    /// Those that are not forgotten.
    pub live: u64,
    /// Forgotten ones, their data gone or not.
    pub forgotten: u64,
    /// Of the live ones those with a component that is not complete.
    pub partial: u64,
    /// Of the live ones those that no forget may be made for now.
    pub pinned: u64,
    /// Of the live ones those that were restored for a test.
    pub drilled: u64,
    /// Time of the oldest live one.
    pub oldest_time_ns: Option<i64>,
    /// Time of the newest live one.
    pub newest_time_ns: Option<i64>,
}

/// A prune that is under way, or waits for sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationInfo {
    /// Its number.
    pub number: u64,
    /// How far it has come.
    pub stage: Stage,
    /// The packs that it has condemned, or deletes.
    pub pack_count: u64,
}

/// Gathers everything. Costs a listing of the store, the control objects, and the records of what was verified.
///
/// # Errors
/// When the store can't be listed or read. What a key can't see is left out; what can't be believed is in the report.
pub fn about_repository(access: &Access, history: &History) -> Result<RepositoryInfo> {
    let config = access.config();
    let first = access.chain.get(0).unwrap_or(config);
    let mut folders = BTreeMap::new();
    for folder in Folder::ALL {
        folders.insert(folder.to_string(), stats::folder_stats(access.store.as_ref(), folder)?);
    }
    let mut valid_signer_counts: BTreeMap<Role, u64> = BTreeMap::new();
    for signer in config.signers.0.iter().filter(|signer| signer.until == OPEN) {
        let count = valid_signer_counts.entry(signer.role).or_default();
        *count = count.saturating_add(1);
    }
    let features = config.features.0.iter();
    Ok(RepositoryInfo {
        id: access.chain.repository(),
        place: access.store.describe(),
        created_at_ns: first.created_at_ns,
        format_version: config::VERSION,
        suite: SUITE,
        config_number: config.number,
        config_made_at_ns: config.created_at_ns,
        parameters: config.parameters,
        parity_percent: config.parity_percent(),
        features: features.map(|feature| FeatureInUse { id: feature.id, is_known: feature.is_known() }).collect(),
        epoch_count: count_of(&config.epochs.0),
        own_signer: access.ring.signer(),
        own_role: access.ring.role(),
        keys: keys::list(access)?,
        valid_signer_counts,
        ended_signer_count: count_where(&config.signers.0, |signer| signer.until != OPEN),
        folders,
        snapshots: count_snapshots(&session::all(history), session::now_ns()),
        client_count: count_of(&clients(history)),
        open_sessions: session::open_sessions(access, history)?,
        generations: history.generations.iter().map(GenerationInfo::of).collect(),
        verification: check::verification(access, i64::MIN)?,
        cache: UsedDirectory::measure(&access.cache_dir),
        state: UsedDirectory::measure(&access.state_dir),
        troubles: history.troubles.iter().map(|trouble| format!("{}: {}", trouble.object, trouble.error)).collect(),
    })
}

impl GenerationInfo {
    fn of(generation: &Generation) -> Self {
        Self { number: generation.number, stage: generation.stage, pack_count: count_of(&generation.packs) }
    }
}

fn clients(history: &History) -> Vec<ClientId> {
    let sessions = history.outcomes.keys().chain(&history.open);
    sessions.map(|session| session.client).collect::<BTreeSet<_>>().into_iter().collect()
}

fn count_snapshots(snapshots: &[Snapshot], now_ns: i64) -> SnapshotCounts {
    let live: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| !snapshot.forgotten).collect();
    SnapshotCounts {
        live: count_of(&live),
        forgotten: count_where(snapshots, |snapshot| snapshot.forgotten),
        partial: count_where(&live, |snapshot| snapshot.is_partial()),
        pinned: count_where(&live, |snapshot| snapshot.is_pinned(now_ns)),
        drilled: count_where(&live, |snapshot| snapshot.drill.is_some()),
        oldest_time_ns: live.iter().map(|snapshot| snapshot.time_ns).min(),
        newest_time_ns: live.iter().map(|snapshot| snapshot.time_ns).max(),
    }
}

fn count_of<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn count_where<T>(items: &[T], counts: impl Fn(&T) -> bool) -> u64 {
    u64::try_from(items.iter().filter(|item| counts(item)).count()).unwrap_or(u64::MAX)
}
