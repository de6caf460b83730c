//! The facade: one open repository and what can be done with it.

mod about;
mod copying;
mod custody;
mod drilling;
mod importing;
mod listing;
mod looking;
mod mirroring;
#[cfg(test)]
mod newer;
mod protection;
mod rehearsal;
mod repair;
mod retention;
mod standing;
#[cfg(test)]
mod tests;
mod view;
mod within;

use crate::access::{Access, Behind, Naming};
use crate::backup::{self, BackupOptions, BackupReport};
use crate::check::{self, CheckOptions, CheckReport, Vouch};
use crate::config::{Parameters, Purpose, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, RepositoryId};
use crate::index::{MemoryIndex, Mode};
use crate::key::{KdfCost, KeyRing, Unlock};
use crate::keys;
use crate::progress::Progress;
use crate::prune::{self, PruneOptions, PrunePlan, PruneReport};
use crate::restore::{self, RestoreOptions, RestoreReport};
use crate::scrub::{self, ScrubOptions, ScrubReport};
use crate::session::{self, History, Overlooked, Snapshot};
use crate::stats::{self, RepositoryStats};
use crate::store::{Created, LocalStore, ObjectName, ProtectingStore, Protection, SecondCopies, Store, UsedCopies};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How to open a repository.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    cache_dir: PathBuf,
    state_dir: PathBuf,
    memory_bytes: u64,
    threads: usize,
    accept_rollback: AcceptRollback,
    view: Mode,
}

/// What to do about a store that lacks what it had acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceptRollback {
    /// Refuse to write to it.
    #[default]
    Refuse,
    /// Go on under a new client id.
    Accept,
}

impl OpenOptions {
    /// Keeps the view of the index below `cache_dir` and the client's own state below `state_dir`, each in a folder
    /// of the repository's own; uses 128 MiB and every core.
    pub fn new(cache_dir: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            state_dir: state_dir.into(),
            memory_bytes: 128 << 20,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            accept_rollback: AcceptRollback::Refuse,
            view: Mode::Writer,
        }
    }

    /// How many bytes operations may use.
    #[must_use]
    pub const fn memory_bytes(mut self, memory_bytes: u64) -> Self {
        self.memory_bytes = memory_bytes;
        self
    }

    /// How many threads compress, or decode: at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Takes no lock on the view: for operations that only read. Opens also by the second copies of configurations and of the
    /// key slot, where the first ones are damaged, gone or can't be read; nothing is written or let go then.
    #[must_use]
    pub const fn reading(mut self) -> Self {
        self.view = Mode::Reader;
        self
    }

    /// What to do about a store that was rolled back.
    #[must_use]
    pub const fn accept_rollback(mut self, accept: AcceptRollback) -> Self {
        self.accept_rollback = accept;
        self
    }
}

/// How to make a repository.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    parameters: Parameters,
    kdf: KdfCost,
    protection: Protection,
}

impl CreateOptions {
    /// How content is cut, framed and packed; some of it is fixed for the repository's life.
    #[must_use]
    pub const fn parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// What deriving a key from the password costs.
    #[must_use]
    pub const fn kdf(mut self, kdf: KdfCost) -> Self {
        self.kdf = kdf;
        self
    }

    /// What everything that is ever written gets to be healed with; otherwise nothing.
    #[must_use]
    pub const fn protection(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self
    }
}

/// An open repository.
pub struct Repository {
    access: Access,
    protecting: Arc<ProtectingStore>,
    options: OpenOptions,
    /// Where it lies, if that is a directory of this machine.
    place: Option<PathBuf>,
    notices: Vec<String>,
    /// What was missing when snapshots were listed last.
    overlooked: Mutex<Vec<Overlooked>>,
}

impl Repository {
    /// Makes a repository in an empty or absent directory. Nothing is opened; the first key slot holds every right.
    ///
    /// # Errors
    /// [`ErrorKind::Occupied`] when the directory holds something, or what the file system refuses.
    pub fn create(path: &Path, unlock: Unlock<'_>, options: &CreateOptions) -> Result<RepositoryId> {
        let features = protection::features(options.protection);
        let (ring, config) = KeyRing::create_with(options.parameters, features, session::now_ns())?;
        Self::create_from(path, unlock, options, (&ring, &config))
    }

