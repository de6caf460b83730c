//! Words as a shell reads them.

/// A word in quotes, if a POSIX shell would not take it as it is.
pub(crate) fn quoted(word: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=+,./:@%".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        return word.to_vec();
    }
    let mut text = b"'".to_vec();
    for byte in word {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

/// Several words with spaces between them.
pub(crate) fn line<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_that_were_meant() {
        let words: [&[u8]; 7] = [b"plain", b"", b"a b", b"it's", b"$HOME;*", b"--x=/a/b", b"\xff\n"];
        let script = [b"printf '%s|' ", line(words).as_slice()].concat();
        let script = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&script);
        let printed = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().expect("a shell").stdout;
        assert_eq!(printed, [words.join(&b"|"[..]).as_slice(), b"|"].concat());
    }
}
