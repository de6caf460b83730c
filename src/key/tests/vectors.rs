//! Vectors of key slots.

use super::*;
use crate::envelope::testing::{Vector, check_vectors};

const HEAD: &str = "\
# Key slots. The name of each is the BLAKE3 of its bytes, but for named.hex, whose name is that of none.hex. Files named
# password* are to be opened with the password \"correct horse\", files named file* with the key file
# \"holdall-key-1 \" and 64 times the digit 1, all others with nothing. none.hex holds the role all: signing seed 32 bytes
# 15, naming root 16, and for epoch 1 the index root 10, content 11, manifest 12, stat 13, description 14 (hexadecimal).
# The repository is that of ../config/zero.hex.
# file | verdict | refusal | comment
";

type Case = (&'static str, &'static str, Vec<u8>);

fn file() -> Secret {
    Secret::from_bytes([0x11; 32])
}

fn sealed(keys: &Keys, role: Role, unlock: Unlock<'_>) -> Vec<u8> {
    slot_of(keys, role, unlock)
}

fn changed(bytes: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    bytes
}

fn cases(keys: &Keys) -> Vec<Case> {
    let none = sealed(keys, Role::All, Unlock::None);
    let password = sealed(keys, Role::Read, PASSWORD);
    let put = keys.of(Role::Put);
    let mut stronger = put.payload(b"", NOW_NS);
    stronger.role = Role::All;
    let stronger = wrap(&wire::encode(&stronger), put.repository(), Unlock::None, KdfCost::CHEAP, [2; 32]).unwrap();
    let last = none.len() - 1;
    let noted = noted(keys, Role::All, |_| ());
    let note = none.len();
    vec![
        ("none", "role all, opened by nothing", none.clone()),
        ("password", "role read, 64 KiB, one pass, one lane", password.clone()),
        ("file", "role put", sealed(keys, Role::Put, Unlock::KeyFile(&file()))),
        ("password-prune", "role prune", sealed(keys, Role::Prune, PASSWORD)),
        ("nothing", "no bytes", Vec::new()),
        ("short", "one byte less than head and seal", none[..159].to_vec()),
        ("magic", "another magic", changed(&none, 7, b'S')),
        ("named", "a flipped bit", changed(&none, 200, none[200] ^ 1)),
        ("version", "version 2", changed(&none, 8, 2)),
        ("suite", "suite 2", changed(&none, 10, 2)),
        ("kind", "kind 4", changed(&none, 12, 4)),
        ("reserved", "a reserved byte that is not zero", changed(&none, 13, 1)),
        ("cost", "a cost where none is paid", changed(&none, 64, 1)),
        ("length", "a length that is one too long", changed(&none, 76, none[76] + 1)),
        ("password-memory", "4 TiB of memory", changed(&password, 67, 0xff)),
        ("password-passes", "a number of passes that takes years", changed(&password, 71, 0xff)),
        ("password-lanes", "no lanes", changed(&password, 72, 0)),
        ("password-salt", "another salt gives another key", changed(&password, 32, 0)),
        (
            "file-other",
            "sealed with another key file",
            sealed(keys, Role::Put, Unlock::KeyFile(&Secret::from_bytes([2; 32]))),
        ),
        ("password-none", "opened by nothing", none.clone()),
        ("repository", "the head names another repository", changed(&none, 16, 0)),
        ("commitment", "another commitment", changed(&none, 80, none[80] ^ 1)),
        ("tag", "another tag", changed(&none, last, none[last] ^ 1)),
        ("secrets", "the secrets of put with the role all", stronger),
        ("noted", "role all, with a note", noted.clone()),
        ("note-short", "a note of seven bytes", noted[..note + 7].to_vec()),
        ("note-field", "key field 2 of a note", changed(&noted, note, 2)),
        ("note-reserved", "a reserved byte of a note that is not zero", changed(&noted, note + 1, 1)),
        ("note-sealed", "a sealed part of 47 bytes", noted[..note + 8 + 47].to_vec()),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let named = hash_of(&sealed(&keys, Role::All, Unlock::None));
    let judged = cases(&keys).into_iter().map(|(name, comment, bytes)| {
        let file = file();
        let unlock = match name {
            _ if name.starts_with("password") => PASSWORD,
            _ if name.starts_with("file") => Unlock::KeyFile(&file),
            _ => Unlock::None,
        };
        let object = if name == "named" { named } else { hash_of(&bytes) };
        let refusal = open_slot(&object, &bytes, unlock).err().map(|error| error.to_string());
        Vector { name, comment, bytes, refusal }
    });
    check_vectors("key", HEAD, &judged.collect::<Vec<_>>());
}
