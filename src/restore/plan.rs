//! Entry by entry: directories, links and nodes are made at once, files are gathered into windows.

mod attributes;
mod directories;
mod files;

use crate::content::ContentReader;
use crate::destination::{Existing, Made, Metadata};
use crate::error::Result;
use crate::manifest::{Body, Content, Device, Entry, Key, Kind};
use crate::owner::OwnerMap;
use crate::progress::Change;
use crate::restore::compare::Judge;
use crate::restore::earlier::Earlier;
use crate::restore::groups::{Groups, Known, Origin};
use crate::restore::options::{Choice, Ownership, RestoreOptions};
use crate::restore::outcome::{Outcome, RestoreProblemKind};
use crate::restore::tree::Below;
use crate::restore::twins::Twins;
use crate::restore::way::{IfThere, OnTheWay, Sweep};
use crate::restore::window::Window;
use crate::restore::writer::Writer;
use crate::session::SnapshotComponent;
use crossbeam_channel::Sender;

/// What share of a whole window the first one may hold; each later one twice as much.
const FIRST_SHARE: usize = 32;

/// What lies where an entry shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    /// Something that stays.
    Stays,
    /// Nothing, or what is dealt with when the entry is made.
    Unknown,
}

/// Whether the directories above an entry can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They are made, or whoever comes next tells why one is not.
    Open,
    /// Something stays in the place of one, which is told.
    Barred,
}

/// Turns entries into work.
pub(super) struct Planner<'a> {
    reader: &'a ContentReader,
    options: &'a RestoreOptions,
    outcome: &'a Outcome<'a>,
    judge: &'a Judge<'a>,
    owners: OwnerMap,
    /// The directories from the root of the restore to the entry at hand.
    way: Vec<OnTheWay>,
    writer: &'a Writer<'a>,
    /// What is planned and not handed over for writing.
    window: Window,
    windows: Sender<Window>,
    /// The window at hand may hold one part in so many of a whole one: the first are small, so that writing begins soon.
    share: usize,
    /// Under which names each hard-link group was restored.
    groups: Groups,
    twins: Twins,
    /// What was restored before.
    earlier: Earlier<'a>,
    /// The directory of which it was told last that something else stays in its place.
    barred: Option<Key>,
    /// Whether what the snapshot does not hold may be removed: not where its list can't be trusted to be whole.
    is_list_whole: bool,
}

impl<'a> Planner<'a> {
    /// Plans for a target; what is to be written goes to `windows`, in order.
    pub(super) fn new(
        judge: &'a Judge<'a>,
        (component, earlier): (&SnapshotComponent, &[SnapshotComponent]),
        options: &'a RestoreOptions,
        windows: Sender<Window>,
    ) -> Self {
        let writer = judge.writer;
        let reader = writer.reader();
        let owners = match options.ownership {
            Ownership::ByName => OwnerMap::new(&component.users, &component.groups),
            Ownership::ByNumber | Ownership::Restorer => OwnerMap::default(),
        };
        Self {
            reader,
            options,
            outcome: writer.outcome(),
            judge,
            owners,
            way: Vec::new(),
            writer,
            window: Window::default(),
            windows,
            share: FIRST_SHARE,
            groups: Groups::new(reader.access().scratch()),
            twins: Twins::default(),
            earlier: Earlier::new(reader, earlier),
            barred: None,
            is_list_whole: true,
        }
    }

    /// From now on nothing is removed: a part of the list of what the snapshot holds can't be read, or never was made.
    pub(super) fn distrust_list(&mut self) {
        self.is_list_whole = false;
        self.way.iter_mut().for_each(|directory| directory.sweep = Sweep::Nothing);
    }

