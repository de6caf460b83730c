//! Patterns that choose paths: `*.o`, `/home/*/cache`, `src/**/test`.
//!
//! `*` and `?` stand for any bytes within a name, `[a-z]` and `[!a-z]` for one of some, `**` as a whole name for any number
//! of names. A pattern that begins with `/` is held against the whole path, any other against every part of it. What
//! fits covers everything below it.

use super::values::ValueError;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    anchored: bool,
    names: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// `**`
    AnyNames,
    /// One name.
    One(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// `*`
    AnyBytes,
    /// `?`
    AnyByte,
    /// `[...]`: whether it is negated, and its ranges.
    Class(bool, Vec<(u8, u8)>),
    /// A byte that stands for itself.
    Byte(u8),
}

impl Pattern {
    /// Takes a pattern apart.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, ValueError> {
        let bytes = text.as_bytes();
        let names = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let names: Vec<Name> = names.map(parse_name).collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Err(ValueError::new("an empty pattern fits nothing"));
        }
        Ok(Self { anchored: bytes.first() == Some(&b'/'), names })
    }

    /// Whether the path, given by its names, or a folder above it fits.
    pub(crate) fn covers(&self, path: &[&[u8]]) -> bool {
        let starts = if self.anchored { 0..1 } else { 0..path.len() };
        starts.into_iter().any(|start| path.get(start..).is_some_and(|rest| names_fit(&self.names, rest)))
    }
}

fn parse_name(name: &[u8]) -> Result<Name, ValueError> {
    if name == b"**" {
        return Ok(Name::AnyNames);
    }
    let mut pieces = Vec::new();
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        pieces.push(match first {
            b'*' => Piece::AnyBytes,
            b'?' => Piece::AnyByte,
            b'[' => parse_class(&mut rest)?,
            b'\\' => {
                let (escaped, after) =
                    rest.split_first().ok_or_else(|| ValueError::new("nothing follows the last \\"))?;
                rest = after;
                Piece::Byte(*escaped)
            }
            byte => Piece::Byte(*byte),
        });
    }
    Ok(Name::One(pieces))
}

fn parse_class(rest: &mut &[u8]) -> Result<Piece, ValueError> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    let inside = rest.get(usize::from(negated)..).unwrap_or(&[]);
    // A bracket that comes first is one of the bytes.
    let end = inside.iter().skip(1).position(|byte| *byte == b']').map(|at| at + 1);
    let (mut bytes, after) = end
        .and_then(|end| Some((inside.get(..end)?, inside.get(end + 1..)?)))
        .ok_or_else(|| ValueError::new("a [ without its ]"))?;
    *rest = after;
    let mut ranges = Vec::new();
    while let Some((low, left)) = bytes.split_first() {
        match left {
            [b'-', high, left @ ..] => {
                ranges.push((*low, *high));
                bytes = left;
            }
            left => {
                ranges.push((*low, *low));
                bytes = left;
            }
        }
    }
    Ok(Piece::Class(negated, ranges))
}

/// Whether the pattern's names fit the first names of the path.
fn names_fit(pattern: &[Name], path: &[&[u8]]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, _) => true,
        (Some((Name::AnyNames, rest)), _) => {
            (0..=path.len()).any(|skipped| path.get(skipped..).is_some_and(|path| names_fit(rest, path)))
        }
        (Some((Name::One(pieces), rest)), Some((name, below))) => name_fits(pieces, name) && names_fit(rest, below),
        (Some((Name::One(_), _)), None) => false,
    }
}

/// Whether one name fits, in time proportional to the product of the lengths: on a mismatch only the last `*` takes more.
fn name_fits(pieces: &[Piece], name: &[u8]) -> bool {
    let (mut piece, mut byte) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(next) = name.get(byte) {
        match pieces.get(piece) {
            Some(Piece::AnyBytes) => {
                star = Some((piece + 1, byte));
                piece += 1;
            }
            Some(other) if other.fits(*next) => {
                piece += 1;
                byte += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                piece = after;
                byte = taken + 1;
            }
        }
    }
    pieces.iter().skip(piece).all(|piece| *piece == Piece::AnyBytes)
}

impl Piece {
    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::AnyBytes => false,
            Self::AnyByte => true,
            Self::Class(negated, ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != *negated,
            Self::Byte(wanted) => *wanted == byte,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        let names: Vec<&[u8]> = path.split('/').filter(|name| !name.is_empty()).map(str::as_bytes).collect();
        Pattern::parse(OsStr::new(pattern)).expect(pattern).covers(&names)
    }

    #[test]
    fn patterns_cover_what_they_say() {
        let cases = [
            ("*.o", "/a/b.o", true),
            ("*.o", "/a.o/b", true),
            ("*.o", "/a/b.oo", false),
            ("b", "/a/b/c", true),
            ("/b", "/a/b", false),
            ("/a", "/a/b", true),
            ("/a/*/c", "/a/b/c/d", true),
            ("/a/*/c", "/a/c", false),
            ("/a/**/c", "/a/c", true),
            ("/a/**/c", "/a/x/y/c", true),
            ("a/c", "/x/a/c", true),
            ("a/c", "/x/a/b/c", false),
            ("b/", "/a/b", true),
            ("f?o", "/foo", true),
            ("f?o", "/fo", false),
            ("[a-c]x", "/bx", true),
            ("[!a-c]x", "/bx", false),
            ("[]]x", "/]x", true),
            ("[a-]x", "/-x", true),
            ("\\*", "/*", true),
            ("\\*", "/a", false),
            ("*a*b*", "/xaxbx", true),
            ("*a*b", "/xabxa", false),
            ("*", "/", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(covers(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let name = "a".repeat(255);
        assert!(!covers(&format!("{}b", "a*".repeat(60)), &format!("/{name}")));
    }

    #[test]
    fn broken_patterns_are_refused() {
        for pattern in ["", "/", "[a", "a\\"] {
            assert!(Pattern::parse(OsStr::new(pattern)).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn names_of_any_bytes_fit() {
        let pattern = Pattern::parse(OsStr::from_bytes(b"\xff*")).expect("a pattern");
        assert!(pattern.covers(&[b"\xff\n"]));
    }
}
