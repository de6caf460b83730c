//! `holdall ls`

use crate::cli::arguments::LsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{ListedSnapshot, Node, PathText};
use crate::cli::render::text;
use crate::cli::render::{Renderer, Style, json_line};
use crate::cli::sorted::{Direction, Sorter};
use crate::cli::values::SortBy;
use holdall::{Below, Body, Entry, Error, ErrorKind, Key, Kind};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) fn run(context: &Context<'_>, arguments: &LsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let snapshot = context.snapshot(&repository, &arguments.snapshot.spec, &context::filter(&arguments.filter)?)?;
    let top = key(arguments.snapshot.path.as_deref())?;
    // A snapshot without a path is listed whole, a folder only as deep as asked.
    let deepest = match &arguments.snapshot.path {
        Some(_) if !arguments.recursive => top.depth().saturating_add(1),
        _ => usize::MAX,
    };
    context.renderer.json(&ListedSnapshot::new(crate::cli::render::snapshot::as_json(&snapshot)));

    let renderer = context.renderer;
    let mut list = List::new(renderer, arguments);
    let mut done = exit::DONE;
    let listed = repository.list(&snapshot, &top, &mut |entry| {
        renderer.require_reader()?;
        list.take(entry)?;
        if let Some(message) = entry.attributes.not_understood() {
            renderer.problem(&entry.key.to_path(), "list", &message);
            done = exit::INCOMPLETE;
        }
        Ok(if entry.key.depth() < deepest { Below::Visit } else { Below::Skip })
    });
    match listed {
        Err(error) if renderer.is_cut_by(&error) => Ok(exit::DONE),
        // What could be read is shown also where something is lost.
        listed => list.finish().and(listed.map(|()| done).map_err(Failure::from)),
    }
}

/// The entries as they are printed: at once, or when they are sorted.
struct List<'a> {
    renderer: &'a Renderer,
    arguments: &'a LsArguments,
    sorter: Option<Sorter>,
}

