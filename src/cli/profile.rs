//! The profile of this run: where its document lies, and what it says for the command at hand.

mod sound;

use super::arguments::{
    BackupArguments, CheckArguments, ForgetArguments, GlobalArguments, PruneArguments, UnlockArguments,
};
use super::failure::Failure;
use super::runs::Runs;
use super::surroundings::{Surroundings, absolute, host_name, is_same_file};
use crate::profile::{
    Catalogue, OptionKind, PlannedStep, Profile, Refusal, Repository, RepositorySecret, Set, StepOption, plan,
};
use clap::{ArgAction, Args};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A profile that holds a megabyte of text is none.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// Enough for the few profiles of a machine, and to be read by people.
const MARK_DIGITS: usize = 8;

/// A profile with the place that it was read from.
pub(crate) struct Loaded {
    pub(crate) profile: Profile,
    /// The file, from the root.
    pub(crate) path: PathBuf,
    /// What tells its sets from those of the same name in the profile that is taken if none is named.
    suffix: String,
    /// What tells its sets from those of the same name in every other profile, whoever runs them.
    mark: String,
}

/// Puts what the profile says of a repository in the place of what was not said, if a profile's name was given.
pub(crate) fn apply(surroundings: &Surroundings, global: &mut GlobalArguments) -> Result<(), Failure> {
    let Some(name) = &global.profile else { return Ok(()) };
    let loaded = Loaded::find(surroundings, global)?;
    let repository = loaded.profile.repository(name).map_err(|why| loaded.refuse(&why))?;
    global.repo = Some(repository.store.clone());
    global.cache_dir = global.cache_dir.take().or_else(|| repository.cache_folder.clone());
    let unlock = &mut global.unlock;
    let given = unlock.key_file.is_some() || unlock.password_file.is_some() || unlock.password_command.is_some();
    if !given && !unlock.insecure_no_password {
        *unlock = unlock_by(&repository.secret);
    }
    Ok(())
}

fn unlock_by(secret: &RepositorySecret) -> UnlockArguments {
    let none = UnlockArguments::default();
    match secret {
        RepositorySecret::Unnamed => none,
        RepositorySecret::PasswordFile(path) => UnlockArguments { password_file: Some(path.clone()), ..none },
        RepositorySecret::PasswordCommand(line) => UnlockArguments { password_command: Some(line.into()), ..none },
        RepositorySecret::KeyFile(path) => UnlockArguments { key_file: Some(path.clone()), ..none },
        RepositorySecret::Password(password) => UnlockArguments { password: Some(password.clone()), ..none },
        RepositorySecret::None => UnlockArguments { insecure_no_password: true, ..none },
    }
}

impl Loaded {
    /// Finds and reads the profile.
    pub(crate) fn find(surroundings: &Surroundings, global: &GlobalArguments) -> Result<Self, Failure> {
        let places = surroundings.profile_places(global);
        for (number, place) in places.iter().enumerate() {
            match File::open(place) {
                Ok(file) => return Self::read(place, file, surroundings),
                // The last place, or the only one because it was named, has to be there.
                Err(error) if error.kind() == ErrorKind::NotFound && number.saturating_add(1) < places.len() => {}
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(Failure::io(place, "read", &error)),
            }
        }
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        let places = places.join(" or ");
        Err(Failure::misuse(format!("there is no profile at {places}; --config or HOLDALL_CONFIG names another place")))
    }

