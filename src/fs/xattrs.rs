//! Extended attributes of whatever a handle stands for.
//!
//! The kernel's calls take open files and paths, not names in a directory. A path through `/proc/self/fd` leads to
//! exactly what the handle holds, so that nothing but the last name, if there is one, is looked up.

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr, getxattr, lgetxattr, listxattr, llistxattr,
    removexattr, setxattr,
};
use rustix::io::Errno;

/// No file system keeps a longer list of names or a longer value.
const BYTES_MAX: usize = 64 << 10;
/// Enough for nearly all; tried first.
const BYTES_USUAL: usize = 512;

/// The name and the value of an attribute.
pub type Attribute = (Vec<u8>, Vec<u8>);

/// The attributes of something.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Names with values, sorted by name.
    pub read: Vec<Attribute>,
    /// Names of attributes whose values can't be read, and why.
    pub refused: Vec<(Vec<u8>, Errno)>,
}

/// Something that can carry extended attributes.
#[derive(Debug)]
pub enum Labelled<'a> {
    /// A file or directory that is open for more than its place.
    Open(BorrowedFd<'a>),
    /// What a path leads to, a link at its end followed.
    Followed(Vec<u8>),
    /// What a path leads to, be it a link. Can be read only.
    Unfollowed(Vec<u8>),
}

impl Labelled<'_> {
    /// What a handle stands for that was opened as a place only, be it a link.
    pub fn held(handle: &OwnedFd) -> Self {
        Self::Followed(path_of(handle))
    }

    /// A name in an open directory, be it a link.
    pub fn named(directory: &OwnedFd, name: &[u8]) -> Self {
        let mut path = path_of(directory);
        path.push(b'/');
        path.extend_from_slice(name);
        Self::Unfollowed(path)
    }

    /// All attributes, each by itself: one that can't be read takes none of the others with it. A file system that has
    /// none has none, and one that vanishes meanwhile was none.
    ///
    /// # Errors
    /// Those of reading the names.
    pub fn read_all(&self) -> Result<Attributes, Errno> {
        Ok(gathered(&self.names()?, |name| self.value(name)))
    }

    /// The names of all attributes, each with a zero byte behind it.
    ///
    /// # Errors
    /// Those of reading; a file system that has no attributes has none.
    pub fn names(&self) -> Result<Vec<u8>, Errno> {
        let names = read_one(|list| match self {
            Self::Open(file) => flistxattr(file, list),
            Self::Followed(path) => listxattr(path.as_slice(), list),
            Self::Unfollowed(path) => llistxattr(path.as_slice(), list),
        });
        if names == Err(Errno::OPNOTSUPP) { Ok(Vec::new()) } else { names }
    }

    /// The value of one attribute.
    ///
    /// # Errors
    /// Those of reading.
    pub fn value(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        read_one(|value| match self {
            Self::Open(file) => fgetxattr(file, name, value),
            Self::Followed(path) => getxattr(path.as_slice(), name, value),
            Self::Unfollowed(path) => lgetxattr(path.as_slice(), name, value),
        })
    }

    /// Sets one attribute, whether it was there or not.
    ///
    /// # Errors
    /// Those of writing; `INVAL` for something that can be read only.
    pub fn set(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Open(file) => fsetxattr(file, name, value, XattrFlags::empty()),
            Self::Followed(path) => setxattr(path.as_slice(), name, value, XattrFlags::empty()),
            Self::Unfollowed(_) => Err(Errno::INVAL),
        }
    }

    /// Removes one attribute.
    ///
    /// # Errors
    /// Those of writing; `INVAL` for something that can be read only.
    pub fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Open(file) => fremovexattr(file, name),
            Self::Followed(path) => removexattr(path.as_slice(), name),
            Self::Unfollowed(_) => Err(Errno::INVAL),
        }
    }
}

/// A path that leads to what a handle stands for, and is followed no further even if that is a link.
pub fn path_of(handle: &OwnedFd) -> Vec<u8> {
    format!("/proc/self/fd/{}", handle.as_raw_fd()).into_bytes()
}

fn read_one(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut usual = [0; BYTES_USUAL];
    match read(&mut usual) {
        Ok(length) => Ok(usual.get(..length).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; BYTES_MAX];
            let length = read(&mut large)?;
            large.truncate(length);
            Ok(large)
        }
        Err(errno) => Err(errno),
    }
}

fn gathered(names: &[u8], value: impl Fn(&[u8]) -> Result<Vec<u8>, Errno>) -> Attributes {
    let mut found = Attributes::default();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        match value(name) {
            Ok(value) => found.read.push((name.to_vec(), value)),
            // Removed since the names were listed; or a name that is listed without having a value.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => found.refused.push((name.to_vec(), errno)),
        }
    }
    found.read = in_order(found.read);
    found
}

/// Sorted, each name once: there are file systems that list one twice.
fn in_order(mut found: Vec<Attribute>) -> Vec<Attribute> {
    found.sort_unstable();
    found.dedup_by(|one, other| one.0 == other.0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn attributes_read_back_by_every_way_and_long_ones_too() {
        let top = tempfile::tempdir().unwrap();
        std::fs::write(top.path().join("file"), "").unwrap();
        let file = OwnedFd::from(std::fs::File::open(top.path().join("file")).unwrap());
        let directory = OwnedFd::from(std::fs::File::open(top.path()).unwrap());
        let open = Labelled::Open(file.as_fd());
        assert_eq!(open.read_all(), Ok(Attributes::default()));
        // Longer than the buffer that is tried first, and no longer than what ext4 takes in all.
        let long = vec![7; 3000];
        open.set(b"user.long", &long).unwrap();
        Labelled::held(&file).set(b"user.empty", b"").unwrap();
        let expected = vec![(b"user.empty".to_vec(), Vec::new()), (b"user.long".to_vec(), long)];
        for way in [open, Labelled::held(&file), Labelled::named(&directory, b"file")] {
            let found = way.read_all().unwrap();
            assert_eq!((&found.read, found.refused.len()), (&expected, 0), "{way:?}");
        }
        Labelled::held(&file).remove(b"user.long").unwrap();
        assert_eq!(Labelled::named(&directory, b"file").names(), Ok(b"user.empty\0".to_vec()));
        assert_eq!(Labelled::named(&directory, b"file").set(b"user.x", b""), Err(Errno::INVAL));
    }

    /// One such attribute once lost all the others of its file.
    #[test]
    fn an_attribute_that_cannot_be_read_takes_no_other_with_it() {
        let value = |name: &[u8]| match name {
            b"user.bad" => Err(Errno::IO),
            b"user.gone" => Err(Errno::NODATA),
            name => Ok(name.to_vec()),
        };
        let found = gathered(b"user.b\0user.bad\0user.gone\0user.a\0", value);
        let one = |name: &[u8]| (name.to_vec(), name.to_vec());
        assert_eq!(found.read, [one(b"user.a"), one(b"user.b")]);
        assert_eq!(found.refused, [(b"user.bad".to_vec(), Errno::IO)]);
    }

    #[test]
    fn a_name_that_is_listed_twice_counts_once() {
        let one = |name: &[u8]| (name.to_vec(), b"value".to_vec());
        let found = ["user.b", "user.a", "user.b"].map(|name| one(name.as_bytes()));
        assert_eq!(in_order(found.to_vec()), [one(b"user.a"), one(b"user.b")]);
    }
}
