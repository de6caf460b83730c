//! One bit flipped in every byte of a small repository: it is reported, no restore brings back anything else without saying
//! so, exactly the files that can't come back are named, and with parity and second copies it is healed.

use super::judge::{Judge, Judgement};
use super::share::{Case, Share, try_all};
use super::story::Story;
use crate::store::{Folder, ObjectName};
use std::collections::BTreeSet;

/// How much at both ends of an object of each kind is always tried: more than any header or trailer has.
const END_BYTES: usize = 32;

fn flip(name: &ObjectName, bytes: &[u8], at: usize) -> Case {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << (at % 8);
    Case { wound: format!("{name} byte {at}"), changed: vec![(*name, Some(flipped))] }
}

/// The share of all bytes, and the ends of one object of each kind.
fn flips(story: &Story, share: Share) -> Vec<Case> {
    let (mut number, mut kinds, mut cases) = (0, BTreeSet::new(), Vec::new());
    for (name, bytes) in &story.objects {
        let is_first = kinds.insert(Story::kind(name, bytes));
        for at in 0..bytes.len() {
            let is_end = at < END_BYTES || bytes.len() - at <= END_BYTES;
            if share.takes(number) || is_first && is_end {
                cases.push(flip(name, bytes, at));
            }
            number += 1;
        }
    }
    cases
}

/// What only an open session needs has no second copy (format-spec/01-store.md): such objects are soon gone.
fn is_without_copy(name: &ObjectName) -> bool {
    matches!(name, ObjectName::Session(_) | ObjectName::Heartbeat(..))
}

fn wrong(story: &Story, case: &Case, judgement: &Judgement) -> Vec<String> {
    let (name, _) = &case.changed[0];
    let mut wrong: Vec<String> = judgement.lies.iter().map(|lie| format!("a lie: {lie}")).collect();
    // What it takes to open the repository has a second copy.
    if let Some(refusal) = &judgement.refusal {
        wrong.push(format!("refused: {refusal:?}"));
    } else {
        if !judgement.is_of(name) {
            wrong.push(format!("not told: {:?}", judgement.damage));
        }
        wrong.extend(judgement.wrongly_named());
    }
    let healed = Judge::heal(&story.wounded(&case.changed));
    if healed.iter().any(|(healed, bytes)| story.objects[healed] != *bytes && !is_without_copy(healed)) {
        wrong.push("not healed".to_owned());
    }
    wrong
}

#[test]
fn a_sound_repository_has_every_kind_of_object_and_all_of_it_comes_back() {
    let story = Story::new();
    let total: usize = story.objects.values().map(|bytes| bytes.len()).sum();
    let folders: BTreeSet<Folder> = story.objects.keys().map(ObjectName::folder).collect();
    assert_eq!(folders, Folder::ALL.into());
    assert!(total <= 64 << 10, "{total} bytes");
    let judgement = Judge::new(&story).judge(&story.store());
    assert!(judgement.refusal.is_none() && judgement.damage.is_empty(), "{judgement:?}");
    assert!(judgement.lost.is_empty() && judgement.lies.is_empty(), "{judgement:?}");
    assert!(Judge::heal(&story.store()) == story.objects);
}

#[test]
fn a_flipped_bit_is_reported_with_the_files_that_it_costs_and_healed_wherever_it_is() {
    let story = Story::new();
    let cases = flips(&story, Share::asked_for());
    try_all(&story, &cases, &|case, judgement, _| wrong(&story, case, judgement));
}
