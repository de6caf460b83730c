//! Entry by entry: directories, links and nodes are made at once, files are gathered into windows.

use crate::content::ContentReader;
use crate::destination::{Destination, DestinationError, Existing, Metadata, Owner};
use crate::error::{Error, ErrorKind, Result};
use crate::index::Scratch;
use crate::manifest::{
    Attribute, AttributeValue, Body, Content, Device, Entry, Hole, Item, ItemReader, Key, Placed, decode_holes,
    decode_xattrs,
};
use crate::manifest::{Kind, Row as _, Xattr};
use crate::owner::OwnerMap;
use crate::restore::earlier::Earlier;
use crate::restore::options::{Choice, RestoreOptions};
use crate::restore::outcome::{Outcome, RestoreProblemKind};
use crate::restore::tree::Below;
use crate::restore::window::{FileWork, Want, Window, Writer};
use crate::session::SnapshotComponent;
use crossbeam_channel::Sender;
use std::sync::Arc;

/// What share of a whole window the first one may hold; each later one twice as much.
const FIRST_SHARE: usize = 32;

/// A directory on the way to the entry at hand.
struct OnTheWay {
    /// Its key in the snapshot.
    key: Key,
    /// Its key in the target, and what it is to get in the end; none for one that is passed over.
    target: Key,
    metadata: Metadata,
    made: bool,
}

/// The first name of a hard-link group.
enum First {
    /// There is none yet.
    None,
    /// It was restored under this key.
    Name(Key),
    /// It is another entry than this one.
    Other,
}

/// Everything about an entry but its key.
fn hash_of_fields(entry: &Entry) -> [u8; blake3::OUT_LEN] {
    let mut fields = Vec::new();
    entry.encode_fields(&mut fields);
    *blake3::hash(&fields).as_bytes()
}

/// Turns entries into work.
pub(super) struct Planner<'a> {
    reader: &'a ContentReader,
    destination: &'a Destination,
    options: &'a RestoreOptions,
    outcome: &'a Outcome<'a>,
    owners: OwnerMap,
    /// The directories from the root of the restore to the entry at hand.
    way: Vec<OnTheWay>,
    writer: &'a Writer<'a>,
    /// What is planned and not handed over for writing.
    window: Window,
    windows: Sender<Window>,
    /// The window at hand may hold one part in so many of a whole one: the first are small, so that writing begins soon.
    share: usize,
    /// For each hard-link group what the name is that was restored first, and its key.
    groups: Box<dyn Scratch>,
    /// What was restored before.
    earlier: Earlier<'a>,
}

impl<'a> Planner<'a> {
    /// Plans for a target; what is to be written goes to `windows`, in order.
    pub(super) fn new(
        writer: &'a Writer<'a>,
        destination: &'a Destination,
        (component, earlier): (&SnapshotComponent, &[SnapshotComponent]),
        options: &'a RestoreOptions,
        outcome: &'a Outcome<'a>,
        windows: Sender<Window>,
    ) -> Self {
        let reader = writer.reader();
        Self {
            reader,
            destination,
            options,
            outcome,
            owners: OwnerMap::new(&component.users, &component.groups),
            way: Vec::new(),
            writer,
            window: Window::default(),
            windows,
            share: FIRST_SHARE,
            groups: reader.access().scratch(),
            earlier: Earlier::new(reader, earlier),
        }
    }

    /// Takes the next entry in key order, and says whether what is below it is wanted.
    pub(super) fn take(&mut self, entry: Entry) -> Result<Below> {
        self.leave_until(&entry.key)?;
        let choice = self.options.select.as_ref().map_or(Choice::Take, |select| select(&entry));
        if choice == Choice::Skip {
            return Ok(Below::Skip);
        }
        if self.earlier.have(&entry) {
            let message = "an earlier component of the snapshot holds something else at this path, which stays";
            self.outcome.problem(entry.key.to_path(), RestoreProblemKind::Refused, message.to_owned());
            return Ok(Below::Skip);
        }
        if choice == Choice::Pass {
            self.pass(entry)?
        } else {
            self.restore(entry)?
        }
        Ok(Below::Visit)
    }

