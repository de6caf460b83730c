//! Removing what the snapshot does not hold: only what the selection takes, never across the border of a file system,
//! never the repository.

use crate::content::ContentReader;
use crate::destination::{DestinationError, Present};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{Names, device_of, if_there, look_along};
use crate::id::NodeId;
use crate::manifest::{Body, Content, Cursor, Device, Entry, Key, Kind};
use crate::restore::hand::Hand;
use crate::restore::options::{Choice, Extras, RestoreOptions};
use crate::restore::outcome::Outcome;
use crate::session::SnapshotComponent;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Removes things from the target.
pub(super) struct Sweeper<'a> {
    hand: &'a Hand,
    options: &'a RestoreOptions,
    outcome: &'a Outcome<'a>,
    reader: &'a ContentReader,
    /// The other components' manifests: what they hold is not extra.
    others: Vec<NodeId>,
    spared: &'a Spared,
    /// The target: what the snapshot does not hold is named by where it lies.
    place: PathBuf,
}

/// Devices and inodes of what is left alone.
pub(super) struct Spared(Vec<(u64, u64)>);

/// Why something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The snapshot does not hold it.
    Extra,
    /// It lies where something else shall be, which is told instead.
    InTheWay,
}

/// Something that is looked at for removal.
struct Item {
    reason: Reason,
    /// Where it would be in the snapshot.
    key: Key,
    target: Key,
    /// The device of the directory that holds it.
    device: u64,
}

/// A directory that is being emptied.
struct Level {
    reason: Reason,
    key: Key,
    target: Key,
    device: u64,
    choice: Choice,
    names: Names,
    next: usize,
    /// Whether something in it stays.
    holds: bool,
}

impl<'a> Sweeper<'a> {
    pub(super) fn new(
        (hand, spared): (&'a Hand, &'a Spared),
        reader: &'a ContentReader,
        options: &'a RestoreOptions,
        outcome: &'a Outcome<'a>,
        others: impl Iterator<Item = &'a SnapshotComponent>,
    ) -> Self {
        Self {
            hand,
            options,
            outcome,
            reader,
            others: others.filter_map(|component| component.manifest).collect(),
            spared,
            place: std::path::absolute(&options.target).unwrap_or_else(|_| options.target.clone()),
        }
    }

    /// Whether the directory at a place is one that is left alone with all that is in it, whatever the snapshot holds.
    ///
    /// # Errors
    /// When the place can't be looked at.
    pub(super) fn spares(&self, target: &Key) -> Result<bool, DestinationError> {
        let found = self.hand.look(target)?;
        Ok(found.is_some_and(|found| self.is_spared(&found)))
    }

    fn is_spared(&self, found: &Present) -> bool {
        self.spared.0.contains(&(found.device, found.inode))
    }

    /// Where something of the target lies.
    pub(super) fn path(&self, target: &Key) -> PathBuf {
        target.components().fold(self.place.clone(), |path, name| path.join(OsStr::from_bytes(name)))
    }

    /// Whether anything is removed at all.
    pub(super) fn is_at_work(&self) -> bool {
        self.options.extras == Extras::Delete
    }

    /// Removes what lies at a place that this component says nothing of, unless another one does.
    pub(super) fn sweep(&self, key: Key, target: Key, device: u64) -> Result<()> {
        let is_elsewhere = self.others.iter().any(|root| {
            let found = Cursor::<Entry, _>::new(self.reader, *root).find(&key);
            // What can't be read may hold it.
            found.map_or(true, |found| found.is_some())
        });
        if is_elsewhere { Ok(()) } else { self.remove(Item { reason: Reason::Extra, key, target, device }) }
    }

    /// Empties a directory that lies in the place of something else, as far as the selection takes what is in it.
    pub(super) fn clear_way(&self, key: &Key, target: &Key, found: &Present) -> Result<()> {
        if !self.is_at_work() || found.kind != Kind::Directory {
            return Ok(());
        }
        let (key, target) = (key.clone(), target.clone());
        self.remove(Item { reason: Reason::InTheWay, key, target, device: found.device })
    }

