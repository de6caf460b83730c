//! One name of a pattern against one name of a path.

use super::PatternError;

/// What a name must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NamePattern {
    /// `**`: any number of names.
    AnyNames,
    /// This one.
    Literal(Vec<u8>),
    /// `*.o`: anything that ends so. `*` alone has an empty end.
    End(Vec<u8>),
    /// `core*`: anything that begins so.
    Start(Vec<u8>),
    /// Anything else.
    Glob(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// `*`
    AnyBytes,
    /// `?`
    AnyCharacter,
    /// `[...]`
    Class(Class),
    /// `?` of git
    AnyByte,
    /// `[...]` of git: all in the ranges, or all others.
    Bytes { negated: bool, ranges: Vec<(u8, u8)> },
    /// A byte that stands for itself.
    Byte(u8),
}

/// Some characters: all in the ranges, or all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl NamePattern {
    /// Takes apart what stands between two slashes.
    pub(super) fn parse(text: &[u8]) -> Result<Self, PatternError> {
        if text == b"**" {
            return Ok(Self::AnyNames);
        }
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            pieces.push(match first {
                b'*' => Piece::AnyBytes,
                b'?' => Piece::AnyCharacter,
                b'[' => Piece::Class(Class::parse(&mut rest)?),
                b'\\' => {
                    let (escaped, after) = rest.split_first().ok_or(PatternError::LooseEscape)?;
                    rest = after;
                    Piece::Byte(*escaped)
                }
                byte => Piece::Byte(*byte),
            });
        }
        Ok(Self::simplest(pieces))
    }

    /// Takes apart what stands between two slashes as git does; none where that fits nothing.
    pub(super) fn parse_of_git(text: &[u8]) -> Option<Self> {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            pieces.push(match first {
                b'*' => Piece::AnyBytes,
                b'?' => Piece::AnyByte,
                b'[' => byte_class(&mut rest)?,
                b'\\' => Piece::Byte(next_byte(&mut rest)?),
                byte => Piece::Byte(*byte),
            });
        }
        Some(Self::simplest(pieces))
    }

    fn simplest(mut pieces: Vec<Piece>) -> Self {
        pieces.dedup_by(|next, kept| *next == Piece::AnyBytes && *kept == Piece::AnyBytes);
        let bytes = |pieces: &[Piece]| -> Option<Vec<u8>> {
            let bytes = pieces.iter().map(|piece| if let Piece::Byte(byte) = piece { Some(*byte) } else { None });
            bytes.collect()
        };
        let simple = match pieces.as_slice() {
            [Piece::AnyBytes, end @ ..] => bytes(end).map(Self::End),
            [start @ .., Piece::AnyBytes] => bytes(start).map(Self::Start),
            all => bytes(all).map(Self::Literal),
        };
        simple.unwrap_or(Self::Glob(pieces))
    }

    /// Whether one name fits; [`Self::AnyNames`] is asked elsewhere, and fits each.
    pub(super) fn fits(&self, name: &[u8]) -> bool {
        match self {
            Self::AnyNames => true,
            Self::Literal(wanted) => wanted == name,
            Self::End(end) => name.ends_with(end),
            Self::Start(start) => name.starts_with(start),
            Self::Glob(pieces) => glob_fits(pieces, name),
        }
    }
}

/// In time proportional to the product of the lengths: on a mismatch only the last `*` takes another byte.
fn glob_fits(pieces: &[Piece], name: &[u8]) -> bool {
    let (mut wanted, mut left) = (pieces, name);
    let mut star: Option<(&[Piece], &[u8])> = None;
    while !left.is_empty() {
        let taken = match wanted.split_first() {
            Some((Piece::AnyBytes, [])) => return true,
            Some((Piece::AnyBytes, after)) => {
                star = Some((after, left));
                wanted = after;
                continue;
            }
            Some((piece, after)) => piece.take(left).map(|below| (after, below)),
            None => None,
        };
        if let Some((after, below)) = taken {
            (wanted, left) = (after, below);
            continue;
        }
        let Some((after, [_, shorter @ ..])) = star else { return false };
        star = Some((after, shorter));
        (wanted, left) = (after, shorter);
    }
    wanted.iter().all(|piece| *piece == Piece::AnyBytes)
}

