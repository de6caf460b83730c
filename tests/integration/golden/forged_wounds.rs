//! A repository with a wound that only a key can inflict: `tests/wounds/wrong-hash-in-list/`, which `tests/cli/wounds.rs`
//! checks. It was written once, since ids are random.

use super::forge::{Content, Forge};
use super::story::{self, ADMIN};
use super::things::{Planted, plant};
use super::trees;
use holdall::id::ChunkId;
use holdall::layout::Class;
use holdall::outcome::{ComponentState, OutcomeKind};
use holdall::segment::PackRow;
use holdall::session_record::SessionKind;
use std::path::Path;

/// Publishes what a component needs, and lists the first chunk of its content under another id than it has.
fn publish_wrong(forge: &Forge, open: &super::forge::Open<'_>, planted: &Planted) -> Content {
    let content = forge.pack(open, Class::Content, &planted.chunks, 5);
    let mut ids = content.ids().to_vec();
    let mut wrong = *ids[0].as_bytes();
    wrong[31] ^= 1;
    ids[0] = ChunkId::from_bytes(wrong);
    let content = PackRow::new(*content.facts(), content.frames().clone(), ids).unwrap();
    let nodes = forge.pack(open, Class::Manifest, &planted.nodes, 20);
    let stat_nodes = forge.pack(open, Class::Stat, &planted.stat_nodes, 50);
    let rows = [&content, &nodes, &stat_nodes];
    let segment = forge.segment(open.ring, &rows, &[]);
    Content { packs: rows.map(|row| row.facts().pack).to_vec(), segments: vec![segment] }
}

#[test]
#[ignore = "writes a damaged repository anew, with other ids: the report beside it has to follow"]
fn write_a_repository_with_a_wrong_hash_in_a_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wounds/wrong-hash-in-list");
    let made = tempfile::tempdir().unwrap();
    let (mut forge, rings) = story::found(&made.path().join("repository"));
    story::slots(&forge, &rings, made.path());
    let planted = plant(&forge, trees::small("listed"));
    let open = forge.open(&rings.all, story::session(ADMIN, 1), SessionKind::Backup);
    let content = publish_wrong(&forge, &open, &planted);
    let mut body = forge.body(&open, OutcomeKind::Snapshot, content);
    body.components.0.push(story::component(&planted, ComponentState::Complete));
    forge.end(&rings.all, &body, Some(&story::description("one", vec![story::named("", "")])));
    std::fs::create_dir(&folder).unwrap();
    for (path, bytes) in crate::house::files(&made.path().join("repository")) {
        std::fs::create_dir_all(folder.join(&path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(path), bytes).unwrap();
    }
}
