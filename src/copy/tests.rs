//! Copies between small repositories: what comes out, what is read for it, and what stands in its way.

mod trouble;

use super::{CopyOptions, CopyReport, CopyWanted, Way};
use crate::backup::BackupOptions;
use crate::config::Parameters;
use crate::content::ContentReader;
use crate::id::{NodeId, SnapshotId};
use crate::key::{KdfCost, Unlock};
use crate::manifest::{Attributes, Body, Content, Cursor, Entry, ItemReader, Key};
use crate::progress::{Progress, Silent};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::testing::clock::settle;
use crate::session::{Snapshot, SnapshotFilter};
use std::collections::HashMap;
use std::path::PathBuf;

const FIRST: Unlock<'static> = Unlock::Password(b"the first");
const SECOND: Unlock<'static> = Unlock::Password(b"the second");

/// A tree, a repository that holds it, and others that are to.
struct Place(tempfile::TempDir);

/// What an entry is in every repository, whatever ids and groups are called there.
#[derive(Debug, PartialEq)]
struct Held {
    entry: Entry,
    /// The first member of its hard-link group.
    first: Option<Key>,
    content: Vec<u8>,
    attributes: Vec<(u32, Vec<u8>)>,
}

impl Place {
    /// With three snapshots of a tree in the repository `source`.
    fn new() -> (Self, [SnapshotId; 3]) {
        let place = Self(tempfile::tempdir().unwrap());
        place.create("source", Parameters { chunk_bytes_avg: 32 << 10, ..small() });
        let ids = place.fill();
        (place, ids)
    }

    fn fill(&self) -> [SnapshotId; 3] {
        for number in 0..150 {
            self.write(&format!("many/{number:03}"), &noise(&format!("small {number}"), 40 + number));
        }
        self.write("large", &noise("large", 400_000));
        self.write("empty", b"");
        let file = std::fs::File::create(self.path("tree/sparse")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &noise("island", 60_000), 200_000).unwrap();
        file.set_len(500_000).unwrap();
        self.write("linked", &noise("linked", 50_000));
        std::fs::hard_link(self.path("tree/linked"), self.path("tree/many/zzz")).unwrap();
        std::os::unix::fs::symlink("large", self.path("tree/link")).unwrap();
        let first = self.back_up();
        self.write("many/100", b"changed");
        self.write("many/149x", &noise("new", 30_000));
        std::fs::remove_file(self.path("tree/many/001")).unwrap();
        let second = self.back_up();
        let mut changed = noise("large", 400_000);
        changed[200_000] ^= 1;
        self.write("large", &changed);
        std::fs::hard_link(self.path("tree/linked"), self.path("tree/another")).unwrap();
        [first, second, self.back_up()]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path("tree").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn create(&self, name: &str, parameters: Parameters) {
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(parameters);
        Repository::create(&self.path(name), secret(name), &options).unwrap();
    }

    fn create_like_source(&self, name: &str) {
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(small());
        self.open("source").create_alike(&self.path(name), secret(name), &options).unwrap();
    }

    fn open(&self, name: &str) -> Repository {
        self.open_as(name, secret(name), "own")
    }

    fn open_as(&self, name: &str, unlock: Unlock<'_>, machine: &str) -> Repository {
        let own = self.path(machine);
        Repository::open(&self.path(name), unlock, OpenOptions::new(own.join("cache"), own.join("state"))).unwrap()
    }

    fn back_up(&self) -> SnapshotId {
        let options = BackupOptions::new([self.path("tree")]).host("host").tags(vec![b"tag".to_vec()]);
        self.open("source").backup(&options, &Silent).unwrap().snapshot
    }

    fn copy(&self, from: &str, to: &str) -> CopyReport {
        self.copy_with(from, to, CopyWanted::All(SnapshotFilter::default()), &Silent)
    }

    fn copy_with(&self, from: &str, to: &str, wanted: CopyWanted, progress: &dyn Progress) -> CopyReport {
        let (from, to) = (self.open(from), self.open(to));
        let plan = to.plan_copy(&from, wanted).unwrap();
        to.copy(&from, plan, &CopyOptions::default(), progress).unwrap()
    }

    fn snapshot(&self, name: &str, id: SnapshotId) -> Snapshot {
        let fits = |spec: &str| self.open(name).resolve(&spec.parse().unwrap(), &SnapshotFilter::default()).unwrap();
        fits(&id.to_string())
    }

    /// The snapshots that are live, oldest first.
    fn snapshots(&self, name: &str) -> Vec<Snapshot> {
        self.open(name).snapshots(&SnapshotFilter::default()).unwrap()
    }

    /// Everything that a snapshot holds.
    fn held(&self, name: &str, id: SnapshotId) -> Vec<Held> {
        let repository = self.open(name);
        crate::session::bring_up_to_date(
            repository.access(),
            &crate::session::History::load(repository.access()).unwrap(),
        )
        .unwrap();
        let reader = ContentReader::new(repository.access().clone());
        let snapshot = self.snapshot(name, id);
        let roots: Vec<NodeId> = snapshot.components.iter().filter_map(|component| component.manifest).collect();
        roots.into_iter().flat_map(|root| held(&reader, root)).collect()
    }

    fn forget(&self, name: &str, ids: &[SnapshotId]) {
        let repository = self.open(name);
        let snapshots = ids.iter().map(|id| self.snapshot(name, *id)).collect();
        repository.forget(&repository.plan_forget_snapshots(snapshots).unwrap()).unwrap();
    }
}

fn secret(name: &str) -> Unlock<'static> {
    if name == "source" { FIRST } else { SECOND }
}

