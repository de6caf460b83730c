//! What is left out of a backup, and how that is told.

use crate::run::World;

fn world() -> World {
    let world = World::with_repository();
    for name in ["a.c", "a.o", "sub/b.O", "sub/keep.o", "cache/x", "big", "scratch/y", "-dash"] {
        world.file(format!("tree/{name}"), name.as_bytes());
    }
    world.file("tree/cache/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n");
    world.file("tree/big", &[0; 5000]);
    world
}

/// The names below the tree in the latest snapshot.
fn listed(world: &World) -> Vec<String> {
    let tree = format!("{}/", world.path("tree").display());
    let out = world.run(["ls", "-R", &format!("latest:{}", world.path("tree").display())]).succeeded().out;
    out.lines().filter_map(|line| line.strip_prefix(&tree).map(ToOwned::to_owned)).collect()
}

#[test]
fn every_option_leaves_out_what_it_says() {
    let world = world();
    let whole = [
        "-dash",
        "a.c",
        "a.o",
        "big",
        "cache",
        "cache/CACHEDIR.TAG",
        "cache/x",
        "scratch",
        "scratch/.holdallignore",
        "scratch/y",
        "sub",
        "sub/.gitignore",
        "sub/b.O",
        "sub/keep.o",
    ];
    world.file("excludes", b"# objects\n*.o\n!${KEEP}.o\n");
    let excludes = world.path("excludes").display().to_string();
    world.file("tree/scratch/.holdallignore", b"y\n");
    world.file("tree/sub/.gitignore", b"*.O\n");
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--no-holdallignore"], &[]),
        (&[], &["scratch/y"]),
        (&["--git-ignore", "--no-holdallignore"], &["sub/b.O"]),
        (
            &["--exclude", "*.o", "-e", "scratch"],
            &["a.o", "sub/keep.o", "scratch", "scratch/.holdallignore", "scratch/y"],
        ),
        (&["--iexclude", "*.o"], &["a.o", "sub/b.O", "sub/keep.o", "scratch/y"]),
        (&["--exclude", "-dash"], &["-dash", "scratch/y"]),
        (&["--exclude-file", &excludes], &["a.o", "scratch/y"]),
        (&["--exclude-caches"], &["cache/x", "scratch/y"]),
        (
            &["--exclude-if-present", "keep.o", "--exclude-if-present", "x:y"],
            &["sub/.gitignore", "sub/b.O", "scratch/y"],
        ),
        (&["--exclude-larger-than", "4K"], &["big", "scratch/y"]),
    ];
    for (options, out) in cases {
        let mut command = world.command();
        command.env("KEEP", "keep").arg("backup").args(options).arg("tree");
        crate::run::Finished::of(&command.output().expect("the program starts")).succeeded();
        let kept: Vec<&str> = whole.into_iter().filter(|name| !out.contains(name)).collect();
        assert_eq!(listed(&world), kept, "{options:?}");
    }
}

#[test]
fn a_rehearsal_shows_the_rule_and_its_line_for_each_thing_left_out() {
    let world = world();
    let excludes = world.file("excludes", b"\n*.o\n");
    let tree = world.path("tree").display().to_string();
    let line = ["backup", "-n", "-v", "--exclude-file", "excludes", "--exclude", "scratch", "--exclude-caches", "tree"];
    let told = world.run(line).succeeded().out;
    for expected in [
        format!("left out {tree}/a.o: excludes:2 *.o\n"),
        format!("left out {tree}/sub/keep.o: excludes:2 *.o\n"),
        format!("left out {tree}/scratch: --exclude scratch\n"),
        format!("left out the contents of {tree}/cache: --exclude-caches\n"),
        "  left out 4 items\n".to_owned(),
    ] {
        assert!(told.contains(&expected), "{expected} {told}");
    }
    assert!(!told.contains("scratch/y"), "{told}");
    let quiet = world.run(["backup", "-n", "--exclude", "scratch", "tree"]).succeeded().out;
    assert!(!quiet.contains("--exclude") && quiet.contains("left out 1 item\n"), "{quiet}");
    let json = world
        .run(["backup", "-n", "-v", "--json", "--exclude-file", &excludes.display().to_string(), "tree"])
        .succeeded();
    let told = json.json().into_iter().filter(|value| value["action"] == "left_out").collect::<Vec<_>>();
    assert_eq!((told.len(), &told[0]["rule"], &told[0]["line"]), (2, &"*.o".into(), &2.into()), "{told:?}");
}

#[test]
fn patterns_and_files_that_make_no_sense_are_refused_before_anything_is_done() {
    let world = world();
    world.file("broken", b"*.c\n[a\n");
    world.file("unset", b"$NOWHERE/*\n");
    let cases: [(&[&str], &str); 5] = [
        (&["--exclude", "[a"], "--exclude [a: a [ without its ]"),
        (&["--exclude-file", "broken"], "broken:2 [a: a [ without its ]"),
        (&["--iexclude-file", "unset"], "unset:1: the variable NOWHERE is not set"),
        (&["--exclude-if-present", "a/b"], "expected the name of a file"),
        (&["--exclude-larger-than", "much"], "expected a size"),
    ];
    for (options, expected) in cases {
        let refused = world.run(["backup"].iter().chain(options).chain(&["tree"])).ended(2);
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
    let missing = world.run(["backup", "--exclude-file", "none", "tree"]).ended(1);
    assert!(missing.err.contains("can't read none"), "{}", missing.err);
    assert!(world.run(["snapshots"]).succeeded().out.contains("0 snapshots"));
}

#[test]
fn a_restore_takes_patterns_of_both_cases_and_from_files() {
    let world = world();
    world.run(["backup", "tree"]).succeeded();
    let place = format!("latest:{}", world.path("tree").display());
    world.file("wanted", b"*.o\n!keep.*\n");
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--include-file", "wanted"], &["a.o"]),
        (&["--iinclude", "*.O"], &["a.o", "sub", "sub/b.O", "sub/keep.o"]),
        (
            &["--iexclude", "*.o", "--exclude", "cache", "--exclude", "big", "--exclude", "scratch"],
            &["-dash", "a.c", "sub"],
        ),
    ];
    for (number, (options, expected)) in cases.into_iter().enumerate() {
        let target = number.to_string();
        world.run(["restore", &place, "--target", &target].iter().chain(options)).succeeded();
        let names: Vec<String> = crate::run::contents(&world.path(&target))
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        assert_eq!(names, expected, "{options:?}");
    }
}
