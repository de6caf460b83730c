//! The one public error. Rooms below have leaf errors of their own, which don't know this one; here they are summed
//! up into what a caller can act on.

mod causes;
mod stopped;

pub(crate) use stopped::check_stopped;

use crate::fs::is_full;
use std::fmt;

/// What a caller can do about an [`Error`] depends on this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no repository at the place that was named.
    NoRepository,
    /// There is something already where a repository should be made.
    Occupied,
    /// The password or key file opens none of the key slots.
    WrongPassword,
    /// Another process does what excludes this operation.
    Busy,
    /// The store or a local directory has no space left.
    NoSpace,
    /// The system gives this process no more of what it needs: open files, or memory. That says nothing about what is stored.
    Exhausted,
    /// The store can't be written to.
    ReadOnly,
    /// Stored bytes are missing or not what they should be.
    Damaged,
    /// The store lacks what it once acknowledged: it was rolled back.
    RolledBack,
    /// The repository needs a feature or version that this program does not know.
    Unsupported,
    /// The key's role does not allow this operation.
    Denied,
    /// The snapshot is pinned.
    Pinned,
    /// No such snapshot, path or component.
    NotFound,
    /// A prefix fits several snapshots.
    Ambiguous,
    /// An argument has no meaning.
    Invalid,
    /// The session was ended by someone else before it could commit.
    Aborted,
    /// The caller asked to stop.
    Interrupted,
    /// A command whose output was to be stored failed.
    CommandFailed,
    /// This machine computed something wrongly and was caught at it: memory or processor may be failing.
    Unreliable,
    /// The operating system refused an operation.
    Io,
}

impl ErrorKind {
    /// What the operating system's refusal to write means: [`NoSpace`](Self::NoSpace) when the medium or the user's share
    /// of it is full, [`Io`](Self::Io) otherwise.
    pub fn of_refused(error: &std::io::Error) -> Self {
        if is_full(error) { Self::NoSpace } else { Self::Io }
    }
}

/// What went wrong, with which object, where and why. Its text says its causes too; its source is for whoever acts on them.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of every operation of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error that says what went wrong.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Puts what was being done before the message.
    #[must_use]
    pub fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// What the caller can act on.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether stored bytes are missing or wrong.
    pub const fn is_corrupt(&self) -> bool {
        matches!(self.kind, ErrorKind::Damaged | ErrorKind::RolledBack)
    }

    /// Whether stored bytes can't be read where they lie, or are wrong there, so that another copy may serve: a bit that
    /// flipped in a pack's header makes it one of another version or of other keys.
    pub(crate) const fn is_loss(&self) -> bool {
        matches!(self.kind, ErrorKind::Damaged | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Io)
    }

    /// Whether the system refuses this user what was to be done. Of what is only read that says nothing about its bytes.
    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self.kind, ErrorKind::ReadOnly)
    }

    /// Whether one thing that is stored can't be had, and others may be: whoever reads much goes on without it, and tells.
    pub(crate) const fn is_of_one_thing(&self) -> bool {
        matches!(self.kind, ErrorKind::Damaged | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::ReadOnly)
    }

    /// Whether the same call may succeed later without anything being mended.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Busy | ErrorKind::NoSpace | ErrorKind::Exhausted | ErrorKind::Aborted | ErrorKind::Interrupted
        )
    }

    /// What is told of something that is stored, as something that was found.
    ///
    /// # Errors
    /// The error, where it says nothing about what is stored.
    pub(crate) fn found(self) -> Result<Self> {
        if self.kind == ErrorKind::Exhausted { Err(self) } else { Ok(self) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {}", chain(source.as_ref())),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = error;
    // The text of one of ours says the causes of it.
    while !last.is::<Error>()
        && let Some(source) = last.source()
    {
        let said = source.to_string();
        // Some messages of others hold their cause's already.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        last = source;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[derive(Debug, thiserror::Error)]
    #[error("{place} can't be opened")]
    struct Outer {
        place: &'static str,
        source: std::io::Error,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("around it")]
    struct Around(#[source] Error);

    /// The cause was kept, and nobody could get at it.
    #[test]
    fn a_cause_can_be_had_and_is_said_once_however_deep_it_lies() {
        let cause = std::io::Error::from_raw_os_error(rustix::io::Errno::NOTDIR.raw_os_error());
        let (kind, said) = (cause.kind(), cause.to_string());
        let error = Error::new(ErrorKind::Io, "it failed").because(Outer { place: "/a", source: cause });
        let text = format!("it failed: /a can't be opened: {said}");
        assert_eq!((error.to_string(), chain(&error)), (text.clone(), text.clone()));
        let outer = error.source().and_then(|source| source.downcast_ref::<Outer>()).unwrap();
        assert_eq!(outer.source.kind(), kind);

        let around = Around(error);
        assert_eq!(chain(&around), format!("around it: {text}"));
        let above = Error::new(ErrorKind::Io, "above").because(around);
        assert_eq!(above.to_string(), format!("above: around it: {text}"));
        assert!(Error::new(ErrorKind::Io, "it failed").source().is_none());
    }
}
