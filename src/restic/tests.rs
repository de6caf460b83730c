//! Repositories of the real restic, sound and wounded.

use super::key::MasterKey;
use super::place::{Folder, Place};
use super::repository::unlock;
use super::testing::{PASSWORD, RECORDED, copy, escaped, repository, restored};
use super::{BlobId, BlobKind, Fault, FileId, Node, Object, Opened, Repository, ResticError};
use crate::manifest::Kind;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn open(name: &str) -> Repository {
    let Opened { repository, problems } = Repository::open(&repository(name), PASSWORD).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    repository
}

/// Everything below a tree, each with its path, in the order in which restic restores it.
fn walk(
    repository: &Repository,
    tree: BlobId,
    path: &[u8],
    found: &mut Vec<(Vec<u8>, Node)>,
) -> Result<(), ResticError> {
    for node in repository.tree(tree)?.nodes() {
        let path = if path.is_empty() { node.name.clone() } else { [path, b"/", &node.name].concat() };
        found.push((path.clone(), node.clone()));
        if let Some(subtree) = node.subtree {
            walk(repository, subtree, &path, found)?;
        }
    }
    Ok(())
}

fn content(repository: &Repository, node: &Node) -> Result<Vec<u8>, ResticError> {
    node.content.iter().try_fold(Vec::new(), |mut bytes, id| {
        let blob = repository.blob(BlobKind::Data, *id)?;
        assert_eq!(repository.length(BlobKind::Data, *id), blob.len().try_into().ok());
        bytes.extend(blob);
        Ok(bytes)
    })
}

fn sha256(bytes: &[u8]) -> String {
    BlobId::of(bytes).to_string()
}

/// A snapshot as tests/list_tree.py would print it after it was restored.
fn lines(repository: &Repository, tree: BlobId) -> Result<Vec<String>, ResticError> {
    let mut found = Vec::new();
    walk(repository, tree, b"", &mut found)?;
    let mut names: HashMap<(u64, u64), (Vec<u8>, usize)> = HashMap::new();
    for (path, node) in found.iter().filter(|(_, node)| node.kind == Kind::File && node.links > 1) {
        names.entry((node.device_id, node.inode)).or_insert((path.clone(), 0)).1 += 1;
    }
    found.iter().map(|(path, node)| line(repository, path, node, &names)).collect()
}

fn line(
    repository: &Repository,
    path: &[u8],
    node: &Node,
    names: &HashMap<(u64, u64), (Vec<u8>, usize)>,
) -> Result<String, ResticError> {
    let kind = match node.kind {
        Kind::CharDevice => "character".to_owned(),
        Kind::BlockDevice => "block".to_owned(),
        kind @ (Kind::Directory | Kind::File | Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::Unknown) => {
            format!("{kind:?}").to_lowercase()
        }
    };
    let mut fields = vec![
        escaped(path),
        kind,
        format!("{:04o}", node.mode),
        format!("{}:{}", node.uid, node.gid),
        node.mtime.to_ns().to_string(),
    ];
    match node.kind {
        Kind::File => {
            let bytes = content(repository, node)?;
            assert_eq!(u64::try_from(bytes.len()), Ok(node.size));
            fields.push(format!("size={}", bytes.len()));
            fields.push(format!("sha256={}", sha256(&bytes)));
        }
        Kind::Symlink => fields.push(format!("target={}", escaped(&node.target))),
        Kind::CharDevice | Kind::BlockDevice => {
            let (major, minor) = (rustix::fs::major(node.device), rustix::fs::minor(node.device));
            fields.push(format!("device={major}:{minor}"));
        }
        Kind::Directory | Kind::Fifo | Kind::Socket | Kind::Unknown => {}
    }
    if let Some((first, 2..)) = names.get(&(node.device_id, node.inode)).filter(|_| node.links > 1) {
        fields.push(format!("link={}", escaped(first)));
    }
    let xattrs = node.xattrs.iter().map(|xattr| format!("{}:{}", escaped(&xattr.name), &sha256(&xattr.value)[..16]));
    let xattrs = xattrs.collect::<Vec<_>>().join(",");
    if !xattrs.is_empty() {
        fields.push(format!("xattrs={xattrs}"));
    }
    Ok(fields.join("\t"))
}

