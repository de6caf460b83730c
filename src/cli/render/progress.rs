//! Progress: a bar on a terminal, a status line now and then as JSON, nothing into a pipe.

use super::json::Status;
use super::text;
use super::{Renderer, Style, Verbosity};
use super::{item, left_out};
use crate::cli::deadline::Deadline;
use crate::cli::stop::Stop;
use holdall::progress::{Change, Event, Gravity, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the bar is drawn anew.
const BAR_INTERVAL: Duration = Duration::from_millis(100);
/// What stands before each line of the bar: the spinner, or two spaces.
const INDENT_COLUMNS: usize = 2;
/// How wide a terminal is that does not say.
const USUAL_COLUMNS: usize = 80;
/// How long nothing is said of the time that is left: the beginning of a run tells nothing of the rest.
const PROMISE_AFTER: Duration = Duration::from_secs(1);
/// How often a JSON status line is printed.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// How many problems with the same message are printed one by one; the others are counted.
const ALIKE_PRINTED_MAX: u64 = 10;
/// How many different messages are told apart.
const MESSAGES_MAX: usize = 1000;

/// Shows the events of one operation, and passes the wish to stop on to it.
pub(crate) struct Display<'a> {
    renderer: &'a Renderer,
    stop: Stop,
    /// When an operation is to be ended early, with what it has.
    deadline: Option<Deadline>,
    meter: Mutex<Meter>,
    view: View,
    problems: Problems,
    listing: Listing,
    /// How often each message came up.
    messages: Mutex<BTreeMap<String, u64>>,
}

/// Which items get a line of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listing {
    /// None.
    Nothing,
    /// Those that are read, where everything is wanted.
    Reads,
    /// Those that change.
    Changes,
    /// All.
    Everything,
}

/// What becomes of problems as they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problems {
    /// Each is printed, of many alike the first few.
    Print,
    /// They are counted; the report at the end lists them.
    Count,
}

enum View {
    Bar(ProgressBar),
    Status,
    Nothing,
}

/// What the events have told so far.
#[derive(Debug, Clone)]
struct Meter {
    started: Instant,
    shown: Instant,
    phase: &'static str,
    current: Vec<u8>,
    files: u64,
    files_estimated: u64,
    bytes: u64,
    bytes_estimated: u64,
    problems: u64,
}

impl<'a> Display<'a> {
    /// Begins to show an operation.
    pub(crate) fn new(renderer: &'a Renderer, stop: Stop) -> Self {
        Self::with(renderer, stop, Problems::Print)
    }

    /// Begins to show a restore, with these items or, when everything is wanted, all of them.
    pub(crate) fn of_a_restore(renderer: &'a Renderer, stop: Stop, listing: Listing) -> Self {
        let mut display = Self::with(renderer, stop, Problems::Print);
        let is_everything = renderer.verbosity() >= Verbosity::Everything;
        display.listing = if is_everything { Listing::Everything } else { listing };
        display
    }

    /// Begins to show a backup.
    pub(crate) fn of_a_backup(renderer: &'a Renderer, stop: Stop) -> Self {
        let mut display = Self::new(renderer, stop);
        display.listing = Listing::Reads;
        display
    }

    /// Begins to show a check, whose report lists what was found in full.
    pub(crate) fn of_a_check(renderer: &'a Renderer, stop: Stop) -> Self {
        Self::with(renderer, stop, Problems::Count)
    }

    fn with(renderer: &'a Renderer, stop: Stop, problems: Problems) -> Self {
        let view = match renderer.style() {
            Style::Json if renderer.verbosity() >= Verbosity::Normal => View::Status,
            Style::Human if renderer.verbosity() >= Verbosity::Normal && renderer.err_is_terminal => {
                View::Bar(new_bar())
            }
            Style::Json | Style::Human => View::Nothing,
        };
        if let View::Bar(bar) = &view {
            renderer.set_bar(Some(bar.clone()));
        }
        Self {
            renderer,
            stop,
            deadline: None,
            meter: Mutex::new(Meter::new(Instant::now())),
            view,
            problems,
            listing: Listing::Nothing,
            messages: Mutex::default(),
        }
    }

    /// Ends the operation early, with what it has.
    #[must_use]
    pub(crate) const fn until(mut self, deadline: Deadline) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a problem gets a line of its own: programs and who wants to know everything get all of them.
    fn is_worth_a_line(&self, message: &str) -> bool {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if !messages.contains_key(message) && messages.len() >= MESSAGES_MAX {
            return true;
        }
        let count = messages.entry(message.to_owned()).or_default();
        *count = count.saturating_add(1);
        let all = self.renderer.style() == Style::Json || self.renderer.verbosity() >= Verbosity::Verbose;
        all || *count <= ALIKE_PRINTED_MAX
    }

