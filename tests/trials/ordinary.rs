//! Running as somebody who is not root.

use crate::run::{Finished, World};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user nobody, with a home and a copy of the program that such a user may start.
pub(crate) struct Ordinary {
    program: PathBuf,
}

const NOBODY: u32 = 65534;

impl Ordinary {
    /// Makes the world readable for nobody, and a home for them.
    pub(crate) fn new(world: &World) -> Self {
        std::fs::set_permissions(world.path(""), PermissionsExt::from_mode(0o755)).expect("permissions");
        let program = world.path("holdall");
        std::fs::copy(env!("CARGO_BIN_EXE_holdall"), &program).expect("a copy");
        let ordinary = Self { program };
        std::fs::create_dir_all(world.path("nobody")).expect("a home");
        ordinary.give(&world.path("nobody"));
        ordinary.give(&world.path("repository"));
        ordinary
    }

    /// Gives them a tree.
    pub(crate) fn give(&self, path: &Path) {
        let done = Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(path).status();
        assert!(done.expect("chown").success());
    }

    /// Runs the program as nobody.
    pub(crate) fn run(&self, world: &World, arguments: &[&str]) -> Finished {
        let mut command = Command::new("setpriv");
        let user = format!("--reuid={NOBODY}");
        let group = format!("--regid={NOBODY}");
        command.args([&user, &group, "--clear-groups"]).arg(&self.program).args(arguments).env_clear();
        command.envs(world.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("HOME", world.path("nobody")).current_dir(world.path("nobody"));
        Finished::of(&command.output().expect("setpriv is part of every Debian"))
    }
}
