//! Files that may hold what is lost: their contents, and attributes that are too long for an entry, cut and hashed as a backup
//! does.

use super::{Intake, Origin};
use crate::chunk::{Chunker, Piece};
use crate::error::Result;
use crate::fs::Labelled;
use crate::layout::Class;
use crate::manifest::{ATTRIBUTE_INLINE_BYTES_MAX, HOLE_GRAIN_BYTES, Hole, Key, Xattr, encode_holes, encode_xattrs};
use crate::read_buffer::ReadBuffer;
use crate::source::{Run, SourceFile};
use std::fs::{File, OpenOptions, ReadDir};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
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
    attributes(path, intake)?;
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
            Ok(file) => {
                cut(&file, path, intake)?;
                // The search moves the place from which the file is read.
                holes(&file, intake)?;
            }
            Err(error) => intake.notice(path.display(), &error),
        }
    }
    Ok(())
}

/// Offers the extended attributes of whatever lies at a path.
fn attributes(path: &Path, intake: &mut Intake<'_>) -> Result<()> {
    match Labelled::Unfollowed(path.as_os_str().as_bytes().to_vec()).read_all() {
        Ok(found) => {
            let xattrs: Vec<_> = found.read.into_iter().map(|(name, value)| Xattr { name, value }).collect();
            value(encode_xattrs(&xattrs), intake)
        }
        Err(error) => {
            intake.notice(format_args!("the attributes of {}", path.display()), &error);
            Ok(())
        }
    }
}

/// Offers the list of the holes of a file. Where it can't be had, the file itself tells why.
fn holes(file: &File, intake: &mut Intake<'_>) -> Result<()> {
    let Ok(file) = file.try_clone().map(OwnedFd::from) else { return Ok(()) };
    let Ok(file) = SourceFile::opened(&Key::root(), file) else { return Ok(()) };
    let (mut holes, mut end) = (Vec::new(), 0);
    while let Ok(Some(run)) = file.run_at(end) {
        end = match run {
            Run::Data { end, .. } => end,
            Run::Hole { start, end } => {
                let bytes = end.saturating_sub(start).next_multiple_of(HOLE_GRAIN_BYTES);
                holes.push(Hole { offset: start, bytes });
                end
            }
        };
    }
    value(encode_holes(&holes), intake)
}

/// Offers the value of an attribute. Only a long one is in chunks; one that can't be encoded, since it is empty say, is in no
/// snapshot.
fn value<E>(value: std::result::Result<Vec<u8>, E>, intake: &mut Intake<'_>) -> Result<()> {
    let Ok(value) = value else { return Ok(()) };
    if value.len() <= ATTRIBUTE_INLINE_BYTES_MAX {
        return Ok(());
    }
    let mut cutting = Cutting::new(intake);
    cutting.push(&value)?;
    cutting.end()
}

fn cut(mut file: &File, path: &Path, intake: &mut Intake<'_>) -> Result<()> {
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
