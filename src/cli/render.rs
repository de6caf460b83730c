//! The only place that prints: text for people, JSON for programs, problems and progress beside them.

pub(crate) mod backup;
pub(crate) mod copy;
pub(crate) mod drill;
pub(crate) mod growth;
pub(crate) mod import;
pub(crate) mod info;
mod item;
pub(crate) mod json;
pub(crate) mod keys;
pub(crate) mod left_out;
pub(crate) mod passage;
pub(crate) mod progress;
pub(crate) mod protection;
pub(crate) mod retention;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod text;

use super::failure::{Failure, exit};
use holdall::ErrorKind;
use indicatif::ProgressBar;
use passage::Passage;
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, PipeWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// People.
    Human,
    /// Programs: one JSON value a line.
    Json,
}

/// What a command is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What it prints.
    Output,
    /// What it does or finds, be its words read or not.
    Effect,
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// What was asked for, and problems.
    Quiet,
    /// A summary and progress as well.
    Normal,
    /// What is going on, phase by phase.
    Verbose,
    /// Every file.
    Everything,
}

/// Prints. Safe from many threads; every call prints whole lines.
pub(crate) struct Renderer {
    style: Style,
    verbosity: Verbosity,
    /// Whether names are printed with their control characters escaped.
    out_is_terminal: bool,
    err_is_terminal: bool,
    streams: Mutex<Streams>,
    /// The bar that has to make room while lines are printed.
    bar: Mutex<Option<ProgressBar>>,
}

struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// The first error of writing to `out`; nothing more is written there.
    broken: Option<io::Error>,
}

