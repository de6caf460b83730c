//! Why a profile is refused, and in which line.

/// What is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub(crate) struct Refusal {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong there and what would be right.
    pub(crate) message: String,
}

impl Refusal {
    pub(super) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// The known word that an unknown one was most likely meant to be, as a question; nothing where more than a letter in
/// three would have to be wrong.
pub(super) fn suggestion<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let wrong = known.into_iter().map(|known| (strsim::damerau_levenshtein(unknown, known), known));
    let near = wrong.filter(|(wrong, known)| wrong.saturating_mul(3) <= known.len().max(unknown.len()));
    near.min_by_key(|(wrong, _)| *wrong).map_or_else(String::new, |(_, known)| format!("; did you mean {known:?}?"))
}

/// The line, from 1, in which the byte at an offset stands.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count().saturating_add(1)
}
