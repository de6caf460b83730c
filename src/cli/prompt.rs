//! Asking for a password on the terminal, without echo.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// Longest password that is read from a terminal.
const PASSWORD_BYTES_MAX: usize = 4096;

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A line, without its end.
    Password(Zeroizing<Vec<u8>>),
    /// Ctrl-C.
    Interrupted,
}

/// Asks on the terminal of this process.
///
/// # Errors
/// When the process has no terminal, or it can't be read.
pub(crate) fn ask(question: &str) -> io::Result<Answer> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let silent = Silence::over(&terminal)?;
    // Not before: an answer that comes at once would be shown, and lost.
    write!(&terminal, "{question}: ")?;
    let answer = read_line(&mut &terminal);
    drop(silent);
    writeln!(&terminal)?;
    answer
}

/// A terminal that neither echoes nor turns keys into signals, until this is dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn over(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        // Without ISIG, Ctrl-C arrives as a byte: a signal here would leave the terminal without echo.
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Reads keys up to the end of the line, and obeys those that edit it.
fn read_line(keys: &mut impl Read) -> io::Result<Answer> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const CTRL_U: u8 = 21;
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES_MAX));
    let mut key = [0u8];
    while keys.read(&mut key)? == 1 {
        let [byte] = key;
        match byte {
            b'\n' | b'\r' | CTRL_D => break,
            CTRL_C => return Ok(Answer::Interrupted),
            CTRL_U => line.clear(),
            8 | 127 => erase_character(&mut line),
            _ if line.len() < PASSWORD_BYTES_MAX => line.push(byte),
            _ => return Err(io::Error::other("the password is too long")),
        }
    }
    Ok(Answer::Password(line))
}

/// Takes the last character off, which may be several bytes.
fn erase_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<Vec<u8>> {
        match read_line(&mut &*keys).expect("memory can be read") {
            Answer::Password(line) => Some(line.to_vec()),
            Answer::Interrupted => None,
        }
    }

    #[test]
    fn keys_that_edit_the_line_are_obeyed() {
        assert_eq!(typed(b"secret\nmore"), Some(b"secret".to_vec()));
        assert_eq!(typed(b"secret\r"), Some(b"secret".to_vec()));
        assert_eq!(typed(b"secretx\x7f\n"), Some(b"secret".to_vec()));
        assert_eq!(typed("aé\x7fb\n".as_bytes()), Some(b"ab".to_vec()));
        assert_eq!(typed(b"wrong\x15right\n"), Some(b"right".to_vec()));
        assert_eq!(typed(b"\x7f\x7fa\x04"), Some(b"a".to_vec()));
        assert_eq!(typed(b"no end"), Some(b"no end".to_vec()));
    }

    #[test]
    fn ctrl_c_is_no_password() {
        assert_eq!(typed(b"sec\x03ret\n"), None);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        assert!(read_line(&mut io::repeat(b'a')).is_err());
    }
}