    fn create_from(
        path: &Path,
        unlock: Unlock<'_>,
        options: &CreateOptions,
        (ring, config): (&KeyRing, &[u8]),
    ) -> Result<RepositoryId> {
        let slot = crate::key::seal_slot(ring, unlock, options.kdf, b"first", session::now_ns())?;
        let store = LocalStore::create(path)?;
        let slot_name = ObjectName::Key(ObjectHash::of(&slot));
        // The configuration comes last: without it the directory is no repository, and init may be tried again. Its slot
        // then stays, since it may be that of somebody who is making a repository there at this moment.
        let _ = store.create(&slot_name, &slot)?;
        if store.create(&ObjectName::Config(0), config)? == Created::Exists {
            store.remove(&slot_name)?;
            let message = format!("{} was made a repository by someone else at the same moment", path.display());
            return Err(Error::new(ErrorKind::Occupied, message));
        }
        protection::protect_first(&store, options.protection, &[slot_name, ObjectName::Config(0)]);
        // Without it everything works but a prune of a full medium; the next backup tries again.
        let _ = store.keep_reserve();
        Ok(ring.repository())
    }

    /// Opens the repository in a local directory: finds the key slot that `unlock` opens, verifies the configurations
    /// and brings the view of the index up to date.
    ///
    /// # Errors
    /// [`ErrorKind::NoRepository`], [`ErrorKind::WrongPassword`], [`ErrorKind::Unsupported`] when it needs what this
    /// program does not know, or what store and cache directory refuse.
    pub fn open(path: &Path, unlock: Unlock<'_>, options: OpenOptions) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(LocalStore::open(path)?);
        let mut repository = Self::open_store(store, unlock, options)?;
        repository.place = Some(path.to_path_buf());
        Ok(repository)
    }

