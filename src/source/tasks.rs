//! What is done for a walk, piece by piece: listing a directory, and looking at a batch of the names in one.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, Statx};
use rustix::io::Errno;

use super::file::QUIET;
use super::ignoring::Ignoring;
use super::selection::{Border, Judge};
use super::{Role, Source, Stat};
use crate::fs::{Names, Stopped, join, look_at, open_quietly};
use crate::manifest::{KEY_BYTES_MAX, Kind};
use crate::pattern::Rule;

/// Names that are looked at in one go.
pub(super) const BATCH_COUNT: usize = 1024;
/// For the kernel's directory entries.
const BUFFER_BYTES: usize = 32 << 10;

/// What a task is about; ordered by the key of the first entry that it gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TaskName {
    /// Key of the directory that is listed, or of the first entry of a batch.
    pub(super) key: Vec<u8>,
    pub(super) part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Directory,
    Batch,
}

pub(super) enum Task {
    List(Grounds),
    Look { directory: Arc<[u8]>, names: Arc<Names>, first: usize, grounds: Grounds },
}

/// On what grounds the entries of a directory are met.
#[derive(Clone)]
pub(super) struct Grounds {
    pub(super) reach: Reach,
    /// Of the directory itself once it is listed, of those above before.
    pub(super) ignoring: Ignoring,
    /// Of what was named and holds the directory; of the directory itself where nothing named does.
    pub(super) border: Border,
}

/// Which entries of a directory are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those that the selection does not leave out.
    All,
    /// Those that are named or lead to something named.
    Named,
    /// Those, and the marks by which the directory is left out.
    Marked,
}

/// What a task has found.
pub(super) enum Found {
    Directory(Listed),
    Batch(Vec<Seen>),
    /// The directory is listed only by the walk itself.
    TooLarge(Grounds),
    /// The thread that did the task panicked.
    Lost,
}

/// A listed directory, with the first batch of its entries.
pub(super) struct Listed {
    pub(super) names: Arc<Names>,
    pub(super) first: Vec<Seen>,
    pub(super) errno: Option<Errno>,
    /// By which rule everything else in it is left out.
    pub(super) left_out: Option<Arc<Rule>>,
}

/// One entry of a batch.
pub(super) enum Seen {
    Entry { stat: Stat, role: Role, below: Below },
    Refused(Errno),
    LeftOut(Arc<Rule>),
}

/// What comes of what is below an entry.
pub(super) enum Below {
    /// There is nothing, or nothing that could be stored.
    Nothing,
    /// There is nothing since it is no directory, and yet something below it is named.
    Missed,
    /// It is walked.
    Walked,
    /// It is left out, or all but what is named.
    LeftOut(Arc<Rule>, Way),
}

/// Whether something below an entry is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing is.
    Ends,
    /// What is named is.
    LeadsOn,
}

/// Memory of one worker, kept from task to task.
pub(super) struct Tools {
    buffer: Vec<u8>,
    key: Vec<u8>,
}

impl Default for Tools {
    fn default() -> Self {
        Self { buffer: Vec::with_capacity(BUFFER_BYTES), key: Vec::new() }
    }
}

impl Tools {
    fn dirents(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buffer.spare_capacity_mut()
    }
}

/// Tasks that others give rise to.
pub(super) type Tasks = Vec<(TaskName, Task)>;

impl Found {
    pub(super) fn memory_bytes(&self) -> usize {
        let entries = |seen: &Vec<Seen>| seen.capacity() * size_of::<Seen>();
        size_of::<Self>()
            + match self {
                Self::Directory(listed) => listed.names.memory_bytes() + entries(&listed.first),
                Self::Batch(seen) => entries(seen),
                Self::TooLarge(_) | Self::Lost => 0,
            }
    }
}

/// Does a task; `count_max` is the number of names above which a directory is left to the walk.
pub(super) fn perform(source: &Source, key: &[u8], task: Task, tools: &mut Tools, count_max: usize) -> (Found, Tasks) {
    match task {
        Task::List(grounds) => list(source, key, grounds, tools, count_max),
        Task::Look { directory, names, first, grounds } => {
            let mut tasks = Tasks::new();
            let seen = match source.handles.directory(&directory) {
                Ok(handle) => {
                    let place = Place { source, handle: &handle, key: &directory, grounds };
                    look(&place, &names, first, tools, &mut tasks)
                }
                Err(errno) => (first..names.count().min(first + BATCH_COUNT)).map(|_| Seen::Refused(errno)).collect(),
            };
            (Found::Batch(seen), tasks)
        }
    }
}

