use super::*;
use crate::forget::{KeepCount, Period};
use crate::outcome::ComponentState;
use crate::record::RecordKind;
use crate::session::testing::{Told, state, tell};

const DAY_NS: i64 = 86_400_000_000_000;
const YEAR_NS: i64 = 365 * DAY_NS;
/// The present, by a clock that is right.
const NOW_NS: i64 = 20_000 * DAY_NS;

fn daily(count: u32) -> RetentionOptions {
    options(RetentionPolicy::default().keep(Period::Daily, KeepCount::AtMost(count)))
}

fn options(policy: RetentionPolicy) -> RetentionOptions {
    RetentionOptions::new(policy).zone(Zone::UTC).now_ns(NOW_NS)
}

/// A snapshot of so many days ago that saw all before it.
fn told(number: u64, days_ago: i64) -> Told {
    let time_ns = NOW_NS - days_ago * DAY_NS - 1;
    let seen = number.checked_sub(1).filter(|seen| *seen > 0);
    Told { number, time_ns, committed_at_ns: time_ns, seen, ..Told::default() }
}

fn plan(history: &History, options: &RetentionOptions) -> Result<ForgetPlan> {
    by_policy(history, options, &|outcome| panic!("the list of {} stands in it", outcome.body.id))
}

fn fates(history: &History, options: &RetentionOptions) -> BTreeMap<SnapshotId, Fate> {
    let planned = plan(history, options).unwrap();
    let verdicts = planned.groups.into_iter().flat_map(|group| group.verdicts);
    verdicts.map(|verdict| (verdict.snapshot.id, verdict.fate)).collect()
}

fn stays(fate: &Fate) -> bool {
    matches!(fate, Fate::Stays(_))
}

