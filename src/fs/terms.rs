//! The words that the manifest will bring; the same names and bytes.

/// Where an entry stands, as key bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Vec<u8>);

/// Why bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key")]
pub struct KeyError;

impl Key {
    /// The key of the root directory.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Takes the bytes of a key.
    ///
    /// # Errors
    /// [`KeyError`] when they break one of the rules for keys.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, KeyError> {
        let good = bytes.is_empty() || bytes.split(|&byte| byte == 0).all(super::is_name);
        if good && bytes.len() <= KEY_BYTES_MAX { Ok(Self(bytes)) } else { Err(KeyError) }
    }

    /// The key bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path: Vec<u8> = self.0.iter().map(|&byte| if byte == 0 { b'/' } else { byte }).collect();
        write!(f, "/{}", path.escape_ascii())
    }
}

/// The longest key that the manifest takes, in bytes.
pub const KEY_BYTES_MAX: usize = 64 << 10;

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something whose kind could not be read.
    Unknown,
}

/// The numbers of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// The driver.
    pub major: u32,
    /// The device among the driver's.
    pub minor: u32,
}

/// A point in time: seconds since 1970, and the nanoseconds after that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

impl Timestamp {
    /// Takes seconds and nanoseconds; none when the nanoseconds make up a second or more.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
        if nanoseconds < 1_000_000_000 { Some(Self { seconds, nanoseconds }) } else { None }
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after that second.
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }
}

/// An extended attribute, POSIX ACLs and capabilities among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// Its name with the prefix (`user.`, `system.posix_acl_access`).
    pub name: Vec<u8>,
    /// Its value as the kernel gives it.
    pub value: Vec<u8>,
}
