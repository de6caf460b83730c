//! What is left out, and by which rule.

use crate::lacking::leave_out;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::pattern::{Case, PatternList, Rule};

fn tree(entries: &[&str]) -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    for entry in entries {
        let path = top.path().join(entry);
        if entry.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, entry).unwrap();
        }
    }
    top
}

fn patterns(texts: &[&str]) -> PatternList {
    let mut list = PatternList::new(Case::Exact);
    texts.iter().for_each(|text| list.add(Rule::new(*text, "--exclude")).unwrap());
    list
}

fn excluding(texts: &[&str]) -> Selection {
    Selection::default().exclude(patterns(texts))
}

fn rule(origin: &str) -> Rule {
    Rule::new("", origin)
}

/// A line for each step below `top`: what is taken, `- ` before what is left out whole and `# ` before directories whose
/// contents are, both with the rule; `> ` before what is only on the way.
fn steps(top: &Path, paths: &[&Path], selection: Selection) -> Vec<String> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let source = Arc::new(Source::open(&paths, WalkOptions::default().selection(selection)).unwrap());
    let below = |key: &Key| {
        let path = key.to_path();
        let below = path.strip_prefix(top).ok()?.as_os_str().as_bytes().escape_ascii().to_string();
        Some(below).filter(|below| !below.is_empty())
    };
    let line = |step: Result<Step, SourceError>| match step {
        Ok(Step::LeftOut { key, rule }) => Some(format!("- {} ({rule})", below(&key)?)),
        Ok(Step::Entry(Walked { key, left_out: Some(rule), .. })) => Some(format!("# {} ({rule})", below(&key)?)),
        Ok(Step::Entry(Walked { key, role: Role::Ancestor, .. })) => Some(format!("> {}", below(&key)?)),
        Ok(Step::Entry(Walked { key, .. })) => below(&key),
        Err(problem) => Some(format!("! {}", problem.errno())),
    };
    source.walk().filter_map(line).collect()
}

#[test]
fn what_a_pattern_chooses_is_left_out_and_a_directory_that_is_is_not_read() {
    let top = tree(&["keep/a.o", "keep/b", "leave/b", "leave/c/d"]);
    let looked_at = Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&looked_at);
    let options =
        WalkOptions::default().selection(excluding(&["*.o", "leave"])).watched_by(Arc::new(move |key: &Key| {
            log.lock().unwrap().insert(key.name().to_vec());
        }));
    let found = members(top.path(), &walk(&[top.path()], options));
    assert_eq!(found, ["", "/keep", "/keep/b"]);
    assert!(!looked_at.lock().unwrap().contains(b"c".as_slice()), "nothing below it is looked at");
    assert_eq!(
        steps(top.path(), &[top.path()], excluding(&["*.o", "leave"])),
        ["keep", "- keep/a.o (--exclude *.o)", "keep/b", "- leave (--exclude leave)"]
    );
}

#[test]
fn what_is_named_is_taken_whatever_is_left_out_above() {
    let top = tree(&["a/b/c/d", "a/b/x", "a/y", "z"]);
    let named = |path: &str| top.path().join(path);
    let both = |path: &Path, selection| steps(top.path(), &[top.path(), path], selection);
    assert_eq!(both(&named("a/b/c"), excluding(&["b", "!c"])), ["a", "> a/b", "a/b/c", "a/b/c/d", "a/y", "z"]);
    assert_eq!(
        both(&named("a/b/x"), excluding(&["a"])),
        ["> a", "> a/b", "a/b/x", "z"],
        "the names beside the way are not met"
    );
    assert_eq!(
        steps(top.path(), &[&named("a/b")], excluding(&["/**/b/c", "!x"])),
        ["> a", "a/b", "- a/b/c (--exclude /**/b/c)", "a/b/x"],
        "what is in it is judged by its whole path"
    );
}

