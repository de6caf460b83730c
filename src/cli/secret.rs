//! Passwords and key files: where they come from, and how they are read.

use super::failure::Failure;
use super::prompt::{self, Answer};
use holdall::{Secret, Unlock, format_key_file, parse_key_file};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// Where the secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A password that the environment holds.
    Password(Zeroizing<Vec<u8>>),
    /// A file whose first line is the password.
    PasswordFile(PathBuf),
    /// A shell command whose first line of output is the password.
    PasswordCommand(OsString),
    /// A key file.
    KeyFile(PathBuf),
    /// The repository has no password.
    NoPassword,
    /// Somebody at a terminal.
    Terminal,
}

/// Whether a password is being chosen or only given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For a repository that is there: a terminal is asked once.
    Open,
    /// For a new one: a terminal is asked twice, and an empty password is refused.
    Choose,
}

impl SecretSource {
    /// A password at hand.
    pub(crate) fn password(password: OsString) -> Self {
        Self::Password(Zeroizing::new(password.into_vec()))
    }

    /// Gets the secret and hands it to `with`.
    pub(crate) fn unlock<T>(
        &self,
        purpose: Purpose,
        with: impl FnOnce(Unlock<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (self, purpose) {
            (Self::KeyFile(path), Purpose::Open) => with(Unlock::KeyFile(&read_key_file(path)?)),
            (Self::KeyFile(path), Purpose::Choose) => with(Unlock::KeyFile(&make_key_file(path)?)),
            _ => match self.read_password(purpose)? {
                Some(password) => with(Unlock::Password(&password)),
                None => with(Unlock::None),
            },
        }
    }

    /// Reads the password. `None` for a source that has none: a key file, or no password at all.
    fn read_password(&self, purpose: Purpose) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let password = match self {
            Self::KeyFile(_) | Self::NoPassword => return Ok(None),
            Self::Password(password) => password.clone(),
            Self::PasswordFile(path) => {
                let bytes = std::fs::read(path).map_err(|error| Failure::io(path, "read", &error))?;
                line_of(Zeroizing::new(bytes))
            }
            Self::PasswordCommand(command) => line_of(run(command)?),
            Self::Terminal => ask(purpose)?,
        };
        match purpose {
            Purpose::Choose if password.is_empty() => {
                Err(Failure::misuse("an empty password protects nothing; --insecure-no-password says so openly"))
            }
            Purpose::Open if password.is_empty() => Err(Failure::no_secret(self.emptiness())),
            Purpose::Choose | Purpose::Open => Ok(Some(password)),
        }
    }

    /// What is said of a source whose password is empty, which no repository's is.
    fn emptiness(&self) -> String {
        let place = match self {
            Self::PasswordFile(path) => format!("the first line of {}", path.display()),
            Self::PasswordCommand(_) => "the first line that the password command prints".to_owned(),
            Self::Terminal => "what was typed".to_owned(),
            Self::Password(_) | Self::KeyFile(_) | Self::NoPassword => "what was given".to_owned(),
        };
        format!("no password was given: {place} is empty")
    }
}

/// Where the password of another tool's repository comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForeignPassword {
    /// A file that holds it, and white space around it.
    File(PathBuf),
    /// A shell command that prints it, and white space around it.
    Command(OsString),
    /// It is empty.
    Empty,
    /// Somebody at a terminal.
    Terminal,
}

impl ForeignPassword {
    /// Reads the password, as restic does.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        match self {
            Self::File(path) => {
                let text = Zeroizing::new(std::fs::read(path).map_err(|error| Failure::io(path, "read", &error))?);
                let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
                Ok(Zeroizing::new(text.trim_ascii().to_vec()))
            }
            Self::Command(command) => Ok(Zeroizing::new(run(command)?.trim_ascii().to_vec())),
            Self::Empty => Ok(Zeroizing::default()),
            Self::Terminal => match prompt::ask("password of restic's repository") {
                Ok(Answer::Password(password)) => Ok(password),
                Ok(Answer::Interrupted) => Err(Failure::interrupted()),
                Err(error) => Err(Failure::no_secret(format!(
                    "no password of restic's repository was given, and there is no terminal to ask ({error}): use \
                     --from-password-file or --from-password-command"
                ))),
            },
        }
    }
}

/// Reads a key file.
pub(crate) fn read_key_file(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read(path).map_err(|error| Failure::io(path, "read", &error))?;
    let secret = parse_key_file(&Zeroizing::new(text));
    secret.map_err(|error| Failure::no_secret(format!("{}: {error}", path.display())))
}

/// Makes a key file that only its owner can read, unless there is one already; returns its secret.
pub(crate) fn make_key_file(path: &Path) -> Result<Secret, Failure> {
    let secret = Secret::random();
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read_key_file(path),
        Err(error) => Err(Failure::io(path, "make the key file", &error)),
        Ok(mut file) => {
            let written = file.write_all(format_key_file(&secret).as_bytes()).and_then(|()| file.sync_all());
            written.map(|()| secret).map_err(|error| {
                // Half of one would be refused by the next run, which makes none where there is one.
                let _ = std::fs::remove_file(path);
                Failure::io(path, "write the key file", &error)
            })
        }
    }
}

