//! Tests of packs.

use super::*;
use crate::id::{ClientId, RepositoryId, SessionId};
use crate::layout::{Class, FrameTable};
use crate::seal::{RootSecret, Secret};

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x11; 16]);
const EPOCH: u32 = 3;

/// The secrets of one role in one epoch.
struct Ring {
    class: Option<RootSecret>,
    index: RootSecret,
}

impl Ring {
    fn all() -> Self {
        Self { class: Some(root(1)), index: root(2) }
    }

    /// A client that may write and not read.
    fn put() -> Self {
        Self { class: None, index: root(2) }
    }
}

impl PackKeys for Ring {
    fn repository(&self) -> RepositoryId {
        REPOSITORY
    }

    fn class_root(&self, _: Class, epoch: u32) -> Option<&RootSecret> {
        self.class.as_ref().filter(|_| epoch == EPOCH)
    }

    fn index_root(&self, epoch: u32) -> Option<&RootSecret> {
        Some(&self.index).filter(|_| epoch == EPOCH)
    }
}

fn root(byte: u8) -> RootSecret {
    RootSecret::new(Secret::from_bytes([byte; 32]))
}

fn identity(class: Class) -> PackIdentity {
    let session = SessionId { client: ClientId::from_bytes([0x22; 16]), number: 5 };
    PackIdentity { class, key_epoch: EPOCH, repository: REPOSITORY, session }
}

fn sealer(salt: u8) -> PackSealer {
    PackSealer::with_salt(&identity(Class::Content), WriteKey::Symmetric(&root(1)), &root(2), [salt; 32]).unwrap()
}

/// A stored frame with this plaintext.
fn frame(sealer: &PackSealer, number: u32, plaintext: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; FRAME_PREFIX_BYTES];
    buffer.extend_from_slice(plaintext);
    sealer.seal_frame(number, &mut buffer);
    buffer
}

/// A whole pack of these frames, each said to be one chunk of its plaintext's length.
fn pack(sealer: &PackSealer, plaintexts: &[&[u8]]) -> (PackId, Vec<u8>, FrameTable) {
    let mut table = sealer.table();
    let mut bytes = sealer.header_bytes();
    for (number, plaintext) in (0..).zip(plaintexts) {
        let length = u32::try_from(plaintext.len()).unwrap();
        let place = table.push(PackSealer::sealed_bytes(plaintext.len()), &[length]).unwrap();
        assert_eq!(usize::try_from(place.offset).unwrap(), bytes.len());
        bytes.extend_from_slice(&frame(sealer, number, plaintext));
    }
    bytes.extend_from_slice(&sealer.seal_end(&table));
    let mut hasher = PackHasher::new();
    hasher.update(&bytes);
    (hasher.id(), bytes, table)
}

fn open(bytes: &[u8]) -> Result<(PackOpener, FrameTable), ReadError<std::io::Error>> {
    let opener = read_opener(PackId::from_bytes([0xaa; 32]), bytes, &Ring::all())?;
    let table = opener.read_footer(bytes)?;
    Ok((opener, table))
}

#[test]
fn a_pack_reads_back_through_its_footer() {
    let (_, bytes, table) = pack(&sealer(7), &[b"first", b"second frame", b"3"]);
    let (opener, reread) = open(&bytes).unwrap();
    assert_eq!(reread, table);
    assert_eq!(bytes[..].bytes(), padded_bytes(bytes[..].bytes()));
    let mut buffer = Vec::new();
    for (row, plaintext) in reread.frames().zip([&b"first"[..], b"second frame", b"3"]) {
        assert_eq!(read_frame(&opener, &bytes[..], row.place, &mut buffer).unwrap(), plaintext);
    }
}

#[test]
fn sealer_and_opener_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<PackSealer>();
    shared::<PackOpener>();
}

#[test]
fn a_role_that_may_only_write_opens_footers_and_no_frames() {
    let (id, bytes, table) = pack(&sealer(7), &[b"first"]);
    let opener = read_opener(id, &bytes[..], &Ring::put()).unwrap();
    assert_eq!(opener.read_footer(&bytes[..]).unwrap(), table);
    let refusal = read_frame(&opener, &bytes[..], table.frame(0).unwrap().place, &mut Vec::new()).unwrap_err();
    let expected = PackError { pack: Some(id), offset: 128, fault: Fault::Withheld(Class::Content) };
    assert!(matches!(refusal, ReadError::Pack(refusal) if refusal == expected));
}
