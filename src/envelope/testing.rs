//! A small repository's keys and configurations, the same in every run, for the tests of every control object; the
//! tools of a forger; and the comparison with the stored vectors.

use super::seal::assemble;
use super::{CHECKSUM_BYTES, EnvelopeError, Kind, Opened, SIGNATURE_BYTES};
use crate::config::{ConfigChain, Parameters, Role};
use crate::id::{ClientId, ObjectHash, PackId, RepositoryId, SessionId, SnapshotId};
use crate::key::KeyRing;
use crate::seal::SigningKey;
use crate::wire::Blob;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// 2025-01-01, midnight.
pub(crate) const NOW_NS: i64 = 1_735_689_600_000_000_000;

/// Parameters that don't move when the defaults do: vectors are made with them.
const PARAMETERS: Parameters = Parameters {
    chunk_bytes_min: 16 << 10,
    chunk_bytes_avg: 64 << 10,
    chunk_bytes_max: 256 << 10,
    normalization: 1,
    frame_bytes_target: 2 << 20,
    pack_bytes_target: 16 << 20,
    manifest_leaf_mean: 16,
    stat_leaf_mean: 16,
    inner_mean: 16,
    item_mean: 128,
    inline_bytes_max: 128,
};

/// Every role's keys, and a chain that lists them all from configuration 1 on.
pub(crate) struct Keys {
    pub(crate) chain: ConfigChain,
    /// Configurations 0 and 1 as stored.
    pub(crate) configs: Vec<(u32, Vec<u8>)>,
    all: KeyRing,
    put: KeyRing,
    read: KeyRing,
    prune: KeyRing,
}

impl Keys {
    pub(crate) fn of(&self, role: Role) -> &KeyRing {
        match role {
            Role::Put => &self.put,
            Role::Read => &self.read,
            Role::Prune => &self.prune,
            Role::All => &self.all,
        }
    }
}

pub(crate) fn keys() -> Keys {
    let repository = RepositoryId::from_bytes([0x5e; 16]);
    let (all, zero) = KeyRing::create_fixed(repository, PARAMETERS, NOW_NS, 0x10);
    let [put, read, prune] = [(Role::Put, 0x21), (Role::Read, 0x22), (Role::Prune, 0x23)]
        .map(|(role, seed)| all.restricted_fixed(role, seed));
    let mut configs = vec![(0, zero)];
    let mut chain = ConfigChain::load(&configs, all.config_zero()).unwrap();
    let mut draft = chain.draft(NOW_NS + 1);
    for ring in [&put, &read, &prune] {
        draft.enlist(ring.signer(), ring.role()).unwrap();
    }
    let one = draft.sign(all.signing()).unwrap();
    chain.extend(&one).unwrap();
    configs.push((1, one));
    Keys { chain, configs, all, put, read, prune }
}

/// Seals without any check, as a faulty or hostile writer could.
pub(crate) fn forge(keys: &Keys, role: Role, kind: Kind, body: &[u8], description: Option<&[u8]>) -> Vec<u8> {
    assemble(kind, keys.of(role), keys.chain.latest().number, body, description, [0x5a; 32]).unwrap()
}

/// The same with a key that was made otherwise.
pub(crate) fn sealed_whatever_its_role(kind: Kind, ring: &KeyRing, chain: &ConfigChain, body: &[u8]) -> Vec<u8> {
    assemble(kind, ring, chain.latest().number, body, None, [0x5a; 32]).unwrap()
}

/// The same, and opens it with a key that reads.
pub(crate) fn forged(keys: &Keys, role: Role, kind: Kind, body: &[u8], description: Option<&[u8]>) -> Opened {
    super::open(kind, keys.of(Role::Read), &keys.chain, &forge(keys, role, kind, body, description)).unwrap()
}

/// Changes an object's bytes and signs them again with `key`, whoever had signed them.
pub(crate) fn resigned(bytes: &[u8], key: &SigningKey, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes[..bytes.len() - SIGNATURE_BYTES - CHECKSUM_BYTES].to_vec();
    edit(&mut bytes);
    let signature = key.sign(&bytes);
    bytes.extend_from_slice(&signature);
    with_checksum(bytes)
}

