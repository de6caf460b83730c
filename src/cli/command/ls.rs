//! `holdall ls`

use crate::cli::arguments::LsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{ListedSnapshot, Node, PathText};
use crate::cli::render::text;
use crate::cli::render::{Renderer, Style};
use holdall::{Below, Body, Entry, Error, ErrorKind, Key, Kind};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) fn run(context: &Context<'_>, arguments: &LsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let snapshot = repository.resolve(&arguments.snapshot.spec, &context::filter(&arguments.filter)?)?;
    let top = key(arguments.snapshot.path.as_deref())?;
    // A snapshot without a path is listed whole, a folder only as deep as asked.
    let deepest = match &arguments.snapshot.path {
        Some(_) if !arguments.recursive => top.depth().saturating_add(1),
        _ => usize::MAX,
    };
    context.renderer.json(&ListedSnapshot::new(crate::cli::render::snapshot::as_json(&snapshot)));

    let renderer = context.renderer;
    let listed = repository.list(&snapshot, &top, &mut |entry| {
        if renderer.is_closed() {
            return Err(Error::new(ErrorKind::Interrupted, "nobody reads the list any more"));
        }
        show(renderer, entry, arguments.long);
        Ok(if entry.key.depth() < deepest { Below::Visit } else { Below::Skip })
    });
    match listed {
        Err(error) if !renderer.is_closed() => Err(error.into()),
        _ => Ok(exit::DONE),
    }
}

/// The key of a path within a snapshot; the root's if there is none.
pub(crate) fn key(path: Option<&OsStr>) -> Result<Key, Failure> {
    let path = path.unwrap_or(OsStr::new("/"));
    Key::from_path(Path::new(path)).map_err(|error| Failure::misuse(format!("{}: {error}", path.display())))
}

fn show(renderer: &Renderer, entry: &Entry, long: bool) {
    let path = entry.key.to_path();
    let path = path.as_os_str().as_bytes();
    match renderer.style() {
        Style::Json => renderer.json(&node(entry, path)),
        Style::Human if long => renderer.print_name(&facts(entry), path, &target_text(entry)),
        Style::Human => renderer.print_name("", path, ""),
    }
}

fn facts(entry: &Entry) -> String {
    let size = entry.content().map_or_else(|| "-".to_owned(), |content| content.bytes().to_string());
    let time = text::time(entry.mtime.to_ns());
    format!("{} {:>6} {:>6} {size:>14} {time} ", permissions(entry), entry.uid, entry.gid)
}

fn target_text(entry: &Entry) -> String {
    match &entry.body {
        Body::Symlink(target) => format!(" -> {}", text::printable(target)),
        Body::Directory
        | Body::Ancestor
        | Body::File(_)
        | Body::Fifo
        | Body::Socket
        | Body::CharDevice(_)
        | Body::BlockDevice(_)
        | Body::Unknown => String::new(),
    }
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

fn node(entry: &Entry, path: &[u8]) -> Node {
    let target = match &entry.body {
        Body::Symlink(target) => Some(PathText::new(target)),
        Body::Directory
        | Body::Ancestor
        | Body::File(_)
        | Body::Fifo
        | Body::Socket
        | Body::CharDevice(_)
        | Body::BlockDevice(_)
        | Body::Unknown => None,
    };
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
        mtime: text::precise_time(entry.mtime.to_ns()),
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