impl Renderer {
    /// Prints to the standard streams.
    pub(crate) fn new(style: Style, verbosity: Verbosity) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        Self {
            style,
            verbosity,
            out_is_terminal: out.is_terminal(),
            err_is_terminal: err.is_terminal(),
            streams: Mutex::new(Streams { out: Box::new(BufWriter::new(out)), err: Box::new(err), broken: None }),
            bar: Mutex::new(None),
        }
    }

    /// Who reads.
    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    /// How much is printed.
    pub(crate) const fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether people see what is printed at once.
    pub(crate) const fn is_on_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// The standard output for bytes that are no text; nothing else may be printed there then.
    pub(crate) const fn raw_output(&self) -> RawOutput<'_> {
        RawOutput { renderer: self }
    }

    /// Prints text that was asked for, for people.
    pub(crate) fn print(&self, text: &str) {
        if self.style == Style::Human {
            self.write_out(text.as_bytes());
        }
    }

    /// Prints text that was not asked for and may be of interest.
    pub(crate) fn say(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.print(text);
        }
    }

    /// Prints a line that begins with some text and ends with a name of any bytes: as they are into a pipe or file,
    /// with control characters escaped on a terminal.
    pub(crate) fn print_name(&self, before: &str, name: &[u8], after: &str) {
        self.print_line(&self.name_line(before, name, after));
    }

    /// Such a line, to be printed later.
    pub(crate) fn name_line(&self, before: &str, name: &[u8], after: &str) -> Vec<u8> {
        let mut line = before.as_bytes().to_vec();
        if self.out_is_terminal {
            line.extend_from_slice(text::printable(name).as_bytes());
        } else {
            line.extend_from_slice(name);
        }
        line.extend_from_slice(after.as_bytes());
        line.push(b'\n');
        line
    }

    /// Prints a line that was made before.
    pub(crate) fn print_line(&self, line: &[u8]) {
        self.write_out(line);
    }

    /// Prints one JSON value, for programs.
    pub(crate) fn json(&self, value: &impl Serialize) {
        if self.style == Style::Json {
            self.write_out(&json_line(value));
        }
    }

    /// The same of a structure that costs time to make, such as one with moments in it: the rules of the machine's time
    /// zone are searched for then.
    pub(crate) fn json_of<T: Serialize>(&self, make: impl FnOnce() -> T) {
        if self.style == Style::Json {
            self.json(&make());
        }
    }

    /// Makes what was printed so far visible.
    pub(crate) fn flush(&self) {
        let mut streams = self.streams();
        if let Err(error) = streams.out.flush() {
            streams.broken.get_or_insert(error);
        }
    }

    /// Reports something that went wrong and did not end the command.
    pub(crate) fn problem(&self, path: &Path, operation: &str, message: &str) {
        let name = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
        match self.style {
            Style::Human => self.write_err(&format!("holdall: {}\n", problem_text(name, operation, message))),
            Style::Json => self.write_err_json(&json::Problem::new(name, operation, message)),
        }
    }

    /// Reports something worth knowing that is no failure.
    pub(crate) fn notice(&self, message: &str) {
        match self.style {
            Style::Human => self.write_err(&format!("holdall: {}\n", text::printable(message.as_bytes()))),
            Style::Json => self.write_err_json(&json::Notice::new(message)),
        }
    }

    /// As [`Self::notice`], for what has several lines, the names in which were made printable before.
    pub(crate) fn notice_in_lines(&self, message: &str) {
        match self.style {
            Style::Human => self.write_err(&format!("holdall: {}\n", text::printable_lines(message))),
            Style::Json => self.write_err_json(&json::Notice::new(message)),
        }
    }

    /// Prints one JSON value beside what was asked for.
    pub(crate) fn complain(&self, value: &impl Serialize) {
        if self.style == Style::Json {
            self.write_err_json(value);
        }
    }

    /// Where a program prints that is run for its effect, and what it complains of: beside what was asked for.
    #[expect(clippy::unused_self, reason = "only who prints may have it")]
    pub(crate) fn beside_output(&self) -> io::Result<(Passage, PipeWriter)> {
        Passage::to(io::stderr())
    }

    /// Where a program prints whose output is asked for: among what this one prints for people, beside it for programs.
    pub(crate) fn output_of_a_command(&self) -> io::Result<(Passage, PipeWriter)> {
        self.flush();
        match self.style {
            Style::Human => Passage::to(io::stdout()),
            Style::Json => self.beside_output(),
        }
    }

    /// Waits until the output of a program that has ended was passed on.
    pub(crate) fn end_output_of_a_command(&self, passage: Passage) {
        if let Err(error) = passage.end()
            && self.style == Style::Human
        {
            self.streams().broken.get_or_insert(error);
        }
    }

    /// Reports why the command ends without having done what was asked.
    pub(crate) fn failure(&self, failure: &Failure) {
        let message = failure.to_string();
        match self.style {
            Style::Human => self.write_err(&format!("holdall: {}\n", text::printable_lines(&message))),
            Style::Json => self.write_err_json(&json::ExitError::new(failure.exit_code(), &message)),
        }
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.streams().broken.is_some()
    }

    /// Ends a list that nobody reads any more.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] then.
    pub(crate) fn require_reader(&self) -> holdall::Result<()> {
        if self.is_closed() {
            return Err(holdall::Error::new(ErrorKind::Interrupted, "nobody reads the list any more"));
        }
        Ok(())
    }

    /// Whether it is only for want of a reader that a list ended: anything else is told, be the rest of it read or not.
    pub(crate) fn is_cut_by(&self, error: &holdall::Error) -> bool {
        error.kind() == ErrorKind::Interrupted && self.is_closed()
    }

    /// Ends the printing. What could not be written turns success into failure; a reader that went away does so without a
    /// word, and only where there was nothing to do but to print.
    pub(crate) fn finish(&self, code: u8, purpose: Purpose) -> u8 {
        self.flush();
        let Some(error) = self.streams().broken.take() else { return code };
        let is_unread = error.kind() == io::ErrorKind::BrokenPipe;
        if !is_unread {
            self.failure(&Failure::failed(format!("can't print: {error}")));
        }
        match (code, is_unread, purpose) {
            (exit::DONE, false, _) => exit::FAILED,
            (exit::DONE, true, Purpose::Output) => exit::UNREAD,
            _ => code,
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, bytes: &[u8]) {
        self.beside_the_bar(|| {
            let mut streams = self.streams();
            if streams.broken.is_none()
                && let Err(error) = streams.out.write_all(bytes)
            {
                streams.broken = Some(error);
            }
        });
    }

    fn write_err(&self, line: &str) {
        // Nothing is left to tell anybody if this fails.
        self.beside_the_bar(|| drop(self.streams().err.write_all(line.as_bytes())));
    }

    fn write_err_json(&self, value: &impl Serialize) {
        self.beside_the_bar(|| drop(self.streams().err.write_all(&json_line(value))));
    }

    fn beside_the_bar(&self, print: impl FnOnce()) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn set_bar(&self, bar: Option<ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}

/// The standard output as it is, and whether its reader went away.
pub(crate) struct RawOutput<'a> {
    renderer: &'a Renderer,
}

impl RawOutput<'_> {
    fn noting<T>(&self, written: io::Result<T>) -> io::Result<T> {
        written.inspect_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.renderer.streams().broken.get_or_insert(error.kind().into());
            }
        })
    }
}

impl Write for RawOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.noting(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.noting(io::stdout().flush())
    }
}

