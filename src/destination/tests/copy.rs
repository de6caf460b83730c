//! A tree is read by the one side and written by the other, as a backup and its restore do with a repository between.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::destination::{Destination, Existing, Metadata, Owner, Shortfall};
use crate::fs::as_ordinary_user;
use crate::lacking::leave_out;
use crate::manifest::{Key, Kind};
use crate::source::{Role, Run, Source, Step, WalkOptions, Walked};

/// What came of a copy.
#[derive(Default)]
pub(super) struct Report {
    pub(super) entry_count: u64,
    pub(super) problems: Vec<String>,
    pub(super) shortfalls: Vec<(Key, Shortfall)>,
}

/// Copies `from` to `to`, as root everything and as another user what that user may.
pub(super) fn copy(from: &Path, to: &Path) -> Report {
    let source = Arc::new(Source::open(&[from.to_path_buf()], WalkOptions::default()).unwrap());
    let top = source.arguments().next().unwrap();
    let (to, links, report) = (Destination::open(to).unwrap(), HashMap::new(), Report::default());
    let mut copy = Copy { source: Arc::clone(&source), top, to, links, report };
    let mut directories: Vec<(Key, Metadata)> = Vec::new();
    for walked in source.walk() {
        let walked = match walked {
            Ok(Step::Entry(walked)) if walked.role == Role::Ancestor => continue,
            Ok(Step::Entry(walked)) => walked,
            Ok(Step::LeftOut { .. }) => continue,
            Err(problem) => {
                copy.report.problems.push(problem.to_string());
                continue;
            }
        };
        copy.report.problems.extend(walked.problem.as_ref().map(ToString::to_string));
        copy.report.entry_count += 1;
        let key = copy.moved(&walked.key);
        while directories.last().is_some_and(|(directory, _)| !key.is_within(directory)) {
            copy.finish(directories.pop().unwrap());
        }
        if let Some(metadata) = copy.entry(&walked, &key) {
            if metadata.kind == Kind::Directory {
                directories.push((key, metadata));
            } else {
                copy.finish((key, metadata));
            }
        }
    }
    while let Some(directory) = directories.pop() {
        copy.finish(directory);
    }
    copy.to.settle().unwrap();
    copy.report
}

struct Copy {
    source: Arc<Source>,
    top: Key,
    to: Destination,
    links: HashMap<(u64, u64), Key>,
    report: Report,
}

impl Copy {
    fn moved(&self, key: &Key) -> Key {
        let below = key.as_bytes()[self.top.as_bytes().len()..].to_vec();
        Key::parse(below.strip_prefix(b"\0").map(<[u8]>::to_vec).unwrap_or(below)).unwrap()
    }

    /// Makes an entry with its content; what is left is its metadata.
    fn entry(&mut self, walked: &Walked, key: &Key) -> Option<Metadata> {
        let stat = &walked.stat;
        if stat.kind != Kind::Directory && stat.links > 1 {
            if let Some(first) = self.links.get(&(stat.device, stat.inode)) {
                self.to.make_link(first, key).unwrap();
                return None;
            }
            self.links.insert((stat.device, stat.inode), key.clone());
        }
        let xattrs = self.source.xattrs(&walked.key);
        match stat.kind {
            Kind::Directory => drop(self.to.make_directory(key).unwrap()),
            Kind::File => self.content(walked, key),
            Kind::Symlink => {
                self.to.make_symlink(key, &self.source.read_link(&walked.key).unwrap(), Existing::ReuseShared).unwrap();
            }
            Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice => {
                self.to.make_special(key, (stat.kind, stat.special), Existing::ReuseShared).unwrap();
            }
            Kind::Unknown => panic!("{key}"),
        }
        let owner = Owner::Ids { uid: stat.uid, gid: stat.gid };
        let (mode, mtime) = (stat.mode, stat.mtime);
        Some(Metadata { kind: stat.kind, owner, mode, mtime, xattrs: xattrs.unwrap_or_default().xattrs })
    }

