//! Patterns that choose paths: `*.o`, `/home/*/cache`, `src/**/test`, `!keep`.
//!
//! They mean what they mean in restic 0.19, and are tested against it. A pattern is cut at its slashes; `.`, `..` and
//! doubled slashes are resolved first, and a slash at the end says nothing. Within a name `*` stands for any bytes, `?`
//! for one character, `[a-z]` and `[^a-z]` for one of some, and `\` takes the meaning from what follows. `**` as a whole
//! name stands for any number of names, none included. A pattern that begins with `/` is held against the path from the
//! root on, any other against every part of it. What fits covers everything below it.

mod ignore;
mod list;
mod name;

pub use ignore::{IgnoreFile, Judged, Verdict};
pub use list::{PatternList, Rule, Standing};

use name::NamePattern;
use std::borrow::Cow;

/// Whether `A` is `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// It is not.
    #[default]
    Exact,
    /// It is, in names that are UTF-8 also beyond ASCII.
    Ignored,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A `[` without its `]` in the same name, or without anything between them.
    #[error("a [ without its ] in the same name, or with nothing between them")]
    OpenClass,
    /// Within `[...]` something stands where a character is wanted.
    #[error("within [...], a - or ] that does not end a range or the class needs a \\ before it")]
    ClassCharacter,
    /// Within `[...]` stand bytes that are no UTF-8.
    #[error("bytes that are no UTF-8 within [...]")]
    ClassEncoding,
    /// A name ends with the `\` that takes the meaning from what follows.
    #[error("nothing follows the \\ at the end of a name")]
    LooseEscape,
}

/// One pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// Whether what fits is not chosen, whatever earlier rules said.
    negated: bool,
    /// Whether the text began with a slash.
    is_anchored: bool,
    /// How many `**` were written.
    recursion_count: usize,
    /// Begins with [`NamePattern::AnyNames`] unless it is anchored, so that it fits whole paths only.
    names: Vec<NamePattern>,
}

impl Pattern {
    /// Takes a pattern apart that is not empty.
    fn parse(text: &[u8], case: Case) -> Result<Self, PatternError> {
        let text = folded(text, case);
        let (negated, text) = match text.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, text.as_ref()),
        };
        let is_anchored = text.first() == Some(&b'/');
        let parts = resolved(text, is_anchored);
        let mut names = Vec::with_capacity(parts.len().saturating_add(1));
        if !is_anchored || parts.is_empty() {
            names.push(NamePattern::AnyNames);
        }
        if !is_anchored && parts.is_empty() {
            // What is left of `.` and the like is the name of no entry.
            names.push(NamePattern::Literal(b".".to_vec()));
        }
        for part in parts {
            names.push(NamePattern::parse(part)?);
        }
        let own = names.iter().filter(|name| **name == NamePattern::AnyNames).count();
        let mut recursion_count = own.saturating_sub(usize::from(!is_anchored));
        if recursion_count == 1 && own < names.len() && names.pop_if(|last| *last == NamePattern::AnyNames).is_some() {
            // What fits covers all below it anyway, and so it is seen what it fits.
            recursion_count = 0;
        }
        Ok(Self { negated, is_anchored, recursion_count, names })
    }

    /// The name with which every path ends that fits and lies in none that does, if there is just one.
    fn last_literal(&self) -> Option<&[u8]> {
        match self.names.last() {
            Some(NamePattern::Literal(name)) if self.recursion_count < 2 => Some(name),
            _ => None,
        }
    }

    /// What was written, without what stands for the missing slash.
    fn written(&self) -> &[NamePattern] {
        self.names.get(usize::from(!self.is_anchored)..).unwrap_or_default()
    }

    /// Whether the path fits, or something above it; where something above it fits without it, the answer may be no.
    fn fits(&self, path: &[&[u8]]) -> bool {
        if self.recursion_count < 2 { fits_whole(&self.names, path) } else { self.fits_within_length(path) }
    }

    /// Where `**` is written several times, restic replaces one after the other by ever more `*`, and ends when the
    /// pattern, with each `**` that is left counted as one name, has more names than the path, whose root counts as one.
    /// So `/a/**/b/**/c` fits `/a/b/x/c` and not `/a/x/b/c`. This finds the same without trying every way.
    fn fits_within_length(&self, path: &[&[u8]]) -> bool {
        let starts = if self.is_anchored { 0..1 } else { 0..path.len() };
        starts.into_iter().any(|start| self.fits_from(path, start).is_some())
    }

    fn fits_from(&self, path: &[&[u8]], start: usize) -> Option<()> {
        let length_max = path.len() + 1;
        // `/` and every `**` not yet replaced take part in the length.
        let own_length = self.written().len() + usize::from(self.is_anchored);
        // Which numbers of names the `**` so far can stand for together.
        let mut sums = vec![false; length_max + 1];
        *sums.first_mut()? = true;
        let (mut single_count, mut recursion_count) = (0, 0);
        for name in self.written() {
            if *name == NamePattern::AnyNames {
                recursion_count += 1;
                let sum_max = (length_max + recursion_count).checked_sub(own_length)?;
                let sum_min = sums.iter().position(|reached| *reached)?;
                for (sum, reached) in sums.iter_mut().enumerate() {
                    *reached = (sum_min..=sum_max).contains(&sum);
                }
                continue;
            }
            for (sum, reached) in sums.iter_mut().enumerate().filter(|(_, reached)| **reached) {
                *reached = path.get(start + single_count + sum).is_some_and(|part| name.fits(part));
            }
            single_count += 1;
        }
        let reached = sums.iter().position(|reached| *reached)?;
        (start + single_count + reached <= path.len()).then_some(())
    }
}

