//! What people do every day, and what they see.

use crate::run::{World, contents};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fn world_with_a_snapshot() -> World {
    filled(World::with_repository())
}

fn filled(world: World) -> World {
    world.file("tree/a.txt", b"alpha");
    world.file("tree/sub/b.txt", &[7; 100_000]);
    world.run(["backup", "tree"]).succeeded();
    world
}

#[test]
fn what_goes_in_comes_back() {
    let world = world_with_a_snapshot();
    let tree = world.path("tree");
    let source = format!("latest:{}", tree.display());
    world.run(["restore", &source, "--target", "part"]).succeeded();
    assert!(contents(&world.path("part")) == contents(&tree));

    world.run(["restore", "latest", "--target", "whole"]).succeeded();
    let below = tree.strip_prefix("/").expect("an absolute path");
    assert!(contents(&world.path("whole").join(below)) == contents(&tree));
}

#[test]
fn a_second_backup_says_that_nothing_changed() {
    let world = world_with_a_snapshot();
    // What was changed within the clock's grain is read again: give it time to settle.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    world.run(["backup", "tree"]).succeeded();
    let again = world.run(["backup", "tree"]).succeeded();
    assert!(again.out.contains("0 new, 0 changed, 2 unchanged"), "{}", again.out);
    assert!(again.out.contains("compared with"), "{}", again.out);
}