/// The bytes before the first line end.
pub(crate) fn first_line(text: &[u8]) -> &[u8] {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn line_of(text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(first_line(&text).to_vec())
}

fn run(command: &OsString) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut shell = Command::new("/bin/sh");
    // What is piped into a backup is not its to read; a terminal it may ask for what it needs.
    let input = if std::io::stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() };
    shell.arg("-c").arg(command).stdin(input).stderr(Stdio::inherit());
    // Another repository's password is none of its business.
    let run = shell.env_remove("HOLDALL_PASSWORD").output();
    let output = run.map_err(|error| Failure::failed(format!("the password command did not start: {error}")))?;
    let printed = Zeroizing::new(output.stdout);
    if output.status.success() {
        Ok(printed)
    } else {
        let asked = if std::fs::File::open("/dev/tty").is_ok() { "" } else { "; it has no terminal to ask at" };
        Err(Failure::failed(format!("the password command failed: {}{asked}", output.status)))
    }
}

fn ask(purpose: Purpose) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match purpose {
        Purpose::Open => answer("password of the repository"),
        Purpose::Choose => {
            let first = answer("new password")?;
            let second = answer("the same again")?;
            if first == second { Ok(first) } else { Err(Failure::misuse("the two passwords differ")) }
        }
    }
}

fn answer(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match prompt::ask(question) {
        Ok(Answer::Password(password)) => Ok(password),
        Ok(Answer::Interrupted) => Err(Failure::interrupted()),
        Err(error) => Err(Failure::no_secret(format!(
            "no password was given, and there is no terminal to ask ({error}): set HOLDALL_PASSWORD, \
             HOLDALL_PASSWORD_FILE, HOLDALL_PASSWORD_COMMAND or HOLDALL_KEY_FILE"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &SecretSource) -> Option<Vec<u8>> {
        source.read_password(Purpose::Open).ok().flatten().map(|password| password.to_vec())
    }

    #[test]
    fn a_password_is_the_first_line_of_a_file_or_of_what_a_command_prints() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        for text in ["secret", "secret\n", "secret\r\n", "secret\nmore\n"] {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(read(&SecretSource::PasswordFile(path.clone())), Some(b"secret".to_vec()), "{text:?}");
        }
        assert_eq!(read(&SecretSource::PasswordCommand("printf 'a b\\nc'".into())), Some(b"a b".to_vec()));
        assert_eq!(read(&SecretSource::password(" x ".into())), Some(b" x ".to_vec()));
    }

    #[test]
    fn restics_password_is_all_that_a_file_or_a_command_has_without_white_space_around_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        let read = |source: ForeignPassword| source.read().ok().map(|password| password.to_vec());
        for text in ["two words", " two words\r\n\n", "\u{feff}two words\n"] {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(read(ForeignPassword::File(path.clone())), Some(b"two words".to_vec()), "{text:?}");
        }
        assert_eq!(read(ForeignPassword::Command("printf ' a\\nb\\n'".into())), Some(b"a\nb".to_vec()));
        assert_eq!(read(ForeignPassword::Empty), Some(Vec::new()));
        assert_eq!(read(ForeignPassword::Command("false".into())), None);
    }

    #[test]
    fn a_failing_command_gives_no_password() {
        let failure = SecretSource::PasswordCommand("echo secret; exit 3".into()).read_password(Purpose::Open);
        assert_eq!(failure.map_err(|failure| failure.exit_code()), Err(1));
    }

    #[test]
    fn a_key_file_is_made_once_and_read_from_then_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let made = make_key_file(&path).expect("it can be made");
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("it is there").permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(make_key_file(&path).ok().as_ref(), Some(&made));
        assert_eq!(read_key_file(&path).ok(), Some(made));
        std::fs::write(&path, "something else").expect("a file");
        assert_eq!(make_key_file(&path).map_err(|failure| failure.exit_code()).err(), Some(12));
    }

    #[test]
    fn an_empty_password_is_none_and_is_told_with_its_source() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "\nsecond").expect("a file");
        for (source, told) in [
            (SecretSource::PasswordFile(path.clone()), format!("the first line of {}", path.display())),
            (SecretSource::PasswordCommand("true".into()), "the password command prints".to_owned()),
            (SecretSource::password("".into()), "what was given".to_owned()),
        ] {
            let failure = source.read_password(Purpose::Open).expect_err("there is none");
            assert_eq!(failure.exit_code(), 12);
            assert!(failure.to_string().contains(&told), "{failure}");
        }
    }

    #[test]
    fn a_new_repository_gets_no_empty_password() {
        let failure = SecretSource::password("".into()).read_password(Purpose::Choose);
        assert_eq!(failure.map_err(|failure| failure.exit_code()), Err(2));
    }
}
