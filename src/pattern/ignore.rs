//! Files in the tree itself that say what in their directory is left out, written as git's `.gitignore` is.
//!
//! A line is a pattern; the last one that fits decides. Without a slash but at its end it is held against the name
//! alone, otherwise against the whole path below the directory of the file. A slash at the end is for directories only.
//! `?` and `[...]` stand for one byte. Tested against git.

use super::name::NamePattern;
use super::{Rule, fits_whole};
use std::sync::Arc;

/// The rules of one file.
#[derive(Debug, Default)]
pub struct IgnoreFile {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    rule: Arc<Rule>,
    negated: bool,
    /// Whether only directories fit.
    fits: Fits,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fits {
    Anything,
    Directories,
}

#[derive(Debug)]
enum Place {
    /// The entry's own name.
    Name(NamePattern),
    /// The path from the file's directory on.
    Path(Vec<NamePattern>),
}

/// What kind of entry is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// What a file says of an entry.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is left out, by this rule.
    LeftOut(&'a Arc<Rule>),
    /// It is taken, whatever files above say.
    Taken,
    /// Nothing.
    Silent,
}

impl IgnoreFile {
    /// Reads the rules. A line that git can't make sense of fits nothing. `origin` is how the file is called in what is
    /// shown.
    pub fn parse(text: &[u8], origin: &str) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
        Self { lines: lines.filter_map(|(number, line)| Line::parse(line, origin, number)).collect() }
    }

    /// Whether it says nothing of anything.
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What it says of an entry, given by its names below the directory of the file. Of what lies below something that
    /// is left out it is not asked.
    pub fn verdict(&self, path: &[&[u8]], judged: Judged) -> Verdict<'_> {
        match self.lines.iter().rev().find(|line| line.fits(path, judged)) {
            None => Verdict::Silent,
            Some(line) if line.negated => Verdict::Taken,
            Some(line) => Verdict::LeftOut(&line.rule),
        }
    }
}

impl Line {
    fn parse(line: &[u8], origin: &str, number: u64) -> Option<Self> {
        let line = without_end(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let rule = Arc::new(Rule::new(line, origin).line(number));
        let (negated, line) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (fits, line) = match line.strip_suffix(b"/") {
            Some(rest) => (Fits::Directories, rest),
            None => (Fits::Anything, line),
        };
        if line.is_empty() {
            return None;
        }
        let place = if line.contains(&b'/') {
            Place::Path(path_patterns(line.strip_prefix(b"/").unwrap_or(line))?)
        } else {
            Place::Name(NamePattern::parse_of_git(line)?)
        };
        Some(Self { rule, negated, fits, place })
    }

    fn fits(&self, path: &[&[u8]], judged: Judged) -> bool {
        if self.fits == Fits::Directories && judged != Judged::Directory {
            return false;
        }
        match &self.place {
            Place::Name(pattern) => path.last().is_some_and(|name| pattern.fits(name)),
            Place::Path(patterns) => fits_whole(patterns, path),
        }
    }
}

fn path_patterns(line: &[u8]) -> Option<Vec<NamePattern>> {
    let mut patterns = Vec::new();
    let mut parts = line.split(|byte| *byte == b'/').peekable();
    while let Some(part) = parts.next() {
        if part != b"**" {
            patterns.push(NamePattern::parse_of_git(part)?);
            continue;
        }
        patterns.push(NamePattern::AnyNames);
        if parts.peek().is_none() {
            // At the end it stands for what is in a directory, not for the directory.
            patterns.push(NamePattern::End(Vec::new()));
        }
    }
    Some(patterns)
}

/// Without the spaces at the end that no `\` protects.
fn without_end(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte != b' ' {
            end = at.min(line.len());
        }
    }
    line.get(..end).unwrap_or(line)
}
