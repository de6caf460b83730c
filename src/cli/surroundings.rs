//! What the process's surroundings say: environment variables, the machine's name, the user's folders.

use super::arguments::{GlobalArguments, UnlockArguments};
use super::failure::Failure;
use super::secret::SecretSource;
use holdall::EncoderFault;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The variable that names the folder of the cache.
pub(crate) const CACHE_VARIABLE: &str = "HOLDALL_CACHE_DIR";

/// Looks up environment variables; the empty ones count as unset.
pub(crate) struct Surroundings {
    variable: fn(&str) -> Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        Self { variable: |name| std::env::var_os(name) }
    }

    /// Those that a test gives.
    #[cfg(test)]
    pub(crate) fn with(variable: fn(&str) -> Option<OsString>) -> Self {
        Self { variable }
    }

    /// A variable as it was given, also an empty one.
    pub(crate) fn given_variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name)
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        self.given_variable(name).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from)
    }

    /// Where the repository is.
    pub(crate) fn repository(&self, arguments: &GlobalArguments) -> Result<PathBuf, Failure> {
        if let Some(path) = &arguments.repo {
            return Ok(path.clone());
        }
        let file = match (&arguments.repository_file, self.path("HOLDALL_REPOSITORY")) {
            (Some(file), _) => file.clone(),
            (None, Some(path)) => return Ok(path),
            (None, None) => self.path("HOLDALL_REPOSITORY_FILE").ok_or_else(|| {
                Failure::misuse(
                    "no repository was named: use --repo, HOLDALL_REPOSITORY or HOLDALL_REPOSITORY_FILE, or -P with a name \
                     of the profile",
                )
            })?,
        };
        named_in(&file)
    }

    /// Where the secret that opens the repository comes from: the command line decides before the environment, and
    /// the environment may name one source only.
    pub(crate) fn secret_source(&self, arguments: &UnlockArguments) -> Result<SecretSource, Failure> {
        if let Some(password) = &arguments.password {
            return Ok(SecretSource::password(password.as_str().into()));
        }
        if let Some(path) = &arguments.key_file {
            return Ok(SecretSource::KeyFile(path.clone()));
        }
        if let Some(path) = &arguments.password_file {
            return Ok(SecretSource::PasswordFile(path.clone()));
        }
        if let Some(command) = &arguments.password_command {
            return Ok(SecretSource::PasswordCommand(command.clone()));
        }
        if arguments.insecure_no_password {
            return Ok(SecretSource::NoPassword);
        }
        let named = [
            self.path("HOLDALL_KEY_FILE").map(SecretSource::KeyFile),
            self.path("HOLDALL_PASSWORD_FILE").map(SecretSource::PasswordFile),
            self.variable("HOLDALL_PASSWORD_COMMAND").map(SecretSource::PasswordCommand),
            self.variable("HOLDALL_PASSWORD").map(SecretSource::password),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (None, _) => Ok(SecretSource::Terminal),
            (Some(source), None) => Ok(source),
            (Some(_), Some(_)) => Err(Failure::misuse(
                "set only one of HOLDALL_PASSWORD, HOLDALL_PASSWORD_FILE, HOLDALL_PASSWORD_COMMAND and HOLDALL_KEY_FILE",
            )),
        }
    }

    /// Whether a variable says where a secret comes from.
    pub(crate) fn names_secret(&self) -> bool {
        !matches!(self.secret_source(&UnlockArguments::default()), Ok(SecretSource::Terminal))
    }

    /// The variables that name a place and are given, with the place from the root: those who are started in another folder
    /// would begin there.
    pub(crate) fn rooted_places(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let rooted = |name| Some((name, absolute(&self.path(name)?).ok()?));
        ["HOLDALL_PASSWORD_FILE", "HOLDALL_KEY_FILE", CACHE_VARIABLE].into_iter().filter_map(rooted)
    }

    /// Where views of indexes lie.
    pub(crate) fn cache_folder(&self, arguments: &GlobalArguments) -> Result<PathBuf, Failure> {
        let named = arguments.cache_dir.clone().or_else(|| self.path(CACHE_VARIABLE));
        let usual = || self.user_folder("XDG_CACHE_HOME", ".cache");
        named.or_else(usual).ok_or_else(|| Failure::misuse("no folder for the cache: set HOLDALL_CACHE_DIR or HOME"))
    }

    /// Where the profile is: the file that was named, which must be there, or the places where one is looked for. None of
    /// them is the folder at hand, since a profile names programs that are run.
    pub(crate) fn profile_places(&self, arguments: &GlobalArguments) -> Vec<PathBuf> {
        self.named_profile(arguments).map_or_else(|| self.usual_profile_places(), |named| vec![named])
    }

    /// The profile that was named.
    pub(crate) fn named_profile(&self, arguments: &GlobalArguments) -> Option<PathBuf> {
        arguments.config.clone().or_else(|| self.path("HOLDALL_CONFIG"))
    }

    /// The profile that is taken if none is named.
    pub(crate) fn usual_profile(&self) -> Option<PathBuf> {
        self.usual_profile_places().into_iter().find(|place| place.exists())
    }

    fn usual_profile_places(&self) -> Vec<PathBuf> {
        let own = self.user_folder("XDG_CONFIG_HOME", ".config");
        own.into_iter().chain([PathBuf::from("/etc/holdall")]).map(|folder| folder.join("holdall.toml")).collect()
    }

    /// Where this user's units of systemd lie.
    pub(crate) fn user_units(&self) -> Option<PathBuf> {
        let own = self.user_folder("XDG_CONFIG_HOME", ".config")?;
        Some(own.parent()?.join("systemd/user"))
    }

    /// Where this user's clients keep what must outlive the cache.
    pub(crate) fn state_folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.user_folder("XDG_STATE_HOME", ".local/state");
        folder.ok_or_else(|| Failure::misuse("no folder for this client's state: set XDG_STATE_HOME or HOME"))
    }

    /// The defect that `HOLDALL_FAULT=frame:N` asks for: one frame in N is encoded wrongly. It is there to be tried with
    /// the program that is in use, not with one built for tests; whatever else the variable holds is refused.
    pub(crate) fn encoder_fault(&self) -> Result<Option<EncoderFault>, Failure> {
        let Some(text) = self.variable("HOLDALL_FAULT") else { return Ok(None) };
        let every = text.to_str().and_then(|text| text.strip_prefix("frame:")?.parse().ok());
        let every = every.ok_or_else(|| Failure::misuse("HOLDALL_FAULT must be frame:N, or unset"))?;
        Ok(Some(EncoderFault::one_in(every)))
    }

    fn user_folder(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.path(variable).filter(|path| path.is_absolute());
        let base = named.or_else(|| Some(self.path("HOME")?.join(below_home)))?;
        Some(base.join("holdall"))
    }

    /// The user's name, as a snapshot tells it.
    pub(crate) fn user(&self) -> OsString {
        let name = self.variable("USER").or_else(|| self.variable("LOGNAME"));
        let id = nix::unistd::geteuid();
        name.or_else(|| Some(nix::unistd::User::from_uid(id).ok()??.name.into()))
            .unwrap_or_else(|| id.to_string().into())
    }
}