#[test]
fn every_snapshot_of_every_version_reads_as_restic_restores_it() {
    for name in RECORDED {
        let (repository, expected) = (open(name), restored(name));
        let found = repository.snapshots().unwrap();
        assert!(found.problems.is_empty());
        assert_eq!(found.snapshots.len(), expected.len(), "{name}");
        for (snapshot, expected) in found.snapshots.iter().zip(&expected) {
            let joined = |list: &[Vec<u8>]| String::from_utf8(list.join(&b','));
            assert_eq!(snapshot.id.to_string(), expected.id);
            assert_eq!(snapshot.time_ns, i64::try_from(time(&expected.time)).unwrap());
            assert_eq!(snapshot.host, expected.host.as_bytes());
            assert_eq!(snapshot.user, expected.user.as_bytes());
            let mut tags: Vec<&str> = expected.tags.split(',').collect();
            tags.sort_unstable();
            assert_eq!(joined(&snapshot.tags).unwrap(), tags.join(","));
            assert_eq!(joined(&snapshot.paths).unwrap(), expected.paths);
            assert_eq!(lines(&repository, snapshot.tree).unwrap(), expected.lines, "{name} {}", expected.id);
        }
    }
}

fn time(text: &str) -> i128 {
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond()
}

#[test]
fn each_of_several_keys_opens_and_no_other_password_does() {
    let place = repository("restic-0.19-pruned");
    assert!(Repository::open(&place, b"second key").is_ok());
    let wrong = Repository::open(&place, b"third").unwrap_err();
    assert!(matches!(wrong, ResticError::WrongPassword { count: 2 }), "{wrong}");
    let wrong = Repository::open(&repository("restic-0.14-version-1"), b"").unwrap_err();
    assert!(matches!(wrong, ResticError::WrongPassword { count: 1 }), "{wrong}");
}

#[test]
fn what_is_no_repository_is_said_to_be_none() {
    let place = tempfile::tempdir().unwrap();
    for path in [place.path().to_path_buf(), place.path().join("absent"), "/etc/passwd".into()] {
        assert!(matches!(Repository::open(&path, PASSWORD), Err(ResticError::NoRepository { .. })));
    }
}

/// A copy of a repository, and its key.
struct Patient {
    _place: tempfile::TempDir,
    path: PathBuf,
    key: MasterKey,
    sound: Vec<Vec<String>>,
}

impl Patient {
    fn new(name: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("repository");
        copy(name, &path);
        let key = MasterKey(unlock(&Place::new(&path), PASSWORD).unwrap());
        let mut patient = Self { _place: place, path, key, sound: Vec::new() };
        let (snapshots, damage) = patient.read();
        assert_eq!(damage, 0);
        patient.sound = snapshots;
        patient
    }

    fn open(&self) -> Result<Opened, ResticError> {
        Repository::open_with(Place::new(&self.path), self.key.0.clone())
    }

