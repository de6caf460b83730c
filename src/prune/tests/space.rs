//! How much is left after a prune, beside a repository that was only ever given what is kept.

use super::pace::copy_tree;
use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions};
use crate::config::Parameters;
use crate::id::SnapshotId;
use crate::key::{KdfCost, Unlock};
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::SnapshotFilter;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PASSWORD: Unlock<'static> = Unlock::Password(b"space");
const NIGHTS: u32 = 24;

/// Which nights are kept: a week's last ones, and every eighth before.
fn is_kept(night: u32) -> bool {
    night + 4 > NIGHTS || night.is_multiple_of(8)
}

/// The files of one night, by name.
type Tree = BTreeMap<String, Vec<u8>>;

/// What a night does to a tree.
type Change = fn(&mut Tree, u32);

fn noise(seed: &[u32], bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    let mut hasher = blake3::Hasher::new();
    seed.iter().for_each(|part| _ = hasher.update(&part.to_le_bytes()));
    hasher.finalize_xof().fill(&mut content);
    content
}

/// A number below `limit` that follows from the others.
fn draw(seed: &[u32], limit: usize) -> usize {
    let thrown = u32::from_le_bytes(*noise(seed, 4).first_chunk().unwrap());
    usize::try_from(thrown).unwrap() % limit
}

fn first_tree() -> Tree {
    let small = (0..300).map(|number| (format!("{:02}/{number:03}", number % 12), noise(&[0, number], small(number))));
    let large = (0..2).map(|number| (format!("large/{number}"), noise(&[1, number], 1_500_000)));
    small.chain(large).collect()
}

fn small(number: u32) -> usize {
    500 + draw(&[2, number], 20_000)
}

fn small_name(tree: &Tree, seed: &[u32]) -> String {
    let names: Vec<&String> = tree.keys().filter(|name| !name.starts_with("large")).collect();
    names[draw(seed, names.len())].clone()
}

/// Other bytes in some files.
fn rewrite(tree: &mut Tree, night: u32) {
    for turn in 0..24 {
        let name = small_name(tree, &[3, night, turn]);
        tree.insert(name, noise(&[4, night, turn], small(night + turn)));
    }
}

/// Some files go, and others come.
fn replace(tree: &mut Tree, night: u32) {
    for turn in 0..10 {
        let gone = small_name(tree, &[5, night, turn]);
        tree.remove(&gone);
        let new = format!("{:02}/new-{night}-{turn}", draw(&[6, night, turn], 12));
        tree.insert(new, noise(&[7, night, turn], small(night * 7 + turn)));
    }
}

/// A folder and some files get other names.
fn rename(tree: &mut Tree, night: u32) {
    let (from, to) = (format!("{:02}", draw(&[8, night], 12)), format!("{:02}", 12 + night));
    let moved: Vec<String> = tree.keys().filter(|name| name.starts_with(&format!("{from}/"))).cloned().collect();
    for name in moved {
        let content = tree.remove(&name).unwrap();
        tree.insert(name.replacen(&from, &to, 1), content);
    }
    for turn in 0..5 {
        let name = small_name(tree, &[9, night, turn]);
        let content = tree.remove(&name).unwrap();
        tree.insert(format!("{name}-{night}"), content);
    }
}

/// Large files change in the middle: here bytes are replaced, there some are put in between.
fn edit(tree: &mut Tree, night: u32) {
    let large = tree.get_mut("large/0").unwrap();
    let at = draw(&[10, night], large.len() - 30_000);
    large[at..at + 30_000].copy_from_slice(&noise(&[11, night], 30_000));
    let large = tree.get_mut("large/1").unwrap();
    let at = draw(&[12, night], large.len());
    large.splice(at..at, noise(&[13, night], 5_000));
}

/// Text is appended to the large files, and some small ones become text.
fn append(tree: &mut Tree, night: u32) {
    for number in 0..2 {
        tree.get_mut(&format!("large/{number}")).unwrap().extend(text(&[14, night, number], 20_000));
    }
    for turn in 0..15 {
        let name = small_name(tree, &[15, night, turn]);
        tree.insert(name, text(&[16, night, turn], 2 * small(night + turn)));
    }
}

/// What can be compressed.
pub(super) fn text(seed: &[u32], bytes: usize) -> Vec<u8> {
    let words = noise(seed, bytes / 10);
    words.iter().flat_map(|byte| format!("word {byte:03}. ").into_bytes()).take(bytes).collect()
}

fn everything(tree: &mut Tree, night: u32) {
    [rewrite, replace, rename, edit, append].into_iter().for_each(|change: Change| change(tree, night));
}

