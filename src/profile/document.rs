//! The document: repositories, sets, and what holds for all of them.

use super::hooks::{Hook, Hooks};
use super::options::Catalogue;
use super::push::Gateway;
use super::refusal::{Refusal, line_of, suggestion};
use super::set::Set;
use super::table::Table;
use std::path::{Path, PathBuf};
use toml::de::DeTable;
use zeroize::Zeroizing;

/// Where a repository's secret comes from, as a profile says it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum RepositorySecret {
    /// The profile says nothing: the environment or a terminal is asked.
    Unnamed,
    /// A file whose first line is the password.
    PasswordFile(PathBuf),
    /// A shell command that prints the password.
    PasswordCommand(String),
    /// A key file.
    KeyFile(PathBuf),
    /// The password itself.
    Password(Zeroizing<String>),
    /// The repository has none.
    None,
}

/// A repository.
#[derive(Clone)]
pub(crate) struct Repository {
    pub(crate) name: String,
    /// Its folder.
    pub(crate) store: PathBuf,
    pub(crate) secret: RepositorySecret,
    /// Where views of the index lie, if not in the usual place.
    pub(crate) cache_folder: Option<PathBuf>,
    /// The memory to work within, as the option takes it.
    pub(crate) memory: Option<String>,
}

/// A profile.
#[derive(Clone)]
pub(crate) struct Profile {
    pub(crate) repositories: Vec<Repository>,
    /// In the order of the document.
    pub(crate) sets: Vec<Set>,
    /// Where files with figures for monitoring are written.
    pub(crate) metrics_folder: Option<PathBuf>,
    /// A gateway that gets the figures of each run.
    pub(crate) metrics_push: Option<Gateway>,
    /// A command that gets them on its standard input.
    pub(crate) metrics_push_command: Option<Hook>,
}

impl Profile {
    /// Reads a document that lies in `folder`, and whose steps know the options of `catalogue`. What it says of places
    /// begins there.
    ///
    /// # Errors
    /// What can't be read, is missing, contradicts itself or is unknown, with its line.
    pub(crate) fn parse(text: &str, folder: &Path, catalogue: &Catalogue) -> Result<Self, Refusal> {
        let parsed = DeTable::parse(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            Refusal::new(line, error.message().replace('\n', ", "))
        })?;
        let mut document = Table::document(text, parsed.get_ref());
        let repositories = document.tables("repository")?;
        let repositories = repositories.into_iter().map(|(name, table)| Repository::read(name, table, folder));
        let repositories: Vec<Repository> = repositories.collect::<Result<_, _>>()?;
        let names: Vec<&str> = repositories.iter().map(|repository| &*repository.name).collect();
        let hooks = Hooks::read(document.table("hooks")?)?;
        let mut sets = Vec::new();
        for (name, table) in document.tables("set")? {
            let line = table.refuse("has the name of a repository that is not its own");
            let set = Set::read(name, table, &names, &hooks, catalogue)?;
            if names.contains(&name) && set.repository != name {
                return Err(line);
            }
            sets.push(set);
        }
        let metrics_folder = document.path("metrics-folder")?.map(|path| folder.join(path));
        let metrics_push = document.take("metrics-push").map(|value| Gateway::read(value, sets.len())).transpose()?;
        let metrics_push_command = document.take("metrics-push-command").map(Hook::read_push).transpose()?;
        document.finish()?;
        Ok(Self { repositories, sets, metrics_folder, metrics_push, metrics_push_command })
    }

    /// A repository by its own name or that of a set.
    pub(crate) fn repository(&self, name: &str) -> Result<&Repository, String> {
        let of_set = self.sets.iter().find(|set| set.name.as_str() == name).map(|set| &*set.repository);
        let meant = of_set.unwrap_or(name);
        self.repositories.iter().find(|repository| repository.name == meant).ok_or_else(|| {
            let sets = self.sets.iter().map(|set| set.name.as_str());
            let known = self.repositories.iter().map(|repository| &*repository.name).chain(sets);
            format!("no repository or set is called {name:?}{}", suggestion(name, known))
        })
    }

    /// A set by its name.
    pub(crate) fn set(&self, name: &str) -> Result<&Set, String> {
        let found = self.sets.iter().find(|set| set.name.as_str() == name);
        found.ok_or_else(|| {
            let known = self.sets.iter().map(|set| set.name.as_str());
            format!("no set is called {name:?}{}", suggestion(name, known))
        })
    }
}

impl Repository {
    fn read(name: &str, mut table: Table<'_>, folder: &Path) -> Result<Self, Refusal> {
        let store = table.path("store")?.ok_or_else(|| table.refuse("has no place: store = \"/mnt/backup\""))?;
        let secret = secret(&mut table, folder)?;
        let cache_folder = table.path("cache-dir")?.map(|path| folder.join(path));
        let memory = table.take("memory").map(|value| value.word()).transpose()?;
        table.finish()?;
        Ok(Self { name: name.to_owned(), store: folder.join(store), secret, cache_folder, memory })
    }
}

fn secret(table: &mut Table<'_>, folder: &Path) -> Result<RepositorySecret, Refusal> {
    let file = table.path("password-file")?.map(|path| RepositorySecret::PasswordFile(folder.join(path)));
    let command = table.text("password-command")?.map(|line| RepositorySecret::PasswordCommand(line.to_owned()));
    let key = table.path("key-file")?.map(|path| RepositorySecret::KeyFile(folder.join(path)));
    let password = table.text("password")?.map(|text| RepositorySecret::Password(Zeroizing::new(text.to_owned())));
    let without = table.take("insecure-no-password").map(|value| value.truth()).transpose()?;
    let without = without.filter(|yes| *yes).map(|_| RepositorySecret::None);
    let mut named = [file, command, key, password, without].into_iter().flatten();
    match (named.next(), named.next()) {
        (None, _) => Ok(RepositorySecret::Unnamed),
        (Some(secret), None) => Ok(secret),
        (Some(_), Some(_)) => Err(table.refuse(
            "needs one of password-file, password-command, key-file, password and insecure-no-password, not several",
        )),
    }
}
