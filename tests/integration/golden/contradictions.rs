//! Repositories that no honest writer makes: neither reader believes more than is there, nor loses what is.

use super::story::{Published, write_components};
use super::things::{Is, Part, Thing, noise};
use super::{Golden, password, story};
use crate::python_reader::{REFUSED, RESTORED, RESTORED_IN_PART, python_restore};
use holdall::ComponentKind;
use holdall::check::{CheckDepth, CheckOptions};
use holdall::key::Unlock;
use holdall::manifest::{Necessity, State};
use holdall::progress::Silent;
use holdall::restore::RestoreOptions;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What both readers make of a repository with one snapshot.
struct Read {
    directory: tempfile::TempDir,
    python: (i32, String),
    /// How many things the library said did not come back, if it did not refuse altogether.
    library: Option<u64>,
    /// How many damages `check` found,
    damages: u64,
    /// and how many where it read the data.
    data_damages: u64,
}

impl Read {
    fn new(things: Vec<Thing>, published: Published) -> Self {
        Self::components(vec![(ComponentKind::Tree, things)], published)
    }

    fn components(components: Vec<(ComponentKind, Vec<Thing>)>, published: Published) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let golden = Golden { folder: directory.path().join("made") };
        std::fs::create_dir_all(&golden.folder).unwrap();
        std::fs::create_dir(directory.path().join("outside")).unwrap();
        let id = write_components(&golden.folder, components, published).to_string();
        let target = |reader: &str| directory.path().join(reader);
        let python = python_restore(&golden.repository(), &id, &target("python"), &password());
        let repository = golden.open(directory.path(), Unlock::Password(story::PASSWORD));
        let restored =
            repository.restore(&super::resolve(&repository, &id), &RestoreOptions::new(target("library")), &Silent);
        let library = restored.ok().map(|report| report.problem_count);
        let damages = |depth| repository.check(&CheckOptions::default().depth(depth), &Silent).unwrap().damage_count;
        let (damages, data_damages) = (damages(CheckDepth::Structure), damages(CheckDepth::Data));
        Self { directory, python, library, damages, data_damages }
    }

    fn restored(&self, name: &str) -> [PathBuf; 2] {
        ["python", "library"].map(|reader| self.directory.path().join(reader).join(name))
    }
}

fn tree(things: impl IntoIterator<Item = Thing>) -> Vec<Thing> {
    [Thing::new("", Is::Directory)].into_iter().chain(things).collect()
}

fn file(name: &str, parts: Vec<Part>) -> Thing {
    Thing::new(name, Is::Parts(parts))
}

#[test]
fn segment_13_what_an_aborted_session_published_is_not_read() {
    let things = || tree([file("file", vec![Part::Chunk(noise(1, 500))])]);
    let read = Read::new(things(), Published::InVain);
    assert!(read.python.0 == REFUSED && read.python.1.contains("no committed segment"), "{:?}", read.python);
    assert_ne!(read.library, Some(0));
    assert_ne!(read.damages, 0);
    let read = Read::new(things(), Published::Rightly);
    assert_eq!((read.python.0, read.library, read.damages), (RESTORED, Some(0), 0), "{}", read.python.1);
}

#[test]
fn segment_14_what_a_prune_condemned_and_did_not_delete_is_read() {
    let read = Read::new(tree([file("file", vec![Part::Chunk(noise(1, 500))])]), Published::AndCondemned);
    assert_eq!((read.python.0, read.library, read.damages), (RESTORED, Some(0), 0), "{}", read.python.1);
    read.restored("file").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
}

#[test]
fn segment_19_what_a_put_key_says_of_the_counts_of_a_segment_keeps_nobody_from_reading_it() {
    let read = Read::new(tree([file("file", vec![Part::Chunk(noise(1, 500))])]), Published::AndMisnamed);
    assert_eq!((read.python.0, read.library, read.damages), (RESTORED, Some(0), 0), "{}", read.python.1);
    read.restored("file").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
}