/// The repository that a file names in its first line.
pub(crate) fn named_in(file: &Path) -> Result<PathBuf, Failure> {
    let text = std::fs::read(file).map_err(|error| Failure::io(file, "read", &error))?;
    let line = super::secret::first_line(&text);
    if line.is_empty() {
        return Err(Failure::misuse(format!("{} names no repository", file.display())));
    }
    Ok(PathBuf::from(OsString::from_vec(line.to_vec())))
}

/// Whether two paths lead to one file, or are the same path where there is none.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    matches!((file(one), file(other)), (Ok(one), Ok(other)) if one == other)
}

/// The machine's name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The command line of this process, as it is kept for those who list sessions and snapshots. Every key that reads sees
/// it, so that commands that print passwords, which may hold one, are left out of it.
pub(crate) fn command_line() -> Vec<Vec<u8>> {
    without_secrets(std::env::args_os().map(OsStringExt::into_vec))
}

/// What stands in the place of a command that prints a password.
const LEFT_OUT: &str = "\u{2026}";

fn without_secrets(words: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut kept, mut is_ended, mut is_value) = (Vec::new(), false, false);
    for word in words {
        if std::mem::take(&mut is_value) {
            kept.push(LEFT_OUT.as_bytes().to_vec());
            continue;
        }
        is_ended |= word == b"--";
        let at = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        let (name, value) = word.split_at(at);
        if is_ended || !name.starts_with(b"--") || !name.ends_with(b"password-command") {
            kept.push(word);
        } else if value.is_empty() {
            is_value = true;
            kept.push(word);
        } else {
            kept.push([name, b"=", LEFT_OUT.as_bytes()].concat());
        }
    }
    kept
}

