//! The vectors of format-spec/vectors/chunk. Their parts come from the rules of the page, not from the shipped code.

use super::by_the_page::Rules;
use super::*;
use crate::seal::Secret;
use crate::vectors::{Vector, assert_current, bytes, hex, value, values};
use std::fmt::Write as _;

const HEAD: &str = "Contents and their parts. `parameters` are minimum, average, maximum and normalisation. The content is its `content`
lines one behind the other: `noise <seed> <length>` is the start of BLAKE3's output over the seed as 8 bytes; `zeros
<length>`; `text <length>` is \"the same line of text again\" and a line feed over and over; `hex <digits>`. `part`
lines are chunks with length and id, and zero runs. gear.txt holds keys and the table that come from a naming root.
file | verdict | what comes out, or the refusal | comment";

const GEAR_KEY: [u8; 32] = [0x11; 32];
const ID_KEY: [u8; 32] = [0x22; 32];

fn build(recipe: &[&str]) -> Vec<u8> {
    let mut content = Vec::new();
    for line in recipe {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["noise", seed, length] => content.extend(noise(seed.parse().unwrap(), length.parse().unwrap())),
            ["zeros", length] => content.resize(content.len() + length.parse::<usize>().unwrap(), 0),
            ["text", length] => {
                let text = b"the same line of text again\n".iter().cycle();
                content.extend(text.take(length.parse().unwrap()));
            }
            ["hex", digits] => content.extend(bytes(digits)),
            _ => panic!("no recipe: {line}"),
        }
    }
    content
}

fn text_of(sizes: (u32, u32, u32, u8), recipe: &[&str], parts: &[Part]) -> String {
    let (min, avg, max, level) = sizes;
    let mut text = format!("parameters: {min} {avg} {max} {level}\n");
    writeln!(text, "gear key: {}\nchunk id key: {}", hex(&GEAR_KEY), hex(&ID_KEY)).unwrap();
    recipe.iter().for_each(|line| writeln!(text, "content: {line}").unwrap());
    for part in parts {
        match part {
            Part::Data(chunk) => {
                let id = blake3::keyed_hash(&ID_KEY, chunk);
                writeln!(text, "part: chunk {} {}", chunk.len(), id.to_hex()).unwrap();
            }
            Part::Zeros(length) => writeln!(text, "part: zeros {length}").unwrap(),
        }
    }
    text
}

/// Masks as the page prints them: average, normalisation, below the average, from there on.
const MASKS: [(u32, u8, u64, u64); 5] = [
    (8192, 0, 0x0000_d903_0353_0000, 0x0000_d903_0353_0000),
    (8192, 1, 0x0000_d903_1353_0000, 0x0000_d901_0353_0000),
    (8192, 2, 0x0000_d90f_0353_0000, 0x0000_d900_0353_0000),
    (8192, 3, 0x0000_d903_0353_7000, 0x0000_5900_0353_0000),
    (65536, 1, 0x0000_d907_0353_7000, 0x0000_d90f_0353_0000),
];

fn cut(name: &str, sizes: (u32, u32, u32, u8), recipe: &[&str], comment: &'static str) -> Vector {
    let (min, avg, max, level) = sizes;
    let mask = MASKS.iter().find(|mask| (mask.0, mask.1) == (avg, level)).unwrap();
    let size = |bytes: u32| usize::try_from(bytes).unwrap();
    let rules = Rules {
        min: size(min),
        avg: size(avg),
        max: size(max),
        mask_small: mask.2,
        mask_large: mask.3,
        gear_key: GEAR_KEY,
    };
    Vector::text(name, text_of(sizes, recipe, &rules.parts(&build(recipe))), comment)
}

fn refused(name: &str, sizes: (u32, u32, u32, u8), comment: &'static str) -> Vector {
    Vector::text(name, text_of(sizes, &[], &[]), comment)
}

fn gear_file() -> Vector {
    let naming = Secret::from_bytes([0x33; 32]);
    let [gear_key, id_key] = ["holdall 1 gear", "holdall 1 chunk id"].map(|context| naming.derive(context, &[]));
    let mut table = vec![0; 2048];
    blake3::Hasher::new_keyed(gear_key.expose()).update(b"holdall 1 gear table").finalize_xof().fill(&mut table);
    let mut text = format!("naming root: {}\n", hex(&[0x33; 32]));
    writeln!(text, "gear key: {}\nchunk id key: {}", hex(gear_key.expose()), hex(id_key.expose())).unwrap();
    for word in [0, 1, 2, 255] {
        let bytes = table[word * 8..word * 8 + 8].try_into().unwrap();
        writeln!(text, "word {word}: {:016x}", u64::from_le_bytes(bytes)).unwrap();
    }
    writeln!(text, "all words: {}", blake3::hash(&table).to_hex()).unwrap();
    Vector::text("gear", text, "keys, some words of the table, and BLAKE3 of all 2048 bytes of it")
}

fn vectors() -> Vec<Vector> {
    let small = (4096, 8192, 16384, 1);
    let default = (16384, 65536, 262_144, 1);
    vec![
        gear_file(),
        cut("empty", small, &[], "no content has no parts"),
        cut("one-byte", small, &["hex 61"], "one byte"),
        cut("minimum", default, &["noise 1 16384"], "a file as long as the minimum"),
        cut("default", default, &["noise 1 700000"], "the parameters of a new repository"),
        cut("maximum", small, &["text 70000"], "content that is never cut before the maximum"),
        cut("level-0", (4096, 8192, 16384, 0), &["noise 2 60000"], "normalisation 0"),
        cut("level-1", small, &["noise 2 60000"], "normalisation 1"),
        cut("level-2", (4096, 8192, 16384, 2), &["noise 2 60000"], "normalisation 2"),
        cut("level-3", (4096, 8192, 16384, 3), &["noise 2 60000"], "normalisation 3"),
        cut("even-end", small, &["noise 0 6496"], "a cut before the last two bytes"),
        cut("odd-end", small, &["noise 0 6495"], "the same, one byte less: a lone last byte is not looked at"),
        cut("run-start", small, &["zeros 65536", "noise 3 9000"], "a zero run at the start"),
        cut("run-middle", small, &["noise 3 5000", "zeros 80000", "noise 4 5000"], "a zero run, rounded inwards"),
        cut(
            "run-end",
            small,
            &["noise 3 4096", "zeros 70000"],
            "at the end of a file zeros behind the last block are data",
        ),
        cut("run-short", small, &["noise 3 4096", "zeros 61440", "noise 4 100"], "fifteen zero blocks are data"),
        cut("run-off-grain", small, &["hex 61", "zeros 69630", "hex 61"], "68 KiB of zeros with fifteen whole blocks"),
        cut("run-on-grain", small, &["hex 61", "zeros 69631", "hex 61"], "one zero more makes sixteen"),
        cut(
            "run-odd-before",
            small,
            &["noise 0 6495", "zeros 70000"],
            "the zeros before the first block belong to the piece",
        ),
        cut("two-runs", small, &["zeros 65536", "hex 61", "zeros 131071"], "two zero runs and the block between them"),
        cut("all-zeros", small, &["zeros 1048581"], "nothing but zeros"),
        refused("below-4-kib", (4094, 8192, 16384, 1), "a minimum below 4 KiB"),
        refused("above-4-mib", (4096, 8192, 4_194_306, 1), "a maximum above 4 MiB"),
        refused("min-is-avg", (8192, 8192, 16384, 1), "a minimum that is not below the average"),
        refused("avg-is-max", (4096, 8192, 8192, 1), "an average that is not below the maximum"),
        refused("odd-min", (4097, 8192, 16384, 1), "an odd minimum"),
        refused("odd-max", (4096, 8192, 16385, 1), "an odd maximum"),
        refused("avg-10000", (4096, 10000, 16384, 1), "an average that is no power of two"),
        refused("level-4", (4096, 8192, 16384, 4), "normalisation 4"),
    ]
}

fn answer(file: &str, text: &str) -> Result<String, String> {
    if file == "gear.txt" {
        return Ok(answer_gear(text));
    }
    let numbers: Vec<u32> = value(text, "parameters").split(' ').map(|number| number.parse().unwrap()).collect();
    let [min, avg, max, level] = numbers[..] else { panic!("{file}") };
    let parameters =
        CutParameters::parse(min, avg, max, u8::try_from(level).unwrap()).map_err(|error| error.to_string())?;
    let key = |name| bytes(value(text, name)).try_into().unwrap();
    let (gear, ids) = (Gear::derive(&key("gear key")), ChunkIdKey::from_bytes(key("chunk id key")));
    let mut parts = Vec::new();
    chunk_slice(&Cutter::new(&parameters, &gear), &build(&values(text, "content")), |piece| {
        parts.push(match piece {
            Piece::Data(chunk) => format!("chunk {} {}", chunk.len(), ids.id(chunk)),
            Piece::Zeros(length) => format!("zeros {length}"),
        });
    });
    assert_eq!(parts, values(text, "part"), "{file}");
    let runs = parts.iter().filter(|part| part.starts_with("zeros")).count();
    Ok(format!("{} chunks, {runs} zero runs", parts.len() - runs))
}

fn answer_gear(text: &str) -> String {
    let gear = Gear::derive(&bytes(value(text, "gear key")).try_into().unwrap());
    for word in [0, 1, 2, 255] {
        assert_eq!(format!("{:016x}", gear.word(word)), value(text, &format!("word {word}")));
    }
    let all: Vec<u8> = (0..=255).flat_map(|word| gear.word(word).to_le_bytes()).collect();
    assert_eq!(hex(blake3::hash(&all).as_bytes()), value(text, "all words"));
    "256 words".to_owned()
}

#[test]
fn chunk_2_vectors_are_current_and_answered_as_their_index_says() {
    assert_current("chunk", HEAD, &vectors(), answer);
}

/// The vectors' contents, cut in all small and some large reads: a seed of one vector must not hide a moved cut.
#[test]
fn chunk_5_vectors_come_out_the_same_whatever_the_reads() {
    let gear = Gear::derive(&GEAR_KEY);
    for vector in vectors().iter().filter(|vector| vector.file != "gear.txt") {
        let text = vector.text.as_ref().unwrap();
        let content = build(&values(text, "content"));
        let expected = whole(&small(), &gear, &content);
        for read in [1, 7, 4095, 4096, 4097, 65_535, 65_536, 300_000] {
            let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
            let mut parts = Vec::new();
            content.chunks(read).for_each(|bytes| chunker.push(bytes, keep(&mut parts)));
            chunker.finish(keep(&mut parts));
            assert_eq!(parts, expected, "{} in reads of {read}", vector.file);
        }
    }
}

/// The seed of the vectors about a lone last byte: noise whose first cut lies before byte 6494.
#[test]
fn the_vectors_about_the_last_byte_would_notice() {
    let gear = gear();
    let lengths = |length: usize| {
        let parts = whole(&small(), &gear, &noise(0, length));
        parts.iter().map(|part| if let Part::Data(chunk) = part { chunk.len() } else { 0 }).collect::<Vec<_>>()
    };
    assert_eq!((lengths(6496), lengths(6495)), (vec![6494, 2], vec![6495]));
}
