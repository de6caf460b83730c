//! Where snapshots are shown: templates, and the paths that they give.

use crate::error::{Error, ErrorKind, Result};
use crate::session::Snapshot;
use std::sync::Arc;

/// How the time of a snapshot, in nanoseconds since the epoch, becomes a name.
pub type NameTime = Arc<dyn Fn(i64) -> String + Send + Sync>;

/// A path with places for what a snapshot is: `%i` the start of its id, `%I` its id, `%T` its time, `%h` its host, `%u` its
/// user, `%t` each of its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    ShortId,
    Id,
    Time,
    Host,
    User,
    Tag,
}

impl PathTemplate {
    /// Those that are used where none is given: by id, by time, by host and time, by tag and time.
    pub fn usual() -> Vec<Self> {
        let usual = ["ids/%i", "snapshots/%T", "hosts/%h/%T", "tags/%t/%T"];
        usual.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// The folders and the name under which a snapshot is shown: several for several tags, none where there is no tag to
    /// go by.
    pub(super) fn paths(&self, snapshot: &Snapshot, name_time: &NameTime) -> Vec<Vec<Vec<u8>>> {
        let tags = snapshot.origin.as_ref().map(|origin| origin.tags.as_slice()).unwrap_or_default();
        if self.0.contains(&Piece::Tag) {
            return tags.iter().map(|tag| self.path(snapshot, tag, name_time)).collect();
        }
        vec![self.path(snapshot, &[], name_time)]
    }

    fn path(&self, snapshot: &Snapshot, tag: &[u8], name_time: &NameTime) -> Vec<Vec<u8>> {
        let mut path = Vec::new();
        let origin = snapshot.origin.as_ref();
        for piece in &self.0 {
            match piece {
                Piece::Byte(byte) => path.push(*byte),
                Piece::ShortId => path.extend_from_slice(snapshot.id.short().as_bytes()),
                Piece::Id => path.extend_from_slice(snapshot.id.to_string().as_bytes()),
                // The slashes of a time's format make folders.
                Piece::Time => path.extend_from_slice(name_time(snapshot.time_ns).as_bytes()),
                Piece::Host => path.extend(name(origin.map_or(&[][..], |origin| &origin.host))),
                Piece::User => path.extend(name(origin.map_or(&[][..], |origin| &origin.user))),
                Piece::Tag => path.extend(name(tag)),
            }
        }
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.map(harmless).collect()
    }
}

/// A host, user or tag without what would make folders of it.
fn name(text: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = text.iter().map(|byte| if matches!(byte, b'/' | 0) { b'_' } else { *byte }).collect();
    if name.is_empty() { b"_".to_vec() } else { name }
}

/// A name that is not one of those that every folder has, and not longer than names may be.
fn harmless(name: &[u8]) -> Vec<u8> {
    match name {
        b"." => b"_".to_vec(),
        b".." => b"__".to_vec(),
        name => name.iter().copied().take(NAME_BYTES_MAX).collect(),
    }
}

/// What the kernel takes, less what tells apart those that have the same name.
const NAME_BYTES_MAX: usize = 240;

impl std::str::FromStr for PathTemplate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, format!("{text:?} is no template of a path: {why}"));
        let mut pieces = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                pieces.push(Piece::Byte(byte));
                continue;
            }
            pieces.push(match bytes.next() {
                Some(b'i') => Piece::ShortId,
                Some(b'I') => Piece::Id,
                Some(b'T') => Piece::Time,
                Some(b'h') => Piece::Host,
                Some(b'u') => Piece::User,
                Some(b't') => Piece::Tag,
                Some(b'%') => Piece::Byte(b'%'),
                _ => return Err(invalid("after % comes one of i, I, T, h, u, t, %")),
            });
        }
        if pieces.iter().all(|piece| *piece == Piece::Byte(b'/')) {
            return Err(invalid("it names nothing"));
        }
        Ok(Self(pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_what_it_knows_and_nothing_else() {
        for good in ["ids/%i", "%I", "a/%h/%u/%t/%T", "100%%/%i"] {
            assert!(good.parse::<PathTemplate>().is_ok(), "{good}");
        }
        for bad in ["", "/", "//", "%", "ids/%x", "%i%"] {
            assert!(bad.parse::<PathTemplate>().is_err(), "{bad}");
        }
        assert_eq!(PathTemplate::usual().len(), 4);
    }

    #[test]
    fn hosts_and_tags_make_no_folders_and_lead_nowhere() {
        assert_eq!(name(b"a/../b\0"), b"a_.._b_");
        assert_eq!(name(b""), b"_");
        assert_eq!((harmless(b"."), harmless(b"..")), (b"_".to_vec(), b"__".to_vec()));
        assert_eq!(harmless(&[b'a'; 300]).len(), NAME_BYTES_MAX);
    }
}
