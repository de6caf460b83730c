//! Calls to the system that touch files, as they are seen from outside of the program that makes them.

use nix::libc::{self, user_regs_struct};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Opens what is there.
    Open,
    /// Makes a file, or empties one.
    Create,
    Read,
    /// Lists a directory.
    List,
    /// Asks for anything else about a file.
    Ask,
    Write,
    SyncFile,
    SyncDirectory,
    Link,
    Rename,
    Unlink,
    MakeDirectory,
    RemoveDirectory,
    Allocate,
    Truncate,
    /// Changes owners, permissions, times or attributes, or makes a link or a node.
    Dress,
}

impl Act {
    /// Whether it changes something, or makes that durable.
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List | Self::Ask)
    }

    /// Whether it moves bytes, and may move fewer of them than it was asked to.
    pub(crate) const fn moves_bytes(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// Where a call says which file it means.
#[derive(Clone, Copy)]
enum Place {
    /// An open file in the first argument.
    File,
    /// A path in the first argument.
    Path,
    /// A directory in the first argument, a path in the second.
    At,
    /// A path in the first argument, another one in the second.
    Paths,
    /// A directory, a path, another directory, another path.
    TwoAt,
}

#[rustfmt::skip]
const CALLS: &[(libc::c_long, Act, Place)] = &[
    (libc::SYS_open, Act::Open, Place::Path), (libc::SYS_openat, Act::Open, Place::At),
    (libc::SYS_read, Act::Read, Place::File), (libc::SYS_pread64, Act::Read, Place::File),
    (libc::SYS_getdents64, Act::List, Place::File),
    (libc::SYS_fstat, Act::Ask, Place::File), (libc::SYS_newfstatat, Act::Ask, Place::At),
    (libc::SYS_stat, Act::Ask, Place::Path), (libc::SYS_lstat, Act::Ask, Place::Path),
    (libc::SYS_statx, Act::Ask, Place::At), (libc::SYS_fstatfs, Act::Ask, Place::File),
    (libc::SYS_statfs, Act::Ask, Place::Path),
    (libc::SYS_readlink, Act::Ask, Place::Path), (libc::SYS_readlinkat, Act::Ask, Place::At),
    (libc::SYS_flistxattr, Act::Ask, Place::File), (libc::SYS_fgetxattr, Act::Ask, Place::File),
    (libc::SYS_llistxattr, Act::Ask, Place::Path), (libc::SYS_lgetxattr, Act::Ask, Place::Path),
    (libc::SYS_listxattr, Act::Ask, Place::Path), (libc::SYS_getxattr, Act::Ask, Place::Path),
    (libc::SYS_lseek, Act::Ask, Place::File), (libc::SYS_flock, Act::Ask, Place::File),
    (libc::SYS_write, Act::Write, Place::File), (libc::SYS_pwrite64, Act::Write, Place::File),
    (libc::SYS_fsync, Act::SyncFile, Place::File), (libc::SYS_fdatasync, Act::SyncFile, Place::File),
    (libc::SYS_link, Act::Link, Place::Paths), (libc::SYS_linkat, Act::Link, Place::TwoAt),
    (libc::SYS_rename, Act::Rename, Place::Paths), (libc::SYS_renameat, Act::Rename, Place::TwoAt),
    (libc::SYS_renameat2, Act::Rename, Place::TwoAt),
    (libc::SYS_unlink, Act::Unlink, Place::Path), (libc::SYS_unlinkat, Act::Unlink, Place::At),
    (libc::SYS_mkdir, Act::MakeDirectory, Place::Path), (libc::SYS_mkdirat, Act::MakeDirectory, Place::At),
    (libc::SYS_rmdir, Act::RemoveDirectory, Place::Path),
    (libc::SYS_fallocate, Act::Allocate, Place::File), (libc::SYS_ftruncate, Act::Truncate, Place::File),
    (libc::SYS_fchmod, Act::Dress, Place::File), (libc::SYS_chmod, Act::Dress, Place::Path),
    (libc::SYS_fchmodat, Act::Dress, Place::At), (libc::SYS_fchown, Act::Dress, Place::File),
    (libc::SYS_lchown, Act::Dress, Place::Path), (libc::SYS_fchownat, Act::Dress, Place::At),
    (libc::SYS_utimensat, Act::Dress, Place::At), (libc::SYS_fsetxattr, Act::Dress, Place::File),
    (libc::SYS_lsetxattr, Act::Dress, Place::Path), (libc::SYS_fremovexattr, Act::Dress, Place::File),
    (libc::SYS_mknodat, Act::Dress, Place::At),
];

/// One call, before it is made.
#[derive(Debug)]
pub(crate) struct Call {
    /// What it does.
    pub(crate) act: Act,
    /// What it does it to.
    pub(crate) path: PathBuf,
    /// The other path of a link or a rename: the new name.
    pub(crate) to: Option<PathBuf>,
    process: Pid,
    /// Where the bytes of a write lie, and how many there are.
    bytes: (u64, u64),
    /// Where a write goes, as far as the call itself says so.
    offset: Option<u64>,
    file: u64,
}

impl Call {
    /// Reads the registers of a thread that is about to make a call; nothing when it touches no file.
    pub(crate) fn read(process: Pid, registers: &user_regs_struct) -> Option<Self> {
        let number = libc::c_long::try_from(registers.orig_rax).ok()?;
        let (_, act, place) = *CALLS.iter().find(|(known, ..)| *known == number)?;
        let user_regs_struct { rdi, rsi, rdx, r10, .. } = *registers;
        let (path, to) = match place {
            Place::File => (open_file(process, rdi)?, None),
            Place::Path => (path_at(process, None, rdi)?, None),
            Place::At => (path_at(process, Some(rdi), rsi)?, None),
            Place::Paths => (path_at(process, None, rdi)?, path_at(process, None, rsi)),
            Place::TwoAt => (path_at(process, Some(rdi), rsi)?, path_at(process, Some(rdx), r10)),
        };
        let flag = |value: u64, flag: i32| value & u64::from(flag.cast_unsigned()) != 0;
        let open_flags = if number == libc::SYS_open { rsi } else { rdx };
        let act = if act == Act::Open && flag(open_flags, libc::O_CREAT | libc::O_TRUNC) {
            Act::Create
        } else if act == Act::SyncFile && path.is_dir() {
            Act::SyncDirectory
        } else if number == libc::SYS_unlinkat && flag(rdx, libc::AT_REMOVEDIR) {
            Act::RemoveDirectory
        } else {
            act
        };
        let offset = (number == libc::SYS_pwrite64).then_some(r10);
        Some(Self { act, path, to, process, bytes: (rsi, rdx), offset, file: rdi })
    }

    /// Whether the call is for something below a folder.
    pub(crate) fn is_below(&self, folder: &Path) -> bool {
        self.path.starts_with(folder)
    }

    /// The bytes of a write.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let memory = std::fs::File::open(format!("/proc/{}/mem", self.process)).expect("it is traced");
        let mut bytes = vec![0; usize::try_from(self.bytes.1).expect("it fits into memory")];
        memory.read_exact_at(&mut bytes, self.bytes.0).expect("the program wrote there");
        bytes
    }

    /// Where a write goes.
    pub(crate) fn offset(&self) -> u64 {
        let position = || {
            let text = std::fs::read_to_string(format!("/proc/{}/fdinfo/{}", self.process, self.file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
        };
        self.offset.unwrap_or_else(|| position().expect("an open file has a position"))
    }
}

fn open_file(process: Pid, file: u64) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/{process}/fd/{file}")).ok()?;
    path.is_absolute().then_some(path)
}

fn path_at(process: Pid, directory: Option<u64>, address: u64) -> Option<PathBuf> {
    let working = || std::fs::read_link(format!("/proc/{process}/cwd")).ok();
    let base = match directory {
        // The upper half of the register is not the call's business.
        Some(file) if file & 0xffff_ffff != u64::from(libc::AT_FDCWD.cast_unsigned()) => open_file(process, file)?,
        _ => working()?,
    };
    let below = text_at(process, address)?;
    Some(if below.is_empty() { base } else { base.join(below) })
}

/// A path in the memory of a program.
fn text_at(process: Pid, address: u64) -> Option<OsString> {
    if address == 0 {
        return Some(OsString::new());
    }
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).ok()?;
    let mut bytes = Vec::new();
    // Page by page: what lies behind the text's last one may not be readable.
    while !bytes.contains(&0) && bytes.len() < 8192 {
        let at = address.checked_add(u64::try_from(bytes.len()).ok()?)?;
        let mut page = vec![0; usize::try_from(4096 - at % 4096).ok()?];
        memory.read_exact_at(&mut page, at).ok()?;
        bytes.extend(page);
    }
    let length = bytes.iter().position(|byte| *byte == 0)?;
    bytes.truncate(length);
    Some(OsString::from_vec(bytes))
}
