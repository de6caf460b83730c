//! Puts what the crew finds into the order of keys.

use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::io::Errno;

use super::arguments::Belongs;
use super::crew::Crew;
use super::tasks::{BATCH_COUNT, Found, Listed, Part, Seen, TaskName, Tools};
use super::{Operation, Source, SourceError, Stat};
use crate::fs::Names;
use crate::manifest::Key;

/// An entry that the walk has met.
#[derive(Debug)]
#[non_exhaustive]
pub struct Walked {
    /// Where it stands.
    pub key: Key,
    /// What it was when the walk looked at it.
    pub stat: Stat,
    /// How it belongs to what the user named.
    pub role: Role,
    /// For a directory: why some or all of what is below it is missing.
    pub problem: Option<SourceError>,
}

/// How an entry belongs to what the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It lies above an argument: a directory of which only the way to the arguments is walked.
    Ancestor,
    /// It is an argument, or lies inside of one.
    Member,
}

/// A walk in the order of keys: each entry as it was found, or the problem in its place.
///
/// An entry that vanished after its name was read is such a problem ([`SourceError::is_vanished`]). Dropping the walk
/// ends its threads.
pub struct Walk {
    crew: Arc<Crew>,
    threads: Vec<JoinHandle<()>>,
    tools: Tools,
    /// Key bytes of the directory whose entries come next.
    path: Vec<u8>,
    levels: Vec<Level>,
    source: Arc<Source>,
    begun: bool,
}

/// A directory on the way to the entry that comes next.
struct Level {
    names: Arc<Names>,
    batch: std::vec::IntoIter<Seen>,
    next: usize,
    /// Length of the path of the directory above it.
    parent_bytes: usize,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("path", &self.path.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

impl Walk {
    pub(super) fn start(source: Arc<Source>) -> Self {
        let crew = Arc::new(Crew::new(Arc::clone(&source)));
        let threads = (0..source.options.thread_count)
            .filter_map(|_| {
                let crew = Arc::clone(&crew);
                // Without threads the walk does all tasks itself.
                std::thread::Builder::new().name("walk".into()).spawn(move || crew.work()).ok()
            })
            .collect();
        let (path, levels) = (Vec::new(), Vec::new());
        Self { crew, threads, tools: Tools::default(), path, levels, source, begun: false }
    }

    fn root(&mut self) -> Result<Walked, SourceError> {
        let root = Key::root();
        let stat = self.source.stat(&root)?;
        self.crew.begin(b"", stat.device);
        Ok(self.walked(root, stat, true))
    }

    fn walked(&mut self, key: Key, stat: Stat, enters: bool) -> Walked {
        let role = match self.source.arguments.belongs(key.as_bytes()) {
            Belongs::Ancestor => Role::Ancestor,
            Belongs::Member => Role::Member,
        };
        let problem = if enters { self.enter(&key) } else { None };
        Walked { key, stat, role, problem }
    }

    /// Goes down into a directory; afterwards its entries come next.
    fn enter(&mut self, key: &Key) -> Option<SourceError> {
        let name = TaskName { key: key.as_bytes().to_vec(), part: Part::Directory };
        let Found::Directory(Listed { names, first, errno }) = self.crew.take(&name, &mut self.tools) else {
            return Some(SourceError::refused(key, Operation::List, Errno::CANCELED));
        };
        let parent_bytes = self.path.len();
        self.path.clear();
        self.path.extend_from_slice(key.as_bytes());
        self.levels.push(Level { names, batch: first.into_iter(), next: 0, parent_bytes });
        errno.map(|errno| SourceError::refused(key, Operation::List, errno))
    }

    /// The next entry of the innermost directory, after leaving those that are done.
    fn step(&mut self) -> Option<(Vec<u8>, Seen)> {
        loop {
            let level = self.levels.last_mut()?;
            let Some(name) = level.names.get(level.next) else {
                self.path.truncate(level.parent_bytes);
                self.levels.pop();
                continue;
            };
            let key = crate::fs::join(&self.path, name.to_bytes());
            if level.batch.len() == 0 && level.next % BATCH_COUNT == 0 {
                let task = TaskName { key: key.clone(), part: Part::Batch };
                if let Found::Batch(batch) = self.crew.take(&task, &mut self.tools) {
                    level.batch = batch.into_iter();
                }
            }
            level.next += 1;
            return Some((key, level.batch.next().unwrap_or(Seen::Refused(Errno::CANCELED))));
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Walked, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.begun {
            self.begun = true;
            return Some(self.root());
        }
        loop {
            let (key, seen) = self.step()?;
            let key = match Key::parse(key) {
                Ok(key) => key,
                Err(source) => {
                    let directory = Key::parse(self.path.clone()).unwrap_or_default();
                    return Some(Err(SourceError::Unstorable { directory, source }));
                }
            };
            return Some(match seen {
                Seen::Entry { stat, enters } => Ok(self.walked(key, stat, enters)),
                Seen::Refused(errno) => Err(SourceError::refused(&key, Operation::Stat, errno)),
                Seen::Excluded => continue,
            });
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.crew.close();
        for thread in self.threads.drain(..) {
            // It panicked in a caller's filter; the walk has reported what is missing.
            let _ = thread.join();
        }
    }
}
