//! Tar archives in the pax format: what the old header has no room for stands in records before it.

use super::stream::{ContentStream, data_runs};
use super::{Archive, Tally, holes, unwritable, xattrs};
use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::index::Scratch;
use crate::manifest::{Body, Content, Entry, Hole, ItemReader, Key, Row as _};
use crate::owner::list_text;
use crate::session::SnapshotComponent;
use std::io::{Read, Write};
use tar::{Builder, EntryType, Header};

/// What a name or the target of a link may have in the old header.
const NAME_BYTES_MAX: usize = 100;
/// The largest owner's number in the old header.
const OWNER_MAX: u32 = 0o7_777_777;
/// The length from which a size does not fit the old header.
const SIZE_MAX: u64 = 0o77_777_777_777;
/// In a sparse file, the list of its parts fills whole blocks.
const BLOCK_BYTES: usize = 512;

/// A tar archive being written.
pub(super) struct TarArchive<'a, W: Write> {
    reader: &'a ContentReader,
    builder: Builder<W>,
    /// For each hard-link group its first name, after a hash of all else that is known of it.
    groups: Box<dyn Scratch>,
}

/// Records before a header.
#[derive(Default)]
struct Records(Vec<(String, Vec<u8>)>);

impl Records {
    fn add(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((key.into(), value.into()));
    }
}

