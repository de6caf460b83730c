//! The objects of format-spec/vectors/parity: they are what this code writes, and are refused as their index says.

use super::*;
use crate::vectors::{Vector, assert_current, assert_examples, bytes, hex};

const HEAD: &str =
    "Parity of one pack: 300 bytes, the n-th being n modulo 251. pack.hex is the pack, damaged.hex what was left of it.
file | verdict | what the pack is brought back with, or the refusal | comment";

fn pack() -> Vec<u8> {
    (0..300u32).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn summed(mut object: Vec<u8>) -> Vec<u8> {
    let end = object.len() - 32;
    object.truncate(end);
    let checksum = blake3::hash(&object);
    [object, checksum.as_bytes().to_vec()].concat()
}

fn vectors() -> Vec<Vector> {
    let pack = pack();
    let object = encoded(&pack, Shape::parse(300, 64, 2, 2).unwrap());
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = object.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let mut damaged = pack.clone();
    lose(&mut damaged, Shape::parse(300, 64, 2, 2).unwrap(), [0, 2, 3]);
    let invalid = [
        ("magic", with(0, b"h"), "another magic"),
        ("checksum", with(100, &[0xff]), "a changed byte"),
        ("version", summed(with(8, &[2])), "a later version"),
        ("reserved", summed(with(10, &[1])), "a reserved byte"),
        ("shard-odd", summed(with(12, &[65])), "a shard length that is no power of two"),
        ("shard-short", summed(with(12, &[32])), "a shard below 64 bytes"),
        ("no-groups", summed(with(16, &[0])), "no groups"),
        ("groups-many", summed(with(16, &[6])), "more groups than shards"),
        ("no-parity", summed(with(20, &[0])), "no parity"),
        ("parity-many", summed(with(20, &[4])), "more parity than shards in a group"),
        ("pack-empty", summed(with(24, &[0, 0])), "a pack without bytes"),
        ("pack-long", summed(with(27, &[64])), "a pack above 1 GiB"),
        ("other-pack", summed(with(32, &[0])), "another pack than the name says"),
        ("cut", summed(object[..object.len() - 1].to_vec()), "a byte too few"),
        ("long", summed([object.clone(), vec![0]].concat()), "a byte too many"),
        ("short", object[..95].to_vec(), "too short for head and checksum"),
    ];
    let mut all = vec![
        Vector::hex("pack", &pack, "the pack"),
        Vector::hex("damaged", &damaged, "the pack without its shards 0, 2 and 3"),
        Vector::hex("two-groups", &object, "5 shards of 64 bytes in two groups of two parity shards"),
    ];
    all.extend(invalid.into_iter().map(|(name, bytes, comment)| Vector::hex(name, &bytes, comment)));
    all
}

#[test]
fn parity_10_the_vectors_are_written_and_refused_as_the_index_says() {
    let pack = pack();
    let damaged = vectors().into_iter().nth(1).and_then(|vector| vector.text).unwrap();
    assert_current("parity", HEAD, &vectors(), |file, text| {
        let object = bytes(text);
        if matches!(file, "pack.hex" | "damaged.hex") {
            return Ok(hex(id(&object).as_bytes()));
        }
        verify(id(&pack), &object).map_err(|error| error.to_string())?;
        let healed = healed(id(&pack), &object, &bytes(&damaged)).map_err(|error| error.to_string())?;
        Ok(hex(id(&healed).as_bytes()))
    });
}

#[test]
fn the_page_shows_the_vectors_as_they_are() {
    assert_examples("15-parity.md", 1);
}
