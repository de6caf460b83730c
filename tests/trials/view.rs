//! The view of the index deleted, cut short, from an earlier day, of another repository, or in a place that can't be
//! written to: every command answers right.

use crate::lacking::leave_out;
use crate::ordinary::Ordinary;
use crate::run::{World, contents};
use crate::tree::{Random, is_root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A world whose view has been written several times, and the view.
fn world() -> (World, PathBuf) {
    let world = World::with_repository();
    let mut random = Random::new(3);
    for number in 0..4 {
        world.file(format!("tree/{number}"), &random.noise(400_000));
        world.run(["backup", "-q", "tree"]).succeeded();
    }
    let cache = world.path("home/.cache/holdall");
    let view = std::fs::read_dir(cache).expect("a cache").next().expect("a view").expect("a view").path().join("view");
    (world, view)
}

/// What a command says about a damaged view it says on standard error; its answer must be right all the same.
fn answers_right(world: &World, snapshots: usize, case: &str) {
    let tree = world.path("tree");
    let source = format!("latest:{}", tree.display());
    for _ in 0..2 {
        assert_eq!(
            world.run(["snapshots", "--json"]).ended(0).json()[0].as_array().map(Vec::len),
            Some(snapshots),
            "{case}"
        );
        let checked = world.run(["check", "-q", "--read-data"]);
        assert_eq!((checked.code, checked.out.as_str()), (Some(0), ""), "{case}: {}", checked.err);
        let restored = world.run(["restore", "-q", &source, "--target", "copy"]);
        assert_eq!(restored.code, Some(0), "{case}: {}", restored.err);
        assert!(contents(&world.path("copy")) == contents(&tree), "{case}");
        std::fs::remove_dir_all(world.path("copy")).expect("it was restored");
    }
}

/// The backup comes last: it may mend the view, which the readers must not depend on.
fn answers_right_and_stores_nothing_again(world: &World, snapshots: usize, case: &str) {
    answers_right(world, snapshots, case);
    let backup = world.run(["backup", "--json", "--force", "tree"]).ended(0).only("summary");
    let added = backup["data_added"].as_u64().expect("a number");
    assert!(added < 64 << 10, "{case}: {added} bytes were stored again");
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

#[test]
fn a_view_that_is_gone_or_of_an_earlier_day_changes_no_answer() {
    let (world, view) = world();
    copy(&view, &world.path("earlier"));
    let parent = view.parent().expect("a folder").to_path_buf();
    world.file("tree/later", &Random::new(4).noise(500_000));
    world.run(["backup", "-q", "tree"]).succeeded();
    copy(&world.path("earlier"), &view);
    answers_right(&world, 5, "an earlier day");
    std::fs::remove_dir_all(parent).expect("a view");
    answers_right_and_stores_nothing_again(&world, 5, "deleted");
}

#[test]
fn a_view_with_any_file_cut_short_changes_no_answer() {
    let (world, view) = world();
    let kept = world.path("kept");
    copy(&view, &kept);
    let names: Vec<_> =
        std::fs::read_dir(&kept).expect("a view").map(|entry| entry.expect("a file").file_name()).collect();
    assert!(names.iter().any(|name| name.to_string_lossy().ends_with(".sst")), "{names:?}");
    for name in names {
        copy(&kept, &view);
        let file = std::fs::File::options().write(true).open(view.join(&name)).expect("a file");
        file.set_len(file.metadata().expect("a file").len() / 2).expect("cut short");
        answers_right(&world, 4, &name.to_string_lossy());
    }
    // The last word is a writer's.
    answers_right_and_stores_nothing_again(&world, 4, "after all of them");
}

/// The files open, and only reading some of their rows fails. Each command meets that for itself.
#[test]
fn a_view_whose_blocks_rot_changes_no_answer() {
    let (world, view) = world();
    world.run(["forget", "-q", "latest~3"]).succeeded();
    let (cache, kept) = (world.path("home/.cache/holdall"), world.path("kept"));
    let tables: Vec<_> = std::fs::read_dir(&view)
        .expect("a view")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sst"))
        .collect();
    assert!(!tables.is_empty(), "{}", view.display());
    for table in &tables {
        let mut bytes = std::fs::read(table).expect("a table");
        let end = bytes.len() / 2;
        bytes[..end].iter_mut().skip(100).for_each(|byte| *byte ^= 0xff);
        std::fs::write(table, bytes).expect("a table");
    }
    copy(&cache, &kept);
    let source = format!("latest:{}", world.path("tree").display());
    let lines: [&[&str]; 7] = [
        &["ls", "-q", "latest"],
        &["restore", "-q", &source, "--target", "copy"],
        &["check", "-q", "--read-data", "--memory", "16M"],
        &["stats", "-q"],
        &["backup", "-q", "--force", "--dry-run", "tree"],
        &["backup", "-q", "--force", "tree"],
        &["prune", "-q", "--max-unused", "0"],
    ];
    for line in lines {
        copy(&kept, &cache);
        world.run(line).ended(0);
    }
    assert!(contents(&world.path("copy")) == contents(&world.path("tree")));
    std::fs::remove_dir_all(world.path("copy")).expect("it was restored");
    copy(&kept, &cache);
    answers_right_and_stores_nothing_again(&world, 4, "rotten blocks");
}

#[test]
fn the_view_of_another_repository_changes_no_answer() {
    let (world, view) = world();
    let (_other, strange) = self::world();
    copy(&strange, &view);
    answers_right_and_stores_nothing_again(&world, 4, "another repository's");
}

#[test]
fn a_cache_that_cannot_be_written_to_changes_no_answer() {
    if !is_root() {
        return leave_out("root", "only root can become another user");
    }
    let (world, _) = world();
    let ordinary = Ordinary::new(&world);
    let cache = world.file("cache/file", b"").parent().expect("a folder").to_path_buf();
    std::fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o555)).expect("permissions");
    let cache = cache.to_str().expect("text");
    for line in [&["snapshots", "-q"][..], &["check", "-q"], &["stats", "-q"], &["ls", "latest"]] {
        let finished = ordinary.run(&world, &[line, &["--cache-dir", cache]].concat()).ended(0);
        assert!(finished.err.contains("cache directory") && finished.err.contains(cache), "{}", finished.err);
    }
}
