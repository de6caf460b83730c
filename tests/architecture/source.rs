//! Rust source as text: comments and literals blanked out, test code told from shipped code.

use std::path::Path;

/// One file of the project.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Path below the project's root, with `/`.
    pub(crate) path: String,
    /// What stands in it.
    pub(crate) text: String,
}

impl Source {
    /// A sample for the tests of the checks.
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The first folder or file name below `src/`, without its extension.
    pub(crate) fn room(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = below.split('/').next().unwrap_or(below);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The lines that ship, with their numbers: comments and literals are blanked, items under `#[cfg(test)]` are gone.
    pub(crate) fn shipped_lines(&self) -> Vec<(usize, String)> {
        let code = blank(&self.text);
        let tests = test_ranges(&code);
        let mut offset = 0;
        let mut lines = Vec::new();
        for (number, line) in code.split('\n').enumerate() {
            let end = offset + line.len();
            if !tests.iter().any(|range| range.start <= end && offset < range.end) {
                lines.push((number + 1, line.to_owned()));
            }
            offset = end + 1;
        }
        if code.ends_with('\n') && lines.last().is_some_and(|(_, line)| line.is_empty()) {
            lines.pop();
        }
        lines
    }

    /// The shipped lines as they are written, literals and comments included.
    pub(crate) fn shipped_as_written(&self) -> String {
        let numbers: Vec<usize> = self.shipped_lines().into_iter().map(|(number, _)| number).collect();
        let written = self.text.lines().enumerate().filter(|(at, _)| numbers.binary_search(&(at + 1)).is_ok());
        written.map(|(_, line)| format!("{line}\n")).collect()
    }

    /// The shipped lines as one text.
    pub(crate) fn shipped(&self) -> String {
        let lines: Vec<String> = self.shipped_lines().into_iter().map(|(_, line)| line).collect();
        lines.join("\n")
    }
}

/// All files below `folder` of the project whose name ends with `suffix`, sorted by path.
pub(crate) fn read_all(folder: &str, suffix: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(below) = path.strip_prefix(root) else { continue };
            let below = below.to_string_lossy().into_owned();
            if below.ends_with(suffix) {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{below}: {error}"));
                found.push(Source { path: below, text });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

/// Replaces comments, strings and character literals by spaces; every line keeps its place.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let length = literal_bytes(rest, before).unwrap_or(0);
        let (taken, left) = rest.split_at(if length == 0 { next.len_utf8() } else { length });
        if length == 0 {
            out.push(next);
        } else {
            out.extend(taken.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        before = next;
        rest = left;
    }
    out
}

/// Length of the comment or literal at the start of `rest`, if there is one. `before` is the character before it.
fn literal_bytes(rest: &str, before: char) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_bytes(rest));
    }
    if rest.starts_with('\'') {
        return character_bytes(rest);
    }
    let prefix = if is_word(before) { 0 } else { rest.chars().take_while(|c| "bcr".contains(*c)).count() };
    let (prefix_text, body) = rest.split_at(prefix);
    if prefix_text.contains('r') {
        let hashes = body.chars().take_while(|c| *c == '#').count();
        let open = format!("{}\"", "#".repeat(hashes));
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = body.strip_prefix(&open)?;
        let length = inside.find(&close).map_or(inside.len(), |at| at + close.len());
        return Some(prefix + open.len() + length);
    }
    let inside = body.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    Some(prefix + 1 + end.map_or(inside.len(), |(at, _)| at + 1))
}

fn block_comment_bytes(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
        if left.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if left.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += left.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a character literal; `None` for a lifetime.
fn character_bytes(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape.get(first..)?.find('\'').map(|at| 2 + first + at + 1);
    }
    let first = inside.chars().next()?.len_utf8();
    inside.get(first..)?.starts_with('\'').then_some(first + 2)
}

/// Where items under `#[cfg(test)]` stand in blanked code.
fn test_ranges(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(at) = find_test_attribute(code, from) {
        let end = at + item_bytes(code.get(at..).unwrap_or(""));
        ranges.push(at..end);
        from = end;
    }
    ranges
}

fn find_test_attribute(code: &str, from: usize) -> Option<usize> {
    let rest = code.get(from..)?;
    ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|mark| rest.find(mark)).min().map(|at| from + at)
}

/// Length of the item at the start of `code`, its attributes included.
pub(crate) fn item_bytes(code: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Whether a character can stand in an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The identifier at the start of `text` (empty when there is none).
pub(crate) fn leading_word(text: &str) -> &str {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

/// Where the whole word `word` stands in `text`.
pub(crate) fn find_words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn comments_and_literals_are_blanked_and_lines_stay() {
    let text =
        "let a = \"x\\\"{\"; // {\nlet b = r#\"{\"\n\"#; /* { /* { */ */ let c: &'a str = '{';\nlet d = b'\\'';\n";
    let code = blank(text);
    assert!(!code.contains('{'), "{code:?}");
    assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    assert!(code.contains("&'a str"));
}

#[test]
fn items_under_cfg_test_do_not_ship() {
    let text =
        "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
    let shipped = Source::sample("src/x.rs", text).shipped();
    assert_eq!(shipped, "fn a() {}\nfn c() {}\nfn d() {}");
}
