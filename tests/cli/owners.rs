//! Owners, and whom access control lists name, on machines that number them differently.

use crate::lacking::leave_out;
use crate::run::{Finished, World};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

const LIST: &str = "system.posix_acl_access";

/// Runs the program as on a machine where eva has this number; none where the test may not pretend that.
fn where_eva_is(number: u32, world: &World, line: &[&str]) -> Option<Finished> {
    let users = format!("root:x:0:0::/root:/bin/sh\neva:x:{number}:{number}::/:/bin/sh\n");
    let users = world.file(format!("passwd-{number}"), users.as_bytes());
    let program = world.command();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", r#"mount --bind "$0" /etc/passwd || exit 77; exec "$@""#]).arg(users);
    command.arg(program.get_program()).args(line).env_clear().current_dir(world.path(""));
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let finished = Finished::of(&command.output().ok()?);
    (finished.code != Some(77) && !finished.err.contains("unshare")).then_some(finished)
}

/// A list by which a user may read.
fn list(user: u32) -> Vec<u8> {
    let nobody = u32::MAX;
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, nobody), (2, 4, user), (4, 4, nobody), (16, 4, nobody), (32, 4, nobody)];
    let bytes =
        entries.map(|(tag, rights, id)| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat());
    [vec![2, 0, 0, 0], bytes.concat()].concat()
}

/// The restored file belonged to the right one, and whoever had the number here could read it.
#[test]
fn outcome_25_access_control_lists_are_mapped_by_name_as_owners_are() {
    let world = World::with_repository();
    let file = world.file("tree/f", b"rights");
    if !rustix::process::geteuid().is_root() {
        return leave_out("root", "only root gives files to others");
    }
    rustix::fs::setxattr(&file, LIST, &list(4001), rustix::fs::XattrFlags::empty()).expect("a list");
    std::os::unix::fs::chown(&file, Some(4001), None).expect("another owner");
    let Some(done) = where_eva_is(4001, &world, &["backup", "tree"]) else {
        return leave_out("mount", "other numbers are mounted over one's own");
    };
    done.succeeded();
    let restored = |target: &str, line: &[&str]| {
        let part = format!("latest:{}", world.path("tree").display());
        let line = [&["restore", &part, "--target", target], line].concat();
        let done = where_eva_is(4002, &world, &line).expect("it could just now").ended(0);
        let file = world.path(target).join("f");
        let mut value = [0; 256];
        let length = rustix::fs::getxattr(&file, LIST, &mut value).expect("the list");
        (std::fs::metadata(file).expect("the file").uid(), value[..length].to_vec(), done.err)
    };
    let (owner, value, notice) = restored("by-name", &[]);
    assert_eq!((owner, value), (4002, list(4002)));
    assert!(notice.contains("eva 4001 to 4002"), "{notice}");
    let (owner, value, notice) = restored("by-number", &["--numeric-ids"]);
    assert_eq!((owner, value, notice.as_str()), (4001, list(4001), ""));
    where_eva_is(4002, &world, &["drill", "--no-live"]).expect("it could just now").succeeded();
}
