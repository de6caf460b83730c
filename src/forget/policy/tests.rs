//! Held against what restic keeps: tests/retention/cases.txt, recorded by tests/retention/record.py.

use super::*;
use jiff::Timestamp;

const CASES: &str = include_str!("../../../tests/retention/cases.txt");
/// Later than every snapshot there.
const NOW_NS: i64 = 1_800_000_000_000_000_000;

struct Listed {
    id: SnapshotId,
    time_ns: i64,
    tags: Vec<Vec<u8>>,
}

/// One list of snapshots, and what restic says for each policy.
struct Case {
    zone: Zone,
    snapshots: Vec<Listed>,
    policies: Vec<(String, Vec<(usize, String)>)>,
}

fn tags(text: &str) -> Vec<Vec<u8>> {
    text.split(',').map(|tag| tag.as_bytes().to_vec()).collect()
}

fn id(place: usize) -> SnapshotId {
    SnapshotId::from_bytes([u8::try_from(place).unwrap(); 32])
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        let case = cases.last_mut();
        match (word, case) {
            ("#", _) => {}
            ("zone", _) => {
                let zone = Zone::named(rest).unwrap();
                cases.push(Case { zone, snapshots: Vec::new(), policies: Vec::new() });
            }
            ("snapshot", Some(case)) => {
                let (time, tagged) = rest.split_once(' ').map_or((rest, None), |(time, tagged)| (time, Some(tagged)));
                let time_ns = time.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap();
                let id = id(case.snapshots.len());
                case.snapshots.push(Listed { id, time_ns, tags: tagged.map(tags).unwrap_or_default() });
            }
            ("policy", Some(case)) => case.policies.push((rest.to_owned(), Vec::new())),
            ("keep", Some(case)) => {
                let (place, why) = rest.split_once(' ').unwrap();
                case.policies.last_mut().unwrap().1.push((place.parse().unwrap(), why.to_owned()));
            }
            _ => panic!("{line}"),
        }
    }
    cases
}

fn policy(options: &str) -> RetentionPolicy {
    let words: Vec<&str> = options.split(' ').collect();
    let mut policy = RetentionPolicy::default();
    for pair in words.chunks(2) {
        let (option, value) = (pair[0].strip_prefix("--keep-").unwrap(), pair[1]);
        let (within, name) = option.strip_prefix("within").map_or((false, option), |rest| (true, rest));
        let period = match name.trim_start_matches('-') {
            "last" | "" => Period::Last,
            "hourly" => Period::Hourly,
            "daily" => Period::Daily,
            "weekly" => Period::Weekly,
            "monthly" => Period::Monthly,
            "yearly" => Period::Yearly,
            "tag" => {
                policy = policy.keep_tags(tags(value));
                continue;
            }
            other => panic!("{other}"),
        };
        policy = match (within, value) {
            (true, span) => policy.keep_within(period, span.parse().unwrap()),
            (false, "unlimited") => policy.keep(period, KeepCount::Unlimited),
            (false, count) => policy.keep(period, KeepCount::AtMost(count.parse().unwrap())),
        };
    }
    policy
}

/// A reason in restic's words.
fn in_restics_words(reason: &Stays) -> String {
    let name = |period: &Period| format!("{period:?}").to_lowercase();
    match reason {
        Stays::Counted(period) => format!("{} snapshot", name(period)),
        Stays::Oldest(period) => format!("oldest {} snapshot", name(period)),
        Stays::Within(Period::Last, span) => format!("within {span}"),
        Stays::Within(period, span) => format!("{} within {span}", name(period)),
        Stays::OldestWithin(period, span) => format!("oldest {} within {span}", name(period)),
        Stays::Tags(tags) => {
            let tags: Vec<_> = tags.iter().map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
            format!("has tags [{}]", tags.join(", "))
        }
        Stays::Id
        | Stays::Pinned { .. }
        | Stays::LastOfGroup
        | Stays::Corrects(_)
        | Stays::AheadOfClock
        | Stays::Backwards
        | Stays::Sealed => panic!("restic has no such reason: {reason:?}"),
    }
}

fn judged(snapshots: &[Listed], policy: &RetentionPolicy, zone: &Zone) -> Vec<Judgement> {
    let candidate = |listed: &Listed| (listed.id, listed.time_ns, listed.tags.clone());
    let owned: Vec<_> = snapshots.iter().map(candidate).collect();
    let candidates: Vec<_> =
        owned.iter().map(|(id, time_ns, tags)| Candidate { id: *id, time_ns: *time_ns, tags }).collect();
    judge(&candidates, policy, zone, NOW_NS)
}

fn kept(judgements: &[Judgement]) -> Vec<usize> {
    judgements.iter().enumerate().filter(|(_, one)| !one.stays.is_empty()).map(|(place, _)| place).collect()
}

