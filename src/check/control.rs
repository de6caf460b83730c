//! Small objects: configurations, key slots, sessions, outcomes, records, gc state, strangers; numbers without gaps.

use crate::access::Access;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::Result;
use crate::id::ClientId;
use crate::key::Slot;
use crate::outcome::OutcomeKind;
use crate::session::{History, read_segment};
use crate::store::{Folder, Listed, ObjectName};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

/// The largest key slot that is read.
const SLOT_BYTES_MAX: u64 = 1 << 20;

pub(super) fn check(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    for trouble in &history.troubles {
        findings.control_error(&trouble.object, &trouble.error);
    }
    slots(access, findings)?;
    strangers(access, findings)?;
    gaps(history, findings);
    outcomes(history, findings);
    segments(access, history, findings)
}

fn slots(access: &Access, findings: &Findings<'_>) -> Result<()> {
    let mut names = Vec::new();
    access.store.list(Folder::Keys, &mut |listed| {
        if let Listed::Object { name: ObjectName::Key(name), .. } = listed {
            names.push(name);
        }
    })?;
    for name in names {
        let object = ObjectName::Key(name);
        let parse = || -> Result<()> {
            let bytes = access.store.read(&object, SLOT_BYTES_MAX)?;
            Ok(Slot::parse(&name, &bytes).map(drop)?)
        };
        if let Err(error) = parse().or_else(|_| parse()) {
            findings.control_error(&object.to_string(), &error);
        }
    }
    Ok(())
}

fn strangers(access: &Access, findings: &Findings<'_>) -> Result<()> {
    for folder in Folder::ALL {
        access.store.list(folder, &mut |listed| {
            if let Listed::Stranger { path } = listed {
                findings.notice(format!("{path} is no object of this repository; nothing reads it"));
            }
        })?;
    }
    Ok(())
}

/// Numbers that a client skipped hide something that was lost: outcomes, and nothing may be collected until they are
/// found; or statements.
fn gaps(history: &History, findings: &Findings<'_>) {
    tell_gaps("outcomes", history.gaps(), findings);
    tell_gaps("records", history.record_gaps(), findings);
}

fn tell_gaps(folder: &str, gaps: Vec<(ClientId, RangeInclusive<u64>)>, findings: &Findings<'_>) {
    let mut by_client: BTreeMap<ClientId, (u64, Vec<u64>)> = BTreeMap::new();
    for (client, numbers) in gaps {
        let (count, first) = by_client.entry(client).or_default();
        *count = count.saturating_add(numbers.end().saturating_sub(*numbers.start()).saturating_add(1));
        first.extend(numbers.take(10));
    }
    for (client, (count, first)) in by_client {
        let missing: Vec<String> = first.iter().take(10).map(u64::to_string).collect();
        let damage = Damage {
            object: format!("{folder}/{client}"),
            place: format!("numbers {}", missing.join(", ")),
            wrong: format!("{count} {folder} of this client are gone"),
            remedy: remedy::OBJECT,
            ..Damage::default()
        };
        findings.damage(damage, []);
    }
}

/// Members of groups must be there.
fn outcomes(history: &History, findings: &Findings<'_>) {
    let staged: HashSet<_> = history
        .committed()
        .filter(|(_, held)| held.body.kind == OutcomeKind::Staged)
        .map(|(_, held)| *held.hash.as_bytes())
        .collect();
    for (id, held) in history.committed() {
        for member in held.body.members.0.iter().filter(|member| !staged.contains(member.as_bytes())) {
            let damage = Damage {
                object: ObjectName::Outcome(*id).to_string(),
                place: format!("member {member}"),
                wrong: "the staged outcome that it groups is not there".to_owned(),
                snapshots: BTreeSet::from([held.snapshot_id()]),
                remedy: remedy::OBJECT,
                ..Damage::default()
            };
            findings.damage(damage, []);
        }
    }
}

/// Every segment that an outcome names is there and says what the outcome says; or another one replaced it, through
/// any number of steps.
fn segments(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    let mut replaced = BTreeMap::new();
    let mut absent = Vec::new();
    for (_, held) in history.committed() {
        for reference in &held.body.segments.0 {
            let object = ObjectName::Segment(reference.id).to_string();
            let body = match read_segment(access, reference.id).or_else(|_| read_segment(access, reference.id)) {
                Ok(body) => body,
                Err(_) if !is_present(access, reference.id)? => {
                    absent.push(*reference);
                    continue;
                }
                Err(error) => {
                    findings.control_error(&object, &error);
                    continue;
                }
            };
            match crate::segment::SegmentReader::parse(reference.id, &body) {
                Ok(segment) => {
                    if (segment.pack_count(), segment.chunk_count()) != (reference.pack_count, reference.chunk_count) {
                        let error = crate::error::Error::new(
                            crate::error::ErrorKind::Damaged,
                            "it holds other counts than the outcome that names it",
                        );
                        findings.control_error(&object, &error);
                    }
                    replaced.extend(segment.replaced().iter().map(|old| (old.segment, *old)));
                }
                Err(error) => findings.control_error(&object, &error.into()),
            }
        }
    }
    for reference in absent {
        let stands_in = replaced
            .get(&reference.id)
            .is_some_and(|old| (old.pack_count, old.chunk_count) == (reference.pack_count, reference.chunk_count));
        if !stands_in {
            let damage = Damage {
                object: ObjectName::Segment(reference.id).to_string(),
                wrong: "it is gone, and no segment replaces it".to_owned(),
                remedy: remedy::SEGMENT,
                ..Damage::default()
            };
            findings.damage(damage, []);
        }
    }
    Ok(())
}

fn is_present(access: &Access, id: crate::id::SegmentId) -> Result<bool> {
    match access.store.open(&ObjectName::Segment(id)) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