fn small() -> Parameters {
    Parameters {
        chunk_bytes_min: 8 << 10,
        chunk_bytes_avg: 16 << 10,
        chunk_bytes_max: 64 << 10,
        ..Parameters::default()
    }
}

fn noise(name: &str, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut noise);
    noise
}

fn held(reader: &ContentReader, root: NodeId) -> Vec<Held> {
    let mut firsts = HashMap::new();
    let mut all = Vec::new();
    for entry in Cursor::<Entry, _>::new(reader, root) {
        let mut entry = entry.unwrap();
        let first = entry.group.take().map(|group| firsts.entry(group).or_insert_with(|| entry.key.clone()).clone());
        let mut content = Vec::new();
        if let Some(Content::Inline(bytes)) = entry.content() {
            content.extend_from_slice(bytes);
        }
        if let Some(Content::Items(list)) = entry.content() {
            let mut items = ItemReader::new(reader, list.clone());
            while let Some(placed) = items.next_item().unwrap() {
                reader.append_item(&placed.item, &mut content).unwrap();
            }
        }
        let ids: Vec<u32> = entry.attributes.iter().map(|attribute| attribute.id).collect();
        let attributes = ids.iter().map(|id| (*id, reader.attribute(&entry, *id).unwrap().unwrap())).collect();
        entry.attributes = Attributes::none();
        if matches!(entry.body, Body::File(_)) {
            entry.body = Body::File(Content::empty());
        }
        all.push(Held { entry, first, content, attributes });
    }
    all
}

/// Compares what is said of two snapshots, but for ids, sizes of trees and the time of the copy.
fn assert_same_words(one: &Snapshot, other: &Snapshot) {
    assert_eq!(one.time_ns, other.time_ns);
    let said = |snapshot: &Snapshot| {
        let mut origin = snapshot.origin.clone().unwrap();
        origin.parent = None;
        origin
    };
    assert_eq!(said(one), said(other));
    assert_eq!(one.components.len(), other.components.len());
    for (one, other) in one.components.iter().zip(&other.components) {
        assert_eq!(
            (&one.name, one.kind, one.required, one.state),
            (&other.name, other.kind, other.required, other.state)
        );
        assert_eq!(
            (one.counts, one.walk_started_ns, &one.reason),
            (other.counts, other.walk_started_ns, &other.reason)
        );
        assert_eq!((&one.users, &one.groups), (&other.users, &other.groups));
    }
}

/// All three snapshots come out as they are in the source, and a second copy has nothing to do.
fn assert_copies(place: &Place, ids: [SnapshotId; 3], to: &str) {
    let report = place.copy("source", to);
    assert_eq!(report.copied.iter().map(|copied| copied.source).collect::<Vec<_>>(), ids);
    assert!(report.lacking.is_empty());
    for copied in &report.copied {
        assert_same_words(&place.snapshot("source", copied.source), &place.snapshot(to, copied.copy));
        assert!(place.held("source", copied.source) == place.held(to, copied.copy), "{}", copied.source);
    }
    let before = place.snapshots(to).len();
    let again = place.copy("source", to);
    assert_eq!((again.copied.len(), again.present.len(), again.raw_bytes), (0, 3, 0));
    assert_eq!(place.snapshots(to).len(), before);
}

#[test]
fn outcome_18_snapshots_come_out_the_same_under_other_keys_and_other_cuts() {
    let (place, ids) = Place::new();
    place.create("other", Parameters { inline_bytes_max: 64, ..Parameters::default() });
    assert_copies(&place, ids, "other");
    let source = place.open("source").id();
    for (copy, id) in place.snapshots("other").iter().zip(ids) {
        let first = copy.copy_of.unwrap();
        assert_eq!((first.repository, first.snapshot), (source, id));
    }
}

#[test]
fn snapshots_come_out_the_same_where_chunks_are_carried_over() {
    let (place, ids) = Place::new();
    place.create_like_source("alike");
    assert_copies(&place, ids, "alike");
}