/// An absolute form of a path, without looking at what is there.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io(path, "resolve", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;
    use clap::Parser;

    fn global(line: &str) -> GlobalArguments {
        Arguments::try_parse_from(line.split_whitespace()).expect("the line is understood").global
    }

    #[test]
    fn the_command_line_decides_before_the_environment() {
        let surroundings = Surroundings::with(|name| Some(format!("/env/{name}").into()));
        let given = global("holdall -r /r --cache-dir /c --key-file k snapshots");
        assert_eq!(surroundings.repository(&given).ok(), Some(PathBuf::from("/r")));
        assert_eq!(surroundings.cache_folder(&given).ok(), Some(PathBuf::from("/c")));
        let source = surroundings.secret_source(&given.unlock).ok();
        assert_eq!(source, Some(SecretSource::KeyFile(PathBuf::from("k"))));
        let none = global("holdall snapshots");
        assert_eq!(surroundings.repository(&none).ok(), Some(PathBuf::from("/env/HOLDALL_REPOSITORY")));
        assert_eq!(surroundings.cache_folder(&none).ok(), Some(PathBuf::from("/env/HOLDALL_CACHE_DIR")));
    }

    #[test]
    fn two_secrets_in_the_environment_are_refused_and_empty_ones_are_none() {
        let none = UnlockArguments::default();
        assert!(Surroundings::with(|_| Some("x".into())).secret_source(&none).is_err());
        assert_eq!(Surroundings::with(|_| Some("".into())).secret_source(&none).ok(), Some(SecretSource::Terminal));
        let one = Surroundings::with(|name| (name == "HOLDALL_PASSWORD").then(|| "x".into()));
        assert_eq!(one.secret_source(&none).ok(), Some(SecretSource::password("x".into())));
    }

    #[test]
    fn folders_follow_the_base_directory_specification() {
        let none = global("holdall snapshots");
        let home = Surroundings::with(|name| (name == "HOME").then(|| "/home/u".into()));
        assert_eq!(home.cache_folder(&none).ok(), Some(PathBuf::from("/home/u/.cache/holdall")));
        assert_eq!(home.state_folder().ok(), Some(PathBuf::from("/home/u/.local/state/holdall")));
        let based = Surroundings::with(|name| (name != "HOLDALL_CACHE_DIR").then(|| "/base".into()));
        assert_eq!(based.cache_folder(&none).ok(), Some(PathBuf::from("/base/holdall")));
        assert!(Surroundings::with(|_| None).state_folder().is_err());
    }

    #[test]
    fn what_is_kept_of_a_command_line_holds_no_command_that_prints_a_password() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["holdall", "-r", "/r", "backup", "/etc"], &["holdall", "-r", "/r", "backup", "/etc"]),
            (
                &["holdall", "--password-command", "pass a", "backup", "--host=h", "a"],
                &["holdall", "--password-command", "\u{2026}", "backup", "--host=h", "a"],
            ),
            (
                &["holdall", "--password-command=x=y", "copy", "--from-password-command", "z"],
                &["holdall", "--password-command=\u{2026}", "copy", "--from-password-command", "\u{2026}"],
            ),
            (&["holdall", "--password-command"], &["holdall", "--password-command"]),
            (
                &["holdall", "backup", "--", "--password-command", "a", "--password-command=b"],
                &["holdall", "backup", "--", "--password-command", "a", "--password-command=b"],
            ),
        ];
        for (given, kept) in cases {
            let found = without_secrets(given.iter().map(|word| word.as_bytes().to_vec()));
            let found: Vec<_> = found.iter().map(|word| String::from_utf8_lossy(word)).collect();
            assert_eq!(found, *kept);
        }
    }

    #[test]
    fn a_run_without_a_repository_is_misuse() {
        let failure = Surroundings::with(|_| None).repository(&global("holdall snapshots")).expect_err("no repository");
        assert_eq!(failure.exit_code(), 2);
    }
}
