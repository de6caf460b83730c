//! What each leaf error means to a caller.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named is damage: a new case of a leaf error must not be taken for something milder"
)]

use super::{Error, ErrorKind};
use crate::config::ConfigError;
use crate::destination::DestinationError;
use crate::envelope::EnvelopeError;
use crate::frame::FrameError;
use crate::gc::GcError;
use crate::index::IndexError;
use crate::key::KeyError;
use crate::layout::LayoutError;
use crate::manifest::{BuildError, ReadError};
use crate::outcome::OutcomeError;
use crate::pack::PackError;
use crate::record::RecordError;
use crate::restic::ResticError;
use crate::seal::SealError;
use crate::segment::{SegmentError, SegmentFault, SegmentFull};
use crate::session_record::SessionError;
use crate::source::SourceError;
use crate::store::StoreError;
use crate::threads::Unstarted;

/// Leaf errors that always mean the same.
macro_rules! always {
    ($($leaf:ty => $kind:ident),* $(,)?) => {$(
        impl From<$leaf> for Error {
            fn from(error: $leaf) -> Self {
                Self::new(ErrorKind::$kind, super::chain(&error))
            }
        }
    )*};
}

always! {
    FrameError => Damaged,
    LayoutError => Damaged,
    SealError => Damaged,
    SegmentError => Damaged,
    SegmentFault => Damaged,
    SegmentFull => Damaged,
    Unstarted => Io,
}

/// Leaf errors of which each case means something of its own.
macro_rules! by_case {
    ($($leaf:ty => $kind:path),* $(,)?) => {$(
        impl From<$leaf> for Error {
            fn from(error: $leaf) -> Self {
                Self::new($kind(&error), super::chain(&error))
            }
        }
    )*};
}

by_case! {
    StoreError => store,
    IndexError => index,
    EnvelopeError => envelope,
    OutcomeError => outcome,
    RecordError => record,
    SessionError => session,
    GcError => gc,
    ConfigError => config,
    KeyError => key,
    PackError => pack,
    SourceError => source,
    ResticError => restic,
    DestinationError => destination,
}

const fn restic(error: &ResticError) -> ErrorKind {
    match error {
        ResticError::NoRepository { .. } => ErrorKind::NoRepository,
        ResticError::WrongPassword { .. } => ErrorKind::WrongPassword,
        ResticError::Version { .. } => ErrorKind::Unsupported,
        ResticError::Io { .. } => ErrorKind::Io,
        _ => ErrorKind::Damaged,
    }
}

const fn store(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::NotFound { .. }
        | StoreError::TooLarge { .. }
        | StoreError::OutOfRange { .. }
        | StoreError::NotAFile { .. }
        | StoreError::Unproven { .. } => ErrorKind::Damaged,
        StoreError::NoSpace { .. } => ErrorKind::NoSpace,
        StoreError::Exhausted { .. } => ErrorKind::Exhausted,
        StoreError::ReadOnly { .. } | StoreError::Denied { .. } => ErrorKind::ReadOnly,
        StoreError::NotARepository { .. } => ErrorKind::NoRepository,
        StoreError::ARepository { .. } | StoreError::NotEmpty { .. } => ErrorKind::Occupied,
        StoreError::Unsupported { .. } | StoreError::Unmendable { .. } => ErrorKind::Unsupported,
        StoreError::StaleListing { .. } | StoreError::Abandoned { .. } | StoreError::Io { .. } => ErrorKind::Io,
    }
}

const fn index(error: &IndexError) -> ErrorKind {
    match error {
        IndexError::NoSpace { .. } => ErrorKind::NoSpace,
        IndexError::Segment(_) | IndexError::UnknownPack { .. } => ErrorKind::Damaged,
        IndexError::Full => ErrorKind::Unsupported,
        IndexError::Damaged { .. } | IndexError::Unstarted(_) | IndexError::Io { .. } => ErrorKind::Io,
    }
}

const fn envelope(error: &EnvelopeError) -> ErrorKind {
    match error {
        EnvelopeError::Role { .. } => ErrorKind::Denied,
        error if error.is_unsupported() => ErrorKind::Unsupported,
        _ => ErrorKind::Damaged,
    }
}

const fn outcome(error: &OutcomeError) -> ErrorKind {
    match error {
        OutcomeError::Envelope(error) => envelope(error),
        OutcomeError::UnknownKind { .. } => ErrorKind::Unsupported,
        _ => ErrorKind::Damaged,
    }
}

const fn record(error: &RecordError) -> ErrorKind {
    match error {
        RecordError::Envelope(error) => envelope(error),
        RecordError::UnknownKind { .. } => ErrorKind::Unsupported,
        _ => ErrorKind::Damaged,
    }
}

const fn session(error: &SessionError) -> ErrorKind {
    match error {
        SessionError::Envelope(error) => envelope(error),
        SessionError::UnknownKind { .. } => ErrorKind::Unsupported,
        _ => ErrorKind::Damaged,
    }
}

const fn gc(error: &GcError) -> ErrorKind {
    match error {
        GcError::Envelope(error) => envelope(error),
        _ => ErrorKind::Damaged,
    }
}

const fn config(error: &ConfigError) -> ErrorKind {
    match error {
        ConfigError::Version(_) | ConfigError::UnknownFeature { .. } => ErrorKind::Unsupported,
        ConfigError::Unknown(_) => ErrorKind::Unsupported,
        _ => ErrorKind::Damaged,
    }
}

const fn key(error: &KeyError) -> ErrorKind {
    match error {
        KeyError::WrongSecret | KeyError::OtherKind { .. } => ErrorKind::WrongPassword,
        KeyError::Version(_) | KeyError::Suite(_) | KeyError::Epoch(_) => ErrorKind::Unsupported,
        KeyError::Lacks { .. } => ErrorKind::Denied,
        KeyError::EmptyPassword | KeyError::Cost { .. } => ErrorKind::Invalid,
        KeyError::Memory { .. } | KeyError::Threads => ErrorKind::Io,
        _ => ErrorKind::Damaged,
    }
}

const fn pack(error: &PackError) -> ErrorKind {
    if error.is_corrupt() { ErrorKind::Damaged } else { ErrorKind::Denied }
}

const fn source(error: &SourceError) -> ErrorKind {
    match error {
        SourceError::Argument { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    }
}

fn destination(error: &DestinationError) -> ErrorKind {
    if error.is_full() { ErrorKind::NoSpace } else { ErrorKind::Io }
}

impl From<ReadError<Error>> for Error {
    fn from(error: ReadError<Error>) -> Self {
        match error {
            // The node's place in its tree says more than a message about a chunk, and the cause keeps its kind.
            ReadError::Source { source, node, span } => {
                let kind = source.kind();
                Self::new(kind, format!("node {node} ({span}) could not be read")).because(source)
            }
            error => Self::new(ErrorKind::Damaged, super::chain(&error)),
        }
    }
}

impl From<BuildError<Error>> for Error {
    fn from(error: BuildError<Error>) -> Self {
        match error {
            BuildError::Sink(source) => source,
            error => Self::new(ErrorKind::Io, super::chain(&error)),
        }
    }
}
