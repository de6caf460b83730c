//! What a drill is going to restore, and whether there is room for it.

use crate::access::Access;
use crate::content::ContentReader;
use crate::drill::options::{DrillOptions, DrillPlace};
use crate::drill::pick::Pick;
use crate::drill::restored::{Step, walk};
use crate::error::{Error, ErrorKind, Result};
use crate::index::Scratch as Table;
use crate::manifest::{Attribute, Entry, Kind, decode_holes};
use crate::progress::Progress;
use crate::restore::Below;
use crate::session::Snapshot;
use std::path::{Path, PathBuf};

/// In pieces of how many bytes most file systems give space away.
const BLOCK_BYTES: u64 = 4 << 10;

/// What a drill is going to do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DrillPlan {
    /// What is restored.
    pub snapshot: Snapshot,
    /// Regular files that are restored, further names of one included.
    pub file_count: u64,
    /// Other items that are picked; directories that are made for what is in them come on top.
    pub other_count: u64,
    /// Bytes of content, holes included.
    pub bytes: u64,
    /// About how much space that takes.
    pub needed_bytes: u64,
    /// How much there is.
    pub free_bytes: u64,
    /// With which the same sample is taken again; none when everything is restored.
    pub seed: Option<u64>,
    pub(super) pick: Pick,
    pub(super) options: DrillOptions,
}

/// Picks what is restored, and makes sure that there is room for it. Reads the manifest; memory does not grow with it.
///
/// # Errors
/// [`ErrorKind::NoSpace`] when there is too little room; [`ErrorKind::Invalid`] for a seed without a sample; when the place
/// can't be looked at, or the caller stops.
pub fn plan(access: &Access, snapshot: Snapshot, options: &DrillOptions, progress: &dyn Progress) -> Result<DrillPlan> {
    if options.sample.is_whole() && options.seed.is_some() {
        return Err(Error::new(ErrorKind::Invalid, "a seed says which sample is taken, and the whole is restored"));
    }
    let reader = ContentReader::new(access.clone());
    // Of 32 bits: short enough to be typed.
    let random = || u64::from(u32::from_le_bytes(crate::seal::random()));
    let mut pick = Pick::new(options.sample, options.seed.unwrap_or_else(random));
    let mut picked = count(&reader, &snapshot, pick, progress)?;
    if let (0, Some(least)) = (picked.file_count, picked.least) {
        pick = pick.up_to(least);
        picked = count(&reader, &snapshot, pick, progress)?;
    }
    let Picked { file_count, other_count, bytes, needed_bytes, .. } = picked;
    let mut plan = DrillPlan {
        snapshot,
        file_count,
        other_count,
        bytes,
        needed_bytes,
        free_bytes: 0,
        seed: (!options.sample.is_whole()).then_some(pick.seed()),
        pick,
        options: options.clone(),
    };
    plan.require_room()?;
    Ok(plan)
}

impl DrillPlan {
    fn require_room(&mut self) -> Result<()> {
        let place = place_of(&self.options.place);
        let failed = |errno: rustix::io::Errno| {
            let message = format!("can't see how much space is left in {}", place.display());
            Error::new(ErrorKind::Io, message).because(std::io::Error::from(errno))
        };
        let space = rustix::fs::statvfs(&place).map_err(failed)?;
        self.free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
        // Some file systems have no bound, and say that there are none at all.
        let free_items = if space.f_files == 0 { u64::MAX } else { space.f_favail };
        self.lack_of_room(free_items).map_or(Ok(()), |lack| {
            let (id, place) = (self.snapshot.id.short(), place.display());
            let message = format!("there is no room in {place} for what is restored of snapshot {id}: {lack}");
            Err(Error::new(ErrorKind::NoSpace, message))
        })
    }

    /// What there is too little of, in words.
    fn lack_of_room(&self, free_items: u64) -> Option<String> {
        let items = self.file_count.saturating_add(self.other_count);
        let (needed, free) = (self.needed_bytes, self.free_bytes);
        if needed > free {
            return Some(format!("it takes about {needed} bytes, and {free} are left"));
        }
        (items > free_items).then(|| format!("it makes {items} items, and the file system takes {free_items} more"))
    }
}