    /// The snapshots that can be read whole, and how much damage was reported.
    fn read(&self) -> (Vec<Vec<String>>, usize) {
        let Ok(Opened { repository, problems }) = self.open() else { return (Vec::new(), 1) };
        let found = repository.snapshots().unwrap();
        let mut damage = problems.len() + found.problems.len();
        let mut whole = Vec::new();
        for snapshot in &found.snapshots {
            match lines(&repository, snapshot.tree) {
                Ok(lines) => whole.push(lines),
                Err(error) => {
                    assert!(matches!(error, ResticError::Damaged { .. } | ResticError::Missing { .. }), "{error}");
                    damage += 1;
                }
            }
        }
        (whole, damage)
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    /// Whatever is read of it is as it was before the wound.
    fn assert_nothing_wrong(&self, wound: &str) -> usize {
        let (whole, damage) = self.read();
        assert!(whole.iter().all(|snapshot| self.sound.contains(snapshot)), "{wound}: a snapshot reads differently");
        assert!(damage > 0 || whole.len() == self.sound.len(), "{wound}: a snapshot is gone and nobody says so");
        damage
    }
}

/// Bits all over a file: its ends, and places between.
fn bits(length: usize) -> Vec<usize> {
    let last = length * 8 - 1;
    let mut bits: Vec<usize> = (0..13).map(|part| last * part / 12).chain([1, 17 * 8, last - 40]).collect();
    bits.retain(|bit| *bit <= last);
    bits
}

#[test]
fn a_flipped_bit_anywhere_is_reported_or_without_effect_and_never_reads_as_something_else() {
    for name in ["restic-0.14-version-1", "restic-0.19-compression-off"] {
        let patient = Patient::new(name);
        for folder in ["snapshots", "index", "data"] {
            for file in patient.files(folder) {
                let sound = std::fs::read(&file).unwrap();
                for bit in bits(sound.len()) {
                    let mut wounded = sound.clone();
                    wounded[bit / 8] ^= 1 << (bit % 8);
                    std::fs::write(&file, wounded).unwrap();
                    let damage = patient.assert_nothing_wrong(&format!("{name}, {}, bit {bit}", file.display()));
                    assert!(damage > 0 || folder == "data", "a list at the end of a pack is not needed: {bit}");
                }
                std::fs::write(&file, sound).unwrap();
            }
        }
        assert_eq!(patient.read(), (patient.sound.clone(), 0), "the patient is well again");
    }
}

#[test]
fn files_that_are_cut_short_or_empty_are_reported() {
    let patient = Patient::new("restic-0.19-version-1");
    for folder in ["snapshots", "index", "data"] {
        for file in patient.files(folder) {
            let sound = std::fs::read(&file).unwrap();
            for length in [0, 1, 16, 31, 32, sound.len() / 2, sound.len() - 1] {
                std::fs::write(&file, &sound[..length]).unwrap();
                patient.assert_nothing_wrong(&format!("{}, {length} bytes", file.display()));
            }
            std::fs::write(&file, sound).unwrap();
        }
    }
}

#[test]
fn packs_tell_what_they_hold_where_no_index_does() {
    for name in RECORDED {
        let patient = Patient::new(name);
        std::fs::remove_dir_all(patient.path.join("index")).unwrap();
        assert_eq!(patient.read(), (patient.sound.clone(), 0), "{name}");
    }
}

#[test]
fn a_lost_pack_is_missed_by_name() {
    let patient = Patient::new("restic-0.19-version-1");
    for file in patient.files("data") {
        let sound = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let Opened { repository, .. } = patient.open().unwrap();
        let snapshots = repository.snapshots().unwrap().snapshots;
        let errors: Vec<String> = snapshots
            .iter()
            .filter_map(|snapshot| lines(&repository, snapshot.tree).err().map(|error| error.to_string()))
            .collect();
        assert!(errors.iter().all(|error| error.contains(file.file_name().unwrap().to_str().unwrap())), "{errors:?}");
        assert!(!errors.is_empty());
        std::fs::write(&file, sound).unwrap();
    }
}

#[test]
fn wounded_keys_and_configurations_open_nothing() {
    let patient = Patient::new("restic-0.14-version-2");
    let (key, config) = (patient.files("keys").remove(0), patient.path.join("config"));
    let id: FileId = key.file_name().unwrap().to_str().unwrap().parse().unwrap();
    for file in [&key, &config] {
        let sound = std::fs::read(file).unwrap();
        for bit in bits(sound.len()) {
            let mut wounded = sound.clone();
            wounded[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(file, wounded).unwrap();
            if *file == config {
                let error = patient.open().unwrap_err();
                let object = matches!(error, ResticError::Damaged { object: Object::Config, .. });
                assert!(object, "{error}");
            } else {
                let error = unlock(&Place::new(&patient.path), PASSWORD).err().unwrap();
                let is_named = matches!(&error, ResticError::Damaged { object: Object::Key(found), fault: Fault::Name, path }
                    if *found == id && *path == Place::new(&patient.path).file(Folder::Keys, id));
                assert!(is_named, "{error}");
            }
        }
        std::fs::write(file, sound).unwrap();
    }
}

#[test]
fn a_version_that_comes_later_is_not_guessed_at() {
    let patient = Patient::new("restic-0.14-version-2");
    let config = br#"{"version":3,"id":"0000000000000000000000000000000000000000000000000000000000000000"}"#;
    std::fs::write(patient.path.join("config"), patient.key.0.seal([1; 16], config)).unwrap();
    assert!(matches!(patient.open(), Err(ResticError::Version { found: 3 })));
}

#[test]
fn a_second_copy_of_a_blob_stands_in_for_a_damaged_one() {
    let patient = Patient::new("restic-0.19-version-1");
    // Copies of all packs under other names, which no index names: they tell themselves what they hold.
    let packs = patient.files("data");
    for (number, pack) in packs.iter().enumerate() {
        let name = format!("{number:02x}").repeat(32);
        let shelf = patient.path.join("data").join(&name[..2]);
        std::fs::create_dir_all(&shelf).unwrap();
        std::fs::copy(pack, shelf.join(name)).unwrap();
    }
    assert_eq!(patient.read(), (patient.sound.clone(), 0));
    for pack in packs {
        wound_everywhere(&pack);
    }
    assert_eq!(patient.read(), (patient.sound.clone(), 0));
}

fn wound_everywhere(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    std::fs::write(file, bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()).unwrap();
}
