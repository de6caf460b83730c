//! The trees that are backed up: the same in memory and in a folder.

use super::program::{Edit, EditKind};
use std::collections::BTreeMap;
use std::io::Result;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Names that edits choose from. Some are directories of others: what is there is moved out of the way.
const NAMES: [&str; 10] = ["a", "b", "c", "d/a", "d/b", "d/e/a", "d/e/f/g", "h/a", "h/b", "h/c/a"];

/// Lengths that edits choose from: none, in the entry, one chunk, several chunks, and one with a hole.
const LENGTHS: [usize; 8] = [0, 5, 60, 300, 300, 5_000, 40_000, 140_000];

/// What a path holds. Directories are there for what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    File(Vec<u8>),
    Link(String),
}

/// What a folder holds, by paths below it.
pub(super) type Tree = BTreeMap<String, Node>;

/// Makes a change to a tree, and to the folder that holds the same.
pub(super) fn edit(tree: &mut Tree, folder: &Path, edit: Edit) -> Result<()> {
    let name = *NAMES.iter().cycle().nth(edit.name.into()).unwrap_or(&"a");
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let (node, replace) = match edit.what {
        EditKind::Write { seed, length } => (Node::File(content(seed, length)), false),
        EditKind::Replace { seed, length } => (Node::File(content(seed, length)), true),
        EditKind::Link => (Node::Link(format!("to-{name}")), true),
        EditKind::Remove => {
            tree.remove(name);
            return gone(std::fs::remove_file(path));
        }
    };
    if replace || matches!(tree.get(name), Some(Node::Link(_))) {
        gone(std::fs::remove_file(&path))?;
    }
    match &node {
        Node::File(content) => std::fs::write(&path, content)?,
        Node::Link(target) => symlink(target, &path)?,
    }
    tree.insert(name.to_owned(), node);
    Ok(())
}

fn gone(removed: Result<()>) -> Result<()> {
    removed.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn content(seed: u8, length: u8) -> Vec<u8> {
    let bytes = *LENGTHS.iter().cycle().nth(length.into()).unwrap_or(&0);
    let mut content = vec![0; bytes];
    let random = bytes.min(40_000);
    let (first, _) = content.split_at_mut(random);
    // Half of it shrinks.
    let (noise, text) = first.split_at_mut(random / 2);
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(noise);
    text.fill(seed);
    content
}

/// Reads what a folder holds.
pub(super) fn read(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut waiting = vec![String::new()];
    while let Some(below) = waiting.pop() {
        for entry in std::fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(entry.path())?;
                tree.insert(path, Node::Link(target.to_string_lossy().into_owned()));
            } else {
                tree.insert(path, Node::File(std::fs::read(entry.path())?));
            }
        }
    }
    Ok(tree)
}

/// The first path at which two trees differ.
pub(super) fn difference(one: &Tree, other: &Tree) -> Option<String> {
    let paths = one.keys().chain(other.keys());
    paths.into_iter().find(|path| one.get(*path) != other.get(*path)).cloned()
}