#[test]
fn every_rule_keeps_what_restic_keeps_and_says_why() {
    let cases = cases();
    let mut compared = 0;
    for (number, case) in cases.iter().enumerate() {
        for (options, expected) in &case.policies {
            let judgements = judged(&case.snapshots, &policy(options), &case.zone);
            let kept: Vec<(usize, Vec<String>)> = judgements
                .iter()
                .enumerate()
                .filter(|(_, judgement)| !judgement.stays.is_empty())
                .map(|(place, judgement)| {
                    let mut reasons: Vec<_> = judgement.stays.iter().map(in_restics_words).collect();
                    reasons.sort_unstable();
                    (place, reasons)
                })
                .collect();
            let expected: Vec<(usize, Vec<String>)> = expected
                .iter()
                .map(|(place, why)| {
                    let mut reasons: Vec<_> = why.split("; ").map(ToOwned::to_owned).collect();
                    reasons.sort_unstable();
                    (*place, reasons)
                })
                .collect();
            assert_eq!(kept, expected, "list {number} in {:?}: {options}", case.zone);
            compared += 1;
        }
    }
    assert!(compared > 250, "{compared} answers of restic were read");
}

#[test]
fn the_zone_decides() {
    let zones: Vec<_> = ["UTC", "Europe/Berlin"].map(|name| Zone::named(name).unwrap()).into();
    // 22:30 and 23:30 in Greenwich: one day there, two in Berlin.
    let snapshots: Vec<_> = [1_735_687_800, 1_735_684_200 - 3600]
        .iter()
        .enumerate()
        .map(|(place, time)| Listed { id: id(place), time_ns: time * 1_000_000_000, tags: Vec::new() })
        .collect();
    let two_days = RetentionPolicy::default().keep(Period::Daily, KeepCount::AtMost(1));
    let counts = |zone| judged(&snapshots, &two_days, zone)[1].goes.clone();
    assert_eq!(counts(&zones[0]), [Goes::Superseded { period: Period::Daily, by: id(0) }]);
    assert_eq!(counts(&zones[1]), [Goes::Beyond { period: Period::Daily, count: 1 }]);
}

#[test]
fn a_snapshot_that_goes_says_what_took_its_place() {
    let day_ns = 86_400_000_000_000;
    let times = [day_ns * 20_000 + 2, day_ns * 20_000 + 1, day_ns * 19_990, day_ns * 19_980];
    let listed = |(place, time_ns): (usize, &i64)| Listed { id: id(place), time_ns: *time_ns, tags: Vec::new() };
    let snapshots: Vec<_> = times.iter().enumerate().map(listed).collect();
    let policy = RetentionPolicy::default()
        .keep(Period::Daily, KeepCount::AtMost(1))
        .keep_within(Period::Daily, "5d".parse().unwrap())
        .keep_tags(vec![b"x".to_vec()])
        .keep_id(id(3));
    let judgements = judged(&snapshots, &policy, &Zone::UTC);
    assert_eq!(kept(&judgements), [0, 3]);
    let superseded = Goes::Superseded { period: Period::Daily, by: id(0) };
    assert_eq!(judgements[1].goes, [Goes::NotNamed, Goes::NotTagged, superseded.clone(), superseded]);
    let beyond = Goes::Beyond { period: Period::Daily, count: 1 };
    assert_eq!(judgements[2].goes, [Goes::NotNamed, Goes::NotTagged, beyond, Goes::Older("5d".parse().unwrap())]);
    assert_eq!(judgements[0].left, PlacesLeft(vec![(Period::Daily, 0)]));
}

#[test]
fn snapshots_from_the_future_set_no_time_to_count_back_from() {
    let hour_ns = 3_600_000_000_000;
    let listed = |place, time_ns| Listed { id: id(place), time_ns, tags: Vec::new() };
    let policy = RetentionPolicy::default().keep_within(Period::Last, "2h".parse().unwrap());
    let mixed = [listed(0, NOW_NS + 9 * hour_ns), listed(1, NOW_NS - hour_ns), listed(2, NOW_NS - 4 * hour_ns)];
    assert_eq!(kept(&judged(&mixed, &policy, &Zone::UTC)), [0, 1]);
    let ahead = [listed(0, NOW_NS + 9 * hour_ns), listed(1, NOW_NS + hour_ns)];
    assert_eq!(kept(&judged(&ahead, &policy, &Zone::UTC)), [0, 1]);
}

#[test]
fn rules_of_nothing_are_no_rules_and_an_empty_tag_stands_for_none() {
    let nothing = RetentionPolicy::default()
        .keep(Period::Daily, KeepCount::AtMost(0))
        .keep_within(Period::Hourly, CalendarSpan::default());
    assert!(nothing.is_empty());
    let snapshots =
        [Listed { id: id(0), time_ns: 0, tags: tags("a") }, Listed { id: id(1), time_ns: 0, tags: Vec::new() }];
    let untagged = RetentionPolicy::default().keep_tags(vec![Vec::new()]);
    assert_eq!(kept(&judged(&snapshots, &untagged, &Zone::UTC)), [1]);
}
