//! The paths that a user names, as keys.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::SourceError;
use crate::fs::{is_below, join, split};
use crate::manifest::Key;

/// What was named, and what lies above it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Arguments {
    /// Sorted; none lies inside of another one.
    keys: Vec<Key>,
    /// All of them, sorted.
    named: Vec<Key>,
    /// Keys of arguments that were written with a slash at their end.
    with_slash: Vec<Vec<u8>>,
}

impl Arguments {
    pub(super) fn parse(paths: &[PathBuf]) -> Result<Self, SourceError> {
        if paths.is_empty() {
            return Err(refused(Path::new(""), "no path was given"));
        }
        let named = paths.iter().map(|path| Named::parse(path)).collect::<Result<Vec<_>, _>>()?;
        let named = where_they_lie(named)?;
        let with_slash = named.iter().filter(|one| one.slash == Slash::AtEnd).map(|one| one.key.clone());
        let mut with_slash: Vec<Key> = with_slash.collect();
        let mut keys: Vec<Key> = named.into_iter().map(|one| one.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let named = keys.clone();
        keys.dedup_by(|inner, outer| is_below(inner.as_bytes(), outer.as_bytes()));
        with_slash.retain(|key| *key != Key::root() && keys.binary_search(key).is_ok());
        let with_slash = with_slash.iter().map(|key| key.as_bytes().to_vec()).collect();
        Ok(Self { keys, named, with_slash })
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The directories that are reached with links followed: those above the arguments, and arguments with a slash.
    pub(super) fn followed(&self) -> Vec<Vec<u8>> {
        let mut followed = self.with_slash.clone();
        let mut before: &[u8] = &[];
        for key in &self.keys {
            let mut way = key.as_bytes();
            // Those that it shares with the argument before it stand there already: a list may name a million neighbours.
            while let Some((directory, _)) = split(way).filter(|(directory, _)| !directory.is_empty())
                && !is_below(before, directory)
            {
                followed.push(directory.to_vec());
                way = directory;
            }
            before = key.as_bytes();
        }
        followed.sort_unstable();
        followed.dedup();
        followed
    }

    /// Whether it is an argument itself, be it inside of another one.
    pub(super) fn is_named(&self, key: &[u8]) -> bool {
        self.named.binary_search_by(|named| named.as_bytes().cmp(key)).is_ok()
    }

    /// The innermost argument that a directory is or lies in; the root where there is none.
    pub(super) fn around<'a>(&self, directory: &'a [u8]) -> &'a [u8] {
        let mut way = directory;
        while !self.is_named(way)
            && let Some((above, _)) = split(way)
        {
            way = above;
        }
        way
    }

    /// The arguments that lie inside of it, sorted.
    pub(super) fn below<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = &'a Key> {
        let start = self.named.partition_point(|named| named.as_bytes() <= key);
        let behind = self.named.get(start..).unwrap_or_default().iter();
        behind.take_while(move |named| is_below(named.as_bytes(), key))
    }

    /// Whether an argument lies inside of it.
    pub(super) fn lead_below(&self, key: &[u8]) -> bool {
        self.below(key).next().is_some()
    }

    /// The names in a directory that lead to arguments, sorted.
    pub(super) fn names_in<'a>(&'a self, ancestor: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let below = self.below(ancestor).map(Key::as_bytes);
        let prefix_bytes = join(ancestor, b"").len();
        let mut last: &[u8] = b"";
        below.filter_map(move |key| {
            let name = key.get(prefix_bytes..)?.split(|&byte| byte == 0).next()?;
            (std::mem::replace(&mut last, name) != name).then_some(name)
        })
    }
}

/// One argument.
#[derive(Debug, Clone)]
struct Named {
    /// Absolute, without a slash at its end.
    path: PathBuf,
    key: Key,
    slash: Slash,
}

/// Whether an argument was written with a slash at its end, which follows a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slash {
    AtEnd,
    None,
}

impl Named {
    fn parse(path: &Path) -> Result<Self, SourceError> {
        let absolute = absolute(path).map_err(|reason| refused(path, reason))?;
        let bytes = path.as_os_str().as_bytes();
        let has_slash = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
        Self::new(&absolute, if has_slash { Slash::AtEnd } else { Slash::None })
    }

    fn new(path: &Path, slash: Slash) -> Result<Self, SourceError> {
        let key = key_of(path).ok_or_else(|| refused(path, "no path can hold a zero byte"))?;
        let key = Key::parse(key).map_err(|_| refused(path, "it is longer than 64 KiB"))?;
        Ok(Self { path: path.components().collect(), key, slash })
    }

    /// Whether the way from here to a directory inside leads through a link.
    fn has_link_to(&self, directory: &Path) -> bool {
        let mut way = directory.ancestors().take_while(|way| way.starts_with(&self.path));
        let is_link = |way: &Path| way.symlink_metadata().is_ok_and(|found| found.is_symlink());
        way.any(|way| (*way != self.path || self.slash == Slash::None) && is_link(way))
    }

    /// The same where it really lies, if the way from the argument that holds it leads through a link. Behind one that
    /// leads nowhere it stays where it is: the walk says so.
    fn behind_link(&self, top: &Self, known: &mut Places) -> Result<Option<Self>, SourceError> {
        let (directory, name) = match self.slash {
            Slash::AtEnd => (Some(self.path.as_path()), None),
            Slash::None => (self.path.parent(), self.path.file_name()),
        };
        let Some(directory) = directory else { return Ok(None) };
        let place = known
            .entry(directory.to_path_buf())
            .or_insert_with(|| top.has_link_to(directory).then(|| directory.canonicalize().ok()).flatten());
        let path = place.as_ref().map(|place| name.map_or_else(|| place.clone(), |name| place.join(name)));
        path.map(|path| Self::new(&path, Slash::None)).transpose()
    }
}