#[test]
fn segment_17_a_segment_that_a_put_key_signed_and_that_lists_packs_of_another_key_is_refused() {
    let read = Read::new(tree([file("file", vec![Part::Chunk(noise(1, 500))])]), Published::UnderAnotherKey);
    assert_eq!(read.python.0, REFUSED, "{}", read.python.1);
    assert!(read.python.1.contains("lists packs under another key"), "{}", read.python.1);
    assert_ne!(read.library, Some(0));
    assert_ne!(read.damages, 0);
}

#[test]
fn what_a_segment_says_wrongly_of_a_pack_as_a_whole_hinders_no_reading() {
    let read = Read::new(tree([file("file", vec![Part::Chunk(noise(1, 500))])]), Published::Misdescribed);
    assert_eq!((read.python.0, read.library), (RESTORED, Some(0)), "{}", read.python.1);
    read.restored("file").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
}

/// Whoever vouched for such a pack said the same of it.
#[test]
fn segment_20_what_a_row_says_otherwise_than_the_header_of_its_pack_is_found_where_the_data_is_read() {
    let read = Read::new(tree([file("file", vec![Part::Chunk(noise(1, 500))])]), Published::Misattributed);
    assert_eq!((read.python.0, read.library), (RESTORED, Some(0)), "{}", read.python.1);
    assert_eq!((read.damages, read.data_damages), (0, 3), "one for each class");
}

#[test]
fn manifest_22_a_root_that_is_no_directory_is_found_and_not_restored() {
    let read = Read::new(vec![file("", vec![Part::Chunk(noise(1, 500))])], Published::Rightly);
    assert!(read.python.0 == REFUSED && read.python.1.contains("root is no directory"), "{:?}", read.python);
    assert_eq!((read.library, read.damages), (Some(1), 1));
}

/// Numbers that the pages allow and this system does not know, and a name that is too long for it.
#[test]
fn what_this_system_can_not_make_is_told_and_the_rest_restored() {
    let largest = u32::MAX;
    let read = Read::new(
        tree([
            Thing::new("device", Is::Block(largest, largest)),
            Thing::new("a".repeat(300), Is::Directory),
            file(&format!("{}/below", "a".repeat(300)), vec![Part::Chunk(noise(2, 500))]),
            file("unread", Vec::new()).state(State::Unreadable { errno: largest }),
            file("whole", vec![Part::Chunk(noise(1, 500))]),
        ]),
        Published::Rightly,
    );
    assert_eq!(read.python.0, RESTORED_IN_PART, "{}", read.python.1);
    assert!(read.python.1.contains("error 4294967295"), "{}", read.python.1);
    read.restored("whole").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
}

#[test]
fn manifest_20_extended_attributes_that_are_malformed_are_found_by_a_check_and_the_file_is_restored_without_them() {
    let malformed = file("file", vec![Part::Chunk(noise(1, 500))]).attribute(1, Necessity::Mandatory, &[0]);
    let read = Read::new(tree([malformed]), Published::Rightly);
    assert!(read.python.0 == REFUSED && read.python.1.contains("attributes not restored"), "{:?}", read.python);
    assert_eq!((read.library, read.damages), (Some(1), 1));
    read.restored("file").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
}

/// What lies in chunks was decoded by a restore only.
#[test]
fn manifest_20_malformed_values_that_lie_in_chunks_are_found_where_the_data_is_read() {
    for (id, necessity) in [(1, Necessity::Mandatory), (2, Necessity::Ignorable)] {
        let malformed = file("file", vec![Part::Chunk(noise(1, 500))]).attribute(id, necessity, &noise(2, 2000));
        let read = Read::new(tree([malformed]), Published::Rightly);
        assert_eq!((read.library, read.damages, read.data_damages), (Some(1), 0, 1), "{id}");
    }
}

#[test]
fn manifest_21_a_file_whose_holes_are_malformed_is_restored_without_them() {
    let malformed = file("file", vec![Part::Chunk(noise(1, 500))]).attribute(2, Necessity::Ignorable, &[0]);
    let read = Read::new(tree([malformed]), Published::Rightly);
    assert!(read.python.0 == REFUSED && read.python.1.contains("holes not restored"), "{:?}", read.python);
    assert_eq!((read.library, read.damages), (Some(1), 1));
    read.restored("file").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
}