/// What went wrong with what. Some causes name the path themselves.
fn problem_text(name: &[u8], operation: &str, message: &str) -> String {
    let (name, message) = (text::printable(name), text::printable(message.as_bytes()));
    if message.contains(&name) { message } else { format!("can't {operation} {name}: {message}") }
}

/// A JSON value as a line.
pub(crate) fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("the printed structures have text keys and finite numbers");
    line.push(b'\n');
    line
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    /// A stream that a test can read.
    #[derive(Clone, Default)]
    pub(crate) struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("no panic while printing")).into_owned()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while printing").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A renderer whose output a test can read: what was asked for, and problems.
    pub(crate) fn renderer(style: Style, verbosity: Verbosity) -> (Renderer, Page, Page) {
        let (out, err) = (Page::default(), Page::default());
        let streams = Streams { out: Box::new(out.clone()), err: Box::new(err.clone()), broken: None };
        let renderer = Renderer {
            style,
            verbosity,
            out_is_terminal: false,
            err_is_terminal: false,
            streams: Mutex::new(streams),
            bar: Mutex::new(None),
        };
        (renderer, out, err)
    }

    struct Full(io::ErrorKind);

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn people_and_programs_each_get_only_theirs() {
        let (human, out, err) = renderer(Style::Human, Verbosity::Normal);
        human.print("asked\n");
        human.say("summary\n");
        human.json(&1);
        human.problem(Path::new("/a\u{1b}"), "read", "gone");
        assert_eq!(out.text(), "asked\nsummary\n");
        assert_eq!(err.text(), "holdall: can't read /a\\x1b: gone\n");

        let (json, out, err) = renderer(Style::Json, Verbosity::Normal);
        json.print("asked\n");
        json.say("summary\n");
        json.json(&[1, 2]);
        json.failure(&Failure::misuse("no"));
        assert_eq!(out.text(), "[1,2]\n");
        assert_eq!(err.text(), "{\"message_type\":\"exit_error\",\"code\":2,\"message\":\"no\"}\n");
    }

    #[test]
    fn a_problem_names_its_path_once() {
        assert_eq!(problem_text(b"/a", "read", "gone"), "can't read /a: gone");
        assert_eq!(problem_text(b"/a", "read", "can't open /a: gone"), "can't open /a: gone");
    }

    #[test]
    fn quiet_leaves_what_was_asked_for() {
        let (quiet, out, _) = renderer(Style::Human, Verbosity::Quiet);
        quiet.say("summary\n");
        quiet.print("asked\n");
        assert_eq!(out.text(), "asked\n");
    }

    #[test]
    fn a_full_disk_under_the_output_is_a_failure_and_a_closed_pipe_the_end_of_what_only_prints() {
        let (full, closed) = (io::ErrorKind::StorageFull, io::ErrorKind::BrokenPipe);
        for (kind, purpose, code, told) in [
            (full, Purpose::Output, exit::DONE, exit::FAILED),
            (full, Purpose::Effect, exit::DONE, exit::FAILED),
            (full, Purpose::Output, exit::DAMAGED, exit::DAMAGED),
            (closed, Purpose::Output, exit::DONE, exit::UNREAD),
            (closed, Purpose::Effect, exit::DONE, exit::DONE),
            (closed, Purpose::Output, exit::DAMAGED, exit::DAMAGED),
        ] {
            let (renderer, _, err) = renderer(Style::Human, Verbosity::Normal);
            renderer.streams().out = Box::new(Full(kind));
            renderer.print("x\n");
            assert!(renderer.is_closed());
            assert_eq!(renderer.finish(code, purpose), told, "{kind:?} {purpose:?}");
            assert_eq!(err.text().is_empty(), kind == closed);
        }
    }

    #[test]
    fn a_list_is_cut_by_a_reader_that_went_away_and_not_by_what_else_goes_wrong() {
        let (renderer, ..) = renderer(Style::Human, Verbosity::Normal);
        let error = |kind| holdall::Error::new(kind, "x");
        assert!(renderer.require_reader().is_ok());
        assert!(!renderer.is_cut_by(&error(ErrorKind::Interrupted)));
        renderer.streams().out = Box::new(Full(io::ErrorKind::BrokenPipe));
        renderer.print("x\n");
        assert!(renderer.require_reader().is_err_and(|error| renderer.is_cut_by(&error)));
        assert!(!renderer.is_cut_by(&error(ErrorKind::Damaged)));
    }

    #[test]
    fn a_name_goes_into_a_pipe_as_it_is() {
        let (renderer, out, _) = renderer(Style::Human, Verbosity::Normal);
        renderer.print_name("- ", b"/a\nb", "");
        assert_eq!(out.text(), "- /a\nb\n");
    }
}
