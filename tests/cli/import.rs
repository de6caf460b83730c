//! `holdall import restic`, against what restic itself restores.

use crate::lacking::leave_out;
use crate::run::{Finished, World};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repositories that tests/import/record.py made.
const RECORDED: [&str; 5] = [
    "restic-0.14-version-1",
    "restic-0.14-version-2",
    "restic-0.19-version-1",
    "restic-0.19-compression-off",
    "restic-0.19-pruned",
];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn recorded(name: &str) -> PathBuf {
    source("import").join(name).join("repository")
}

/// A world with a repository, and a file `first` with the password of the recorded ones.
fn world() -> World {
    let world = World::with_repository();
    world.file("first", b"first\n");
    world
}

fn import(world: &World, from: &Path, more: &[&str]) -> Finished {
    let from = from.to_str().expect("text");
    world.run([&["import", "restic", from, "--from-password-file", "first", "--json"], more].concat())
}

/// What tests/list_tree.py prints of a tree, without its first line and without holes, which restic does not keep.
fn listed(tree: &Path) -> Vec<String> {
    let output = Command::new("python3").arg(source("list_tree.py")).arg(tree).output().expect("python3");
    let text = Finished::of(&output).succeeded().out;
    text.lines().skip(1).map(without_holes).collect()
}

fn without_holes(line: &str) -> String {
    line.split('\t').filter(|field| !field.starts_with("holes=")).collect::<Vec<_>>().join("\t")
}

/// What restic restored of each snapshot, by its id.
fn restored(name: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(source("import").join(name).join("restored.txt")).expect("a recording");
    let mut snapshots: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("snapshot\t").and_then(|rest| rest.split('\t').next()) {
            Some(id) => snapshots.push((id.to_owned(), Vec::new())),
            None => snapshots.last_mut().expect("a snapshot comes first").1.push(without_holes(line)),
        }
    }
    snapshots
}

#[test]
fn what_restic_restores_is_what_holdall_restores_after_an_import() {
    if !rustix::process::getuid().is_root() {
        return leave_out("root", "owners and devices are given back to root alone");
    }
    for name in RECORDED {
        let world = world();
        let lines = import(&world, &recorded(name), &[]).succeeded().json();
        for (restic_id, expected) in restored(name) {
            let line = lines.iter().find(|line| line["restic_id"] == restic_id.as_str()).expect("each is told of");
            assert_eq!((line["status"].as_str(), line["errors"].as_u64()), (Some("imported"), Some(0)));
            let target = world.path(&restic_id);
            let id = line["snapshot_id"].as_str().expect("an id");
            world
                .run(["restore".as_ref(), id.as_ref(), "-q".as_ref(), "--target".as_ref(), target.as_os_str()])
                .succeeded();
            assert_eq!(listed(&target), expected, "{name} {restic_id}");
        }
    }
}

#[test]
fn a_second_import_takes_what_is_new_and_brings_back_nothing_that_was_forgotten() {
    let world = world();
    let from = recorded("restic-0.14-version-1");
    let first = import(&world, &from, &["--host", "first-host", "-n"]).succeeded();
    assert_eq!(first.only("summary")["snapshots_imported"], 2);
    assert_eq!(world.run(["snapshots", "--json"]).succeeded().json()[0], serde_json::json!([]), "a dry run");
    let first = import(&world, &from, &["--host", "first-host"]).succeeded();
    let id = first.json()[0]["snapshot_id"].as_str().expect("an id").to_owned();
    world.run(["forget", "-q", &id]).succeeded();
    let second = import(&world, &from, &[]).succeeded();
    let status: Vec<_> = second.json().iter().filter_map(|line| line["status"].as_str().map(str::to_owned)).collect();
    assert_eq!(status, ["forgotten", "present", "imported"]);
    let summary = second.only("summary");
    assert_eq!((&summary["snapshots_imported"], &summary["snapshots_present"]), (&1.into(), &2.into()));
    let known = world.run(["snapshots", "--json"]).succeeded().json();
    assert_eq!(known[0].as_array().map(Vec::len), Some(2));
    assert_eq!(known[0][0]["imported_from"], format!("restic:{}", restored("restic-0.14-version-1")[1].0));
}

#[test]
fn what_is_wrong_with_restics_repository_is_told_by_the_exit_code() {
    let world = world();
    world.file("wrong", b"second");
    let from = recorded("restic-0.14-version-1");
    let wrong = world.run(["import", "restic", &from.display().to_string(), "--from-password-file", "wrong"]).ended(12);
    assert!(wrong.err.contains("opens none of the keys of the restic repository (of 1)"), "{}", wrong.err);
    let absent = import(&world, &world.path("absent"), &[]).ended(10);
    assert!(absent.err.contains("no restic repository") && !absent.err.contains("holdall init"), "{}", absent.err);
    let none = import(&world, &from, &["0000"]).ended(1);
    assert!(none.err.contains("no snapshot of restic's"), "{}", none.err);
}

