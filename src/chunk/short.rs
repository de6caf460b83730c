//! BLAKE3 of many short messages at once.
//!
//! BLAKE3 cuts a message into leaves of 1 KiB and joins their hashes in a binary tree. Its crate hashes the leaves of one
//! message side by side, in powers of two, so that a short message leaves most lanes of the processor empty: files of
//! 6,000 bytes are hashed at a fifth of the speed of a long one, and a third of what a check of small files took was
//! BLAKE3. Here the leaves of all messages share the lanes, and then the joints of all trees, level by level: twice as
//! fast (`cargo bench --bench micro`), and the check took a tenth less.
//!
//! O'Connor, Aumasson, Neves, Wilcox-O'Hearn: "BLAKE3: one function, fast everywhere", 2.1 to 2.5.

use super::lanes::{Input, Lanes};
use std::cmp::Reverse;

/// A leaf of the tree.
const LEAF_BYTES: usize = 1024;

/// A hash, or the chaining value of a part of a message.
pub(super) type Hash = [u8; 32];

/// The keyed hashes of the messages, in their order. None where the processor can't hash them side by side.
pub(super) fn keyed_hashes(key: &[u8; 32], messages: &[&[u8]]) -> Option<Vec<Hash>> {
    Some(keyed_hashes_by(&Lanes::with_key(key)?, key, messages))
}

fn keyed_hashes_by(lanes: &Lanes, key: &[u8; 32], messages: &[&[u8]]) -> Vec<Hash> {
    let leaves = |message: &&[u8]| if is_short(lanes, message) { leaf_count(message) } else { 1 };
    let mut forest = Forest::of(messages.iter().map(leaves));
    forest.hash_leaves(lanes, messages);
    while forest.join(lanes) {}
    for (tree, message) in forest.trees.iter().zip(messages) {
        if let (false, Some(root)) = (is_short(lanes, message), forest.values.get_mut(tree.first)) {
            *root = *blake3::keyed_hash(key, message).as_bytes();
        }
    }
    forest.trees.iter().filter_map(|tree| forest.values.get(tree.first).copied()).collect()
}

fn is_short(lanes: &Lanes, message: &[u8]) -> bool {
    message.len() < lanes.long_bytes()
}

/// No message is so short that it has no leaf.
fn leaf_count(message: &[u8]) -> usize {
    message.len().div_ceil(LEAF_BYTES).max(1)
}

/// The trees of all messages, of which the level is kept that was hashed last.
struct Forest {
    values: Vec<Hash>,
    trees: Vec<Tree>,
}

/// Where the values of one message's level stand.
struct Tree {
    first: usize,
    count: usize,
}

/// An input, and which value it gives.
type Task<'a> = (Input<'a>, usize);

impl Forest {
    fn of(leaf_counts: impl Iterator<Item = usize>) -> Self {
        let mut end = 0;
        let trees = leaf_counts
            .map(|count| {
                let first = end;
                end += count;
                Tree { first, count }
            })
            .collect();
        Self { values: vec![[0; 32]; end], trees }
    }

    fn hash_leaves(&mut self, lanes: &Lanes, messages: &[&[u8]]) {
        let mut tasks: Vec<Task<'_>> = Vec::with_capacity(self.values.len());
        for (tree, message) in self.trees.iter().zip(messages).filter(|(_, message)| is_short(lanes, message)) {
            if message.is_empty() {
                tasks.push((Input::leaf(message, 0, true), tree.first));
            }
            for ((number, leaf), place) in (0..).zip(message.chunks(LEAF_BYTES)).zip(tree.first..) {
                tasks.push((Input::leaf(leaf, number, tree.count == 1), place));
            }
        }
        tasks.sort_by_key(|(leaf, _)| Reverse(leaf.block_count()));
        self.hash(lanes, &tasks);
    }

    /// Joins the values of a level in pairs, of those trees that have more than one; the odd last one is of the next
    /// level as it is, which gives the tree of the specification. False if no tree had any.
    fn join(&mut self, lanes: &Lanes) -> bool {
        let mut pairs = Vec::new();
        for tree in self.trees.iter_mut().filter(|tree| tree.count > 1) {
            let level = self.values.get_mut(tree.first..tree.first + tree.count).unwrap_or_default();
            let (twos, odd) = level.as_chunks::<2>();
            for (number, two) in twos.iter().enumerate() {
                pairs.push((joined(two), level.len() == 2, tree.first + number));
            }
            if let [odd] = *odd {
                let place = twos.len();
                level.get_mut(place).into_iter().for_each(|value| *value = odd);
            }
            tree.count = tree.count.div_ceil(2);
        }
        let tasks: Vec<Task<'_>> =
            pairs.iter().map(|(pair, is_root, place)| (Input::joint(pair, *is_root), *place)).collect();
        self.hash(lanes, &tasks);
        !tasks.is_empty()
    }

    fn hash(&mut self, lanes: &Lanes, tasks: &[Task<'_>]) {
        let mut places = tasks.iter().map(|(_, place)| *place);
        lanes.hash(tasks.iter().map(|(input, _)| *input), |hash| {
            if let Some(value) = places.next().and_then(|place| self.values.get_mut(place)) {
                *value = hash;
            }
        });
    }
}

fn joined([left, right]: &[Hash; 2]) -> [u8; 64] {
    let mut pair = [0; 64];
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    pair
}

#[cfg(test)]
mod tests;