    /// Takes the next entry in key order, and says whether what is below it is wanted.
    pub(super) fn take(&mut self, entry: Entry) -> Result<Below> {
        self.leave_until(&entry.key)?;
        if let Some(directory) = self.way.last_mut() {
            directory.sweep_until(Some(entry.key.name()), self.judge.sweeper)?;
        }
        let choice = self.options.choose(&entry);
        if choice == Choice::Skip {
            return Ok(Below::Skip);
        }
        if self.earlier.have(&entry) {
            let message = "an earlier component of the snapshot holds something else at this path, which stays";
            self.outcome.problem(entry.key.to_path(), RestoreProblemKind::Refused, message.to_owned());
            return Ok(Below::Skip);
        }
        if entry.kind() == Kind::Directory && self.is_spared(&entry) {
            return Ok(Below::Skip);
        }
        if choice == Choice::Pass { self.pass(entry) } else { self.restore(entry) }
    }

    /// Whether the repository, or what belongs to it, lies where a directory shall be: a backup that holds its own
    /// repository must not be brought back over it.
    fn is_spared(&self, entry: &Entry) -> bool {
        if self.is_on_fresh_ground() {
            return false;
        }
        let Some(target) = self.target_of(entry) else { return false };
        match self.judge.sweeper.spares(&target) {
            Ok(true) => {
                self.outcome
                    .spared(entry.key.to_path(), "left as it is: the repository, or what belongs to it, lies there");
                true
            }
            // Where it can't be looked at, whoever makes it says why that can't be.
            Ok(false) | Err(_) => false,
        }
    }

    fn restore(&mut self, entry: Entry) -> Result<Below> {
        let Some(target) = self.target_of(&entry) else { return Ok(Below::Visit) };
        if entry.kind() != Kind::Directory && entry.is_unreadable() {
            self.tell_unread(&entry)?;
            return Ok(Below::Visit);
        }
        if self.make_way()? == Way::Barred {
            return Ok(Below::Skip);
        }
        if !self.is_list_whole && self.make_lost_directories(&entry.key)? == Way::Barred {
            return Ok(Below::Skip);
        }
        if entry.kind() == Kind::Directory {
            let is_fresh = self.is_on_fresh_ground();
            let if_there = if is_fresh { Some(IfThere::Set) } else { self.if_there(&entry, &target)? };
            let Some(if_there) = if_there else { return Ok(Below::Skip) };
            self.enter(&entry, target, if_there)?;
            if self.make_way()? == Way::Barred {
                return Ok(Below::Skip);
            }
            self.tell_unread(&entry)?;
            return Ok(Below::Visit);
        }
        let metadata = self.metadata(&entry)?;
        self.make(&entry, target, metadata)?;
        Ok(Below::Visit)
    }

    /// Hands over what is gathered, the last directories as well.
    pub(super) fn finish(mut self) -> Result<()> {
        while self.leave()? {}
        self.hand_over()
    }

    /// Where the entry goes: below the target at its own path, or, for a subtree, at its path within that.
    fn target_of(&self, entry: &Entry) -> Option<Key> {
        let subtree = &self.options.path;
        if subtree.is_root() {
            return Some(entry.key.clone());
        }
        if entry.key == *subtree {
            let is_directory = entry.kind() == Kind::Directory;
            return if is_directory { Some(Key::root()) } else { Key::parse(subtree.name().to_vec()).ok() };
        }
        let below = entry.key.as_bytes().get(subtree.as_bytes().len().saturating_add(1)..)?;
        Key::parse(below.to_vec()).ok()
    }

