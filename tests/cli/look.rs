//! Looking into snapshots, and restoring over what is there, as users and their programs see it.

use crate::run::{Finished, World, contents};
use std::collections::BTreeMap;

/// Two snapshots of a tree that changed between them.
fn two_snapshots() -> World {
    let world = World::with_repository();
    world.file("tree/a/kept.txt", b"kept");
    world.file("tree/a/changed.txt", b"before");
    world.file("tree/gone.txt", b"gone");
    world.file("tree/kind", b"a file");
    world.run(["backup", "-q", "tree"]).succeeded();
    world.file("tree/a/changed.txt", b"and after");
    world.file("tree/b/new.odt", &[7; 5000]);
    std::fs::remove_file(world.path("tree/gone.txt")).expect("it is there");
    std::fs::remove_file(world.path("tree/kind")).expect("it is there");
    std::fs::create_dir(world.path("tree/kind")).expect("a folder");
    world.run(["backup", "-q", "tree"]).succeeded();
    world
}

/// The modifiers by path below the tree, and the statistics.
fn changes(world: &World, arguments: &[&str]) -> (BTreeMap<String, String>, serde_json::Value) {
    let finished = world.run(arguments).ended(0);
    let tree = world.path("tree").display().to_string();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let change = |line: &serde_json::Value| {
        let path = text(&line["path"]);
        (path.strip_prefix(&tree).unwrap_or(&path).to_owned(), text(&line["modifier"]))
    };
    let lines = finished.json();
    let changes = lines.iter().filter(|line| line["message_type"] == "change").map(change);
    (changes.collect(), finished.only("statistics"))
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(path, modifier)| ((*path).to_owned(), (*modifier).to_owned())).collect()
}

/// A restore told it, and a listing passed over it.
#[test]
fn manifest_19_what_is_listed_and_not_fully_understood_is_told() {
    let world = crate::screens::kept_world();
    let list = |path: &str| {
        let mut command = world.command();
        command.env("HOLDALL_PASSWORD", "golden password").args(["ls", path]);
        Finished::of(&command.output().expect("the program starts"))
    };
    let told = list("f893afaf:/odd").ended(3);
    assert!(told.out.contains("/odd/mandatory\n"), "{}", told.out);
    assert_eq!(told.err.matches("can't list /odd/mandatory: ").count(), 1, "{}", told.err);
    list("f893afaf:/odd/changing").succeeded();
}

#[test]
fn two_snapshots_are_compared() {
    let world = two_snapshots();
    let (found, statistics) = changes(&world, &["diff", "--json", "latest~1", "latest"]);
    let wanted = [("/a/changed.txt", "M"), ("/b", "+"), ("/b/new.odt", "+"), ("/gone.txt", "-"), ("/kind", "T")];
    assert_eq!(found, expected(&wanted));
    assert_eq!((&statistics["added"]["files"], &statistics["removed"]["files"]), (&1.into(), &2.into()));
    assert_eq!((&statistics["added"]["bytes"], &statistics["changed_files"]), (&5009.into(), &1.into()));
    let place = format!("latest~1:{}", world.path("tree/a").display());
    let (found, _) = changes(&world, &["diff", "--json", &place, "latest"]);
    assert_eq!(found, expected(&[("/a/changed.txt", "M")]));
    let (found, _) = changes(&world, &["diff", "--json", "--metadata", &place, "latest"]);
    assert_eq!(found["/a/changed.txt"], "MU");
    let text = world.run(["diff", "latest~1", "latest"]).succeeded().out;
    assert!(text.contains("T    /") && text.contains("1 new, 2 removed, 1 changed"), "{text}");
    world.run(["diff", "latest~1:/none", "latest"]).ended(1);
    world.run(["diff", "latest"]).ended(2);
}

#[test]
fn a_snapshot_is_compared_with_the_machine() {
    let world = two_snapshots();
    let before = contents(&world.path("tree"));
    let (found, statistics) = changes(&world, &["diff", "--json", "--live", "latest~1"]);
    let wanted = [("/a/changed.txt", "M"), ("/b", "+"), ("/b/new.odt", "+"), ("/gone.txt", "-"), ("/kind", "T")];
    assert_eq!(found, expected(&wanted));
    assert_eq!((&statistics["added"]["files"], &statistics["removed"]["files"]), (&1.into(), &2.into()));
    assert_eq!(statistics["target_snapshot"], "live");
    let (found, _) = changes(&world, &["diff", "--json", "--live", "latest"]);
    assert_eq!(found, expected(&[]));
    assert_eq!(contents(&world.path("tree")), before);
}

