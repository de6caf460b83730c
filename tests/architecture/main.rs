//! Holds the house to its rules: who imports whom, how long things are, what may be named where, and that the format's
//! pages and the code say the same. Each rule is a function over texts, and each is shown to fail on a broken sample.

mod house;
#[path = "../lacking/mod.rs"]
mod lacking;
mod source;
mod spec;

use source::{Source, read_all};
use spec::Constant;

/// Constants that stand in the code and on a page of the format.
const CONSTANTS: &[Constant] = &[
    limit("src/layout.rs", "PACK_BYTES_MAX", "| a pack | {} |"),
    limit("src/layout.rs", "FRAME_COUNT_MAX", "| frames of a pack | {} |"),
    limit("src/layout.rs", "PACK_CHUNK_COUNT_MAX", "| chunks of a pack | {} |"),
    limit("src/layout.rs", "SEALED_BYTES_MAX", "| sealed bytes of a frame | {} |"),
    limit("src/pack.rs", "FOOTER_BYTES_MAX", "| sealed bytes of a footer | {} |"),
    limit("src/layout.rs", "RAW_BYTES_MAX", "| raw bytes of a frame | {} |"),
    limit("src/frame.rs", "FRAME_RAW_BYTES_MAX", "| raw bytes of a frame | {} |"),
    limit("src/layout.rs", "FRAME_CHUNK_COUNT_MAX", "| chunks of a frame | {} |"),
    limit("src/frame.rs", "CHUNK_COUNT_MAX", "| chunks of a frame | {} |"),
    limit("src/layout.rs", "CHUNK_BYTES_MAX", "| raw bytes of a chunk | {} |"),
    limit("src/frame.rs", "CHUNK_BYTES_MAX", "| raw bytes of a chunk | {} |"),
    limit("src/segment.rs", "BODY_BYTES_MAX", "| body of a segment | {} |"),
    limit("src/envelope.rs", "Self::Segment =>", "| body of a segment | {} |"),
    limit("src/segment.rs", "REPLACED_COUNT_MAX", "| segments replaced by one | {} |"),
    limit("src/envelope.rs", "Self::Outcome =>", "| body of an outcome | {} |"),
    limit("src/envelope.rs", "Self::Condemned | Self::Deleted =>", "| body of a condemned or deleted set | {} |"),
    limit(
        "src/envelope.rs",
        "Self::Session | Self::Heartbeat | Self::Record =>",
        "| body of a session, heartbeat or record | {} |",
    ),
    limit("src/envelope.rs", "DESCRIPTION_BYTES_MAX", "| a description | {} |"),
    limit("src/outcome/rules.rs", "COMPONENTS_COUNT_MAX", "| components of an outcome | {} |"),
    limit("src/outcome/seen.rs", "SEEN_COUNT_MAX", "| clients listed in an outcome as seen | {} |"),
    limit("src/record.rs", "SNAPSHOTS_COUNT_MAX", "| snapshots named by a record | {} |"),
    limit("src/record.rs", "PACKS_COUNT_MAX", "| packs named by a record | {} |"),
    limit("src/config/parse.rs", "CONFIG_BODY_BYTES_MAX", "| body of a configuration | {} |"),
    limit("src/config.rs", "SIGNERS_COUNT_MAX", "| signers in a configuration | {} |"),
    limit("src/config.rs", "EPOCHS_COUNT_MAX", "| epochs in a configuration | {} |"),
    limit("src/config.rs", "FEATURES_COUNT_MAX", "| features in a configuration | {} |"),
    limit("src/key/slot.rs", "SLOT_BYTES_MAX", "| a key slot | {} |"),
    limit("src/key/kdf.rs", "MEMORY_KIB_MAX", "| KiB of memory of a key derivation | {} |"),
    limit("src/key/kdf.rs", "PASSES_MAX", "| passes of a key derivation | {} |"),
    limit("src/key/kdf.rs", "LANES_MAX", "| lanes of a key derivation | {} |"),
    limit("src/manifest/node.rs", "NODE_BYTES_MAX", "| a tree node | {} |"),
    limit("src/manifest/node.rs", "LEVEL_MAX", "| level of a tree node | {} |"),
    limit("src/manifest/key.rs", "KEY_BYTES_MAX", "| a key | {} |"),
    limit("src/manifest/row.rs", "ROW_BYTES_MAX", "| an entry | {} |"),
    limit("src/manifest/entry.rs", "TARGET_BYTES_MAX", "| target of a symbolic link | {} |"),
    limit("src/manifest/item.rs", "INLINE_BYTES_MAX", "| content in its entry | {} |"),
    limit("src/manifest/item.rs", "CHUNK_BYTES_MAX", "| raw bytes of a chunk | {} |"),
    limit("src/manifest/attribute.rs", "ATTRIBUTE_COUNT_MAX", "| attributes of an entry | {} |"),
    limit("src/manifest/attribute.rs", "ATTRIBUTE_BYTES_MAX", "| value of an attribute | {} |"),
    limit("src/manifest/value.rs", "XATTR_VALUE_BYTES_MAX", "| value of an extended attribute | {} |"),
    limit("src/parity.rs", "SHARD_BYTES_MAX", "| a shard of a pack | {} |"),
    limit("src/parity.rs", "SHARD_COUNT_MAX", "| shards of a pack | {} |"),
    limit("src/parity.rs", "GROUP_SHARD_COUNT_MAX", "| places of a group of shards | {} |"),
    limit("src/parity.rs", "GROUP_BYTES_MAX", "| memory of a group of shards | {} |"),
    stated("src/parity.rs", "SHARD_COUNT_MAX", "format-spec/15-parity.md", "of shards of the pack, at most {}"),
    stated("src/parity.rs", "GROUP_BYTES_MAX", "format-spec/15-parity.md", "times S, is at most {}"),
    stated(
        "src/manifest/key.rs",
        "KEY_BYTES_MAX",
        "format-spec/07-manifest.md",
        "has at most {} bytes; its components",
    ),
    stated("src/manifest/node.rs", "NODE_BYTES_MAX", "format-spec/07-manifest.md", "A node has at most {} bytes"),
    stated("src/manifest/row.rs", "ROW_BYTES_MAX", "format-spec/07-manifest.md", "An entry takes at most {} bytes"),
    stated("src/manifest/node.rs", "LEVEL_MAX", "format-spec/07-manifest.md", "level at most {}, at least"),
    stated(
        "src/manifest/attribute.rs",
        "ATTRIBUTE_INLINE_BYTES_MAX",
        "format-spec/07-manifest.md",
        "not out of line: the value | at most {} bytes",
    ),
    stated("src/chunk/cut.rs", "SIZE_BYTES_MAX", "format-spec/03-chunk.md", "even, at most {}"),
    stated(
        "src/chunk.rs",
        "ZERO_RUN_BYTES_MIN",
        "format-spec/03-chunk.md",
        "consecutive blocks ({}) that hold nothing",
    ),
    stated("src/layout.rs", "FRAMES_END_MAX", "format-spec/06-pack.md", "is the footer's offset, at most {}"),
    stated("src/layout.rs", "PACK_BYTES_MAX", "format-spec/06-pack.md", "A pack is at most {} long"),
    stated("src/layout.rs", "PACK_CHUNK_COUNT_MAX", "format-spec/06-pack.md", "a pack holds at most {} chunks"),
    stated("src/layout.rs", "RAW_BYTES_MAX", "format-spec/06-pack.md", "of one frame sum to at most {}"),
    stated("src/config.rs", "SIGNERS_COUNT_MAX", "format-spec/02-config.md", "at most {}, keys ascending"),
    stated("src/config.rs", "FEATURES_COUNT_MAX", "format-spec/02-config.md", "at most {}, numbers ascending"),
    stated("src/key/slot.rs", "SLOT_BYTES_MAX", "format-spec/02-config.md", "Length (160 bytes to {})"),
    stated("src/key/kdf.rs", "MEMORY_KIB_MAX", "format-spec/02-config.md", "8 for each lane to {}; otherwise 0"),
];

