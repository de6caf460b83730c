//! The reader that was written from the format's text alone restores what the library stored.

use crate::house::{House, assert_equal};
use holdall::backup::BackupOptions;
use holdall::progress::Silent;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Exit codes of the reader.
pub(crate) const RESTORED: i32 = 0;
pub(crate) const REFUSED: i32 = 1;
pub(crate) const RESTORED_IN_PART: i32 = 3;

pub(crate) const PASSWORD: (&str, &str) = ("HOLDALL_PASSWORD", "correct horse battery staple");

/// The interpreter with the reader's packages: `./test` makes one and names it.
fn python() -> PathBuf {
    std::env::var_os("HOLDALL_READER_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// Runs the reader; returns its exit code and what it said.
pub(crate) fn python_restore(store: &Path, snapshot: &str, target: &Path, unlock: &(&str, &str)) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/reader/restore.py");
    let mut command = Command::new(python());
    command.arg("-B").arg(script).arg(store).arg(snapshot).arg(target);
    command.env_remove("HOLDALL_PASSWORD").env_remove("HOLDALL_KEY_FILE").env(unlock.0, unlock.1);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !said.contains("ModuleNotFoundError"),
        "the Python reader's packages are missing; run ./test, or install format-spec/reader/requirements.txt and name \
         the interpreter in HOLDALL_READER_PYTHON: {said}"
    );
    assert!(!said.contains("Traceback"), "{said}");
    (output.status.code().unwrap(), said)
}