    /// Notes a directory that is made only if something below it is taken.
    fn pass(&mut self, entry: Entry) -> Result<()> {
        if entry.kind() != Kind::Directory {
            return Ok(());
        }
        let Some(target) = self.target_of(&entry) else { return Ok(()) };
        self.enter(&entry, target)?;
        self.tell_unread(&entry)
    }

    fn enter(&mut self, entry: &Entry, target: Key) -> Result<()> {
        let metadata = self.metadata(entry)?;
        self.way.push(OnTheWay { key: entry.key.clone(), target, metadata, made: false });
        Ok(())
    }

    fn restore(&mut self, entry: Entry) -> Result<()> {
        let Some(target) = self.target_of(&entry) else { return Ok(()) };
        if entry.kind() == Kind::Directory {
            self.enter(&entry, target)?;
            self.make_way()?;
            return self.tell_unread(&entry);
        }
        if entry.is_unreadable() {
            return self.tell_unread(&entry);
        }
        self.make_way()?;
        let metadata = self.metadata(&entry)?;
        self.make(&entry, target, metadata)
    }

    /// Hands over what is gathered, the last directories as well.
    pub(super) fn finish(mut self) -> Result<()> {
        while self.leave() {}
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
            self.leave();
        }
        if self.window.is_full(self.share) { self.hand_over() } else { Ok(()) }
    }

    fn leave(&mut self) -> bool {
        let Some(directory) = self.way.pop() else { return false };
        if directory.made {
            self.window.leave(directory.key, directory.target, directory.metadata);
        }
        true
    }

    fn hand_over(&mut self) -> Result<()> {
        self.share = (self.share / 2).max(1);
        self.windows.send(std::mem::take(&mut self.window)).map_err(super::gone)
    }

    /// Makes the directories on the way that are not made yet. One that can't be made is told once; what is below it
    /// then tells for itself.
    fn make_way(&mut self) -> Result<()> {
        for directory in self.way.iter_mut().filter(|directory| !directory.made) {
            match self.destination.make_directory(&directory.target) {
                Ok(_) => {
                    directory.made = true;
                    self.outcome.other_done();
                }
                Err(error) => self.outcome.refused(directory.key.to_path(), error)?,
            }
        }
        Ok(())
    }

    fn make(&mut self, entry: &Entry, target: Key, metadata: Metadata) -> Result<()> {
        match self.first_name(entry)? {
            First::None => {}
            First::Name(first) => return self.link(entry, &first, &target),
            First::Other => {
                let message = "it is another entry than the first name of its hard-link group; restored by itself";
                self.outcome.problem(entry.key.to_path(), RestoreProblemKind::Metadata, message.to_owned());
            }
        }
        let made = match &entry.body {
            Body::File(_) => return self.file(entry, target, metadata),
            Body::Symlink(link) => self.destination.make_symlink(&target, link).map(drop),
            Body::Fifo | Body::Socket => self.special(entry.kind(), &target, Device { major: 0, minor: 0 }),
            Body::CharDevice(device) | Body::BlockDevice(device) => self.special(entry.kind(), &target, *device),
            Body::Directory | Body::Ancestor | Body::Unknown => return Ok(()),
        };
        match made {
            Ok(()) => {
                self.outcome.other_done();
                self.remember_first(entry, &target)?;
                self.writer.finish_entry(&entry.key, &target, &metadata)
            }
            Err(error) => self.outcome.refused(entry.key.to_path(), error),
        }
    }

    /// The name under which another member of the entry's hard-link group was restored.
    fn first_name(&self, entry: &Entry) -> Result<First> {
        let Some(group) = &entry.group else { return Ok(First::None) };
        let Some(row) = self.groups.get(group.as_bytes())? else { return Ok(First::None) };
        let changed = || Error::new(ErrorKind::Io, "the table of hard links was changed");
        let (fields, first) = row.split_at_checked(blake3::OUT_LEN).ok_or_else(changed)?;
        if fields != hash_of_fields(entry) {
            return Ok(First::Other);
        }
        Key::parse(first.to_vec()).map(First::Name).map_err(|cause| changed().because(cause))
    }

    fn remember_first(&mut self, entry: &Entry, target: &Key) -> Result<()> {
        let Some(group) = entry.group.as_ref().filter(|_| !entry.is_unreadable()) else { return Ok(()) };
        if self.groups.get(group.as_bytes())?.is_some() {
            return Ok(());
        }
        let row = [&hash_of_fields(entry)[..], target.as_bytes()].concat();
        Ok(self.groups.put(group.as_bytes(), &row)?)
    }

    fn link(&self, entry: &Entry, first: &Key, target: &Key) -> Result<()> {
        match self.destination.make_link(first, target) {
            Ok(_) if entry.kind() == Kind::File => self.outcome.file_done(0),
            Ok(_) => self.outcome.other_done(),
            Err(error) => return self.outcome.refused(entry.key.to_path(), error),
        }
        Ok(())
    }

    fn special(&self, kind: Kind, target: &Key, device: Device) -> Result<(), DestinationError> {
        self.destination.make_special(target, kind, device).map(drop)
    }

    fn file(&mut self, entry: &Entry, target: Key, metadata: Metadata) -> Result<()> {
        // Other names of an old file must not see what is written.
        let existing = if entry.group.is_some() { Existing::Replace } else { Existing::Reuse };
        self.remember_first(entry, &target)?;
        let holes = self.holes(entry)?;
        let Some(content) = entry.content() else { return Ok(()) };
        let work = FileWork::new(entry.key.clone(), target, metadata, content.bytes(), holes);
        self.window.add_file();
        let work = self.writer.begin(work, content, existing)?;
        if let Content::Items(list) = content {
            let mut items = ItemReader::new(self.reader, list.clone());
            loop {
                match items.next_item() {
                    Ok(Some(placed)) => self.item(&work, &placed)?,
                    Ok(None) => break,
                    Err(error) => self.writer.fail(&work, error.into())?,
                }
            }
        }
        self.writer.part_done(&work)
    }

    /// A file that wants more chunks than a window holds is written in several windows.
    fn item(&mut self, work: &Arc<FileWork>, placed: &Placed) -> Result<()> {
        match placed.item {
            Item::Zeros { bytes } => self.writer.put_zeros(work, placed.offset, bytes),
            Item::Chunk { id, bytes } => {
                self.window.add(Want { id, offset: placed.offset, bytes, file: Arc::clone(work) });
                if self.window.is_full(self.share) { self.hand_over() } else { Ok(()) }
            }
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

    fn metadata(&self, entry: &Entry) -> Result<Metadata> {
        let owner = Owner::Ids { uid: self.owners.uid(entry.uid), gid: self.owners.gid(entry.gid) };
        let (mode, mtime, xattrs) = (entry.mode, entry.mtime, self.xattrs(entry)?);
        Ok(Metadata { kind: entry.kind(), owner, mode, mtime, xattrs })
    }

    fn xattrs(&self, entry: &Entry) -> Result<Vec<Xattr>> {
        let Some(value) = self.attribute(entry, Attribute::XATTRS)? else { return Ok(Vec::new()) };
        decode_xattrs(&value).or_else(|cause| {
            let error = Error::new(ErrorKind::Damaged, "its extended attributes are malformed").because(cause);
            self.outcome.damaged(entry.key.to_path(), error).map(|()| Vec::new())
        })
    }

    fn holes(&self, entry: &Entry) -> Result<Vec<Hole>> {
        let Some(value) = self.attribute(entry, Attribute::HOLES)? else { return Ok(Vec::new()) };
        decode_holes(&value).or_else(|cause| {
            let error = Error::new(ErrorKind::Damaged, "its list of holes is malformed").because(cause);
            self.outcome.damaged(entry.key.to_path(), error).map(|()| Vec::new())
        })
    }

    /// The value of an attribute, wherever it lies; one that can't be read is told and left out.
    fn attribute(&self, entry: &Entry, id: u32) -> Result<Option<Vec<u8>>> {
        let list = match entry.attributes.get(id) {
            None => return Ok(None),
            Some(AttributeValue::Inline(value)) => return Ok(Some(value.clone())),
            Some(AttributeValue::OutOfLine(list)) => list.clone(),
        };
        let read = || -> Result<Vec<u8>> {
            let mut value = Vec::new();
            let mut items = ItemReader::new(self.reader, list);
            while let Some(placed) = items.next_item()? {
                self.reader.append_item(&placed.item, &mut value)?;
            }
            Ok(value)
        };
        match read() {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.outcome.damaged(entry.key.to_path(), error).map(|()| None),
        }
    }
}