#[test]
fn a_policy_without_rules_is_refused() {
    let refused = plan(&History::default(), &options(RetentionPolicy::default())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn the_last_snapshot_of_a_group_is_never_removed_by_a_policy_alone() {
    let mut history = History::default();
    let [old, new] = [(1, 900), (2, 800)].map(|(number, days)| tell(&mut history, &told(number, days)));
    let by_tag = options(RetentionPolicy::default().keep_tags(vec![b"never".to_vec()]));
    let fates = fates(&history, &by_tag);
    assert_eq!(fates[&new], Fate::Stays(vec![Stays::LastOfGroup]));
    assert_eq!(fates[&old], Fate::Goes(vec![Goes::NotTagged]));
}

#[test]
fn a_partial_snapshot_never_replaces_a_complete_one() {
    let mut history = History::default();
    let partial = |number, days_ago| Told { state: ComponentState::Partial, ..told(number, days_ago) };
    let complete = tell(&mut history, &Told { time_ns: NOW_NS - 2 * DAY_NS, ..told(1, 2) });
    // The same day, later.
    let same_day = tell(&mut history, &Told { time_ns: NOW_NS - 2 * DAY_NS + 5, ..partial(2, 2) });
    let newest = tell(&mut history, &partial(3, 0));
    let oldest_partial = tell(&mut history, &Told { committed_at_ns: NOW_NS, ..partial(4, 30) });
    let one = fates(&history, &daily(1));
    assert_eq!(one[&complete], Fate::Stays(vec![Stays::Counted(Period::Daily)]), "as if there were no partial ones");
    assert!(stays(&one[&newest]), "it fills a place of its own: {one:?}");
    assert!(!stays(&one[&same_day]) && !stays(&one[&oldest_partial]), "{one:?}");
    let last = fates(&history, &options(RetentionPolicy::default().keep_tags(vec![b"never".to_vec()])));
    assert_eq!(last[&complete], Fate::Stays(vec![Stays::LastOfGroup]), "the last complete one");
}

#[test]
fn where_none_is_complete_the_newest_partial_one_is_the_last() {
    let mut history = History::default();
    let partial = |number, days_ago| Told { state: ComponentState::Partial, ..told(number, days_ago) };
    let [old, new] = [(1, 9), (2, 8)].map(|(number, days)| tell(&mut history, &partial(number, days)));
    let by_tag = options(RetentionPolicy::default().keep_tags(vec![b"never".to_vec()]));
    let fates = fates(&history, &by_tag);
    assert!(stays(&fates[&new]) && !stays(&fates[&old]), "{fates:?}");
}

#[test]
fn a_snapshot_ahead_of_the_clock_is_kept_and_takes_no_place() {
    let mut history = History::default();
    let sound = tell(&mut history, &told(1, 1));
    let ahead = tell(&mut history, &Told { committed_at_ns: NOW_NS + YEAR_NS, ..told(2, 0) });
    let next = tell(&mut history, &told(3, 0));
    let fates = fates(&history, &daily(1));
    assert_eq!(fates[&ahead], Fate::Stays(vec![Stays::AheadOfClock]));
    // What is known to be wrong is no witness against what follows.
    assert_eq!(fates[&next], Fate::Stays(vec![Stays::Counted(Period::Daily)]));
    assert!(!stays(&fates[&sound]));
}

#[test]
fn a_snapshot_backwards_in_its_clients_chain_is_kept_and_takes_no_place() {
    let mut history = History::default();
    let before = tell(&mut history, &told(1, 3));
    let older = tell(&mut history, &told(2, 2));
    // Two runs after a clock was set back by ten years: the newest there is, and the oldest by their times.
    let back =
        |number| Told { time_ns: NOW_NS - 10 * YEAR_NS, committed_at_ns: NOW_NS - 10 * YEAR_NS, ..told(number, 0) };
    let first = tell(&mut history, &back(3));
    // This one says only what moved since the one before.
    let second = tell(&mut history, &Told { seen: None, base: 3, ..back(4) });
    let fates = fates(&history, &daily(1));
    for id in [first, second] {
        assert_eq!(fates[&id], Fate::Stays(vec![Stays::Backwards]));
    }
    assert!(stays(&fates[&older]) && !stays(&fates[&before]), "{fates:?}");
}

#[test]
fn a_list_of_what_was_seen_counts_wherever_it_lies() {
    let mut history = History::default();
    tell(&mut history, &told(1, 3));
    let back = Told { time_ns: 5, committed_at_ns: 5, seen: Some(1), ..told(2, 0) };
    let backwards = tell(&mut history, &back);
    let held = history.outcomes.values_mut().find(|held| held.snapshot_id() == backwards).unwrap();
    let list = std::mem::take(&mut held.body.seen.entries.0);
    held.body.seen.overflow = Some(crate::id::NodeId::from_bytes([7; 32]));
    let fate = |seen_lists: &SeenLists<'_>| {
        let planned = by_policy(&history, &daily(1), seen_lists).unwrap();
        let mut verdicts = planned.groups.into_iter().flat_map(|group| group.verdicts);
        verdicts.find(|verdict| verdict.snapshot.id == backwards).unwrap().fate
    };
    assert_eq!(fate(&|_| Ok(list.clone())), Fate::Stays(vec![Stays::Backwards]));
    assert!(!stays(&fate(&|_| Ok(Vec::new()))), "it had seen nothing of its own client");
    let lost = || Err(Error::new(ErrorKind::Damaged, "lost"));
    assert_eq!(fate(&|_| lost()), Fate::Stays(vec![Stays::Backwards]), "what can't be read forgets nothing");
}

#[test]
fn runs_of_one_client_side_by_side_are_not_backwards() {
    let mut history = History::default();
    // Number 2 began later and committed earlier; neither saw the other.
    let long = tell(&mut history, &Told { seen: None, ..told(1, 0) });
    let short = tell(&mut history, &Told { seen: None, host: "other", ..told(2, 1) });
    let fates = fates(&history, &daily(1));
    for id in [long, short] {
        assert_eq!(fates[&id], Fate::Stays(vec![Stays::Counted(Period::Daily)]));
    }
}

#[test]
fn a_forgotten_snapshot_is_no_witness() {
    let mut history = History::default();
    let odd = tell(&mut history, &told(1, 0));
    let later = tell(&mut history, &told(2, 4));
    assert_eq!(fates(&history, &daily(9))[&later], Fate::Stays(vec![Stays::Backwards]));
    state(&mut history, 1, RecordKind::Forget, &[odd], 0, None);
    assert_eq!(fates(&history, &daily(9))[&later], Fate::Stays(vec![Stays::Counted(Period::Daily)]));
}

#[test]
fn a_key_that_forges_hosts_and_times_moves_nobody_elses_snapshots() {
    let mut history = History::default();
    let own: Vec<SnapshotId> =
        (1..6).map(|number| tell(&mut history, &told(number, 6 - i64::try_from(number).unwrap()))).collect();
    let alone = fates(&history, &daily(3));
    for number in 1..20 {
        let days_ago = i64::try_from(number).unwrap() % 3;
        tell(&mut history, &Told { client: 2, signer: 2, ..told(number, days_ago) });
    }
    let besieged = fates(&history, &daily(3));
    for id in own {
        assert_eq!(alone[&id], besieged[&id]);
    }
}

#[test]
fn hosts_paths_and_tags_make_groups_as_asked() {
    let mut history = History::default();
    tell(&mut history, &Told { host: "a", tags: &["x"], ..told(1, 0) });
    tell(&mut history, &Told { host: "b", tags: &["x"], ..told(2, 0) });
    tell(&mut history, &Told { host: "b", tags: &["y"], ..told(3, 0) });
    let count =
        |fields: &[GroupField]| plan(&history, &daily(1).group_by(fields.iter().copied())).unwrap().groups.len();
    assert_eq!(count(&[]), 1);
    assert_eq!(count(&[GroupField::Host, GroupField::Paths]), 2);
    assert_eq!(count(&[GroupField::Tags]), 2);
    assert_eq!(count(&[GroupField::Host, GroupField::Tags]), 3);
}

#[test]
fn record_8_a_pinned_snapshot_is_never_removed_by_a_policy_and_refuses_by_name() {
    let mut history = History::default();
    let pinned = tell(&mut history, &told(1, 400));
    let ended = tell(&mut history, &told(2, 300));
    let newest = tell(&mut history, &told(3, 0));
    state(&mut history, 1, RecordKind::Pin, &[pinned], 0, Some(NOW_NS + 1));
    state(&mut history, 2, RecordKind::Pin, &[ended], 0, Some(NOW_NS));
    let fates = fates(&history, &daily(1));
    assert_eq!(fates[&pinned], Fate::Stays(vec![Stays::Pinned { until_ns: Some(NOW_NS + 1) }]));
    assert!(!stays(&fates[&ended]) && stays(&fates[&newest]), "{fates:?}");
    let refused = by_name(session::all(&history), NOW_NS).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Pinned);
    assert!(refused.to_string().contains(&pinned.short()), "{refused}");
    assert_eq!(by_name(session::all(&history), NOW_NS + 1).unwrap().goes().count(), 3);
}

