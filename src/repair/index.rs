//! Rebuilding segments.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::heal::{self, Cure};
use crate::id::PackId;
use crate::outcome::{OutcomeKind, SegmentRef};
use crate::progress::{Event, Progress};
use crate::repair::aside::{self, Ailing, AilingPacks};
use crate::repair::control::LostControl;
use crate::repair::look::{IndexLook, Standing, notices};
use crate::repair::options::{IndexRepairPlan, IndexRepairReport, LostObject, RepairOptions};
use crate::repair::reading::{PackReader, class_of};
use crate::segment::{PackFacts, PackRow};
use crate::session::{self, Beating, History, Replacement, check_may_open, steadily};
use crate::session_record::SessionKind;
use crate::store::ObjectName;
use std::collections::BTreeSet;

/// Finds out what is wrong with the index. Nothing is changed. Costs a reading of all segments, and of all outcomes where
/// packs are unlisted.
///
/// # Errors
/// When the store can't be read, or the caller stops.
pub fn plan_index(access: &Access, progress: &dyn Progress) -> Result<IndexRepairPlan> {
    progress.event(&Event::Phase("reading segments"));
    let history = History::load(access)?;
    let look = IndexLook::take(access, &history, progress)?;
    let control = LostControl::find(access, progress)?;
    let lost = |(segment, wrong): &(SegmentRef, String)| LostObject {
        object: ObjectName::Segment(segment.id).to_string(),
        wrong: wrong.clone(),
    };
    Ok(IndexRepairPlan {
        lost_control: control.told(),
        lost_segments: look.lost.iter().map(lost).collect(),
        unlisted_pack_count: count(look.unlisted.len()),
        unlisted_bytes: look.unlisted.values().fold(0, |sum, pack| sum.saturating_add(pack.bytes)),
        healed_pack_count: count(look.healed.len()),
        notices: control.notices,
    })
}

/// Replaces segments that are gone or damaged, and lists every committed pack that is there. Packs that are listed anew
/// are read in full; those that can't be are set aside, and what can be read of them is copied.
///
/// # Errors
/// [`crate::ErrorKind::Denied`] when the key's role may not repair; when the store fails or the caller stops. Whatever was
/// committed until then stands, and another run goes on.
pub fn repair_index(access: &Access, options: &RepairOptions, progress: &dyn Progress) -> Result<IndexRepairReport> {
    check_may_open(access, SessionKind::Repair)?;
    let started = std::time::Instant::now();
    let mut healed_count = 0u64;
    let (mut report, rebuilt) = steadily(access, || {
        let history = History::load(access)?;
        progress.event(&Event::Phase("reading segments"));
        let mut look = IndexLook::take(access, &history, progress)?;
        let healed = heal_segments(access, &look);
        healed_count = healed_count.saturating_add(healed);
        if healed > 0 {
            look = IndexLook::take(access, &history, progress)?;
        }
        if look.is_clean() {
            // No session, so that nothing is left behind where nothing was to be done; the view may be new.
            session::bring_up_to_date(access, &history)?;
            let report = IndexRepairReport {
                notices: notices(access, &history, &BTreeSet::new())?,
                ..IndexRepairReport::default()
            };
            return Ok((report, AilingPacks::new()));
        }
        rebuild(access, Beating::open(access, &history, SessionKind::Repair, &options.writer)?, progress)
    })?;
    if !rebuilt.is_empty() {
        let done = aside::set_aside(access, options, &rebuilt, progress)?;
        (report.set_aside, report.written_bytes) = (done.packs, done.written_bytes);
    }
    Ok(IndexRepairReport { healed_segment_count: healed_count, duration: started.elapsed(), ..report })
}

/// Writes segments anew from their second copies, where those are right. Returns how many.
fn heal_segments(access: &Access, look: &IndexLook) -> u64 {
    let heal = |segment: &SegmentRef| heal::heal(access.store.as_ref(), &ObjectName::Segment(segment.id));
    // What can't be healed is rebuilt, whatever the reason.
    count(look.lost.iter().filter(|(segment, _)| matches!(heal(segment), Ok(cure) if cure != Cure::Unneeded)).count())
}

/// Publishes the segments. Returns the packs that could not be listed as well.
fn rebuild(access: &Access, mut session: Beating, progress: &dyn Progress) -> Result<(IndexRepairReport, AilingPacks)> {
    let (mut report, mut ailing) = <(IndexRepairReport, AilingPacks)>::default();
    match rebuild_in(access, &mut session, &mut report, &mut ailing, progress) {
        Ok(()) => Ok((report, ailing)),
        Err(error) => {
            session.give_up(access, &error);
            Err(error)
        }
    }
}

fn rebuild_in(
    access: &Access,
    session: &mut Beating,
    report: &mut IndexRepairReport,
    ailing: &mut AilingPacks,
    progress: &dyn Progress,
) -> Result<()> {
    progress.event(&Event::Phase("reading segments"));
    // Read again: the session is open, so what is there now is not collected before it ends.
    let history = History::load(access)?;
    report.notices = notices(access, &history, &BTreeSet::new())?;
    let look = IndexLook::take(access, &history, progress)?;
    if look.is_clean() {
        session.abort(access);
        return session::bring_up_to_date(access, &history).map(drop);
    }
    progress.event(&Event::Phase("reading packs"));
    let mut reading = PackReader::new(access);
    let mut replacement = Replacement::new(&history);
    let mut healed: Vec<PackRow> = Vec::new();
    for (pack, standing) in &look.healed {
        healed.extend(reading.derive(*pack, standing.session)?);
    }
    let without = healed.iter().map(|row| row.facts().pack).collect();
    aside::carry(access, &history, &look.sound, &without, &mut replacement)?;
    for (lost, _) in &look.lost {
        replacement.take_over(access, *lost, &[])?;
        report.replaced_segment_count = report.replaced_segment_count.saturating_add(1);
    }
    for row in healed {
        report.listed_pack_count = report.listed_pack_count.saturating_add(1);
        replacement.push(access, row)?;
    }
    for (pack, standing) in &look.unlisted {
        check_stopped(progress)?;
        session.beat_if_due(access)?;
        match reading.derive_healed(*pack, standing.session) {
            Ok(Ok(row)) => {
                report.listed_pack_count = report.listed_pack_count.saturating_add(1);
                replacement.push(access, row)?;
            }
            Ok(Err(wrong)) => drop(ailing.insert(*pack, ailing_of(access, *pack, *standing, wrong)?)),
            // Without it in a segment it would pass for garbage.
            Err(error) if error.is_refused() => return Err(unread(*pack, error)),
            Err(error) => return Err(error),
        }
        progress.event(&Event::Processed { files: 0, bytes: standing.bytes });
    }
    let segments = replacement.finish(access)?;
    if segments.is_empty() {
        session.abort(access);
    } else {
        session.commit(access, OutcomeKind::Repair, Vec::new(), segments)?;
    }
    session::bring_up_to_date(access, &History::load(access)?).map(drop)
}

fn unread(pack: PackId, error: Error) -> Error {
    let pack = ObjectName::Pack(pack);
    let message = format!(
        "{pack} may not be read by this user, and no segment lists it: nothing was rebuilt; let a user who may read it run this"
    );
    Error::new(ErrorKind::Denied, message).because(error)
}

fn ailing_of(access: &Access, pack: PackId, standing: Standing, wrong: String) -> Result<Ailing> {
    let (class, signer) = (class_of(access, pack)?, access.ring.signer());
    let facts = PackFacts { pack, class, bytes: standing.bytes, signer, session: standing.session };
    Ok(Ailing { facts, frames: None, is_present: true, wrong })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
