//! Outcomes.

use super::*;
use crate::envelope::testing::{NOW_NS, client, hash, keys, pack, session, snapshot};

pub(crate) fn sample(kind: OutcomeKind) -> OutcomeBody {
    let component = Component {
        kind: ComponentKind::Tree,
        required: true,
        state: ComponentState::Complete,
        manifest: Some(NodeId::from_bytes([0x31; 32])),
        stat: Some(NodeId::from_bytes([0x32; 32])),
        counts: Counts { files: 3, directories: 2, bytes: 4096, ..Counts::default() },
    };
    let statement =
        Statement { kind: StatementKind::Undo, snapshots: List(vec![snapshot(0x51)]), cancels: List(vec![hash(0x61)]) };
    let writes = kind != OutcomeKind::Abort;
    let segment = SegmentRef { id: SegmentId::from_bytes([0x41; 32]), pack_count: 2, chunk_count: 9 };
    OutcomeBody {
        id: session(7),
        session: hash(0x71),
        kind,
        time_ns: NOW_NS,
        committed_at_ns: NOW_NS + 5,
        packs: List(if writes { vec![pack(1), pack(2)] } else { Vec::new() }),
        segments: List(if writes { vec![segment] } else { Vec::new() }),
        seen: Seen {
            base: 6,
            entries: List(vec![SeenEntry { client: client(0xc0), number: 2, outcome: hash(0x81) }]),
            overflow: None,
        },
        components: List(if kind.has_components() { vec![component] } else { Vec::new() }),
        members: List(if kind == OutcomeKind::Group { vec![snapshot(0x52)] } else { Vec::new() }),
        statement: (kind == OutcomeKind::Restate).then_some(statement),
        attributes: List::default(),
    }
}

fn owner(id: u32, name: &str) -> OwnerName {
    OwnerName { id, name: name.into() }
}

pub(crate) fn described(body: &OutcomeBody) -> OutcomeDescription {
    let component = ComponentDescription {
        name: "home".into(),
        reason: Blob::default(),
        users: List(vec![owner(0, "root"), owner(1000, "ada")]),
        groups: List(vec![owner(0, "root")]),
    };
    OutcomeDescription {
        host: "attic".into(),
        user: "ada".into(),
        paths: List(vec!["/home/ada".into()]),
        tags: List(vec!["daily".into()]),
        program: "holdall 0.1.0".into(),
        parent: Some(snapshot(0x53)),
        components: List(vec![component; body.components.0.len()]),
        attributes: List::default(),
    }
}

const EVERY: [OutcomeKind; 8] = [
    OutcomeKind::Snapshot,
    OutcomeKind::Checkpoint,
    OutcomeKind::Staged,
    OutcomeKind::Group,
    OutcomeKind::Repack,
    OutcomeKind::Repair,
    OutcomeKind::Restate,
    OutcomeKind::Abort,
];

#[test]
fn an_outcome_of_each_kind_reads_back() {
    let keys = keys();
    for kind in EVERY {
        let body = sample(kind);
        let description = described(&body);
        let bytes = seal(&body, Some(&description), keys.of(Role::All), &keys.chain).unwrap();
        let outcome = open(body.id, keys.of(Role::Read), &keys.chain, &bytes).unwrap();
        assert_eq!((outcome.body, outcome.description), (body, Described::Open(description)));
    }
}
