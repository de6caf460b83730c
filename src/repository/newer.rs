//! What a newer program stored.

use super::*;
use crate::content::ContentReader;
use crate::drill::{DrillOptions, DrillPlace};
use crate::frame::Compression;
use crate::id::NodeId;
use crate::layout::Class;
use crate::look::DumpForm;
use crate::manifest::{Attribute, AttributeValue, Cursor, Entry, Key, Necessity, NodeSink, TreeBuilder};
use crate::outcome::OutcomeKind;
use crate::progress::Silent;
use crate::session::{Batch, Beating, SnapshotFilter, Writer};
use crate::session_record::SessionKind;

const PASSWORD: Unlock<'static> = Unlock::Password(b"newer");

struct Nodes<'a>(&'a Access, Batch);

impl NodeSink for Nodes<'_> {
    type Error = Error;

    fn put(&mut self, node: &[u8]) -> Result<NodeId> {
        let id = self.0.naming.node_ids.id(node);
        self.1.add(self.0, Class::Manifest, id.as_chunk(), node).map(|()| id)
    }
}

/// Stores a snapshot's manifest again, in which one file has an attribute more.
fn with_attribute(access: &Access, snapshot: &Snapshot, file: &Key, necessity: Necessity) -> Snapshot {
    let session = Beating::open(access, &History::load(access).unwrap(), SessionKind::Repack, &Writer::default());
    let mut nodes = Nodes(access, Batch::begin(access, session.unwrap(), Compression::Off).unwrap());
    let mut tree = TreeBuilder::<Entry>::new(&access.naming.boundary, access.naming.manifest_means);
    let reader = ContentReader::new(access.clone());
    let mut entries = Cursor::<Entry, _>::new(&reader, snapshot.components[0].manifest.unwrap());
    while let Some(mut entry) = entries.next_row().unwrap() {
        if entry.key == *file {
            let value = AttributeValue::Inline(b"later".to_vec());
            entry.attributes.insert(Attribute { id: 700, necessity, value });
        }
        tree.push(&entry, &mut nodes).unwrap();
    }
    let root = tree.finish(&mut nodes).unwrap();
    nodes.1.commit(access, OutcomeKind::Repack, Vec::new()).unwrap();
    let mut newer = snapshot.clone();
    newer.components[0].manifest = Some(root);
    newer
}

/// An entry of which this program does not know all that it says came back without that, and nobody was told.
#[test]
fn manifest_19_an_entry_that_is_not_fully_understood_is_given_out_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    Repository::create(&path("repository"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    std::fs::create_dir(path("tree")).unwrap();
    std::fs::write(path("tree/file"), "content").unwrap();
    let options = OpenOptions::new(path("cache"), path("state"));
    let repository = Repository::open(&path("repository"), PASSWORD, options).unwrap();
    repository.backup(&BackupOptions::new([path("tree")]), &Silent).unwrap();
    let snapshot = repository.snapshots(&SnapshotFilter::default()).unwrap().pop().unwrap();
    let file = Key::from_path(&path("tree/file")).unwrap();

    for (necessity, told_count) in [(Necessity::Ignorable, 0), (Necessity::Mandatory, 1)] {
        let newer = with_attribute(&repository.access, &snapshot, &file, necessity);
        let target = path(&format!("target {told_count}"));
        let report = repository.restore(&newer, &RestoreOptions::new(&target).path(file.clone()), &Silent).unwrap();
        assert_eq!(std::fs::read(target.join("file")).unwrap(), b"content");
        assert_eq!(report.problem_count, told_count);
        if let [problem] = report.problems.as_slice() {
            assert!(problem.path == path("tree/file") && problem.message.contains("attribute 700"), "{problem:?}");
        }
        for form in [DumpForm::Content, DumpForm::Tar, DumpForm::Zip] {
            let mut bytes = Vec::new();
            let report = repository.dump(&newer, (&file, form), &mut bytes, &Silent).unwrap();
            assert_eq!((report.problem_count, report.file_count), (told_count, 1), "{form:?}");
        }
        let options = DrillOptions::new(DrillPlace::At(path("scratch")));
        let plan = repository.plan_drill(newer, &options, &Silent).unwrap();
        let restored = repository.restore_drill(plan, &Silent).unwrap();
        assert_eq!(restored.report().problem_count, told_count);
    }
}
