//! Reads directories ahead of the walk.
//!
//! Tasks lie in a queue ordered by the key of the first entry that they give, so the threads always work on what the
//! walk needs soonest. What they have found waits until the walk takes it, up to a bound in bytes. The walk itself does
//! a task that nobody has begun when it is needed: nothing ever waits for room.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Source;
use super::tasks::{Found, Grounds, Part, Task, TaskName, Tasks, Tools, perform};

/// How far the threads may be ahead of the walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    /// A directory with more names is listed only when the walk is there, so that few such lists exist at a time.
    pub(super) names_max: usize,
    /// What waits for the walk holds about this many bytes at most.
    pub(super) bytes_max: usize,
}

impl Default for Lead {
    fn default() -> Self {
        Self { names_max: 65_536, bytes_max: 16 << 20 }
    }
}

pub(super) struct Crew {
    source: Arc<Source>,
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct State {
    queue: BTreeMap<TaskName, Task>,
    running: Vec<TaskName>,
    ready: HashMap<TaskName, (Found, usize)>,
    /// What the walk sleeps for. It is woken for nothing else: each wake-up costs more than looking at ten names.
    awaited: Option<TaskName>,
    ahead_bytes: usize,
    idle_count: usize,
    closed: bool,
}

impl Crew {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { source, state: Mutex::default(), work: Condvar::new(), done: Condvar::new() }
    }

    /// Puts the first task in.
    pub(super) fn begin(&self, key: &[u8], grounds: Grounds) {
        let name = TaskName { key: key.to_vec(), part: Part::Directory };
        self.lock().queue.insert(name, Task::List(grounds));
        self.work.notify_one();
    }

    /// Does tasks until the walk is over.
    pub(super) fn work(&self) {
        let lead = self.source.options.lead;
        let mut tools = Tools::default();
        let mut state = self.lock();
        while !state.closed {
            let next = if state.ahead_bytes < lead.bytes_max { state.queue.pop_first() } else { None };
            let Some((name, task)) = next else {
                state.idle_count += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle_count -= 1;
                continue;
            };
            state.running.push(name.clone());
            drop(state);
            let mut claim = Claim { crew: self, name: Some(name) };
            let (found, tasks) = perform(&self.source, claim.key(), task, &mut tools, lead.names_max);
            state = claim.finish(found, tasks);
        }
    }

    /// Takes what a task has found, doing it here if nobody has begun; every task is taken once.
    pub(super) fn take(&self, name: &TaskName, tools: &mut Tools) -> Found {
        let mut state = self.lock();
        loop {
            if let Some((found, bytes)) = state.ready.remove(name) {
                state.ahead_bytes -= bytes;
                let has_room = state.ahead_bytes < self.source.options.lead.bytes_max;
                if state.idle_count > 0 && has_room && !state.queue.is_empty() {
                    self.work.notify_one();
                }
                let Found::TooLarge(grounds) = found else { return found };
                state.queue.insert(name.clone(), Task::List(grounds));
            }
            if let Some(task) = state.queue.remove(name) {
                drop(state);
                let (found, tasks) = perform(&self.source, &name.key, task, tools, usize::MAX);
                let mut state = self.lock();
                self.wake(&state, tasks.len());
                state.queue.extend(tasks);
                return found;
            }
            if !state.running.contains(name) {
                return Found::Lost;
            }
            state.awaited = Some(name.clone());
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.awaited = None;
        }
    }

    /// Lets the threads end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// Wakes as many threads as there is work for, of those that have none.
    fn wake(&self, state: &State, task_count: usize) {
        for _ in 0..task_count.min(state.idle_count) {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that is being done; if the thread panics, the walk is told.
struct Claim<'a> {
    crew: &'a Crew,
    name: Option<TaskName>,
}

impl<'a> Claim<'a> {
    fn key(&self) -> &[u8] {
        self.name.as_ref().map_or(&[], |name| &name.key)
    }

    fn finish(&mut self, found: Found, tasks: Tasks) -> MutexGuard<'a, State> {
        let mut state = self.crew.lock();
        if let Some(name) = self.name.take() {
            if state.awaited.as_ref() == Some(&name) {
                self.crew.done.notify_one();
            }
            state.running.retain(|running| *running != name);
            let bytes = found.memory_bytes() + name.key.len();
            state.ahead_bytes += bytes;
            state.ready.insert(name, (found, bytes));
        }
        // One of them is for the thread that is here.
        self.crew.wake(&state, tasks.len().saturating_sub(1));
        state.queue.extend(tasks);
        state
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.name.is_some() {
            drop(self.finish(Found::Lost, Vec::new()));
        }
    }
}
