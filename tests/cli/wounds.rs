//! Repositories named by their wound, each with the exact report that is expected: `tests/wounds/<wound>.txt`.
//!
//! Each is the kept repository of `tests/golden/v1` with one wound, so every id in the reports is always the same; or one
//! that only a key could make, beside its report. After a change to what reports say, run these tests with
//! `HOLDALL_WRITE_REPORTS=1`, which writes them anew, and read what changed.
#![expect(clippy::indexing_slicing, reason = "a wound that has no place in its object is a mistake of the test")]

use crate::run::{Finished, World};
use std::path::{Path, PathBuf};

/// A wound: what it is called, and how it is inflicted.
type Wound = (&'static str, fn(&Patient));

/// A copy of the kept repository.
struct Patient {
    world: World,
}

const FULL_CONTENT: &str = "f9d2aed6a61b";
const FULL_MANIFEST: &str = "451189a53634";
const FULL_STAT: &str = "1fc0d4005af7";
const UNDONE_CONTENT: &str = "e6dd17970da4";
const AHEAD_CONTENT: &str = "63577c54a893";
const ADMIN: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const HOST_TWO: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
const FULL_SEGMENT: &str = "segments/1f84cd2934446a63e1e7995c0e68a762430b11c3b44ce7ef7077453445d95163";
const OTHER_SEGMENT: &str = "segments/13726bb5c095e9346d6ec163a505ddd97210f43a0da48453cb481c6fccfbd464";
const OPEN_SESSION: &str = "sessions/a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1-000000000000000b";
const HEARTBEAT: &str = "heartbeats/a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1-000000000000000b-0000000000000002";
/// The slot of the password that may do everything, and another one.
const SLOT: &str = "keys/6ab6bcad09d5f8426dd00b4d1196678ddd72eb6d406ad4a0c71200df88b68471";
const OTHER_SLOT: &str = "keys/1afb42e3d3920c83516aeeb54d033d00e01bfcd02afd67326bc007fb22a8e990";

const WOUNDS: &[Wound] = &[
    ("none", |_| {}),
    ("pack-frame-bit", |patient| patient.flip(&patient.pack(FULL_CONTENT), 5000)),
    ("pack-frame-head-bit", |patient| patient.flip(&patient.pack(FULL_CONTENT), 129)),
    ("pack-header-bit", |patient| patient.flip(&patient.pack(UNDONE_CONTENT), 30)),
    ("pack-footer-bit", |patient| {
        let pack = patient.pack(UNDONE_CONTENT);
        patient.change(&pack, |bytes| {
            let at = footer(bytes) + 20;
            bytes[at] ^= 4;
        });
    }),
    ("pack-trailer-bit", |patient| {
        patient.change(&patient.pack(UNDONE_CONTENT), |bytes| *bytes.last_mut().expect("bytes") ^= 4);
    }),
    ("pack-truncated", |patient| patient.change(&patient.pack(FULL_CONTENT), |bytes| bytes.truncate(20_000))),
    ("pack-empty", |patient| patient.change(&patient.pack(UNDONE_CONTENT), Vec::clear)),
    ("pack-zeroed", |patient| patient.change(&patient.pack(UNDONE_CONTENT), |bytes| bytes.fill(0))),
    ("pack-doubled", |patient| {
        patient.change(&patient.pack(UNDONE_CONTENT), |bytes| bytes.extend_from_within(..));
    }),
    ("pack-missing", |patient| patient.remove(&patient.pack(FULL_CONTENT))),
    ("packs-swapped", |patient| patient.swap(&patient.pack(UNDONE_CONTENT), &patient.pack(AHEAD_CONTENT))),
    ("pack-of-trees-frame-bit", |patient| patient.flip(&patient.pack(FULL_MANIFEST), 20_000)),
    ("pack-of-trees-missing", |patient| patient.remove(&patient.pack(FULL_MANIFEST))),
    ("pack-of-stat-trees-frame-bit", |patient| patient.flip(&patient.pack(FULL_STAT), 5000)),
    ("segment-bit", |patient| patient.flip(FULL_SEGMENT, 5000)),
    ("segment-missing", |patient| patient.remove(FULL_SEGMENT)),
    ("segment-truncated", |patient| patient.change(FULL_SEGMENT, |bytes| bytes.truncate(5000))),
    ("segment-zeroed", |patient| patient.change(FULL_SEGMENT, |bytes| bytes.fill(0))),
    ("segment-doubled", |patient| patient.change(FULL_SEGMENT, |bytes| bytes.extend_from_within(..))),
    ("segments-swapped", |patient| patient.swap(FULL_SEGMENT, OTHER_SEGMENT)),
    ("outcome-bit", |patient| patient.flip(&outcome(ADMIN, 5), 400)),
    ("outcome-truncated", |patient| patient.change(&outcome(ADMIN, 5), |bytes| bytes.truncate(400))),
    ("outcome-zeroed", |patient| patient.change(&outcome(ADMIN, 5), |bytes| bytes.fill(0))),
    ("outcome-doubled", |patient| patient.change(&outcome(ADMIN, 5), |bytes| bytes.extend_from_within(..))),
    ("outcome-missing", |patient| patient.remove(&outcome(ADMIN, 7))),
    ("outcome-and-session-missing", |patient| {
        patient.remove(&outcome(ADMIN, 7));
        patient.remove(&format!("sessions/{ADMIN}-0000000000000007"));
    }),
    ("outcome-missing-with-a-second-copy", |patient| {
        patient.copy_aside(&outcome(ADMIN, 8));
        patient.remove(&outcome(ADMIN, 8));
    }),
    ("outcomes-swapped", |patient| patient.swap(&outcome(ADMIN, 3), &outcome(ADMIN, 4))),
    ("outcome-under-another-name", |patient| {
        std::fs::copy(patient.path(&outcome(ADMIN, 5)), patient.path(&outcome(HOST_TWO, 2))).expect("an object");
    }),
    ("staged-outcome-missing", |patient| {
        patient.remove(&outcome(HOST_TWO, 1));
        patient.remove(&format!("sessions/{HOST_TWO}-0000000000000001"));
    }),
    ("session-bit", |patient| patient.flip(&format!("sessions/{ADMIN}-0000000000000005"), 200)),
    ("open-session-bit", |patient| patient.flip(OPEN_SESSION, 200)),
    ("sessions-swapped", |patient| {
        let session = |number: u64| format!("sessions/{ADMIN}-{number:016x}");
        patient.swap(&session(5), &session(6));
    }),
    ("heartbeat-bit", |patient| patient.flip(HEARTBEAT, 100)),
    ("record-bit", |patient| patient.flip(&format!("records/{ADMIN}-0000000000000003"), 200)),
    ("record-missing", |patient| patient.remove(&format!("records/{ADMIN}-0000000000000003"))),
    ("record-doubled", |patient| {
        patient.change(&format!("records/{ADMIN}-0000000000000003"), |bytes| bytes.extend_from_within(..));
    }),
    ("records-swapped", |patient| {
        let record = |number: u64| format!("records/{ADMIN}-{number:016x}");
        patient.swap(&record(2), &record(3));
    }),
    ("condemned-set-bit", |patient| patient.flip("gc/0000000000000002/condemned", 200)),
    ("deleted-set-truncated", |patient| {
        patient.change("gc/0000000000000001/deleted", |bytes| bytes.truncate(100));
    }),
    ("deleted-set-missing", |patient| patient.remove("gc/0000000000000001/deleted")),
    ("sets-swapped", |patient| patient.swap("gc/0000000000000001/condemned", "gc/0000000000000002/condemned")),
    ("second-copy-bit", |patient| {
        patient.copy_aside(&outcome(ADMIN, 5));
        patient.flip(&aside(&outcome(ADMIN, 5)), 400);
    }),
    ("second-copies-of-other-objects", |patient| {
        std::fs::create_dir_all(patient.path("mirror")).expect("a folder");
        for (object, name) in [(outcome(ADMIN, 5), outcome(ADMIN, 99)), ("config/1".to_owned(), "config/99".to_owned())]
        {
            std::fs::copy(patient.path(&object), patient.path(&aside(&name))).expect("an object");
        }
    }),
    ("parity-is-garbage", |patient| {
        let pack = patient.pack(UNDONE_CONTENT);
        let parity = pack.rsplit_once('/').expect("a folder").1;
        std::fs::create_dir_all(patient.path("parity")).expect("a folder");
        std::fs::write(patient.path(&format!("parity/{parity}")), [7; 300]).expect("a file");
    }),
    ("slot-bit", |patient| patient.flip(SLOT, 200)),
    ("other-slot-bit", |patient| patient.flip(OTHER_SLOT, 200)),
    ("slots-swapped", |patient| patient.swap(SLOT, OTHER_SLOT)),
    ("config-doubled", |patient| patient.change("config/1", |bytes| bytes.extend_from_within(..))),
    ("configs-swapped", |patient| patient.swap("config/1", "config/2")),
    ("configs-swapped-with-second-copies", |patient| {
        patient.copy_aside("config/1");
        patient.copy_aside("config/2");
        patient.swap("config/1", "config/2");
    }),
    ("config-bit", |patient| patient.flip("config/1", 200)),
    ("config-missing", |patient| patient.remove("config/1")),
    ("strangers", |patient| {
        for path in ["packs/notes", "packs/ab/notes", "outcomes/notes", "records/notes"] {
            std::fs::create_dir_all(patient.path(path).parent().expect("a folder")).expect("folders");
            std::fs::write(patient.path(path), "to do").expect("a file");
        }
    }),
    ("wrong-hash-in-list", |patient| patient.copy("wounds/wrong-hash-in-list")),
    ("what-was-verified-is-garbage", |patient| {
        std::fs::create_dir_all(patient.path("verified")).expect("a folder");
        std::fs::write(patient.path(&format!("verified/{ADMIN}-0000000000000001")), [7; 300]).expect("a file");
    }),
];

fn outcome(client: &str, number: u64) -> String {
    format!("outcomes/{client}-{number:016x}")
}

/// Where the second copy of an object lies.
fn aside(object: &str) -> String {
    format!("mirror/{}", object.replace('/', "-"))
}

/// Where the footer of a pack begins.
fn footer(bytes: &[u8]) -> usize {
    let (start, _) = bytes[bytes.len() - 24..].split_first_chunk::<8>().expect("a trailer");
    usize::try_from(u64::from_le_bytes(*start)).expect("a place in the pack")
}

impl Patient {
    fn new(inflict: fn(&Self)) -> Self {
        let patient = Self { world: World::new() };
        patient.copy("golden/v1/repository");
        inflict(&patient);
        patient
    }

    /// Puts a repository that is kept below `tests` where there was none or another.
    fn copy(&self, kept: &str) {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(kept);
        let _ = std::fs::remove_dir_all(self.path(""));
        for (path, bytes) in crate::run::contents(&kept) {
            let copy = self.path(path.to_str().expect("plain names"));
            if kept.join(&path).is_dir() {
                std::fs::create_dir_all(copy).expect("a folder");
            } else {
                std::fs::write(copy, bytes).expect("a file");
            }
        }
    }

    fn path(&self, object: &str) -> PathBuf {
        self.world.path("repository").join(object)
    }

    /// The pack whose id begins so.
    fn pack(&self, start: &str) -> String {
        let folder = format!("packs/{}", &start[..2]);
        let names = std::fs::read_dir(self.path(&folder)).expect("a folder").flatten().map(|entry| entry.file_name());
        let found = names.map(|name| name.into_string().expect("hexadecimal")).find(|name| name.starts_with(start));
        format!("{folder}/{}", found.expect("a pack of the kept repository"))
    }

    fn change(&self, object: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(object)).expect("an object");
        change(&mut bytes);
        std::fs::write(self.path(object), bytes).expect("an object");
    }

    fn flip(&self, object: &str, at: usize) {
        self.change(object, |bytes| bytes[at] ^= 4);
    }

    fn remove(&self, object: &str) {
        std::fs::remove_file(self.path(object)).expect("an object");
    }

    /// Makes the second copy of an object.
    fn copy_aside(&self, object: &str) {
        std::fs::create_dir_all(self.path("mirror")).expect("a folder");
        std::fs::copy(self.path(object), self.path(&aside(object))).expect("an object");
    }

    fn swap(&self, object: &str, other: &str) {
        let aside = self.path("aside");
        std::fs::rename(self.path(object), &aside).expect("an object");
        std::fs::rename(self.path(other), self.path(object)).expect("an object");
        std::fs::rename(aside, self.path(other)).expect("an object");
    }

    fn check(&self, arguments: &[&str]) -> Finished {
        let mut command = self.world.command();
        command.env("HOLDALL_PASSWORD", "golden password").args(["check", "--no-remember"]).args(arguments);
        Finished::of(&command.output().expect("the program starts"))
    }

    /// What is printed, without what depends on the time and the place.
    fn report(&self, arguments: &[&str]) -> String {
        let finished = self.check(arguments);
        let text = format!("exit {}\n{}{}", finished.code.expect("an end"), finished.err, finished.out);
        let text = text.replace(&self.world.path("repository").display().to_string(), "REPOSITORY");
        let lines = text.lines().map(|line| match line.split_once(' ') {
            Some(("checked", _)) => line.rsplit_once(" in ").map_or(line, |(steady, _)| steady),
            Some(("read", _)) => line.rsplit_once(" (").map_or(line, |(steady, _)| steady),
            _ => line,
        });
        lines.map(|line| format!("{line}\n")).collect()
    }
}

