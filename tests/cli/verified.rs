//! What a check keeps in the repository, as its users see it.

use crate::run::World;
use serde_json::Value;

fn world() -> World {
    let world = World::with_repository();
    world.file("tree/a", &(0..50_000u32).flat_map(|number| (number * 7).to_le_bytes()).collect::<Vec<u8>>());
    world.run(["backup", "tree"]).succeeded();
    world
}

fn check(world: &World, arguments: &[&str]) -> Value {
    world.run([&["check", "--json"][..], arguments].concat()).succeeded().only("summary")
}

#[test]
fn what_was_verified_within_the_age_is_passed_over_and_what_is_new_is_read() {
    let world = world();
    let nightly = ["--read-data", "--max-age", "7d", "--max-duration", "1h"];
    let first = check(&world, &nightly);
    assert!(first["packs_read"] == first["packs"] && first["packs_remembered"] == first["packs"], "{first}");
    let second = check(&world, &nightly);
    assert!(second["packs_read"] == 0 && second["packs_recent"] == first["packs"], "{second}");
    world.file("tree/b", b"new");
    world.run(["backup", "tree"]).succeeded();
    let text = world.run([&["check"][..], &nightly[..]].concat()).succeeded().out;
    assert!(text.contains("passed over 3 packs that were verified lately\n"), "{text}");
    let all = check(&world, &["--read-data"]);
    assert_eq!(all["packs_read"], all["packs"], "without an age everything is read");
}

#[test]
fn when_the_time_is_up_the_check_says_what_is_left_and_that_is_no_failure() {
    let world = world();
    let finished = world.run(["check", "--read-data", "--max-duration", "0s"]).succeeded();
    assert!(finished.out.contains("the time was up: 3 packs are left for the next check\n"), "{}", finished.out);
    assert!(finished.out.contains("no damage found\n"), "{}", finished.out);
}

#[test]
fn parts_shares_and_sizes_are_read_and_nothing_is_written_where_that_is_wanted() {
    let world = world();
    let read = |subset| {
        let summary = check(&world, &["--read-data-subset", subset, "--no-remember"]);
        assert_eq!(summary["packs_remembered"], 0);
        summary["packs_read"].as_u64().expect("a number")
    };
    assert_eq!(["1/2", "2/2"].map(read).iter().sum::<u64>(), 3);
    assert_eq!(["100%", "1%", "1K", "1G"].map(read), [3, 1, 1, 3]);
    assert!(crate::run::contents(&world.path("repository/verified")).is_empty());
}

/// The check of the night after the one that had found the damage passed over the pack, and ended well.
#[test]
fn a_pack_that_was_found_damaged_is_not_passed_over() {
    let world = world();
    check(&world, &["--read-data"]);
    let packs = world.path("repository/packs");
    let is_file = |path: &std::path::PathBuf| path.is_file();
    let all = crate::run::contents(&packs).into_iter().map(|(name, _)| packs.join(name)).filter(is_file);
    let longest = all.max_by_key(|pack| pack.metadata().map_or(0, |it| it.len())).expect("a pack");
    let mut bytes = std::fs::read(&longest).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&longest).expect("it is there");
    std::fs::write(&longest, bytes).expect("it can be written");
    world.run(["check", "--read-data"]).ended(5);
    let next = world.run(["check", "--read-data", "--max-age", "7d"]).ended(5);
    assert!(next.out.contains("passed over 2 packs that were verified lately\n"), "{}", next.out);
}