    fn read(place: &Path, file: File, surroundings: &Surroundings) -> Result<Self, Failure> {
        let path = absolute(place)?;
        let failed = |error: &std::io::Error| Failure::io(place, "read", error);
        // Asked of what is read, whatever lies there by now.
        let mode = file.metadata().map_err(|error| failed(&error))?.mode();
        let mut text = Zeroizing::new(Vec::new());
        file.take(DOCUMENT_BYTES_MAX.saturating_add(1)).read_to_end(&mut text).map_err(|error| failed(&error))?;
        let refuse = |why: &str| Failure::misuse(format!("{}: {why}", place.display()));
        if text.len() > usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX) {
            return Err(refuse("a profile has at most a MiB"));
        }
        if mode & 0o002 != 0 {
            return Err(refuse("everybody may write to it, and it names programs that are run: chmod o-w"));
        }
        let text = std::str::from_utf8(&text).map_err(|_| refuse("it is no text in UTF-8"))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let profile = Profile::parse(text, folder, &catalogue());
        let profile = profile
            .map_err(|refusal| Failure::misuse(format!("{}:{}: {}", place.display(), refusal.line, refusal.message)))?;
        let is_secret = |repository: &Repository| matches!(repository.secret, RepositorySecret::Password(_));
        if mode & 0o077 != 0 && profile.repositories.iter().any(is_secret) {
            return Err(refuse("others may read it, and a password stands in it: chmod 600, or use password-file"));
        }
        let usual = surroundings.usual_profile().filter(|usual| is_same_file(usual, &path));
        let (mark, suffix) = match usual {
            // It may be a link that leads elsewhere after each change, and is the same profile all the same.
            Some(usual) => (mark_of(&usual), String::new()),
            None => {
                let mark = mark_of(&path.canonicalize().unwrap_or_else(|_| path.clone()));
                (mark.clone(), format!("-{mark}"))
            }
        };
        Ok(Self { profile, path, suffix, mark })
    }

    /// What is remembered of its sets.
    pub(crate) fn runs(&self, surroundings: &Surroundings) -> Result<Runs, Failure> {
        Ok(Runs::below(surroundings.state_folder()?, self.suffix.clone()))
    }

    /// The name of a set among those of all profiles.
    pub(crate) fn name_of(&self, set: &Set) -> String {
        format!("{}{}", set.name, self.suffix)
    }

    /// The tag by which a set knows its own snapshots. No set's name has an `@` in it, so that none is the tag of another
    /// set.
    fn own_tag(&self, set: &Set) -> String {
        format!("{}@{}", set.name, self.mark)
    }

    /// The folder that it lies in, where all steps and hooks run.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Says that something that was asked for is not as the profile has it.
    pub(crate) fn refuse(&self, why: &str) -> Failure {
        Failure::misuse(format!("{}: {why}", self.path.display()))
    }

    /// The sets that were named, each once; all if none was.
    pub(crate) fn chosen(&self, names: &[String]) -> Result<Vec<&Set>, Failure> {
        if names.is_empty() {
            let all: Vec<&Set> = self.profile.sets.iter().collect();
            return if all.is_empty() { Err(self.refuse("it has no set, such as [set.home]")) } else { Ok(all) };
        }
        let mut chosen: Vec<&Set> = Vec::new();
        for name in names {
            let set = self.profile.set(name).map_err(|why| self.refuse(&why))?;
            if chosen.iter().all(|other| other.name != set.name) {
                chosen.push(set);
            }
        }
        Ok(chosen)
    }

    /// The repository of a set.
    pub(crate) fn repository_of(&self, set: &Set) -> Result<&Repository, Failure> {
        self.profile.repository(&set.repository).map_err(|why| self.refuse(&why))
    }

    /// The command lines of a set, each one that the command line understands. What could only fail is refused, with its
    /// line.
    pub(crate) fn plan(&self, set: &Set) -> Result<Vec<PlannedStep>, Failure> {
        let steps = plan(set, self.repository_of(set)?, &host_name(), &self.own_tag(set));
        let sound = steps.iter().try_for_each(|step| sound::require_sound(set, step));
        sound.map(|()| steps).map_err(|refusal| self.refuse_line(&refusal))
    }

    /// Refuses a set whose lists of files and patterns are not there. A run does not ask: that they are missing in one night
    /// is the failure of one set, with its hooks and its record.
    pub(crate) fn require_files(&self, set: &Set) -> Result<(), Failure> {
        sound::require_files(set, self.folder()).map_err(|refusal| self.refuse_line(&refusal))
    }

    fn refuse_line(&self, refusal: &Refusal) -> Failure {
        Failure::misuse(format!("{}:{}: {}", self.path.display(), refusal.line, refusal.message))
    }
}

/// A short name for a place.
fn mark_of(place: &Path) -> String {
    blake3::hash(place.as_os_str().as_bytes()).to_hex().chars().take(MARK_DIGITS).collect()
}

/// The options of the commands that a profile may run, as the command line defines them.
fn catalogue() -> Catalogue {
    Catalogue {
        backup: options_of::<BackupArguments>(),
        forget: options_of::<ForgetArguments>(),
        prune: options_of::<PruneArguments>(),
        check: options_of::<CheckArguments>(),
    }
}

fn options_of<A: Args>() -> Vec<StepOption> {
    let command = A::augment_args(clap::Command::new("step"));
    let option = |argument: &clap::Arg| {
        let name = argument.get_long()?.to_owned();
        let action = argument.get_action();
        let kind = if matches!(action, ArgAction::Append) {
            OptionKind::Many
        } else if action.takes_values() {
            OptionKind::One
        } else {
            OptionKind::Switch
        };
        Some(StepOption { name, kind })
    };
    command.get_arguments().filter_map(option).collect()
}
