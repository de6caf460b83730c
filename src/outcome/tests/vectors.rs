//! Vectors of outcomes.

use super::*;
use crate::envelope::testing::{Vector, check_vectors, seal_fixed};

const HEAD: &str = "\
# Outcomes, all of session 7 of the client c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1. Configurations and secrets are those of
# ../envelope. The session object is not among them: that an outcome ends its session is not checked here.
# file | verdict | refusal | comment
";

type Case = (&'static str, &'static str, Role, Vec<u8>, Option<OutcomeDescription>);

fn valid() -> Vec<Case> {
    let names = ["snapshot", "checkpoint", "staged", "group", "repack", "repair", "restate", "abort"];
    let comments = [
        "one complete component",
        "packs alone",
        "a component that waits for a group",
        "of one staged outcome",
        "by a collector",
        "by a collector",
        "takes a forget back",
        "by a collector",
    ];
    let kinds = EVERY.into_iter().zip(names).zip(comments);
    let mut cases: Vec<Case> = kinds
        .map(|((kind, name), comment)| {
            let body = sample(kind);
            let description = kind.has_components().then(|| described(&body));
            let role = if kind.has_components() { Role::Read } else { Role::Prune };
            (name, comment, role, wire::encode(&body), description)
        })
        .collect();
    let mut body = sample(OutcomeKind::Snapshot);
    body.components.0.push(*missing(&mut sample(OutcomeKind::Snapshot)));
    body.attributes.0.push(attribute(5));
    let mut description = described(&body);
    description.components.0[1].reason = "the database did not answer".into();
    cases.push((
        "missing",
        "an optional component is missing, and an attribute to ignore",
        Role::Read,
        wire::encode(&body),
        Some(description),
    ));
    cases
}

fn changed(name: &'static str, comment: &'static str, kind: OutcomeKind, change: Change) -> Case {
    let mut body = sample(kind);
    change(&mut body);
    let description = kind.has_components().then(|| described(&body));
    (name, comment, Role::All, wire::encode(&body), description)
}

fn invalid() -> Vec<Case> {
    let whole = sample(OutcomeKind::Snapshot);
    let redescribed = |name, comment, change: Redescribe| {
        let mut description = described(&whole);
        change(&mut description);
        (name, comment, Role::Read, wire::encode(&whole), Some(description))
    };
    let mut unknown = wire::encode(&sample(OutcomeKind::Abort));
    unknown[KIND_OFFSET] = 8;
    let mut short = wire::encode(&sample(OutcomeKind::Checkpoint));
    short.pop();
    vec![
        changed("other", "the outcome of session 8", OutcomeKind::Abort, |body| body.id.number = 8),
        ("kind", "kind 8", Role::All, unknown, None),
        ("short", "the body's last byte is missing", Role::All, short, None),
        ("role", "a repack by a key that may not", Role::Read, wire::encode(&sample(OutcomeKind::Repack)), None),
        ("undescribed", "a snapshot without a description", Role::Read, wire::encode(&whole), None),
        changed("packs", "packs out of order", OutcomeKind::Checkpoint, |body| body.packs.0.reverse()),
        changed("no-component", "a snapshot of nothing", OutcomeKind::Snapshot, |body| body.components.0.clear()),
        changed("members", "a snapshot with members", OutcomeKind::Snapshot, |body| body.members.0.push(snapshot(1))),
        changed("no-statement", "a restate that states nothing", OutcomeKind::Restate, |body| body.statement = None),
        changed("abort-packs", "an abort with a pack", OutcomeKind::Abort, |body| body.packs.0.push(pack(1))),
        changed("base", "continues a list that is not older", OutcomeKind::Abort, |body| body.seen.base = 7),
        changed("seen-order", "a client twice", OutcomeKind::Abort, |body| {
            body.seen.entries.0.push(body.seen.entries.0[0]);
        }),
        changed("seen-itself", "its own number is seen", OutcomeKind::Abort, |body| body.seen.entries.0.push(own(7))),
        changed("no-manifest", "a complete component without a manifest", OutcomeKind::Snapshot, |body| {
            body.components.0[0].manifest = None;
        }),
        changed("required", "a required component is missing", OutcomeKind::Snapshot, |body| {
            missing(body).required = true
        }),
        changed("stream", "a stream with a stat tree", OutcomeKind::Snapshot, |body| {
            body.components.0[0].kind = ComponentKind::Stream;
        }),
        changed("attribute", "a mandatory attribute that nobody knows", OutcomeKind::Repair, |body| {
            body.attributes.0.push(attribute(MANDATORY | 5));
        }),
        redescribed("descriptions", "describes no component", |description| description.components.0.clear()),
        redescribed("tags", "a tag twice", |description| description.tags.0.push("daily".into())),
        redescribed("users", "user ids out of order", |description| description.components.0[0].users.0.reverse()),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let judged = valid().into_iter().chain(invalid()).map(|(name, comment, role, body, description)| {
        let described = description.as_ref().map(wire::encode);
        let ring = keys.of(role);
        let bytes = seal_fixed(Kind::Outcome, ring, &keys.chain, &body, described.as_deref(), 0x0e).unwrap();
        let refused = open(session(7), keys.of(Role::Read), &keys.chain, &bytes).err();
        Vector { name, comment, bytes, refusal: refused.map(|error| error.to_string()) }
    });
    check_vectors("outcome", HEAD, &judged.collect::<Vec<_>>());
}
