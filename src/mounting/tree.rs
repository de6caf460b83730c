//! The mounted tree: what is where, as a file system asks.

use super::attributes::Attributes;
use super::directory::{DOTS, DirectoryRow, OpenDirectory, Rows, SnapshotRows, Taken, Walk, behind};
use super::file::OpenFile;
use super::folders::{Folder, Folders, Member};
use super::nodes::NodeCache;
use super::number::{FileNumber, Spot};
use super::options::{MountOptions, Shown};
use super::snapshot_tree::{Found, SnapshotTree, holes};
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Attribute, Body, Entry, Key, Kind, Timestamp, Xattr, decode_xattrs};
use crate::session::{self, History};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

/// Snapshots as a read-only file tree. Shared by threads; nothing in it waits for a look at the list of snapshots but what
/// looks into the folders above them.
pub struct MountedTree {
    access: Access,
    options: MountOptions,
    /// Trees and contents have caches of their own: a long content pushes no tree out.
    nodes: Arc<NodeCache>,
    contents: ContentReader,
    folders: RwLock<Folders>,
    /// When the list of snapshots was looked at last.
    looked: Mutex<Option<Instant>>,
}

/// Something that a number stands for.
enum Thing {
    Folder(usize),
    Latest(usize),
    File(Arc<SnapshotTree>, Found),
}

impl MountedTree {
    /// Looks at the list of snapshots for the first time.
    ///
    /// # Errors
    /// When the store can't be read; of one snapshot: [`ErrorKind::NotFound`] when nothing lies at the place,
    /// [`ErrorKind::Invalid`] when it is no directory.
    pub fn new(access: &Access, options: MountOptions) -> Result<Self> {
        let tree = Self {
            access: access.clone(),
            options,
            nodes: Arc::new(NodeCache::new(ContentReader::new(access.clone()))),
            contents: ContentReader::new(access.clone()),
            folders: RwLock::new(Folders::new()),
            looked: Mutex::default(),
        };
        match &tree.options.shown {
            Shown::All { .. } => tree.look(&mut tree.looked.lock().unwrap_or_else(PoisonError::into_inner))?,
            Shown::One(snapshot, base) => {
                let shown = tree.change_folders(|folders| folders.show_alone(snapshot, base.clone()));
                tree.check_is_directory(&shown, base)?;
            }
        }
        Ok(tree)
    }

    /// What a file system says of a file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a number that nothing has; when the entry can't be read.
    pub fn attributes(&self, number: FileNumber) -> Result<Attributes> {
        match self.thing(number)? {
            Thing::Folder(folder) => self.with_folder(folder, |held| Self::folder_attributes(number, held)),
            Thing::Latest(folder) => self.with_folder(folder, |held| {
                let target = held.latest.as_ref().map_or(0, Vec::len);
                let time = Timestamp::from_ns(held.time_ns);
                Attributes::of_link(number, time, u64::try_from(target).unwrap_or(u64::MAX))
            }),
            Thing::File(tree, found) => Ok(tree.attributes((&self.nodes, &self.contents), number, &found)),
        }
    }