    fn leave_until(&mut self, key: &Key) -> Result<()> {
        while self.way.last().is_some_and(|directory| !key.is_within(&directory.key)) {
            self.leave()?;
        }
        if self.window.is_full(self.share) { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<()> {
        self.share = (self.share / 2).max(1);
        self.windows.send(std::mem::take(&mut self.window)).map_err(super::gone)
    }

    fn make(&mut self, entry: &Entry, target: Key, metadata: Metadata) -> Result<()> {
        if self.clear_place(entry, &target)? == There::Stays {
            self.remember_standing(entry, target, metadata)?;
            let bytes = entry.content().map_or(0, Content::bytes);
            self.outcome.entry(&entry.key, entry.kind(), (Change::Skipped, bytes));
            return Ok(());
        }
        match self.groups.known(entry)? {
            Known::Nothing => {}
            Known::Names(names) if self.link(entry, &names, &target)? => return Ok(()),
            Known::Names(_) => {}
            Known::Other => {
                let message =
                    "it is another entry than the first name of its hard-link group, so it becomes an entry of its own";
                self.outcome.problem(entry.key.to_path(), RestoreProblemKind::Metadata, message.to_owned());
            }
        }
        if matches!(entry.body, Body::File(_)) {
            return self.file(entry, target, metadata);
        }
        let (hand, existing) = (self.writer.hand(), self.existing(&target, &metadata)?);
        let node = |device| hand.make_special(&target, (entry.kind(), device), existing);
        let made = match &entry.body {
            Body::Symlink(link) => hand.make_symlink(&target, link, existing),
            Body::Fifo | Body::Socket => node(Device { major: 0, minor: 0 }),
            Body::CharDevice(device) | Body::BlockDevice(device) => node(*device),
            Body::File(_) | Body::Directory | Body::Ancestor | Body::Unknown => return Ok(()),
        };
        match made {
            Ok(made) => {
                self.outcome.other_done();
                let origin = if made == Made::New { Origin::Made } else { Origin::Kept };
                self.groups.remember(entry, &target, origin)?;
                let change = if made == Made::New { Change::Restored } else { Change::Unchanged };
                self.writer.finish_entry(&entry.key, &target, &metadata, (change, 0))
            }
            Err(error) => self.outcome.refused(entry.key.to_path(), error),
        }
    }

    /// What becomes of a link or a node that is there already. One with several names stays only if nothing is to be set,
    /// which would be seen under all of them, and it stands for no other entry.
    fn existing(&self, target: &Key, metadata: &Metadata) -> Result<Existing> {
        if self.is_on_fresh_ground() && self.earlier.are_none() {
            return Ok(Existing::Refuse);
        }
        let hand = self.writer.hand();
        // Where it can't be looked at, whoever makes it says why that can't be.
        let found = hand.look(target).ok().flatten();
        let Some(shared) = found.filter(|found| found.links > 1) else { return Ok(Existing::Reuse) };
        let differs = hand.metadata_differs(target, metadata).unwrap_or(true);
        let stays = !differs && self.judge.claims.claim(&shared, target)?;
        Ok(if stays { Existing::ReuseShared } else { Existing::Reuse })
    }

    /// Looks what lies where an entry shall be that is no directory, and no file that can be judged with its window; what
    /// is to be removed with all that is in it goes.
    fn clear_place(&self, entry: &Entry, target: &Key) -> Result<There> {
        let is_judged_later = entry.kind() == Kind::File && entry.group.is_none();
        if is_judged_later || self.is_on_fresh_ground() {
            return Ok(There::Unknown);
        }
        match self.writer.hand().look(target) {
            Ok(Some(found)) if self.judge.leaves(&found, entry.mtime) => Ok(There::Stays),
            Ok(Some(found)) => self.judge.sweeper.clear_way(&entry.key, target, &found).map(|()| There::Unknown),
            Ok(None) => Ok(There::Unknown),
            Err(error) => self.outcome.refused(entry.key.to_path(), error).map(|()| There::Unknown),
        }
    }

    fn tell_unread(&self, entry: &Entry) -> Result<()> {
        if let crate::manifest::State::Unreadable { errno } = entry.state {
            let cause = std::io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(0));
            let message = format!("it could not be read when the snapshot was made: {cause}");
            self.outcome.problem(entry.key.to_path(), RestoreProblemKind::NotStored, message);
        }
        Ok(())
    }
}
