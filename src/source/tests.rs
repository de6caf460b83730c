//! Trees made for the purpose, walked and read.

mod limits;
mod moving;
mod reading;
mod selection;

use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

type Watcher = dyn Fn(&Key) + Send + Sync;

/// Called with everything that a walk has just looked at.
#[derive(Clone, Default)]
pub(super) struct Watch(Option<Arc<Watcher>>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    pub(super) fn see(&self, key: &[u8]) {
        if let (Some(watch), Ok(key)) = (&self.0, Key::parse(key.to_vec())) {
            watch(&key);
        }
    }
}

impl WalkOptions {
    fn watched_by(mut self, watch: Arc<Watcher>) -> Self {
        self.watch = Watch(Some(watch));
        self
    }
}

fn walk(paths: &[&Path], options: WalkOptions) -> Vec<Result<Walked, SourceError>> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    entries(&Arc::new(Source::open(&paths, options).unwrap()))
}

/// What a walk takes, and its problems.
fn entries(source: &Arc<Source>) -> Vec<Result<Walked, SourceError>> {
    source.walk().filter_map(entry).collect()
}

fn entry(step: Result<Step, SourceError>) -> Option<Result<Walked, SourceError>> {
    match step {
        Ok(Step::Entry(walked)) => Some(Ok(walked)),
        Ok(Step::LeftOut { .. }) => None,
        Err(problem) => Some(Err(problem)),
    }
}

/// Keys below `top`, as text, ancestors left out.
fn members(top: &Path, walked: &[Result<Walked, SourceError>]) -> Vec<String> {
    let prefix = top.to_str().unwrap().trim_start_matches('/').replace('/', "\0");
    let walked = walked.iter().filter_map(|walked| walked.as_ref().ok());
    let keys = walked.filter(|walked| walked.role == Role::Member).map(|walked| walked.key.as_bytes());
    keys.map(|key| String::from_utf8_lossy(key).strip_prefix(&prefix).unwrap().replace('\0', "/")).collect()
}

#[test]
fn entries_come_in_key_order_ancestors_first() {
    let top = tempfile::tempdir().unwrap();
    for directory in ["a/b/c", "a!", "z"] {
        std::fs::create_dir_all(top.path().join(directory)).unwrap();
    }
    for file in ["a/b/c/1", "a/b!", "a/bb", "a!/x", "b"] {
        std::fs::write(top.path().join(file), file).unwrap();
    }
    let walked = walk(&[top.path()], WalkOptions::default());
    let keys: Vec<&[u8]> = walked.iter().map(|walked| walked.as_ref().unwrap().key.as_bytes()).collect();
    assert!(keys.is_sorted() && keys[0].is_empty());
    let expected = ["", "/a", "/a/b", "/a/b/c", "/a/b/c/1", "/a/b!", "/a/bb", "/a!", "/a!/x", "/b", "/z"];
    assert_eq!(members(top.path(), &walked), expected);
    assert_eq!(walked[0].as_ref().unwrap().role, Role::Ancestor);
}

#[test]
fn a_walk_over_many_directories_is_the_same_with_and_without_threads() {
    let top = tempfile::tempdir().unwrap();
    for outer in 0..30 {
        for inner in 0..10 {
            let directory = top.path().join(format!("{outer}/{inner}"));
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("file"), "x").unwrap();
        }
    }
    for name in 0..3000 {
        std::fs::write(top.path().join(format!("9/file-{name}")), "").unwrap();
    }
    let alone = members(top.path(), &walk(&[top.path()], WalkOptions::default().thread_count(0)));
    assert_eq!(alone.len(), 1 + 30 + 300 + 300 + 3000);
    for _ in 0..20 {
        let options = WalkOptions::default().thread_count(4).open_count_max(4);
        assert_eq!(members(top.path(), &walk(&[top.path()], options)), alone);
    }
}

#[test]
fn a_link_is_walked_as_a_link_and_only_a_slash_follows_it() {
    let top = tempfile::tempdir().unwrap();
    std::fs::create_dir(top.path().join("real")).unwrap();
    std::fs::write(top.path().join("real/file"), "x").unwrap();
    symlink("real", top.path().join("link")).unwrap();
    let link = top.path().join("link");
    assert_eq!(members(&link, &walk(&[&link], WalkOptions::default())), [""]);
    let with_slash = top.path().join("link/");
    assert_eq!(members(&link, &walk(&[&with_slash], WalkOptions::default())), ["", "/file"]);
    let through = top.path().join("link/file");
    let source = Arc::new(Source::open(&[through], WalkOptions::default()).unwrap());
    let last = entries(&source).pop().unwrap().unwrap();
    assert_eq!(source.open_file(&last.key).unwrap().stat().size, 1);
}

#[test]
fn what_does_not_exist_is_a_problem_in_its_place() {
    let top = tempfile::tempdir().unwrap();
    let walked =
        walk(&[&top.path().join("none"), top.path().join("none/deep").parent().unwrap()], WalkOptions::default());
    let problem = walked.last().unwrap().as_ref().unwrap_err();
    assert!(problem.is_vanished() && problem.key().unwrap().as_bytes().ends_with(b"none"), "{problem}");
}