/// Changes an object's bytes and corrects the checksum at their end.
pub(crate) fn rechecked(bytes: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes[..bytes.len() - CHECKSUM_BYTES].to_vec();
    edit(&mut bytes);
    with_checksum(bytes)
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Seals with a fixed salt.
pub(crate) fn seal_fixed(
    kind: Kind,
    ring: &KeyRing,
    chain: &ConfigChain,
    body: &[u8],
    description: Option<&[u8]>,
    salt: u8,
) -> Result<Vec<u8>, EnvelopeError> {
    super::seal::seal_salted(kind, ring, chain, body, description, [salt; 32])
}

pub(crate) fn client(byte: u8) -> ClientId {
    ClientId::from_bytes([byte; 16])
}

pub(crate) fn session(number: u64) -> SessionId {
    SessionId { client: client(0xc1), number }
}

pub(crate) fn pack(byte: u8) -> PackId {
    PackId::from_bytes([byte; 32])
}

pub(crate) fn snapshot(byte: u8) -> SnapshotId {
    SnapshotId::from_bytes([byte; 32])
}

pub(crate) fn hash(byte: u8) -> ObjectHash {
    ObjectHash::from_bytes([byte; 32])
}

pub(crate) fn hash_of(bytes: &[u8]) -> ObjectHash {
    ObjectHash::of(bytes)
}

pub(crate) fn long(bytes: usize) -> Blob {
    Blob(vec![b'x'; bytes])
}

/// An object for strangers to read, and what this reader says to it.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) refusal: Option<String>,
}

fn folder(room: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors").join(room)
}

/// The stored bytes of a vector that can't be made twice.
pub(crate) fn kept(room: &str, name: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder(room).join(format!("{name}.hex"))).unwrap();
    from_hex(&text.lines().filter(|line| !line.starts_with('#')).collect::<String>())
}

/// The first fenced block with this label on a page of the format.
fn fenced(page: &str, label: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec").join(page);
    let text = fs::read_to_string(path).unwrap();
    let (_, block) = text.split_once(&format!("```{label}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

fn from_hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Compares the lines of a page's example, each an offset and bytes, with a vector.
pub(crate) fn check_example(page: &str, bytes: &[u8]) {
    let example = fenced(page, "hex");
    for line in example.lines() {
        let (offset, digits) = line.split_once(' ').unwrap();
        let there = from_hex(digits);
        assert_eq!(bytes[offset.parse().unwrap()..][..there.len()], there, "{page}, at {offset}");
    }
    assert!(example.lines().count() > 3);
}

/// Compares a page's example of a body with a body.
pub(crate) fn check_example_body(page: &str, body: &[u8]) {
    assert_eq!(from_hex(&fenced(page, "hex-body")), body, "{page}");
}

fn hex_file(vector: &Vector) -> String {
    let mut text = format!("# {}\n", vector.comment);
    for line in vector.bytes.chunks(32) {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

/// Compares vectors and their index with the files of a room, which must be these and no others. What differs is
/// written to a temporary folder, for a look and for copying it over.
pub(crate) fn check_vectors(room: &str, head: &str, vectors: &[Vector]) {
    let mut files = vec![("index.txt".to_owned(), head.to_owned())];
    for vector in vectors {
        let (verdict, refusal) = vector.refusal.as_ref().map_or(("valid", ""), |text| ("invalid", text));
        writeln!(files[0].1, "{}.hex | {verdict} | {refusal} | {}", vector.name, vector.comment).unwrap();
        files.push((format!("{}.hex", vector.name), hex_file(vector)));
    }
    let stored = |name: &str| fs::read_to_string(folder(room).join(name)).unwrap_or_default();
    let mut differ: Vec<_> = files.iter().filter(|(name, text)| stored(name) != *text).map(|(name, _)| name).collect();
    let there = fs::read_dir(folder(room)).map_or(0, Iterator::count);
    if differ.is_empty() && there == files.len() {
        return;
    }
    let fresh = std::env::temp_dir().join("holdall-vectors").join(room);
    fs::create_dir_all(&fresh).unwrap();
    files.iter().for_each(|(name, text)| fs::write(fresh.join(name), text).unwrap());
    differ.truncate(5);
    panic!(
        "{there} vectors of {room} stand where {} were made, {differ:?} differ: see {}",
        files.len(),
        fresh.display()
    );
}