/// A file in the place of a pipe was called changed, so was one that is no further name of another any more, and what had
/// become something else was counted in neither column.
#[test]
fn what_is_on_the_machine_differs_as_a_snapshot_of_it_would() {
    let world = World::with_repository();
    let path = |name: &str| world.path("tree").join(name);
    for (name, bytes) in [("a", "twice"), ("f", "a file"), ("dirtofile/in", "in it"), ("filetodir", "long"), ("g", "g")]
    {
        world.file(format!("tree/{name}"), bytes.as_bytes());
    }
    for (name, target) in [("l1", "a"), ("l2", "a"), ("l3", "a")] {
        std::os::unix::fs::symlink(target, path(name)).expect("a link");
    }
    std::fs::hard_link(path("a"), path("a2")).expect("a further name");
    std::fs::hard_link(path("g"), path("g2")).expect("a further name");
    std::fs::hard_link(path("g"), path("g3")).expect("a further name");
    let pipe = std::process::Command::new("mkfifo").arg(path("p")).status().expect("mkfifo");
    assert!(pipe.success());
    world.run(["backup", "-q", "tree"]).succeeded();

    for name in ["p", "a2", "f", "filetodir", "l1", "l2", "l3", "g2", "g3"] {
        std::fs::remove_file(path(name)).expect("it is there");
    }
    std::fs::remove_dir_all(path("dirtofile")).expect("it is there");
    let files =
        [("p", "no pipe"), ("a2", "twice"), ("dirtofile", "was a folder"), ("filetodir/in", "in it"), ("l2/in", "x")];
    for (name, bytes) in files.into_iter().chain([("g2", "h"), ("g3", "longer")]) {
        world.file(format!("tree/{name}"), bytes.as_bytes());
    }
    for (name, target) in [("f", "a"), ("l1", "b"), ("l3", "a")] {
        std::os::unix::fs::symlink(target, path(name)).expect("a link");
    }
    let (live, mut told) = changes(&world, &["diff", "--json", "latest", "--live"]);
    world.run(["backup", "-q", "tree"]).succeeded();
    let (found, statistics) = changes(&world, &["diff", "--json", "latest~1", "latest"]);
    // Files that the second backup compared have a second sign there: the times of the machine may be equal.
    let found: BTreeMap<String, String> = found.into_iter().map(|(path, sign)| (path, sign.replace('?', ""))).collect();
    assert_eq!(live, found);
    assert_eq!(live.get("/p").map(String::as_str), Some("T"));
    assert_eq!(live.get("/a2"), None);
    told["target_snapshot"] = statistics["target_snapshot"].clone();
    assert_eq!(told, statistics);
}

