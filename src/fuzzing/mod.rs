//! What the fuzzer runs: one function for each decoder and each law that bytes from a stranger may not break. Each
//! takes any bytes and must return; a panic is a finding. `fuzz/` runs them for long, and the tests here run all
//! committed inputs, so that a finding once made stays one.

pub mod chunk;
pub mod config;
pub mod envelope;
pub mod frame;
pub mod gc;
pub mod key;
pub mod manifest;
pub mod operations;
pub mod outcome;
pub mod pack;
pub mod parity;
pub mod record;
pub mod restic;
pub mod seal;
pub mod segment;
pub mod session_record;
pub mod wire;

/// A function that takes any bytes and returns.
pub type Target = fn(&[u8]);

/// Every target, by the name of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("chunk", chunk::fuzz_chunk),
    ("config", config::fuzz_config),
    ("envelope", envelope::fuzz_envelope),
    ("frame", frame::fuzz_frame),
    ("frame_encode", frame::fuzz_frame_encode),
    ("gc", gc::fuzz_gc),
    ("key", key::fuzz_key),
    ("key_file", key::fuzz_key_file),
    ("key_payload", key::fuzz_key_payload),
    ("manifest_build", manifest::fuzz_manifest_build),
    ("manifest_node", manifest::fuzz_manifest_node),
    ("manifest_tree", manifest::fuzz_manifest_tree),
    ("manifest_value", manifest::fuzz_manifest_value),
    ("operations", operations::fuzz_operations),
    ("outcome", outcome::fuzz_outcome),
    ("outcome_description", outcome::fuzz_outcome_description),
    ("pack", pack::fuzz_pack),
    ("pack_footer", pack::fuzz_pack_footer),
    ("pack_scan", pack::fuzz_pack_scan),
    ("parity", parity::fuzz_parity),
    ("parity_heal", parity::fuzz_parity_heal),
    ("record", record::fuzz_record),
    ("restic_document", restic::fuzz_restic_document),
    ("restic_tree", restic::fuzz_restic_tree),
    ("seal", seal::fuzz_seal),
    ("segment", segment::fuzz_segment),
    ("session", session_record::fuzz_session),
    ("wire_packed", wire::fuzz_wire_packed),
    ("wire_plain", wire::fuzz_wire_plain),
];

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::path::{Path, PathBuf};

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_committed_input_is_survived() {
        for (name, target) in TARGETS {
            let corpus = folder("corpus").join(name);
            let inputs = names(&corpus);
            assert!(!inputs.is_empty(), "{name} has no seeds");
            for input in inputs {
                let bytes = std::fs::read(corpus.join(&input)).unwrap();
                let survived = std::panic::catch_unwind(|| target(&bytes));
                assert!(survived.is_ok(), "{name} panics on {input}");
            }
        }
    }

    #[test]
    fn every_target_has_its_file_and_its_seeds() {
        let mut expected: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        expected.sort();
        assert_eq!(names(&folder("corpus")), expected, "folders of fuzz/corpus and lines of TARGETS");
        let files: Vec<String> = expected.iter().map(|name| format!("{name}.rs")).collect();
        assert_eq!(names(&folder("fuzz_targets")), files, "files of fuzz/fuzz_targets and lines of TARGETS");
        let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
        for name in expected {
            assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
            let text = std::fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
            assert!(text.contains(&format!("fuzz_{name}(")), "{name}.rs calls another target");
        }
    }
}
