//! Repositories that the real restic made, with what it restores from them: tests/import/record.py.

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
