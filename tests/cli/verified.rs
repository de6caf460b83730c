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
