//! Lists that stay small however much there is to tell.

use std::ops::{Deref, DerefMut};

/// The first `MAX` of what came, and how much came in all. As a slice it is what was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt<T, const MAX: usize = 10_000> {
    kept: Vec<T>,
    count: u64,
}

impl<T, const MAX: usize> Excerpt<T, MAX> {
    /// How much came, kept or not.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Counts one more, and keeps it if there is room.
    pub fn push(&mut self, item: T) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() < MAX {
            self.kept.push(item);
        }
    }

    /// Takes out and uncounts what was kept and is not to stay.
    pub fn retain(&mut self, stays: impl FnMut(&T) -> bool) {
        let before = self.kept.len();
        self.kept.retain(stays);
        let taken = before.saturating_sub(self.kept.len());
        self.count = self.count.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
    }

    /// Adds what another list counted behind what this one did.
    pub fn append(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.kept.truncate(MAX);
        self.count = self.count.saturating_add(other.count);
    }
}

impl<T, const MAX: usize> Default for Excerpt<T, MAX> {
    fn default() -> Self {
        Self { kept: Vec::new(), count: 0 }
    }
}

impl<T, const MAX: usize> Deref for Excerpt<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.kept
    }
}

impl<T, const MAX: usize> DerefMut for Excerpt<T, MAX> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.kept
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a Excerpt<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.iter()
    }
}

impl<T, const MAX: usize> FromIterator<T> for Excerpt<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut excerpt = Self::default();
        items.into_iter().for_each(|item| excerpt.push(item));
        excerpt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut first: Excerpt<u8, 3> = (0..2).collect();
        assert_eq!((first.count(), &first[..]), (2, &[0, 1][..]));
        first.append((2..7).collect());
        assert_eq!((first.count(), &first[..]), (7, &[0, 1, 2][..]));
        first.push(9);
        assert_eq!((first.count(), &first[..]), (8, &[0, 1, 2][..]));
        first.retain(|item| *item > 0);
        assert_eq!((first.count(), &first[..]), (7, &[1, 2][..]));
    }
}