    fn remove(&self, item: Item) -> Result<()> {
        let mut levels: Vec<Level> = Vec::new();
        let stays = self.enter(item, &mut levels)?;
        if stays {
            return Ok(());
        }
        while let Some(level) = levels.last_mut() {
            self.outcome.check_stopped()?;
            if let Some(name) = level.names.get(level.next) {
                level.next = level.next.saturating_add(1);
                let children = level.key.child(name.to_bytes()).ok().zip(level.target.child(name.to_bytes()).ok());
                let Some((key, target)) = children else {
                    level.holds = true;
                    continue;
                };
                let item = Item { reason: Reason::Extra, key, target, device: level.device };
                let stays = self.enter(item, &mut levels)?;
                if let Some(level) = levels.last_mut().filter(|_| stays) {
                    level.holds = true;
                }
                continue;
            }
            let Some(level) = levels.pop() else { break };
            let stays = self.leave(&level)?;
            if let Some(above) = levels.last_mut().filter(|_| stays) {
                above.holds = true;
            }
        }
        Ok(())
    }

    /// Removes anything but a directory, and goes into a directory; says whether it stays.
    fn enter(&self, item: Item, levels: &mut Vec<Level>) -> Result<bool> {
        let found = match self.hand.look(&item.target) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(false),
            Err(error) => return self.stays(&item.key, error),
        };
        let choice = self.options.choose(&pseudo_entry(&item.key, &found));
        if choice == Choice::Skip {
            return Ok(true);
        }
        if self.is_spared(&found) {
            self.outcome
                .spared(self.path(&item.target), "not removed: the repository, or what belongs to it, lies there");
            return Ok(true);
        }
        if found.is_mounted_on || found.device != item.device {
            self.outcome.spared(self.path(&item.target), "not removed: a file system is mounted there");
            return Ok(true);
        }
        if found.kind == Kind::Directory {
            let names = match self.hand.names(&item.target) {
                Ok(names) => names,
                Err(error) => return self.stays(&item.key, error),
            };
            let Item { reason, key, target, device } = item;
            levels.push(Level { reason, key, target, device, choice, names, next: 0, holds: false });
            return Ok(false);
        }
        if choice != Choice::Take {
            return Ok(true);
        }
        match self.hand.remove_entry(&item.target) {
            Ok(()) => {
                self.outcome.deleted(self.path(&item.target), found.kind);
                Ok(false)
            }
            Err(error) => self.stays(&item.key, error),
        }
    }

    /// Removes a directory whose contents were dealt with; says whether it stays.
    fn leave(&self, level: &Level) -> Result<bool> {
        if level.holds || level.choice != Choice::Take {
            return Ok(true);
        }
        match self.hand.remove_directory(&level.target) {
            Ok(()) => {
                if level.reason == Reason::Extra {
                    self.outcome.deleted(self.path(&level.target), Kind::Directory);
                }
                Ok(false)
            }
            Err(error) => self.stays(&level.key, error),
        }
    }

    fn stays(&self, key: &Key, error: DestinationError) -> Result<bool> {
        self.outcome.refused(key.to_path(), error).map(|()| true)
    }
}

impl Spared {
    /// Looks at what is left alone.
    ///
    /// # Errors
    /// When something of it can't be looked at, and anything is to be removed. A cache on a disc that fails keeps nobody from
    /// restoring elsewhere.
    pub(super) fn look(options: &RestoreOptions) -> Result<Self> {
        let mut spared = Vec::new();
        for path in &options.spared {
            match (if_there(look_along(path).map_err(io::Error::from)), options.extras) {
                (Ok(found), _) => spared.extend(found.map(|found| (device_of(&found), found.stx_ino))),
                (Err(_), Extras::Keep) => {}
                (Err(cause), Extras::Delete) => {
                    let path = path.display();
                    let message = format!(
                        "{path} can't be looked at, so it can't be told from what would be removed; nothing was restored"
                    );
                    return Err(Error::new(ErrorKind::Io, message).because(cause));
                }
            }
        }
        Ok(Self(spared))
    }
}

/// What lies in the target, for the selection to choose.
fn pseudo_entry(key: &Key, found: &Present) -> Entry {
    let nothing = Device { major: 0, minor: 0 };
    let body = match found.kind {
        Kind::Directory => Body::Directory,
        Kind::File => Body::File(Content::empty()),
        Kind::Symlink => Body::Symlink(Vec::new()),
        Kind::Fifo => Body::Fifo,
        Kind::Socket => Body::Socket,
        Kind::CharDevice => Body::CharDevice(nothing),
        Kind::BlockDevice => Body::BlockDevice(nothing),
        Kind::Unknown => Body::Unknown,
    };
    let mut entry = Entry::new(key.clone(), body);
    (entry.mode, entry.uid, entry.gid, entry.mtime) = (found.mode, found.uid, found.gid, found.mtime);
    entry
}