/// What was named was taken and came out empty, since a pattern fitted it or a directory above it.
#[test]
fn a_named_directory_is_not_emptied_by_what_fits_it_or_lies_above_it() {
    let top = tree(&["mnt/data/a.o", "mnt/data/keep/b", "mnt/data/keep/b.o", "mnt/other", "z"]);
    let named = top.path().join("mnt/data");
    let kept = |paths: &[&Path], texts: &[&str]| steps(top.path(), paths, excluding(texts));
    let all = ["> mnt", "mnt/data", "mnt/data/a.o", "mnt/data/keep", "mnt/data/keep/b", "mnt/data/keep/b.o"];
    for above in ["/*", "mnt", "data", "mnt/*", "mnt/**", "/**/mnt/data"] {
        assert_eq!(kept(&[&named], &[above]), all, "{above}");
    }
    let without = [
        "> mnt",
        "mnt/data",
        "- mnt/data/a.o (--exclude *.o)",
        "mnt/data/keep",
        "mnt/data/keep/b",
        "- mnt/data/keep/b.o (--exclude *.o)",
    ];
    for texts in [["*.o", "mnt/*"], ["mnt/*", "*.o"], ["data", "*.o"], ["*.o", "data"]] {
        assert_eq!(kept(&[&named], &texts), without, "what fits in it is left out, whatever the order: {texts:?}");
    }
    assert_eq!(
        kept(&[top.path(), &named], &["*.o", "mnt/*"]),
        [
            "mnt",
            "mnt/data",
            "- mnt/data/a.o (--exclude *.o)",
            "mnt/data/keep",
            "mnt/data/keep/b",
            "- mnt/data/keep/b.o (--exclude *.o)",
            "- mnt/other (--exclude mnt/*)",
            "z",
        ],
        "also inside of another argument"
    );
    assert_eq!(
        kept(&[&named], &["keep", "!mnt/data"]),
        ["> mnt", "mnt/data", "mnt/data/a.o", "mnt/data/keep", "mnt/data/keep/b", "mnt/data/keep/b.o"],
        "a later exception that fits what was named counts within it"
    );
    assert_eq!(
        kept(&[&named], &["mnt/data/*", "!keep"]),
        [
            "> mnt",
            "mnt/data",
            "- mnt/data/a.o (--exclude mnt/data/*)",
            "mnt/data/keep",
            "mnt/data/keep/b",
            "mnt/data/keep/b.o"
        ],
        "exceptions of what is in it count"
    );
    assert_eq!(
        kept(&[top.path(), &named, &named.join("keep")], &["mnt", "keep", "*.o"]),
        [
            "> mnt",
            "mnt/data",
            "- mnt/data/a.o (--exclude *.o)",
            "mnt/data/keep",
            "mnt/data/keep/b",
            "- mnt/data/keep/b.o (--exclude *.o)",
            "z"
        ],
        "the innermost that was named counts"
    );
}

#[test]
fn a_named_thing_that_is_not_there_is_a_problem_also_inside_of_another() {
    let top = tree(&["a/b", "z"]);
    let missing = top.path().join("a/c");
    assert_eq!(steps(top.path(), &[top.path(), &missing], Selection::default()), ["a", "a/b", "! 2", "z"]);
}

/// A link inside of one argument hid what another one named behind it, and nobody heard of that.
#[test]
fn what_is_named_behind_a_link_inside_of_another_is_taken_where_it_lies() {
    let top = tree(&["srv/a", "x/data/d", "x/other", "home/e/f"]);
    symlink("../x", top.path().join("srv/link")).unwrap();
    symlink("../home", top.path().join("srv/home")).unwrap();
    let srv = top.path().join("srv");
    let through = srv.join("link/data");
    let kept = |paths: &[&Path]| steps(top.path(), paths, Selection::default());
    assert_eq!(
        kept(&[&srv, &through]),
        ["srv", "srv/a", "srv/home", "srv/link", "> x", "x/data", "x/data/d"],
        "the links stay links, and of what is behind them only what is named is taken"
    );
    assert_eq!(kept(&[&srv.join("link"), &through]), ["> srv", "srv/link", "> x", "x/data", "x/data/d"]);
    assert_eq!(
        kept(&[&srv.join("link/"), &through]),
        ["> srv", "srv/link", "srv/link/data", "srv/link/data/d", "srv/link/other"],
        "an argument with a slash is no link"
    );
    assert_eq!(
        kept(&[&srv, &srv.join("home/")]),
        ["home", "home/e", "home/e/f", "srv", "srv/a", "srv/home", "srv/link"],
        "a slash follows the link here too"
    );
    assert_eq!(kept(&[top.path(), &through]).iter().filter(|step| step.ends_with("data/d")).count(), 1);
}