struct House {
    place: tempfile::TempDir,
    tree: Tree,
}

impl House {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let house = Self { place: place.unwrap(), tree: Tree::new() };
        let parameters = Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() };
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(parameters);
        Repository::create(&house.path("nights"), PASSWORD, &options).unwrap();
        // Under the same keys, that is with the same cuts: by others a large file takes some percent more or less.
        copy_tree(&house.path("nights"), &house.path("fresh"));
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn open(&self, repository: &str) -> Repository {
        let own = self.path(&format!("{repository} own"));
        let options = OpenOptions::new(own.join("cache"), own.join("state")).threads(1);
        Repository::open(&self.path(repository), PASSWORD, options).unwrap()
    }

    /// Makes the files on disk those of a night.
    fn write(&mut self, tree: &Tree) {
        for (name, content) in tree {
            if self.tree.get(name) != Some(content) {
                let path = self.path("tree").join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
        }
        for name in self.tree.keys().filter(|name| !tree.contains_key(*name)) {
            std::fs::remove_file(self.path("tree").join(name)).unwrap();
        }
        self.tree = tree.clone();
    }

    fn back_up(&self, repository: &Repository) -> SnapshotId {
        repository.backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap().snapshot
    }

    /// Bytes of a repository's files, but for the reserve, and for outcomes and records of what was forgotten: they stay
    /// for ever, since they say what must not come back.
    fn bytes(&self, repository: &str) -> u64 {
        let length = |folder: &str| bytes_below(&self.path(repository).join(folder));
        length("") - length("outcomes") - length("records") - length("reserve")
    }
}

pub(super) fn bytes_below(path: &Path) -> u64 {
    let Ok(status) = std::fs::metadata(path) else { return 0 };
    if status.is_file() {
        return status.len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| bytes_below(&entry.unwrap().path())).sum()
}

/// Lives through the nights, forgets what is not kept, prunes by each limit, and compares.
fn compare(what: &str, change: Change) {
    let mut house = House::new();
    let (nights, fresh) = (house.open("nights"), house.open("fresh"));
    let mut tree = first_tree();
    let mut gone = Vec::new();
    for night in 0..NIGHTS {
        if night > 0 {
            change(&mut tree, night);
        }
        house.write(&tree);
        let snapshot = house.back_up(&nights);
        if is_kept(night) {
            house.back_up(&fresh);
        } else {
            gone.push(snapshot);
        }
    }
    let find = |id: &SnapshotId| nights.resolve(&id.to_string().parse().unwrap(), &SnapshotFilter::default()).unwrap();
    let plan = nights.plan_forget_snapshots(gone.iter().map(find).collect()).unwrap();
    nights.forget(&plan).unwrap();
    let (least, before) = (house.bytes("fresh"), house.bytes("nights"));
    // Twice what the narrower limit leaves. Keys are drawn anew in each run, and with them where trees are cut: after
    // folders were renamed 3.0 to 3.7 % had to go.
    assert!(before * 100 > least * 102, "{what}: {before} bytes before, {least} would do: nothing has to go");
    for (limit, permille) in [(MaxUnused::default(), 1050), (MaxUnused::Share(0), 1010)] {
        let options = PruneOptions::default().max_unused(limit);
        let plan = nights.plan_prune(&options, &Silent).unwrap();
        nights.prune(plan, &options, &Silent).unwrap();
        let left = house.bytes("nights");
        println!("{what}, {limit:?}: {before} bytes came to {left}, where {least} would do");
        assert!(left * 1000 <= least * permille, "{what}, {limit:?}: {left} bytes are left, where {least} would do");
    }
    let report = nights.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
    let kept = (0..NIGHTS).filter(|night| is_kept(*night)).count();
    assert_eq!((report.damage_count, report.snapshot_count), (0, kept));
}

macro_rules! histories {
    ($($name:ident: $change:ident,)*) => {
        $(
            #[test]
            fn $name() {
                compare(stringify!($change), $change);
            }
        )*
    };
}

histories! {
    little_more_is_left_than_kept_snapshots_take_after_files_were_rewritten: rewrite,
    little_more_is_left_than_kept_snapshots_take_after_files_came_and_went: replace,
    little_more_is_left_than_kept_snapshots_take_after_folders_were_renamed: rename,
    little_more_is_left_than_kept_snapshots_take_after_large_files_were_edited: edit,
    little_more_is_left_than_kept_snapshots_take_after_text_was_appended: append,
    little_more_is_left_than_kept_snapshots_take_after_all_of_this: everything,
}
