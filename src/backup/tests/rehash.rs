//! What did not change by its stat, read again: each file in its turn, whatever comes between, and what has rotted is found.

use super::disc::{Place, key};
use super::ended_early::{EnoughFrom, WhileReading};
use super::noise;
use crate::backup::{BackupOptions, BackupReport, ParentChoice, ProblemKind, RehashShare, Rehashed};
use crate::error::ErrorKind;
use crate::id::SnapshotId;
use crate::manifest::{Key, State};
use crate::progress::{Event, Progress, Silent};
use std::collections::BTreeMap;

impl Place {
    /// Reads a share again.
    fn rehash(&self, ten_thousandths: u16) -> (BackupReport, Rehashed) {
        let report = self.back_up(&sharing(ten_thousandths), &Silent).unwrap();
        let rehashed = report.rehashed.unwrap();
        (report, rehashed)
    }

    fn position(&self, id: SnapshotId) -> Option<Key> {
        self.snapshot(id).origin.unwrap().rehashed_to
    }
}

fn sharing(ten_thousandths: u16) -> BackupOptions {
    BackupOptions::default().rehash(RehashShare::parse(ten_thousandths).unwrap())
}

fn kinds(report: &BackupReport) -> Vec<ProblemKind> {
    report.problems.iter().map(|problem| problem.kind).collect()
}

/// Short files, short ones around a huge one, and none but the huge one; files of no bytes among them.
fn shapes() -> [Vec<usize>; 5] {
    let (short, huge) = (|count: usize| (0..count).map(|number| 500 + number * 7), 3 << 20);
    [
        short(40).collect(),
        short(20).chain([huge, 0, 0]).chain(short(20)).collect(),
        [huge, 0].into_iter().chain(short(9)).collect(),
        [0].into_iter().chain(short(9)).chain([huge]).collect(),
        vec![huge],
    ]
}

#[test]
fn everything_is_read_again_in_the_promised_number_of_runs_and_nothing_is_stored_anew() {
    for (lengths, ten_thousandths) in
        shapes().into_iter().flat_map(|shape| [10_000, 5000, 3333, 700].map(|s| (shape.clone(), s)))
    {
        let place = Place::with_files(lengths);
        let files = place.disc.files();
        let total: usize = files.values().sum();
        let longest = files.values().max().unwrap();
        let share_bytes = (total * usize::from(ten_thousandths)).div_ceil(10_000);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for run in 0..RehashShare::parse(ten_thousandths).unwrap().run_count() {
            let (report, rehashed) = place.rehash(ten_thousandths);
            let opened = place.disc.opened();
            let bytes: usize = opened.iter().map(|name| files[name]).sum();
            let what = format!("{ten_thousandths} of {total}, run {run}: {opened:?}");
            assert!(bytes + longest > share_bytes && bytes < share_bytes + longest, "{what}");
            let told = (usize::try_from(rehashed.file_count), usize::try_from(rehashed.content_bytes));
            assert_eq!(told, (Ok(opened.len()), Ok(bytes)), "{what}");
            assert_eq!(
                (rehashed.differing_count, rehashed.cut_short_count, report.problems.count()),
                (0, 0, 0),
                "{what}"
            );
            assert_eq!((report.content_raw_bytes, report.tree_raw_bytes), (0, 0), "{what}");
            assert_eq!(report.changes.files_unmodified, u64::try_from(files.len()).unwrap(), "{what}");
            opened.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
        }
        for (name, length) in &files {
            let count = counts.get(name).copied().unwrap_or_default();
            assert_eq!(count > 0, *length > 0, "{name} of {total} with {ten_thousandths}");
        }
    }
}

/// Each run is behind the one before it: in 50 runs at 2 % nothing short is read twice, but for what the last one takes of
/// the next round.
#[test]
fn a_round_takes_each_file_once() {
    let place = Place::with_files(std::iter::repeat_n(1000, 100));
    for round in 0..2 {
        let mut opened: Vec<String> = (0..50)
            .flat_map(|_| {
                place.rehash(200);
                place.disc.opened()
            })
            .collect();
        assert!(opened.is_sorted(), "{round}: {opened:?}");
        opened.dedup();
        assert_eq!(opened.len(), 100, "{round}");
    }
}

