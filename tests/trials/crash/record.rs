//! What the program did to a repository's directory, recorded from the program itself.

use crate::call::{Act, Call};
use crate::tracer::{Verdict, Watcher};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing that was done. Paths are relative to the repository; files are numbered in the order of their making.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    MakeDirectory(PathBuf),
    RemoveDirectory(PathBuf),
    Create {
        file: usize,
        path: PathBuf,
    },
    Write {
        file: usize,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SyncFile(usize),
    SyncDirectory(PathBuf),
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink(PathBuf),
    /// The program told its user something.
    Say(String),
}

/// Records what happens below a repository's directory.
pub(crate) struct Recorder {
    repository: PathBuf,
    output: PathBuf,
    /// Which file a path leads to.
    files: BTreeMap<PathBuf, usize>,
    pub(crate) steps: Vec<Step>,
    /// How many files there are, those of the beginning included.
    file_count: usize,
    next: Option<Step>,
}

impl Recorder {
    /// Begins with files that are there already, numbered as they are given.
    pub(crate) fn new(repository: PathBuf, output: PathBuf, there: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: BTreeMap<PathBuf, usize> = there.into_iter().enumerate().map(|(file, path)| (path, file)).collect();
        Self { repository, output, file_count: files.len(), files, steps: Vec::new(), next: None }
    }

    fn below(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.repository).ok().map(Path::to_path_buf)
    }

    fn file(&self, path: &Path) -> usize {
        *self.files.get(path).unwrap_or_else(|| panic!("{} was written and never made", path.display()))
    }

    fn step(&self, call: &Call) -> Option<Step> {
        if call.act == Act::Write && call.path == self.output {
            return Some(Step::Say(String::from_utf8_lossy(&call.bytes()).into_owned()));
        }
        // A directory that is made may lie above: then it is the repository itself.
        let path = self.below(&call.path)?;
        let to = || self.below(call.to.as_deref().expect("a link or a rename has two paths")).expect("it stays inside");
        Some(match call.act {
            Act::Open | Act::Read | Act::List | Act::Ask => return None,
            Act::Create => Step::Create { file: self.files.get(&path).copied().unwrap_or(self.file_count), path },
            Act::Write => Step::Write { file: self.file(&path), offset: call.offset(), bytes: call.bytes().into() },
            Act::SyncFile => Step::SyncFile(self.file(&path)),
            Act::SyncDirectory => Step::SyncDirectory(path),
            Act::Link => Step::Link { from: path, to: to() },
            Act::Rename => Step::Rename { from: path, to: to() },
            Act::Unlink => Step::Unlink(path),
            Act::MakeDirectory => Step::MakeDirectory(path),
            Act::RemoveDirectory => Step::RemoveDirectory(path),
            // The reserve: space without content.
            Act::Allocate if path == Path::new("reserve") => return None,
            Act::Allocate | Act::Truncate | Act::Dress => panic!("nothing is known of {call:?}"),
        })
    }
}

impl Watcher for Recorder {
    fn before(&mut self, call: &Call) -> Verdict {
        self.next = self.step(call);
        Verdict::Make
    }

    fn after(&mut self, _call: &Call, answer: i64) {
        let Some(step) = self.next.take().filter(|_| answer >= 0) else { return };
        match &step {
            Step::Create { file, path } => {
                self.files.insert(path.clone(), *file);
                self.file_count = self.file_count.max(file + 1);
            }
            Step::Link { from, to } => {
                self.files.insert(to.clone(), self.file(from));
            }
            Step::Rename { from, to } => {
                let file = self.file(from);
                self.files.remove(from);
                self.files.insert(to.clone(), file);
            }
            Step::Unlink(path) => {
                self.files.remove(path);
            }
            Step::Write { bytes, .. } => {
                let whole = u64::try_from(bytes.len()).is_ok_and(|length| answer.cast_unsigned() == length);
                assert!(whole, "a write of {} bytes wrote {answer}", bytes.len());
            }
            Step::MakeDirectory(_)
            | Step::RemoveDirectory(_)
            | Step::SyncFile(_)
            | Step::SyncDirectory(_)
            | Step::Say(_) => {}
        }
        self.steps.push(step);
    }
}
