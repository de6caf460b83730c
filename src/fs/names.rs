//! The sorted names of one directory.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use rustix::fd::AsFd;
use rustix::fs::RawDir;
use rustix::io::Errno;

/// Room for so many names at first: most directories have no more, and growing to it costs an allocation for each doubling.
const COUNT_USUAL: usize = 16;
/// The same for their bytes.
const BYTES_USUAL: usize = 256;

/// The names in a directory, sorted by their bytes: each once, end to end in one allocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Every name with a zero byte behind it.
    bytes: Vec<u8>,
    /// Where each name lies, in the order of the names.
    places: Vec<Place>,
}

/// Where a name starts, and its length with the zero byte behind it. Kept, for to look for the zero byte at each
/// comparison took a tenth of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: u32,
    length: u32,
}

/// Why the names were not all read.
#[derive(Debug, PartialEq, Eq)]
pub enum Stopped {
    /// There are more than the caller wanted.
    AtLimit,
    /// The operating system refused.
    By(Errno),
}

impl Names {
    /// Reads the names in an open directory. After an error midway the names up to there are kept.
    pub fn read(directory: impl AsFd, buffer: &mut [MaybeUninit<u8>], count_max: usize) -> (Self, Option<Stopped>) {
        let mut names = Self { bytes: Vec::with_capacity(BYTES_USUAL), places: Vec::with_capacity(COUNT_USUAL) };
        let mut entries = RawDir::new(directory, buffer);
        let stopped = loop {
            match entries.next() {
                None => break None,
                Some(Err(Errno::INTR)) => {}
                Some(Err(errno)) => break Some(Stopped::By(errno)),
                Some(Ok(entry)) if is_dots(entry.file_name()) => {}
                Some(Ok(_)) if names.places.len() == count_max => break Some(Stopped::AtLimit),
                Some(Ok(entry)) => {
                    if let Err(errno) = names.push(entry.file_name()) {
                        break Some(Stopped::By(errno));
                    }
                }
            }
        };
        names.sort();
        (names, stopped)
    }

    /// Takes names that are sorted already.
    pub fn from_sorted<'a>(sorted: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut names = Self::default();
        for name in sorted {
            if let Some(place) = names.next_place(name.len().saturating_add(1)) {
                names.places.push(place);
                names.bytes.extend_from_slice(name);
                names.bytes.push(0);
            }
        }
        names
    }

    fn push(&mut self, name: &CStr) -> Result<(), Errno> {
        let name = name.to_bytes_with_nul();
        self.places.push(self.next_place(name.len()).ok_or(Errno::OVERFLOW)?);
        self.bytes.extend_from_slice(name);
        Ok(())
    }

    fn next_place(&self, length: usize) -> Option<Place> {
        Some(Place { start: u32::try_from(self.bytes.len()).ok()?, length: u32::try_from(length).ok()? })
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.places.sort_unstable_by(|left, right| bytes_at(bytes, *left).cmp(bytes_at(bytes, *right)));
        // A file system that returns a name twice, as some do while it is renamed, must not give a key twice.
        self.places.dedup_by(|left, right| bytes_at(bytes, *left) == bytes_at(bytes, *right));
    }

    /// How many names there are.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// The name at a place in the order, without its zero byte.
    pub fn get(&self, index: usize) -> Option<&CStr> {
        CStr::from_bytes_with_nul(bytes_at(&self.bytes, *self.places.get(index)?)).ok()
    }

    /// Whether this is one of them.
    pub fn contains(&self, name: &[u8]) -> bool {
        let without_end = |place: &Place| bytes_at(&self.bytes, *place).split_last().map_or(&[][..], |(_, name)| name);
        self.places.binary_search_by(|place| without_end(place).cmp(name)).is_ok()
    }

    /// The names in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.places.iter().filter_map(|place| bytes_at(&self.bytes, *place).split_last().map(|(_, name)| name))
    }

    /// Bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>()
    }
}

/// Whether a name stands for the directory itself or for the one above.
fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// A name with its zero byte. Two names compare as these do: no name holds a zero byte.
fn bytes_at(bytes: &[u8], place: Place) -> &[u8] {
    let from = |place: Place| {
        let start = usize::try_from(place.start).ok()?;
        Some(start..start.saturating_add(usize::try_from(place.length).ok()?))
    };
    from(place).and_then(|range| bytes.get(range)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_sorted_by_bytes_and_once() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b", "a", "a!", "\u{e4}", "Z", "aa"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let open = std::fs::File::open(directory.path()).unwrap();
        let mut buffer = [MaybeUninit::uninit(); 512];
        let (names, stopped) = Names::read(&open, &mut buffer, usize::MAX);
        let found: Vec<&str> = (0..names.count()).map(|index| names.get(index).unwrap().to_str().unwrap()).collect();
        assert_eq!((found, stopped), (vec!["Z", "a", "a!", "aa", "b", "\u{e4}"], None));
    }

    #[test]
    fn more_names_than_wanted_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        for name in 0..10 {
            std::fs::write(directory.path().join(name.to_string()), "").unwrap();
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut read = |count_max| {
            let open = std::fs::File::open(directory.path()).unwrap();
            Names::read(&open, &mut buffer, count_max).1
        };
        assert_eq!(read(9), Some(Stopped::AtLimit));
        assert_eq!(read(10), None);
    }

    /// A restore into an empty directory took it for one that holds something, and compared each of its files with nothing.
    #[test]
    fn the_names_of_a_directory_itself_and_of_the_one_above_are_not_among_those_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let open = std::fs::File::open(directory.path()).unwrap();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let (names, stopped) = Names::read(&open, &mut buffer, 0);
        assert_eq!((names.count(), stopped), (0, None));
    }
}
