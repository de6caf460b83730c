//! What the parts of holdall cost, each beside its floor: what it can't do without, alone.
//!
//! ```text
//! cargo bench --bench micro                      prints a table
//! cargo bench --bench micro > results            also for benches/micro/results.md
//! ```
//!
//! `cargo bench` uses the release profile as it is, so RocksDB is not compiled again.

mod content;
mod lookups;
mod pair;
mod trees;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | speed | floor | its speed | ratio of times |")?;
    writeln!(out, "| --- | ---: | --- | ---: | ---: |")?;
    for part in [content::run, trees::run, lookups::run] {
        part()?.iter().try_for_each(|pair| writeln!(out, "{pair}"))?;
    }
    Ok(())
}

/// Bytes that nothing makes smaller, the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(b"holdall benches micro").finalize_xof().fill(&mut noise);
    noise
}

/// holdall's own source files, in the order of their paths.
fn sources() -> Outcome<Vec<Vec<u8>>> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().map(|file| Ok(std::fs::read(file)?)).collect()
}
