//! Names as restic writes them: quoted as in Go's source text, without the quotation marks, since JSON holds no bytes that
//! are not UTF-8.

/// The bytes of a quoted name; none for what Go would not have written.
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = unescape(escape, &mut bytes)?;
    }
    if rest.contains('"') {
        return None;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// Takes one escape, whose backslash is gone already, and returns what stands behind it.
fn unescape<'a>(escape: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let mut characters = escape.chars();
    let byte = match characters.next()? {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => return number(characters.as_str(), 2, 16).and_then(|(byte, rest)| push_byte(byte, rest, bytes)),
        'u' => return push_character(number(characters.as_str(), 4, 16)?, bytes),
        'U' => return push_character(number(characters.as_str(), 8, 16)?, bytes),
        '0'..='7' => return number(escape, 3, 8).and_then(|(byte, rest)| push_byte(byte, rest, bytes)),
        _ => return None,
    };
    bytes.push(byte);
    Some(characters.as_str())
}

fn number(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let all_digits = number.chars().all(|digit| digit.is_digit(radix));
    Some((u32::from_str_radix(number, radix).ok().filter(|_| all_digits)?, rest))
}

fn push_byte<'a>(byte: u32, rest: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    bytes.push(u8::try_from(byte).ok()?);
    Some(rest)
}

fn push_character<'a>((code, rest): (u32, &'a str), bytes: &mut Vec<u8>) -> Option<&'a str> {
    let character = char::from_u32(code)?;
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn every_escape_of_go_is_undone() {
        let cases: &[(&str, &[u8])] = &[
            ("plain", b"plain"),
            ("", b""),
            ("grüße 日本", "grüße 日本".as_bytes()),
            (r#"we\xffird\n\"q\\"#, b"we\xffird\n\"q\\"),
            (r"\a\b\f\n\r\t\v", b"\x07\x08\x0c\n\r\t\x0b"),
            (r"\x00\x7f\xFf", b"\x00\x7f\xff"),
            (r"\u00ad\U0001f600", "\u{ad}\u{1f600}".as_bytes()),
            (r"\101\377", b"A\xff"),
            (r"a\\xff", br"a\xff"),
        ];
        for (text, bytes) in cases {
            assert_eq!(unquote(text).as_deref(), Some(*bytes), "{text}");
        }
    }

    #[test]
    fn what_go_would_not_write_is_refused() {
        for text in [
            "\"",
            "a\"b",
            r"\",
            r"\q",
            r"\x",
            r"\xf",
            r"\xfg",
            r"\u12",
            r"\ud800",
            r"\U00110000",
            r"\400",
            r"\x+1",
            r"\'",
        ] {
            assert_eq!(unquote(text), None, "{text}");
        }
    }
}
