//! Outcomes.

mod vectors;

use super::*;
use crate::envelope::EnvelopeError;
use crate::envelope::testing::{Keys, NOW_NS, client, forged, hash, hash_of, keys, long, pack, session, snapshot};
use crate::id::ClientId;
use crate::session_record::{self, Liveness, SessionBody};
use crate::wire::WireError;

fn sample(kind: OutcomeKind) -> OutcomeBody {
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

fn described(body: &OutcomeBody) -> OutcomeDescription {
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

fn read_forged(
    keys: &Keys,
    role: Role,
    body: &[u8],
    description: Option<&OutcomeDescription>,
) -> Result<Outcome, OutcomeError> {
    let described = description.map(wire::encode);
    parse(session(7), &forged(keys, role, Kind::Outcome, body, described.as_deref()))
}

#[test]
fn an_outcome_of_each_kind_reads_back() {
    let keys = keys();
    for kind in EVERY {
        let body = sample(kind);
        let description = described(&body);
        let bytes = seal(&body, Some(&description), keys.of(Role::All), &keys.chain).unwrap();
        let outcome = open(body.id, keys.of(Role::Read), &keys.chain, &bytes).unwrap();
        assert_eq!((&outcome.body, outcome.description), (&body, Described::Open(description)));
        assert_eq!(outcome.hash, hash_of(&bytes));
        let by_put = open(body.id, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
        assert_eq!((by_put.body, by_put.description), (body, Described::Sealed));
    }
}

#[test]
fn outcome_1_an_outcome_under_another_name_is_refused() {
    let keys = keys();
    let body = sample(OutcomeKind::Checkpoint);
    let bytes = seal(&body, None, keys.of(Role::Put), &keys.chain).unwrap();
    for expected in [session(8), SessionId { client: client(2), number: 7 }] {
        let refused = OutcomeError::Misplaced { expected, found: body.id };
        assert_eq!(open(expected, keys.of(Role::Put), &keys.chain, &bytes), Err(refused));
    }
}

#[test]
fn outcome_2_each_role_ends_sessions_in_its_ways_and_no_other() {
    let keys = keys();
    for kind in EVERY {
        for role in Role::EVERY {
            let by_writers = [OutcomeKind::Snapshot, OutcomeKind::Checkpoint, OutcomeKind::Staged, OutcomeKind::Abort];
            let allowed = by_writers.contains(&kind) || role >= Role::Prune;
            let body = sample(kind);
            let description = described(&body);
            let expected = if allowed { Ok(()) } else { Err(OutcomeError::Role { id: body.id, kind, role }) };
            let sealed = seal(&body, Some(&description), keys.of(role), &keys.chain);
            assert_eq!(sealed.map(|_| ()), expected, "{role} signs {kind}");
            let read = read_forged(&keys, role, &wire::encode(&body), Some(&description));
            assert_eq!(read.map(|_| ()), expected, "{role} signed {kind}");
        }
    }
}

#[test]
fn outcome_3_a_kind_that_is_not_known_is_refused_as_such() {
    let keys = keys();
    for kind in [8, 9, u32::MAX] {
        let mut body = wire::encode(&sample(OutcomeKind::Abort));
        body[KIND_OFFSET..KIND_OFFSET + 4].copy_from_slice(&kind.to_le_bytes());
        let refused = OutcomeError::UnknownKind { id: session(7), kind };
        assert_eq!(read_forged(&keys, Role::All, &body, None), Err(refused.clone()));
        body.truncate(KIND_OFFSET + 4);
        assert_eq!(read_forged(&keys, Role::All, &body, None), Err(refused), "whatever follows the kind");
    }
}

#[test]
fn outcome_3_truncated_and_longer_bodies_are_refused() {
    let keys = keys();
    let good = wire::encode(&sample(OutcomeKind::Checkpoint));
    for length in 0..good.len() {
        let refused = read_forged(&keys, Role::Put, &good[..length], None);
        assert!(matches!(refused, Err(OutcomeError::Body { .. })), "{length} bytes: {refused:?}");
    }
    let mut longer = good.clone();
    longer.push(0);
    let refused = read_forged(&keys, Role::Put, &longer, None);
    assert!(matches!(refused, Err(OutcomeError::Body { source: WireError::Trailing { .. }, .. })), "{refused:?}");
}

type Change = fn(&mut OutcomeBody);

fn ids<T>(count: u32, id: fn([u8; 32]) -> T) -> Vec<T> {
    (1..=count).map(|n| id([n.to_be_bytes(); 8].concat().try_into().unwrap())).collect()
}

fn seen(count: u32) -> Vec<SeenEntry> {
    let client = |n: u32| ClientId::from_bytes([n.to_be_bytes(); 4].concat().try_into().unwrap());
    (0..count).map(|n| SeenEntry { client: client(n), number: 1, outcome: hash(1) }).collect()
}

fn own(number: u64) -> SeenEntry {
    SeenEntry { client: client(0xc1), number, outcome: hash(2) }
}

/// Every rule for the lists of a body, with a change that breaks it and nothing else.
const BROKEN_LISTS: &[(OutcomeKind, &str, Change)] = &[
    (OutcomeKind::Checkpoint, "its packs are not sorted", |body| body.packs.0.reverse()),
    (OutcomeKind::Checkpoint, "its packs are not sorted", |body| body.packs.0.push(pack(2))),
    (OutcomeKind::Repack, "its segments are not sorted", |body| body.segments.0.push(body.segments.0[0])),
    (OutcomeKind::Group, "its members are not sorted", |body| body.members.0.push(snapshot(0x52))),
    (OutcomeKind::Snapshot, "it has too many components", |body| {
        body.components.0 = vec![body.components.0[0]; 1025];
    }),
    (OutcomeKind::Checkpoint, "it is of a kind that has no components", |body| {
        body.components = sample(OutcomeKind::Snapshot).components;
    }),
    (OutcomeKind::Group, "it is of a kind that has no components", |body| {
        body.components = sample(OutcomeKind::Snapshot).components;
    }),
    (OutcomeKind::Abort, "it is of a kind that has no components", |body| {
        body.components = sample(OutcomeKind::Snapshot).components;
    }),
    (OutcomeKind::Snapshot, "it has no component", |body| body.components.0.clear()),
    (OutcomeKind::Staged, "it has no component", |body| body.components.0.clear()),
    (OutcomeKind::Snapshot, "it is no group and has members", |body| body.members.0.push(snapshot(1))),
    (OutcomeKind::Group, "it is a group without members", |body| body.members.0.clear()),
    (OutcomeKind::Restate, "a restate has a statement, and nothing else", |body| body.statement = None),
    (OutcomeKind::Repair, "a restate has a statement, and nothing else", |body| {
        body.statement = sample(OutcomeKind::Restate).statement;
    }),
    (OutcomeKind::Abort, "it is an abort with packs", |body| body.packs.0.push(pack(1))),
    (OutcomeKind::Abort, "it is an abort with segments", |body| {
        body.segments = sample(OutcomeKind::Repack).segments;
    }),
];

/// The same for what the writer had seen.
const BROKEN_SEEN: &[(OutcomeKind, &str, Change)] = &[
    (OutcomeKind::Checkpoint, "its seen list continues one that is not older", |body| body.seen.base = 7),
    (OutcomeKind::Abort, "its seen list is too long to stand in it", |body| body.seen.entries.0 = seen(293)),
    (OutcomeKind::Abort, "its seen list stands in two places", |body| {
        body.seen.overflow = Some(NodeId::from_bytes([1; 32]));
    }),
    (OutcomeKind::Abort, "its seen list is not sorted", |body| body.seen.entries.0.push(body.seen.entries.0[0])),
    (OutcomeKind::Abort, "its seen list has a number of zero", |body| body.seen.entries.0[0].number = 0),
    (OutcomeKind::Abort, "it has seen itself", |body| body.seen.entries.0.push(own(7))),
];

/// The same for components.
const BROKEN_COMPONENTS: &[(OutcomeKind, &str, Change)] = &[
    (OutcomeKind::Snapshot, "a component has a manifest if and only if it is not missing", |body| {
        body.components.0[0].manifest = None;
    }),
    (OutcomeKind::Staged, "a component has a manifest if and only if it is not missing", |body| {
        body.components.0[0].state = ComponentState::Missing;
    }),
    (OutcomeKind::Snapshot, "a missing component has a stat tree", |body| {
        missing(body).stat = Some(NodeId::from_bytes([1; 32]));
    }),
    (OutcomeKind::Snapshot, "a stream has a stat tree", |body| body.components.0[0].kind = ComponentKind::Stream),
    (OutcomeKind::Snapshot, "a missing component counts something", |body| missing(body).counts.inconsistent = 1),
    (OutcomeKind::Snapshot, "a required component is missing", |body| missing(body).required = true),
];

/// The same for statements and attributes.
const BROKEN_STATEMENTS: &[(OutcomeKind, &str, Change)] = &[
    (OutcomeKind::Restate, "its statement names no snapshot", |body| statement(body).snapshots.0.clear()),
    (OutcomeKind::Restate, "the snapshots of its statement are not sorted", |body| {
        statement(body).snapshots.0.push(snapshot(0x51));
    }),
    (OutcomeKind::Restate, "its statement cancels nothing", |body| statement(body).cancels.0.clear()),
    (OutcomeKind::Restate, "what its statement cancels is not sorted", |body| {
        statement(body).cancels.0.push(hash(0x60));
    }),
    (OutcomeKind::Repair, "it has too many attributes", |body| {
        body.attributes.0 = (0..1025).map(attribute).collect();
    }),
    (OutcomeKind::Repair, "its attributes are not sorted", |body| {
        body.attributes.0 = vec![attribute(2), attribute(1)];
    }),
];

fn missing(body: &mut OutcomeBody) -> &mut Component {
    let component = &mut body.components.0[0];
    let nothing = Component { manifest: None, stat: None, counts: Counts::default(), ..*component };
    *component = Component { state: ComponentState::Missing, required: false, ..nothing };
    component
}

fn statement(body: &mut OutcomeBody) -> &mut Statement {
    body.statement.as_mut().unwrap()
}

fn attribute(id: u32) -> Attribute {
    Attribute { id, bytes: "value".into() }
}

fn assert_broken(cases: &[(OutcomeKind, &'static str, Change)]) {
    let keys = keys();
    for (kind, what, change) in cases {
        let mut body = sample(*kind);
        change(&mut body);
        let description = described(&body);
        let refused = OutcomeError::Invalid { id: session(7), what };
        let sealed = seal(&body, Some(&description), keys.of(Role::All), &keys.chain);
        assert_eq!(sealed, Err(refused.clone()), "{kind}: {what}");
        let read = read_forged(&keys, Role::All, &wire::encode(&body), Some(&description));
        assert_eq!(read, Err(refused), "{kind}: {what}");
    }
}

#[test]
fn outcome_4_every_broken_rule_for_lists_is_named() {
    assert_broken(BROKEN_LISTS);
    let zero = OutcomeBody { id: session(0), ..sample(OutcomeKind::Abort) };
    assert_eq!(zero.encode(), Err(OutcomeError::Invalid { id: session(0), what: "its number is zero" }));
}

#[test]
fn outcome_5_every_broken_rule_for_what_was_seen_is_named() {
    assert_broken(BROKEN_SEEN);
}

#[test]
fn outcome_5_a_long_list_of_what_was_seen_lies_in_a_node() {
    for count in [293, 18_724] {
        let bytes = encode_overflow(session(7), seen(count)).unwrap();
        assert!(bytes.len() <= 1 << 20);
        assert_eq!(decode_overflow(session(7), &bytes), Ok(seen(count)));
    }
    let refused = |what| Err(OutcomeError::Invalid { id: session(7), what });
    let with = |entry| {
        let mut entries = seen(293);
        entries.push(entry);
        entries
    };
    let cases = [
        (seen(292), "its seen list does not belong into a node"),
        (seen(18_725), "its seen list does not belong into a node"),
        (with(seen(1)[0]), "its seen list is not sorted"),
        (with(SeenEntry { number: 0, ..own(1) }), "its seen list has a number of zero"),
        (with(own(7)), "it has seen itself"),
    ];
    for (entries, what) in cases {
        assert_eq!(decode_overflow(session(7), &wire::encode(&List(entries.clone()))), refused(what));
        assert_eq!(encode_overflow(session(7), entries).map(|_| Vec::new()), refused(what));
    }
    let cut = decode_overflow(session(7), &encode_overflow(session(7), seen(300)).unwrap()[..200]);
    assert!(matches!(cut, Err(OutcomeError::Body { .. })));
}

#[test]
fn outcome_6_every_broken_rule_for_components_is_named() {
    assert_broken(BROKEN_COMPONENTS);
}

#[test]
fn outcome_7_every_broken_rule_for_statements_and_attributes_is_named() {
    assert_broken(BROKEN_STATEMENTS);
}

#[test]
fn the_limits_themselves_are_accepted() {
    let limits: [(OutcomeKind, Change); 9] = [
        (OutcomeKind::Checkpoint, |body| body.packs.0 = ids(3000, PackId::from_bytes)),
        (OutcomeKind::Snapshot, |body| body.components.0 = vec![body.components.0[0]; 1024]),
        (OutcomeKind::Snapshot, |body| _ = missing(body)),
        (OutcomeKind::Snapshot, |body| {
            body.components.0[0].state = ComponentState::Partial;
            body.components.0[0].stat = None;
        }),
        (OutcomeKind::Abort, |body| body.seen.entries.0 = seen(292)),
        (OutcomeKind::Abort, |body| body.seen.entries.0.push(own(6))),
        (OutcomeKind::Abort, |body| {
            body.seen = Seen { base: 0, entries: List::default(), overflow: Some(NodeId::from_bytes([1; 32])) };
        }),
        (OutcomeKind::Repair, |body| body.attributes.0 = (0..1024).map(attribute).collect()),
        (OutcomeKind::Restate, |body| statement(body).kind = StatementKind::PinForgotten),
    ];
    let keys = keys();
    for (kind, change) in limits {
        let mut body = sample(kind);
        change(&mut body);
        let bytes = seal(&body, Some(&described(&body)), keys.of(Role::All), &keys.chain).unwrap();
        assert_eq!(open(body.id, keys.of(Role::Put), &keys.chain, &bytes).unwrap().body, body);
    }
}

#[test]
fn outcome_8_a_mandatory_attribute_that_is_not_known_is_refused() {
    let keys = keys();
    let mut body = sample(OutcomeKind::Snapshot);
    let mut description = described(&body);
    body.attributes.0 = vec![attribute(1)];
    description.attributes.0 = vec![attribute(1)];
    assert!(read_forged(&keys, Role::Put, &wire::encode(&body), Some(&description)).is_ok(), "ignorable");
    let attribute_id = MANDATORY | 1;
    let refused = OutcomeError::UnknownAttribute { id: session(7), attribute: attribute_id };
    description.attributes.0.push(attribute(attribute_id));
    let read = read_forged(&keys, Role::Put, &wire::encode(&body), Some(&description));
    assert_eq!(read, Err(refused.clone()), "in the description");
    body.attributes.0.push(attribute(attribute_id));
    let read = read_forged(&keys, Role::Put, &wire::encode(&body), Some(&described(&body)));
    assert_eq!(read, Err(refused.clone()), "in the body");
    assert_eq!(body.encode(), Err(refused));
}

type Redescribe = fn(&mut OutcomeDescription);

const BROKEN_DESCRIPTIONS: &[(&str, Redescribe)] = &[
    ("it describes another count of components", |description| description.components.0.clear()),
    ("a name or tag in its description is too long", |description| description.host = long(1025)),
    ("a name or tag in its description is too long", |description| description.user = long(1025)),
    ("a name or tag in its description is too long", |description| description.program = long(1025)),
    ("a name or tag in its description is too long", |description| description.tags.0.push(long(1025))),
    ("its tags are not sorted", |description| description.tags.0.push("daily".into())),
    ("a tag is empty", |description| description.tags.0.insert(0, Blob::default())),
    ("a path in its description is empty or too long", |description| description.paths.0.push(Blob::default())),
    ("a path in its description is empty or too long", |description| description.paths.0.push(long(65_537))),
    ("the name of a component is too long", |description| description.components.0[0].name = long(1025)),
    ("the reason of a component is too long", |description| description.components.0[0].reason = long(65_537)),
    ("the users of a component are not sorted", |description| description.components.0[0].users.0.reverse()),
    ("the groups of a component are not sorted", |description| {
        description.components.0[0].groups.0.push(owner(0, "wheel"));
    }),
    ("the name of a user or group is too long", |description| {
        description.components.0[0].users.0[0].name = long(1025);
    }),
    ("the name of a user or group is too long", |description| {
        description.components.0[0].groups.0[0].name = long(1025);
    }),
    ("it has too many attributes", |description| description.attributes.0 = (0..1025).map(attribute).collect()),
    ("its attributes are not sorted", |description| {
        description.attributes.0 = vec![attribute(1), attribute(1)];
    }),
];

#[test]
fn outcome_9_every_broken_rule_for_descriptions_is_named() {
    let keys = keys();
    let body = sample(OutcomeKind::Snapshot);
    for (what, change) in BROKEN_DESCRIPTIONS {
        let mut description = described(&body);
        change(&mut description);
        let refused = OutcomeError::Invalid { id: session(7), what };
        let sealed = seal(&body, Some(&description), keys.of(Role::Put), &keys.chain);
        assert_eq!(sealed, Err(refused.clone()), "{what}");
        let read = read_forged(&keys, Role::Read, &wire::encode(&body), Some(&description));
        assert_eq!(read, Err(refused), "{what}");
    }
}

#[test]
fn outcome_9_what_has_components_has_a_description() {
    let keys = keys();
    for kind in EVERY {
        let body = sample(kind);
        let refused = OutcomeError::Invalid { id: session(7), what: "it has no description" };
        let expected = if kind.has_components() { Err(refused) } else { Ok(()) };
        assert_eq!(seal(&body, None, keys.of(Role::All), &keys.chain).map(|_| ()), expected, "{kind}");
        assert_eq!(read_forged(&keys, Role::All, &wire::encode(&body), None).map(|_| ()), expected, "{kind}");
    }
}

fn opened_session(keys: &Keys, role: Role, number: u64, kind: SessionKind) -> Session {
    let liveness = Liveness { boot_id: [0; 16], pid_namespace: 1, pid: 2, process_start_ticks: 3 };
    let id = session(number);
    let body = SessionBody { id, kind, started_at_ns: NOW_NS, liveness, writer_version: Blob::default() };
    let bytes = session_record::seal(&body, None, keys.of(role), &keys.chain).unwrap();
    session_record::open(id, keys.of(Role::Read), &keys.chain, &bytes).unwrap()
}

fn ending(keys: &Keys, role: Role, kind: OutcomeKind, session: ObjectHash) -> Outcome {
    let body = OutcomeBody { session, ..sample(kind) };
    let bytes = seal(&body, Some(&described(&body)), keys.of(role), &keys.chain).unwrap();
    open(body.id, keys.of(Role::Read), &keys.chain, &bytes).unwrap()
}

#[test]
fn outcome_10_an_outcome_ends_only_the_session_that_it_names_and_that_its_key_opened() {
    let keys = keys();
    let refused = |what| Err(OutcomeError::Session { id: session(7), what });
    let own = opened_session(&keys, Role::Put, 7, SessionKind::Checkpoint);
    let checkpoint = |role, hash| ending(&keys, role, OutcomeKind::Checkpoint, hash);
    assert_eq!(checkpoint(Role::Put, own.hash).check_ends(&own), Ok(()));
    for role in [Role::Read, Role::Prune, Role::All] {
        let foreign = checkpoint(role, own.hash).check_ends(&own);
        assert_eq!(foreign, refused("it is not signed by the session's key"), "{role}");
    }
    let other = opened_session(&keys, Role::Put, 8, SessionKind::Checkpoint);
    assert_eq!(checkpoint(Role::Put, own.hash).check_ends(&other), refused("it ends another session"));
}

#[test]
fn outcome_10_a_collector_aborts_anybodys_session_and_a_writer_its_own() {
    let keys = keys();
    let own = opened_session(&keys, Role::Put, 7, SessionKind::Backup);
    for role in Role::EVERY {
        let abort = ending(&keys, role, OutcomeKind::Abort, own.hash);
        let refused = OutcomeError::Session { id: session(7), what: "it is not signed by the session's key" };
        let expected = if role == Role::Read { Err(refused) } else { Ok(()) };
        assert_eq!(abort.check_ends(&own), expected, "{role}");
    }
}

#[test]
fn outcome_22_an_outcome_that_names_another_object_stands_unless_another_key_opened_that() {
    let keys = keys();
    let late = opened_session(&keys, Role::Put, 7, SessionKind::Backup);
    let ending = |role, kind| ending(&keys, role, kind, hash(1)).check_ends(&late);
    assert_eq!(ending(Role::Put, OutcomeKind::Checkpoint), Ok(()), "nor does the kind of that one matter");
    assert_eq!(ending(Role::Prune, OutcomeKind::Abort), Ok(()));
    for role in [Role::Read, Role::Prune, Role::All] {
        let refused = OutcomeError::Session { id: session(7), what: "it is not signed by the session's key" };
        assert_eq!(ending(role, OutcomeKind::Checkpoint), Err(refused), "{role}");
    }
}

#[test]
fn outcome_11_a_session_ends_in_a_way_that_fits_its_kind() {
    use OutcomeKind as Ends;
    let fits: [(SessionKind, &[Ends]); 7] = [
        (SessionKind::Backup, &[Ends::Snapshot, Ends::Staged, Ends::Abort]),
        (SessionKind::Checkpoint, &[Ends::Checkpoint, Ends::Abort]),
        (SessionKind::Repack, &[Ends::Repack, Ends::Abort]),
        (SessionKind::Repair, &[Ends::Repair, Ends::Abort]),
        (SessionKind::Restate, &[Ends::Restate, Ends::Abort]),
        (SessionKind::Group, &[Ends::Group, Ends::Abort]),
        (SessionKind::Copy, &[Ends::Snapshot, Ends::Abort]),
    ];
    let keys = keys();
    for (session_kind, allowed) in fits {
        let opened = opened_session(&keys, Role::All, 7, session_kind);
        for kind in EVERY {
            let refused = OutcomeError::Session { id: session(7), what: "its kind does not fit the session's" };
            let expected = if allowed.contains(&kind) { Ok(()) } else { Err(refused) };
            let ends = ending(&keys, Role::All, kind, opened.hash).check_ends(&opened);
            assert_eq!(ends, expected, "{session_kind} ends in {kind}");
        }
    }
}

#[test]
fn a_body_above_its_cap_is_not_made() {
    let keys = keys();
    let body = OutcomeBody { packs: List(ids(525_000, PackId::from_bytes)), ..sample(OutcomeKind::Repack) };
    let refused = seal(&body, None, keys.of(Role::Prune), &keys.chain).unwrap_err();
    assert!(matches!(refused, OutcomeError::Envelope(EnvelopeError::TooLarge { part: "body", .. })), "{refused}");
}