#[test]
fn manifest_35_a_chunk_of_another_length_than_its_item_is_refused() {
    for claimed in [499, 501] {
        let parts = vec![Part::Claimed(noise(1, 500), claimed), Part::Chunk(noise(2, 500))];
        let read =
            Read::new(tree([file("file", parts), file("whole", vec![Part::Chunk(noise(2, 500))])]), Published::Rightly);
        assert!(read.python.0 == REFUSED && read.python.1.contains("has another length"), "{:?}", read.python);
        assert_eq!((read.library, read.damages), (Some(1), 1));
        read.restored("whole").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(2, 500)));
    }
}

#[test]
fn manifest_36_bytes_in_a_hole_are_restored() {
    let content = [noise(1, 4096), vec![0; 4096], noise(2, 4096)].concat();
    let file = file("file", vec![Part::Chunk(content.clone())]).hole(4096, 8192);
    let read = Read::new(tree([file]), Published::Rightly);
    assert_eq!((read.python.0, read.library), (RESTORED, Some(0)), "{}", read.python.1);
    read.restored("file").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), content));
}

#[test]
fn manifest_22_an_entry_below_a_link_is_found_and_not_written_through_it() {
    let link = Thing::new("link", Is::Symlink(b"../outside".to_vec()));
    let below = Thing::new("link/below", Is::Inline(b"should not be here".to_vec()));
    let read = Read::new(tree([link, below]), Published::Rightly);
    assert_eq!(read.python.0, REFUSED, "{}", read.python.1);
    assert!(read.python.1.contains("does not lie in a directory of the tree"), "{}", read.python.1);
    assert_eq!(std::fs::read_dir(read.directory.path().join("outside")).unwrap().count(), 0);
    assert_ne!(read.library, Some(0), "the library restored a file below a link as if nothing were wrong");
    assert_eq!(read.damages, 1);
}

#[test]
fn manifest_22_an_entry_without_a_directory_above_it_is_found_and_not_restored() {
    let stray = Thing::new("nowhere/file", Is::Inline(b"astray".to_vec()));
    let below_a_file = Thing::new("file/below", Is::Inline(b"astray".to_vec()));
    for astray in [stray, below_a_file] {
        let read = Read::new(tree([file("file", vec![Part::Chunk(noise(1, 500))]), astray]), Published::Rightly);
        assert_eq!(read.python.0, REFUSED, "{}", read.python.1);
        assert_eq!((read.library, read.damages), (Some(1), 1));
        assert_eq!(std::fs::read(read.restored("file")[1].as_path()).unwrap(), noise(1, 500));
    }
}

/// Once there was no row of a folder that could not be read in full, and a check took the snapshot for forged.
#[test]
fn manifest_39_a_stat_row_in_a_directory_that_has_none_is_no_damage() {
    let directory = Thing::new("directory", Is::Directory).state(State::Unreadable { errno: 5 }).without_stat_row();
    let below = Thing::new("directory/sub", Is::Directory).without_stat_row();
    let deep = file("directory/sub/file", vec![Part::Chunk(noise(1, 500))]);
    let read = Read::new(tree([directory, below, deep, file("directory/file", Vec::new())]), Published::Rightly);
    assert_eq!((read.python.0, read.library, read.damages), (RESTORED_IN_PART, Some(1), 0), "{}", read.python.1);
}

