//! Records.

use super::*;
use crate::envelope::testing::{NOW_NS, client, keys, pack, snapshot};

pub(crate) fn sample(kind: RecordKind) -> RecordBody {
    let of_packs = kind == RecordKind::Verified;
    RecordBody {
        client: client(0xc1),
        number: 4,
        made_at_ns: NOW_NS,
        kind,
        snapshots: List(if of_packs { Vec::new() } else { vec![snapshot(0x51), snapshot(0x52)] }),
        until_ns: (kind == RecordKind::Pin).then_some(NOW_NS + 1),
        packs: List(if of_packs { vec![pack(1), pack(2)] } else { Vec::new() }),
        note: "by hand".into(),
    }
}

const EVERY: [RecordKind; 6] = [
    RecordKind::Forget,
    RecordKind::Release,
    RecordKind::Pin,
    RecordKind::Unpin,
    RecordKind::Verified,
    RecordKind::Drill,
];

#[test]
fn a_record_of_each_kind_reads_back() {
    let keys = keys();
    for kind in EVERY {
        let body = sample(kind);
        let bytes = seal(&body, keys.of(Role::Prune), &keys.chain).unwrap();
        assert_eq!(open(body.client, 4, keys.of(Role::Put), &keys.chain, &bytes).unwrap().body, body);
    }
}