    fn show_item(&self, path: &Path, change: Change, bytes: u64) {
        let is_change = !matches!(change, Change::Unchanged | Change::Skipped);
        if self.listing <= Listing::Reads || (self.listing == Listing::Changes && !is_change) {
            return;
        }
        item::tell(self.renderer, path, change, bytes);
    }

    /// Tells how many problems got no line.
    fn tell_the_rest(&self) {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if self.renderer.style() == Style::Json || self.renderer.verbosity() >= Verbosity::Verbose {
            return;
        }
        for (message, count) in messages.iter().filter(|(_, count)| **count > ALIKE_PRINTED_MAX) {
            let more = text::counted(count - ALIKE_PRINTED_MAX, "more problem", "more problems");
            self.renderer.notice(&format!("{more} like these: {message}"));
        }
    }

    fn show(&self, meter: &Meter, now: Instant) {
        match &self.view {
            View::Bar(bar) => bar.set_message(meter.bar_lines(now, terminal_columns())),
            View::Status => {
                self.renderer.json(&meter.status(now));
                self.renderer.flush();
            }
            View::Nothing => {}
        }
    }

    fn due_after(&self) -> Option<Duration> {
        match &self.view {
            View::Bar(_) => Some(BAR_INTERVAL),
            View::Status => Some(STATUS_INTERVAL),
            View::Nothing => None,
        }
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    // The bar panics where no thread can be started for it; without one it moves only when something happens.
    if std::thread::Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok()) {
        bar.enable_steady_tick(BAR_INTERVAL);
    }
    bar
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        if let View::Bar(bar) = &self.view {
            self.renderer.set_bar(None);
            bar.finish_and_clear();
        }
        self.tell_the_rest();
    }
}

impl Progress for Display<'_> {
    fn event(&self, event: &Event<'_>) {
        let verbosity = self.renderer.verbosity();
        if let Event::Problem { path, operation, message, gravity } = event
            && self.problems == Problems::Print
        {
            if *gravity == Gravity::Damage || self.is_worth_a_line(message) {
                self.renderer.problem(path, operation, message);
            }
        } else if let Event::Entry { path, change, bytes, .. } = event {
            return self.show_item(path, *change, *bytes);
        } else if let Event::Spared { path, reason } = event {
            let name = text::printable(path.as_os_str().as_bytes());
            self.renderer.notice(&format!("{name}: {reason}"));
        } else if let Event::Entered { path } = event
            && verbosity >= Verbosity::Everything
        {
            self.renderer.say(&format!("{}\n", text::printable(path.as_os_str().as_bytes())));
            if self.listing == Listing::Reads {
                item::tell_read(self.renderer, path);
            }
        } else if let Event::Phase(name) = event
            && verbosity >= Verbosity::Verbose
        {
            self.renderer.say(&format!("{name}\n"));
        } else if let Event::LeftOut { .. } = event
            && verbosity >= Verbosity::Verbose
        {
            left_out::tell(self.renderer, event);
        }
        let mut meter = self.meter();
        meter.take(event);
        let now = Instant::now();
        if self.due_after().is_some_and(|interval| now.duration_since(meter.shown) >= interval) {
            meter.shown = now;
            let copy = meter.clone();
            drop(meter);
            self.show(&copy, now);
        }
    }

    fn stopped(&self) -> bool {
        self.stop.is_asked()
    }

    fn enough(&self) -> bool {
        self.deadline.is_some_and(Deadline::is_over)
    }

    fn wants_entries(&self) -> bool {
        self.listing > Listing::Reads
    }
}

