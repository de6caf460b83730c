//! Words as a shell reads them.

use super::render::text::printable;

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

/// The same to be shown, and copied from there: words with what is not shown as it is stand as bash, zsh and many others,
/// but not all shells read them.
pub(crate) fn shown_line<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> String {
    words.into_iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn shown(word: &[u8]) -> String {
    let quoted = String::from_utf8_lossy(&quoted(word)).into_owned();
    if printable(word).as_bytes() == word {
        return quoted;
    }
    let byte_text = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\{byte:03o}"),
    };
    format!("$'{}'", word.iter().map(byte_text).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_reads_the_words_that_are_shown() {
        let words: [&[u8]; 6] = [b"plain", b"it's", "\u{e9} a".as_bytes(), b"\xff\n", b"a'\\\t1", b"\x1b[0m"];
        let line = shown_line(words);
        assert_eq!(printable(line.as_bytes()), line);
        let printed = std::process::Command::new("bash").arg("-c").arg(format!("printf '%s|' {line}")).output();
        assert_eq!(printed.expect("a shell").stdout, [words.join(&b"|"[..]).as_slice(), b"|"].concat());
    }

    #[test]
    fn a_shell_reads_the_words_that_were_meant() {
        let words: [&[u8]; 7] = [b"plain", b"", b"a b", b"it's", b"$HOME;*", b"--x=/a/b", b"\xff\n"];
        let script = [b"printf '%s|' ", line(words).as_slice()].concat();
        let script = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&script);
        let printed = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().expect("a shell").stdout;
        assert_eq!(printed, [words.join(&b"|"[..]).as_slice(), b"|"].concat());
    }
}
