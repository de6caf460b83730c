//! Runs the program in a world of its own: a folder with a tree, a repository, a cache and a state.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The password of every repository here.
pub(crate) const PASSWORD: &str = "correct horse";

/// A folder with everything that one test needs.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

/// What a run left.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// An empty world.
    pub(crate) fn new() -> Self {
        Self::within(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A world in a folder that goes with it.
    pub(crate) const fn within(folder: tempfile::TempDir) -> Self {
        Self { folder }
    }

    /// A world with a repository.
    pub(crate) fn with_repository() -> Self {
        let world = Self::new();
        // The cheapest derivation: these tests open repositories often.
        world.run(["init", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
        world
    }

    /// A path in it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a file, and the folders above it.
    pub(crate) fn file(&self, name: impl AsRef<Path>, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// The program with this world's surroundings and nothing else.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdall"));
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", "/usr/bin:/bin")
            .env("HOLDALL_REPOSITORY", self.path("repository"))
            .env("HOLDALL_PASSWORD", PASSWORD)
            .current_dir(self.folder.path());
        command
    }

    /// Runs the program.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        let arguments: Vec<OsString> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let finished = Finished::of(&self.command().args(&arguments).output().expect("the program starts"));
        if arguments.iter().any(|argument| argument == "--json") {
            finished.fits_its_schema(&arguments);
        }
        finished
    }
}

impl Finished {
    /// Holds every JSON value that was printed against the schema of the command.
    #[track_caller]
    pub(crate) fn fits_its_schema<A: AsRef<OsStr>>(&self, arguments: &[A]) {
        let arguments: Vec<OsString> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        let schema = schema_of(&arguments);
        for line in self.out.lines().chain(self.err.lines().filter(|line| line.starts_with('{'))) {
            let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if let Some(error) = schema.iter_errors(&value).next() {
                panic!(
                    "{arguments:?} printed what its schema in format-spec/output does not describe: {line}\n{error}"
                );
            }
        }
    }

    /// What a run left.
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Ends the test unless the run ended with `code`.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "printed {}, complained {}", self.out, self.err);
        self
    }

    /// Ends the test unless the run succeeded without complaint.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.err, "");
        self.ended(0)
    }

    /// The printed lines as JSON values.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let lines = self.out.lines();
        lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// The one JSON value whose `message_type` is `kind`.
    #[track_caller]
    pub(crate) fn only(&self, kind: &str) -> serde_json::Value {
        let mut fitting = self.json().into_iter().filter(|value| value["message_type"] == kind);
        let (first, second) = (fitting.next(), fitting.next());
        assert!(second.is_none(), "more than one {kind}: {}", self.out);
        first.unwrap_or_else(|| panic!("no {kind}: {}", self.out))
    }
}

/// Every path below a folder with its content, sorted: enough to see that two trees hold the same names and bytes.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").flatten() {
            let path = entry.path();
            let below = path.strip_prefix(folder).expect("it lies below").to_path_buf();
            if path.is_dir() {
                folders.push(path);
                found.push((below, Vec::new()));
            } else {
                found.push((below, std::fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

/// The schema of a command: the first argument that one is named after, with the next one where they are two words.
fn schema_of(arguments: &[OsString]) -> jsonschema::Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/output");
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let names = words.windows(2).map(|pair| pair.join("-")).chain(words.iter().map(|word| (*word).to_owned()));
    let mut texts = names.filter_map(|name| std::fs::read_to_string(folder.join(name).with_extension("json")).ok());
    let text = texts.next().unwrap_or_else(|| panic!("{arguments:?}: no schema in format-spec/output"));
    let schema = serde_json::from_str(&text).expect("a schema is JSON");
    jsonschema::validator_for(&schema).expect("a schema is one")
}