/// A tree with every case in it.
fn make_tree(tree: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/make_tree.py");
    let output = Command::new("python3").arg(script).arg(tree).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn below(target: &Path, tree: &Path) -> PathBuf {
    target.join(tree.strip_prefix("/").unwrap())
}

#[test]
fn a_tree_with_every_case_comes_back_through_the_python_reader() {
    let house = House::new();
    let tree = house.path("tree");
    make_tree(&tree);
    let report = house.backup(&tree);
    let target = house.path("copy");
    let (code, said) = python_restore(&house.store(), "latest", &target, &PASSWORD);
    assert!(code == RESTORED || !rustix::process::geteuid().is_root(), "{code}: {said}");
    assert_equal(&tree, &below(&target, &tree));
    // By prefix as well, and what was added since.
    std::fs::write(tree.join("new"), vec![b'n'; 1_000_000]).unwrap();
    house.open().backup(&BackupOptions::new([tree.clone()]), &Silent).unwrap();
    let (first, second) = (house.path("first"), house.path("second"));
    assert_eq!(python_restore(&house.store(), &report.snapshot.to_string()[..12], &first, &PASSWORD).0, code);
    assert_eq!(python_restore(&house.store(), "latest", &second, &PASSWORD).0, code);
    assert!(!below(&first, &tree).join("new").exists());
    assert_equal(&tree, &below(&second, &tree));
}

/// Every object of a small repository, damaged in turn: the reader refuses or restores the same, and never something else.
#[test]
fn the_python_reader_restores_from_damaged_objects_the_same_or_nothing() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::write(tree.join("file"), "some content, more than fits inline\n".repeat(100)).unwrap();
    house.backup(&tree);
    let mut objects = vec![house.store()];
    let mut files = Vec::new();
    while let Some(path) = objects.pop() {
        if path.is_dir() {
            objects.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    let mut refused = 0;
    for (turn, file) in files.iter().enumerate() {
        let whole = std::fs::read(file).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        std::fs::write(file, damaged).unwrap();
        let target = house.path(&format!("damaged-{turn}"));
        let (code, said) = python_restore(&house.store(), "latest", &target, &PASSWORD);
        std::fs::write(file, whole).unwrap();
        match code {
            RESTORED => assert_equal(&tree, &below(&target, &tree)),
            REFUSED => refused += 1,
            _ => panic!("{}: {code}: {said}", file.display()),
        }
    }
    assert!(refused >= 5, "{refused} of {} damaged objects were noticed", files.len());
}

#[test]
fn the_python_reader_says_what_it_refuses() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::write(tree.join("file"), "content").unwrap();
    house.backup(&tree);
    let occupied = house.tree("occupied");
    std::fs::write(occupied.join("something"), "").unwrap();
    let (store, fresh) = (house.store(), house.path("fresh"));
    let wrong = ("HOLDALL_PASSWORD", "wrong");
    let cases = [
        (&store, "latest", &fresh, &wrong, "opens no key slot"),
        (&store, "0000", &fresh, &PASSWORD, "no snapshot's id begins with 0000"),
        (&store, "abc", &fresh, &PASSWORD, "names no snapshot"),
        (&store, "latest", &occupied, &PASSWORD, "is not empty"),
        (&tree, "latest", &fresh, &PASSWORD, "is not a repository"),
    ];
    for (store, snapshot, target, unlock, expected) in cases {
        let (code, said) = python_restore(store, snapshot, target, unlock);
        assert!(code == REFUSED && said.contains(expected), "{snapshot}: {code}: {said}");
    }
}

/// Runs a program that has the reader's modules at hand; returns its exit code and what it said.
fn python_with_the_reader(program: &str, arguments: &[&Path]) -> (i32, String) {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/reader");
    let mut command = Command::new(python());
    command.args(["-B", "-c", program]).args(arguments).env("PYTHONPATH", modules).env(PASSWORD.0, PASSWORD.1);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("Traceback"), "{said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn the_python_reader_goes_on_behind_a_file_that_is_too_long_for_the_file_system() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::write(tree.join("a"), vec![b'a'; 3_000_000]).unwrap();
    std::fs::write(tree.join("b"), "content").unwrap();
    house.backup(&tree);
    let program = "import resource, restore, sys\n\
                   resource.setrlimit(resource.RLIMIT_FSIZE, (2000000, 2000000))\n\
                   sys.exit(restore.main(sys.argv[1:]))";
    let target = house.path("copy");
    let (code, said) = python_with_the_reader(program, &[&house.store(), Path::new("latest"), &target]);
    assert_eq!(code, RESTORED_IN_PART, "{said}");
    assert!(!below(&target, &tree).join("a").exists());
    assert_eq!(std::fs::read(below(&target, &tree).join("b")).unwrap(), b"content");
}

#[test]
fn the_python_reader_says_where_temporary_space_is_lacking() {
    let program = "import restore, sqlite3, sys\n\
                   def full(*_): raise sqlite3.OperationalError('database or disk is full')\n\
                   restore.restore = full\n\
                   sys.exit(restore.main(['a', 'b', 'c']))";
    let (code, said) = python_with_the_reader(program, &[]);
    assert!(code == REFUSED && said.contains("SQLITE_TMPDIR"), "{code}: {said}");
}

/// A slot that anybody put there may ask for more memory than a rescue system has.
#[test]
fn the_python_reader_passes_over_a_slot_that_takes_too_much_memory() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::write(tree.join("file"), "content").unwrap();
    house.backup(&tree);
    let program = "import argon2.exceptions, keys, restore, sys\n\
                   derive, calls = keys.hash_secret_raw, []\n\
                   def short(*arguments):\n    \
                       calls.append(1)\n    \
                       if len(calls) == 1: raise argon2.exceptions.HashingError('Memory allocation error')\n    \
                       return derive(*arguments)\n\
                   keys.hash_secret_raw = short\n\
                   names = restore.Store.names\n\
                   restore.Store.names = lambda self, folder: names(self, folder) * (2 if folder == 'keys' else 1)\n\
                   sys.exit(restore.main(sys.argv[1:]))";
    let target = house.path("copy");
    let (code, said) = python_with_the_reader(program, &[&house.store(), Path::new("latest"), &target]);
    assert_eq!(code, RESTORED, "{said}");
    assert_equal(&tree, &below(&target, &tree));
}

#[test]
fn store_9_the_python_reader_takes_a_configuration_whose_number_is_too_large_for_a_stranger() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::write(tree.join("file"), "content").unwrap();
    house.backup(&tree);
    std::fs::write(house.store().join("config/5000000000"), "").unwrap();
    let (code, said) = python_restore(&house.store(), "latest", &house.path("copy"), &PASSWORD);
    assert_eq!(code, RESTORED, "{said}");
}

#[test]
fn the_python_reader_gives_every_vector_its_verdict() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/reader/check_vectors.py");
    let output = Command::new(python()).arg("-B").arg(script).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
