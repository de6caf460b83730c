//! Patterns from options and from files, as the library's lists.

use super::arguments::{ExcludeArguments, IncludeArguments};
use super::failure::Failure;
use super::surroundings::Surroundings;
use holdall::{PatternCase, PatternList, Rule};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What `--exclude` and the options like it name: a list for each way to treat case, without empty ones.
pub(crate) fn excludes(surroundings: &Surroundings, given: &ExcludeArguments) -> Result<Vec<PatternList>, Failure> {
    let exact = Given { option: "--exclude", texts: &given.exclude, files: &given.exclude_file };
    let ignored = Given { option: "--iexclude", texts: &given.iexclude, files: &given.iexclude_file };
    lists(surroundings, exact, ignored)
}

/// What `--include` and the options like it name.
pub(crate) fn includes(surroundings: &Surroundings, given: &IncludeArguments) -> Result<Vec<PatternList>, Failure> {
    let exact = Given { option: "--include", texts: &given.include, files: &given.include_file };
    let ignored = Given { option: "--iinclude", texts: &given.iinclude, files: &given.iinclude_file };
    lists(surroundings, exact, ignored)
}

/// What was given for one list: the patterns of the command line come before those of the files.
struct Given<'a> {
    option: &'static str,
    texts: &'a [OsString],
    files: &'a [PathBuf],
}

fn lists(surroundings: &Surroundings, exact: Given<'_>, ignored: Given<'_>) -> Result<Vec<PatternList>, Failure> {
    let mut lists = Vec::new();
    for (case, given) in [(PatternCase::Exact, exact), (PatternCase::Ignored, ignored)] {
        let mut list = PatternList::new(case);
        for text in given.texts {
            add(&mut list, Rule::new(text.as_bytes(), given.option))?;
        }
        for file in given.files {
            let text = std::fs::read(file).map_err(|error| Failure::io(file, "read", &error))?;
            rules(surroundings, file, &text)?.into_iter().try_for_each(|rule| add(&mut list, rule))?;
        }
        if !list.is_empty() {
            lists.push(list);
        }
    }
    Ok(lists)
}

fn add(list: &mut PatternList, rule: Rule) -> Result<(), Failure> {
    let shown = rule.to_string();
    list.add(rule).map_err(|error| Failure::misuse(format!("{shown}: {error}")))
}

/// The rules of a file: one a line, without the white space around it; empty lines and those that begin with `#` are
/// none. Variables are replaced.
fn rules(surroundings: &Surroundings, file: &Path, text: &[u8]) -> Result<Vec<Rule>, Failure> {
    let origin = file.display().to_string();
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(Failure::misuse(format!("{origin} is written in UTF-16; save it as UTF-8")));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut rules = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = trimmed(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let text = expanded(line, surroundings).map_err(|unset| {
            let name = OsStr::from_bytes(&unset).display().to_string();
            Failure::misuse(format!("{origin}:{number}: the variable {name} is not set; for a dollar sign write $$"))
        })?;
        rules.push(Rule::new(text, origin.clone()).line(number));
    }
    Ok(rules)
}

/// Without the white space at both ends, that beyond ASCII as well.
fn trimmed(line: &[u8]) -> &[u8] {
    std::str::from_utf8(line).map_or_else(|_| line.trim_ascii(), |line| line.trim().as_bytes())
}

/// `$NAME` and `${NAME}` by the variable's value, `$$` by a dollar sign; fails with the name of one that is not set.
///
/// A variable that is not set is no empty text: `$DATA/*` would then leave out everything.
fn expanded(line: &[u8], surroundings: &Surroundings) -> Result<Vec<u8>, Vec<u8>> {
    let mut text = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let (before, from_dollar) = rest.split_at(at);
        let behind = from_dollar.get(1..).unwrap_or_default();
        text.extend_from_slice(before);
        let (name, length) = variable_name(behind);
        match name {
            b"" => text.push(b'$'),
            b"$" => text.push(b'$'),
            name => {
                let value = std::str::from_utf8(name).ok().and_then(|name| surroundings.given_variable(name));
                text.extend_from_slice(&value.ok_or_else(|| name.to_vec())?.into_vec());
            }
        }
        rest = behind.get(length..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    Ok(text)
}

/// The name that stands behind a dollar sign, and how many bytes it takes; an empty one if there is none.
fn variable_name(behind: &[u8]) -> (&[u8], usize) {
    match behind.first() {
        Some(b'{') => {
            let end = behind.iter().position(|byte| *byte == b'}');
            let name = end.and_then(|end| behind.get(1..end)).filter(|name| !name.is_empty());
            // A brace that is never closed names a variable that nobody can set.
            name.map_or((behind, behind.len()), |name| (name, name.len().saturating_add(2)))
        }
        Some(b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9') => (behind.get(..1).unwrap_or_default(), 1),
        _ => {
            let length = behind.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            (behind.get(..length).unwrap_or_default(), length)
        }
    }
}

#[cfg(test)]
mod tests;