const fn limit(file: &'static str, name: &'static str, sentence: &'static str) -> Constant {
    Constant { file, name, page: "format-spec/13-security.md", sentence }
}

const fn stated(file: &'static str, name: &'static str, page: &'static str, sentence: &'static str) -> Constant {
    Constant { file, name, page, sentence }
}

fn page(path: &str) -> Source {
    pages().into_iter().find(|page| page.path == path).unwrap_or_else(|| panic!("{path} is there"))
}

fn assert_none(breaks: &[String]) {
    assert!(breaks.is_empty(), "\n{}\n", breaks.join("\n"));
}

fn library() -> Vec<Source> {
    let sources = read_all("src", ".rs");
    assert!(sources.len() > 3, "the sources are there");
    sources
}

fn shipped() -> Vec<Source> {
    house::shipped(&library())
}

fn pages() -> Vec<Source> {
    read_all("format-spec", ".md")
}

fn sample(path: &str, text: &str) -> Vec<Source> {
    vec![Source::sample(path, text)]
}

#[test]
fn rooms_import_only_from_lower_ranks() {
    assert_none(&house::rank_breaks(&shipped()));
}

#[test]
fn an_import_from_the_same_or_a_higher_rank_is_found() {
    let cases = [
        ("src/pack.rs", "use crate::segment::SegmentBuilder;"),
        ("src/pack.rs", "use crate::{id::PackId, store::{Store, Spool}};"),
        ("src/pack.rs", "fn f() { crate::backup::run() }"),
        ("src/pack/footer.rs", "use super::super::manifest::Key;"),
        ("src/pack.rs", "use super::content::Claim;"),
        ("src/backup.rs", "use crate::restore::Plan;"),
        ("src/cli/ls.rs", "use holdall::pack::Class;"),
        ("src/key.rs", "use crate::envelope::Kind;"),
        ("src/gc.rs", "use crate::segment::SegmentBuilder;"),
        ("src/unheard.rs", ""),
    ];
    for (path, text) in cases {
        assert_eq!(house::rank_breaks(&sample(path, text)).len(), 1, "{path}: {text}");
    }
}

