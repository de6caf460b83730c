//! The calls to the system that tests see and have fail: all that change something, and a question.

use rustix::io::Errno;

/// A call to the system that tests have fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Write,
    SyncFile,
    MakeDirectory,
    Link,
    Rename,
    Unlink,
    SyncDirectory,
    /// Whether a name in a folder is a sub-directory, or there at all.
    Ask,
}

/// Lets every call be made.
#[cfg(not(test))]
#[derive(Default)]
pub(super) struct Steps {}

#[cfg(not(test))]
impl Steps {
    pub(super) const fn step(&self, _step: Step) -> Result<(), Errno> {
        Ok(())
    }

    /// Whether a test wants the directory taken for one on a network.
    pub(super) const fn is_remote(&self) -> bool {
        false
    }
}

/// Lets tests see each call and have it fail.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Steps {
    made: std::sync::Mutex<Vec<Step>>,
    plan: std::sync::Mutex<Option<(usize, Errno, Afterwards)>>,
    before_each: std::sync::Mutex<Option<BeforeEach>>,
    remote: std::sync::atomic::AtomicBool,
}

/// Gets the number of the call that is about to be made.
#[cfg(test)]
type BeforeEach = Box<dyn Fn(usize) + Send>;

/// What follows a planned failure.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// Only that call fails.
    Recovers,
    /// So do all that follow: the process is dead.
    Dead,
}

#[cfg(test)]
impl Steps {
    pub(super) fn step(&self, step: Step) -> Result<(), Errno> {
        let mut made = self.made.lock().expect("no test panics while it holds this");
        made.push(step);
        if let Some(act) = &*self.before_each.lock().expect("no test panics while it holds this") {
            act(made.len());
        }
        match *self.plan.lock().expect("no test panics while it holds this") {
            // Who can't write can still look.
            Some((_, Errno::ROFS | Errno::ACCESS, _)) if step == Step::Ask => Ok(()),
            Some((at, errno, _)) if made.len() == at => Err(errno),
            Some((at, errno, Afterwards::Dead)) if made.len() > at => Err(errno),
            _ => Ok(()),
        }
    }

    pub(super) fn is_remote(&self) -> bool {
        self.remote.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(super) fn pretend_remote(&self) {
        self.remote.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Has the call of this number, counted from here and from 1, fail.
    pub(super) fn plan(&self, at: usize, errno: Errno, afterwards: Afterwards) {
        self.made();
        *self.plan.lock().expect("no test panics while it holds this") = Some((at, errno, afterwards));
    }

    /// Has somebody else act before each call; they are counted from here and from 1.
    pub(super) fn before_each(&self, act: impl Fn(usize) + Send + 'static) {
        self.made();
        *self.before_each.lock().expect("no test panics while it holds this") = Some(Box::new(act));
    }

    /// The calls since the last plan. The plan ends here.
    pub(super) fn made(&self) -> Vec<Step> {
        *self.plan.lock().expect("no test panics while it holds this") = None;
        std::mem::take(&mut *self.made.lock().expect("no test panics while it holds this"))
    }
}