/// The root of what a command delivered is the root of the tree beside it.
#[test]
fn a_command_that_comes_or_goes_takes_no_root_with_it_and_an_archive_has_one() {
    let world = World::with_repository();
    world.file("tree/kept.txt", b"kept");
    world.run(["backup", "-q", "tree", "--command", "cmd.out=echo hi"]).succeeded();
    world.run(["backup", "-q", "tree"]).succeeded();
    for (pair, sign) in [(["latest~1", "latest"], "-"), (["latest", "latest~1"], "+")] {
        let (found, statistics) = changes(&world, &["diff", "--json", pair[0], pair[1]]);
        assert_eq!(found, expected(&[("/cmd.out", sign)]));
        assert_eq!((&statistics["added"]["dirs"], &statistics["removed"]["dirs"]), (&0.into(), &0.into()));
    }
    world.run(["dump", "-q", "-t", "both.tar", "latest~1"]).succeeded();
    let listed = std::process::Command::new("tar").arg("-tf").arg(world.path("both.tar")).output().expect("tar");
    let listed = String::from_utf8(listed.stdout).expect("names");
    let names: Vec<&str> = listed.lines().collect();
    assert_eq!(names.iter().filter(|name| **name == "./").count(), 1, "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("cmd.out")), "{names:?}");
}

#[test]
fn files_are_found_in_all_snapshots_and_their_history_is_told() {
    let world = two_snapshots();
    let names = |arguments: &[&str]| {
        let out = world.run(arguments).succeeded().out;
        out.lines().map(|line| line.rsplit('/').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["find", "-q", "*.txt"]), ["changed.txt", "kept.txt", "gone.txt", "changed.txt", "kept.txt"]);
    assert_eq!(names(&["find", "-q", "GONE.TXT"]), [""; 0]);
    assert_eq!(names(&["find", "-q", "-i", "GONE.TXT"]), ["gone.txt"]);
    assert_eq!(names(&["find", "-q", "--size", "+4K", "*"]), ["new.odt"]);
    assert_eq!(names(&["find", "-q", "--type", "d", "-s", "latest", "kind"]), ["kind"]);
    assert_eq!(names(&["find", "-q", "-s", "latest", "/**/a/*"]), ["changed.txt", "kept.txt"]);
    assert_eq!(names(&["find", "-q", "-N", "2001-01-01", "*"]), [""; 0]);

    let lines = world.run(["find", "--json", "gone.txt"]).succeeded().json();
    assert_eq!((lines.len(), &lines[0]["message_type"], &lines[0]["size"]), (1, &"match".into(), &4.into()));
    assert_eq!(lines[0]["snapshot_id"].as_str().map(str::len), Some(64));
    let lines = world.run(["find", "--json", "--history", "gone.txt", "changed.txt"]).succeeded().json();
    let told: Vec<_> = lines.iter().map(|line| (line["modifier"].as_str(), line["size"].as_u64())).collect();
    assert_eq!(told, [(Some("+"), Some(6)), (Some("+"), Some(4)), (Some("MU"), Some(9)), (Some("-"), None)]);
}

#[test]
fn files_and_folders_are_dumped() {
    let world = two_snapshots();
    let place = |name: &str| format!("latest:{}", world.path(name).display());
    assert_eq!(world.run(["dump", &place("tree/a/changed.txt")]).succeeded().out, "and after");
    let summary = world.run(["dump", "--json", "-t", "a.tar", &place("tree/a")]).succeeded().only("summary");
    assert_eq!((&summary["files_dumped"], &summary["bytes_dumped"]), (&2.into(), &13.into()));
    world.run(["dump", "-t", "a.tar", &place("tree/a")]).ended(1);
    world.run(["dump", "--json", &place("tree/a")]).ended(2);
    world.run(["dump", "-a", "rar", &place("tree/a")]).ended(2);
    world.run(["dump", &place("tree/none")]).ended(1);
    std::fs::create_dir(world.path("t")).expect("a folder");
    let mut unpack = std::process::Command::new("tar");
    unpack.arg("-xf").arg(world.path("a.tar")).arg("-C").arg(world.path("t"));
    assert!(unpack.status().expect("tar").success());
    assert_eq!(contents(&world.path("t")), contents(&world.path("tree/a")));
}

/// What a dump prints on standard error whose output is full.
fn dump_into_a_full_disc(world: &World, arguments: &[&str]) -> String {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has one");
    let output = world.command().arg("dump").args(arguments).stdout(full).output().expect("the program starts");
    Finished::of(&output).ended(13).err
}

#[test]
fn a_dump_onto_a_full_disc_ends_with_13_and_says_it_in_two_lines() {
    let world = World::with_repository();
    world.file("tree/large", &vec![7; 1 << 20]);
    // The list at the end of a zip archive fills the buffer of the output, and what stands before it does not.
    let long = "n".repeat(200);
    (0..900).for_each(|number| drop(world.file(format!("names/{long}{number}"), b"")));
    world.run(["backup", "tree", "names"]).succeeded();
    let place = |name: &str| format!("latest:{}", world.path(name).display());
    let (large, tree, names) = (place("tree/large"), place("tree"), place("names"));
    for arguments in [&[large.as_str()][..], &["-a", "tar", &tree], &["-a", "zip", &tree], &["-a", "zip", &names]] {
        let err = dump_into_a_full_disc(&world, arguments);
        assert!(err.starts_with("holdall: can't write what was read: No space left on device"), "{arguments:?}: {err}");
        assert!(err.ends_with("\nmake room and run it again\n") && err.lines().count() == 2, "{arguments:?}: {err}");
    }
}

#[test]
fn a_dump_that_fails_leaves_no_file() {
    let world = two_snapshots();
    let none = format!("latest:{}", world.path("tree/none").display());
    for form in ["tar", "zip"] {
        world.run(["dump", "-a", form, "-t", "cut", &none]).ended(1);
        assert!(!world.path("cut").exists(), "{form}");
    }
}

#[test]
fn a_rehearsed_restore_lists_what_the_restore_then_does() {
    let world = two_snapshots();
    let place = format!("latest~1:{}", world.path("tree").display());
    let actions = |arguments: &[&str]| {
        let finished = world.run(arguments).succeeded();
        let status = |line: &serde_json::Value| {
            let item = line["item"].as_str().expect("an item").rsplit('/').next().unwrap_or_default().to_owned();
            (item, line["action"].as_str().expect("an action").to_owned(), line["size"].as_u64().expect("a size"))
        };
        let lines = finished.json();
        let mut found: Vec<_> =
            lines.iter().filter(|line| line["message_type"] == "verbose_status").map(status).collect();
        found.retain(|(_, action, _)| action != "metadata");
        found.sort();
        (found, finished.only("summary"))
    };
    let before = contents(&world.path("tree"));
    let wanted = ["restore", "--json", "--delete", &place, "--target", "tree"];
    let (foretold, summary) = actions(&[&wanted[..], &["-n"]].concat());
    assert_eq!(contents(&world.path("tree")), before);
    assert_eq!((&summary["dry_run"], &summary["files_deleted"]), (&true.into(), &2.into()));
    assert!(foretold.contains(&("changed.txt".to_owned(), "updated".to_owned(), 6)), "{foretold:?}");
    let text = world.run(["restore", "-n", "--delete", &place, "--target", "tree"]).succeeded().out;
    assert!(text.contains("deleted   /") && text.contains("would restore 4 files"), "{text}");
    let (_, summary) = actions(&wanted);
    assert_eq!((&summary["bytes_written"], &summary["files_deleted"]), (&16.into(), &2.into()));
    assert_eq!(std::fs::read(world.path("tree/kind")).expect("a file"), b"a file");
    let (_, again) = actions(&wanted);
    assert_eq!((&again["bytes_written"], &again["files_deleted"]), (&0.into(), &0.into()));
}

/// Only who said which archive it shall be got anything.
#[test]
fn a_dump_gives_what_is_left_although_the_entry_of_what_was_named_is_damaged() {
    let world = World::with_repository();
    world.file("tree/f", b"a file");
    world.run(["backup", "tree"]).succeeded();
    let folders = std::fs::read_dir(world.path("repository/packs")).expect("packs");
    let folders = folders.map(|folder| folder.expect("a folder").path()).filter(|path| path.is_dir());
    for pack in folders.flat_map(|folder| std::fs::read_dir(folder).expect("packs")) {
        let pack = pack.expect("a pack").path();
        // What lists folders.
        if std::fs::read(&pack).expect("it is there").get(12) == Some(&2) {
            std::fs::remove_file(&pack).expect("it is there");
        }
    }
    let place = format!("latest:{}", world.path("tree").display());
    for (what, file) in [("latest", "all.tar"), (place.as_str(), "tree.tar")] {
        world.run(["dump", what, "--target", file]).ended(5);
        assert!(world.path(file).exists(), "{what}");
    }
}

#[test]
fn a_whole_machine_is_not_swept_by_accident() {
    let world = two_snapshots();
    for whole in ["latest", "latest:/", "latest:/./"] {
        let refused = world.run(["restore", "-n", whole, "--target", "/", "--delete"]).ended(2);
        assert!(refused.err.contains("--delete into /"), "{}", refused.err);
    }
    // The contents of one folder would become those of /, whatever is chosen of them.
    for chosen in [&[][..], &["--exclude", "x"], &["--include", "x"]] {
        let one = ["restore", "-n", "latest:/tmp", "--target", "/tmp/..", "--delete"];
        let refused = world.run([&one[..], chosen].concat()).ended(2);
        assert!(refused.err.contains("--target /home"), "{}", refused.err);
    }
    world.run(["restore", "-n", "latest~1:/tmp", "latest:/etc", "--target", "t"]).ended(2);
}

#[test]
fn what_stands_in_the_way_is_named_by_where_it_lies_and_what_removes_it_is_said() {
    let world = World::with_repository();
    world.file("tree/f", b"a file");
    world.run(["backup", "tree"]).succeeded();
    let place = format!("latest:{}", world.path("tree").display());
    world.file("elsewhere/f/inner", b"a folder by now");
    let blocked = world.run(["restore", &place, "--target", "elsewhere"]).ended(3);
    let lies = format!("{} is a directory that is not empty", world.path("elsewhere/f").display());
    assert!(blocked.err.contains(&lies) && blocked.err.contains("--delete removes"), "{}", blocked.err);
    world.run(["restore", &place, "--target", "elsewhere", "--delete"]).succeeded();
    assert_eq!(std::fs::read(world.path("elsewhere/f")).expect("a file"), b"a file");
}

#[test]
fn what_a_restore_deletes_is_named_by_where_it_lies() {
    let world = two_snapshots();
    let place = format!("latest:{}", world.path("tree").display());
    world.run(["restore", &place, "--target", "elsewhere"]).succeeded();
    world.file("elsewhere/a/extra", b"extra");
    world.file("elsewhere/c/extra", b"extra");
    let deleted = |arguments: &[&str]| {
        let wanted = ["restore", "--json", "--delete", &place, "--target", "elsewhere"];
        let lines = world.run(wanted.iter().chain(arguments)).succeeded().json();
        let lines = lines.into_iter().filter(|line| line["action"] == "deleted");
        lines.map(|line| line["item"].as_str().expect("an item").to_owned()).collect::<Vec<_>>()
    };
    let extra = ["a/extra", "c/extra", "c"].map(|name| world.path("elsewhere").join(name).display().to_string());
    assert_eq!(deleted(&["-n"]), extra);
    assert_eq!(deleted(&["-vv"]), extra);
}
