//! What every command works with.

use super::arguments::{FilterArguments, GlobalArguments, KindArguments};
use super::failure::{Failure, exit};
use super::render::{Renderer, text};
use super::secret::{Purpose, SecretSource};
use super::surroundings::{Surroundings, absolute, command_line, host_name};
use holdall::{
    AcceptRollback, NamedSnapshot, OpenOptions, Overlooked, Repository, Snapshot, SnapshotFilter, SnapshotId,
    SnapshotSpec, UsedCopies, UsedCopy, Writer,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many outcomes that can't be read are named.
const OVERLOOKED_SHOWN_MAX: usize = 5;

/// How many objects that were read from their second copies are named.
const USED_COPIES_SHOWN_MAX: usize = 20;

/// What a command is going to do with the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing but read it.
    Read,
    /// Add to it.
    Write,
}

/// Options, surroundings and printer of one run.
pub(crate) struct Context<'a> {
    pub(crate) global: &'a GlobalArguments,
    pub(crate) surroundings: Surroundings,
    pub(crate) renderer: &'a Renderer,
    doubt: Cell<Doubt>,
    /// What the repositories that were opened have read from second copies.
    used_copies: RefCell<Vec<Arc<UsedCopies>>>,
    /// Objects of which that was told.
    told_copies: RefCell<BTreeSet<String>>,
    /// The last snapshot of which it was told that it was passed over.
    told_passed_over: Cell<Option<SnapshotId>>,
}

/// Whether what the repository lacks may be what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    None,
    /// It was said that snapshots may be missing.
    Told,
    /// What was taken for the latest one may not be it.
    OfLatest,
}

impl<'a> Context<'a> {
    /// Nothing is known of the repository yet.
    pub(crate) const fn new(global: &'a GlobalArguments, surroundings: Surroundings, renderer: &'a Renderer) -> Self {
        Self {
            global,
            surroundings,
            renderer,
            doubt: Cell::new(Doubt::None),
            used_copies: RefCell::new(Vec::new()),
            told_copies: RefCell::new(BTreeSet::new()),
            told_passed_over: Cell::new(None),
        }
    }

    /// Where the repository is, or should be made.
    pub(crate) fn repository_path(&self) -> Result<PathBuf, Failure> {
        self.surroundings.repository(self.global)
    }

    /// Opens the repository.
    pub(crate) fn open(&self, access: Access) -> Result<Repository, Failure> {
        let source = self.surroundings.secret_source(&self.global.unlock)?;
        self.open_at(&self.repository_path()?, &source, access)
    }

    /// Opens another repository for reading: with a secret of its own, or with what opens the one at hand.
    pub(crate) fn open_other(&self, path: &Path, own: Option<SecretSource>) -> Result<Repository, Failure> {
        let source = own.map_or_else(|| self.surroundings.secret_source(&self.global.unlock), Ok)?;
        self.open_at(path, &source, Access::Read)
    }

    fn open_at(&self, path: &Path, source: &SecretSource, access: Access) -> Result<Repository, Failure> {
        // Said before anybody types a password in vain.
        require_folder(path)?;
        if access == Access::Write {
            Repository::refuse_mirror(path)?;
        }
        let cache = self.surroundings.cache_folder(self.global)?;
        let state = self.surroundings.state_folder()?;
        let accept = if self.global.accept_rollback { AcceptRollback::Accept } else { AcceptRollback::Refuse };
        let options = OpenOptions::new(cache, state).memory_bytes(self.global.memory_bytes()).accept_rollback(accept);
        let options = match access {
            Access::Read => options.reading(),
            Access::Write => options,
        };
        let repository = source.unlock(Purpose::Open, |unlock| Ok(Repository::open(path, unlock, options.clone())?))?;
        repository.notices().iter().for_each(|notice| self.renderer.notice(notice));
        self.used_copies.borrow_mut().push(repository.used_copies());
        Ok(repository)
    }

    /// Finds the snapshot that is named, and says what may be missing among those that it was looked for, and what was
    /// passed over.
    pub(crate) fn snapshot(
        &self,
        repository: &Repository,
        spec: &SnapshotSpec,
        filter: &SnapshotFilter,
    ) -> Result<Snapshot, Failure> {
        let found = repository.named(spec, filter);
        self.tell_overlooked(repository);
        let NamedSnapshot { snapshot: found, passed_over, .. } = found?;
        self.tell_passed_over(&passed_over);
        if let SnapshotSpec::Latest { back } = spec {
            let is_doubtful = |lost: &Overlooked| *back > 0 || lost.may_be_later_than(&found);
            if repository.overlooked().iter().any(is_doubtful) {
                self.doubt.set(Doubt::OfLatest);
            }
        }
        Ok(found)
    }

    /// Says that later snapshots were passed over, and why the last of them was.
    fn tell_passed_over(&self, passed_over: &[Snapshot]) {
        let Some((last, others)) = passed_over.split_last() else { return };
        // `latest` may be named twice.
        if self.told_passed_over.replace(Some(last.id)) == Some(last.id) {
            return;
        }
        let (id, time) = (last.id.short(), text::time(last.time_ns));
        let reason = if last.is_partial() { "it is partial" } else { "it was committed ahead of this machine's clock" };
        let others = match others.len() {
            0 => String::new(),
            count => format!(", and {count} before it"),
        };
        let advice = "who means it names it by its id";
        self.renderer
            .notice(&format!("snapshot {id} of {time} is later and was passed over{others}: {reason}; {advice}"));
    }

