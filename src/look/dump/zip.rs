//! Zip archives: for those who open them with a click. What a zip has no room for is told.

use super::stream::ContentStream;
use super::{Archive, Tally, unwritable};
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Body, Content, Entry};
use crate::session::SnapshotComponent;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, Write};
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The length from which a file needs the larger fields. What deflate adds to what does not shrink stays below the rest.
const LARGE_BYTES: u64 = 4_000_000_000;

/// A zip archive being written. Its directory, a line for each entry, stands at its end and is kept until then.
pub(super) struct ZipArchive<'a, W: Write> {
    reader: &'a ContentReader,
    writer: ZipWriter<StreamWriter<W>>,
}

impl<'a, W: Write> ZipArchive<'a, W> {
    pub(super) fn new(reader: &'a ContentReader, out: W) -> Self {
        Self { reader, writer: ZipWriter::new_stream(out) }
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> Result<()> {
        self.writer.finish().map_err(unzippable)?.flush().map_err(unwritable)
    }

    fn write_file(
        &mut self,
        name: &str,
        (entry, content): (&Entry, &Content),
        options: SimpleFileOptions,
        tally: &mut Tally<'_>,
    ) -> Result<()> {
        let options = options.large_file(content.bytes() >= LARGE_BYTES);
        self.writer.start_file(name, options).map_err(unzippable)?;
        let mut stream = ContentStream::new(self.reader, content, &[], tally.progress);
        let written = io::copy(&mut stream, &mut self.writer);
        if let Some(failure) = stream.failure() {
            return Err(failure);
        }
        stream.damage().map_or(Ok(()), |damage| tally.damaged(&entry.key, damage))?;
        written.map_err(unwritable)?;
        tally.file_done(content.bytes());
        Ok(())
    }
}

impl<W: Write> Archive for ZipArchive<'_, W> {
    fn take(&mut self, name: &[u8], entry: &Entry, _: &SnapshotComponent, tally: &mut Tally<'_>) -> Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        let Ok(name) = std::str::from_utf8(name) else {
            tally.problem(&entry.key, "a zip archive has room for names in UTF-8 only; left out");
            return Ok(());
        };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(entry.mode.into())
            .last_modified_time(time(entry.mtime.seconds()));
        let done = match &entry.body {
            Body::File(content) => return self.write_file(name, (entry, content), options, tally),
            Body::Directory | Body::Ancestor => self.writer.add_directory(directory_name(name), options),
            Body::Symlink(target) => match std::str::from_utf8(target) {
                Ok(target) => self.writer.add_symlink(name, target, options),
                Err(_) => {
                    tally.problem(&entry.key, "a zip archive has room for link targets in UTF-8 only; left out");
                    return Ok(());
                }
            },
            Body::Fifo | Body::Socket | Body::CharDevice(_) | Body::BlockDevice(_) | Body::Unknown => {
                tally.problem(&entry.key, "a zip archive has no room for pipes, sockets and devices; left out");
                return Ok(());
            }
        };
        done.map_err(unzippable)?;
        tally.other_done();
        Ok(())
    }
}

/// The slash at its end says that it is one. The writer adds it unless the name ends with a backslash.
fn directory_name(name: &str) -> String {
    format!("{name}/")
}

/// The time of an entry as zip has it, in UTC; what lies outside of 1980 to 2107 gets the nearest.
fn time(seconds: i64) -> DateTime {
    let earliest = DateTime::default();
    let latest = DateTime::from_date_and_time(2107, 12, 31, 23, 59, 58).unwrap_or(earliest);
    let nearest = if seconds < 0 { earliest } else { latest };
    let Ok(time) = Timestamp::from_second(seconds) else { return nearest };
    let time = time.to_zoned(TimeZone::UTC);
    let small = |number: i8| u8::try_from(number).unwrap_or(0);
    let year = u16::try_from(time.year()).unwrap_or(0);
    let (month, day) = (small(time.month()), small(time.day()));
    DateTime::from_date_and_time(year, month, day, small(time.hour()), small(time.minute()), small(time.second()))
        .unwrap_or(if year < 1980 { earliest } else { latest })
}

fn unzippable(error: ZipError) -> Error {
    if let ZipError::Io(error) = error {
        return unwritable(error);
    }
    Error::new(ErrorKind::Io, format!("can't write the zip archive: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_whatever_its_name_ends_with() {
        for name in ["plain", "back\\"] {
            let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
            writer.add_directory(directory_name(name), SimpleFileOptions::default()).unwrap();
            let mut archive = zip::ZipArchive::new(writer.finish().unwrap()).unwrap();
            let entry = archive.by_index_raw(0).unwrap();
            assert_eq!((entry.name().unwrap().as_ref(), entry.is_dir()), (format!("{name}/").as_str(), true));
        }
    }

    #[test]
    fn times_that_a_zip_can_t_tell_become_the_nearest() {
        let year = |seconds| {
            let time = time(seconds);
            (time.year(), time.month(), time.day())
        };
        assert_eq!(year(1_795_230_600), (2026, 11, 21));
        for seconds in [i64::MIN, -1, 0] {
            assert_eq!(year(seconds), (1980, 1, 1));
        }
        for seconds in [4_354_819_200, 15_032_385_535, i64::MAX] {
            assert_eq!(year(seconds), (2107, 12, 31));
        }
    }
}
