//! Keys: the names of entries, as bytes, in the order in which the trees hold them.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// Longest key in bytes. A longer path is reported by the walk and not stored.
pub const KEY_BYTES_MAX: usize = 64 << 10;

const SEPARATOR: u8 = 0;

/// Why bytes or a path are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("the key is longer than 65536 bytes")]
    TooLong,
    /// Two separators in a row, or one at an end.
    #[error("a component of the key is empty")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("a component of the key is \".\" or \"..\"")]
    DotComponent,
    /// A component holds a slash.
    #[error("a component of the key holds a slash")]
    Slash,
    /// A component given by name holds a zero byte.
    #[error("a component of the key holds a zero byte")]
    Zero,
    /// The path does not start at the root directory.
    #[error("the path is not absolute")]
    Relative,
}

/// The absolute path of an entry without its leading slash, each `/` as a zero byte; the root directory is empty.
///
/// Keys compare as bytes. A directory comes directly before what it holds, so a subtree is one range of keys:
/// from the directory's key up to, not including, [`Key::subtree_end`]. Byte-exact in format-spec/07-manifest.md.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of the root directory.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Takes the bytes of a key.
    ///
    /// # Errors
    /// [`KeyError`] when they break one of the rules for keys.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, KeyError> {
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        if !bytes.is_empty() {
            check_components(&bytes)?;
        }
        Ok(Self(bytes))
    }

    /// Takes bytes of which the first `known` are already part of a valid key of at least that length.
    pub(crate) fn parse_after(bytes: Vec<u8>, known: usize) -> Result<Self, KeyError> {
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        let head = bytes.get(..known).unwrap_or(&bytes);
        let start = head.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |at| at.saturating_add(1));
        if !bytes.is_empty() {
            check_components(bytes.get(start..).unwrap_or(&[]))?;
        }
        Ok(Self(bytes))
    }

    /// The key of an absolute path. Doubled and trailing slashes and `.` are dropped, as the kernel does.
    ///
    /// # Errors
    /// [`KeyError`] for a relative path, a path with `..`, and a path that is too long.
    pub fn from_path(path: &Path) -> Result<Self, KeyError> {
        if !path.is_absolute() {
            return Err(KeyError::Relative);
        }
        path.components().try_fold(Self::root(), |key, component| match component {
            Component::Normal(name) => key.child(name.as_bytes()),
            Component::ParentDir => Err(KeyError::DotComponent),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => Ok(key),
        })
    }

    /// The absolute path that the key stands for.
    pub fn to_path(&self) -> PathBuf {
        let mut path = vec![b'/'];
        path.extend(self.0.iter().map(|byte| if *byte == SEPARATOR { b'/' } else { *byte }));
        PathBuf::from(std::ffi::OsString::from_vec(path))
    }

    /// The key of the entry `name` in this directory.
    ///
    /// # Errors
    /// [`KeyError`] when `name` can't be a component or the key would be too long.
    pub fn child(&self, name: &[u8]) -> Result<Self, KeyError> {
        if name.contains(&SEPARATOR) {
            return Err(KeyError::Zero);
        }
        check_component(name)?;
        let separator = if self.is_root() { &[][..] } else { &[SEPARATOR][..] };
        let bytes = [self.0.as_slice(), separator, name].concat();
        if bytes.len() > KEY_BYTES_MAX { Err(KeyError::TooLong) } else { Ok(Self(bytes)) }
    }

    /// The bytes as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root directory.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds the entry; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.iter().rposition(|byte| *byte == SEPARATOR);
        if self.is_root() { None } else { Some(Self(self.0.get(..end.unwrap_or(0))?.to_vec())) }
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == SEPARATOR).next().unwrap_or(&[])
    }

    /// The components from the root down; none for the root itself.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == SEPARATOR).filter(|component| !component.is_empty())
    }

    /// How many components the key has.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// Whether the entry is `directory` or lies anywhere below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        self.below(directory).is_some()
    }

    /// What remains of the key below `directory`, as a relative path; empty for the directory itself.
    pub fn relative_to(&self, directory: &Self) -> Option<PathBuf> {
        let below = self.below(directory)?;
        let path = below.split(|byte| *byte == SEPARATOR).map(OsStr::from_bytes).collect();
        Some(path)
    }

    /// The first byte string after everything in the subtree of this directory; none for the root, whose subtree is
    /// everything. It is a bound for comparing and seeking, not always a key.
    pub fn subtree_end(&self) -> Option<Vec<u8>> {
        if self.is_root() { None } else { Some([self.0.as_slice(), &[SEPARATOR + 1]].concat()) }
    }

    fn below(&self, directory: &Self) -> Option<&[u8]> {
        if directory.is_root() {
            return Some(&self.0);
        }
        match self.0.strip_prefix(directory.0.as_slice())? {
            [] => Some(&[]),
            [SEPARATOR, below @ ..] => Some(below),
            [_, ..] => None,
        }
    }
}

