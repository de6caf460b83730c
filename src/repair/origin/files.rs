//! Files that may hold what is lost: cut and hashed as a backup does.

use super::{Intake, Origin};
use crate::chunk::{Chunker, Piece};
use crate::error::Result;
use crate::layout::Class;
use crate::read_buffer::ReadBuffer;
use std::fs::{File, OpenOptions, ReadDir};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How much is read at a time.
const READ_BYTES: usize = 1 << 20;

/// A file, or all files below a folder. Symbolic links are not followed.
pub(in crate::repair) struct Files {
    path: PathBuf,
}

impl Files {
    pub(in crate::repair) const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Origin for Files {
    fn offer(&mut self, intake: &mut Intake<'_>) -> Result<()> {
        let mut folders = Vec::new();
        visit(&self.path, &mut folders, intake)?;
        // Folders within folders, as deep as they go: the names of one folder at a time are not held.
        while let Some(folder) = folders.last_mut()
            && !intake.is_done()
        {
            match folder.next() {
                None => drop(folders.pop()),
                Some(Ok(entry)) => visit(&entry.path(), &mut folders, intake)?,
                Some(Err(error)) => intake.notice("a part of a folder", &error),
            }
        }
        Ok(())
    }
}

fn visit(path: &Path, folders: &mut Vec<ReadDir>, intake: &mut Intake<'_>) -> Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => {
            intake.notice(path.display(), &error);
            return Ok(());
        }
    };
    if kind.is_dir() {
        match std::fs::read_dir(path) {
            Ok(folder) => folders.push(folder),
            Err(error) => intake.notice(path.display(), &error),
        }
    } else if kind.is_file() {
        // What became a pipe since it was looked at must not be waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => cut(file, path, intake)?,
            Err(error) => intake.notice(path.display(), &error),
        }
    }
    Ok(())
}

fn cut(mut file: File, path: &Path, intake: &mut Intake<'_>) -> Result<()> {
    let mut cutting = Cutting::new(intake);
    let mut buffer = ReadBuffer::new(READ_BYTES);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return cutting.end(),
            Ok(length) => cutting.push(buffer.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                intake.notice(path.display(), &error);
                return Ok(());
            }
        }
    }
}

/// Cuts the content of one file with the repository's own cutter, and offers the chunks.
pub(super) struct Cutting<'i, 'a> {
    intake: &'i mut Intake<'a>,
    chunker: Chunker<'a>,
}

impl<'i, 'a> Cutting<'i, 'a> {
    pub(super) fn new(intake: &'i mut Intake<'a>) -> Self {
        let chunker = Chunker::new(intake.access().naming.cutter());
        Self { intake, chunker }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut taken = Ok(());
        self.chunker.push(bytes, |piece| take(self.intake, piece, &mut taken));
        taken
    }

    pub(super) fn zeros(&mut self, length: u64) -> Result<()> {
        let mut taken = Ok(());
        self.chunker.zeros(length, |piece| take(self.intake, piece, &mut taken));
        taken
    }

    pub(super) fn end(mut self) -> Result<()> {
        let mut taken = Ok(());
        self.chunker.finish(|piece| take(self.intake, piece, &mut taken));
        taken
    }
}

fn take(intake: &mut Intake<'_>, piece: Piece<'_>, taken: &mut Result<()>) {
    if let (Piece::Data(bytes), Ok(())) = (piece, &*taken) {
        *taken = intake.take(Class::Content, bytes);
    }
}