/// The directory whose entries are looked at.
struct Place<'a> {
    source: &'a Source,
    handle: &'a Arc<OwnedFd>,
    key: &'a [u8],
    grounds: Grounds,
}

fn list(source: &Source, key: &[u8], grounds: Grounds, tools: &mut Tools, count_max: usize) -> (Found, Tasks) {
    let (handle, names, stopped) = match names_in(source, key, grounds.reach, tools, count_max) {
        Ok(listed) => listed,
        Err(errno) => {
            let listed = Listed { names: Arc::default(), first: Vec::new(), errno: Some(errno), left_out: None };
            return (Found::Directory(listed), Tasks::new());
        }
    };
    let errno = match stopped {
        None => None,
        Some(Stopped::By(errno)) => Some(errno),
        Some(Stopped::AtLimit) => return (Found::TooLarge(grounds), Tasks::new()),
    };
    let (names, grounds, left_out) = met(source, key, &handle, names, grounds);
    let names = Arc::new(names);
    let mut tasks = Tasks::new();
    let place = Place { source, handle: &handle, key, grounds };
    let first = look(&place, &names, 0, tools, &mut tasks);
    let grounds = place.grounds;
    let directory: Arc<[u8]> = if names.count() > BATCH_COUNT { key.into() } else { Arc::default() };
    for first in (BATCH_COUNT..names.count()).step_by(BATCH_COUNT) {
        let name = names.get(first).unwrap_or_default().to_bytes();
        let name = TaskName { key: join(key, name), part: Part::Batch };
        tasks.push((
            name,
            Task::Look { directory: directory.clone(), names: names.clone(), first, grounds: grounds.clone() },
        ));
    }
    (Found::Directory(Listed { names, first, errno, left_out }), tasks)
}

type Opened = (Arc<OwnedFd>, Names, Option<Stopped>);

fn names_in(source: &Source, key: &[u8], reach: Reach, tools: &mut Tools, count_max: usize) -> Result<Opened, Errno> {
    if reach == Reach::Named {
        let handle = source.handles.directory(key)?;
        return Ok((handle, Names::from_sorted(source.arguments.names_in(key)), None));
    }
    let (directory, name) = if source.handles.is_followed(key) || key.is_empty() {
        (source.handles.directory(key)?, &b"."[..])
    } else {
        source.place(key)?
    };
    let open = || open_quietly(&directory, name, QUIET | OFlags::DIRECTORY);
    let handle = Arc::new(source.handles.making_room(open)?);
    source.handles.keep(key, Arc::clone(&handle));
    let (names, stopped) = Names::read(&handle, tools.dirents(), count_max);
    Ok((handle, names, stopped))
}

/// Which of the names in a directory are met, and on what grounds: where it bears a mark only the marks and what is
/// named, otherwise all, and what is named also if it is not there, so that somebody hears of it.
fn met(
    source: &Source,
    key: &[u8],
    handle: &OwnedFd,
    names: Names,
    grounds: Grounds,
) -> (Names, Grounds, Option<Arc<Rule>>) {
    if grounds.reach != Reach::All {
        return (names, grounds, None);
    }
    let selection = &source.options.selection;
    let ignoring = selection.ignoring_in(grounds.ignoring, (handle, key), |name| names.contains(name));
    let grounds = Grounds { ignoring, ..grounds };
    let marks = selection.marks_in(handle, |name| names.contains(name));
    if let Some(rule) = marks.rule() {
        let kept: BTreeSet<&[u8]> = marks.names().chain(source.arguments.names_in(key)).collect();
        let grounds = Grounds { reach: Reach::Marked, ..grounds };
        return (Names::from_sorted(kept.into_iter()), grounds, Some(Arc::clone(rule)));
    }
    if source.arguments.names_in(key).all(|name| names.contains(name)) {
        return (names, grounds, None);
    }
    let all: BTreeSet<&[u8]> = names.iter().chain(source.arguments.names_in(key)).collect();
    (Names::from_sorted(all.into_iter()), grounds, None)
}

