//! How a command names a snapshot and a place in it: `latest`, `latest~2`, `1a2b3c4d`, each with or without `:/path`.

use super::values::ValueError;
use clap::builder::{OsStringValueParser, TypedValueParser};
use holdall::SnapshotSpec;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A snapshot and, after a colon, a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotArgument {
    /// Which snapshot.
    pub(crate) spec: SnapshotSpec,
    /// The absolute path after the colon.
    pub(crate) path: Option<OsString>,
}

impl SnapshotArgument {
    /// Reads an argument whose path may hold any bytes.
    pub(crate) fn parse(argument: &OsStr) -> Result<Self, ValueError> {
        let bytes = argument.as_bytes();
        let (name, path) = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (name, path) = bytes.split_at(colon);
                (name, path.split_first().map(|(_, path)| path.to_vec()))
            }
            None => (bytes, None),
        };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let spec = name.parse().map_err(|error: holdall::Error| ValueError::new(error.to_string()))?;
        match path {
            Some(path) if path.first() != Some(&b'/') => {
                Err(ValueError::new("the path after the colon must begin with /"))
            }
            path => Ok(Self { spec, path: path.map(OsString::from_vec) }),
        }
    }
}

/// Reads a snapshot and a place in it for the argument parser.
pub(crate) fn snapshot_argument() -> impl TypedValueParser<Value = SnapshotArgument> {
    OsStringValueParser::new().try_map(|argument| SnapshotArgument::parse(&argument))
}

/// Reads a snapshot as a whole for the argument parser: who names a place in one does not mean all of it.
pub(crate) fn whole_snapshot() -> impl TypedValueParser<Value = SnapshotSpec> {
    OsStringValueParser::new().try_map(|argument| match SnapshotArgument::parse(&argument)? {
        SnapshotArgument { spec, path: None } => Ok(spec),
        SnapshotArgument { path: Some(_), .. } => Err(ValueError::new("it takes a whole snapshot, without a path")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(back: usize, path: Option<&str>) -> Option<SnapshotArgument> {
        Some(SnapshotArgument { spec: SnapshotSpec::Latest { back }, path: path.map(OsString::from) })
    }

    #[test]
    fn snapshots_are_named_by_age_or_by_the_start_of_their_id() {
        let parse = |text: &str| SnapshotArgument::parse(OsStr::new(text)).ok();
        assert_eq!(parse("latest"), latest(0, None));
        assert_eq!(parse("latest~3"), latest(3, None));
        assert_eq!(parse("latest:/etc"), latest(0, Some("/etc")));
        assert_eq!(parse("latest~1:/a:b"), latest(1, Some("/a:b")));
        let named = SnapshotArgument { spec: SnapshotSpec::Prefix("0a1b".to_owned()), path: None };
        assert_eq!(parse("0A1b"), Some(named));
        for text in
            ["", "abc", "latest~", "latest~x", "latest~-1", "0a1g", &"a".repeat(65), "latest:", "latest:etc", ":/etc"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_path_of_any_bytes_is_kept() {
        let argument = OsString::from_vec(b"0a1b:/\xff\n".to_vec());
        let path = SnapshotArgument::parse(&argument).ok().and_then(|parsed| parsed.path);
        assert_eq!(path, Some(OsString::from_vec(b"/\xff\n".to_vec())));
    }
}