#[test]
fn what_is_named_below_something_that_is_no_directory_is_a_problem() {
    let top = tree(&["a/file", "a/z"]);
    symlink("nowhere", top.path().join("a/dangling")).unwrap();
    let (file, dangling) = (top.path().join("a/file/x"), top.path().join("a/dangling/x"));
    assert_eq!(
        steps(top.path(), &[top.path(), &file, &dangling], Selection::default()),
        ["a", "a/dangling", "! 20", "a/file", "! 20", "a/z"],
    );
}

#[test]
fn rules_of_lists_do_not_touch_each_other_and_the_last_one_that_fits_decides() {
    let top = tree(&["a.o", "B.O", "c.o"]);
    let mut ignored = PatternList::new(Case::Ignored);
    ignored.add(Rule::new("b.*", "--iexclude")).unwrap();
    let selection = excluding(&["*.o", "!a.o"]).exclude(ignored);
    assert_eq!(steps(top.path(), &[top.path()], selection), ["- B.O (--iexclude b.*)", "a.o", "- c.o (--exclude *.o)"]);
}

#[test]
fn names_of_any_bytes_are_chosen() {
    let top = tree(&["kept"]);
    for name in [b"\xffx".as_slice(), b"\xfex", b"\n\t"] {
        fs::write(top.path().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
    }
    let mut list = patterns(&["[^a-z]?[^a-z]"]);
    list.add(Rule::new(b"\xff*".to_vec(), "--exclude")).unwrap();
    list.add(Rule::new(b"\n*".to_vec(), "--exclude")).unwrap();
    let taken = steps(top.path(), &[top.path()], Selection::default().exclude(list));
    let taken: Vec<&str> = taken.iter().filter(|line| !line.starts_with("- ")).map(String::as_str).collect();
    assert_eq!(taken, ["kept", "\\xfex"]);
}

#[test]
fn of_a_marked_directory_only_the_mark_is_taken() {
    let top = tree(&["cache/x", "cache/y/z", "not/x", "plain/x", "tagged/.nobackup", "tagged/in/x", "tagged/named/n"]);
    let signature = "Signature: 8a477f597d28d172789f06886806bc55";
    fs::write(top.path().join("cache/CACHEDIR.TAG"), format!("{signature}\n# by hand")).unwrap();
    fs::write(top.path().join("not/CACHEDIR.TAG"), signature.trim_end_matches('5')).unwrap();
    symlink("../cache/CACHEDIR.TAG", top.path().join("plain/CACHEDIR.TAG")).unwrap();
    let selection = || {
        let nothing = Selection::default().exclude_caches(rule("--exclude-caches"));
        nothing.exclude_if_present(".nobackup", "", rule("--exclude-if-present"))
    };
    assert_eq!(
        steps(top.path(), &[top.path(), &top.path().join("tagged/named")], selection()),
        [
            "# cache (--exclude-caches)",
            "cache/CACHEDIR.TAG",
            "not",
            "not/CACHEDIR.TAG",
            "not/x",
            "plain",
            "plain/CACHEDIR.TAG",
            "plain/x",
            "# tagged (--exclude-if-present)",
            "tagged/.nobackup",
            "tagged/named",
            "tagged/named/n",
        ]
    );
    let hides_marks = selection().exclude(patterns(&["CACHEDIR.TAG"]));
    let of_cache = steps(top.path(), &[&top.path().join("cache")], hides_marks);
    assert_eq!(of_cache, ["# cache (--exclude-caches)", "- cache/CACHEDIR.TAG (--exclude CACHEDIR.TAG)"]);
}

#[test]
fn a_mark_may_be_a_directory_and_is_then_taken_whole() {
    let top = tree(&["work/.git/HEAD", "work/src/x"]);
    let selection = Selection::default().exclude_if_present(".git", "", rule("mark"));
    assert_eq!(steps(top.path(), &[top.path()], selection), ["# work (mark)", "work/.git", "work/.git/HEAD"]);
    let selection = Selection::default().exclude_if_present(".git", "ref", rule("mark"));
    assert_eq!(steps(top.path(), &[top.path()], selection).len(), 5, "with a header only a file is one");
}

#[test]
fn a_limit_of_size_is_for_what_is_no_directory() {
    let top = tree(&["d/"]);
    for bytes in [9, 10, 11] {
        fs::write(top.path().join(format!("{bytes:02}")), vec![0; bytes]).unwrap();
    }
    let selection = Selection::default().exclude_larger_than(10, rule("--exclude-larger-than"));
    assert_eq!(steps(top.path(), &[top.path()], selection), ["09", "10", "- 11 (--exclude-larger-than)", "d"]);
    let named = steps(
        top.path(),
        &[&top.path().join("11")],
        Selection::default().exclude_larger_than(10, rule("--exclude-larger-than")),
    );
    assert_eq!(named, ["11"], "what is named is taken");
}

#[test]
fn what_is_not_to_be_dumped_is_left_out_where_the_file_system_knows_that() {
    let top = tree(&["a", "d/x", "z"]);
    let marked = |name: &str| Command::new("chattr").arg("+d").arg(top.path().join(name)).output();
    if !["a", "d"].iter().all(|name| marked(name).is_ok_and(|output| output.status.success())) {
        return leave_out("chattr", "nothing can be marked here");
    }
    let selection = Selection::default().exclude_nodump(rule("--exclude-nodump"));
    assert_eq!(steps(top.path(), &[top.path()], selection), ["- a (--exclude-nodump)", "- d (--exclude-nodump)", "z"]);
}

fn staying(texts: &[&str]) -> Selection {
    excluding(texts).one_file_system(rule("-x"))
}

#[test]
fn of_another_file_system_only_the_directory_it_is_mounted_on_is_taken() {
    // /proc is one; nothing but it and two entries there is looked at.
    let only = ["/*", "!/proc", "/proc/*", "!/proc/sys", "!/proc/version", "/proc/sys/*"];
    let names = |selection| {
        let steps = steps(Path::new("/"), &[Path::new("/")], selection);
        // Processes come and go meanwhile.
        steps.into_iter().filter(|step| !step.starts_with(['-', '!'])).collect::<Vec<_>>()
    };
    assert_eq!(names(excluding(&only)), ["proc", "proc/sys", "proc/version"]);
    assert_eq!(names(staying(&only)), ["# proc (-x)"]);
}

#[test]
fn what_is_named_on_another_file_system_is_taken_within_that_one() {
    let named = Path::new("/proc/sys/kernel/ostype");
    let steps = steps(Path::new("/"), &[Path::new("/"), named], staying(&["/*", "!/proc"]));
    let kept: Vec<_> = steps.into_iter().filter(|step| !step.starts_with('-')).collect();
    assert_eq!(kept, ["# proc (-x)", "> proc/sys", "> proc/sys/kernel", "proc/sys/kernel/ostype"]);
}

#[test]
fn a_file_that_is_mounted_over_another_is_left_out_with_its_file_system() {
    const TOP: &str = "HOLDALL_TEST_MOUNTED";
    if let Some(top) = std::env::var_os(TOP) {
        let top = Path::new(&top);
        assert_eq!(steps(top, &[top], staying(&[])), ["- a (-x)", "b"]);
        return;
    }
    let top = tree(&["a", "b"]);
    // In a name space of its own, where that is allowed.
    let script = r#"mount --bind /proc/version "$HOLDALL_TEST_MOUNTED/a" || exit 77; exec "$0" --exact "$1""#;
    let test = "source::tests::selection::a_file_that_is_mounted_over_another_is_left_out_with_its_file_system";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]).arg(std::env::current_exe().unwrap()).arg(test).env(TOP, top.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || text.contains("unshare") {
        return leave_out("mount", &text);
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn ignore_files_count_in_their_directory_and_below_the_nearest_first() {
    let top = tree(&["a.o", "b/a.o", "b/keep.o", "b/c/a.o", "b/c/log", "b/empty/x", "d/.gitignore"]);
    fs::write(top.path().join(".holdallignore"), "*.o\n/b/c/log\n").unwrap();
    fs::write(top.path().join("b/.holdallignore"), "!keep.o\nempty/\n").unwrap();
    fs::write(top.path().join("d/.gitignore"), "*\n").unwrap();
    let file = top.path().join(".holdallignore").display().to_string();
    let inner = top.path().join("b/.holdallignore").display().to_string();
    assert_eq!(
        steps(top.path(), &[top.path()], Selection::default().ignore_file(".holdallignore")),
        [
            ".holdallignore".to_owned(),
            format!("- a.o ({file}:1 *.o)"),
            "b".to_owned(),
            "b/.holdallignore".to_owned(),
            format!("- b/a.o ({file}:1 *.o)"),
            "b/c".to_owned(),
            format!("- b/c/a.o ({file}:1 *.o)"),
            format!("- b/c/log ({file}:2 /b/c/log)"),
            format!("- b/empty ({inner}:2 empty/)"),
            "b/keep.o".to_owned(),
            "d".to_owned(),
            "d/.gitignore".to_owned(),
        ]
    );
    let none = steps(top.path(), &[top.path()], Selection::default());
    assert!(none.iter().all(|step| !step.starts_with('-')), "nobody asked for it: {none:?}");
}

#[test]
fn a_working_tree_of_git_knows_nothing_of_what_is_ignored_around_it() {
    let top = tree(&["x.log", "inner/.git/HEAD", "inner/x.log", "inner/y.tmp", "inner/sub/x.log", "inner/sub/y.tmp"]);
    fs::write(top.path().join(".gitignore"), "*.log\n").unwrap();
    fs::write(top.path().join("inner/.gitignore"), "*.tmp\n").unwrap();
    let kept = |selection| {
        let steps = steps(top.path(), &[top.path()], selection);
        steps.into_iter().filter(|step| !step.starts_with('-') && step.contains('.')).collect::<Vec<_>>()
    };
    assert_eq!(
        kept(Selection::default().git_ignore()),
        [".gitignore", "inner/.git", "inner/.git/HEAD", "inner/.gitignore", "inner/sub/x.log", "inner/x.log"]
    );
    let plain = kept(Selection::default().ignore_file(".gitignore"));
    assert_eq!(
        plain,
        [".gitignore", "inner/.git", "inner/.git/HEAD", "inner/.gitignore"],
        "as plain files they add up"
    );
}

#[test]
fn an_ignore_file_that_is_no_file_or_too_long_says_nothing() {
    let top = tree(&["a/.i/x", "a/y", "b/y", "c/y", "d/y"]);
    symlink("../rules", top.path().join("b/.i")).unwrap();
    fs::write(top.path().join("rules"), "*\n").unwrap();
    fs::write(top.path().join("c/.i"), "*\n".repeat(600_000)).unwrap();
    fs::write(top.path().join("d/.i"), b"\xff\n[a\n\\\n").unwrap();
    let found = steps(top.path(), &[top.path()], Selection::default().ignore_file(".i"));
    assert!(found.iter().all(|step| !step.starts_with(['-', '!'])), "{found:?}");
}
