//! Lines in a user's crontab. Those of others stay as they are.

use super::job::Job;
use crate::cli::failure::Failure;
use crate::cli::render::schedule::Installed;
use crate::cli::shell;
use crate::cli::surroundings::is_same_file;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

const BEGIN: &str = "# holdall begin ";
const END: &str = "# holdall end ";
/// How often is asked whether a set is due.
const WHEN: &str = "*/5 * * * *";

/// A user's crontab as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crontab {
    lines: Vec<Vec<u8>>,
}

impl Crontab {
    /// Whether there is a cron to ask.
    pub(super) fn is_there() -> bool {
        !matches!(list().output(), Err(error) if error.kind() == ErrorKind::NotFound)
    }

    /// Reads it. One that can't be read is never taken for empty: it would be overwritten.
    pub(super) fn read() -> Result<Self, Failure> {
        let output = list().output().map_err(|error| {
            Failure::failed(format!("there is neither a running systemd nor a cron here: crontab: {error}"))
        })?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(Self::parse(&output.stdout)),
            false if said.contains("no crontab for") => Ok(Self { lines: Vec::new() }),
            false => Err(Failure::failed(format!("crontab -l failed: {}", said.trim()))),
        }
    }

    fn parse(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        Self { lines: if text.is_empty() { Vec::new() } else { lines.collect() } }
    }

    /// Puts it in the place of the user's.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::failed(format!("can't run crontab: {error}"));
        let mut command = Command::new("crontab");
        let mut child = command.arg("-").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(&self.text()).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        let said = String::from_utf8_lossy(&output.stderr);
        output.status.success().then_some(()).ok_or_else(|| Failure::failed(format!("crontab failed: {}", said.trim())))
    }

    fn text(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
    }

    /// Adds a job, in the place of an earlier one of the same set, or of one of that name whose profile is gone.
    pub(super) fn put(&mut self, job: &Job<'_>) -> Result<(), Failure> {
        let block = block(job)?;
        self.take_out(job.set.name.as_str(), |config| is_same_file(config, &job.config) || !config.exists());
        self.lines.extend(Self::parse(&block).lines);
        Ok(())
    }

    /// Takes the jobs of a set of some profiles out. What somebody wrote between their marks goes with them.
    pub(super) fn take_out(&mut self, set: &str, is_profile: impl Fn(&Path) -> bool) {
        let begins =
            |line: &[u8]| named(line, BEGIN).is_some_and(|(name, config)| name == set && is_profile(Path::new(config)));
        let ends = |line: &[u8]| line == format!("{END}{set}").as_bytes();
        while let Some(begin) = self.lines.iter().position(|line| begins(line)) {
            // Without an end only the marks line is ours for sure.
            let rest = self.lines.iter().skip(begin).position(|line| ends(line));
            let end = rest.map_or(begin, |rest| begin.saturating_add(rest));
            self.lines.drain(begin..=end);
        }
    }

    /// What is installed.
    pub(super) fn installed(&self) -> Vec<Installed> {
        let named = self.lines.iter().filter_map(|line| named(line, BEGIN));
        named.map(|(set, config)| Installed::new((set, set), config, "cron", "when due".to_owned())).collect()
    }
}

fn list() -> Command {
    let mut command = Command::new("crontab");
    // What it says when there is none is read.
    command.arg("-l").env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// The set and the profile that a mark names.
fn named<'a>(line: &'a [u8], mark: &str) -> Option<(&'a str, &'a str)> {
    std::str::from_utf8(line).ok()?.strip_prefix(mark)?.split_once(" of ")
}

/// The lines of a job.
pub(super) fn block(job: &Job<'_>) -> Result<Vec<u8>, Failure> {
    let set = job.set.name.as_str();
    let mut words: Vec<Vec<u8>> = vec![b"env".to_vec()];
    words.extend(job.environment.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()));
    words.push(job.program.as_os_str().as_bytes().to_vec());
    words.extend(job.arguments(&["--due"]).iter().map(|word| word.as_bytes().to_vec()));
    let line = shell::line(words.iter().map(Vec::as_slice));
    let config = job.config.as_os_str().as_bytes();
    if line.contains(&b'\n') || config.contains(&b'\n') {
        return Err(Failure::misuse("what stands in a crontab has no line end in it"));
    }
    let begin = [BEGIN.as_bytes(), set.as_bytes(), b" of ", config].concat();
    let line = [WHEN.as_bytes(), b" ", &percent_escaped(&line)].concat();
    Ok([begin, line, format!("{END}{set}").into_bytes(), Vec::new()].join(&b'\n'))
}

/// cron takes `%` for the end of the line, unless a backslash stands before it.
fn percent_escaped(line: &[u8]) -> Vec<u8> {
    line.iter().flat_map(|byte| if *byte == b'%' { vec![b'\\', b'%'] } else { vec![*byte] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crontab(text: &str) -> Crontab {
        Crontab::parse(text.as_bytes())
    }

    #[test]
    fn only_the_block_of_the_set_is_taken_out() {
        let text = "MAILTO=me\n\n# holdall begin a of /c\n*/5 * * * * x\n# holdall end a\n0 4 * * * mine\n\
                    # holdall begin ab of /c\ny\n# holdall end ab\n# a comment";
        let mut table = crontab(text);
        assert_eq!(table.installed().iter().map(|entry| entry.set.as_str()).collect::<Vec<_>>(), ["a", "ab"]);
        table.take_out("a", |_| true);
        let left = "MAILTO=me\n\n0 4 * * * mine\n# holdall begin ab of /c\ny\n# holdall end ab\n# a comment\n";
        assert_eq!(String::from_utf8_lossy(&table.text()), left);
        table.take_out("b", |_| true);
        assert_eq!(String::from_utf8_lossy(&table.text()), left);
        table.take_out("ab", |config| config == Path::new("/d"));
        assert_eq!(String::from_utf8_lossy(&table.text()), left);
        table.take_out("ab", |config| config == Path::new("/c"));
        assert_eq!(String::from_utf8_lossy(&table.text()), "MAILTO=me\n\n0 4 * * * mine\n# a comment\n");
    }

    #[test]
    fn a_block_without_its_end_takes_nothing_of_others_with_it() {
        let mut table = crontab("# holdall begin a of /c\n0 4 * * * mine\n");
        table.take_out("a", |_| true);
        assert_eq!(table.text(), b"0 4 * * * mine\n");
    }

    #[test]
    fn an_empty_crontab_stays_empty() {
        assert_eq!(crontab("").text(), b"");
        assert_eq!(crontab("\n").text(), b"");
        assert_eq!(percent_escaped(b"a%b"), b"a\\%b");
    }
}
