//! What every command works with.

use super::arguments::{FilterArguments, GlobalArguments, KindArguments};
use super::failure::Failure;
use super::render::Renderer;
use super::secret::{Purpose, SecretSource};
use super::snapshot_argument::SnapshotArgument;
use super::surroundings::{Surroundings, absolute, command_line, host_name};
use holdall::{AcceptRollback, OpenOptions, Repository, Snapshot, SnapshotFilter, Writer};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

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
}

impl Context<'_> {
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
        let cache = self.surroundings.cache_folder(self.global)?;
        let state = self.surroundings.state_folder()?;
        let accept = if self.global.accept_rollback { AcceptRollback::Accept } else { AcceptRollback::Refuse };
        let options = OpenOptions::new(cache, state).memory_bytes(self.global.memory.0).accept_rollback(accept);
        let options = match access {
            Access::Read => options.reading(),
            Access::Write => options,
        };
        let repository = source.unlock(Purpose::Open, |unlock| Ok(Repository::open(path, unlock, options.clone())?))?;
        repository.notices().iter().for_each(|notice| self.renderer.notice(notice));
        Ok(repository)
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
    let tags = kind.tag.iter().flat_map(|tags| tags.split(','));
    let paths = kind.path.iter().map(|path| Ok(absolute(path)?.into_os_string().into_vec()));
    Ok(SnapshotFilter {
        hosts: hosts.iter().map(|host| host.clone().into_bytes()).collect(),
        tags: tags.map(|tag| tag.as_bytes().to_vec()).collect(),
        paths: paths.collect::<Result<_, Failure>>()?,
    })
}

/// The snapshots that a command names; all that pass the filter if it names none.
pub(crate) fn named_snapshots(
    repository: &Repository,
    named: &[SnapshotArgument],
    filter: &SnapshotFilter,
) -> Result<Vec<Snapshot>, Failure> {
    if named.is_empty() { Ok(repository.snapshots(filter)?) } else { resolve(repository, named, filter) }
}

/// The snapshots that a command names, and no others.
pub(crate) fn resolve(
    repository: &Repository,
    named: &[SnapshotArgument],
    filter: &SnapshotFilter,
) -> Result<Vec<Snapshot>, Failure> {
    named.iter().map(|argument| Ok(repository.resolve(&argument.spec, filter)?)).collect()
}
