//! What is done for a walk, piece by piece: listing a directory, and looking at a batch of the names in one.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::arguments::Belongs;
use super::file::{QUIET, open_quietly};
use super::{Borders, Source, Stat};
use crate::fs::{Names, Stopped, join, look_at};
use crate::manifest::{KEY_BYTES_MAX, Key, Kind};

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
    List { device: u64 },
    Look { directory: Arc<[u8]>, names: Arc<Names>, first: usize, device: u64 },
}

/// What a task has found.
pub(super) enum Found {
    Directory(Listed),
    Batch(Vec<Seen>),
    /// The directory is listed only by the walk itself.
    TooLarge {
        device: u64,
    },
    /// The thread that did the task panicked.
    Lost,
}

/// A listed directory, with the first batch of its entries.
pub(super) struct Listed {
    pub(super) names: Arc<Names>,
    pub(super) first: Vec<Seen>,
    pub(super) errno: Option<Errno>,
}

/// One entry of a batch.
pub(super) enum Seen {
    Entry { stat: Stat, enters: bool },
    Refused(Errno),
    Excluded,
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
                Self::TooLarge { .. } | Self::Lost => 0,
            }
    }
}

/// Does a task; `count_max` is the number of names above which a directory is left to the walk.
pub(super) fn perform(source: &Source, key: &[u8], task: Task, tools: &mut Tools, count_max: usize) -> (Found, Tasks) {
    match task {
        Task::List { device } => list(source, key, device, tools, count_max),
        Task::Look { directory, names, first, device } => {
            let mut tasks = Tasks::new();
            let seen = match source.handles.directory(&directory) {
                Ok(handle) => {
                    look(&Place { source, handle: &handle, key: &directory, device }, &names, first, tools, &mut tasks)
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
    /// The device of the argument that the directory belongs to.
    device: u64,
}

fn list(source: &Source, key: &[u8], device: u64, tools: &mut Tools, count_max: usize) -> (Found, Tasks) {
    let (handle, names, stopped) = match names_in(source, key, tools, count_max) {
        Ok(listed) => listed,
        Err(errno) => {
            let listed = Listed { names: Arc::default(), first: Vec::new(), errno: Some(errno) };
            return (Found::Directory(listed), Tasks::new());
        }
    };
    let errno = match stopped {
        None => None,
        Some(Stopped::By(errno)) => Some(errno),
        Some(Stopped::AtLimit) => return (Found::TooLarge { device }, Tasks::new()),
    };
    let names = Arc::new(names);
    let mut tasks = Tasks::new();
    let first = look(&Place { source, handle: &handle, key, device }, &names, 0, tools, &mut tasks);
    let directory: Arc<[u8]> = if names.count() > BATCH_COUNT { key.into() } else { Arc::default() };
    for first in (BATCH_COUNT..names.count()).step_by(BATCH_COUNT) {
        let name = names.get(first).unwrap_or_default().to_bytes();
        let name = TaskName { key: join(key, name), part: Part::Batch };
        tasks.push((name, Task::Look { directory: directory.clone(), names: names.clone(), first, device }));
    }
    (Found::Directory(Listed { names, first, errno }), tasks)
}

type Opened = (Arc<OwnedFd>, Names, Option<Stopped>);

fn names_in(source: &Source, key: &[u8], tools: &mut Tools, count_max: usize) -> Result<Opened, Errno> {
    if source.arguments.belongs(key) == Belongs::Ancestor {
        let handle = source.handles.directory(key)?;
        return Ok((handle, Names::from_sorted(source.arguments.names_in(key)), None));
    }
    let handle = if source.handles.is_followed(key) || key.is_empty() {
        open_quietly(&*source.handles.directory(key)?, b".", QUIET | OFlags::DIRECTORY)?
    } else {
        let (directory, name) = source.place(key)?;
        open_quietly(&directory, name, QUIET | OFlags::DIRECTORY)?
    };
    let handle = Arc::new(handle);
    source.handles.keep(key, Arc::clone(&handle));
    let (names, stopped) = Names::read(&handle, tools.dirents(), count_max);
    Ok((handle, names, stopped))
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
    for name in (first..last).filter_map(|index| names.get(index)) {
        tools.key.truncate(prefix_bytes);
        tools.key.extend_from_slice(name.to_bytes());
        seen.push(look_at_entry(place, name, &tools.key, tasks));
    }
    seen
}

fn look_at_entry(place: &Place<'_>, name: &CStr, key: &[u8], tasks: &mut Tasks) -> Seen {
    let source = place.source;
    let looked = if source.handles.is_followed(key) {
        source.stat_key(key)
    } else {
        look_at(place.handle, name).map(Stat::from)
    };
    let stat = match looked {
        Ok(stat) => stat,
        Err(errno) => return Seen::Refused(errno),
    };
    let ancestor = source.arguments.belongs(key) == Belongs::Ancestor;
    if let Some(exclude) = source.options.exclude.as_ref().filter(|_| !ancestor)
        && Key::parse(key.to_vec()).is_ok_and(|key| exclude(&key, &stat))
    {
        return Seen::Excluded;
    }
    // An argument's own device counts for all that is below it.
    let above_arguments = source.arguments.belongs(place.key) == Belongs::Ancestor;
    let device = if above_arguments { stat.device } else { place.device };
    let within_borders = source.options.borders == Borders::Cross || stat.device == device;
    // An entry whose key is too long becomes a problem; nothing below it could be stored either.
    let enters = stat.kind == Kind::Directory && within_borders && key.len() <= KEY_BYTES_MAX;
    if enters {
        tasks.push((TaskName { key: key.to_vec(), part: Part::Directory }, Task::List { device }));
    }
    Seen::Entry { stat, enters }
}