#[test]
fn manifest_37_a_name_that_differs_from_the_first_of_its_group_is_restored_by_itself() {
    let first = file("a", vec![Part::Chunk(noise(1, 500))]).first_name();
    let same = first.other_name("b");
    let other_content = file("c", vec![Part::Chunk(noise(2, 500))]).in_group_of(&first);
    let other_mode = first.other_name("d").mode(0o600);
    let other_kind = Thing::new("e", Is::Symlink(b"a".to_vec())).in_group_of(&first);
    let read = Read::new(tree([first, same, other_content, other_mode, other_kind]), Published::Rightly);
    assert_eq!((read.python.0, read.library), (RESTORED_IN_PART, Some(3)), "{}", read.python.1);
    let meta = |path: PathBuf| std::fs::symlink_metadata(path).unwrap();
    for ((a, b), (c, d)) in read
        .restored("a")
        .into_iter()
        .zip(read.restored("b"))
        .zip(read.restored("c").into_iter().zip(read.restored("d")))
    {
        assert_eq!((std::fs::read(&a).unwrap(), std::fs::read(&c).unwrap()), (noise(1, 500), noise(2, 500)));
        assert_eq!(meta(a).ino(), meta(b).ino());
        assert_eq!((meta(c).nlink(), meta(d.clone()).nlink(), meta(d).mode() & 0o7777), (1, 1, 0o600));
    }
    read.restored("e").into_iter().for_each(|path| assert!(meta(path).is_symlink()));
}

#[test]
fn outcome_15_what_an_earlier_component_holds_at_a_path_stays() {
    let text = |name: &str, text: &str| Thing::new(name, Is::Inline(text.as_bytes().to_vec()));
    let first = tree([
        Thing::new("both", Is::Directory),
        text("both/file", "first"),
        text("place", "a file"),
        Thing::new("folder", Is::Directory),
        text("folder/inside", "first"),
        Thing::new("link", Is::Symlink(b"both".to_vec())),
    ]);
    let second = tree([
        Thing::new("both", Is::Directory).mode(0o700),
        text("both/file", "second"),
        text("both/more", "second"),
        Thing::new("place", Is::Directory),
        text("place/below", "second"),
        text("folder", "no folder"),
        Thing::new("link", Is::Directory),
        text("link/below", "second"),
    ]);
    let read = Read::components(vec![(ComponentKind::Tree, first), (ComponentKind::Tree, second)], Published::Rightly);
    assert_eq!((read.python.0, read.library), (RESTORED_IN_PART, Some(4)), "{}", read.python.1);
    for (name, expected) in
        [("both/file", "first"), ("both/more", "second"), ("place", "a file"), ("folder/inside", "first")]
    {
        read.restored(name).into_iter().for_each(|path| assert_eq!(std::fs::read_to_string(path).unwrap(), expected));
    }
    read.restored("both/below").into_iter().for_each(|path| assert!(!path.exists()));
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o7777;
    read.restored("both").into_iter().for_each(|path| assert_eq!(mode(path), 0o700));
}

#[test]
fn outcome_16_a_stream_is_one_file_and_nothing_else() {
    let top = || Thing::new("", Is::Ancestor);
    let data = || file("database", vec![Part::Chunk(noise(1, 500))]);
    let streams = |things: Vec<Thing>| {
        let plain = tree([file("plain", vec![Part::Chunk(noise(2, 500))])]);
        Read::components(vec![(ComponentKind::Stream, things), (ComponentKind::Tree, plain)], Published::Rightly)
    };
    let read = streams(vec![top(), data()]);
    assert_eq!((read.python.0, read.library, read.damages), (RESTORED, Some(0), 0), "{}", read.python.1);
    read.restored("database").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(1, 500)));
    let wrong = [
        vec![top()],
        vec![Thing::new("", Is::Directory), data()],
        vec![top(), data(), file("more", vec![Part::Chunk(noise(3, 500))])],
        vec![top(), Thing::new("database", Is::Directory)],
        vec![top(), data().first_name()],
        vec![top(), data().xattr("user.a", b"b")],
    ];
    for things in wrong {
        let read = streams(things);
        assert_eq!((read.python.0, read.library, read.damages), (REFUSED, Some(1), 1), "{}", read.python.1);
        read.restored("database").into_iter().for_each(|path| assert!(!path.exists()));
        read.restored("plain").into_iter().for_each(|path| assert_eq!(std::fs::read(path).unwrap(), noise(2, 500)));
    }
}
