//! What a store was seen to keep of what it promises.

/// Whether a store was seen to keep a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It was tried, in this process, and held.
    Proven,
    /// It did not hold; the text says why.
    Unproven(String),
    /// It could not be tried, for nothing may be written there; the text says what was refused.
    Untried(String),
}

impl Fact {
    /// Whether the promise may be relied upon.
    pub const fn is_proven(&self) -> bool {
        matches!(self, Self::Proven)
    }
}

/// What a store can be trusted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// Of several attempts to create one name exactly one wins. Without it, sessions are ended by an operator only.
    pub creates_exclusively: Fact,
    /// A listing shows every object whose creation was acknowledged before. Without it, nothing may be pruned.
    pub lists_acknowledged: Fact,
}
