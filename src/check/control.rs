//! Small objects: configurations, key slots, sessions, outcomes, records, gc state, strangers; numbers without gaps.

use crate::access::Access;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::{Error, ErrorKind, Result};
use crate::heal;
use crate::id::{ClientId, SegmentId};
use crate::key::Slot;
use crate::outcome::{OutcomeKind, SegmentRef};
use crate::segment::SegmentReader;
use crate::session::{self, History, Overlooked, SegmentStand, read_segment};
use crate::store::{self, Folder, Listed, Mirrored, ObjectName};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

/// The largest key slot that is read.
const SLOT_BYTES_MAX: u64 = 1 << 20;

pub(super) fn check(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    let doubled = doubled(access, history)?;
    for trouble in &history.troubles {
        if trouble.error.kind() == ErrorKind::Exhausted {
            return Err(Error::new(ErrorKind::Exhausted, trouble.error.to_string()));
        }
        let mut wrong = trouble.error.to_string();
        let remedy = if trouble.error.is_refused() {
            remedy::UNREAD
        } else if trouble.object.folder() == Folder::Sessions {
            remedy::SIGN
        } else if let Some(own) = doubled.get(&trouble.object) {
            wrong = format!("{wrong}; it is a second file of {own}");
            remedy::DOUBLE
        } else {
            remedy::OBJECT
        };
        let object = trouble.object.to_string();
        findings.damage(Damage { object, wrong, remedy, ..Damage::default() }, []);
    }
    configurations(access, findings)?;
    slots(access, findings)?;
    strangers(access, findings)?;
    gaps(history, findings);
    lost_with_copy(access, findings)?;
    unfound(access, history, findings)?;
    lost_slots(access, findings)?;
    outcomes(history, findings);
    segments(access, history, findings)
}

/// What can't be believed and is a copy of something else, which can; with that.
fn doubled(access: &Access, history: &History) -> Result<BTreeMap<ObjectName, ObjectName>> {
    let damaged = history.troubles.iter().filter(|trouble| trouble.error.kind() == ErrorKind::Damaged);
    let suspects = damaged.map(|trouble| trouble.object).collect();
    Ok(store::doubles(access.store.as_ref(), &suspects)?)
}

/// The repository may have been opened by their second copies.
fn configurations(access: &Access, findings: &Findings<'_>) -> Result<()> {
    let mut names = Vec::new();
    access.store.list(Folder::Config, &mut |listed| {
        if let Listed::Object { name, .. } = listed {
            names.push(name);
        }
    })?;
    for name in names {
        let prove = || -> Result<()> {
            match store::flaw(&name, access.store.open(&name)?.as_ref())? {
                None => Ok(()),
                Some(wrong) => Err(Error::new(ErrorKind::Damaged, wrong)),
            }
        };
        if let Err(error) = prove().or_else(|_| prove()) {
            findings.control_error(&name.to_string(), error)?;
        }
    }
    Ok(())
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
            findings.control_error(&object.to_string(), error)?;
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

fn lost_with_copy(access: &Access, findings: &Findings<'_>) -> Result<()> {
    let gone = heal::Gone::find(access.store.as_ref())?;
    for (copy, wrong) in gone.told() {
        let (object, remedy) = (copy.to_string(), remedy::STRAY);
        findings.damage(Damage { object, wrong, remedy, ..Damage::default() }, []);
    }
    for lost in gone.lost {
        let (object, wrong) = (lost.to_string(), "it is gone; its second copy is there".to_owned());
        findings.damage(Damage { object, wrong, remedy: remedy::OBJECT, ..Damage::default() }, []);
    }
    Ok(())
}

/// What this machine knows to have been there. A gap is told by the numbers behind it.
fn unfound(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    let gaps = history.gaps();
    for Overlooked { session, wrong } in session::unfound(access, history)? {
        let is_told = gaps.iter().any(|(client, missed)| *client == session.client && missed.contains(&session.number));
        if !is_told {
            let object = ObjectName::Outcome(session).to_string();
            findings.damage(Damage { object, wrong, remedy: remedy::UNFOUND, ..Damage::default() }, []);
        }
    }
    Ok(())
}

/// Second copies of key slots that are gone, where others are there: whoever removes a slot removes the copy first, so that it
/// was lost; but then it might have been put there since.
fn lost_slots(access: &Access, findings: &Findings<'_>) -> Result<()> {
    let (mut slots, mut copies) = (BTreeSet::new(), BTreeSet::new());
    for folder in [Folder::Keys, Folder::Mirror] {
        access.store.list(folder, &mut |listed| match listed {
            Listed::Object { name: ObjectName::Key(slot), .. } => drop(slots.insert(slot)),
            Listed::Object { name: ObjectName::Mirror(Mirrored::Key(slot)), .. } => drop(copies.insert(slot)),
            Listed::Object { .. } | Listed::Stranger { .. } => {}
        })?;
    }
    // Where none is left, that is damage.
    for slot in copies.difference(&slots).filter(|_| !slots.is_empty()) {
        let (slot, copy) = (ObjectName::Key(*slot), ObjectName::Mirror(Mirrored::Key(*slot)));
        findings.notice(format!(
            "{slot} is gone, and its second copy is there: if nobody removed it, `holdall key import` puts {copy} back"
        ));
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

/// Every segment that an outcome names is there and says what an outcome says; or another one has taken its place.
fn segments(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    let stand = SegmentStand::of(access, history)?;
    let mut proven = BTreeMap::new();
    for (id, named) in history.segments().iter().filter(|(id, _)| stand.counting.contains(*id)) {
        let check = || named.proven(&SegmentReader::parse(*id, &read_segment(access, *id)?)?);
        match check().or_else(|_| check()) {
            Ok(reference) => {
                proven.insert(*id, reference);
            }
            Err(error) => findings.damage(segment_damage(*id, error.found()?.to_string()), []),
        }
    }
    misnamed(history, &proven, findings);
    for reference in stand.absent {
        findings.damage(segment_damage(reference.id, "it is gone, and no segment replaces it".to_owned()), []);
    }
    Ok(())
}

fn segment_damage(id: SegmentId, wrong: String) -> Damage {
    Damage { object: ObjectName::Segment(id).to_string(), wrong, remedy: remedy::SEGMENT, ..Damage::default() }
}

/// Outcomes that give segments other counts than these have. Nothing hangs on them, and nobody can take them away: a notice.
fn misnamed(history: &History, proven: &BTreeMap<SegmentId, SegmentRef>, findings: &Findings<'_>) {
    for (id, held) in history.committed() {
        let is_wrong = |named: &&SegmentRef| proven.get(&named.id).is_some_and(|proven| proven != *named);
        if let Some(named) = held.body.segments.0.iter().find(is_wrong) {
            let (outcome, segment) = (ObjectName::Outcome(*id), ObjectName::Segment(named.id));
            findings.notice(format!(
                "{outcome} gives {segment} other counts than it has, which changes nothing: no honest program writes this; \
                 find out who holds the key that signed it"
            ));
        }
    }
}