#[test]
fn imports_from_lower_ranks_and_the_own_room_pass() {
    let cases = [
        ("src/pack.rs", "use crate::id::PackId;\nuse crate::pack::footer::Row;"),
        ("src/pack/footer.rs", "use super::PackError;\nuse crate::{seal, wire::Reader};"),
        ("src/id.rs", "// use crate::pack\nconst A: &str = \"crate::pack\";"),
        ("src/id.rs", "#[cfg(test)]\nmod tests { use crate::pack::Class; }"),
        ("src/outcome.rs", "use crate::session_record::Session;\nuse crate::envelope::Kind;"),
        ("src/cli/ls.rs", "use crate::cli::render::Renderer;\nuse holdall::{Repository, id::SnapshotId};"),
    ];
    for (path, text) in cases {
        assert_none(&house::rank_breaks(&sample(path, text)));
    }
}

#[test]
fn the_rooms_that_are_tested_alone_import_from_no_other() {
    let script = read_all("scripts", "mutants");
    let named = |list: &str| script[0].text.split_once(list).and_then(|(_, rest)| rest.split_once('"')).expect(list).0;
    let rooms: Vec<_> = named("\nformats=\"").split(' ').chain(named("\nbelow=\"").split(' ')).collect();
    assert_none(&house::imports_out_of(&rooms, &shipped()));
    let without_threads: Vec<_> = rooms.into_iter().filter(|room| *room != "threads").collect();
    assert!(!house::imports_out_of(&without_threads, &shipped()).is_empty());
}

#[test]
fn files_stay_short() {
    assert_none(&house::long_files(&library()));
}

#[test]
fn a_long_file_is_found_and_tests_do_not_count() {
    let long = sample("src/lib.rs", &"const A: u8 = 1;\n".repeat(401));
    assert_eq!(house::long_files(&long).len(), 1);
    let tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(400), "//\n".repeat(400));
    assert_none(&house::long_files(&sample("src/lib.rs", &tests)));
    let declared =
        [Source::sample("src/lib.rs", "#[cfg(test)]\nmod tests;\n"), Source::sample("src/tests.rs", &"\n".repeat(500))];
    assert_none(&house::long_files(&declared));
}

