//! Vectors of configurations.

use super::*;
use crate::envelope::testing::{Vector, check_example, check_vectors};

const HEAD: &str = "\
# Configurations. zero.hex is the trusted configuration 0. Files named one* are to be read as configuration 1 after it,
# all others as configuration 0 in its place.
# file | verdict | refusal | comment
";

type Case = (&'static str, &'static str, Vec<u8>);

fn zeros(keys: &Keys) -> Vec<Case> {
    let zero = &keys.configs[0].1;
    let set = |at: usize, value: u8| resigned(zero, signing(keys), |bytes| bytes[at] = value);
    let changed = |change: Change| {
        let mut config = first(keys);
        change(&mut config);
        config.assemble(signing(keys))
    };
    let mut flipped = zero.clone();
    flipped[100] ^= 0x10;
    let tail = zero.len() - 128;
    vec![
        ("zero", "as init makes it", zero.clone()),
        ("nothing", "no bytes", Vec::new()),
        ("short", "one byte less than head and tail", zero[..143].to_vec()),
        ("magic", "another magic", resigned(zero, signing(keys), |bytes| bytes[..8].copy_from_slice(b"HOLDSESS"))),
        ("bit", "a flipped bit", flipped),
        ("version", "version 2", set(8, 2)),
        ("reserved", "a reserved byte that is not zero", set(10, 1)),
        ("body-length", "a body length that is one too long", set(12, zero[12] + 1)),
        ("signature", "another byte in the signature", rechecked(zero, |bytes| bytes[tail + 32] ^= 1)),
        ("role", "a signer with role 4", set(tail - 8 - 12, 4)),
        ("chunk-lengths", "a shortest chunk of 4094 bytes", changed(|config| config.parameters.chunk_bytes_min = 4094)),
        ("no-all-key", "nobody could sign the next", changed(|config| config.signers.0[0].role = Role::Prune)),
        (
            "features",
            "a feature with an unknown purpose",
            changed(|config| {
                config.features.0.push(Feature { id: 0x8000, mandatory: 0x10 });
            }),
        ),
        ("other", "sound, and not the one that the key names", changed(|config| config.created_at_ns += 1)),
    ]
}

fn ones(keys: &Keys) -> Vec<Case> {
    let one = keys.chain.get(1).unwrap();
    let changed = |change: Change| {
        let mut config = one.clone();
        change(&mut config);
        config.assemble(signing(keys))
    };
    vec![
        ("one", "lists a key of every role", keys.configs[1].1.clone()),
        (
            "one-feature",
            "uses a feature that must be known to collect",
            changed(|config| {
                config.features.0.push(Feature { id: 0x8000, mandatory: 4 });
            }),
        ),
        ("one-number", "configuration 2 under the name of 1", changed(|config| config.number = 2)),
        ("one-signer", "signed by a key that only itself lists", one.assemble(keys.of(Role::Read).signing())),
        ("one-previous", "follows another configuration 0", changed(|config| config.previous = hash(1))),
        ("one-chunk-lengths", "other chunk lengths", changed(|config| config.parameters.chunk_bytes_max = 1 << 20)),
        ("one-epoch", "another past epoch", changed(|config| config.epochs.0[0].epoch = 0)),
        (
            "one-signers",
            "a signer is gone",
            changed(|config| {
                config.signers.0.retain(|signer| signer.from == 1);
                config.enlist(SignerKey::from_bytes([0xfe; 32]), Role::All).unwrap();
            }),
        ),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let (_, zero) = &keys.configs[0];
    let mut judged = Vec::new();
    for (name, comment, bytes) in zeros(&keys).into_iter().chain(ones(&keys)) {
        let mut objects = vec![(0, zero.clone())];
        match name.starts_with("one") {
            true => objects.push((1, bytes.clone())),
            false => objects[0].1 = bytes.clone(),
        }
        let refusal = ConfigChain::load(&objects, &hash_of(zero)).err().map(|error| error.to_string());
        judged.push(Vector { name, comment, bytes, refusal });
    }
    check_vectors("config", HEAD, &judged);
}

#[test]
fn the_example_of_the_page_is_the_vector() {
    check_example("02-config.md", &keys().configs[0].1);
}
