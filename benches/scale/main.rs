//! The part of the scale run that needs the library: `benches/scale/run` calls it and measures the rest with the
//! program itself.
//!
//! ```text
//! scale generate PLACE CHUNKS   makes a repository whose segments list so many chunks
//! scale rebuild PLACE           builds the view of the index from them
//! scale lookups PLACE COUNT     looks so many new ids up in it, and as many known ones
//! ```
//! Each prints one line of JSON.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports to its caller")]

mod generate;
mod lookups;
mod rebuild;

use holdall::{OpenOptions, Repository, Unlock, parse_key_file};
use std::error::Error;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let line = match *words {
        ["generate", place, chunks] => generate::run(Path::new(place), chunks.parse()?)?,
        ["rebuild", place] => rebuild::run(Path::new(place))?,
        ["lookups", place, count] => lookups::run(Path::new(place), count.parse()?)?,
        _ => {
            eprintln!("this is a part of benches/scale/run");
            return Ok(());
        }
    };
    println!("{line}");
    Ok(())
}

/// Opens the repository of a place as `holdall` does with the same directories.
fn open(place: &Path) -> Outcome<Repository> {
    let secret = parse_key_file(&std::fs::read(place.join("key"))?)?;
    let options = OpenOptions::new(place.join("cache"), place.join("state/holdall"));
    Ok(Repository::open(&place.join("repo"), Unlock::KeyFile(&secret), options)?)
}
