//! The vectors of `format-spec/vectors`, as the tests of several rooms read and check them.
//!
//! A room's folder holds one file per vector and an `index.txt` with a line for each: `file | valid or invalid | what
//! comes out, or the refusal | comment`. A file is hexadecimal digits, or lines of `name: value`; lines that start with
//! `#` say something to people.

use crate::id::parse_hex;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A vector as its room would write it today.
pub(crate) struct Vector {
    /// The name of its file.
    pub(crate) file: String,
    /// The content of the file, without the comment; `None` for one that can't be made twice.
    pub(crate) text: Option<String>,
    /// What it is about.
    pub(crate) comment: &'static str,
}

impl Vector {
    /// A vector of bytes.
    pub(crate) fn hex(name: &str, bytes: &[u8], comment: &'static str) -> Self {
        Self { file: format!("{name}.hex"), text: Some(hex_lines(bytes)), comment }
    }

    /// A vector of named values.
    pub(crate) fn text(name: &str, text: String, comment: &'static str) -> Self {
        Self { file: format!("{name}.txt"), text: Some(text), comment }
    }

    /// A vector that is only read.
    pub(crate) fn fixed(file: &str, comment: &'static str) -> Self {
        Self { file: file.to_owned(), text: None, comment }
    }
}

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Bytes as lines of hexadecimal digits.
pub(crate) fn hex_lines(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| format!("{}\n", hex(line)));
    lines.collect()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    bytes.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    text
}

/// The bytes that hexadecimal digits name; lines of comment and white space are passed over.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| parse_hex::<1>(std::str::from_utf8(pair).unwrap()).unwrap()[0]).collect()
}

/// All values of one name, in order.
pub(crate) fn values<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.trim())
        .collect()
}

/// The one value of a name.
pub(crate) fn value<'t>(text: &'t str, name: &str) -> &'t str {
    match values(text, name)[..] {
        [value] => value,
        ref all => panic!("{} values of {name}", all.len()),
    }
}

/// Checks that a room's folder holds exactly these vectors, as they would be written today, and that its index says of
/// each what `answer` says: what comes out of it, or the refusal. What should be there instead is put into a
/// temporary folder.
pub(crate) fn assert_current(
    room: &str,
    head: &str,
    vectors: &[Vector],
    answer: impl Fn(&str, &str) -> Result<String, String>,
) {
    let folder = spec().join("vectors").join(room);
    let mut expected: Vec<(String, String)> = Vec::new();
    let mut index: String = head.lines().map(|line| format!("# {line}\n")).collect();
    for vector in vectors {
        let text = vector.text.as_ref().map(|text| format!("# {}\n{text}", vector.comment));
        let text = text.unwrap_or_else(|| read(&folder.join(&vector.file)));
        let (verdict, says) =
            answer(&vector.file, &text).map_or_else(|refusal| ("invalid", refusal), |says| ("valid", says));
        writeln!(index, "{} | {verdict} | {says} | {}", vector.file, vector.comment).unwrap();
        expected.push((vector.file.clone(), text));
    }
    expected.push(("index.txt".to_owned(), index));
    let wrong: Vec<&str> = expected
        .iter()
        .filter(|(file, text)| read(&folder.join(file)) != *text)
        .map(|(file, _)| file.as_str())
        .collect();
    if !wrong.is_empty() {
        let instead = std::env::temp_dir().join("holdall-vectors").join(room);
        fs::create_dir_all(&instead).unwrap();
        expected.iter().for_each(|(file, text)| fs::write(instead.join(file), text).unwrap());
        panic!("{room}: {wrong:?} are not what the code says, which now stands in {}", instead.display());
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), expected.len(), "files of {room} that nothing checks");
}

/// Checks the examples of a page. A fenced block that opens with `text vectors/<file>` is that file; one that opens
/// with `hex vectors/<file>` has lines of offset, digits, and after two spaces what they mean, which are together all
/// bytes of that file.
pub(crate) fn assert_examples(page: &str, at_least: usize) {
    let text = read(&spec().join(page));
    let mut examples = 0;
    for block in text.split("\n```").skip(1).step_by(2) {
        let (opening, body) = block.split_once('\n').unwrap();
        let Some((form, file)) = opening.split_once(" vectors/") else { continue };
        let stored = read(&spec().join("vectors").join(file));
        assert!(!stored.is_empty(), "{page} names {file}, which is not there");
        match form {
            "text" => assert_eq!(format!("{body}\n"), stored, "{page}: {file}"),
            _ => assert_eq!(annotated(body), bytes(&stored), "{page}: {file}"),
        }
        examples += 1;
    }
    assert!(examples >= at_least, "{page} has {examples} examples");
}

/// The bytes of lines of offset, digits and meaning.
fn annotated(body: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for line in body.lines() {
        let (offset, rest) = line.trim_start().split_once(' ').unwrap();
        assert_eq!(offset.parse(), Ok(all.len()), "{line}");
        let digits = rest.trim_start().split("  ").next().unwrap();
        all.extend(bytes(digits));
    }
    all
}

#[test]
fn the_pages_show_vectors_as_they_are() {
    for (page, at_least) in [("README.md", 2), ("03-chunk.md", 1), ("04-frame.md", 2), ("05-seal.md", 3)] {
        assert_examples(page, at_least);
    }
}