impl<'a, W: Write> TarArchive<'a, W> {
    pub(super) fn new(reader: &'a ContentReader, out: W) -> Self {
        Self { reader, builder: Builder::new(out), groups: reader.access().scratch() }
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> Result<()> {
        let mut out = self.builder.into_inner().map_err(unwritable)?;
        out.flush().map_err(unwritable)
    }

    /// The first name of the entry's hard-link group, if it was written; else notes this one.
    fn first_name(&mut self, name: &[u8], entry: &Entry) -> Result<Option<Vec<u8>>> {
        let Some(group) = &entry.group else { return Ok(None) };
        let mut fields = Vec::new();
        entry.encode_fields(&mut fields);
        let hash = *blake3::hash(&fields).as_bytes();
        match self.groups.get(group.as_bytes())? {
            // A member that differs from the first is none of its names.
            Some(row) => Ok(row.strip_prefix(&hash).map(<[u8]>::to_vec)),
            None => {
                self.groups.put(group.as_bytes(), &[&hash[..], name].concat())?;
                Ok(None)
            }
        }
    }

    fn write(&mut self, mut header: Header, records: &Records, data: &mut dyn Read) -> Result<()> {
        header.set_cksum();
        let records = records.0.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        let mut records = records.peekable();
        if records.peek().is_some() {
            self.builder.append_pax_extensions(records).map_err(unwritable)?;
        }
        self.builder.append(&header, data).map_err(unwritable)
    }

    fn write_file(
        &mut self,
        (mut header, mut records): (Header, Records),
        (name, entry, content): (&[u8], &Entry, &Content),
        tally: &mut Tally<'_>,
    ) -> Result<()> {
        let holes = holes(self.reader, entry, tally)?;
        let runs = if holes.is_empty() { None } else { self.runs(content, &holes, &entry.key, tally)? };
        let map = runs.map(|runs| (sparse_map(&runs), runs.iter().map(|(_, length)| length).sum::<u64>()));
        let (map, skipped, data_bytes) = match map {
            Some((map, data_bytes)) => {
                records.add("GNU.sparse.major", "1");
                records.add("GNU.sparse.minor", "0");
                records.add("GNU.sparse.name", name);
                records.add("GNU.sparse.realsize", content.bytes().to_string());
                records.0.retain(|(key, _)| key != "path");
                put_name(&mut header, b"GNUSparseFile.0/file");
                (map, holes.as_slice(), data_bytes)
            }
            None => (Vec::new(), &[][..], content.bytes()),
        };
        let size = data_bytes.saturating_add(u64::try_from(map.len()).unwrap_or(u64::MAX));
        header.set_size(size);
        if size > SIZE_MAX {
            records.add("size", size.to_string());
        }
        let mut stream = ContentStream::new(self.reader, content, skipped, tally.progress);
        let written = self.write(header, &records, &mut map.as_slice().chain(&mut stream));
        if let Some(failure) = stream.failure() {
            return Err(failure);
        }
        stream.damage().map_or(Ok(()), |damage| tally.damaged(&entry.key, damage))?;
        written?;
        tally.file_done(content.bytes());
        Ok(())
    }

    /// The parts of a sparse file that are no holes; none if all of it is, or the list can't be read.
    fn runs(
        &self,
        content: &Content,
        holes: &[Hole],
        key: &Key,
        tally: &mut Tally<'_>,
    ) -> Result<Option<Vec<(u64, u64)>>> {
        let Content::Items(list) = content else { return Ok(None) };
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut items = ItemReader::new(self.reader, list.clone());
        loop {
            let placed = match items.next_item() {
                Ok(Some(placed)) => placed,
                Ok(None) => break,
                Err(error) => return tally.damaged(key, Error::from(error)).map(|()| None),
            };
            for (offset, length) in data_runs(&placed, holes) {
                match runs.last_mut().filter(|(start, before)| start.saturating_add(*before) == offset) {
                    Some((_, before)) => *before = before.saturating_add(length),
                    None => runs.push((offset, length)),
                }
            }
        }
        let data_bytes: u64 = runs.iter().map(|(_, length)| length).sum();
        // An empty part at the end says how long a file is that ends with a hole.
        let end = runs.last().map_or(0, |(offset, length)| offset.saturating_add(*length));
        if end < content.bytes() {
            runs.push((content.bytes(), 0));
        }
        Ok((data_bytes < content.bytes()).then_some(runs))
    }
}

impl<W: Write> Archive for TarArchive<'_, W> {
    fn take(&mut self, name: &[u8], entry: &Entry, owner: &SnapshotComponent, tally: &mut Tally<'_>) -> Result<()> {
        // Before anything is kept of its group: its other names would be links to nothing.
        let Some(kind) = kind_of(&entry.body) else {
            tally.problem(&entry.key, "a tar archive has no room for sockets; left out");
            return Ok(());
        };
        let name = match (name, &entry.body) {
            ([], _) => b"./".to_vec(),
            (name, Body::Directory | Body::Ancestor) => [name, b"/"].concat(),
            (name, _) => name.to_vec(),
        };
        let (mut header, mut records) = (Header::new_ustar(), Records::default());
        describe(&mut header, &mut records, entry, owner);
        name_it(&mut header, &mut records, &name);
        if let Some(first) = self.first_name(&name, entry)? {
            header.set_entry_type(EntryType::Link);
            link_to(&mut header, &mut records, &first);
            self.write(header, &records, &mut std::io::empty())?;
            if super::has_content(entry) {
                tally.file_done(0)
            } else {
                tally.other_done()
            }
            return Ok(());
        }
        for xattr in xattrs(self.reader, entry, tally)? {
            // Tar reads lists of access rights from here, and, unless it is told to, from no attribute.
            if let Some((which, list)) = list_text(&xattr.name, &xattr.value) {
                records.add(format!("SCHILY.acl.{which}"), list);
            }
            match std::str::from_utf8(&xattr.name) {
                Ok(name) if !name.contains('=') => records.add(format!("SCHILY.xattr.{name}"), xattr.value),
                _ => tally.problem(&entry.key, "a tar archive has no room for the name of an extended attribute"),
            }
        }
        if let Body::File(content) = &entry.body {
            return self.write_file((header, records), (&name, entry, content), tally);
        }
        if let Body::Symlink(target) = &entry.body {
            link_to(&mut header, &mut records, target);
        }
        if let Body::CharDevice(device) | Body::BlockDevice(device) = &entry.body {
            // Both fields are in the header that was made.
            let _ = header.set_device_major(device.major);
            let _ = header.set_device_minor(device.minor);
        }
        header.set_entry_type(kind);
        self.write(header, &records, &mut std::io::empty())?;
        tally.other_done();
        Ok(())
    }
}

/// What tar calls something; none if it has no room for it.
const fn kind_of(body: &Body) -> Option<EntryType> {
    Some(match body {
        Body::File(_) => EntryType::Regular,
        Body::Directory | Body::Ancestor => EntryType::Directory,
        Body::Symlink(_) => EntryType::Symlink,
        Body::Fifo => EntryType::Fifo,
        Body::CharDevice(_) => EntryType::Char,
        Body::BlockDevice(_) => EntryType::Block,
        Body::Socket | Body::Unknown => return None,
    })
}

