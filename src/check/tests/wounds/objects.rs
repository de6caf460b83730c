//! Each object of a small repository deleted, cut short at each length, zeroed, doubled, and with the bytes of each other.

use super::judge::Judgement;
use super::share::{Case, Share, try_all};
use super::story::Story;
use crate::store::ObjectName;

fn case(wound: &str, name: &ObjectName, bytes: Option<Vec<u8>>) -> Case {
    Case { wound: format!("{name} {wound}"), changed: vec![(*name, bytes)] }
}

fn wrong(story: &Story, case: &Case, judgement: &Judgement, told: &[ObjectName]) -> Vec<String> {
    let mut wrong: Vec<String> = judgement.lies.iter().map(|lie| format!("a lie: {lie}")).collect();
    if judgement.refusal.is_some() {
        if !case.changed.iter().any(|(name, _)| story.is_needed_to_open(name)) {
            wrong.push(format!("refused: {:?}", judgement.refusal));
        }
        return wrong;
    }
    for name in told.iter().filter(|name| !judgement.is_of(name)) {
        wrong.push(format!("{name} is not told: {:?}", judgement.damage));
    }
    wrong.extend(judgement.wrongly_named());
    wrong
}

fn changed(case: &Case) -> Vec<ObjectName> {
    case.changed.iter().map(|(name, _)| *name).collect()
}

#[test]
fn an_object_that_is_zeroed_or_doubled_is_told_with_the_files_that_it_costs() {
    let story = Story::new();
    let mut cases = Vec::new();
    for (name, bytes) in &story.objects {
        cases.push(case("zeroed", name, Some(vec![0; bytes.len()])));
        cases.push(case("doubled", name, Some([&bytes[..], &bytes[..]].concat())));
    }
    try_all(&story, &cases, &|case, judgement, _| wrong(&story, case, judgement, &changed(case)));
}

#[test]
fn an_object_that_is_cut_short_is_told_with_the_files_that_it_costs() {
    let (story, share) = (Story::new(), Share::asked_for());
    let (mut number, mut cases) = (0, Vec::new());
    for (name, bytes) in &story.objects {
        for length in 0..bytes.len() {
            if share.takes(number) || length == 0 || length + 1 == bytes.len() {
                cases.push(case(&format!("cut at {length}"), name, Some(bytes[..length].to_vec())));
            }
            number += 1;
        }
    }
    try_all(&story, &cases, &|case, judgement, _| wrong(&story, case, judgement, &changed(case)));
}

#[test]
fn objects_that_are_exchanged_are_told_with_the_files_that_it_costs() {
    let (story, share) = (Story::new(), Share::asked_for());
    let (mut number, mut cases) = (0, Vec::new());
    for (at, (name, bytes)) in story.objects.iter().enumerate() {
        for (other, others) in story.objects.iter().skip(at + 1) {
            let is_copy = bytes == others;
            if !is_copy && share.takes(number / 20) {
                let changed = vec![(*name, Some(others.to_vec())), (*other, Some(bytes.to_vec()))];
                cases.push(Case { wound: format!("{name} and {other} exchanged"), changed });
            }
            number += 1;
        }
    }
    // A segment counts where an outcome names it, a pack where a segment lists it, parity with its pack, and a snapshot while
    // it is not forgotten: of two that depend on each other one may hide the other until it is healed.
    let counts = |name: &ObjectName| {
        use ObjectName::{Outcome, Pack, Parity, Segment};
        matches!(name, Outcome(_) | Segment(_) | Pack(_) | Parity(_))
    };
    try_all(&story, &cases, &|case, judgement, _| {
        let both = changed(case);
        if both.iter().all(counts) && both.iter().any(|name| judgement.is_of(name)) {
            return judgement.lies.clone();
        }
        wrong(&story, case, judgement, &both)
    });
}

/// Objects that may go, so that nobody can tell one that was lost from one that was removed.
fn may_be_removed(name: &ObjectName) -> bool {
    match name {
        // Whoever removes a key removes its slot; a session that ended is tidied away, and with it its signs of life; a
        // newer statement about what was verified replaces older ones; a prune retires generations.
        ObjectName::Key(_)
        | ObjectName::Session(_)
        | ObjectName::Heartbeat(..)
        | ObjectName::Verified(..)
        | ObjectName::Condemned { .. }
        | ObjectName::Deleted { .. } => true,
        // No object needs one. Adding parity makes it anew.
        ObjectName::Parity(_) | ObjectName::Mirror(_) => true,
        ObjectName::Config(_)
        | ObjectName::Pack(_)
        | ObjectName::Segment(_)
        | ObjectName::Outcome(_)
        | ObjectName::Record(..) => false,
    }
}

#[test]
fn an_object_that_is_gone_is_told_with_the_files_that_it_costs() {
    let story = Story::new();
    let cases: Vec<Case> = story.objects.keys().map(|name| case("gone", name, None)).collect();
    try_all(&story, &cases, &|case, judgement, _| {
        let told: Vec<ObjectName> = changed(case).into_iter().filter(|name| !may_be_removed(name)).collect();
        wrong(&story, case, judgement, &told)
    });
}
