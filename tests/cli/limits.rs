//! A process that may have little of what the system gives.

use crate::run::{Finished, World};
use std::process::Command;

/// Runs the program as a shell does after `ulimit` with these words.
fn within(world: &World, ulimit: &str, arguments: &[&str]) -> Finished {
    let own = world.command();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\"")]).arg(own.get_program()).args(arguments);
    shell.env_clear().envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Finished::of(&shell.current_dir(world.path("")).output().expect("a shell"))
}

/// With 256 open files, as some systems begin, a backup of 1,500 folders failed.
#[test]
fn few_open_files_do_for_many_folders() {
    let world = World::with_repository();
    let paths: Vec<String> = (0..300).flat_map(|folder| ["a", "b"].map(|file| format!("{folder:03}/{file}"))).collect();
    for path in &paths {
        world.file(format!("tree/{path}"), path.repeat(2000).as_bytes());
    }
    // Of the second one the program itself may raise the limit.
    for ulimit in ["-n 64", "-Sn 16"] {
        within(&world, ulimit, &["backup", "-q", "--force", "tree"]).succeeded();
        within(&world, ulimit, &["check", "-q", "--read-data"]).succeeded();
        let target = format!("restored{ulimit}").replace(' ', "");
        within(&world, ulimit, &["restore", "-q", "latest", "--target", &target]).succeeded();
        let root = world.path("tree");
        let restored = world.path(&target).join(root.strip_prefix("/").expect("an absolute path"));
        for path in &paths {
            assert!(
                std::fs::read(restored.join(path)).is_ok_and(|bytes| bytes == path.repeat(2000).as_bytes()),
                "{path}"
            );
        }
    }
}
