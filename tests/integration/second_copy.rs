//! What writers that ran at the same time stored twice is restored as long as one of the copies is whole.

use crate::house::{House, PASSWORD, assert_equal};
use holdall::{
    BackupOptions, Below, CheckDepth, CheckOptions, Event, Key, OpenOptions, Progress, Repository, RestoreOptions,
    Silent, SnapshotId,
};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Runs another writer's whole backup of the same tree in the middle of one.
struct Meanwhile<'a> {
    house: &'a House,
    tree: &'a Path,
    /// The other writer's snapshot and packs.
    other: OnceLock<(SnapshotId, Vec<PathBuf>)>,
}

impl Progress for Meanwhile<'_> {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Processed { .. } | Event::Entered { .. }) {
            self.other.get_or_init(|| {
                // Not beside the tree: the directory above it is in the snapshot.
                let place = tempfile::tempdir().unwrap();
                let own = OpenOptions::new(place.path().join("cache"), place.path().join("state"));
                let other = Repository::open(&self.house.store(), PASSWORD, own).unwrap();
                let report = other.backup(&BackupOptions::new([self.tree.to_path_buf()]), &Silent).unwrap();
                (report.snapshot, packs(self.house))
            });
        }
    }
}

pub(crate) fn packs(house: &House) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(house.store().join("packs")).unwrap().map(|folder| folder.unwrap().path());
    let folders = folders.filter(|folder| folder.is_dir());
    let packs = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|pack| pack.unwrap().path()));
    packs.filter(|pack| !pack.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

/// Flips bits all over a pack but in its header and its end.
fn spoil(pack: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(pack, PermissionsExt::from_mode(0o600)).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(pack).unwrap();
    let bytes = file.metadata().unwrap().len();
    for place in (1024..bytes.saturating_sub(1024)).step_by(512) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 1], place).unwrap();
    }
}

#[test]
fn what_is_damaged_in_one_pack_comes_from_another() {
    let house = House::new();
    let tree = house.tree("tree");
    for number in 0..300u32 {
        let content: Vec<u8> = (0..4000u32).flat_map(|word| (word.wrapping_mul(number | 1)).to_le_bytes()).collect();
        std::fs::write(tree.join(format!("file {number}")), content).unwrap();
    }
    let meanwhile = Meanwhile { house: &house, tree: &tree, other: OnceLock::new() };
    let own = house.open().backup(&BackupOptions::new([tree.clone()]), &meanwhile).unwrap().snapshot;
    let (other, others) = meanwhile.other.get().unwrap();
    let all = packs(&house);
    assert!(!others.is_empty() && others.len() < all.len());

    // Which of two copies is found first is not promised: each writer's packs are spoilt in turn. The root of a tree
    // there is only once, since the directories above it were changed meanwhile.
    for (whole, spoilt) in [(&own, true), (other, false)] {
        let kept: Vec<Vec<u8>> = all.iter().map(|pack| std::fs::read(pack).unwrap()).collect();
        all.iter().filter(|pack| others.contains(pack) == spoilt).for_each(|pack| spoil(pack));
        let repository = house.open();
        assert!(repository.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap().damage_count > 0);
        let snapshot = repository.resolve(&whole.to_string().parse().unwrap(), &Default::default()).unwrap();
        let copy = house.path(&format!("copy {spoilt}"));
        let options = RestoreOptions::new(&copy).path(Key::from_path(&tree).unwrap());
        let report = repository.restore(&snapshot, &options, &Silent).unwrap();
        assert_eq!(report.problems, []);
        assert_equal(&tree, &copy);
        all.iter().zip(&kept).for_each(|(pack, bytes)| std::fs::write(pack, bytes).unwrap());
    }
}

#[test]
fn a_listing_passes_over_what_is_below_a_directory_that_it_skips() {
    let house = House::new();
    let tree = house.tree("tree");
    for directory in ["a", "b", "c"] {
        std::fs::create_dir(tree.join(directory)).unwrap();
        std::fs::write(tree.join(directory).join("file"), directory).unwrap();
    }
    house.backup(&tree);
    let top = Key::from_path(&tree).unwrap();
    let mut names = Vec::new();
    let mut each = |entry: &holdall::Entry| {
        names.push(entry.key.name().to_vec());
        Ok(if entry.key.name() == b"b" { Below::Skip } else { Below::Visit })
    };
    house.open().list(&house.latest(), &top, &mut each).unwrap();
    assert_eq!(names, [&b"tree"[..], b"a", b"file", b"b", b"c", b"file"]);
}
