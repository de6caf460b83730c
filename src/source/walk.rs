//! Puts what the crew finds into the order of keys.

use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::io::Errno;

use super::crew::Crew;
use super::ignoring::Ignoring;
use super::selection::Border;
use super::tasks::{BATCH_COUNT, Below, Found, Grounds, Listed, Part, Reach, Seen, TaskName, Tools, Way};
use super::{Operation, Source, SourceError, Stat};
use crate::fs::Names;
use crate::manifest::Key;
use crate::pattern::Rule;

/// What a walk meets.
#[derive(Debug)]
pub enum Step {
    /// An entry that is taken.
    Entry(Walked),
    /// An entry that is left out, with all that is below it.
    LeftOut {
        /// Where it stands.
        key: Key,
        /// By which rule.
        rule: Arc<Rule>,
    },
}

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
    /// For a directory: why some or all of what is below it is missing; for what is unknown: why.
    pub problem: Option<SourceError>,
    /// For a directory: by which rule what is in it is left out, but for what is named.
    pub left_out: Option<Arc<Rule>>,
    /// What is known beyond the stat of whether it is what the parent holds.
    pub evidence: Evidence,
}

impl Walked {
    /// An entry with nothing missing below it.
    pub fn new(key: Key, stat: Stat, role: Role) -> Self {
        Self { key, stat, role, problem: None, left_out: None, evidence: Evidence::Stat }
    }

    /// Something that is there and can't be looked at: who restores must not take it for something that is gone.
    ///
    /// # Errors
    /// The problem itself, where it does not say that something is there.
    pub(crate) fn unknown(problem: SourceError) -> Result<Self, SourceError> {
        let is_there = matches!(problem, SourceError::Refused { operation: Operation::Stat, .. })
            && problem.errno() != Errno::NOTDIR.raw_os_error()
            && !problem.is_vanished();
        match problem.key().filter(|_| is_there).cloned() {
            Some(key) => Ok(Self { problem: Some(problem), ..Self::new(key, Stat::unknown(), Role::Member) }),
            None => Err(problem),
        }
    }
}

/// What a source knows, when an entry stands in the parent with the same stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// No more than the stat tells.
    Stat,
    /// It is another one all the same.
    Differs,
}

/// How an entry belongs to what the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It lies above an argument: a directory of which only the way to the arguments is walked.
    Ancestor,
    /// It is an argument, or lies inside of one.
    Member,
}

/// A walk in the order of keys: each entry as it was found, or that it is left out, or the problem in its place.
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
    /// What is named below the last entry, which is no directory.
    missed: std::vec::IntoIter<Key>,
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
        let (path, levels, missed) = (Vec::new(), Vec::new(), Vec::new().into_iter());
        Self { crew, threads, tools: Tools::default(), path, levels, missed, source, begun: false }
    }

    fn root(&mut self) -> Result<Step, SourceError> {
        let key = Key::root();
        let found = self.source.statx_key(b"").map_err(|errno| SourceError::refused(&key, Operation::Stat, errno))?;
        let is_named = self.source.arguments.is_named(b"");
        let reach = if is_named { Reach::All } else { Reach::Named };
        let role = if is_named { Role::Member } else { Role::Ancestor };
        let grounds = Grounds { reach, border: Border::around(&found), ignoring: Ignoring::default() };
        self.crew.begin(b"", grounds);
        Ok(self.walked(key, found.into(), role, Below::Walked))
    }

    fn walked(&mut self, key: Key, stat: Stat, role: Role, below: Below) -> Step {
        let mut walked = Walked::new(key, stat, role);
        let enters = match below {
            Below::Nothing => false,
            Below::Missed => {
                let named = self.source.arguments.below(walked.key.as_bytes());
                self.missed = named.cloned().collect::<Vec<_>>().into_iter();
                false
            }
            Below::Walked => true,
            Below::LeftOut(rule, way) => {
                walked.left_out = Some(rule);
                way == Way::LeadsOn
            }
        };
        if enters {
            self.enter(&mut walked);
        }
        Step::Entry(walked)
    }

    /// Goes down into a directory; afterwards its entries come next.
    fn enter(&mut self, walked: &mut Walked) {
        let key = &walked.key;
        let name = TaskName { key: key.as_bytes().to_vec(), part: Part::Directory };
        let Found::Directory(Listed { names, first, errno, left_out }) = self.crew.take(&name, &mut self.tools) else {
            walked.problem = Some(SourceError::refused(key, Operation::List, Errno::CANCELED));
            return;
        };
        let parent_bytes = self.path.len();
        self.path.clear();
        self.path.extend_from_slice(key.as_bytes());
        self.levels.push(Level { names, batch: first.into_iter(), next: 0, parent_bytes });
        walked.problem = errno.map(|errno| SourceError::refused(key, Operation::List, errno));
        walked.left_out = walked.left_out.take().or(left_out);
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
    type Item = Result<Step, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.begun {
            self.begun = true;
            return Some(self.root());
        }
        if let Some(key) = self.missed.next() {
            return Some(Err(SourceError::refused(&key, Operation::Stat, Errno::NOTDIR)));
        }
        let (key, seen) = self.step()?;
        let key = match Key::parse_after(key, self.path.len()) {
            Ok(key) => key,
            Err(source) => {
                let directory = Key::parse(self.path.clone()).unwrap_or_default();
                return Some(Err(SourceError::Unstorable { directory, source }));
            }
        };
        Some(match seen {
            Seen::Entry { stat, role, below } => Ok(self.walked(key, stat, role, below)),
            Seen::Refused(errno) => Err(SourceError::refused(&key, Operation::Stat, errno)),
            Seen::LeftOut(rule) => Ok(Step::LeftOut { key, rule }),
        })
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
