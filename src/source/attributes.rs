//! Extended attributes, of open files and of names.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{fgetxattr, flistxattr, getxattr, lgetxattr, listxattr, llistxattr};
use rustix::io::Errno;

use crate::fs::Xattr;

/// No file system keeps a longer list of names or a longer value.
const BYTES_MAX: usize = 64 << 10;
/// Enough for nearly all; tried first.
const BYTES_USUAL: usize = 1024;

/// The attributes of an open file.
pub(super) fn of_file(file: &OwnedFd) -> Result<Vec<Xattr>, Errno> {
    read_all(|list| flistxattr(file, list), |name, value| fgetxattr(file, name, value))
}

/// The attributes of a name in a directory: for what can't be opened without side effects, and for links themselves.
///
/// The path goes through the open directory, so nothing but the last name is looked up, and that is not followed
/// unless `followed` says so.
pub(super) fn of_name(directory: &OwnedFd, name: &[u8], followed: bool) -> Result<Vec<Xattr>, Errno> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let path = path.as_slice();
    if followed {
        read_all(|list| listxattr(path, list), |name, value| getxattr(path, name, value))
    } else {
        read_all(|list| llistxattr(path, list), |name, value| lgetxattr(path, name, value))
    }
}

fn read_all(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<Xattr>, Errno> {
    let names = match read_one(list) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let mut found = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        match read_one(|value| get(name, value)) {
            Ok(value) => found.push(Xattr { name: name.to_vec(), value }),
            // Removed since the names were listed; or a name that is listed without having a value.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn read_one(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut usual = [0; BYTES_USUAL];
    match read(&mut usual) {
        Ok(length) => Ok(usual.get(..length).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; BYTES_MAX];
            let length = read(&mut large)?;
            large.truncate(length);
            Ok(large)
        }
        Err(errno) => Err(errno),
    }
}