    /// What lies in a directory under a name; none where nothing does.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and [`ErrorKind::Invalid`] for a number that is no directory's; when the entry can't be
    /// read, or the directory could not be when it was stored.
    pub fn lookup(&self, directory: FileNumber, name: &[u8]) -> Result<Option<Attributes>> {
        match self.thing(directory)? {
            Thing::Latest(_) => Err(no_directory()),
            Thing::Folder(folder) => {
                self.refresh();
                let member = self.with_folder(folder, |held| held.members.get(name).copied())?;
                member.map(|member| self.attributes(numbered(member_spot(member, folder))?)).transpose()
            }
            Thing::File(_, above) if above.entry.kind() != Kind::Directory => Err(no_directory()),
            Thing::File(tree, above) => {
                // A name that no entry can have is one that nothing has.
                let Ok(key) = above.entry.key.child(name) else { return Ok(None) };
                let Some(found) = tree.find(&self.nodes, &key)? else {
                    return if above.entry.is_unreadable() { Err(was_unreadable(&above.entry)) } else { Ok(None) };
                };
                let number = numbered(tree.spot(&found))?;
                Ok(Some(tree.attributes((&self.nodes, &self.contents), number, &found)))
            }
        }
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// As [`Self::attributes`]; [`ErrorKind::Invalid`] for what is no link.
    pub fn link_target(&self, number: FileNumber) -> Result<Vec<u8>> {
        match self.thing(number)? {
            Thing::Latest(folder) => self.with_folder(folder, |held| held.latest.clone().unwrap_or_default()),
            Thing::File(_, Found { entry, .. }) if entry.is_unreadable() => Err(was_unreadable(&entry)),
            Thing::File(_, Found { entry: Entry { body: Body::Symlink(target), .. }, .. }) => Ok(target),
            Thing::Folder(_) | Thing::File(..) => Err(Error::new(ErrorKind::Invalid, "it is no link")),
        }
    }

    /// The extended attributes of a file as names and values, sorted by name.
    ///
    /// # Errors
    /// As [`Self::attributes`]; when they can't be read.
    pub fn xattrs(&self, number: FileNumber) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let Thing::File(_, Found { entry, .. }) = self.thing(number)? else { return Ok(Vec::new()) };
        let about = |error: Error| error.while_doing(&entry.key);
        let Some(value) = self.contents.attribute(&entry, Attribute::XATTRS).map_err(about)? else {
            return Ok(Vec::new());
        };
        let malformed = |cause| Error::new(ErrorKind::Damaged, "an attribute is malformed").because(cause);
        let xattrs = decode_xattrs(&value).map_err(malformed).map_err(about)?;
        Ok(xattrs.into_iter().map(|Xattr { name, value }| (name, value)).collect())
    }

    /// Begins to read a file.
    ///
    /// # Errors
    /// As [`Self::attributes`]; [`ErrorKind::Invalid`] for what is no file; [`ErrorKind::Io`] for one whose content is not
    /// in the snapshot.
    pub fn open_file(&self, number: FileNumber) -> Result<OpenFile> {
        let Thing::File(_, Found { entry, .. }) = self.thing(number)? else {
            return Err(Error::new(ErrorKind::Invalid, "it is no file"));
        };
        if entry.is_unreadable() {
            return Err(was_unreadable(&entry));
        }
        let Some(content) = entry.content() else { return Err(Error::new(ErrorKind::Invalid, "it is no file")) };
        let (path, content, holes) = (entry.key.to_string(), content.clone(), holes(&self.contents, &entry));
        Ok(OpenFile { path, content, holes, place: Mutex::default() })
    }

    /// The bytes of a file from `offset` on: exactly `length` of them, or as many as there are. Reads one frame for each
    /// chunk that is not at hand.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when not all of them can be had as they were.
    pub fn read(&self, file: &OpenFile, offset: u64, length: usize) -> Result<Vec<u8>> {
        let bytes = file.read((&self.nodes, &self.contents), offset, length);
        bytes.map_err(|error| error.while_doing(format!("{}, byte {offset}", file.path)))
    }

    /// Begins to list a directory.
    ///
    /// # Errors
    /// As [`Self::attributes`]; [`ErrorKind::Invalid`] for what is no directory.
    pub fn open_directory(&self, number: FileNumber) -> Result<OpenDirectory> {
        match self.thing(number)? {
            Thing::Folder(folder) => {
                self.refresh();
                let (parent, members) = self.with_folder(folder, |held| (held.parent, held.members.clone()))?;
                let mut rows = Vec::with_capacity(members.len());
                for (name, member) in members {
                    let kind = if member == Member::Latest { Kind::Symlink } else { Kind::Directory };
                    rows.push((name, numbered(member_spot(member, folder))?, kind));
                }
                Ok(OpenDirectory { number, above: numbered(Spot::Folder(parent))?, rows: Rows::Folder(rows) })
            }
            Thing::File(tree, Found { entry: directory, .. }) if directory.kind() == Kind::Directory => {
                let above = self.above(&tree, &directory.key)?;
                let rows = Box::new(SnapshotRows { tree, directory, walk: Mutex::default() });
                Ok(OpenDirectory { number, above, rows: Rows::Snapshot(rows) })
            }
            Thing::Latest(_) | Thing::File(..) => Err(no_directory()),
        }
    }