#[test]
fn what_comes_and_goes_between_runs_keeps_nothing_from_its_turn() {
    let place = Place::with_files((0..100).map(|number| 900 + number));
    let stays = |name: &String| name.parse::<u32>().is_ok_and(|number| number % 3 != 0);
    let mut left: Vec<String> = place.disc.files().into_keys().filter(stays).collect();
    let mut stopped = None;
    // What comes ahead of the position makes a round longer, by a ninth at most.
    for run in 0..20 + 20 / 9 {
        let others: Vec<String> = place.disc.files().into_keys().filter(|name| !stays(name)).collect();
        // Also the very file at which the last run has stopped.
        let stopped_at = stopped.take().filter(|name| others.contains(name));
        place.disc.remove(&stopped_at.unwrap_or_else(|| others[run % others.len()].clone()));
        place.disc.write(&format!("{:03}x{run}", (run * 37) % 100), noise(run.try_into().unwrap(), 500));
        let (report, _) = place.rehash(500);
        assert_eq!((report.problems.count(), report.changes.files_new), (0, 1));
        let opened = place.disc.opened();
        left.retain(|name| !opened.contains(name));
        stopped = place.position(report.snapshot).map(|key| String::from_utf8(key.name().to_vec()).unwrap());
    }
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn outcome_23_a_position_moves_with_complete_runs_alone_and_is_handed_down_by_the_others() {
    let place = Place::with_files(std::iter::repeat_n(1000, 20));
    assert_eq!(place.position(place.first()), None);
    let one = place.rehash(1000).0.snapshot;
    assert_eq!(
        (place.position(one), place.disc.opened()),
        (Some(key("001")), vec!["000".to_owned(), "001".to_owned()])
    );
    let without = place.first();
    assert_eq!(place.position(without), Some(key("001")));

    // The walk asks at the root, the folder, and each file.
    let partial = place.back_up(&sharing(1000), &EnoughFrom::call(15)).unwrap();
    assert!(partial.unfinished.is_some());
    assert_eq!(
        (place.position(partial.snapshot), place.disc.opened()),
        (Some(key("001")), vec!["002".to_owned(), "003".to_owned()])
    );
    let stopped = place.back_up(&sharing(1000), &Stopping).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    place.disc.opened();
    let two = place.rehash(1000).0.snapshot;
    assert_eq!(
        (place.position(two), place.disc.opened()),
        (Some(key("003")), vec!["002".to_owned(), "003".to_owned()])
    );

    // A parent that was named says from where, and none leaves nothing unchanged.
    let old = sharing(1000).parent(ParentChoice::Snapshot(one));
    let again = place.back_up(&old, &Silent).unwrap().snapshot;
    assert_eq!(
        (place.position(again), place.disc.opened()),
        (Some(key("003")), vec!["002".to_owned(), "003".to_owned()])
    );
    let anew = place.back_up(&sharing(1000).parent(ParentChoice::Nothing), &Silent).unwrap();
    assert_eq!((place.position(anew.snapshot), anew.rehashed), (None, Some(Rehashed::default())));
}

/// Stops at once.
struct Stopping;

impl Progress for Stopping {
    fn event(&self, _: &Event<'_>) {}

    fn stopped(&self) -> bool {
        true
    }
}

#[test]
fn a_file_that_is_not_read_again_to_its_end_in_time_stays_and_has_its_turn_again() {
    let place = Place::with_files([1000, 3 << 20, 1000]);
    let report = place.back_up(&sharing(10_000), &WhileReading::default()).unwrap();
    let rehashed = report.rehashed.unwrap();
    assert_eq!((rehashed.file_count, rehashed.cut_short_count), (2, 1));
    assert_eq!((report.problems.count(), report.unfinished.clone(), place.position(report.snapshot)), (0, None, None));
    assert_eq!(place.content(report.snapshot, "001"), place.disc.bytes("001"));
    assert_eq!(place.rehash(10_000).1.file_count, 3);
}

#[test]
fn without_a_share_nothing_unchanged_is_read() {
    let place = Place::with_files([1000, 0, 3 << 20]);
    place.disc.rot("000", 7);
    place.first();
    assert_eq!(place.disc.opened(), Vec::<String>::new());
}

/// In the entry, in one chunk, in several, in a tree of items; at the beginning, within and at the end.
#[test]
fn outcome_24_a_flipped_bit_below_an_unchanged_stat_is_reported_and_stored_and_the_old_bytes_are_named() {
    let lengths = [10, 4000, 600_000, 3 << 20];
    for (number, length) in lengths.into_iter().enumerate() {
        for at in [0, length / 2, length - 1] {
            let place = Place::with_files(lengths);
            let before = place.rehash(10_000).0.snapshot;
            let name = format!("{number:03}");
            let old = place.disc.bytes(&name);
            place.disc.rot(&name, at);
            let (report, rehashed) = place.rehash(10_000);
            assert_eq!(kinds(&report), [ProblemKind::ChangedUnderItsStat { before }], "{name} at {at}");
            assert_eq!((rehashed.file_count, rehashed.differing_count), (4, 1));
            assert_eq!((report.changes.files_changed, report.changes.files_unmodified), (1, 3));
            let problem = &report.problems[0];
            assert_eq!(problem.path, format!("/t/{name}").into_bytes());
            let id = before.short();
            for part in [format!("`holdall restore {id}:/t/{name} --target DIR`"), format!("`holdall pin {id}`")] {
                assert!(problem.message.contains(&part), "{}", problem.message);
            }
            assert_eq!(place.content(before, &name), old);
            assert_eq!(place.content(report.snapshot, &name), place.disc.bytes(&name));
            let (quiet, rehashed) = place.rehash(10_000);
            assert_eq!((quiet.problems.count(), rehashed.file_count, rehashed.differing_count), (0, 4, 0));
        }
    }
}

#[test]
fn a_file_with_several_names_is_read_once_and_rots_under_all_of_them() {
    let place = Place::new();
    place.disc.write("b", noise(1, 5000));
    place.disc.link("b", "d");
    place.disc.link("b", "f");
    ["a", "c", "e", "g"].iter().for_each(|name| place.disc.write(name, vec![7; 5000]));
    let before = place.first();
    place.rehash(10_000);
    assert_eq!(place.disc.opened(), ["a", "b", "c", "e", "g"]);
    place.disc.rot("b", 2500);
    let (report, rehashed) = place.rehash(10_000);
    assert_eq!((rehashed.differing_count, report.problems.count(), report.counts.hard_links), (1, 1, 2));
    let held = ["b", "d", "f"].map(|name| place.entry(report.snapshot, name));
    assert!(held.iter().all(|entry| entry.body == held[0].body && entry.group == held[0].group), "{held:?}");
    assert_eq!(place.content(report.snapshot, "f"), place.disc.bytes("b"));
    assert_ne!(place.content(before, "f"), place.disc.bytes("b"));
}

#[test]
fn a_file_that_can_t_be_read_again_is_unreadable_as_any_other_and_the_old_bytes_are_named() {
    let place = Place::with_files([5000, 5000]);
    let before = place.first();
    place.disc.fail("001", true);
    for is_first in [true, false] {
        let (report, rehashed) = place.rehash(10_000);
        assert_eq!(kinds(&report), [ProblemKind::Unreadable]);
        assert_eq!((rehashed.file_count, report.counts.unreadable), (1, 1));
        assert!(matches!(place.entry(report.snapshot, "001").state, State::Unreadable { errno: 5 }));
        let advice = format!("{} has what it held before", before.short());
        assert_eq!(report.problems[0].message.contains(&advice), is_first, "{}", report.problems[0].message);
    }
    place.disc.fail("001", false);
    let (report, _) = place.rehash(10_000);
    assert_eq!((report.problems.count(), place.content(report.snapshot, "001")), (0, place.disc.bytes("001")));
}

#[test]
fn a_file_that_moves_while_it_is_read_again_has_changed_and_not_rotted() {
    let place = Place::with_files([5000, 5000]);
    place.disc.move_always("000");
    let (report, rehashed) = place.rehash(10_000);
    assert_eq!((kinds(&report), rehashed.file_count), (vec![ProblemKind::Inconsistent], 1));
}

#[test]
fn a_share_is_a_part_of_the_whole_that_so_many_runs_exhaust() {
    for (ten_thousandths, run_count) in [(1, 10_000), (200, 50), (3000, 4), (3333, 4), (5000, 2), (10_000, 1)] {
        let share = RehashShare::parse(ten_thousandths).unwrap();
        assert_eq!(share.run_count(), run_count);
        for bytes in [1, 2, 9999, 10_001, u64::MAX] {
            assert!(share.of(bytes).saturating_mul(run_count.into()) >= bytes, "{ten_thousandths} of {bytes}");
            assert!((1..=bytes).contains(&share.of(bytes)), "{ten_thousandths} of {bytes}");
        }
    }
    assert_eq!((RehashShare::parse(0), RehashShare::parse(10_001)), (None, None));
}