/// Where the space is taken from.
fn place_of(place: &DrillPlace) -> PathBuf {
    match place {
        DrillPlace::Within(folder) => folder.clone(),
        DrillPlace::At(folder) if folder.exists() => folder.clone(),
        DrillPlace::At(folder) => {
            let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
            above.unwrap_or(Path::new(".")).to_path_buf()
        }
    }
}

/// What a pick takes.
#[derive(Default)]
struct Picked {
    file_count: u64,
    other_count: u64,
    bytes: u64,
    needed_bytes: u64,
    /// The least number of a regular file that could be read.
    least: Option<u64>,
}

fn count(reader: &ContentReader, snapshot: &Snapshot, pick: Pick, progress: &dyn Progress) -> Result<Picked> {
    let mut picked = Picked::default();
    let mut groups = reader.access().scratch();
    for root in snapshot.components.iter().filter_map(|component| component.manifest) {
        walk(reader, root, progress, &mut |step| {
            // The restore tells what can't be read.
            if let Step::Entry(entry) = step {
                picked.add(reader, entry, pick, groups.as_mut())?;
            }
            Ok(Below::Visit)
        })?;
    }
    Ok(picked)
}

impl Picked {
    fn add(&mut self, reader: &ContentReader, entry: &Entry, pick: Pick, groups: &mut dyn Table) -> Result<()> {
        let is_file = entry.kind() == Kind::File && !entry.is_unreadable();
        if is_file && !pick.takes(entry) {
            let number = pick.number(entry);
            self.least = Some(self.least.map_or(number, |least| least.min(number)));
        }
        if !pick.takes(entry) {
            return Ok(());
        }
        if !is_file {
            self.other_count = self.other_count.saturating_add(1);
            self.needed_bytes = self.needed_bytes.saturating_add(BLOCK_BYTES);
            return Ok(());
        }
        self.file_count = self.file_count.saturating_add(1);
        // Further names of a file take no space, and are not read again.
        if let Some(group) = &entry.group {
            if groups.get(group.as_bytes())?.is_some() {
                return Ok(());
            }
            groups.put(group.as_bytes(), &[])?;
        }
        let bytes = entry.content().map_or(0, |content| content.bytes());
        let allocated = bytes.saturating_sub(hole_bytes(reader, entry)?);
        self.bytes = self.bytes.saturating_add(bytes);
        let blocks = allocated.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX);
        self.needed_bytes = self.needed_bytes.saturating_add(blocks);
        Ok(())
    }
}

/// How much of a file takes no space. What can't be read of it is found by the restore.
fn hole_bytes(reader: &ContentReader, entry: &Entry) -> Result<u64> {
    let value = match reader.attribute(entry, Attribute::HOLES) {
        Ok(value) => value.unwrap_or_default(),
        Err(error) if error.is_of_one_thing() => Vec::new(),
        Err(error) => return Err(error),
    };
    let holes = if value.is_empty() { Vec::new() } else { decode_holes(&value).unwrap_or_default() };
    Ok(holes.iter().fold(0, |sum, hole| sum.saturating_add(hole.bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Told, tell};
    use crate::session::{self, History};

    #[test]
    fn too_little_space_and_too_few_items_are_found_before_anything_is_restored() {
        let mut history = History::default();
        tell(&mut history, &Told::default());
        let options = DrillOptions::new(DrillPlace::Within("/".into()));
        let plan = |needed_bytes, free_bytes| DrillPlan {
            snapshot: session::all(&history).remove(0),
            file_count: 3,
            other_count: 2,
            bytes: 10,
            needed_bytes,
            free_bytes,
            seed: None,
            pick: Pick::new(options.sample, 0),
            options: options.clone(),
        };
        assert_eq!(plan(100, 100).lack_of_room(5), None);
        let lack = plan(101, 100).lack_of_room(u64::MAX).unwrap();
        assert_eq!(lack, "it takes about 101 bytes, and 100 are left");
        let lack = plan(100, 100).lack_of_room(4).unwrap();
        assert_eq!(lack, "it makes 5 items, and the file system takes 4 more");
        let refused = plan(u64::MAX, 0).require_room().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NoSpace, "{refused}");
    }

    #[test]
    fn space_is_looked_for_where_it_is_taken_from() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &Path| place_of(&DrillPlace::At(path.into()));
        assert_eq!(at(top.path()), top.path());
        assert_eq!(at(&top.path().join("new")), top.path());
        assert_eq!(at(Path::new("new")), Path::new("."));
    }
}