    /// Gives out the rows of a directory behind a position, 0 for all, until one finds no place. Costs no more in the
    /// middle than at the start.
    ///
    /// # Errors
    /// When rows can't be read, or could not be when they were stored; all others were given out.
    pub fn list(
        &self,
        directory: &OpenDirectory,
        from: u64,
        each: &mut dyn FnMut(&DirectoryRow<'_>) -> Taken,
    ) -> Result<()> {
        let dots = [(&b"."[..], directory.number, 1), (b"..", directory.above, DOTS)];
        for (name, number, position) in dots.into_iter().filter(|(_, _, position)| *position > from) {
            let (inode, kind, found) = (number.raw(), Kind::Directory, None);
            if each(&DirectoryRow { name, number, inode, kind, position, found }) == Taken::Full {
                return Ok(());
            }
        }
        match &directory.rows {
            Rows::Folder(rows) => {
                let first = from.saturating_sub(DOTS);
                let numbered = (DOTS.saturating_add(1)..).zip(rows);
                for (position, (name, number, kind)) in numbered.skip(usize::try_from(first).unwrap_or(usize::MAX)) {
                    let (number, inode, kind, found) = (*number, number.raw(), *kind, None);
                    if each(&DirectoryRow { name, number, inode, kind, position, found }) == Taken::Full {
                        break;
                    }
                }
                Ok(())
            }
            Rows::Snapshot(rows) => {
                let SnapshotRows { tree, directory, walk } = &**rows;
                let mut held = walk.lock().unwrap_or_else(PoisonError::into_inner);
                let mut walk = match held.take().filter(|walk| walk.at == from.max(DOTS)) {
                    Some(walk) => Some(walk),
                    None if from <= DOTS => Walk::new(&self.nodes, tree, &directory.key),
                    None => Walk::after(&self.nodes, tree, &directory.key, from)?,
                };
                let listed = walk.as_mut().map_or(Ok(()), |walk| self.list_entries((tree, directory), walk, each));
                // After another error it is not put back: the next listing begins anew and meets the error again.
                *held = walk.filter(|walk| listed.is_ok() || walk.is_at_end());
                listed.map_err(|error| error.while_doing(&directory.key))
            }
        }
    }

    /// What a file system says of a row of a directory.
    ///
    /// # Errors
    /// As [`Self::attributes`].
    pub fn row_attributes(&self, row: &DirectoryRow<'_>) -> Result<Attributes> {
        match row.found {
            Some((tree, found)) => Ok(tree.attributes((&self.nodes, &self.contents), row.number, found)),
            None => self.attributes(row.number),
        }
    }

    fn list_entries(
        &self,
        (tree, directory): (&SnapshotTree, &Entry),
        walk: &mut Walk,
        each: &mut dyn FnMut(&DirectoryRow<'_>) -> Taken,
    ) -> Result<()> {
        while let Some(found) = walk.next(&self.nodes, tree, &directory.key)? {
            let number = numbered(tree.spot(&found))?;
            let position = behind(&found).ok_or_else(too_many)?;
            let kind = if found.entry.kind() == Kind::Unknown { Kind::File } else { found.entry.kind() };
            let inode = tree.inode(&found.entry, number);
            let name = found.entry.key.name();
            let row = DirectoryRow { name, number, inode, kind, position, found: Some((tree, &found)) };
            if each(&row) == Taken::Full {
                walk.keep(found);
                return Ok(());
            }
            walk.give(found, position);
        }
        if directory.is_unreadable() { Err(was_unreadable(directory)) } else { Ok(()) }
    }

    /// The number of the directory above one of a snapshot.
    fn above(&self, tree: &SnapshotTree, key: &Key) -> Result<FileNumber> {
        let is_alone = matches!(self.options.shown, Shown::One(..));
        match key.parent().filter(|_| *key != tree.base) {
            None if is_alone => Ok(FileNumber::ROOT),
            None => numbered(Spot::Folder(tree.folder)),
            Some(parent) if parent == tree.base && is_alone => Ok(FileNumber::ROOT),
            Some(parent) if parent == tree.base => numbered(Spot::Top { place: tree.place }),
            Some(parent) => {
                let found = tree.find(&self.nodes, &parent)?;
                numbered(found.map_or(Spot::Top { place: tree.place }, |found| tree.spot(&found)))
            }
        }
    }

    fn check_is_directory(&self, tree: &SnapshotTree, base: &Key) -> Result<()> {
        match tree.find(&self.nodes, base)? {
            Some(found) if found.entry.kind() == Kind::Directory => Ok(()),
            None if base.is_root() => Ok(()),
            Some(_) => {
                Err(Error::new(ErrorKind::Invalid, format!("{base} is no folder: only a folder can be mounted")))
            }
            None => {
                let message = format!("snapshot {} holds nothing at {base}", tree.id.short());
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }

    fn thing(&self, number: FileNumber) -> Result<Thing> {
        let nothing = || Error::new(ErrorKind::NotFound, "there is no file with this number");
        let place = |place| self.read_folders().shown(place).ok_or_else(nothing);
        match number.spot().ok_or_else(nothing)? {
            Spot::Folder(0) if matches!(self.options.shown, Shown::One(..)) => {
                let tree = place(0)?;
                let found = tree.top(&self.nodes)?;
                Ok(Thing::File(tree, found))
            }
            Spot::Folder(folder) => Ok(Thing::Folder(folder)),
            Spot::Latest(folder) => Ok(Thing::Latest(folder)),
            Spot::Top { place: number } => {
                let tree = place(number)?;
                let found = tree.top(&self.nodes)?;
                Ok(Thing::File(tree, found))
            }
            Spot::Row { place: number, component, ordinal } => {
                let tree = place(number)?;
                let found = tree.row(&self.nodes, component, ordinal)?;
                Ok(Thing::File(tree, found))
            }
        }
    }

    /// Looks at the list of snapshots again if that was long ago. Where it can't be read, what was there stays.
    fn refresh(&self) {
        // Whoever comes while somebody looks goes by what is known.
        let Ok(mut looked) = self.looked.try_lock() else { return };
        if looked.is_none_or(|looked| looked.elapsed() >= self.options.refresh_every) {
            let _ = self.look(&mut looked);
        }
    }

    fn look(&self, looked: &mut MutexGuard<'_, Option<Instant>>) -> Result<()> {
        let Shown::All { filter, templates, name_time } = &self.options.shown else { return Ok(()) };
        **looked = Some(Instant::now());
        let history = History::load(&self.access)?;
        session::bring_up_to_date(&self.access, &history)?;
        let mut snapshots = session::all(&history);
        snapshots.retain(|snapshot| !snapshot.forgotten && filter.passes(snapshot));
        self.change_folders(|folders| folders.show(&snapshots, templates, name_time));
        Ok(())
    }

    fn with_folder<T>(&self, folder: usize, see: impl FnOnce(&Folder) -> T) -> Result<T> {
        let nothing = || Error::new(ErrorKind::NotFound, "there is no folder with this number");
        self.read_folders().folder(folder).map(see).ok_or_else(nothing)
    }

    fn folder_attributes(number: FileNumber, folder: &Folder) -> Attributes {
        Attributes::of_folder(number, Timestamp::from_ns(folder.time_ns))
    }

    fn read_folders(&self) -> RwLockReadGuard<'_, Folders> {
        self.folders.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_folders<T>(&self, change: impl FnOnce(&mut Folders) -> T) -> T {
        change(&mut self.folders.write().unwrap_or_else(PoisonError::into_inner))
    }
}

const fn member_spot(member: Member, folder: usize) -> Spot {
    match member {
        Member::Folder(number) => Spot::Folder(number),
        Member::Snapshot(place) => Spot::Top { place },
        Member::Latest => Spot::Latest(folder),
    }
}

fn numbered(spot: Spot) -> Result<FileNumber> {
    FileNumber::of(spot).ok_or_else(too_many)
}

fn too_many() -> Error {
    Error::new(ErrorKind::Unsupported, "there are more snapshots or files than a mount can number")
}

fn no_directory() -> Error {
    Error::new(ErrorKind::Invalid, "it is no folder")
}

/// What the snapshot says of an entry that could not be stored.
fn was_unreadable(entry: &Entry) -> Error {
    Error::new(ErrorKind::Io, format!("{}: it could not be read when the snapshot was made", entry.key))
}