impl Meter {
    const fn new(now: Instant) -> Self {
        Self {
            started: now,
            shown: now,
            phase: "",
            current: Vec::new(),
            files: 0,
            files_estimated: 0,
            bytes: 0,
            bytes_estimated: 0,
            problems: 0,
        }
    }

    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Phase(name) => self.phase = name,
            Event::Estimated { files, bytes } => {
                self.files_estimated = *files;
                self.bytes_estimated = *bytes;
            }
            Event::Entered { path } => {
                self.current.clear();
                self.current.extend_from_slice(path.as_os_str().as_bytes());
            }
            Event::Processed { files, bytes } => {
                self.files = self.files.saturating_add(*files);
                self.bytes = self.bytes.saturating_add(*bytes);
            }
            Event::Problem { .. } => self.problems = self.problems.saturating_add(1),
            // What was stored is told at the end; what is added to the events later concerns other receivers.
            Event::Stored { .. } | _ => {}
        }
    }

    /// Parts in a thousand; `None` without an estimate.
    fn permille(&self) -> Option<u64> {
        let (done, estimated) = match self.bytes_estimated {
            0 => (self.files, self.files_estimated),
            bytes => (self.bytes, bytes),
        };
        let permille = u128::from(done) * 1000 / u128::from(Some(estimated).filter(|estimated| *estimated > 0)?);
        // An estimate from an earlier snapshot may be too low; the end is the end only when it is reached.
        Some(u64::try_from(permille).unwrap_or(u64::MAX).min(999))
    }

    fn seconds_remaining(&self, now: Instant) -> Option<u64> {
        let permille = self.permille().filter(|permille| *permille > 0)?;
        let elapsed = Some(now.duration_since(self.started)).filter(|elapsed| *elapsed >= PROMISE_AFTER)?;
        let elapsed_ms = u64::try_from(elapsed.as_millis()).ok()?;
        elapsed_ms.checked_mul(1000 - permille)?.checked_div(permille)?.checked_div(1000)
    }

    fn status(&self, now: Instant) -> Status {
        let permille = u32::try_from(self.permille().unwrap_or(0)).unwrap_or(0);
        let current =
            if self.current.is_empty() { None } else { Some(String::from_utf8_lossy(&self.current).into_owned()) };
        Status {
            message_type: "status",
            seconds_elapsed: now.duration_since(self.started).as_secs(),
            seconds_remaining: self.seconds_remaining(now),
            percent_done: f64::from(permille) / 1000.0,
            total_files: self.files_estimated.max(self.files),
            files_done: self.files,
            total_bytes: self.bytes_estimated.max(self.bytes),
            bytes_done: self.bytes,
            error_count: self.problems,
            current_files: current.into_iter().collect(),
        }
    }

    /// Two lines that fit a terminal: what fits of the figures, the most wanted first, and the end of the current path.
    fn bar_lines(&self, now: Instant, columns: usize) -> String {
        let elapsed = now.duration_since(self.started);
        let share = self.permille().map(|permille| format!("{}.{} %", permille / 10, permille % 10));
        let left = self.seconds_remaining(now).map(|seconds| format!("{} left", text::duration(seconds)));
        let problems = (self.problems > 0).then(|| text::counted(self.problems, "problem", "problems"));
        // In the order of the line, each with how soon it gives way.
        let mut parts = [
            (0, Some(text::duration(elapsed.as_secs()))),
            (1, share),
            (6, Some(text::counted(self.files, "file", "files"))),
            (5, Some(text::bytes(self.bytes))),
            (4, Some(text::rate(self.bytes, elapsed))),
            (2, left),
            (3, problems),
        ];
        let line = |parts: &[(u8, Option<String>)]| {
            let shown: Vec<&str> = parts.iter().filter_map(|(_, part)| part.as_deref()).collect();
            shown.join("  ")
        };
        let room = columns.saturating_sub(INDENT_COLUMNS);
        while line(&parts).len() > room {
            let Some(last) = parts.iter_mut().filter(|(_, part)| part.is_some()).max_by_key(|(rank, _)| *rank) else {
                break;
            };
            last.1 = None;
        }
        let second = if self.current.is_empty() { self.phase.to_owned() } else { text::printable(&self.current) };
        format!("{}\n  {}", line(&parts), text::end_of(&second, room))
    }
}

