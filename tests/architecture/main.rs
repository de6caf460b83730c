//! Holds the house to its rules: who imports whom, how long things are, what may be named where, and that the format's
//! pages and the code say the same. Each rule is a function over texts, and each is shown to fail on a broken sample.

mod house;
mod source;
mod spec;

use source::{Source, read_all};
use spec::Constant;

/// Constants that stand in the code and on a page of the format.
const CONSTANTS: &[Constant] = &[];

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
fn names_of_modules_say_something() {
    assert_none(&house::vague_names(&library()));
}

#[test]
fn a_vague_name_is_found() {
    for path in ["src/utils.rs", "src/index/helpers.rs", "src/manager/mod.rs", "src/common.rs"] {
        assert_eq!(house::vague_names(&sample(path, "")).len(), 1, "{path}");
    }
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