#[test]
fn a_rehearsal_says_what_a_backup_would_do_and_leaves_no_trace() {
    // The folders above the tree are stored too, and others write to those of temporary files meanwhile.
    let world = World::within(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder"));
    world.run(["init", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
    let world = filled(world);
    world.file("tree/c.bin", &(0..50_000u32).flat_map(|number| (number / 3).to_le_bytes()).collect::<Vec<u8>>());
    let everything = || ["repository", "home/.local"].map(|folder| contents(&world.path(folder)));
    let before = everything();
    let rehearsed = world.run(["backup", "-n", "--json", "tree"]).succeeded().only("summary");
    assert!(everything() == before, "neither the repository nor the client's state is touched");
    let cache = world.path("home/.cache/holdall");
    let left = contents(&cache).into_iter().any(|(path, _)| path.to_string_lossy().contains("rehearsal"));
    assert!(!left, "{}", cache.display());
    assert_eq!(rehearsed["dry_run"], true);
    assert!(rehearsed["snapshot_id"].is_null(), "{rehearsed}");
    let real = world.run(["backup", "--json", "tree"]).succeeded().only("summary");
    // How well it compresses depends on which thread gathers which chunks.
    for field in ["files_new", "files_changed", "files_unmodified", "data_added"] {
        assert_eq!(rehearsed[field], real[field], "{field}: {rehearsed} {real}");
    }
    assert!(rehearsed["data_added_packed"].as_u64().is_some_and(|bytes| bytes > 1000), "{rehearsed}");
    assert!(world.run(["backup", "-n", "tree"]).succeeded().out.starts_with("nothing was saved"));
}

#[test]
fn snapshots_are_listed_with_host_tags_and_paths() {
    let world = world_with_a_snapshot();
    world.run(["backup", "tree", "--host", "other", "--tag", "x,y", "--time", "2026-01-02 03:04:05"]).succeeded();
    let all = world.run(["snapshots"]).succeeded();
    assert!(all.out.contains("2 snapshots"), "{}", all.out);
    let other = world.run(["snapshots", "--host", "other", "--tag", "x,y"]).succeeded();
    for part in ["2026-01-02 03:04:05", "other", "x, y", "/tree", "1 snapshot\n"] {
        assert!(other.out.contains(part), "{part}: {}", other.out);
    }
    assert!(world.run(["snapshots", "--tag", "z"]).succeeded().out.contains("0 snapshots"));
}

#[test]
fn the_newest_snapshots_of_each_host_are_listed_in_few_columns() {
    let world = world_with_a_snapshot();
    for (host, time) in
        [("other", "2026-01-02 03:04:05"), ("other", "2026-01-03 03:04:05"), ("third", "2026-01-01 00:00:00")]
    {
        world.run(["backup", "-q", "tree", "-H", host, "--time", time]).succeeded();
    }
    let listed = world.run(["snapshots", "--latest", "1", "--compact"]).succeeded().out;
    assert!(listed.contains("2026-01-03") && listed.contains("third") && listed.contains("3 snapshots"), "{listed}");
    assert!(!listed.contains("2026-01-02") && !listed.contains("/tree"), "{listed}");
    let both = world.run(["snapshots", "--latest", "2", "-H", "other"]).succeeded().out;
    assert!(both.contains("2 snapshots") && both.contains("/tree"), "{both}");
}

#[test]
fn a_file_names_the_repository() {
    let world = world_with_a_snapshot();
    world.file("place", format!("{}\n", world.path("repository").display()).as_bytes());
    let mut command = world.command();
    command.env("HOLDALL_REPOSITORY", world.path("nowhere")).args(["snapshots", "--repository-file", "place"]);
    let finished = command.output().expect("the program starts");
    assert!(String::from_utf8_lossy(&finished.stdout).contains("1 snapshot"), "{finished:?}");
    world.run(["snapshots", "--repository-file", "place", "-r", "repository"]).ended(2);
}

#[test]
fn snapshots_are_named_by_age_and_by_prefix() {
    let world = world_with_a_snapshot();
    world.file("tree/c.txt", b"gamma");
    world.run(["backup", "tree"]).succeeded();
    let listed = |name: &str| world.run(["ls", name]).succeeded().out.contains("c.txt");
    assert!(listed("latest"));
    assert!(!listed("latest~1"));
    let json = world.run(["--json", "snapshots"]).succeeded().json();
    let id = json[0][1]["id"].as_str().expect("an id").to_owned();
    assert!(listed(&id) && listed(&id[..8]));
    let missing = world.run(["ls", "latest~2"]).ended(1);
    assert!(missing.err.contains("latest~2"), "{}", missing.err);
}

#[test]
fn a_folder_is_listed_as_deep_as_asked() {
    let world = world_with_a_snapshot();
    let tree = world.path("tree");
    let place = format!("latest:{}", tree.display());
    let shallow = world.run(["ls", &place]).succeeded().out;
    assert!(shallow.contains("a.txt") && shallow.contains("sub\n") && !shallow.contains("b.txt"), "{shallow}");
    assert!(world.run(["ls", "-R", &place]).succeeded().out.contains("sub/b.txt\n"));
    let long = world.run(["ls", "-l", &place]).succeeded().out;
    assert!(
        long.lines().any(|line| line.starts_with("-rw") && line.contains(" 5 ") && line.ends_with("a.txt")),
        "{long}"
    );
}

#[test]
fn patterns_choose_what_is_restored() {
    let world = world_with_a_snapshot();
    let place = format!("latest:{}", world.path("tree").display());
    world.run(["restore", &place, "--target", "only", "--include", "*.txt", "--exclude", "sub"]).succeeded();
    let names: Vec<_> = contents(&world.path("only")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["a.txt"].map(std::path::PathBuf::from));
    let nothing = world.run(["restore", &place, "--target", "nothing", "--include", "*.tyt"]).ended(0);
    assert!(nothing.err.contains("nothing that is asked for fits the patterns"), "{}", nothing.err);
    let something = world.run(["restore", &place, "--target", "only", "--include", "*.txt"]).succeeded();
    assert!(!something.err.contains("fits the patterns"), "{}", something.err);
}

#[test]
fn quiet_runs_print_nothing() {
    let world = world_with_a_snapshot();
    for line in [["-q", "backup", "tree"], ["-q", "check", "--read-data"]] {
        assert_eq!(world.run(line).succeeded().out, "", "{line:?}");
    }
}

#[test]
fn a_sound_repository_checks_out() {
    let world = world_with_a_snapshot();
    world.run(["check"]).succeeded();
    world.run(["check", "--read-data"]).succeeded();
    world.run(["scrub"]).succeeded();
    assert!(!world.run(["stats"]).succeeded().out.is_empty());
}

#[test]
fn a_machine_that_only_keeps_the_bytes_scrubs_them_without_a_password() {
    let world = world_with_a_snapshot();
    let mut command = world.command();
    command.env_remove("HOLDALL_PASSWORD").env_remove("HOLDALL_REPOSITORY").args(["scrub", "repository"]);
    let finished = crate::run::Finished::of(&command.output().expect("the program starts")).succeeded();
    assert!(finished.out.contains("no damage found"), "{}", finished.out);
    world.run(["scrub", "repository", "--repo", "repository"]).ended(2);
}

#[test]
fn a_machine_that_only_keeps_the_bytes_heals_them_without_a_password() {
    let world = world_with_a_snapshot();
    let keyless = |line: &[&str]| {
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").env_remove("HOLDALL_REPOSITORY").args(line);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    keyless(&["parity", "add", "repository", "--percent", "26"]).ended(2);
    let added = keyless(&["parity", "add", "repository", "--percent", "5"]).succeeded();
    assert!(added.out.contains("added parity to"), "{}", added.out);
    let before = crate::run::contents(&world.path("repository"));
    let mut damaged = 0;
    for (path, bytes) in &before {
        let text = path.to_string_lossy();
        let ours = ["packs/", "outcomes/", "config/"].iter().any(|folder| text.starts_with(folder));
        if ours && !bytes.is_empty() {
            let mut bytes = bytes.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(world.path("repository").join(path), bytes).expect("it can be written");
            damaged += 1;
        }
    }
    assert!(damaged > 3, "there was something to damage");
    keyless(&["scrub", "repository"]).ended(5);
    let healed = keyless(&["scrub", "repository", "--repair"]).succeeded();
    assert_eq!(healed.out.matches("healed: ").count(), damaged, "{}", healed.out);
    assert!(crate::run::contents(&world.path("repository")) == before, "bit for bit");
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn a_new_repository_heals_itself_and_tells_its_parity_apart() {
    let world = world_with_a_snapshot();
    let stats = world.run(["stats"]).succeeded();
    assert!(stats.out.contains("parity and second copies take"), "{}", stats.out);
    let before = crate::run::contents(&world.path("repository"));
    let slot = before.iter().find(|(path, bytes)| path.starts_with("keys") && !bytes.is_empty()).expect("a key slot");
    let mut bytes = slot.1.clone();
    bytes[50] ^= 1;
    std::fs::write(world.path("repository").join(&slot.0), bytes).expect("it can be written");
    world.run(["check"]).ended(5);
    let healed = world.run(["check", "--repair"]).succeeded();
    assert_eq!(healed.out.matches("healed: ").count(), 1, "{}", healed.out);
    assert!(crate::run::contents(&world.path("repository")) == before, "bit for bit");

    let plain = World::new();
    plain.run(["init", "--parity", "0"]).succeeded();
    plain.file("tree/a.txt", b"alpha");
    plain.run(["backup", "tree"]).succeeded();
    let stats = plain.run(["stats"]).succeeded();
    assert!(!stats.out.contains("parity"), "{}", stats.out);
    plain.run(["init", "--parity", "26"]).ended(2);
}

#[test]
fn what_could_not_be_saved_is_said_and_counted() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    let incomplete = world.run(["backup", "tree", "nowhere"]).ended(3);
    assert!(incomplete.err.contains("nowhere"), "{}", incomplete.err);
    assert!(incomplete.out.contains("1 item not saved"), "{}", incomplete.out);
    assert!(world.run(["ls", "latest"]).succeeded().out.contains("a.txt"));
}

#[test]
fn a_key_file_opens_what_it_made() {
    let world = World::new();
    world.file("tree/a.txt", b"alpha");
    let run = |line: &[&str]| {
        let mut command = world.command();
        command.env_remove("HOLDALL_PASSWORD").env("HOLDALL_KEY_FILE", world.path("key")).args(line);
        crate::run::Finished::of(&command.output().expect("the program starts"))
    };
    run(&["init"]).succeeded();
    run(&["backup", "tree"]).succeeded();
    assert!(std::fs::read_to_string(world.path("key")).expect("a key file").starts_with("holdall-key-1 "));
    world.run(["snapshots"]).ended(12);
}

#[test]
fn a_backup_that_is_ended_early_is_partial_and_the_next_one_completes_it() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    // At the highest level it takes some seconds, and a walk takes none.
    let text: String = (0..3_000_000u64).map(|number| format!("{:x} ", number.wrapping_mul(2_654_435_761))).collect();
    world.file("tree/b", text.as_bytes());
    world.file("tree/c", b"gamma");
    let none = world.run(["backup", "tree", "--stop-after", "0s"]).ended(1);
    assert!(none.err.contains("nothing was read in time"), "{}", none.err);
    let early = world.run(["backup", "--json", "tree", "--compression", "19", "--stop-after", "1s"]).ended(3);
    let summary = early.only("summary");
    assert_eq!(summary["partial"], "the backup was ended early; a file that was being read is not in it");
    assert_eq!((&summary["files_new"], &summary["errors"]), (&2.into(), &1.into()));
    let id = summary["snapshot_id"].as_str().expect("it is saved");
    assert!(world.run(["snapshots"]).succeeded().out.contains("(partial)"));
    let sweep = world.run(["restore", id, "--target", "copy", "--delete"]).ended(2);
    assert!(sweep.err.contains("is partial"), "{}", sweep.err);
    let restored = world.run(["restore", id, "--target", "copy"]).ended(0);
    assert!(restored.err.contains("is partial: the backup was ended early"), "{}", restored.err);
    let dumped = world.run(["dump", id, "--target", "copy.tar"]).ended(0);
    assert!(dumped.err.contains("is partial: the backup was ended early"), "{}", dumped.err);

    let whole = world.run(["backup", "--json", "tree", "--stop-after", "23:59"]).succeeded().only("summary");
    assert_eq!(whole.get("partial"), None);
    let tree = world.path("tree");
    world.run(["restore", &format!("latest:{}", tree.display()), "--target", "whole"]).succeeded();
    assert!(contents(&world.path("whole")) == contents(&tree));
    assert!(world.run(["backup", "tree", "--stop-after", "6am"]).ended(2).err.contains("06:00"));
}

#[test]
fn tags_are_given_in_any_order_and_a_stray_comma_is_none() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    world.run(["backup", "tree", "--tag", "b,a,,b", "--tag", "0", "--tag", ""]).succeeded();
    let shown = world.run(["snapshots", "--json"]).succeeded().json();
    assert!(shown.iter().any(|value| value.to_string().contains(r#""tags":["0","a","b"]"#)), "{shown:?}");
    let long = world.run(["backup", "tree", "--tag", &"x".repeat(1025)]).ended(2);
    assert!(long.err.contains("at most 1024 bytes"), "{}", long.err);
}

/// As restic has it, and `forget --keep-tag`.
#[test]
fn a_tag_that_is_asked_for_again_is_another_choice_and_commas_ask_for_all() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    for tags in [&["--tag", "a"][..], &["--tag", "b"], &["--tag", "a,b"], &[]] {
        world.run(["backup", "tree"].iter().chain(tags)).succeeded();
    }
    let count = |filter: &[&str]| {
        let listed = world.run(["snapshots", "--json"].iter().chain(filter)).succeeded();
        listed.json()[0].as_array().expect("it is a list").len()
    };
    for (filter, expected) in [
        (&["--tag", "a"][..], 2),
        (&["--tag", "a", "--tag", "b"], 3),
        (&["--tag", "a,b"], 1),
        (&["--tag", ""], 1),
        (&["--tag", "", "--tag", "b"], 3),
        (&["--tag", "c"], 0),
    ] {
        assert_eq!(count(filter), expected, "{filter:?}");
    }
    let tree = format!("{}/", world.path("tree").display());
    assert_eq!(count(&["--path", &tree]), 4, "a shell completes the slash");
    assert_eq!(count(&["--path", &format!("{tree}a/")]), 0);
}

#[test]
fn a_repository_that_was_backed_up_with_its_folder_is_not_restored_over() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    let everything = world.path("");
    let everything = everything.to_str().expect("a text");
    world.run(["backup", everything]).succeeded();
    let before = contents(&world.path("repository"));
    std::fs::write(world.path("tree/a"), b"omega").expect("a file");
    world.file("tree/extra", b"not in the snapshot");
    let source = format!("latest:{}", everything.trim_end_matches('/'));
    for more in [&["--delete"][..], &[]] {
        let restored = world.run([&["restore", &source, "--target", everything][..], more].concat()).ended(0);
        assert!(restored.err.contains("left as it is: the repository"), "{}", restored.err);
        assert!(contents(&world.path("repository")) == before);
    }
    assert_eq!(std::fs::read(world.path("tree/a")).expect("a file"), b"alpha");
    assert!(!world.path("tree/extra").exists());
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn what_a_command_delivered_is_kept_although_no_tree_could_be_read() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    world.run(["backup", "absent"]).ended(1);
    for line in [&["absent"][..], &["tree", "--stop-after", "0s"]] {
        let early = world.run([&["backup", "--json", "--command", "dump=echo kept"][..], line].concat()).ended(3);
        let id = early.only("summary")["snapshot_id"].as_str().expect("it is saved").to_owned();
        let dumped = world.run(["dump", &format!("{id}:/dump")]).ended(0);
        assert!(dumped.out == "kept\n" && dumped.err.contains("is partial"), "{}", dumped.err);
        let shown = world.run(["info", &id]).succeeded();
        assert!(shown.out.contains("partial"), "{}", shown.out);
    }
}

#[test]
fn a_file_that_came_back_damaged_is_restored_again_from_a_sound_repository() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.file("tree/b.txt", &[7; 100_000]);
    world.run(["backup", "tree", "--compression", "off"]).succeeded();
    let packs = world.path("repository").join("packs");
    let longest = contents(&packs).into_iter().max_by_key(|(_, bytes)| bytes.len()).expect("there are packs");
    let pack = packs.join(longest.0);
    let mut damaged = longest.1.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&pack, &damaged).expect("a pack");
    let source = format!("latest:{}", world.path("tree").display());
    world.run(["restore", &source, "--target", "back"]).ended(5);
    assert!(contents(&world.path("back")) != contents(&world.path("tree")));
    std::fs::write(&pack, &longest.1).expect("a pack");
    world.run(["restore", &source, "--target", "back", "--overwrite", "if-newer"]).succeeded();
    assert!(contents(&world.path("back")) == contents(&world.path("tree")));
}

/// Every file was counted as restored, those too that had come back with holes in the place of what was lost.
#[test]
fn files_that_came_back_in_part_are_not_counted_as_restored() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.file("tree/b.bin", &[7; 100_000]);
    std::fs::hard_link(world.path("tree/b.bin"), world.path("tree/c.bin")).expect("a link");
    world.run(["backup", "tree", "--compression", "off"]).succeeded();
    let source = format!("latest:{}", world.path("tree").display());
    let whole = world.run(["restore", &source, "--target", "whole", "--json"]).succeeded().only("summary");
    assert_eq!((&whole["files_restored"], &whole["files_incomplete"]), (&3.into(), &0.into()));
    let packs = world.path("repository").join("packs");
    let longest = contents(&packs).into_iter().max_by_key(|(_, bytes)| bytes.len()).expect("there are packs");
    let mut damaged = longest.1;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(packs.join(longest.0), &damaged).expect("a pack");

    let summary = world.run(["restore", &source, "--target", "back", "--json"]).ended(5).only("summary");
    assert_eq!((&summary["files_restored"], &summary["files_incomplete"]), (&2.into(), &1.into()));
    assert_eq!((&summary["bytes_restored"], &summary["total_bytes"]), (&5.into(), &whole["total_bytes"]));
    assert_eq!((&summary["total_files"], &summary["errors"]), (&whole["total_files"], &1.into()));
    let told = world.run(["restore", &source, "--target", "again"]).ended(5).out;
    assert!(told.starts_with("restored 2 files and 5 B of snapshot"), "{told}");
    assert!(told.contains("1 file came back in part"), "{told}");
    // What lies there is right, and nothing that is lost is needed.
    let kept = world.run(["restore", &source, "--target", "whole", "--json"]).succeeded().only("summary");
    assert_eq!((&kept["files_restored"], &kept["files_incomplete"]), (&3.into(), &0.into()));
}

#[test]
fn programs_that_want_everything_are_told_of_each_file_that_is_read() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    world.file(OsStr::from_bytes(b"tree/\xff"), b"odd");
    let read = |line: &[&str]| {
        let lines = world.run(line).ended(0).json();
        let read = lines.iter().filter(|line| line["message_type"] == "verbose_status" && line["action"] == "read");
        read.map(|line| (line["item"].as_str().map(str::to_owned), line["item_b64"].is_string())).collect::<Vec<_>>()
    };
    assert_eq!(read(&["backup", "--json", "tree"]), []);
    let file = world.file("tree/a", b"beta and more").to_str().map(str::to_owned);
    assert!(read(&["backup", "--json", "-vv", "tree"]).contains(&(file, false)));
    assert_eq!(read(&["backup", "--json", "-vv", "--force", "tree"]).iter().filter(|(_, is_odd)| *is_odd).count(), 1);
}
