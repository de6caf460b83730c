//! Places where snapshots are mounted.

use crate::lacking::leave_out;
use crate::run::{Finished, World};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether this machine lets this user mount what a program serves.
pub(crate) fn can_mount() -> bool {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let root_may = || Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|done| done.status.success());
    let is_root = rustix::process::getuid().is_root();
    let may = if is_root { root_may() } else { Path::new("/usr/bin/fusermount3").exists() };
    if opened.is_err() || !may {
        leave_out("fuse", &format!("/dev/fuse can't be opened, or this user may not mount: {opened:?}"));
    }
    opened.is_ok() && may
}

/// A mount that ends with the test.
pub(crate) struct Mount {
    child: Option<Child>,
    pub(crate) place: PathBuf,
}

pub(crate) fn is_mounted(place: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("Linux lists mounts");
    mounts.lines().any(|line| line.split(' ').nth(1) == place.to_str())
}

pub(crate) fn within_ten_seconds(mut holds: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

impl Mount {
    pub(crate) fn new(world: &World, arguments: &[&str]) -> Self {
        let place = world.path("mount");
        std::fs::create_dir_all(&place).expect("a folder");
        let mut command = world.command();
        command.arg("mount").arg(&place).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mount = Self { child: Some(command.spawn().expect("the program starts")), place };
        assert!(within_ten_seconds(|| is_mounted(&mount.place)), "mounted");
        mount
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = self.child.as_ref().expect("it runs").id();
        let id = rustix::process::Pid::from_raw(id.try_into().expect("a small number")).expect("no zero");
        rustix::process::kill_process(id, signal).expect("it is there");
    }

    /// The most memory that the program had, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let id = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Waits for the end, and looks whether the mount has ended too.
    pub(crate) fn ended(mut self) -> Finished {
        let output = self.child.take().expect("it runs").wait_with_output().expect("it ends");
        assert!(!is_mounted(&self.place), "nothing stays mounted");
        Finished::of(&output)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("umount").arg("-l").arg(&self.place).status();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