    /// All snapshots that pass the filter; says what may be missing among them.
    pub(crate) fn snapshots(&self, repository: &Repository, filter: &SnapshotFilter) -> Result<Vec<Snapshot>, Failure> {
        let found = repository.snapshots(filter)?;
        self.tell_overlooked(repository);
        Ok(found)
    }

    /// Says which outcomes could not be read when snapshots were listed. Returns whether there are any.
    pub(crate) fn tell_overlooked(&self, repository: &Repository) -> bool {
        let overlooked = repository.overlooked();
        if self.doubt.get() == Doubt::None && !overlooked.is_empty() {
            for lost in overlooked.iter().take(OVERLOOKED_SHOWN_MAX) {
                let (session, wrong) = (lost.session, &lost.wrong);
                self.renderer.notice(&format!("outcomes/{session} is damaged, and may be a snapshot: {wrong}"));
            }
            let more = overlooked.len().saturating_sub(OVERLOOKED_SHOWN_MAX);
            let more = if more > 0 { format!("{more} more outcomes are damaged; ") } else { String::new() };
            let before = repository.before_healing();
            self.renderer.notice(&format!("{more}{before}`holdall check --repair` heals what has a second copy"));
            self.doubt.set(Doubt::Told);
        }
        !overlooked.is_empty()
    }

    /// Says which objects were read from their second copies since this was asked last, and what to do about it.
    pub(crate) fn tell_used_copies(&self) {
        let used = self.used_copies.borrow().iter().flat_map(|used| used.all()).collect::<Vec<_>>();
        let mut told = self.told_copies.borrow_mut();
        let new: Vec<&UsedCopy> = used.iter().filter(|one| told.insert(one.object.clone())).collect();
        for one in new.iter().take(USED_COPIES_SHOWN_MAX) {
            self.renderer.notice(&format!("{}: {}; its second copy was read in its place", one.object, one.wrong));
        }
        let more = new.len().saturating_sub(USED_COPIES_SHOWN_MAX);
        if more > 0 {
            self.renderer.notice(&format!("second copies of {more} more objects were read in their place"));
        }
        if let Some(first) = new.first() {
            let before = first.before_healing;
            self.renderer.notice(&format!("the medium may be failing; {before}`holdall scrub --repair` heals it"));
        }
    }

    /// The exit code of a command that was done: another one if it was done with what may not be the latest snapshot.
    pub(crate) const fn doubtful(&self, code: u8) -> u8 {
        match self.doubt.get() {
            Doubt::OfLatest if code == exit::DONE || code == exit::INCOMPLETE => exit::DAMAGED,
            Doubt::None | Doubt::Told | Doubt::OfLatest => code,
        }
    }

    /// Who writes, as sessions tell it.
    pub(crate) fn writer(&self) -> Writer {
        Writer { host: host_name().into_bytes(), user: self.surroundings.user().into_vec(), command: command_line() }
    }
}

/// Fails when no repository can be at a path. Nobody is told that there is none when that could not be found out.
pub(crate) fn require_folder(path: &Path) -> Result<(), Failure> {
    match path.metadata() {
        Ok(status) if status.is_dir() => Ok(()),
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Failure::io(path, "look at", &error))
        }
        Ok(_) | Err(_) => {
            Err(Failure::no_repository(format!("there is no repository at {}: no such folder", path.display())))
        }
    }
}

/// The library's filter for the filter options.
pub(crate) fn filter(arguments: &FilterArguments) -> Result<SnapshotFilter, Failure> {
    filter_of(&arguments.host, &arguments.kind)
}

/// The library's filter for hosts and what else is asked for.
pub(crate) fn filter_of(hosts: &[String], kind: &KindArguments) -> Result<SnapshotFilter, Failure> {
    let tags = kind.tag.iter().map(|tags| tags.split(',').map(|tag| tag.as_bytes().to_vec()).collect());
    // As backups write it down: without the slash that a shell completes.
    let path_of = |path: &PathBuf| Ok(absolute(path)?.components().collect::<PathBuf>().into_os_string().into_vec());
    Ok(SnapshotFilter {
        hosts: hosts.iter().map(|host| host.clone().into_bytes()).collect(),
        tags: tags.collect(),
        paths: kind.path.iter().map(path_of).collect::<Result<_, Failure>>()?,
    })
}

/// The snapshots that a command names; all that pass the filter if it names none.
pub(crate) fn named_snapshots(
    context: &Context<'_>,
    repository: &Repository,
    named: &[SnapshotSpec],
    filter: &SnapshotFilter,
) -> Result<Vec<Snapshot>, Failure> {
    if named.is_empty() { context.snapshots(repository, filter) } else { resolve(context, repository, named, filter) }
}

/// The snapshots that a command names, and no others.
pub(crate) fn resolve(
    context: &Context<'_>,
    repository: &Repository,
    named: &[SnapshotSpec],
    filter: &SnapshotFilter,
) -> Result<Vec<Snapshot>, Failure> {
    named.iter().map(|spec| context.snapshot(repository, spec, filter)).collect()
}
