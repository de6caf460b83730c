//! Snapshots as a read-only file tree that is looked at piece by piece: what a mount shows, without the kernel's side of it.
//!
//! Every file has a number that says where it lies: in which shown snapshot, in which component, and as which row of its
//! manifest. The row is found by that number in one way down the tree, so nothing has to be remembered of the files that
//! were seen, and nothing to be forgotten. A directory is read from any place in it, and a content from any offset, at
//! the cost of the nodes on the way and one frame. Memory: two caches of decoded frames, one of nodes, a cursor for each
//! open directory and a list of items for each open file.
//!
//! Above the snapshots stand folders that are made from templates such as `hosts/%h/%T`. They are brought up to date
//! while they are looked at.

mod attributes;
mod directory;
mod file;
mod folders;
mod names;
mod nodes;
mod number;
mod options;
mod snapshot_tree;
mod tree;

#[cfg(test)]
mod tests;

pub use attributes::{Attributes, Lifetime};
pub use directory::{DirectoryRow, OpenDirectory, Taken};
pub use file::{OpenFile, Seek};
pub use names::{NameTime, PathTemplate};
pub use number::FileNumber;
pub use options::MountOptions;
pub use tree::MountedTree;