#[test]
fn repositories_cut_alike_only_with_one_naming_root_and_the_same_sizes() {
    let (place, _) = Place::new();
    place.create("other", Parameters { chunk_bytes_avg: 32 << 10, ..small() });
    place.create_like_source("alike");
    let way = |to: &str| {
        place.open(to).plan_copy(&place.open("source"), CopyWanted::All(SnapshotFilter::default())).unwrap().way
    };
    assert_eq!((way("other"), way("alike")), (Way::CutAnew, Way::CarryOver));
    let refused = place.open("source").plan_copy(&place.open("source"), CopyWanted::All(SnapshotFilter::default()));
    assert_eq!(refused.unwrap_err().kind(), crate::error::ErrorKind::Invalid);
}

/// Where trees end depends on nothing but what is in them, so this also holds for what was taken over unread.
#[test]
fn a_copy_that_is_built_upon_another_is_the_one_that_is_built_from_nothing() {
    for alike in [false, true] {
        let (place, ids) = Place::new();
        if alike {
            place.create_like_source("chain");
        } else {
            place.create("chain", small());
        }
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(small());
        place.open("chain").create_alike(&place.path("alone"), SECOND, &options).unwrap();
        let chain = place.copy("source", "chain");
        let wanted = CopyWanted::Named(vec![place.snapshot("source", ids[2])]);
        let alone = place.copy_with("source", "alone", wanted, &Silent);
        let last = place.snapshot("chain", chain.copied[2].copy);
        let other = place.snapshot("alone", alone.copied[0].copy);
        assert_eq!(last.origin.unwrap().parent, Some(chain.copied[1].copy));
        assert_eq!(other.origin.unwrap().parent, None);
        let roots = |snapshot: &[crate::session::SnapshotComponent]| {
            snapshot.iter().map(|one| (one.manifest, one.stat)).collect::<Vec<_>>()
        };
        assert_eq!(roots(&last.components), roots(&other.components));
    }
}

#[test]
fn chunks_that_are_there_are_not_stored_again_and_what_did_not_change_costs_nothing() {
    let (place, _) = Place::new();
    place.create_like_source("alike");
    let options = BackupOptions::new([place.path("tree")]).host("host");
    place.open("alike").backup(&options, &Silent).unwrap();
    // What was changed since the first two is not in that backup.
    let copied = place.copy("source", "alike");
    assert_eq!(copied.copied.len(), 3);
    assert!(copied.chunk_count < 10, "{}", copied.chunk_count);
    place.back_up();
    let unchanged = place.copy("source", "alike");
    assert_eq!((unchanged.copied.len(), unchanged.chunk_count), (1, 0));
    assert!(unchanged.raw_bytes < 20_000, "{}", unchanged.raw_bytes);
}

#[test]
fn a_host_goes_on_from_a_copy_of_its_last_snapshot() {
    let (place, ids) = Place::new();
    place.create("other", small());
    let copied = place.copy("source", "other");
    settle();
    let options = BackupOptions::new([place.path("tree")]).host("host");
    let report = place.open("other").backup(&options, &Silent).unwrap();
    assert_eq!(copied.copied[2].source, ids[2]);
    assert_eq!(report.parent, Some(copied.copied[2].copy));
    assert_eq!(report.content_chunk_count, 0);
}

#[test]
fn what_was_forgotten_here_is_copied_again_only_if_it_is_named() {
    let (place, ids) = Place::new();
    place.create("other", Parameters::default());
    let copied = place.copy("source", "other");
    place.forget("other", &[copied.copied[1].copy]);
    let again = place.copy("source", "other");
    assert_eq!((again.copied.len(), again.present.len(), again.forgotten.len()), (0, 2, 1));
    let wanted = CopyWanted::Named(ids.iter().map(|id| place.snapshot("source", *id)).collect());
    let named = place.copy_with("source", "other", wanted, &Silent);
    assert_eq!((named.copied.len(), named.present.len()), (1, 2));
    assert!(place.held("source", ids[1]) == place.held("other", named.copied[0].copy));
}

#[test]
fn what_came_from_here_does_not_come_back_and_what_came_by_two_ways_comes_once() {
    let (place, ids) = Place::new();
    place.create("middle", small());
    place.create("end", Parameters::default());
    assert_eq!(place.copy("source", "middle").copied.len(), 3);
    assert_eq!(place.copy("middle", "source").present.len(), 3);
    assert_eq!(place.copy("middle", "end").copied.len(), 3);
    let last = place.copy("source", "end");
    assert_eq!((last.copied.len(), last.present.len()), (0, 3));
    assert!(place.held("source", ids[2]) == place.held("end", last.present[2].copy));
}

#[test]
fn a_host_goes_on_from_its_own_last_backup_and_not_from_an_older_one_that_was_copied_later() {
    let (place, _) = Place::new();
    place.create("other", small());
    let options = BackupOptions::new([place.path("tree")]).host("host");
    let own = place.open("other").backup(&options, &Silent).unwrap().snapshot;
    assert_eq!(place.copy("source", "other").copied.len(), 3);
    assert_eq!(place.open("other").backup(&options, &Silent).unwrap().parent, Some(own));
}