#[test]
fn functions_stay_short() {
    assert_none(&house::long_functions(&shipped()));
}

#[test]
fn a_long_function_is_found_and_comments_do_not_count() {
    let long = format!("fn long() {{\n{}}}\n", "    call();\n".repeat(71));
    assert_eq!(house::long_functions(&sample("src/id.rs", &long)).len(), 1);
    let just = format!("fn just() {{\n{}{}}}\n", "    call();\n".repeat(70), "    // why\n\n".repeat(40));
    assert_none(&house::long_functions(&sample("src/id.rs", &just)));
}

#[test]
fn no_file_is_forgotten() {
    assert_none(&house::forgotten_files(&library()));
}

#[test]
fn a_forgotten_file_is_found() {
    let sources = [
        Source::sample("src/lib.rs", "pub mod id;\n// mod lost;\n"),
        Source::sample("src/id.rs", "mod inner;\n#[cfg(test)]\nmod tests;\n"),
        Source::sample("src/id/inner.rs", ""),
        Source::sample("src/id/tests.rs", ""),
        Source::sample("src/lost.rs", ""),
        Source::sample("src/id/lost.rs", ""),
    ];
    let found = house::forgotten_files(&sources);
    assert_eq!(found, ["src/lost.rs: no mod line names it", "src/id/lost.rs: no mod line names it"]);
}

#[test]
fn only_the_index_names_rocksdb() {
    assert_none(&house::rocksdb_outside_the_index(&shipped()));
}

#[test]
fn rocksdb_named_elsewhere_is_found() {
    assert_eq!(house::rocksdb_outside_the_index(&sample("src/content.rs", "use rocksdb::DB;")).len(), 1);
    let behind = "#[cfg(feature = \"rocksdb\")]\nmod rocks; // over rocksdb";
    assert_none(&house::rocksdb_outside_the_index(&sample("src/index.rs", behind)));
    assert_none(&house::rocksdb_outside_the_index(&sample("src/index/rocks.rs", "use rocksdb::DB;")));
}

#[test]
fn every_thread_may_fail_to_start() {
    assert_none(&house::threads_started_elsewhere(&shipped()));
}

#[test]
fn a_thread_started_where_a_failure_is_a_panic_is_found() {
    for text in ["std::thread::spawn(work);", "scope.spawn(work);", "rayon::ThreadPoolBuilder::new()"] {
        assert_eq!(house::threads_started_elsewhere(&sample("src/store.rs", text)).len(), 1, "{text}");
        assert_none(&house::threads_started_elsewhere(&sample("src/threads.rs", text)));
    }
}

#[test]
fn the_library_neither_prints_nor_reads_the_environment() {
    assert_none(&house::prints_or_environment(&shipped()));
}

#[test]
fn printing_and_reading_the_environment_are_found() {
    let cases =
        ["println!(\"x\");", "std::env::var(\"HOME\");", "eprint!(\"x\")", "dbg!(x)", "let d = std::env::temp_dir();"];
    for text in cases {
        assert_eq!(house::prints_or_environment(&sample("src/store.rs", text)).len(), 1, "{text}");
    }
    assert_none(&house::prints_or_environment(&sample("src/cli/options.rs", "std::env::var(\"HOME\")")));
}

#[test]
fn only_the_renderer_prints() {
    assert_none(&house::prints_outside_the_renderer(&shipped()));
}

#[test]
fn printing_outside_the_renderer_is_found() {
    assert_eq!(house::prints_outside_the_renderer(&sample("src/main.rs", "eprintln!(\"x\");")).len(), 1);
    assert_eq!(house::prints_outside_the_renderer(&sample("src/cli/ls.rs", "std::io::stdout().lock()")).len(), 1);
    assert_none(&house::prints_outside_the_renderer(&sample("src/cli/render/human.rs", "println!(\"x\");")));
}

#[test]
fn the_first_page_tells_the_ranks_that_hold() {
    let sources = library();
    let lib = sources.iter().find(|source| source.path == "src/lib.rs").expect("it is there");
    assert_none(&house::rank_table_breaks(&lib.text));
    let moved = lib.text.replace("*4* error", "*5* error").replace(" heal;", ";");
    let expected = ["src/lib.rs tells of error in rank 5", "src/lib.rs does not tell of heal in rank 5"];
    assert_eq!(house::rank_table_breaks(&moved), expected);
}