fn check_components(bytes: &[u8]) -> Result<(), KeyError> {
    bytes.split(|byte| *byte == SEPARATOR).try_for_each(check_component)
}

fn check_component(name: &[u8]) -> Result<(), KeyError> {
    match name {
        [] => Err(KeyError::EmptyComponent),
        b"." | b".." => Err(KeyError::DotComponent),
        name if name.contains(&b'/') => Err(KeyError::Slash),
        _ => Ok(()),
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    /// Writes the absolute path; bytes that are not printable ASCII are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.components().try_for_each(|name| write!(f, "/{}", name.escape_ascii()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(path: &str) -> Key {
        Key::from_path(Path::new(path)).unwrap()
    }

    #[test]
    fn manifest_1_a_path_becomes_a_key_and_comes_back() {
        for path in ["/", "/a", "/a/b", "/home/ann/report \u{e9}.txt", "/...", "/.a/..b"] {
            assert_eq!(key(path).to_path(), Path::new(path), "{path}");
        }
        assert_eq!(key("/a//b/./c/").as_bytes(), b"a\0b\0c");
        assert_eq!(Key::from_path(Path::new("a")), Err(KeyError::Relative));
        assert_eq!(Key::from_path(Path::new("/a/../b")), Err(KeyError::DotComponent));
    }

    #[test]
    fn manifest_2_bytes_that_break_a_rule_are_not_a_key() {
        let cases: [(&[u8], KeyError); 9] = [
            (b"\0a", KeyError::EmptyComponent),
            (b"a\0", KeyError::EmptyComponent),
            (b"a\0\0b", KeyError::EmptyComponent),
            (b"\0", KeyError::EmptyComponent),
            (b".", KeyError::DotComponent),
            (b"a\0..\0b", KeyError::DotComponent),
            (b"a\0.", KeyError::DotComponent),
            (b"a/b", KeyError::Slash),
            (&[b'a'; KEY_BYTES_MAX + 1], KeyError::TooLong),
        ];
        for (bytes, error) in cases {
            assert_eq!(Key::parse(bytes.to_vec()), Err(error), "{}", bytes.escape_ascii());
        }
        assert!(Key::parse(vec![b'a'; KEY_BYTES_MAX]).is_ok());
        assert_eq!(key("/a").child(b"b\0c"), Err(KeyError::Zero));
        assert_eq!(key("/a").child(b""), Err(KeyError::EmptyComponent));
        assert_eq!(key("/a").child(&[b'b'; KEY_BYTES_MAX - 1]), Err(KeyError::TooLong));
    }

    #[test]
    fn family_relations_follow_the_components() {
        let leaf = key("/a/bc/d");
        assert_eq!(leaf.parent(), Some(key("/a/bc")));
        assert_eq!(key("/a").parent(), Some(Key::root()));
        assert_eq!(Key::root().parent(), None);
        assert_eq!((leaf.name(), Key::root().name()), (&b"d"[..], &b""[..]));
        assert_eq!(leaf.components().collect::<Vec<_>>(), [&b"a"[..], b"bc", b"d"]);
        assert_eq!((leaf.depth(), Key::root().depth()), (3, 0));
        assert!(leaf.is_within(&key("/a")) && leaf.is_within(&Key::root()) && leaf.is_within(&leaf));
        assert!(!leaf.is_within(&key("/a/b")) && !key("/a").is_within(&leaf));
        assert_eq!(leaf.relative_to(&key("/a")), Some(PathBuf::from("bc/d")));
        assert_eq!(leaf.relative_to(&Key::root()), Some(PathBuf::from("a/bc/d")));
        assert_eq!(leaf.relative_to(&leaf), Some(PathBuf::new()));
        assert_eq!(leaf.to_string(), "/a/bc/d");
        assert_eq!(Key::root().to_string(), "/");
    }

    fn any_key() -> impl Strategy<Value = Key> {
        prop::collection::vec("[a-c\u{1}!]{1,3}", 0..5)
            .prop_map(|names| names.iter().fold(Key::root(), |key, name| key.child(name.as_bytes()).unwrap()))
    }

    proptest! {
        #[test]
        fn a_subtree_is_one_range(directory in any_key(), other in any_key()) {
            let inside = other >= directory
                && directory.subtree_end().is_none_or(|end| other.as_bytes() < end.as_slice());
            prop_assert_eq!(other.is_within(&directory), inside);
        }

        #[test]
        fn knowing_a_prefix_changes_no_verdict(a in any_key(), tail: Vec<u8>, cut: prop::sample::Index) {
            let known = cut.index(a.as_bytes().len() + 1);
            let bytes = [&a.as_bytes()[..known], &tail].concat();
            prop_assert_eq!(Key::parse_after(bytes.clone(), known), Key::parse(bytes));
        }
    }
}
