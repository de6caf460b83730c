//! Why an outcome was refused.

use super::OutcomeKind;
use crate::config::Role;
use crate::envelope::EnvelopeError;
use crate::id::SessionId;
use crate::wire::WireError;

/// Why an outcome was refused, or can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The envelope does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The body or description does not decode.
    #[error("outcome of session {id}: {source}")]
    Body {
        /// The session.
        id: SessionId,
        /// Where it does not.
        source: WireError,
    },
    /// An outcome of a newer program: it counts as undecided here, and collectors stop.
    #[error("outcome of session {id} is of kind {kind}, which is not known")]
    UnknownKind {
        /// The session.
        id: SessionId,
        /// Its kind.
        kind: u32,
    },
    /// It uses an attribute that this program must know and does not.
    #[error("outcome of session {id} has attribute {attribute:#x}, which must be known")]
    UnknownAttribute {
        /// The session.
        id: SessionId,
        /// The attribute, with its mandatory bit.
        attribute: u32,
    },
    /// The body is that of another name.
    #[error("outcome of session {found} lies under the name of {expected}")]
    Misplaced {
        /// The name.
        expected: SessionId,
        /// What the body says.
        found: SessionId,
    },
    /// A field breaks a rule.
    #[error("outcome of session {id}: {what}")]
    Invalid {
        /// The session.
        id: SessionId,
        /// Which rule.
        what: &'static str,
    },
    /// The signer's role may not end a session like this.
    #[error("outcome of session {id}: a key with the role {role} may not sign {kind}")]
    Role {
        /// The session.
        id: SessionId,
        /// How it would end.
        kind: OutcomeKind,
        /// The signer's role.
        role: Role,
    },
    /// It does not end the session that it names.
    #[error("outcome of session {id}: {what}")]
    Session {
        /// The session.
        id: SessionId,
        /// What does not fit.
        what: &'static str,
    },
}