/// How wide the terminal is.
fn terminal_columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(USUAL_COLUMNS, |size| usize::from(size.ws_col)).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::renderer;
    use super::*;

    fn metered(events: &[Event<'_>]) -> Meter {
        let mut meter = Meter::new(Instant::now());
        events.iter().for_each(|event| meter.take(event));
        meter
    }

    #[test]
    fn an_estimate_gives_a_share_and_a_remaining_time() {
        let meter = metered(&[
            Event::Estimated { files: 10, bytes: 1000 },
            Event::Processed { files: 2, bytes: 100 },
            Event::Processed { files: 1, bytes: 150 },
            Event::Entered { path: Path::new("/etc/x") },
        ]);
        let status = meter.status(meter.started + Duration::from_secs(10));
        assert!((status.percent_done - 0.25).abs() < 1e-9);
        assert_eq!((status.files_done, status.total_files), (3, 10));
        assert_eq!((status.bytes_done, status.total_bytes), (250, 1000));
        assert_eq!((status.seconds_elapsed, status.seconds_remaining), (10, Some(30)));
        let left = |ms| meter.seconds_remaining(meter.started + Duration::from_millis(ms));
        assert_eq!((left(999), left(1000), left(1500)), (None, Some(3), Some(4)), "nothing is promised at once");
        assert_eq!(status.current_files, ["/etc/x"]);
    }

    #[test]
    fn without_an_estimate_nothing_is_promised_and_a_low_one_never_ends_early() {
        let none = metered(&[Event::Processed { files: 2, bytes: 100 }]);
        assert_eq!((none.permille(), none.seconds_remaining(none.started + Duration::from_secs(5))), (None, None));
        let low = metered(&[Event::Estimated { files: 1, bytes: 10 }, Event::Processed { files: 2, bytes: 100 }]);
        assert_eq!(low.permille(), Some(999));
        assert_eq!(low.status(low.started).total_bytes, 100);
    }

    #[test]
    fn the_bar_shows_what_is_known() {
        let meter = metered(&[
            Event::Estimated { files: 10, bytes: 1 << 30 },
            Event::Processed { files: 1, bytes: 512 << 20 },
            Event::Problem { path: Path::new("/x"), operation: "read", message: "gone", gravity: Gravity::Trouble },
            Event::Entered { path: Path::new("/a\nb") },
        ]);
        let lines = |columns| meter.bar_lines(meter.started + Duration::from_secs(64), columns);
        assert_eq!(lines(80), "1:04  50.0 %  1 file  512.0 MiB  8.0 MiB/s  1:04 left  1 problem\n  /a\\nb");
        assert_eq!(lines(40), "1:04  50.0 %  1:04 left  1 problem\n  /a\\nb");
        assert_eq!(lines(5), "\n  …nb");
    }

    #[test]
    fn a_pipe_gets_problems_and_no_progress() {
        let (renderer, out, err) = renderer(Style::Human, Verbosity::Normal);
        let display = Display::new(&renderer, Stop::default());
        display.event(&Event::Processed { files: 1, bytes: 1 });
        display.event(&Event::Problem {
            path: Path::new("/x"),
            operation: "read",
            message: "gone",
            gravity: Gravity::Trouble,
        });
        drop(display);
        assert_eq!((out.text().as_str(), err.text().as_str()), ("", "holdall: can't read /x: gone\n"));
    }

    #[test]
    fn of_many_problems_alike_the_first_few_are_shown_and_the_rest_counted() {
        for (verbosity, lines) in [(Verbosity::Normal, 11), (Verbosity::Verbose, 25)] {
            let (renderer, _, err) = renderer(Style::Human, verbosity);
            let display = Display::new(&renderer, Stop::default());
            for number in 0..25 {
                let path = std::path::PathBuf::from(format!("/{number}"));
                display.event(&Event::Problem {
                    path: &path,
                    operation: "restore",
                    message: "owner not set",
                    gravity: Gravity::Trouble,
                });
            }
            drop(display);
            assert_eq!(err.text().lines().count(), lines, "{}", err.text());
            let told = err.text().contains("15 more problems like these: owner not set");
            assert_eq!(told, verbosity == Verbosity::Normal);
        }
    }

    #[test]
    fn every_item_that_is_damaged_gets_a_line() {
        let (renderer, _, err) = renderer(Style::Human, Verbosity::Normal);
        let display = Display::new(&renderer, Stop::default());
        for number in 0..25 {
            let path = std::path::PathBuf::from(format!("/{number}"));
            let (message, gravity) = ("a pack is gone", Gravity::Damage);
            display.event(&Event::Problem { path: &path, operation: "restore", message, gravity });
        }
        drop(display);
        assert_eq!(err.text().lines().count(), 25, "{}", err.text());
    }

    #[test]
    fn programs_get_a_status_when_a_second_has_passed() {
        let (renderer, out, _) = renderer(Style::Json, Verbosity::Normal);
        let display = Display::new(&renderer, Stop::default());
        display.event(&Event::Processed { files: 1, bytes: 1 });
        assert_eq!(out.text(), "");
        let earlier = display.meter().shown.checked_sub(STATUS_INTERVAL);
        display.meter().shown = earlier.expect("the machine has run for a second");
        display.event(&Event::Processed { files: 1, bytes: 1 });
        assert!(out.text().starts_with("{\"message_type\":\"status\""), "{}", out.text());
    }
}