#[test]
fn names_of_modules_say_something() {
    assert_none(&house::vague_names(&library()));
}

#[test]
fn a_vague_name_is_found() {
    for path in ["src/utils.rs", "src/index/helpers.rs", "src/manager/mod.rs", "src/common.rs"] {
        assert_eq!(house::vague_names(&sample(path, "")).len(), 1, "{path}");
    }
}

/// The words of `text` that stand right behind `before`.
fn words_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(before).map(move |(at, _)| source::leading_word(&text[at + before.len()..]))
}

#[test]
fn what_tests_can_be_left_out_for_is_what_the_suite_looks_for() {
    let mut sources = library();
    sources.extend(read_all("tests", ".rs"));
    let script = read_all("scripts", "lacking");
    let looked_for: Vec<_> = words_after(&script[0].text, "\nneeds ").collect();
    assert!(looked_for.len() > 5, "{looked_for:?}");
    let left_out: Vec<_> = sources.iter().flat_map(|source| words_after(&source.text, "leave_out(\"")).collect();
    assert!(left_out.iter().all(|word| looked_for.contains(word)), "{left_out:?}, {looked_for:?}");
    let is_named = |word: &&str| sources.iter().any(|source| source.text.contains(&format!("\"{word}\"")));
    assert!(looked_for.iter().all(is_named), "{looked_for:?}");
}

#[test]
fn a_test_is_left_out_only_where_its_need_is_named() {
    for list in ["fuse", "mount,fuse", "mount fuse", "fuse, mount"] {
        assert!(lacking::names(list, "fuse"), "{list}");
    }
    for list in ["", "fuses", "mount"] {
        assert!(!lacking::names(list, "fuse"), "{list}");
    }
    let nothing = "what nobody names";
    assert!(std::panic::catch_unwind(|| lacking::leave_out(nothing, "it is lacking")).is_err());
}

#[test]
fn every_requirement_has_its_test() {
    let mut sources = library();
    sources.extend(read_all("tests", ".rs"));
    assert_none(&spec::number_breaks(&spec::defined_numbers(&pages()), &spec::test_names(&sources)));
}

#[test]
fn a_requirement_without_a_test_and_a_test_without_a_requirement_are_found() {
    let page = sample("format-spec/06-pack.md", "- **[PACK-1]** A.\n- **[PACK-12]** B, see [PACK-1] and [SEAL-9].\n");
    let numbers = spec::defined_numbers(&page);
    assert_eq!(numbers, ["PACK-1", "PACK-12"]);
    let check = |names: &[&str]| {
        let text: String = names.iter().map(|name| format!("#[test]\nfn {name}() {{}}\n")).collect();
        spec::number_breaks(&numbers, &spec::test_names(&sample("src/pack.rs", &text)))
    };
    assert_none(&check(&["pack_1_holds", "also_pack_12"]));
    assert_eq!(check(&["pack_12_is_not_one"]), ["[PACK-1] has no test: no name contains pack_1"]);
    assert_eq!(
        check(&["pack_1_and_pack_12", "pack_3_is_gone"]),
        ["pack_3_is_gone names [PACK-3], which no page defines"]
    );
    assert_eq!(check(&["unpack_1_x", "pack_1x", "pack_12_y"]).len(), 1);
    let twice = [numbers.clone(), numbers].concat();
    assert_eq!(spec::number_breaks(&twice, &["pack_1_pack_12".to_owned()]).len(), 2);
}

#[test]
fn a_function_without_the_test_attribute_is_no_test() {
    assert!(spec::test_names(&sample("src/pack.rs", "// #[test]\nfn pack_1_x() {}\n")).is_empty());
}

#[test]
fn constants_stand_in_the_code_as_in_the_format() {
    assert_none(&spec::constant_breaks(CONSTANTS, &library(), &pages()));
}

