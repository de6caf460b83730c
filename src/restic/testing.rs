//! Repositories that the real restic made, with what it restores from them: tests/import/record.py.

use super::place::{Folder, Place};
use super::repository::unlock;
use super::seal::SealKey;
use super::{BlobId, BlobKind, FileId};
use std::path::{Path, PathBuf};

/// The folders of tests/import, each with a repository.
pub(crate) const RECORDED: [&str; 5] = [
    "restic-0.14-version-1",
    "restic-0.14-version-2",
    "restic-0.19-version-1",
    "restic-0.19-compression-off",
    "restic-0.19-pruned",
];

/// The password of each.
pub(crate) const PASSWORD: &[u8] = b"first";

/// A snapshot of one of them.
pub(crate) struct Restored {
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) host: String,
    pub(crate) user: String,
    /// Separated by commas, as `paths` are.
    pub(crate) tags: String,
    pub(crate) paths: String,
    /// What restic restored: a line an entry, as tests/list_tree.py prints it, without holes.
    pub(crate) lines: Vec<String>,
}

/// Where a recorded repository lies.
pub(crate) fn repository(name: &str) -> PathBuf {
    folder(name).join("repository")
}

/// What restic restored from it, oldest snapshot first.
pub(crate) fn restored(name: &str) -> Vec<Restored> {
    let text = std::fs::read_to_string(folder(name).join("restored.txt")).unwrap();
    let mut snapshots: Vec<Restored> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let ["snapshot", id, time, host, user, tags, paths] = fields.as_slice() {
            let [id, time, host, user, tags, paths] =
                [id, time, host, user, tags, paths].map(|field| field.to_string());
            snapshots.push(Restored { id, time, host, user, tags, paths, lines: Vec::new() });
        } else {
            let kept = fields.into_iter().filter(|field| !field.starts_with("holes="));
            snapshots.last_mut().unwrap().lines.push(kept.collect::<Vec<_>>().join("\t"));
        }
    }
    snapshots
}

/// A copy that a test may wound.
pub(crate) fn copy(name: &str, to: &Path) {
    copy_folder(&repository(name), to);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Bytes as tests/list_tree.py writes them.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let plain = |byte: u8| (0x21..0x7f).contains(&byte) && byte != b'\\';
    let one = |&byte: &u8| if plain(byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
    bytes.iter().map(one).collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

/// A copy of a recorded repository of version 1 that a test may add to, as somebody could who knows the password. No index
/// names what is added.
pub(crate) struct Forge {
    place: PathBuf,
    key: SealKey,
}

impl Forge {
    /// Without the snapshots that restic made.
    pub(crate) fn new(place: &Path) -> Self {
        copy("restic-0.19-version-1", place);
        std::fs::remove_dir_all(place.join("snapshots")).unwrap();
        std::fs::create_dir(place.join("snapshots")).unwrap();
        let key = unlock(&Place::new(place), PASSWORD).unwrap();
        Self { place: place.to_path_buf(), key }
    }

    /// Puts a blob into a pack of its own.
    pub(crate) fn blob(&self, kind: BlobKind, bytes: &[u8]) -> BlobId {
        let id = BlobId::of(bytes);
        let sealed = self.key.seal([1; 16], bytes);
        let length = u32::try_from(sealed.len()).unwrap().to_le_bytes();
        let form = if kind == BlobKind::Tree { 1 } else { 0 };
        let header = self.key.seal([2; 16], &[&[form][..], &length, id.as_bytes()].concat());
        let header_length = u32::try_from(header.len()).unwrap().to_le_bytes();
        let pack = [&sealed[..], &header, &header_length].concat();
        let path = Place::new(&self.place).pack(FileId::of(&pack));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, pack).unwrap();
        id
    }

    /// A directory of these entries, in JSON.
    pub(crate) fn tree(&self, nodes: &[String]) -> BlobId {
        self.blob(BlobKind::Tree, format!("{{\"nodes\":[{}]}}", nodes.join(",")).as_bytes())
    }

    /// A snapshot of the host `forged`, taken in a year.
    pub(crate) fn snapshot(&self, year: u32, tree: BlobId, more: &str) -> FileId {
        let json = format!("{{\"time\":\"{year}-01-01T00:00:00Z\",\"tree\":\"{tree}\",\"hostname\":\"forged\"{more}}}");
        let sealed = self.key.seal([3; 16], json.as_bytes());
        let id = FileId::of(&sealed);
        std::fs::write(Place::new(&self.place).file(Folder::Snapshots, id), sealed).unwrap();
        id
    }
}
