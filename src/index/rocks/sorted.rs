//! Files of sorted rows that become part of the chunks table as they are.

use super::{Database, EachRow, IndexError, Table, classify, table_options};
use rocksdb::{IngestExternalFileOptions, IteratorMode, SstFileWriter};
use std::path::{Path, PathBuf};

/// A file is ended at this length: the next one begins with another key.
const FILE_BYTES_TARGET: u64 = 256 << 20;

/// What rows do to those of the same key that the table has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Under {
    /// There are none.
    Nothing,
    /// They are merged.
    Older,
}

impl Database {
    /// Whether the chunks table has no row. Nobody may write to it at the same time.
    pub(in super::super) fn holds_no_chunk(&self) -> Result<bool, IndexError> {
        let mut rows = self.db.iterator_cf(self.family(Table::Chunks), IteratorMode::Start);
        rows.next().transpose().map(|row| row.is_none()).map_err(|error| self.error("reading", &error))
    }

    /// Writes the rows that `rows` hands to its argument, in strictly rising order of their keys, to files of this name
    /// in a directory. They belong to no table yet.
    pub(in super::super) fn write_sorted(
        &self,
        (directory, name): (&Path, &str),
        under: Under,
        rows: &mut dyn FnMut(&mut EachRow<'_>) -> Result<(), IndexError>,
    ) -> Result<Vec<PathBuf>, IndexError> {
        let options = table_options(Table::Chunks, &self.memory, &self.merge);
        let failed = |error: rocksdb::Error| classify("writing", directory, &error);
        let mut files: Vec<PathBuf> = Vec::new();
        let mut open: Option<SstFileWriter<'_>> = None;
        rows(&mut |key, value| {
            if let Some(mut full) = open.take_if(|file| file.file_size() >= FILE_BYTES_TARGET) {
                full.finish().map_err(failed)?;
            }
            if open.is_none() {
                let path = directory.join(format!("{name}-{}.sst", files.len()));
                open = Some(SstFileWriter::create(&options));
                open.iter().try_for_each(|file| file.open(&path)).map_err(failed)?;
                files.push(path);
            }
            let Some(file) = &mut open else { return Ok(()) };
            match under {
                Under::Nothing => file.put(key, value),
                Under::Older => file.merge(key, value),
            }
            .map_err(failed)
        })?;
        open.map_or(Ok(()), |mut file| file.finish()).map_err(failed)?;
        Ok(files)
    }

    /// Makes files part of the chunks table, all of them or, after a crash, none. They are moved away.
    pub(in super::super) fn ingest(&self, files: &[PathBuf]) -> Result<(), IndexError> {
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let files: Vec<&PathBuf> = files.iter().collect();
        let taken = self.db.ingest_external_file_cf_opts(self.family(Table::Chunks), &options, files);
        taken.map_err(|error| self.error("writing", &error))
    }
}
