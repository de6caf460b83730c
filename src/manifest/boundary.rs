//! The keys that trees need, and the rule that says where a node ends.

use super::entry::LinkGroup;
use super::key::Key;
use super::node::Tree;
use crate::id::NodeId;
use crate::seal::Secret;

/// The key that names nodes.
#[derive(Debug, Clone)]
pub struct NodeIdKey(Secret);

impl NodeIdKey {
    /// Takes a repository's derived key.
    pub const fn new(key: Secret) -> Self {
        Self(key)
    }

    /// The id of a node: the keyed hash of its bytes.
    pub fn id(&self, node: &[u8]) -> NodeId {
        NodeId::from_bytes(*blake3::keyed_hash(self.0.expose(), node).as_bytes())
    }
}

/// The key that names hard-link groups.
#[derive(Debug, Clone)]
pub struct HardLinkKey(Secret);

impl HardLinkKey {
    /// Takes a repository's derived key.
    pub const fn new(key: Secret) -> Self {
        Self(key)
    }

    /// The name of the group whose first member, in the order of keys, is `first`.
    pub fn group(&self, first: &Key) -> LinkGroup {
        let hash = blake3::keyed_hash(self.0.expose(), first.as_bytes());
        let (name, _) = hash.as_bytes().split_first_chunk().expect("a hash has more than 16 bytes");
        LinkGroup(*name)
    }
}

/// The key that decides where nodes end, so that nobody without it can choose file names that make trees
/// degenerate.
#[derive(Debug, Clone)]
pub struct BoundaryKey(Secret);

impl BoundaryKey {
    /// Takes a repository's derived key.
    pub const fn new(key: Secret) -> Self {
        Self(key)
    }
}

/// Smallest mean of rows in a node: below it, trees of few entries would become deep.
pub const MEAN_MIN: u32 = 4;
/// Largest mean of rows in a node.
pub const MEAN_MAX: u32 = 16 << 10;
/// A node ends at the latest after so many times the mean of rows.
const MEAN_FACTOR: u32 = 4;

/// How many rows the nodes of a tree have on average, from a repository's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    leaf: u32,
    inner: u32,
}

impl Means {
    /// Takes the means of leaves and inner nodes, each from [`MEAN_MIN`] to [`MEAN_MAX`]; none when out of range.
    pub fn parse(leaf: u32, inner: u32) -> Option<Self> {
        let range = MEAN_MIN..=MEAN_MAX;
        if range.contains(&leaf) && range.contains(&inner) { Some(Self { leaf, inner }) } else { None }
    }
}

/// Decides where the nodes of one tree end.
#[derive(Debug, Clone)]
pub(super) struct Boundary {
    key: BoundaryKey,
    tree: Tree,
    means: Means,
    /// What is hashed, kept from call to call.
    scratch: Vec<u8>,
}

impl Boundary {
    pub(super) const fn new(key: BoundaryKey, tree: Tree, means: Means) -> Self {
        Self { key, tree, means, scratch: Vec::new() }
    }

    pub(super) const fn tree(&self) -> Tree {
        self.tree
    }

    const fn mean(&self, level: u8) -> u32 {
        if level == 0 { self.means.leaf } else { self.means.inner }
    }

    /// Whether a node that has `row_count` rows is full.
    pub(super) fn is_full(&self, level: u8, row_count: u64) -> bool {
        row_count >= u64::from(self.mean(level).saturating_mul(MEAN_FACTOR))
    }

    /// Whether a node ends after a row because of what the row is: its key, or the id that it names.
    pub(super) fn ends(&mut self, level: u8, mark: &[u8]) -> bool {
        self.number(level, mark) < threshold(self.mean(level))
    }

    /// The number that decides: the first eight bytes of the keyed hash of level, tree and mark.
    pub(super) fn number(&mut self, level: u8, mark: &[u8]) -> u64 {
        self.scratch.clear();
        self.scratch.extend_from_slice(&[level, self.tree.code()]);
        self.scratch.extend_from_slice(mark);
        let hash = blake3::keyed_hash(self.key.0.expose(), &self.scratch);
        let (head, _) = hash.as_bytes().split_first_chunk().expect("a hash has more than 8 bytes");
        u64::from_le_bytes(*head)
    }
}

/// `floor(2^64 / mean)`.
fn threshold(mean: u32) -> u64 {
    let quotient = (1u128 << 64).checked_div(mean.into()).unwrap_or(0);
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_24_the_threshold_is_the_quotient_rounded_down() {
        assert_eq!(threshold(4), 1 << 62);
        assert_eq!(threshold(100), 184_467_440_737_095_516);
        assert_eq!(threshold(MEAN_MAX), 1 << 50);
    }

    #[test]
    fn means_out_of_range_are_refused() {
        assert_eq!(Means::parse(MEAN_MIN - 1, 64), None);
        assert_eq!(Means::parse(64, MEAN_MAX + 1), None);
        assert!(Means::parse(MEAN_MIN, MEAN_MAX).is_some());
    }

    #[test]
    fn manifest_30_manifest_31_another_key_names_nodes_and_groups_otherwise() {
        let [one, other] = [3, 4].map(|byte| Secret::from_bytes([byte; 32]));
        assert_ne!(NodeIdKey::new(one.clone()).id(b""), NodeIdKey::new(other.clone()).id(b""));
        assert_ne!(HardLinkKey::new(one).group(&Key::root()), HardLinkKey::new(other).group(&Key::root()));
    }
}
