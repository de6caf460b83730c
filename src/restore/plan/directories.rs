//! Directories: those on the way to an entry, what becomes of one that is there, and what lies in its place.

use super::{Planner, Way};
use crate::destination::{DestinationError, Existing, Made, Present};
use crate::error::Result;
use crate::manifest::{Body, Entry, Key, Kind};
use crate::progress::Change;
use crate::restore::outcome::RestoreProblemKind;
use crate::restore::tree::Below;
use crate::restore::way::{Extras, Ground, IfThere, OnTheWay, Sweep};
use crate::restore::window::Left;

/// Why nothing of a directory comes back in whose place something else lies.
const STAYS: &str = "something else lies there and stays, so nothing of this directory is restored";
const LINK_STAYS: &str = "a symbolic link lies there and stays, as only what is below this directory is to be restored, \
                          and no link is followed: restore that by its own path, with the place where it really lies as \
                          the target";

impl Planner<'_> {
    /// Notes a directory that is made only if something below it is taken.
    pub(super) fn pass(&mut self, entry: Entry) -> Result<Below> {
        if entry.kind() != Kind::Directory {
            return Ok(Below::Visit);
        }
        let Some(target) = self.target_of(&entry) else { return Ok(Below::Visit) };
        let if_there = self.if_passed(&entry, &target);
        self.enter(&entry, target, if_there)?;
        self.tell_unread(&entry)?;
        Ok(Below::Visit)
    }

    /// What becomes of that which lies in the place of a directory that is passed.
    fn if_passed(&self, entry: &Entry, target: &Key) -> IfThere {
        let hand = self.writer.hand();
        // Where it can't be looked at, whoever makes it says why that can't be.
        let found = if self.is_on_fresh_ground() { None } else { hand.look(target).ok().flatten() };
        match found {
            Some(found) if found.kind == Kind::Symlink => IfThere::Bar(LINK_STAYS),
            Some(found) if self.bars(&found, entry) => IfThere::Bar(STAYS),
            // An interrupted restore made it.
            Some(found) if hand.is_unfinished(&found) => IfThere::Set,
            Some(_) | None => IfThere::Keep,
        }
    }

    /// Whether something that is no directory lies in the place of one and stays.
    fn bars(&self, found: &Present, entry: &Entry) -> bool {
        found.kind != Kind::Directory && self.judge.leaves(found, entry.mtime)
    }

    /// Tells, once, why something else stays in the place of a directory.
    fn tell_barred(&mut self, directory: &Key, why: &str) {
        if self.barred.as_ref() != Some(directory) {
            self.barred = Some(directory.clone());
            self.outcome.problem(directory.to_path(), RestoreProblemKind::Refused, why.to_owned());
        }
    }

    pub(super) fn enter(&mut self, entry: &Entry, target: Key, if_there: IfThere) -> Result<()> {
        let metadata = self.metadata(entry)?;
        let sweep = self.sweep(entry, &target)?;
        let key = entry.key.clone();
        self.way.push(OnTheWay { key, target, metadata, if_there, ground: Ground::Unknown, sweep });
        Ok(())
    }

    /// What becomes of that in a directory which the snapshot does not hold. Removed it is only from one that was backed
    /// up as a whole, and on the file system of the target: a backup that stayed on one file system saw an empty folder
    /// where another one was mounted.
    fn sweep(&self, entry: &Entry, target: &Key) -> Result<Sweep> {
        let is_whole = self.is_list_whole && entry.body == Body::Directory && !entry.is_unreadable();
        if !self.judge.sweeper.is_at_work() || !is_whole || !self.options.is_asked_for(&entry.key) {
            return Ok(Sweep::Nothing);
        }
        if self.is_on_fresh_ground() {
            return Ok(Sweep::Nothing);
        }
        if self.way.last().is_some_and(|above| matches!(above.sweep, Sweep::NothingBelow)) {
            return Ok(Sweep::NothingBelow);
        }
        let look = || -> Result<Sweep, DestinationError> {
            let hand = self.writer.hand();
            let Some(found) = hand.look(target)?.filter(|found| found.kind == Kind::Directory) else {
                return Ok(Sweep::Nothing);
            };
            if found.is_mounted_on && !target.is_root() {
                let reason = "nothing is removed from it: a file system is mounted there";
                self.outcome.spared(self.judge.sweeper.path(target), reason);
                return Ok(Sweep::NothingBelow);
            }
            Ok(Sweep::Extras(Extras::new(hand.names(target)?, found.device)))
        };
        look().or_else(|error| self.outcome.refused(entry.key.to_path(), error).map(|()| Sweep::Nothing))
    }

    pub(super) fn is_on_fresh_ground(&self) -> bool {
        self.way.last().is_some_and(|directory| matches!(directory.ground, Ground::Fresh(_)))
    }

    /// What becomes of that which is there on fresh ground: what an earlier component of the snapshot made is shared, and
    /// nothing else can be there.
    pub(super) const fn on_fresh_ground(&self) -> Existing {
        if self.earlier.are_none() { Existing::Refuse } else { Existing::Reuse }
    }

    /// Makes the directories above an entry whose own entries are lost, without anything that those said: what lies in
    /// them comes back all the same, unless something else stays in the place of one.
    pub(super) fn make_lost_directories(&mut self, key: &Key) -> Result<Way> {
        let above = std::iter::successors(key.parent(), Key::parent);
        let is_known = |directory: &Key| self.way.iter().any(|known| known.key == *directory);
        let is_below = |directory: &Key| directory.is_within(&self.options.path) && !directory.is_root();
        let mut lost: Vec<Key> = above.take_while(|directory| is_below(directory) && !is_known(directory)).collect();
        lost.reverse();
        for directory in lost {
            let entry = Entry::new(directory, Body::Directory);
            let Some(target) = self.target_of(&entry) else { continue };
            if let IfThere::Bar(why) = self.if_passed(&entry, &target) {
                self.tell_barred(&entry.key, why);
                return Ok(Way::Barred);
            }
            if let Err(error) = self.writer.hand().make_directory(&target) {
                self.outcome.refused(entry.key.to_path(), error)?;
            }
        }
        Ok(Way::Open)
    }

    /// What becomes of that which lies in the place of a directory. None if it can't be looked at.
    pub(super) fn if_there(&self, entry: &Entry, target: &Key) -> Result<Option<IfThere>> {
        let hand = self.writer.hand();
        let found = match hand.look(target) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Some(IfThere::Set)),
            Err(error) => return self.outcome.refused(entry.key.to_path(), error).map(|()| None),
        };
        // Only what was backed up tells what it shall be, not what lay above that.
        if found.kind == Kind::Directory && entry.body == Body::Ancestor && !hand.is_unfinished(&found) {
            return Ok(Some(IfThere::Keep));
        }
        // A system whose /lib leads to /usr/lib would be gone with it.
        if found.kind == Kind::Symlink && entry.body == Body::Ancestor {
            return Ok(Some(IfThere::Bar(LINK_STAYS)));
        }
        if self.bars(&found, entry) {
            return Ok(Some(IfThere::Bar(STAYS)));
        }
        let stays = self.judge.leaves(&found, entry.mtime);
        Ok(Some(if stays { IfThere::Leave } else { IfThere::Set }))
    }

    /// Leaves the deepest directory on the way, if there is one.
    pub(super) fn leave(&mut self) -> Result<bool> {
        let Some(mut directory) = self.way.pop() else { return Ok(false) };
        directory.sweep_until(None, self.judge.sweeper)?;
        let OnTheWay { key, target, metadata, if_there, ground, .. } = directory;
        let Some(made) = ground.made() else { return Ok(true) };
        if made == Made::New || if_there == IfThere::Set {
            self.window.left.push(Left { key, target, metadata, made });
        } else if if_there == IfThere::Leave {
            self.outcome.entry(&key, Kind::Directory, (Change::Skipped, 0));
        }
        Ok(true)
    }

    /// Makes the directories on the way that are not made yet, unless something else stays in the place of one. One that
    /// can't be made is told once; what is below it then tells for itself.
    pub(super) fn make_way(&mut self) -> Result<Way> {
        let why = |directory: &OnTheWay| match directory.if_there {
            IfThere::Bar(why) => Some((directory.key.clone(), why)),
            IfThere::Set | IfThere::Keep | IfThere::Leave => None,
        };
        if let Some((barred, why)) = self.way.iter().find_map(why) {
            self.tell_barred(&barred, why);
            return Ok(Way::Barred);
        }
        let mut is_fresh = false;
        for place in 0..self.way.len() {
            let unmade = self.way.get(place).filter(|directory| directory.ground == Ground::Unknown);
            if let Some(key) = unmade.map(|directory| directory.key.clone()) {
                // Those between it and the one before it may have lost their own entries.
                let is_barred = !self.is_list_whole && self.make_lost_directories(&key)? == Way::Barred;
                if is_barred || self.make_one(place, is_fresh)? == Way::Barred {
                    return Ok(Way::Barred);
                }
            }
            is_fresh = self.way.get(place).is_some_and(|directory| matches!(directory.ground, Ground::Fresh(_)));
        }
        Ok(Way::Open)
    }

    /// Makes the directory at a place of the way, in one that is fresh or not.
    fn make_one(&mut self, place: usize, is_fresh: bool) -> Result<Way> {
        let (hand, existing) = (self.writer.hand(), self.on_fresh_ground());
        let Some(directory) = self.way.get_mut(place) else { return Ok(Way::Open) };
        let make = || -> Result<Ground, DestinationError> {
            if is_fresh && existing == Existing::Refuse {
                return hand.make_new_directory(&directory.target).map(|()| Ground::Fresh(Made::New));
            }
            let made = hand.make_directory(&directory.target)?;
            let is_empty = made == Made::New || is_fresh || hand.is_empty(&directory.target)?;
            Ok(if is_empty { Ground::Fresh(made) } else { Ground::Old })
        };
        match make() {
            Ok(ground) => {
                directory.ground = ground;
                self.outcome.other_done();
            }
            Err(error @ DestinationError::Taken { .. }) => {
                directory.if_there = IfThere::Bar(STAYS);
                self.barred = Some(directory.key.clone());
                self.outcome.refused(directory.key.to_path(), error)?;
                return Ok(Way::Barred);
            }
            Err(error) => self.outcome.refused(directory.key.to_path(), error)?,
        }
        Ok(Way::Open)
    }
}
