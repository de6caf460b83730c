//! The ignore files that count in a directory: its own, and those of the directories above.

use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Statx};

use super::file::QUIET;
use crate::fs::{look_at, look_through, open_quietly, read_at};
use crate::pattern::{IgnoreFile, Judged, Rule, Verdict};

/// A longer file says nothing: it is no list of patterns that anybody wrote.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Ignore files, the nearest first; each kind is a chain of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Ignoring {
    /// Files that count in whole trees.
    plain: Chain,
    /// Files that count within one working tree of git.
    git: Chain,
}

type Chain = Option<Arc<Link>>;

#[derive(Debug)]
struct Link {
    file: IgnoreFile,
    /// How many names lead to the directory of the file.
    depth: usize,
    above: Chain,
}

impl Ignoring {
    /// Those that count in a directory, given what counts above. `names` are those of ignore files; `has` says which
    /// entries the directory has.
    pub(super) fn within(
        mut self,
        (directory, key): (&OwnedFd, &[u8]),
        (plain, git): (&[Vec<u8>], &[Vec<u8>]),
        has: impl Fn(&[u8]) -> bool,
    ) -> Self {
        if !git.is_empty() && has(b".git") {
            // Another working tree: what is said above is about that one.
            self.git = None;
        }
        for (names, chain) in [(plain, &mut self.plain), (git, &mut self.git)] {
            for name in names.iter().filter(|name| has(name)) {
                let file = read(directory, key, name).unwrap_or_default();
                if !file.is_empty() {
                    let depth = names_of(key).count();
                    *chain = Some(Arc::new(Link { file, depth, above: chain.take() }));
                }
            }
        }
        self
    }

    /// Whether no file counts.
    pub(super) const fn is_empty(&self) -> bool {
        self.plain.is_none() && self.git.is_none()
    }

    /// By which rule an entry, given by its names from the root on, is left out.
    pub(super) fn leaves_out(&self, path: &[&[u8]], found: &Statx) -> Option<&Arc<Rule>> {
        let is_directory = FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory;
        let judged = if is_directory { Judged::Directory } else { Judged::Other };
        [&self.plain, &self.git].into_iter().find_map(|chain| decided(chain.as_deref(), path, judged))
    }
}

fn decided<'a>(mut link: Option<&'a Link>, path: &[&[u8]], judged: Judged) -> Option<&'a Arc<Rule>> {
    while let Some(nearest) = link {
        match nearest.file.verdict(path.get(nearest.depth..).unwrap_or_default(), judged) {
            Verdict::LeftOut(rule) => return Some(rule),
            Verdict::Taken => return None,
            Verdict::Silent => link = nearest.above.as_deref(),
        }
    }
    None
}

/// The names on the way to what these key bytes stand for.
pub(super) fn names_of(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == 0).filter(|name| !name.is_empty())
}

/// What can't be read says nothing: more is backed up then, and the file itself is reported.
fn read(directory: &OwnedFd, key: &[u8], name: &[u8]) -> Option<IgnoreFile> {
    let found = look_at(directory, name).ok()?;
    if FileType::from_raw_mode(found.stx_mode.into()) != FileType::RegularFile || found.stx_size > FILE_BYTES_MAX {
        return None;
    }
    let file = open_quietly(directory, name, QUIET).ok()?;
    let mut text = vec![0; usize::try_from(look_through(&file).ok()?.stx_size.min(FILE_BYTES_MAX)).ok()?];
    let filled = read_at(&file, 0, &mut text).ok()?;
    text.truncate(filled);
    let origin: Vec<u8> = names_of(key).chain([name]).flat_map(|name| [b"/", name].concat()).collect();
    Some(IgnoreFile::parse(&text, &String::from_utf8_lossy(&origin)))
}
