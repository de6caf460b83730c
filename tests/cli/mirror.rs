//! Mirrors of a repository's objects.

use crate::run::{World, contents};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn world() -> World {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.file("tree/b.bin", &noise("b", 300_000));
    world.run(["backup", "tree"]).succeeded();
    world
}

fn noise(name: &str, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn a_mirror_is_made_without_a_password_and_opens_with_it() {
    let world = world();
    let mirror = |arguments: &[&str]| {
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").args(["mirror", "mirror"]).args(arguments);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    let planned = mirror(&["-n", "--json"]).succeeded().only("summary");
    assert!(planned["objects_copied"].as_u64() > Some(5), "{planned}");
    assert!(!world.path("mirror").exists(), "a plan makes nothing");
    let copied = mirror(&["--json"]).succeeded().only("summary");
    assert_eq!(copied["objects_copied"], planned["objects_copied"]);
    let again = mirror(&[]).succeeded();
    assert!(again.out.starts_with("0 objects copied"), "{}", again.out);

    world.run(["check", "--read-data", "--repo", "mirror", "--no-remember"]).succeeded();
    world.run(["restore", "latest", "--target", "restored", "--repo", "mirror"]).succeeded();
    let below = world.path("tree").strip_prefix("/").expect("an absolute path").to_owned();
    assert!(contents(&world.path("restored").join(below)) == contents(&world.path("tree")));
}

#[test]
fn a_mirror_follows_a_prune_and_refuses_once_it_was_written_to() {
    let world = world();
    world.run(["mirror", "mirror"]).succeeded();
    world.file("tree/b.bin", &noise("c", 300_000));
    world.run(["backup", "tree"]).succeeded();
    world.run(["forget", "--keep-last", "1", "--prune"]).succeeded();
    let followed = world.run(["mirror", "mirror"]).succeeded();
    assert!(followed.out.contains("stay in the mirror"), "{}", followed.out);
    world.run(["check", "--read-data", "--repo", "mirror", "--no-remember"]).succeeded();
    assert!(world.run(["snapshots", "--repo", "mirror"]).succeeded().out.contains("1 snapshot\n"));

    world.run(["backup", "tree", "--repo", "mirror"]).ended(1);
    std::fs::remove_file(world.path("mirror/this-is-a-mirror")).expect("it is there");
    world.run(["backup", "tree", "--repo", "mirror"]).succeeded();
    let refused = world.run(["mirror", "mirror"]).ended(1);
    assert!(refused.err.contains("can't be made a mirror"), "{}", refused.err);
    world.run(["mirror"]).ended(2);
    world.run(["mirror", "mirror", "--repo", "nowhere"]).ended(10);
}

/// The check vouched for the put key's packs in the mirror and the drill stated what it had found there: no run would go on
/// with that mirror, and backups to the source took it for rolled back.
#[test]
fn mirror_11_a_mirror_that_is_checked_every_night_follows_its_source() {
    let world = world();
    world.run(["key", "add", "--role", "put", "--new-key-file", "put"]).succeeded();
    for night in ["first", "second"] {
        world.file("tree/c.bin", &noise(night, 100_000));
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").args(["--key-file", "put", "backup", "tree"]);
        crate::run::Finished::of(&command.output().expect("the program starts")).succeeded();
        assert!(!world.run(["mirror", "mirror"]).succeeded().out.starts_with("0 objects"));
        let checked = world.run(["check", "--read-data", "--repo", "mirror"]).ended(0);
        assert_eq!(checked.err.matches("is a mirror").count(), 1, "{}", checked.err);
        world.run(["check", "--repair", "--repo", "mirror"]).succeeded();
        world.run(["scrub", "--repair", "mirror"]).succeeded();
        let drilled = world.run(["drill", "--target", "scratch", "--no-live", "--repo", "mirror"]).ended(0);
        assert!(drilled.err.contains("nothing was recorded in the repository"), "{}", drilled.err);
        assert_eq!(drilled.err.matches("is a mirror").count(), 1, "{}", drilled.err);
        assert!(world.run(["mirror", "mirror"]).succeeded().out.starts_with("0 objects copied"));
        world.run(["backup", "tree"]).succeeded();
    }
    world.run(["mirror", "mirror", "--delete"]).succeeded();
}

/// Before a password is asked for, and before anything is planned.
#[test]
fn mirror_11_what_would_write_to_a_mirror_is_refused_at_once() {
    let world = world();
    world.run(["mirror", "mirror"]).succeeded();
    world.run(["--repo", "other", "init", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
    let before = contents(&world.path("mirror"));
    let writing: [&[&str]; 13] = [
        &["backup", "tree"],
        &["forget", "--keep-last", "1", "--prune"],
        &["forget", "--undo", "latest"],
        &["pin", "latest"],
        &["unpin", "latest"],
        &["prune"],
        &["repair", "index"],
        &["repair", "packs"],
        &["repair", "snapshots"],
        &["key", "add", "--new-key-file", "new"],
        &["key", "remove", "ffff"],
        &["key", "passwd", "--new-key-file", "new"],
        &["sessions", "abort", "ffffffff-1"],
    ];
    for arguments in writing {
        let mut command = world.command();
        command.env("HOLDALL_PASSWORD", "not it").args(["--repo", "mirror"]).args(arguments);
        let refused = crate::run::Finished::of(&command.output().expect("the program starts")).ended(1);
        assert!(refused.err.contains("mirror is a mirror, and would end being one"), "{arguments:?}: {}", refused.err);
        assert!(refused.err.contains("this-is-a-mirror"), "{arguments:?}: {}", refused.err);
    }
    // Of two repositories the other one is opened first.
    let refused = world.run(["copy", "--repo", "mirror", "--from-repo", "other"]).ended(1);
    assert!(refused.err.contains("mirror is a mirror, and would end being one"), "{}", refused.err);
    assert!(contents(&world.path("mirror")) == before);
    assert!(!world.path("new").exists());
}

/// The worst day: the source is gone, and whoever has the mirror has nothing else.
#[test]
fn mirror_12_a_mirror_is_read_without_its_source_and_is_a_repository_once_its_mark_is_removed() {
    let world = world();
    world.run(["mirror", "mirror"]).succeeded();
    std::fs::remove_dir_all(world.path("repository")).expect("it is there");
    for arguments in [
        &["snapshots"][..],
        &["ls", "latest"],
        &["find", "a.txt"],
        &["stats"],
        &["info"],
        &["key", "list"],
        &["sessions"],
        &["dump", "latest:/", "-t", "all.tar"],
        &["restore", "latest", "--target", "restored"],
        &["backup", "-n", "tree"],
        &["prune", "-n"],
        &["check", "--read-data"],
        &["scrub"],
    ] {
        let read = world.run(["--repo", "mirror"].iter().chain(arguments)).succeeded();
        assert_eq!(read.err, "", "{arguments:?}");
    }
    let below = world.path("tree").strip_prefix("/").expect("an absolute path").to_owned();
    assert!(contents(&world.path("restored").join(below)) == contents(&world.path("tree")));
    std::fs::remove_file(world.path("mirror/this-is-a-mirror")).expect("it is there");
    world.file("tree/new", b"new");
    world.run(["--repo", "mirror", "backup", "tree"]).succeeded();
    world.run(["--repo", "mirror", "forget", "--keep-last", "1", "--prune"]).succeeded();
    world.run(["--repo", "mirror", "check", "--read-data"]).succeeded();
}

#[test]
fn a_mirror_that_was_killed_is_finished_by_the_next_run() {
    let world = world();
    for number in 0..4 {
        world.file(format!("tree/large/{number}"), &noise(&format!("large {number}"), 20_000_000));
    }
    world.run(["backup", "tree"]).succeeded();
    for pause_ms in [20, 60, 150, 300] {
        let mut command = world.command();
        let mut child =
            command.args(["mirror", "mirror"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it");
        let until = Instant::now() + Duration::from_millis(pause_ms);
        while Instant::now() < until && child.try_wait().expect("it can be asked").is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().expect("it ends");
    }
    world.run(["mirror", "mirror"]).succeeded();
    world.run(["check", "--read-data", "--repo", "mirror", "--no-remember"]).succeeded();
    let left = contents(&world.path("mirror")).into_iter().any(|(path, _)| path.to_string_lossy().contains(".tmp-"));
    assert!(!left, "what was unfinished is swept");
}

#[test]
fn what_a_prune_deleted_goes_from_a_mirror_when_that_is_asked_for_and_not_what_was_lost() {
    let world = world();
    world.run(["mirror", "mirror"]).succeeded();
    world.file("tree/b.bin", &noise("c", 300_000));
    world.run(["backup", "tree"]).succeeded();
    world.run(["forget", "--keep-last", "1", "--prune"]).succeeded();
    let extra = world.run(["mirror", "mirror", "--json"]).succeeded().only("summary");
    assert!(extra["objects_extra"].as_u64() > Some(0), "{extra}");
    assert!(extra.get("objects_deleted").is_none(), "{extra}");
    let count = contents(&world.path("mirror")).len();
    let planned = world.run(["mirror", "mirror", "-n", "--delete", "--json"]).succeeded();
    let plan = planned.only("deletion_plan");
    assert!(plan["folders"]["packs"]["size"].as_u64() > Some(300_000), "{plan}");
    assert_eq!(plan["objects"], extra["objects_extra"]);
    assert_eq!(contents(&world.path("mirror")).len(), count, "a plan deletes nothing");
    let shown = world.run(["mirror", "mirror", "--delete"]).succeeded().out;
    assert!(shown.contains("To be deleted") && shown.contains("deleted in the mirror"), "{shown}");
    let again = world.run(["mirror", "mirror", "--delete", "--json"]).succeeded().only("summary");
    assert_eq!((&again["objects_deleted"], &again["objects_extra"]), (&0.into(), &0.into()));
    world.run(["check", "--read-data", "--repo", "mirror", "--no-remember"]).succeeded();
    world.run(["restore", "latest", "--target", "restored", "--repo", "mirror"]).succeeded();

    for (path, _) in contents(&world.path("repository/packs")) {
        let _ = std::fs::remove_file(world.path("repository/packs").join(path));
    }
    let refused = world.run(["mirror", "mirror", "--delete"]).ended(5);
    assert!(refused.err.contains("nothing is deleted in the mirror"), "{}", refused.err);
    world.run(["restore", "latest", "--target", "again", "--repo", "mirror"]).succeeded();
    let mut command = world.command();
    command.env("HOLDALL_PASSWORD", "wrong").args(["mirror", "mirror", "--delete"]);
    crate::run::Finished::of(&command.output().expect("the program starts")).ended(12);
}

#[test]
fn a_repository_is_no_mirror_of_itself_and_holds_none() {
    let world = world();
    std::os::unix::fs::symlink("repository", world.path("link")).expect("a link");
    std::fs::create_dir(world.path("folder")).expect("a folder");
    let before = contents(&world.path("repository"));
    for to in ["repository", "link", "folder/../repository", "repository/mirror", "link/packs/a/b"] {
        for options in [&[][..], &["-n"], &["--delete"]] {
            let refused = world.run(["mirror", to].iter().chain(options)).ended(2);
            assert!(refused.err.contains("lies in the repository"), "{to}: {}", refused.err);
        }
    }
    assert!(contents(&world.path("repository")) == before);
}

#[test]
fn nothing_is_restored_into_a_repository() {
    let world = world();
    std::os::unix::fs::symlink("repository/packs", world.path("link")).expect("a link");
    let before = contents(&world.path("repository"));
    for target in ["repository", "repository/restored", "link", "link/a/b", "repository/../repository/keys"] {
        for options in [&[][..], &["-n"], &["--delete"]] {
            let refused = world.run(["restore", "latest", "--target", target].iter().chain(options)).ended(2);
            assert!(refused.err.contains("lies in the repository"), "{target}: {}", refused.err);
        }
    }
    assert!(contents(&world.path("repository")) == before);
}

#[test]
fn a_mirror_that_lost_its_configurations_is_told_the_way_back() {
    let world = world();
    world.run(["mirror", "mirror"]).succeeded();
    std::fs::remove_dir_all(world.path("mirror/config")).expect("it is there");
    let refused = world.run(["mirror", "mirror"]).ended(1);
    let healing = "`holdall scrub --repair mirror`";
    assert!(refused.err.contains("lacks its configuration") && refused.err.contains(healing), "{}", refused.err);
    world.run(["scrub", "--repair", "mirror"]).succeeded();
    world.file("tree/new", b"new");
    world.run(["backup", "tree"]).succeeded();
    world.run(["mirror", "mirror"]).succeeded();
    world.run(["restore", "latest", "--target", "restored", "--repo", "mirror"]).succeeded();
}

#[test]
fn the_last_copy_of_a_pack_or_key_that_the_repository_lost_stays_in_the_mirror() {
    let world = world();
    world.run(["mirror", "mirror"]).succeeded();
    let packs = contents(&world.path("repository/packs"));
    let (pack, _) = packs.iter().max_by_key(|(_, bytes)| bytes.len()).expect("a pack");
    std::fs::remove_file(world.path("repository/packs").join(pack)).expect("it goes");
    world.run(["mirror", "mirror", "--delete"]).ended(5);
    world.run(["repair", "packs"]).ended(5);
    let refused = world.run(["mirror", "mirror", "--delete"]).ended(5);
    assert!(refused.err.contains("a snapshot can't be read in full"), "{}", refused.err);
    assert!(world.path("mirror/packs").join(pack).exists());
    // By now the mirror has given it up as well, and has it all the same.
    world.run(["repair", "packs", "--from-repo", "mirror"]).succeeded();
    world.run(["mirror", "mirror", "--delete"]).succeeded();
    world.run(["check", "--read-data"]).succeeded();
    world.run(["restore", "latest", "--target", "restored", "--repo", "mirror"]).succeeded();

    let key = world.path("key");
    let key = key.to_str().expect("a text");
    let added = world.run(["key", "add", "--new-key-file", key, "--json"]).succeeded().only("key_added");
    let slot = added["id"].as_str().expect("a name");
    world.run(["mirror", "mirror"]).succeeded();
    world.run(["key", "remove", slot]).succeeded();
    let kept = world.run(["mirror", "mirror", "--delete"]).ended(0);
    assert!(kept.err.contains("1 key slot stays in the mirror") && kept.err.contains("--delete-keys"), "{}", kept.err);
    assert!(world.path("mirror/keys").join(slot).exists());
    world.run(["mirror", "mirror", "--delete-keys"]).ended(2);
    world.run(["mirror", "mirror", "--delete", "--delete-keys"]).succeeded();
    assert!(!world.path("mirror/keys").join(slot).exists());
}
