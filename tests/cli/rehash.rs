//! Unchanged files read again: by the program as it is, on a file system whose bytes change and whose times don't.

use crate::mounted::{Mount, can_mount};
use crate::profiles;
use crate::run::World;
use std::time::{Duration, SystemTime};

/// What was changed just now is read again whatever was asked for; this is about what is not.
fn settle() {
    std::thread::sleep(Duration::from_millis(2100));
}

#[test]
fn unchanged_files_are_read_again_and_counted_and_one_share_follows_the_other() {
    let world = World::with_repository();
    ["a", "b", "c", "d"].iter().for_each(|name| drop(world.file(format!("tree/{name}"), &[7; 5000])));
    settle();
    world.run(["backup", "tree"]).succeeded();
    let whole = world.run(["backup", "tree", "--rehash", "100%"]).succeeded();
    assert!(whole.out.contains("  rehashed 4 unchanged files and 19.5 KiB, all as they were\n"), "{}", whole.out);
    for _ in 0..2 {
        let half = world.run(["backup", "tree", "--rehash", "50%", "--json"]).succeeded().only("summary");
        let told = &half["rehashed"];
        assert_eq!((&told["files"], &told["bytes"], &told["files_differing"]), (&2.into(), &10_000.into(), &0.into()));
    }
    let without = world.run(["backup", "tree", "--json"]).succeeded().only("summary");
    assert_eq!(without.get("rehashed"), None);
    let refused = world.run(["backup", "tree", "--rehash", "2"]).ended(2);
    assert!(refused.err.contains("such as 2%"), "{}", refused.err);
}

#[test]
fn a_set_of_a_profile_has_a_share_read_again() {
    let world = profiles::world(&format!("{}rehash = \"100%\"\n", profiles::BACKUP));
    profiles::run(&world, &["run"]).succeeded();
    settle();
    profiles::run(&world, &["run"]).succeeded();
    let lines = profiles::run(&world, &["run", "--json"]).succeeded().json();
    let backup = lines.iter().find(|line| line["step"] == "backup" && line["message_type"] == "summary");
    assert_eq!(backup.expect("a summary")["rehashed"]["files"], 1);
}

/// On a disc nobody can change bytes and leave the time of the change as it was. A mounted snapshot has none but the time of
/// the content, so that one snapshot after the other in the same place is such a disc.
#[test]
fn a_file_whose_bytes_changed_and_whose_stat_did_not_is_named_with_the_snapshot_that_holds_the_old_bytes() {
    if !can_mount() {
        return;
    }
    let world = World::with_repository();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let mut bytes: Vec<u8> = (0..100_000u32).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let stored = |bytes: &[u8]| {
        let files = [world.file("tree/it's a", bytes), world.file("tree/b", b"beta")];
        for file in files {
            std::fs::File::options()
                .append(true)
                .open(file)
                .and_then(|file| file.set_modified(long_ago))
                .expect("a time");
        }
        let summary = world.run(["backup", "tree", "--json"]).succeeded().only("summary");
        let id = summary["snapshot_id"].as_str().expect("an id");
        format!("{id}:{}", world.path("tree").display())
    };
    let before = stored(&bytes);
    bytes[200_000] ^= 0x10;
    let after = stored(&bytes);

    let disc = Mount::new(&world, &[&before]);
    let good = world.run(["backup", "mount", "--json"]).succeeded().only("summary");
    let old = std::fs::read(disc.path("it's a")).expect("a file");
    drop(disc);
    let disc = Mount::new(&world, &[&after]);
    let unseen = world.run(["backup", "mount", "--json"]).succeeded().only("summary");
    assert_eq!((&unseen["files_unmodified"], unseen.get("rehashed")), (&2.into(), None), "the stat is the same");
    let good_id = &unseen["snapshot_id"].as_str().expect("an id")[..8];
    assert_eq!(unseen["parent"], good["snapshot_id"]);

    let dry = world.run(["backup", "mount", "--rehash", "100%", "-n"]).ended(3);
    let file = disc.path("it's a").display().to_string();
    let word = format!("'{good_id}:{}'", file.replace('\'', "'\\''"));
    assert!(dry.err.contains(&format!("holdall: {file} holds other bytes than before")), "{}", dry.err);
    assert!(dry.err.contains(&format!("`holdall restore {word} --target DIR`")), "{}", dry.err);
    assert!(dry.err.contains(&format!("`holdall pin {good_id}`")), "{}", dry.err);
    assert!(
        dry.out.contains("rehashed 2 unchanged files and 390.6 KiB, 1 of them with other bytes than before"),
        "{}",
        dry.out
    );
    assert!(!dry.out.contains("not saved as they should be"), "{}", dry.out);

    let found = world.run(["backup", "mount", "--rehash", "100%", "--json"]).ended(3);
    let summary = found.only("summary");
    assert_eq!(
        (&summary["errors"], &summary["files_changed"], &summary["files_unmodified"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!((&summary["rehashed"]["files"], &summary["rehashed"]["files_differing"]), (&2.into(), &1.into()));
    let error: serde_json::Value =
        found.err.lines().next().map(|line| serde_json::from_str(line).expect("JSON")).expect("a line");
    assert_eq!((&error["during"], error["item"].as_str()), (&"rehash".into(), Some(file.as_str())));

    world.run(["backup", "mount", "--rehash", "100%"]).succeeded();
    world.run(["restore", &format!("{good_id}:{file}"), "--target", "old"]).succeeded();
    world.run(["restore", &format!("latest:{file}"), "--target", "new"]).succeeded();
    let restored = |target: &str| std::fs::read(world.path(target).join("it's a")).expect("a file");
    assert!(restored("old") == old && restored("new") == bytes && old != bytes);
}