    fn content(&mut self, walked: &Walked, key: &Key) {
        let file = match self.source.open_file(&walked.key) {
            Ok(file) => file,
            Err(problem) => return self.report.problems.push(problem.to_string()),
        };
        let target = self.to.create_file(key, file.stat().size, Existing::Reuse).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut place = 0;
        while let Some(run) = file.run_at(place).unwrap() {
            place = match run {
                Run::Hole { start, end } => {
                    target.make_hole(start, end - start, file.stat().size).unwrap();
                    end
                }
                Run::Data { start, end } => {
                    let length = usize::try_from(end - start).unwrap().min(buffer.len());
                    let count = file.read_at(start, &mut buffer[..length]).unwrap();
                    assert_eq!(count, length);
                    target.write_at(start, &buffer[..length]).unwrap();
                    start + u64::try_from(length).unwrap()
                }
            };
        }
        assert_eq!(file.xattrs().unwrap().xattrs, self.source.xattrs(&walked.key).unwrap().xattrs);
        assert!(walked.stat.held_still(&file.stat_again().unwrap()));
    }

    fn finish(&mut self, (key, metadata): (Key, Metadata)) {
        match self.to.set_metadata(&key, &metadata) {
            Ok(set) => self.report.shortfalls.extend(set.shortfalls.into_iter().map(|fall| (key.clone(), fall))),
            Err(error) => self.report.problems.push(error.to_string()),
        }
    }
}

/// Scripts of the project, which may lie where an ordinary user can't look.
const SCRIPTS: [(&str, &str); 3] = [
    ("compare.sh", include_str!("../../../tests/compare.sh")),
    ("compare_trees.py", include_str!("../../../tests/compare_trees.py")),
    ("make_tree.py", include_str!("../../../tests/make_tree.py")),
];

/// Puts the scripts into a folder.
fn scripts(top: &Path) -> PathBuf {
    let folder = top.join("scripts");
    std::fs::create_dir(&folder).unwrap();
    SCRIPTS.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    folder
}

/// What `compare.sh` prints about two trees.
fn differences(scripts: &Path, left: &Path, right: &Path) -> String {
    let output = Command::new("bash").arg(scripts.join("compare.sh")).arg(left).arg(right).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Makes the tree with everything in it.
fn make_tree(scripts: &Path, at: &Path) {
    let made = Command::new("python3").arg(scripts.join("make_tree.py")).arg(at).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Copies twice, the second time over what is there: nothing is lost or changed by it.
fn assert_copies_are_equal(scripts: &Path, from: &Path, to: &Path) {
    for _ in 0..2 {
        let report = copy(from, to);
        assert_eq!(report.problems, Vec::<String>::new());
        assert!(report.shortfalls.is_empty(), "{:?}", report.shortfalls);
        assert!(report.entry_count > 800);
        assert_eq!(differences(scripts, from, to), "");
    }
}

#[test]
fn a_tree_with_everything_in_it_comes_back_the_same() {
    let top = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        return leave_out("root", "only root can have everything in a tree");
    }
    let (scripts, from) = (scripts(top.path()), top.path().join("from"));
    make_tree(&scripts, &from);
    assert_copies_are_equal(&scripts, &from, &top.path().join("to"));
}

#[test]
fn a_tree_comes_back_the_same_for_an_ordinary_user() {
    as_ordinary_user("destination::tests::copy::a_tree_comes_back_the_same_for_an_ordinary_user", |top| {
        let (scripts, from) = (scripts(top), top.join("from"));
        make_tree(&scripts, &from);
        // What they can't read themselves they can't copy.
        let shell = Command::new("sh").current_dir(from.join("modes")).args(["-c", UNREADABLE]).status();
        assert!(shell.unwrap().success());
        assert_copies_are_equal(&scripts, &from, &top.join("to"));
        assert!(Command::new("chmod").args(["-R", "u+rwx"]).arg(top).status().unwrap().success());
    });
}

const UNREADABLE: &str = r"
    chmod u+rwx 'directory '*
    rm -r 'file 0000' 'file 0001' 'file 0020' 'directory 0000' 'directory 0100' 'directory 0300' 'directory 7000'
    chmod 500 'directory 0500'; chmod 555 'directory 0555'; chmod 1777 'directory 1777'; chmod 2775 'directory 2775'";
