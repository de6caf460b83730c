//! Repairs as people run them.

use crate::run::{World, contents};
use std::path::PathBuf;

fn world_with_snapshots() -> World {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.file("tree/sub/b.txt", &(0..100_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    world.run(["backup", "tree"]).succeeded();
    world.file("tree/c.txt", &[9; 30_000]);
    world.run(["backup", "tree"]).succeeded();
    world
}

fn objects(world: &World, folder: &str) -> Vec<PathBuf> {
    let below = world.path("repository").join(folder);
    contents(&below).into_iter().map(|(name, _)| below.join(name)).filter(|path| path.is_file()).collect()
}

#[test]
fn lost_segments_are_planned_rebuilt_and_then_nothing_is_left_to_do() {
    let world = world_with_snapshots();
    for segment in objects(&world, "segments") {
        std::fs::remove_file(segment).expect("it is there");
    }
    world.run(["check"]).ended(5);
    let before = contents(&world.path("repository"));
    let planned = world.run(["repair", "index", "-n"]).succeeded();
    assert!(planned.out.contains("lost: segments/") && planned.out.contains("unlisted: "), "{}", planned.out);
    assert!(contents(&world.path("repository")) == before, "a plan changes nothing");

    let summary = world.run(["repair", "index", "--json"]).succeeded().only("summary");
    assert_eq!(summary["packs_set_aside"].as_array().map(Vec::len), Some(0), "{summary}");
    assert!(summary["segments_replaced"].as_u64() > Some(1), "{summary}");
    world.run(["check", "--read-data"]).succeeded();
    let again = world.run(["repair", "index", "-n"]).succeeded();
    assert_eq!(again.out, "nothing is lost of the index\n");
    world.run(["restore", "latest", "--target", "whole"]).succeeded();
    let tree = world.path("tree");
    let below = tree.strip_prefix("/").expect("an absolute path");
    assert!(contents(&world.path("whole").join(below)) == contents(&tree));
}

#[test]
fn lost_key_slots_and_configurations_are_told_as_damage_and_come_back_from_second_copies() {
    let world = world_with_snapshots();
    for folders in [["keys"].as_slice(), &["config"], &["config", "keys"]] {
        for folder in folders {
            std::fs::remove_dir_all(world.path("repository").join(folder)).expect("it is there");
        }
        let read = world.run(["snapshots"]).ended(0);
        assert!(read.err.contains("its second copy was read") && read.err.contains("scrub --repair"), "{}", read.err);
        let refused = world.run(["backup", "tree"]).ended(5);
        assert!(refused.err.contains("scrub --repair"), "{}", refused.err);
        assert!(!refused.err.contains("init"), "{}", refused.err);
        world.run(["scrub"]).ended(5);
        world.run(["scrub", "--repair"]).succeeded();
        world.run(["check"]).succeeded();
        world.run(["backup", "tree"]).succeeded();
    }
}

#[test]
fn objects_that_were_mixed_up_are_told_apart_by_a_check_with_a_key() {
    let world = world_with_snapshots();
    let outcomes = objects(&world, "outcomes");
    let [one, other, ..] = outcomes.as_slice() else { panic!("{} outcomes", outcomes.len()) };
    let bytes = [one, other].map(|path| std::fs::read(path).expect("it is there"));
    for (path, bytes) in [one, other].into_iter().zip(bytes.iter().rev()) {
        std::fs::remove_file(path).expect("it is there");
        std::fs::write(path, bytes).expect("it can be written");
    }
    let report = world.run(["check"]).ended(5);
    assert!(report.out.contains("lies under the name of"), "{}", report.out);
    assert!(report.out.contains("`holdall check --repair`"), "{}", report.out);
    let healed = world.run(["check", "--repair"]).succeeded();
    assert_eq!(healed.out.matches("healed: outcomes/").count(), 2, "{}", healed.out);
    assert_eq!([one, other].map(|path| std::fs::read(path).expect("it is there")), bytes);
}

/// Changes the last byte of the longest pack, and removes all segments.
fn damage_an_unlisted_pack(world: &World) {
    for segment in objects(world, "segments") {
        std::fs::remove_file(segment).expect("it is there");
    }
    let packs = objects(world, "packs");
    let longest = packs.iter().max_by_key(|pack| pack.metadata().map_or(0, |it| it.len())).expect("a pack");
    let mut bytes = std::fs::read(longest).expect("it is there");
    *bytes.last_mut().expect("it has bytes") ^= 1;
    std::fs::remove_file(longest).expect("it is there");
    std::fs::write(longest, bytes).expect("it can be written");
}

#[test]
fn a_damaged_pack_that_no_segment_lists_is_healed_from_its_parity() {
    let world = world_with_snapshots();
    damage_an_unlisted_pack(&world);
    let repaired = world.run(["repair", "index"]).succeeded();
    assert!(!repaired.out.contains("set aside"), "{}", repaired.out);
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn without_parity_a_damaged_pack_that_no_segment_lists_is_named_and_what_is_left_of_it_counts() {
    let world = world_with_snapshots();
    damage_an_unlisted_pack(&world);
    std::fs::remove_dir_all(world.path("repository/parity")).expect("it is there");
    let repaired = world.run(["repair", "index"]).ended(5);
    assert!(repaired.out.contains("set aside: packs/"), "{}", repaired.out);
    world.run(["check", "--read-data"]).ended(0);
}

/// It healed nothing, said that there was no damage, and ended well.
#[test]
fn a_check_that_repairs_tells_what_it_could_not_heal_and_what_that_touches() {
    let world = world_with_snapshots();
    world.run(["check", "--read-data"]).succeeded();
    let packs = objects(&world, "packs");
    let longest = packs.iter().max_by_key(|pack| pack.metadata().map_or(0, |it| it.len())).expect("a pack");
    let mut bytes = std::fs::read(longest).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(longest).expect("it is there");
    std::fs::write(longest, bytes).expect("it can be written");
    std::fs::remove_dir_all(world.path("repository/parity")).expect("it is there");
    let name = format!("packs/{}", longest.strip_prefix(world.path("repository/packs")).expect("a pack").display());

    for arguments in [&["check", "--repair"][..], &["check", "--repair", "--read-data", "--max-age", "7d"]] {
        let found = world.run(arguments).ended(5);
        assert!(found.err.contains(&format!("{name} could not be healed: ")), "{}", found.err);
        assert!(found.err.contains("there is no parity of it"), "{}", found.err);
        assert_eq!(found.out.matches(&format!("damaged: {name}")).count(), 1, "{}", found.out);
        assert!(found.out.contains("tree/sub/b.txt") && found.out.contains("1 damage found"), "{}", found.out);
    }
    // What nobody looks at but whoever proves all bytes is told as well.
    let stray = world.path("repository/packs/00").join("00".repeat(32));
    std::fs::create_dir_all(stray.parent().expect("a folder")).expect("a folder");
    std::fs::write(&stray, [7; 300]).expect("it can be written");
    let found = world.run(["check", "--repair"]).ended(5);
    assert!(found.out.contains("damaged: packs/00/0000") && found.out.contains("2 damages found"), "{}", found.out);
    let summary = world.run(["check", "--repair", "--json"]).ended(5).only("summary");
    assert_eq!(summary["num_errors"], 2, "{summary}");
}

#[test]
fn a_damaged_pack_is_healed_from_its_parity_before_anything_is_set_aside() {
    let world = world_with_snapshots();
    for pack in objects(&world, "packs") {
        let mut bytes = std::fs::read(&pack).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::remove_file(&pack).expect("it is there");
        std::fs::write(&pack, bytes).expect("it can be written");
    }
    let healed = world.run(["repair", "packs", "--json"]).succeeded().only("summary");
    assert!(healed["packs_healed"].as_array().is_some_and(|packs| packs.len() > 1), "{healed}");
    assert_eq!(healed["packs_set_aside"].as_array().map(Vec::len), Some(0), "{healed}");
    assert_comes_back(&world);
}

/// Zeroes every pack of content: the header says what a pack holds.
fn lose_content(world: &World) {
    for pack in objects(world, "packs") {
        let bytes = std::fs::read(&pack).expect("it is there");
        if bytes.get(12) == Some(&1) {
            std::fs::remove_file(&pack).expect("it is there");
            std::fs::write(&pack, vec![0; bytes.len()]).expect("it can be written");
        }
    }
}

fn assert_comes_back(world: &World) {
    world.run(["check", "--read-data"]).ended(0);
    // What was set aside stays damaged until a prune, and is no damage.
    world.run(["check", "--repair"]).ended(0);
    assert_eq!(world.run(["repair", "packs", "-n"]).succeeded().out, "every pack is whole, and nothing is lost\n");
    world.run(["restore", "latest", "--target", "whole"]).succeeded();
    let tree = world.path("tree");
    let below = tree.strip_prefix("/").expect("an absolute path");
    assert!(contents(&world.path("whole").join(below)) == contents(&tree));
}

#[test]
fn content_that_is_lost_comes_back_from_the_files_that_were_backed_up() {
    let world = world_with_snapshots();
    lose_content(&world);
    let planned = world.run(["repair", "packs", "-n"]).ended(5);
    assert!(planned.out.contains("damaged: packs/") && planned.out.contains("lost: "), "{}", planned.out);
    let without = world.run(["repair", "packs"]).ended(5);
    assert!(without.out.contains("set aside: packs/") && without.out.contains("still lost"), "{}", without.out);
    // That one of two places is not there is told, and harms nothing.
    let with = world.run(["repair", "packs", "--from", "nowhere", "--from", "tree", "--json"]).ended(0);
    assert!(with.err.contains("nowhere"), "{}", with.err);
    let with = with.only("summary");
    assert_eq!(with["chunks_still_lost"], 0, "{with}");
    assert_comes_back(&world);
}

#[test]
fn content_that_is_lost_comes_back_from_another_repository_with_its_own_password() {
    let world = world_with_snapshots();
    let secret = world.file("secret", b"another one\n");
    let secret = secret.to_str().expect("text").to_owned();
    let other = ["--repo", "other", "--password-file", &secret];
    let run = |arguments: &[&str]| world.run(arguments.iter().chain(&other).copied());
    run(&["init", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
    run(&["backup", "tree"]).succeeded();
    lose_content(&world);
    let wrong = world.run(["repair", "packs", "--from-repo", "other"]).ended(12);
    assert!(wrong.err.contains("other"), "{}", wrong.err);
    let command = format!("cat {secret}");
    world.run(["repair", "packs", "-n", "--from-repo", "other", "--from-password-command", &command]).ended(5);
    world.run(["repair", "packs", "--from-repo", "other", "--from-password-file", &secret]).ended(0);
    assert_comes_back(&world);
}

#[test]
fn a_corrected_snapshot_is_planned_made_listed_and_made_once() {
    let world = world_with_snapshots();
    lose_content(&world);
    world.run(["repair", "packs"]).ended(5);
    let before = contents(&world.path("repository"));
    let planned = world.run(["repair", "snapshots", "-n"]).ended(5);
    assert!(planned.out.contains("damaged: snapshot ") && planned.out.contains("tree/sub/b.txt"), "{}", planned.out);
    assert!(contents(&world.path("repository")) == before, "a plan changes nothing");

    let made = world.run(["repair", "snapshots", "--json"]).succeeded().only("summary");
    let repairs = made["snapshots_damaged"].as_array().expect("a list").clone();
    assert_eq!(repairs.len(), 2, "{made}");
    let listed = world.run(["snapshots"]).succeeded();
    assert_eq!(listed.out.matches(" (repaired) (partial)").count(), 2, "{}", listed.out);
    for repair in &repairs {
        let corrected = repair["corrected_id"].as_str().expect("an id");
        assert!(repair["files_lost"].as_u64() > Some(0), "{repair}");
        world.run(["restore", corrected, "--target", &format!("left-{corrected}")]).ended(3);
        let small =
            world.path(format!("left-{corrected}")).join(world.path("tree/a.txt").strip_prefix("/").expect("it"));
        assert_eq!(std::fs::read(small).expect("it came back"), b"alpha");
    }
    let again = world.run(["repair", "snapshots"]).succeeded();
    assert!(again.out.contains("stands beside damaged snapshot"), "{}", again.out);
    assert_eq!(world.run(["snapshots"]).succeeded().out, listed.out);
    // What is left to do is a command that can be copied.
    let (_, command) = again.out.split_once("until they are forgotten: holdall ").expect("it says what to forget");
    world.run(["prune"]).ended(5);
    world.run(command.split_whitespace()).succeeded();
    world.run(["prune"]).succeeded();
    world.run(["check"]).succeeded();
}

/// It said that nothing was lost, and ended well, while a snapshot or a pin was gone for good.
#[test]
fn what_is_gone_for_good_is_told_by_every_repair_and_ends_with_the_code_for_damage() {
    let lose = |world: &World, object: &std::path::Path| {
        let name = object.strip_prefix(world.path("repository")).expect("an object").display().to_string();
        std::fs::remove_file(object).expect("it is there");
        std::fs::remove_file(world.path("repository/mirror").join(name.replace('/', "-"))).expect("a second copy");
        let _ = std::fs::remove_file(world.path("repository").join(name.replace("outcomes", "sessions")));
        let _ = std::fs::remove_dir_all(world.path("home/.cache"));
        name
    };
    for folder in ["outcomes", "records"] {
        let world = world_with_snapshots();
        world.run(["pin", "latest"]).succeeded();
        world.run(["pin", "latest~1"]).succeeded();
        let lost = lose(&world, objects(&world, folder).iter().min().expect("one of them"));
        for arguments in [&["repair", "index", "-n"][..], &["repair", "index"], &["repair", "packs", "-n"]] {
            let told = world.run(arguments).ended(5);
            assert!(
                told.err.contains(&format!("{lost} is gone, as later numbers tell")),
                "{arguments:?}: {}",
                told.err
            );
        }
        if folder == "records" {
            let told = world.run(["repair", "packs"]).ended(5);
            assert!(told.out.contains("every pack is whole"), "{}", told.out);
            world.run(["repair", "snapshots"]).ended(5);
        }
    }
}

#[test]
fn a_check_counts_what_has_nothing_to_be_healed_with() {
    let world = world_with_snapshots();
    let kept = world.path("repository/parity");
    std::fs::remove_dir_all(&kept).expect("it is there");
    let slot = objects(&world, "mirror").into_iter().find(|path| path.to_string_lossy().contains("/mirror/keys-"));
    std::fs::remove_file(slot.expect("a second copy of the slot")).expect("it is there");
    let told = world.run(["check"]).ended(0);
    let packs = objects(&world, "packs").len();
    assert!(told.err.contains(&format!("packs without parity: {packs};")), "{}", told.err);
    assert!(told.err.contains("small objects without a second copy: 1;"), "{}", told.err);
    assert!(told.err.contains("holdall parity add"), "{}", told.err);
    world.run(["parity", "add"]).succeeded();
    world.run(["check"]).succeeded();

    let plain = World::new();
    plain.run(["init", "--parity", "0"]).succeeded();
    plain.file("tree/a.txt", b"alpha");
    plain.run(["backup", "tree"]).succeeded();
    plain.run(["check"]).succeeded();
}
