//! The way of what another program prints to where this one prints. The program writes into a pipe that is read to its end:
//! who stops reading here, as `| head` does, ends neither the program nor what it is there for.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// How long after a program's end is waited for what it printed last: what it left running may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(5);
const PART_BYTES: usize = 1 << 16;

/// What becomes of the bytes that a program writes into a pipe.
#[derive(Debug)]
pub(crate) struct Passage {
    written: Receiver<io::Result<()>>,
}

impl Passage {
    /// Begins to pass on; what is to be passed on is written to the pipe.
    pub(super) fn to(output: impl AsFd) -> io::Result<(Self, PipeWriter)> {
        let output = File::from(output.as_fd().try_clone_to_owned()?);
        let (reader, writer) = io::pipe()?;
        let (sender, written) = sync_channel(1);
        let thread = std::thread::Builder::new().name("passage".to_owned());
        // Nobody asks any more once the program has ended and time is up.
        thread.spawn(move || drop(sender.send(pass_on(reader, output))))?;
        Ok((Self { written }, writer))
    }

    /// Waits, after the program's end, until all that it printed is where it should be.
    ///
    /// # Errors
    /// The first one of writing it there.
    pub(crate) fn end(self) -> io::Result<()> {
        self.written.recv_timeout(LAST_WORDS).unwrap_or(Ok(()))
    }
}

/// Reads to the end, also when it can't be written any more.
fn pass_on(mut input: PipeReader, mut output: impl Write) -> io::Result<()> {
    let (mut part, mut written) = (vec![0; PART_BYTES], Ok(()));
    loop {
        match input.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return written,
            Ok(bytes) if written.is_ok() => written = output.write_all(part.get(..bytes).unwrap_or_default()),
            Ok(_) => {}
        }
    }
}