#[test]
fn a_clock_ten_years_off_forgets_no_more_than_a_right_one() {
    let mut history = History::default();
    for number in 1..40 {
        tell(&mut history, &told(number, 40 - i64::try_from(number).unwrap()));
    }
    let policy = RetentionPolicy::default()
        .keep(Period::Daily, KeepCount::AtMost(7))
        .keep(Period::Weekly, KeepCount::AtMost(2))
        .keep_within(Period::Last, "3d".parse().unwrap());
    let goes = |now_ns| -> BTreeSet<SnapshotId> {
        let planned = plan(&history, &options(policy.clone()).now_ns(now_ns)).unwrap();
        planned.goes().map(|snapshot| snapshot.id).collect()
    };
    let right = goes(NOW_NS);
    assert!(right.len() > 20, "{}", right.len());
    assert_eq!(goes(NOW_NS + 10 * YEAR_NS), right, "ahead");
    assert_eq!(goes(NOW_NS - 10 * YEAR_NS).len(), 0, "behind: everything was committed ahead of such a clock");
    for days in 0..50 {
        let jumped = goes(NOW_NS - days * DAY_NS);
        assert!(jumped.is_subset(&right), "{days} days behind");
    }
}

#[test]
fn a_snapshot_named_twice_or_forgotten_before_goes_once_or_not() {
    let mut history = History::default();
    let [gone, named] = [1, 2].map(|number| tell(&mut history, &told(number, 1)));
    state(&mut history, 1, RecordKind::Forget, &[gone], 0, None);
    let twice = session::all(&history).into_iter().chain(session::all(&history)).collect();
    let ids: Vec<SnapshotId> = by_name(twice, NOW_NS).unwrap().goes().map(|snapshot| snapshot.id).collect();
    assert_eq!(ids, [named]);
}

/// Retention once threw away what was left of a damaged snapshot, and kept the damaged one.
#[test]
fn a_corrected_snapshot_takes_no_place_and_stays_or_goes_with_the_damaged_one() {
    for state in [ComponentState::Partial, ComponentState::Complete] {
        for signer in [1, 2] {
            let mut history = History::default();
            let [old, new] = [(1, 9), (2, 8)].map(|(number, days)| tell(&mut history, &told(number, days)));
            let mut beside = |number, days, damaged| {
                let beside =
                    Told { repairs: Some(damaged), state, signer, committed_at_ns: NOW_NS, ..told(number, days) };
                tell(&mut history, &beside)
            };
            let [of_old, of_new] = [(3, 9, old), (4, 8, new)].map(|(number, days, of)| beside(number, days, of));
            let last = |count| options(RetentionPolicy::default().keep(Period::Last, KeepCount::AtMost(count)));
            let (one, two) = (fates(&history, &last(1)), fates(&history, &last(2)));
            assert!(stays(&one[&new]) && !stays(&one[&old]) && stays(&two[&old]), "{one:?}");
            let Fate::Stays(why) = &one[&of_new] else { panic!("{one:?}") };
            assert!(why.contains(&Stays::Corrects(new)), "{why:?}");
            assert!(stays(&two[&of_old]) && stays(&two[&of_new]), "{two:?}");
            if signer == 1 {
                assert!(!stays(&one[&of_old]) && one[&of_old] == one[&old], "{one:?}");
            }
        }
    }
}
