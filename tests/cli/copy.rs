//! Copies from one repository to another.

use crate::run::{Finished, World, contents};
use std::process::Stdio;
use std::time::{Duration, Instant};

const OTHER: [&str; 2] = ["--repo", "other"];

/// A repository with two snapshots, and the password file of another one that is still to be made.
struct Pair(World);

impl Pair {
    fn new(init: &[&str]) -> Self {
        let pair = Self(World::with_repository());
        pair.0.file("secret", b"another one\n");
        pair.0.file("tree/a.txt", b"alpha");
        // Of more chunks than fit into an entry, wherever the repository's keys cut it: both snapshots share their list.
        pair.0.file("tree/sub/b.bin", &noise("b", 2_000_000));
        pair.0.run(["backup", "tree", "--host", "h", "--tag", "t", "--time", "2026-01-02 03:04:05"]).succeeded();
        pair.0.file("tree/sub/c.bin", &noise("c", 200_000));
        pair.0.run(["backup", "tree", "--host", "h", "--optional-command", "dump=exit 1"]).ended(3);
        pair.other(&[&["init", "--kdf-memory", "64K", "--kdf-passes", "1"], init].concat()).succeeded();
        pair
    }

    fn arguments<'a>(arguments: &[&'a str], secret: &'a str) -> Vec<&'a str> {
        arguments.iter().copied().chain(OTHER).chain(["--password-file", secret]).collect()
    }

    fn secret(&self) -> String {
        self.0.path("secret").to_str().expect("text").to_owned()
    }

    /// Runs on the other repository.
    fn other(&self, arguments: &[&str]) -> Finished {
        let secret = self.secret();
        let mut command = self.0.command();
        command.env_remove("HOLDALL_PASSWORD").env("OF_THE_FIRST", crate::run::PASSWORD);
        command.args(Self::arguments(arguments, &secret));
        Finished::of(&command.output().expect("the program starts"))
    }

    /// Copies from the first one, whose password a command prints.
    fn copy(&self, arguments: &[&str]) -> Finished {
        let from = ["copy", "--from-repo", "repository", "--from-password-command", "printenv OF_THE_FIRST"];
        self.other(&[&from, arguments].concat())
    }

    fn ids(&self) -> Vec<String> {
        let list = self.0.run(["snapshots", "--json"]).ended(0).json();
        let ids = list.iter().flat_map(|line| line.as_array().cloned().unwrap_or_else(|| vec![line.clone()]));
        let id = |one: serde_json::Value| one.get("id").and_then(|id| id.as_str()).expect("an id").to_owned();
        ids.map(id).collect()
    }

    /// What both restore of a snapshot is the same.
    fn assert_restores_alike(&self, source: &str, copy: &str) {
        let first = self.0.run(["restore", source, "--target", &format!("from {source}")]);
        let second = self.other(&["restore", copy, "--target", &format!("from {copy}")]);
        // One of them lacks an optional component, and so does its copy.
        assert!(matches!(first.code, Some(0 | 3)), "{}", first.err);
        assert_eq!(first.code, second.code, "{}", second.err);
        let [one, other] = [source, copy].map(|id| contents(&self.0.path(format!("from {id}"))));
        assert!(one == other && one.len() > 2);
    }
}

