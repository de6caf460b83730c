//! What is backed up, as the options of a backup say it.

use super::arguments::SourceArguments;
use super::failure::Failure;
use super::render::Renderer;
use holdall::{Need, PatternList, Rule, StreamInput, StreamSource};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The paths that are named and listed, in that order.
pub(crate) fn paths(renderer: &Renderer, given: &SourceArguments) -> Result<Vec<PathBuf>, Failure> {
    let lists = [&given.files_from, &given.files_from_verbatim, &given.files_from_raw];
    let from_input = lists.into_iter().flatten().filter(|file| file.as_os_str() == "-").count();
    if from_input + usize::from(given.stdin) > 1 {
        return Err(Failure::misuse("standard input can be read only once"));
    }
    let mut paths = given.paths.clone();
    if given.stdin_from_command.is_none() {
        paths.extend(given.trailing.iter().map(PathBuf::from));
    }
    for file in &given.files_from {
        for (number, line) in lines(&contents(file)?) {
            let line = std::str::from_utf8(line).map_or_else(|_| line.trim_ascii(), |line| line.trim().as_bytes());
            if !line.is_empty() && !line.starts_with(b"#") {
                paths.extend(expanded(renderer, file, number, line)?);
            }
        }
    }
    for file in &given.files_from_verbatim {
        paths.extend(lines(&contents(file)?).filter(|(_, line)| !line.is_empty()).map(|(_, line)| path(line)));
    }
    for file in &given.files_from_raw {
        paths.extend(ended_by_zeros(file, &contents(file)?)?);
    }
    if paths.is_empty() && streams(given)?.is_empty() {
        return Err(Failure::misuse("there is nothing to back up: the lists of files name nothing"));
    }
    Ok(paths)
}

/// What is backed up that is no path.
pub(crate) fn streams(given: &SourceArguments) -> Result<Vec<StreamSource>, Failure> {
    let mut streams = Vec::new();
    if given.stdin {
        let input = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let input = input.map_err(|error| Failure::failed(format!("can't read standard input: {error}")))?;
        streams.push(StreamSource::new(given.stdin_filename().as_bytes(), StreamInput::Open(Arc::new(input))));
    }
    if let Some(name) = &given.stdin_from_command {
        let name = name.as_deref().unwrap_or(given.stdin_filename());
        streams.push(StreamSource::new(name.as_bytes(), StreamInput::Command(given.trailing.clone())));
    }
    let required = given.command.iter().map(|pair| (pair, Need::Required, "--command"));
    let optional = given.optional_command.iter().map(|pair| (pair, Need::Optional, "--optional-command"));
    for (pair, need, option) in required.chain(optional) {
        let split = pair.as_bytes().iter().position(|byte| *byte == b'=').map(|at| pair.as_bytes().split_at(at));
        let Some((name, command)) = split else {
            return Err(Failure::misuse(format!("{option} {}: expected NAME=COMMAND", pair.display())));
        };
        let command = OsStr::from_bytes(command.get(1..).unwrap_or_default());
        let words = ["sh".into(), "-c".into(), command.to_owned()].to_vec();
        streams.push(StreamSource::new(name, StreamInput::Command(words)).need(need));
    }
    Ok(streams)
}

/// What a list holds; `-` is standard input.
fn contents(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = if file.as_os_str() == "-" {
        io::stdin().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(file).map(|all| text = all)
    };
    read.map(|()| text).map_err(|error| Failure::io(file, "read", &error))
}

/// The lines with their numbers, from 1, without what ends them.
fn lines(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    (1..).zip(text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

fn ended_by_zeros(file: &Path, text: &[u8]) -> Result<Vec<PathBuf>, Failure> {
    let refused = |why| Err(Failure::misuse(format!("{}: {why}", file.display())));
    let Some(text) = text.strip_suffix(b"\0") else {
        return if text.is_empty() { Ok(Vec::new()) } else { refused("the last path has no zero byte at its end") };
    };
    let paths: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    if paths.iter().any(|path| path.is_empty()) {
        return refused("one of the paths is empty");
    }
    Ok(paths.into_iter().map(path).collect())
}

/// The paths that fit, sorted. A path without any of `*?[\` is taken as it is, whether it is there or not.
fn expanded(renderer: &Renderer, file: &Path, number: u64, text: &[u8]) -> Result<Vec<PathBuf>, Failure> {
    if !has_meaning(text) {
        return Ok(vec![path(text)]);
    }
    let start = if text.starts_with(b"/") { PathBuf::from("/") } else { PathBuf::new() };
    let (mut found, mut refused) = (vec![start], Vec::new());
    for name in text.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        found = if has_meaning(name) {
            let fitting = one_name(name).map_err(|error| {
                let text = text.escape_ascii();
                Failure::misuse(format!("{}:{number} {text}: {error}", file.display()))
            })?;
            found.into_iter().flat_map(|folder| fitting_in(folder, &fitting, &mut refused)).collect()
        } else {
            found.into_iter().map(|folder| folder.join(OsStr::from_bytes(name))).collect()
        };
    }
    // What can't be looked at is for the backup to report; so are folders of which nobody knows what would fit in them.
    found.retain(|path| !path.symlink_metadata().is_err_and(|error| is_missing(&error)));
    found.append(&mut refused);
    if found.is_empty() {
        let text = text.escape_ascii();
        renderer.notice(&format!("{}:{number} {text}: nothing fits", file.display()));
    }
    Ok(found)
}

fn has_meaning(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*?[\\".contains(byte))
}

/// A list that chooses the names that fit. `!` and `**` have no meaning of their own here.
fn one_name(name: &[u8]) -> Result<PatternList, holdall::PatternError> {
    let text = match name {
        b"**" => b"*".to_vec(),
        [b'!', ..] => [b"\\", name].concat(),
        _ => name.to_vec(),
    };
    let mut list = PatternList::default();
    list.add(Rule::new(text, "")).map(|()| list)
}

/// What fits in a folder; one that can't be listed goes to those that are refused.
fn fitting_in(folder: PathBuf, fitting: &PatternList, refused: &mut Vec<PathBuf>) -> Vec<PathBuf> {
    let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    let names = std::fs::read_dir(readable).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    let mut names: Vec<OsString> = match names {
        Ok(names) => names,
        Err(error) if is_missing(&error) => Vec::new(),
        Err(_) => {
            refused.push(readable.to_path_buf());
            Vec::new()
        }
    };
    names.retain(|name| fitting.choosing(&[name.as_bytes()]).is_some());
    names.sort_unstable();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether there is nothing, as opposed to something that can't be looked at.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