/// Whether the path fits as a whole, not only something above it. The last `**` alone is tried at several lengths, so
/// this takes no longer than the product of the two lengths.
fn fits_whole(names: &[NamePattern], path: &[&[u8]]) -> bool {
    let (mut unmatched, mut left) = (names, path);
    let mut any: Option<(&[NamePattern], &[&[u8]])> = None;
    while let Some((name, above)) = left.split_last() {
        match unmatched.split_last() {
            // Nothing is in front of it: it takes whatever is left.
            Some((NamePattern::AnyNames, [])) => return true,
            Some((NamePattern::AnyNames, before)) => {
                any = Some((before, left));
                unmatched = before;
            }
            Some((pattern, before)) if pattern.fits(name) => {
                unmatched = before;
                left = above;
            }
            _ => {
                let Some((before, [shorter @ .., _])) = any else { return false };
                any = Some((before, shorter));
                unmatched = before;
                left = shorter;
            }
        }
    }
    unmatched.iter().all(|name| *name == NamePattern::AnyNames)
}

/// The names of a path after `.`, `..` and doubled slashes are resolved, by the text alone.
fn resolved(text: &[u8], is_anchored: bool) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in text.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.last().is_some_and(|last| *last != b"..") => drop(names.pop()),
            b".." if is_anchored => {}
            _ => names.push(name),
        }
    }
    names
}

/// A text as it is compared: where case is ignored, each character by its one lower-case character.
fn folded(text: &[u8], case: Case) -> Cow<'_, [u8]> {
    if case == Case::Exact || !text.iter().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        return Cow::Borrowed(text);
    }
    let mut lower = Vec::with_capacity(text.len());
    for part in text.utf8_chunks() {
        // A dotted capital I alone has two lower-case characters; the dot is left out.
        let characters = part.valid().chars().map(|c| c.to_lowercase().next().unwrap_or(c));
        lower.extend_from_slice(characters.collect::<String>().as_bytes());
        lower.extend_from_slice(part.invalid());
    }
    Cow::Owned(lower)
}

#[cfg(test)]
mod tests;