fn noise(name: &str, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn snapshots_come_to_a_repository_with_another_password_once() {
    for init in [
        &[][..],
        &["--from-repo", "repository", "--copy-chunker-params", "--from-password-command", "printenv OF_THE_FIRST"],
    ] {
        let pair = Pair::new(init);
        let planned = pair.copy(&["-n"]).succeeded();
        assert!(planned.out.contains("2 snapshots would be copied"), "{}", planned.out);
        assert_eq!(planned.out.contains("cut alike"), !init.is_empty(), "{}", planned.out);
        assert!(pair.other(&["snapshots"]).succeeded().out.contains("0 snapshots"));

        let copied = pair.copy(&["--json"]).ended(0).only("summary");
        let copies = copied["snapshots_copied"].as_array().expect("a list");
        assert_eq!(copies.len(), 2, "{copied}");
        for (copy, id) in copies.iter().zip(pair.ids()) {
            assert_eq!(copy["source_id"], id.as_str());
            pair.assert_restores_alike(&id, copy["snapshot_id"].as_str().expect("an id"));
        }
        let listed = pair.other(&["snapshots"]).succeeded().out;
        assert!(listed.contains("2026-01-02 03:04:05") && listed.contains("(partial)"), "{listed}");
        let json = pair.other(&["snapshots", "--json"]).succeeded().out;
        pair.ids().iter().for_each(|id| assert!(json.contains(&format!("\"original\":\"{id}\"")), "{json}"));
        pair.other(&["check", "--read-data"]).ended(0);

        let before = contents(&pair.0.path("other/packs"));
        let again = pair.copy(&[]).succeeded();
        assert!(again.out.contains("0 snapshots copied, 2 here already"), "{}", again.out);
        assert!(contents(&pair.0.path("other/packs")) == before);
    }
}

#[test]
fn filters_names_and_forgotten_copies_decide_what_is_copied() {
    let pair = Pair::new(&[]);
    assert!(pair.copy(&["--tag", "t", "-n"]).succeeded().out.contains("1 snapshot would be copied"));
    assert!(pair.copy(&["--host", "none"]).succeeded().out.contains("0 snapshots copied"));
    let first = pair.ids().swap_remove(0);
    let copied = pair.copy(&[&first, "--json"]).succeeded().only("summary");
    let copy = copied["snapshots_copied"][0]["snapshot_id"].as_str().expect("an id").to_owned();
    pair.other(&["forget", &copy]).succeeded();
    let rest = pair.copy(&[]).ended(0);
    assert!(rest.out.contains("1 snapshot copied, 1 not again"), "{}", rest.out);
    assert!(pair.copy(&[&first]).succeeded().out.contains("1 snapshot copied"));
}

#[test]
fn what_makes_no_sense_is_said() {
    let pair = Pair::new(&[]);
    assert!(pair.other(&["copy"]).ended(2).err.contains("--from-repo"));
    pair.other(&["copy", "--from-repo", "nowhere"]).ended(10);
    assert!(pair.other(&["copy", "--from-repo", "repository"]).ended(12).err.contains("repository"));
    assert!(pair.0.run(["copy", "--from-repo", "repository"]).ended(2).err.contains("same repository"));
    assert!(pair.0.run(["init", "--repo", "third", "--copy-chunker-params"]).ended(2).err.contains("--from-repo"));
}

#[test]
fn a_damaged_source_is_named_and_leaves_no_copy() {
    let pair = Pair::new(&[]);
    for (path, _) in
        contents(&pair.0.path("repository/parity")).into_iter().filter(|(path, _)| path.extension().is_none())
    {
        let _ = std::fs::remove_file(pair.0.path("repository/parity").join(path));
    }
    let packs = contents(&pair.0.path("repository/packs"));
    let (name, bytes) = packs.iter().max_by_key(|(_, bytes)| bytes.len()).expect("a pack");
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = pair.0.path("repository/packs").join(name);
    std::fs::remove_file(&path).expect("it was there");
    std::fs::write(&path, bytes).expect("a pack");
    let copied = pair.copy(&["--json"]).ended(5).only("summary");
    assert_eq!(copied["snapshots_copied"].as_array().map(Vec::len), Some(0), "{copied}");
    let item = copied["snapshots_damaged"][0]["items"][0]["item"].as_str().expect("a path");
    assert!(item.ends_with("/tree/sub/b.bin"), "{item}");
    assert!(pair.other(&["snapshots"]).succeeded().out.contains("0 snapshots"));
}

#[test]
fn a_repository_that_can_collect_nothing_any_more_is_left_with_a_copy() {
    let pair = Pair::new(&[]);
    let mut outcomes: Vec<String> = std::fs::read_dir(pair.0.path("repository/outcomes"))
        .expect("outcomes")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    outcomes.sort();
    for copy in ["outcomes/", "mirror/outcomes-"] {
        let path = pair.0.path(format!("repository/{copy}{}", outcomes[0]));
        let mut bytes = std::fs::read(&path).expect("an outcome");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(&path).expect("it was there");
        std::fs::write(&path, bytes).expect("an outcome");
    }
    // A view on disk remembers outcomes that it has read, and a prune would do without these. One in memory leaves nothing.
    let _ = std::fs::remove_dir_all(pair.0.path("home/.cache"));
    let refused = pair.0.run(["prune"]).ended(5);
    for way in ["check --repair", "repair packs", "with copy"] {
        assert!(refused.err.contains(way), "{}", refused.err);
    }
    // What the other snapshot shares with that of the lost outcome is in packs that do not count.
    pair.copy(&[]).ended(5);
    let repaired = pair.0.run(["repair", "packs"]).ended(5);
    assert!(repaired.err.contains("can't be believed"), "{}", repaired.err);
    let left = pair.ids();
    assert_eq!(left.len(), 1);
    let copied = pair.copy(&["--json"]).ended(5).only("summary");
    assert_eq!(copied["snapshots_copied"].as_array().map(Vec::len), Some(1), "{copied}");
    let copy = copied["snapshots_copied"][0]["snapshot_id"].as_str().expect("an id");
    pair.assert_restores_alike(&left[0], copy);
    pair.other(&["prune"]).succeeded();
}

#[test]
fn a_copy_that_was_killed_is_finished_by_the_next_one() {
    let pair = Pair::new(&[]);
    for number in 0..4 {
        pair.0.file(format!("tree/large/{number}"), &noise(&format!("large {number}"), 20_000_000));
    }
    pair.0.run(["backup", "tree"]).succeeded();
    let secret = pair.secret();
    let from = ["copy", "--from-repo", "repository", "--from-password-command", "printenv OF_THE_FIRST"];
    for pause_ms in [150, 300, 600, 900] {
        let mut command = pair.0.command();
        command.env_remove("HOLDALL_PASSWORD").env("OF_THE_FIRST", crate::run::PASSWORD);
        command.args(Pair::arguments(&from, &secret)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let until = Instant::now() + Duration::from_millis(pause_ms);
        while Instant::now() < until && child.try_wait().expect("it can be asked").is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        child.wait().expect("it ends");
        pair.other(&["check"]).ended(0);
    }
    pair.copy(&[]).ended(0);
    let list = pair.other(&["snapshots", "--json"]).succeeded().out;
    let ids = pair.ids();
    assert_eq!(ids.len(), 3);
    ids.iter().for_each(|id| assert_eq!(list.matches(&format!("\"original\":\"{id}\"")).count(), 1, "{list}"));
    pair.assert_restores_alike(&ids[2], "latest");
    pair.other(&["check", "--read-data"]).ended(0);
}