/// What every header says: mode, owner, time.
fn describe(header: &mut Header, records: &mut Records, entry: &Entry, owner: &SnapshotComponent) {
    header.set_entry_type(EntryType::Regular);
    header.set_mode(entry.mode.into());
    header.set_size(0);
    for (key, number) in [("uid", entry.uid), ("gid", entry.gid)] {
        if number > OWNER_MAX {
            records.add(key, number.to_string());
        }
    }
    header.set_uid(entry.uid.min(OWNER_MAX).into());
    header.set_gid(entry.gid.min(OWNER_MAX).into());
    let named =
        |names: &[(u32, Vec<u8>)], id| names.iter().find(|(other, _)| *other == id).map(|(_, name)| name.clone());
    for (key, name) in [("uname", named(&owner.users, entry.uid)), ("gname", named(&owner.groups, entry.gid))] {
        let Some(name) = name else { continue };
        let text = String::from_utf8(name).unwrap_or_default();
        let set = if key == "uname" { header.set_username(&text) } else { header.set_groupname(&text) };
        if set.is_err() {
            records.add(key, text);
        }
    }
    let (seconds, nanoseconds) = (entry.mtime.seconds(), entry.mtime.nanoseconds());
    header.set_mtime(u64::try_from(seconds).unwrap_or(0).min(SIZE_MAX));
    if nanoseconds != 0 || !u64::try_from(seconds).is_ok_and(|seconds| seconds <= SIZE_MAX) {
        records.add("mtime", decimal(seconds, nanoseconds));
    }
}

/// A time as pax writes it: a decimal number, its fraction counted away from zero.
fn decimal(seconds: i64, nanoseconds: u32) -> String {
    match (seconds < 0, nanoseconds) {
        (_, 0) => seconds.to_string(),
        (false, nanoseconds) => format!("{seconds}.{nanoseconds:09}"),
        (true, nanoseconds) => {
            let (whole, rest) =
                (seconds.unsigned_abs().saturating_sub(1), 1_000_000_000u32.saturating_sub(nanoseconds));
            format!("-{whole}.{rest:09}")
        }
    }
}

fn name_it(header: &mut Header, records: &mut Records, name: &[u8]) {
    put_name(header, name);
    if name.len() > NAME_BYTES_MAX {
        add_bytes(records, "path", name);
    }
}

fn put_name(header: &mut Header, name: &[u8]) {
    put(&mut header.as_old_mut().name, name);
}

fn link_to(header: &mut Header, records: &mut Records, target: &[u8]) {
    put(&mut header.as_old_mut().linkname, target);
    if target.len() > NAME_BYTES_MAX {
        add_bytes(records, "linkpath", target);
    }
}

/// Adds a name of any bytes, with the mark for those that are no text.
fn add_bytes(records: &mut Records, key: &str, name: &[u8]) {
    if std::str::from_utf8(name).is_err() && !records.0.iter().any(|(key, _)| key == "hdrcharset") {
        records.0.insert(0, ("hdrcharset".to_owned(), b"BINARY".to_vec()));
    }
    records.add(key, name);
}

/// As much of a name as the field takes.
fn put(field: &mut [u8], name: &[u8]) {
    field.fill(0);
    let count = field.len().min(name.len());
    if let (Some(to), Some(from)) = (field.get_mut(..count), name.get(..count)) {
        to.copy_from_slice(from);
    }
}

/// Where the data of a sparse file belongs, as GNU tar writes it in format 1.0 before the data: the count of the parts,
/// then offset and length of each, a line each, filled up to whole blocks.
fn sparse_map(runs: &[(u64, u64)]) -> Vec<u8> {
    let mut map = format!("{}\n", runs.len());
    for (offset, length) in runs {
        map.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK_BYTES), 0);
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_numbers_on_both_sides_of_zero() {
        assert_eq!(decimal(5, 0), "5");
        assert_eq!(decimal(5, 7), "5.000000007");
        assert_eq!(decimal(-5, 0), "-5");
        assert_eq!(decimal(-5, 7), "-4.999999993");
        assert_eq!(decimal(-1, 999_999_999), "-0.000000001");
    }

    #[test]
    fn the_map_of_a_sparse_file_fills_blocks() {
        let map = sparse_map(&[(0, 4096), (1 << 40, 5)]);
        assert_eq!(map.len(), 512);
        assert!(map.starts_with(b"2\n0\n4096\n1099511627776\n5\n\0"));
    }
}