impl<'a> List<'a> {
    fn new(renderer: &'a Renderer, arguments: &'a LsArguments) -> Self {
        let direction = if arguments.reverse { Direction::Down } else { Direction::Up };
        let is_sorted = arguments.sort.is_some() || arguments.reverse;
        let sorter = is_sorted.then(|| Sorter::new(std::env::temp_dir(), direction));
        Self { renderer, arguments, sorter }
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        let path = entry.key.to_path();
        let path = path.as_os_str().as_bytes();
        let sizes = if self.arguments.human_readable { Sizes::Rounded } else { Sizes::Exact };
        let line = match self.renderer.style() {
            Style::Json => json_line(&node(entry, path)),
            Style::Human if self.arguments.long => {
                self.renderer.name_line(&facts(entry, sizes), path, &target_text(entry))
            }
            Style::Human => self.renderer.name_line("", path, ""),
        };
        match &mut self.sorter {
            Some(sorter) => sorter.add(sort_key(entry, self.arguments.sort), line).map_err(unsorted),
            None => {
                self.renderer.print_line(&line);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        let Some(sorter) = self.sorter else { return Ok(()) };
        sorter.finish(&mut |line| self.renderer.print_line(line)).map_err(|error| unsorted(error).into())
    }
}

fn unsorted(error: std::io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::new(ErrorKind::Io, format!("can't sort in {}: {error}; TMPDIR names another folder", folder.display()))
}

/// What an entry is sorted by, compared as bytes; its path decides between equal ones.
fn sort_key(entry: &Entry, by: Option<SortBy>) -> Vec<u8> {
    let name = entry.key.name();
    let mut key = match by {
        None => Vec::new(),
        Some(SortBy::Name) => [name, b"\0"].concat(),
        Some(SortBy::Size) => entry.content().map_or(0, |content| content.bytes()).to_be_bytes().to_vec(),
        // The sign comes first, and says that it is less.
        Some(SortBy::Time) => {
            let seconds = entry.mtime.seconds().cast_unsigned() ^ (1 << 63);
            [seconds.to_be_bytes().as_slice(), &entry.mtime.nanoseconds().to_be_bytes()].concat()
        }
        Some(SortBy::Extension) => {
            let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
            let extension = dot.and_then(|dot| name.get(dot..)).unwrap_or_default();
            [extension, b"\0"].concat()
        }
    };
    key.extend_from_slice(entry.key.as_bytes());
    key
}

/// The key of a path within a snapshot; the root's if there is none.
pub(crate) fn key(path: Option<&OsStr>) -> Result<Key, Failure> {
    let path = path.unwrap_or(OsStr::new("/"));
    Key::from_path(Path::new(path)).map_err(|error| Failure::misuse(format!("{}: {error}", path.display())))
}

/// How sizes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sizes {
    Exact,
    Rounded,
}

pub(super) fn facts(entry: &Entry, sizes: Sizes) -> String {
    let size = entry.content().map_or_else(
        || "-".to_owned(),
        |content| match sizes {
            Sizes::Exact => content.bytes().to_string(),
            Sizes::Rounded => text::bytes(content.bytes()),
        },
    );
    let time = text::file_time(entry.mtime);
    format!("{} {:>6} {:>6} {size:>14} {time} ", permissions(entry), entry.uid, entry.gid)
}

pub(super) fn target_text(entry: &Entry) -> String {
    link_target(entry).map_or_else(String::new, |target| format!(" -> {}", text::printable(target)))
}

fn link_target(entry: &Entry) -> Option<&[u8]> {
    let Body::Symlink(target) = &entry.body else { return None };
    Some(target)
}

/// `drwxr-sr-t`
fn permissions(entry: &Entry) -> String {
    let mode = entry.mode;
    let kind = match entry.kind() {
        Kind::Directory => 'd',
        Kind::File => '-',
        Kind::Symlink => 'l',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Unknown => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

pub(super) fn node(entry: &Entry, path: &[u8]) -> Node {
    let target = link_target(entry).map(PathText::new);
    let (linktarget, linktarget_b64) = target.map_or((None, None), |target| (Some(target.path), target.path_b64));
    Node {
        message_type: "node",
        struct_type: "node",
        name: String::from_utf8_lossy(entry.key.name()).into_owned(),
        kind: kind(entry.kind()),
        path: PathText::new(path),
        uid: entry.uid,
        gid: entry.gid,
        size: entry.content().map(|content| content.bytes()),
        mode: entry.mode.into(),
        permissions: permissions(entry),
        mtime: text::precise_file_time(entry.mtime),
        linktarget,
        linktarget_b64,
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "dir",
        Kind::File => "file",
        Kind::Symlink => "symlink",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::CharDevice => "chardev",
        Kind::BlockDevice => "dev",
        Kind::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_by_what_is_asked_for() {
        let key = |path: &str, seconds| {
            let mut entry = Entry::new(Key::from_path(Path::new(path)).expect(path), Body::Directory);
            entry.mtime = holdall::manifest::Timestamp::new(seconds, 0).expect("a time");
            move |by| sort_key(&entry, by)
        };
        let (one, other) = (key("/b/a.x", -5), key("/a/b.w", 5));
        assert!(one(None) > other(None));
        assert!(one(Some(SortBy::Name)) < other(Some(SortBy::Name)));
        assert!(one(Some(SortBy::Time)) < other(Some(SortBy::Time)));
        let (sooner, later) = (key("/b", 15_032_385_535), key("/a", 15_032_385_536));
        assert!(sooner(Some(SortBy::Time)) < later(Some(SortBy::Time)), "after 2262 too");
        assert!(one(Some(SortBy::Extension)) > other(Some(SortBy::Extension)));
        assert!(one(Some(SortBy::Size)) > other(Some(SortBy::Size)), "of one size: by path");
    }

    #[test]
    fn permissions_read_as_in_other_tools() {
        let entry = |body: Body, mode| {
            let mut entry = Entry::new(Key::root(), body);
            entry.mode = mode;
            permissions(&entry)
        };
        assert_eq!(entry(Body::Directory, 0o755), "drwxr-xr-x");
        assert_eq!(entry(Body::Directory, 0o1777), "drwxrwxrwt");
        assert_eq!(entry(Body::Fifo, 0o6711), "prws--s--x");
        assert_eq!(entry(Body::Socket, 0o7000), "s--S--S--T");
    }
}