#[test]
fn files_with_damaged_content_are_named_and_the_exit_code_is_3() {
    let world = world();
    let from = world.path("restic");
    assert!(
        Command::new("cp").arg("-r").arg(recorded("restic-0.19-version-1")).arg(&from).status().expect("cp").success()
    );
    let packs = Command::new("find").arg(from.join("data")).args(["-type", "f"]).output().expect("find");
    let packs = Finished::of(&packs).succeeded().out;
    let flip = |pack: &str| {
        let mut bytes = std::fs::read(pack).expect("a pack");
        // A directory's blob is JSON of some length: packs of content are told by their first blob, a short one.
        bytes[20] ^= 1;
        std::fs::write(pack, bytes).expect("a pack");
    };
    packs.lines().for_each(flip);
    let finished = import(&world, &from, &[]).ended(3);
    assert!(
        finished.err.contains("is damaged") && finished.err.contains("restic check --read-data"),
        "{}",
        finished.err
    );
    assert!(finished.only("summary")["errors"].as_u64() > Some(0));

    let later = import(&world, &from, &[]).ended(3);
    let told = later.only("summary");
    assert!(told["snapshots_imported"] == 0 && told["snapshots_present_with_problems"].as_u64() > Some(0), "{told}");
    let lines = later.json();
    let lacking = lines.iter().find(|line| line["status"] == "present" && line["errors"].as_u64() > Some(0));
    let id = lacking.and_then(|line| line["restic_id"].as_str()).expect("it is told of").to_owned();
    packs.lines().for_each(flip);
    let again = import(&world, &from, &[&id]).ended(0);
    let line = again.json().into_iter().find(|line| line["restic_id"] == id.as_str()).expect("a line");
    assert!(line["status"] == "imported" && line["errors"] == 0, "{line}");
    let settled = import(&world, &from, &[&id]).ended(0).only("summary");
    assert_eq!((&settled["snapshots_present"], &settled["snapshots_imported"]), (&1.into(), &0.into()));
}

/// Runs the real restic, if there is one.
fn restic(world: &World, repository: &str, arguments: &[&str]) -> Option<Finished> {
    let mut command = Command::new("restic");
    command.args(["--no-cache", "-q", "-r", repository]).args(arguments);
    command.env("RESTIC_PASSWORD", "first").current_dir(world.path("."));
    command.output().ok().map(|output| Finished::of(&output))
}

/// A tree with files of several pieces, links, and whatever else this user may make.
fn furnished(world: &World) -> PathBuf {
    let noise = |count: u32| -> Vec<u8> {
        (0..count).flat_map(|word| word.wrapping_mul(2_654_435_761).rotate_left(word % 31).to_le_bytes()).collect()
    };
    world.file("tree/large", &noise(3_000_000));
    world.file("tree/deep/er/small", b"small");
    (0..300).for_each(|number| drop(world.file(format!("tree/many/{number}"), format!("file {number}").as_bytes())));
    let tree = world.path("tree");
    std::fs::hard_link(tree.join("large"), tree.join("deep/same")).expect("a link");
    std::os::unix::fs::symlink("deep/er", tree.join("link")).expect("a link");
    assert!(Command::new("mkfifo").arg(tree.join("pipe")).status().expect("mkfifo").success());
    // Not every file system has them.
    let _ = Command::new("setfattr").args(["-n", "user.colour", "-v", "blue"]).arg(tree.join("large")).status();
    tree
}

#[test]
fn a_repository_of_the_restic_at_hand_comes_over_and_the_next_backup_goes_on_from_there() {
    for version in ["1", "2"] {
        let world = world();
        let Some(made) = restic(&world, "restic", &["init", "--repository-version", version]) else {
            return leave_out("restic", "there is no program restic");
        };
        made.succeeded();
        let tree = furnished(&world);
        // What is younger than two seconds when a backup begins is read again by the next one.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        let backup = ["backup", tree.to_str().expect("text"), "--host", "here"];
        restic(&world, "restic", &backup).expect("as before").succeeded();
        world.file("tree/added", b"added");
        restic(&world, "restic", &backup).expect("as before").succeeded();
        import(&world, &world.path("restic"), &[]).succeeded();

        restic(&world, "restic", &["restore", "latest", "--target", "by restic"]).expect("as before").succeeded();
        world.run(["restore", "latest", "-q", "--target", "by holdall"]).succeeded();
        let compare = Command::new("python3")
            .arg(source("compare_trees.py"))
            .args(
                [world.path("by restic"), world.path("by holdall")]
                    .map(|top| top.join(tree.strip_prefix("/").expect("absolute"))),
            )
            .output();
        assert_eq!(Finished::of(&compare.expect("python3")).succeeded().out, "", "version {version}");

        let next =
            world.run(["backup".as_ref(), tree.as_os_str(), "--host".as_ref(), "here".as_ref(), "--json".as_ref()]);
        let next = next.succeeded().only("summary");
        let unmodified = next["files_unmodified"].as_u64().expect("a number");
        assert!(unmodified >= 302, "restic's stats are as good as one's own: {next}");
        assert_eq!(next["files_new"], 0, "{next}");
    }
}