#[test]
fn every_wound_is_reported_exactly_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wounds");
    let is_written = std::env::var_os("HOLDALL_WRITE_REPORTS").is_some();
    let mut differ = Vec::new();
    for (wound, inflict) in WOUNDS {
        let found = Patient::new(*inflict).report(&["--read-data"]);
        let path = folder.join(format!("{wound}.txt"));
        if is_written {
            std::fs::write(&path, &found).expect("a report");
        }
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&found) {
            differ.push(format!("{wound}:\n{found}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    let kept: Vec<_> = std::fs::read_dir(&folder).expect("reports").flatten().map(|entry| entry.file_name()).collect();
    let mut kept: Vec<_> = kept.into_iter().map(|name| name.into_string().expect("plain names")).collect();
    kept.retain(|name| name.ends_with(".txt"));
    kept.sort();
    let mut named: Vec<_> = WOUNDS.iter().map(|(wound, _)| format!("{wound}.txt")).collect();
    named.sort();
    assert_eq!(kept, named, "a report for each wound and none beside");
}

#[test]
fn every_wound_ends_with_the_code_for_damage_and_says_what_helps() {
    for (wound, inflict) in WOUNDS {
        let patient = Patient::new(*inflict);
        let finished = patient.check(&["--read-data", "--json"]);
        let code = finished.code.expect("an end");
        let damage: Vec<_> = finished.json().into_iter().filter(|value| value["message_type"] == "damage").collect();
        match *wound {
            // A prune retires its sets, so nobody can tell that one was lost; without it the packs are condemned again.
            "none" | "strangers" | "deleted-set-missing" => {
                assert_eq!((code, damage.len()), (0, 0), "{wound}: {}", finished.out)
            }
            // Without these there is nothing that could be checked.
            "slot-bit" | "slots-swapped" | "config-bit" | "config-doubled" | "config-missing" | "configs-swapped" => {
                assert_ne!(code, 0, "{wound}");
            }
            _ => {
                assert_eq!(code, 5, "{wound}: {}", finished.err);
                assert!(!damage.is_empty(), "{wound}");
                let said =
                    |field: &str| damage.iter().all(|value| value[field].as_str().is_some_and(|text| !text.is_empty()));
                assert!(["object", "message", "remedy"].into_iter().all(said), "{wound}: {}", finished.out);
            }
        }
    }
}