#[test]
fn a_constant_that_the_format_states_otherwise_is_found() {
    let code =
        sample("src/pack.rs", "const KIB: u64 = 1 << 10;\npub const PACK_BYTES_MAX: u64 = 1_024 * 1024 * KIB;\n");
    let constant = Constant {
        file: "src/pack.rs",
        name: "PACK_BYTES_MAX",
        page: "format-spec/06-pack.md",
        sentence: "A pack is at most {} long",
    };
    let check = |page: &str| spec::constant_breaks(&[constant], &code, &sample("format-spec/06-pack.md", page)).len();
    assert_eq!(check("A pack is\n  at most 1 GiB long."), 0);
    assert_eq!(check("A pack is at most 1073741824 long."), 0);
    assert_eq!(check("A pack is at most 2 GiB long."), 1);
    assert_eq!(check("A pack is at most 11 GiB long."), 1);
    assert_eq!(check(""), 1);
    let renamed = Constant { name: "PACK_BYTES", ..constant };
    assert_eq!(spec::constant_breaks(&[renamed], &code, &[]).len(), 1);
}

#[test]
fn security_1_every_limit_is_held_against_the_code() {
    let page = page("format-spec/13-security.md");
    let rows = spec::table_rows(&page, "Limits for hostile input");
    assert!(rows.len() > 20, "the table is there");
    assert_none(&spec::uncovered_limits(&rows, CONSTANTS));
}

#[test]
fn a_limit_without_a_constant_is_found() {
    let page =
        sample("x.md", "# x\n\n## Limits\n\n| what | at most |\n| --- | --- |\n| a pack | 1 GiB |\n| a mouse | 7 |\n");
    let rows = page.first().map(|page| spec::table_rows(page, "Limits")).unwrap_or_default();
    assert_eq!(spec::uncovered_limits(&rows, CONSTANTS), ["no constant is held against the limit of a mouse: 7"]);
}

#[test]
fn the_value_of_a_match_arm_is_read() {
    let code =
        sample("src/a.rs", "match x { Self::A => *b\"MAGIC\", _ => 0 }\nmatch y { Self::A => 16 << 20, _ => 1 }");
    let constant = Constant { file: "src/a.rs", name: "Self::A =>", page: "x.md", sentence: "at most {} long" };
    assert_none(&spec::constant_breaks(&[constant], &code, &sample("x.md", "at most 16 MiB long")));
    assert_eq!(spec::constant_breaks(&[constant], &code, &sample("x.md", "at most 16 KiB long")).len(), 1);
}

#[test]
fn evolution_1_the_registry_lists_the_magics_of_the_code_and_no_others() {
    let page = page("format-spec/12-evolution.md");
    let mut registered: Vec<String> = spec::table_rows(&page, "Registry of magics")
        .iter()
        .filter_map(|row| Some((*row.first()?).trim_matches('`').to_owned()))
        .collect();
    registered.sort();
    // Fuzz functions seal what is no object of the format.
    let code: Vec<Source> = shipped().into_iter().filter(|source| source.room() != "fuzzing").collect();
    assert_eq!(registered, spec::magics_in_code(&code), "each stands once in the registry and once in the code");
}

#[test]
fn a_magic_is_found_wherever_it_stands_except_in_tests() {
    let text = "const A: [u8; 4] = *b\"FRME\"; // *b\"NOTE\"x\n#[cfg(test)]\nmod tests { const B: [u8; 8] = *b\"HOLDTEST\"; }\n";
    assert_eq!(spec::magics_in_code(&sample("src/a.rs", text)), ["FRME", "NOTE"]);
    assert!(spec::magics_in_code(&sample("src/a.rs", "*b\"lower\" *b\"LONGERTHANEIGHT\"")).is_empty());
}

#[test]
fn evolution_2_the_code_knows_the_features_of_the_registry() {
    let page = page("format-spec/12-evolution.md");
    let rows = spec::table_rows(&page, "Features");
    let defined = rows.iter().filter(|row| row.first().is_some_and(|number| !number.ends_with("above"))).count();
    let config = shipped().into_iter().find(|source| source.path == "src/config.rs").expect("the room is there");
    assert!(
        config.text.contains(&format!("const KNOWN_FEATURES: [RangeInclusive<u32>; {defined}]")),
        "{defined} features are defined"
    );
}
