//! Documents of restic from strangers who know the password: what is inside of the seals.

use crate::restic::decode::{Index, MasterKey, Snapshot, Tree, entries, unpack, unquote};
use crate::restic::{BlobKind, FileId};

/// scrypt is not computed for more than this: how long it takes is no finding.
const KDF_COST_MAX: u64 = 1 << 10;

/// Reads `data` as a directory.
///
/// # Panics
/// When names of a directory that is accepted can lead out of it, are not sorted, or are not found.
pub fn fuzz_restic_tree(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let unquoted = unquote(text);
        assert!(text.contains(['\\', '"']) || unquoted.as_deref() == Some(data), "what needs no quoting is itself");
    }
    let Ok(tree) = Tree::parse(data) else { return };
    assert!(tree.nodes().is_sorted_by(|a, b| a.name < b.name), "sorted, and no name twice");
    for node in tree.nodes() {
        assert!(crate::fs::is_name(&node.name) && node.mode <= 0o7777, "a name in a directory");
        assert!(tree.get(&node.name).is_some_and(|found| found == node), "what is listed is found");
    }
}

/// Reads `data` as everything else: the first byte says what.
///
/// # Panics
/// Never, or there is a defect.
pub fn fuzz_restic_document(data: &[u8]) {
    let Some((what, data)) = data.split_first() else { return };
    match what % 5 {
        0 => drop(unpack(data.to_vec())),
        1 => drop(Snapshot::parse(FileId::of(data), data)),
        2 => fuzz_index(data),
        3 => drop(entries(data)),
        _ => fuzz_key(data),
    }
}

fn fuzz_index(data: &[u8]) {
    let mut index = Index::default();
    if index.add_document(data).is_ok() {
        let copies = index.add_document(data);
        assert!(copies.is_ok(), "the same again");
        index.finish();
    }
    let _ = index.places(BlobKind::Data, crate::restic::BlobId::of(data)).count();
}

fn fuzz_key(data: &[u8]) {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let cost = ["N", "r", "p"].iter().try_fold(1u64, |cost, name| cost.checked_mul(document.get(name)?.as_u64()?));
    if cost.is_none_or(|cost| cost <= KDF_COST_MAX || cost > u64::MAX / 256) {
        let _ = MasterKey::open(data, b"first");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    fn wounded(seeds: &[Vec<u8>], which: usize, wounds: &[(usize, u8)]) -> Vec<u8> {
        let mut bytes = seeds[which % seeds.len()].clone();
        for (at, byte) in wounds {
            let at = at % bytes.len();
            bytes[at] = *byte;
        }
        bytes
    }

    proptest! {
        #[test]
        fn the_laws_hold_for_what_restic_wrote_with_a_few_bytes_changed(
            which in any::<usize>(),
            wounds in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        ) {
            fuzz_restic_tree(&wounded(&seeds("restic_tree"), which, &wounds));
            fuzz_restic_document(&wounded(&seeds("restic_document"), which, &wounds));
        }

        #[test]
        fn the_laws_hold_for_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..500)) {
            fuzz_restic_tree(&data);
            fuzz_restic_document(&data);
        }
    }
}
