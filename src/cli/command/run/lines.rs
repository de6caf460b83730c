//! The lines that a step prints, read by threads of their own, so that nothing that a step leaves behind with its
//! output still open holds anybody up.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// A longer line is passed over: what it would say is in the repository as well.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// How many lines may wait to be taken.
const LINES_WAITING_MAX: usize = 64;

/// Where a line was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// The lines of two streams as they come.
pub(super) struct Lines {
    lines: Receiver<(Stream, Vec<u8>)>,
}

impl Lines {
    /// Begins to read.
    pub(super) fn of(out: impl Read + Send + 'static, err: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = sync_channel(LINES_WAITING_MAX);
        read(out, Stream::Out, sender.clone())?;
        read(err, Stream::Err, sender)?;
        Ok(Self { lines })
    }

    /// The next line, without its end, if one comes within a time; an error once both streams have ended.
    pub(super) fn next(&self, within: Duration) -> Result<Option<(Stream, Vec<u8>)>, Ended> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }
}

/// Nobody prints any more.
#[derive(Debug)]
pub(super) struct Ended;

fn read(input: impl Read + Send + 'static, stream: Stream, sender: SyncSender<(Stream, Vec<u8>)>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("lines".to_owned());
    thread.spawn(move || pass_on(BufReader::new(input), stream, &sender)).map(drop)
}

fn pass_on(mut input: impl BufRead, stream: Stream, sender: &SyncSender<(Stream, Vec<u8>)>) {
    let mut is_rest = false;
    loop {
        let mut line = Vec::new();
        match (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
        let is_cut = !is_whole && u64::try_from(line.len()).is_ok_and(|bytes| bytes == LINE_BYTES_MAX);
        if !is_rest && !is_cut && sender.send((stream, line)).is_err() {
            return;
        }
        is_rest = is_cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_one_that_is_too_long_not_at_all() {
        let long = vec![b'x'; usize::try_from(LINE_BYTES_MAX).expect("small") * 2 + 7];
        let text = [b"first\n", long.as_slice(), b"\nsecond\n\nlast"].concat();
        let lines = Lines::of(io::Cursor::new(text), io::empty()).expect("threads");
        let mut read = Vec::new();
        while let Ok(line) = lines.next(Duration::from_secs(10)) {
            read.push(String::from_utf8(line.expect("it comes").1).expect("text"));
        }
        assert_eq!(read, ["first", "second", "", "last"]);
    }
}