    /// Opens the repository in any store.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_store(store: Arc<dyn Store>, unlock: Unlock<'_>, options: OpenOptions) -> Result<Self> {
        let used_copies = Arc::<UsedCopies>::default();
        let (ring, chain) = match options.view {
            Mode::Reader => keys::unlock(&SecondCopies::over(Arc::clone(&store), Arc::clone(&used_copies)), unlock)?,
            Mode::Writer => keys::unlock(store.as_ref(), unlock)?,
        };
        used_copies.end_opening(ring.slot().map(|slot| ObjectName::Key(slot.name)).as_ref());
        chain.allows(Purpose::Read)?;
        let repository = chain.repository().to_string();
        let naming = Naming::derive(&ring, &chain)?;
        let protecting = Arc::new(ProtectingStore::over(store, protection::asked_for(&chain)));
        let mut access = Access {
            store: Arc::new(Arc::clone(&protecting)),
            index: Arc::new(MemoryIndex::new()),
            ring: Arc::new(ring),
            chain: Arc::new(chain),
            naming: Arc::new(naming),
            state_dir: options.state_dir.join(&repository),
            cache_dir: options.cache_dir.join(&repository),
            memory_bytes: options.memory_bytes,
            threads: options.threads,
            catch_up: Some(Arc::new(|access| session::bring_up_to_date(access, &History::load(access)?).map(drop))),
            behind: Arc::default(),
            used_copies,
        };
        let mut notices: Vec<String> = view::open(&mut access, options.view)?.into_iter().collect();
        notices.extend(session::lost_from_sight(&access));
        access.behind = Arc::new(Behind::after(notices.clone()));
        // One that can't be kept in mind now is met again.
        let _ = session::keep_config(&access.state_dir, &access.chain);
        Ok(Self { access, protecting, options, place: None, notices, overlooked: Mutex::default() })
    }

    /// Makes a snapshot.
    ///
    /// # Errors
    /// When the repository can't take it, was rolled back, or the caller stops. What single source items can't deliver
    /// is in the report, not an error.
    pub fn backup(&self, options: &BackupOptions, progress: &dyn Progress) -> Result<BackupReport> {
        let mut report = self.access.noting(
            |report: &mut BackupReport| &mut report.notices,
            |access| {
                let (history, state) = self.writing(access)?;
                // A repository may be older than its reserve, or have been made when there was no space.
                let _ = access.store.keep_reserve();
                backup::run(access, &history, &state, options, progress)
            },
        )?;
        self.settle(&mut report);
        Ok(report)
    }

    /// Restores a snapshot or a part of it, or finds out what that would change. The repository itself and what belongs
    /// to it are never removed from the target, nor restored over.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key can't read; [`ErrorKind::Invalid`] when the target lies in the repository or in
    /// what this machine keeps for it; when it can't be written at all, or the caller stops. Items that could not be restored
    /// as they were are in the report.
    pub fn restore(
        &self,
        snapshot: &Snapshot,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> Result<RestoreReport> {
        self.require_reader("restore")?;
        restore::run(&self.reading()?, snapshot, &self.sparing(options)?, progress)
    }

    /// Checks every object, and with [`CheckDepth::Data`](crate::CheckDepth::Data) every byte, or as much as the options
    /// say. Damage is data in the report, not an error. What was read and found sound is said in the repository, for the
    /// checks that come, unless the options say otherwise; where that fails, the report has a notice, but not where nothing may
    /// be written at all. So it is where packs of put keys can't be vouched for, if the options ask for that and the key may
    /// repair; in a mirror nobody vouches for any.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key can't read; when the store can't be listed, or the caller stops.
    pub fn check(&self, options: &CheckOptions, progress: &dyn Progress) -> Result<CheckReport> {
        self.access.chain.allows(Purpose::Check)?;
        self.require_reader("check")?;
        let signers = &self.access.config().signers.0;
        let asks = options.vouches() && signers.iter().any(|signer| signer.role == Role::Put);
        self.access.noting(
            |report: &mut CheckReport| &mut report.notices,
            |access| {
                let may_vouch = if asks { self.writing(access).map(drop) } else { Ok(()) };
                // Damage is looked for all the same in a store to which this client must not write.
                let Err(error) = may_vouch else { return check::run(access, options, progress) };
                let mut report = check::run(access, &options.clone().vouch(Vouch::ForNothing), progress)?;
                report.notices.push(format!("packs of put keys are not vouched for: {error}"));
                Ok(report)
            },
        )
    }

    /// Proves every object of the repository in a local directory against its own name or checksum, without any key, and
    /// heals what is damaged if it is asked to. Damage is data in the report, not an error.
    ///
    /// # Errors
    /// [`ErrorKind::NoRepository`], when the store can't be listed, or the caller stops.
    pub fn scrub(path: &Path, options: &ScrubOptions, progress: &dyn Progress) -> Result<ScrubReport> {
        scrub::run(&LocalStore::open(path)?, options, progress)
    }

    /// Says what a prune would do now, and changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when what must be known to collect can't be believed or is missing; [`ErrorKind::Denied`]
    /// when the key's role may not prune.
    pub fn plan_prune(&self, options: &PruneOptions, progress: &dyn Progress) -> Result<PrunePlan> {
        session::require_opened_soundly(&self.access)?;
        prune::plan(&self.access, options, progress)
    }

    /// Prunes as planned. Never waits for a writer: what can't be finished now is in the report, and the next prune
    /// finishes it.
    ///
    /// # Errors
    /// As [`Self::plan_prune`]; [`ErrorKind::RolledBack`]; and when the store fails or the caller stops.
    pub fn prune(&self, plan: PrunePlan, options: &PruneOptions, progress: &dyn Progress) -> Result<PruneReport> {
        self.access.noting(
            |report: &mut PruneReport| &mut report.notices,
            |access| {
                self.standing(access)?;
                prune::run(access, plan, options, progress)
            },
        )
    }

    /// How much the repository holds, and in what.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub fn stats(&self) -> Result<RepositoryStats> {
        let access = self.access.with_second_copies();
        let history = History::load(&access)?;
        session::bring_up_to_date(&access, &history)?;
        stats::run(&access, &history)
    }

    /// Which objects were read from their second copies, since the first ones are damaged, gone or can't be read. More may
    /// come with every operation.
    pub fn used_copies(&self) -> Arc<UsedCopies> {
        Arc::clone(&self.access.used_copies)
    }

    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.access.chain.repository()
    }

    /// What a user should know about how the repository was opened, such as a view that had to be built again.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What every operation works with: for tests, and for the measurements, which fill repositories with what no
    /// backup would make.
    #[doc(hidden)]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Fails for a key that can't open trees and content: what it can't open must not pass for damage.
    fn require_reader(&self, what: &str) -> Result<()> {
        if self.access.ring.reads() {
            return Ok(());
        }
        let message = format!("a key with the role {} may not {what}: it can read nothing", self.access.ring.role());
        Err(Error::new(ErrorKind::Denied, message))
    }

    /// What a reader works with, its index up to date: second copies serve where first ones don't.
    fn reading(&self) -> Result<Access> {
        let access = self.access.with_second_copies();
        session::bring_up_to_date(&access, &History::load(&access)?)?;
        Ok(access)
    }

    fn history(&self) -> Result<History> {
        History::load(&self.access)
    }
}