/// Looks at one batch of names.
fn look(place: &Place<'_>, names: &Names, first: usize, tools: &mut Tools, tasks: &mut Tasks) -> Vec<Seen> {
    let last = names.count().min(first + BATCH_COUNT);
    let mut seen = Vec::with_capacity(last - first);
    tools.key.clear();
    tools.key.extend_from_slice(place.key);
    if !place.key.is_empty() {
        tools.key.push(0);
    }
    let prefix_bytes = tools.key.len();
    let source = place.source;
    let mut judge = Judge::new((&source.options.selection, &place.grounds.ignoring), &source.arguments, place.key);
    for name in (first..last).filter_map(|index| names.get(index)) {
        tools.key.truncate(prefix_bytes);
        tools.key.extend_from_slice(name.to_bytes());
        seen.push(place.look_at_entry(name, &tools.key, &mut judge, tasks));
    }
    seen
}

impl Place<'_> {
    fn look_at_entry<'n>(&self, name: &'n CStr, key: &[u8], judge: &mut Judge<'n>, tasks: &mut Tasks) -> Seen {
        let source = self.source;
        let looked = if source.handles.is_followed(key) { source.statx_key(key) } else { look_at(self.handle, name) };
        let found = match looked {
            Ok(found) => found,
            Err(errno) => return Seen::Refused(errno),
        };
        #[cfg(test)]
        source.options.watch.see(key);
        if source.arguments.is_named(key) {
            return self.entry(found, key, Border::around(&found), tasks);
        }
        let is_judged = match self.grounds.reach {
            Reach::All => true,
            Reach::Named => false,
            Reach::Marked => source.options.selection.has_mark(name.to_bytes()),
        };
        if !is_judged {
            return self.passage(found, key, tasks);
        }
        match judge.leaves_out(name.to_bytes(), &found) {
            None => self.entry(found, key, self.grounds.border, tasks),
            Some(_) if source.arguments.lead_below(key) => self.passage(found, key, tasks),
            Some(rule) => Seen::LeftOut(rule),
        }
    }

    /// An entry that is taken, within a border.
    fn entry(&self, found: Statx, key: &[u8], border: Border, tasks: &mut Tasks) -> Seen {
        let staying = self.source.options.selection.staying().filter(|_| border.ends_at(&found));
        let stat = Stat::from(found);
        let below = match (staying, stat.kind) {
            (Some(rule), Kind::Directory) if self.source.arguments.lead_below(key) => {
                self.go_on(key, self.within(Reach::Named, border), tasks);
                Below::LeftOut(Arc::clone(rule), Way::LeadsOn)
            }
            (Some(rule), Kind::Directory) => Below::LeftOut(Arc::clone(rule), Way::Ends),
            (Some(rule), _) => return Seen::LeftOut(Arc::clone(rule)),
            (None, Kind::Directory) => self.go_on(key, self.within(Reach::All, border), tasks),
            (None, _) if self.source.arguments.lead_below(key) => Below::Missed,
            (None, _) => Below::Nothing,
        };
        Seen::Entry { stat, role: Role::Member, below }
    }

    /// An entry of which only the way to something named is walked.
    fn passage(&self, found: Statx, key: &[u8], tasks: &mut Tasks) -> Seen {
        let stat = Stat::from(found);
        if stat.kind != Kind::Directory {
            return Seen::Refused(Errno::NOTDIR);
        }
        let below = self.go_on(key, self.within(Reach::Named, Border::around(&found)), tasks);
        Seen::Entry { stat, role: Role::Ancestor, below }
    }

    fn within(&self, reach: Reach, border: Border) -> Grounds {
        Grounds { reach, border, ignoring: self.grounds.ignoring.clone() }
    }

    /// Has a directory listed. One whose key is too long becomes a problem; nothing below it could be stored either.
    fn go_on(&self, key: &[u8], grounds: Grounds, tasks: &mut Tasks) -> Below {
        if key.len() > KEY_BYTES_MAX {
            return Below::Nothing;
        }
        tasks.push((TaskName { key: key.to_vec(), part: Part::Directory }, Task::List(grounds)));
        Below::Walked
    }
}
