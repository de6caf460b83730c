//! Why a command ended without doing what was asked, and with which exit code.

use holdall::ErrorKind;
use std::fmt;
use std::io;
use std::path::Path;

/// The exit codes.
pub(crate) mod exit {
    /// Done.
    pub(crate) const DONE: u8 = 0;
    /// Failed.
    pub(crate) const FAILED: u8 = 1;
    /// The command line makes no sense.
    pub(crate) const MISUSE: u8 = 2;
    /// Done, except for items that were reported.
    pub(crate) const INCOMPLETE: u8 = 3;
    /// A command that was to be backed up failed.
    pub(crate) const COMMAND_FAILED: u8 = 4;
    /// Damage was found.
    pub(crate) const DAMAGED: u8 = 5;
    /// There is no repository.
    pub(crate) const NO_REPOSITORY: u8 = 10;
    /// Somebody else is at work.
    pub(crate) const BUSY: u8 = 11;
    /// Wrong password or key file, or none.
    pub(crate) const NO_KEY: u8 = 12;
    /// No space left.
    pub(crate) const NO_SPACE: u8 = 13;
    /// Interrupted.
    pub(crate) const INTERRUPTED: u8 = 130;
    /// Whoever read the output went away before its end; what shells call the end by SIGPIPE.
    pub(crate) const UNREAD: u8 = 141;
}

/// A message for people and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: exit::FAILED, message: message.into() }
    }

    /// The command line or the environment makes no sense.
    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self { code: exit::MISUSE, message: message.into() }
    }

    /// There is no repository.
    pub(crate) fn no_repository(message: impl Into<String>) -> Self {
        Self::from(holdall::Error::new(ErrorKind::NoRepository, message))
    }

    /// There is no password to try.
    pub(crate) fn no_secret(message: impl Into<String>) -> Self {
        Self { code: exit::NO_KEY, message: message.into() }
    }

    /// Somebody pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self { code: exit::INTERRUPTED, message: "interrupted".to_owned() }
    }

    /// Something is wrong elsewhere, such as with what another tool has made: what helps with a repository here is no
    /// advice there.
    pub(crate) fn elsewhere(error: holdall::Error) -> Self {
        let message = error.to_string();
        Self { message, ..Self::from(error) }
    }

    /// An operation on a file of the user was refused.
    pub(crate) fn io(path: &Path, operation: &str, error: &io::Error) -> Self {
        let is_full = ErrorKind::of_refused(error) == ErrorKind::NoSpace;
        let code = if is_full { exit::NO_SPACE } else { exit::FAILED };
        Self { code, message: format!("can't {operation} {}: {error}", path.display()) }
    }

    /// The same failure with another exit code: which signal interrupted is known only where signals are caught.
    pub(crate) const fn with_interrupt_code(mut self, code: u8) -> Self {
        if self.code == exit::INTERRUPTED {
            self.code = code;
        }
        self
    }

    /// The exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<holdall::Error> for Failure {
    fn from(error: holdall::Error) -> Self {
        let (code, advice) = match error.kind() {
            ErrorKind::NoRepository => (exit::NO_REPOSITORY, "`holdall init` makes one"),
            ErrorKind::WrongPassword => (exit::NO_KEY, ""),
            ErrorKind::Busy => (exit::BUSY, ""),
            ErrorKind::NoSpace => (exit::NO_SPACE, "what was done so far is kept; make room and run it again"),
            ErrorKind::Exhausted => (
                exit::FAILED,
                "that says nothing about what is stored: raise the limit of open files (ulimit -n) or of memory (ulimit -v), or \
                 end other programs, and run it again",
            ),
            ErrorKind::Damaged => (exit::DAMAGED, "`holdall check` lists what is damaged and what that touches"),
            ErrorKind::RolledBack => {
                (exit::DAMAGED, "if the repository was set back on purpose, run this again with --accept-rollback")
            }
            ErrorKind::Unsupported => (exit::FAILED, "a newer holdall may know more"),
            ErrorKind::Pinned => (exit::FAILED, "nothing was changed; `holdall unpin` lifts a pin"),
            // The message names what fits, and where it is listed.
            ErrorKind::Ambiguous => (exit::FAILED, ""),
            ErrorKind::Invalid => (exit::MISUSE, ""),
            ErrorKind::CommandFailed => {
                (exit::COMMAND_FAILED, "`--optional-command` makes a snapshot without what a command can't deliver")
            }
            ErrorKind::Interrupted => (exit::INTERRUPTED, ""),
            ErrorKind::Unreliable => {
                (exit::FAILED, "nothing of it was stored; test this machine's memory before you rely on it")
            }
            ErrorKind::ReadOnly => (
                exit::FAILED,
                "nothing was changed; run it as a user who may read and write there, or mount it for writing; snapshots, ls, \
                 restore, stats and check need no right to write there",
            ),
            ErrorKind::Occupied | ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Aborted | ErrorKind::Io => {
                (exit::FAILED, "")
            }
            _ => (exit::FAILED, ""),
        };
        let message = if advice.is_empty() { error.to_string() } else { format!("{error}\n{advice}") };
        Self { code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_decides_the_exit_code() {
        let cases = [
            (ErrorKind::NoRepository, 10),
            (ErrorKind::WrongPassword, 12),
            (ErrorKind::Busy, 11),
            (ErrorKind::NoSpace, 13),
            (ErrorKind::CommandFailed, 4),
            (ErrorKind::Damaged, 5),
            (ErrorKind::RolledBack, 5),
            (ErrorKind::Interrupted, 130),
            (ErrorKind::Invalid, 2),
            (ErrorKind::Occupied, 1),
            (ErrorKind::Unsupported, 1),
            (ErrorKind::Io, 1),
        ];
        for (kind, code) in cases {
            assert_eq!(Failure::from(holdall::Error::new(kind, "x")).exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn advice_stands_on_a_line_of_its_own() {
        let failure = Failure::from(holdall::Error::new(ErrorKind::NoRepository, "no repository in /x"));
        assert_eq!(failure.to_string(), "no repository in /x\n`holdall init` makes one");
    }
}