impl Piece {
    /// What is left behind the one byte or character that this stands for, if it is that.
    fn take<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let (fits, bytes) = match self {
            Self::AnyBytes => (false, 0),
            Self::Byte(wanted) => (name.first() == Some(wanted), 1),
            Self::AnyByte => (true, 1),
            Self::Bytes { negated, ranges } => {
                let held =
                    name.first().is_some_and(|byte| ranges.iter().any(|(low, high)| (low..=high).contains(&byte)));
                (held != *negated, 1)
            }
            Self::AnyCharacter => (true, first_character(name).1),
            Self::Class(class) => {
                let (character, bytes) = first_character(name);
                (class.holds(character), bytes)
            }
        };
        if fits { name.get(bytes..) } else { None }
    }
}

impl Class {
    /// Takes the class from what stands behind its `[`.
    fn parse(rest: &mut &[u8]) -> Result<Self, PatternError> {
        let negated = rest.first() == Some(&b'^');
        skip(rest, usize::from(negated));
        let mut ranges = Vec::new();
        while rest.first() != Some(&b']') || ranges.is_empty() {
            let low = class_character(rest)?;
            let mut high = low;
            if rest.first() == Some(&b'-') {
                skip(rest, 1);
                high = class_character(rest)?;
            }
            ranges.push((low, high));
        }
        skip(rest, 1);
        Ok(Self { negated, ranges })
    }

    fn holds(&self, character: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != self.negated
    }
}

fn class_character(rest: &mut &[u8]) -> Result<char, PatternError> {
    match rest.first() {
        None => return Err(PatternError::OpenClass),
        Some(b']') if rest.len() == 1 => return Err(PatternError::OpenClass),
        Some(b'-' | b']') => return Err(PatternError::ClassCharacter),
        Some(b'\\') => skip(rest, 1),
        Some(_) => {}
    }
    if rest.is_empty() {
        return Err(PatternError::OpenClass);
    }
    let (character, bytes) = first_character(rest);
    if character == char::REPLACEMENT_CHARACTER && bytes == 1 {
        return Err(PatternError::ClassEncoding);
    }
    skip(rest, bytes);
    Ok(character)
}

fn skip(rest: &mut &[u8], bytes: usize) {
    *rest = rest.get(bytes..).unwrap_or_default();
}

/// The first character and its length; a byte that begins none counts as a replacement character of one byte.
fn first_character(bytes: &[u8]) -> (char, usize) {
    let length = match bytes.first() {
        Some(byte) if byte.is_ascii() => return (char::from(*byte), 1),
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        Some(_) | None => 1,
    };
    let character = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()?.chars().next());
    character.map_or((char::REPLACEMENT_CHARACTER, 1), |character| (character, length))
}

/// A class of git, from what stands behind its `[`. There a `]` that comes first is one of the bytes.
fn byte_class(rest: &mut &[u8]) -> Option<Piece> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    skip(rest, usize::from(negated));
    let mut ranges = Vec::new();
    loop {
        let byte = *rest.first()?;
        skip(rest, 1);
        if byte == b']' && !ranges.is_empty() {
            return Some(Piece::Bytes { negated, ranges });
        }
        let named = if byte == b'[' { named_class(rest) } else { None };
        if let Some((name, length)) = named {
            ranges.extend_from_slice(bytes_named(name)?);
            skip(rest, length);
            continue;
        }
        let low = if byte == b'\\' { next_byte(rest)? } else { byte };
        let mut high = low;
        if let [b'-', end, ..] = rest
            && *end != b']'
        {
            skip(rest, 1);
            high = next_byte(rest)?;
            if high == b'\\' {
                high = next_byte(rest)?;
            }
        }
        ranges.push((low, high));
    }
}

/// `alpha` of `:alpha:]`, and the length of all of it.
fn named_class<'t>(rest: &&'t [u8]) -> Option<(&'t [u8], usize)> {
    let inside = rest.strip_prefix(b":")?;
    let end = inside.iter().position(|byte| *byte == b']')?;
    let name = inside.get(..end)?.strip_suffix(b":")?;
    Some((name, end.saturating_add(2)))
}

fn bytes_named(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b' ', b' '), (b'\t', b'\t')],
        b"cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(b'!', b'~')],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(b' ', b'~')],
        b"punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        b"space" => &[(b'\t', b'\r'), (b' ', b' ')],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

fn next_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    Some(*byte)
}
