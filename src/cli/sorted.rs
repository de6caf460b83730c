//! Lines in another order than the one in which they come, however many there are: sorted runs in files, then one merge.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// What is sorted in memory at once.
const RUN_BYTES_MAX: usize = 16 << 20;
/// What a line takes beside its bytes.
const LINE_BYTES: usize = 64;

/// In which direction lines are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The least first.
    Up,
    /// The greatest first.
    Down,
}

/// A line and what it is sorted by.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    key: Vec<u8>,
    text: Vec<u8>,
}

/// Takes lines in any order.
pub(crate) struct Sorter {
    folder: PathBuf,
    direction: Direction,
    run_bytes_max: usize,
    lines: Vec<Line>,
    bytes: usize,
    runs: Vec<File>,
}

impl Sorter {
    /// Nothing yet; files that have no names are made in `folder` when memory does not do.
    pub(crate) const fn new(folder: PathBuf, direction: Direction) -> Self {
        Self { folder, direction, run_bytes_max: RUN_BYTES_MAX, lines: Vec::new(), bytes: 0, runs: Vec::new() }
    }

    /// Takes a line.
    ///
    /// # Errors
    /// When no file can be written.
    pub(crate) fn add(&mut self, key: Vec<u8>, text: Vec<u8>) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(text.len()).saturating_add(LINE_BYTES);
        self.lines.push(Line { key, text });
        if self.bytes > self.run_bytes_max { self.spill() } else { Ok(()) }
    }

    /// Gives all lines in order.
    ///
    /// # Errors
    /// When a file can't be read, or what `each` returns.
    pub(crate) fn finish(mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if self.runs.is_empty() {
            self.sort();
            self.lines.iter().for_each(|line| each(&line.text));
            return Ok(());
        }
        self.spill()?;
        let mut runs: Vec<BufReader<File>> = self.runs.into_iter().map(BufReader::new).collect();
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            run.seek(SeekFrom::Start(0))?;
            heads.extend(read_line(run)?.map(|line| Head { line, number, direction: self.direction }));
        }
        while let Some(Head { line, number, direction }) = heads.pop() {
            each(&line.text);
            if let Some(run) = runs.get_mut(number) {
                heads.extend(read_line(run)?.map(|line| Head { line, number, direction }));
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        let direction = self.direction;
        self.lines.sort_by(|one, other| direction.compare(&one.key, &other.key));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut run = BufWriter::new(nameless_file(&self.folder)?);
        for Line { key, text } in self.lines.drain(..) {
            for part in [key, text] {
                run.write_all(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes())?;
                run.write_all(&part)?;
            }
        }
        self.runs.push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.bytes = 0;
        Ok(())
    }
}

impl Direction {
    fn compare(self, one: &[u8], other: &[u8]) -> Ordering {
        match self {
            Self::Up => one.cmp(other),
            Self::Down => other.cmp(one),
        }
    }
}

/// The next line of a run; the one that comes first is the greatest in a heap.
#[derive(PartialEq, Eq)]
struct Head {
    line: Line,
    number: usize,
    direction: Direction,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.direction.compare(&other.line.key, &self.line.key).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn read_line(run: &mut impl Read) -> io::Result<Option<Line>> {
    let Some(key) = read_part(run)? else { return Ok(None) };
    Ok(read_part(run)?.map(|text| Line { key, text }))
}

fn read_part(run: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match run.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        answer => answer?,
    }
    let mut part = Vec::new();
    run.take(u64::from_le_bytes(length)).read_to_end(&mut part)?;
    Ok(Some(part))
}

/// A file that is gone when it is closed.
fn nameless_file(folder: &std::path::Path) -> io::Result<File> {
    for attempt in 0..u16::MAX {
        let path = folder.join(format!(".holdall-{}-{attempt}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_whether_they_fit_into_memory_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        for (run_bytes_max, direction) in [(1 << 20, Direction::Up), (2000, Direction::Up), (2000, Direction::Down)] {
            let mut sorter = Sorter::new(folder.path().to_path_buf(), direction);
            sorter.run_bytes_max = run_bytes_max;
            for number in 0..1000u32 {
                let key = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
                sorter.add(key.clone(), [&key[..], b"text"].concat()).expect("it is taken");
            }
            let mut found: Vec<Vec<u8>> = Vec::new();
            sorter.finish(&mut |text| found.push(text.to_vec())).expect("all come");
            assert_eq!(found.len(), 1000);
            let in_order = |pair: &[Vec<u8>]| match direction {
                Direction::Up => pair[0] < pair[1],
                Direction::Down => pair[0] > pair[1],
            };
            assert!(found.windows(2).all(in_order));
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
    }
}