/// Where directories really lie that are reached through a link.
type Places = HashMap<PathBuf, Option<PathBuf>>;

/// The arguments, each once. What lies inside of another one, but behind a link, is taken where it really lies: the link
/// stays a link of its tree, so nothing has a place behind it there.
fn where_they_lie(mut named: Vec<Named>) -> Result<Vec<Named>, SourceError> {
    named.sort_unstable_by(|one, other| (&one.key, one.slash).cmp(&(&other.key, other.slash)));
    named.dedup_by(|one, before| one.key == before.key);
    let mut known = Places::new();
    let mut placed = Vec::with_capacity(named.len());
    let mut top: Option<Named> = None;
    for one in named {
        let holder = top.as_ref().filter(|top| is_below(one.key.as_bytes(), top.key.as_bytes()));
        let Some(holder) = holder else {
            top = Some(one.clone());
            placed.push(one);
            continue;
        };
        placed.push(one.behind_link(holder, &mut known)?.unwrap_or(one));
    }
    Ok(placed)
}

fn refused(path: &Path, reason: &'static str) -> SourceError {
    SourceError::Argument { path: path.to_path_buf(), reason }
}

/// The absolute path without `.` and `..`; what stands before a `..` is resolved, links and all.
fn absolute(path: &Path) -> Result<PathBuf, &'static str> {
    if path.as_os_str().is_empty() {
        return Err("it is empty");
    }
    let absolute = std::path::absolute(path).map_err(|_| "the working directory can't be found")?;
    let parts: Vec<Component<'_>> = absolute.components().collect();
    match parts.iter().rposition(|part| *part == Component::ParentDir) {
        None => Ok(absolute),
        Some(last) => {
            let (front, rest) = parts.split_at(last + 1);
            let front: PathBuf = front.iter().collect();
            let front = front.canonicalize().map_err(|_| "what stands before its .. can't be found")?;
            Ok(front.join(rest.iter().collect::<PathBuf>()))
        }
    }
}

fn key_of(path: &Path) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    for part in path.components() {
        if let Component::Normal(name) = part {
            if name.as_bytes().contains(&0) {
                return None;
            }
            key = join(&key, name.as_bytes());
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(paths: &[&str]) -> Arguments {
        Arguments::parse(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()).expect("good paths")
    }

    fn key(text: &str) -> Key {
        Key::parse(text.into()).unwrap()
    }

    fn names<'a>(arguments: &'a Arguments, ancestor: &'a str) -> Vec<&'a str> {
        arguments.names_in(ancestor.as_bytes()).map(|name| std::str::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn paths_inside_of_others_are_part_of_them() {
        let arguments = arguments(&["/b/c", "/a", "/b", "/a/x/y", "/bc", "/b/"]);
        assert_eq!(arguments.keys(), ["a", "b", "bc"].map(key));
    }

    #[test]
    fn ancestors_show_only_the_names_that_lead_to_arguments() {
        let arguments = arguments(&["/home/u/x", "/home/u/y", "/home/v", "/var"]);
        assert_eq!(names(&arguments, ""), ["home", "var"]);
        assert_eq!(names(&arguments, "home"), ["u", "v"]);
        assert_eq!(names(&arguments, "home\0u"), ["x", "y"]);
        assert!(arguments.lead_below(b"home") && arguments.lead_below(b""));
        assert!(!arguments.lead_below(b"home\0v") && !arguments.lead_below(b"var\0log"));
        assert!(arguments.is_named(b"home\0v") && !arguments.is_named(b"home"));
        let around = |directory: &'static [u8]| arguments.around(directory);
        assert_eq!([around(b"home\0u\0x\0d"), around(b"var"), around(b"home")], [&b"home\0u\0x"[..], b"var", b""]);
        assert_eq!(arguments.followed(), [b"home".to_vec(), b"home\0u".to_vec()]);
    }

    #[test]
    fn names_that_sort_between_a_directory_and_its_entries_do_not_hide_an_ancestor() {
        // "a!b" sorts behind "a\0z" by bytes: the slash is stored as 00.
        let arguments = arguments(&["/a!b", "/a/z"]);
        assert_eq!(names(&arguments, ""), ["a", "a!b"]);
        assert!(arguments.lead_below(b"a") && !arguments.is_named(b"a"));
    }

    #[test]
    fn the_root_as_argument_holds_everything() {
        let arguments = arguments(&["/", "/usr"]);
        assert_eq!(arguments.keys(), [Key::root()]);
        assert!(arguments.is_named(b""));
        assert!(arguments.followed().is_empty());
    }

    #[test]
    fn dots_are_resolved_and_a_slash_at_the_end_is_noticed() {
        assert_eq!(arguments(&["/usr/../usr/./lib/"]).keys(), [key("usr\0lib")]);
        assert_eq!(arguments(&["/tmp/x/"]).followed(), [b"tmp".to_vec(), b"tmp\0x".to_vec()]);
    }

    #[test]
    fn no_path_an_empty_one_and_an_endless_one_are_refused() {
        for paths in [vec![], vec![PathBuf::new()], vec![PathBuf::from("/a".repeat(40_000))]] {
            assert!(matches!(Arguments::parse(&paths), Err(SourceError::Argument { .. })));
        }
    }
}
