//! The format's pages held against the code: requirement numbers and constants.

use std::collections::BTreeMap;

use super::source::{Source, blank, find_words, is_word, leading_word};

/// The numbers that the pages define, in order: `- **[PACK-7]** ...` defines `PACK-7`.
pub(crate) fn defined_numbers(pages: &[Source]) -> Vec<String> {
    let mut numbers = Vec::new();
    for page in pages {
        for (at, mark) in page.text.match_indices("**[") {
            let rest = page.text.get(at + mark.len()..).unwrap_or("");
            if let Some((number, _)) = rest.split_once("]**").filter(|(number, _)| is_number(number)) {
                numbers.push(number.to_owned());
            }
        }
    }
    numbers
}

fn is_number(text: &str) -> bool {
    let Some((room, number)) = text.rsplit_once('-') else { return false };
    let room_fits = room.starts_with(|c: char| c.is_ascii_uppercase())
        && room.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-');
    room_fits && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// The names of all functions that carry `#[test]`.
pub(crate) fn test_names(sources: &[Source]) -> Vec<String> {
    let mut names = Vec::new();
    for source in sources {
        let code = blank(&source.text);
        for (at, mark) in code.match_indices("#[test]") {
            let rest = code.get(at + mark.len()..).unwrap_or("");
            if let Some(function) = find_words(rest, "fn").next() {
                let name = rest.get(function + 2..).unwrap_or("").trim_start();
                names.push(leading_word(name).to_owned());
            }
        }
    }
    names
}

/// Numbers defined twice, numbers without a test, and tests that name a number no page defines.
pub(crate) fn number_breaks(numbers: &[String], tests: &[String]) -> Vec<String> {
    let mut breaks = Vec::new();
    for (place, number) in numbers.iter().enumerate() {
        if numbers.iter().take(place).any(|earlier| earlier == number) {
            breaks.push(format!("[{number}] is defined twice"));
        }
        if !tests.iter().any(|test| named_numbers(test, numbers).contains(number)) {
            breaks.push(format!("[{number}] has no test: no name contains {}", test_form(number)));
        }
    }
    for test in tests {
        for number in named_numbers(test, numbers) {
            if !numbers.contains(&number) {
                breaks.push(format!("{test} names [{number}], which no page defines"));
            }
        }
    }
    breaks
}

fn test_form(number: &str) -> String {
    number.to_ascii_lowercase().replace('-', "_")
}

/// The numbers in a test's name: a room that the pages number, an underscore, digits.
fn named_numbers(test: &str, numbers: &[String]) -> Vec<String> {
    let mut rooms: Vec<&str> = numbers.iter().filter_map(|number| Some(number.rsplit_once('-')?.0)).collect();
    rooms.sort_unstable();
    rooms.dedup();
    let mut found = Vec::new();
    for room in rooms {
        let start = format!("{}_", test_form(room));
        for (at, _) in test.match_indices(&start) {
            let before = test.get(..at).and_then(|head| head.chars().next_back());
            let rest = test.get(at + start.len()..).unwrap_or("");
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(digits);
            let whole = before.is_none_or(|c| c == '_') && after.chars().next().is_none_or(|c| c == '_');
            if whole && !digits.is_empty() {
                found.push(format!("{room}-{digits}"));
            }
        }
    }
    found
}

/// A constant that stands in the code and in a sentence of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Constant {
    /// The file that defines it.
    pub(crate) file: &'static str,
    /// Its name there.
    pub(crate) name: &'static str,
    /// The page that states it.
    pub(crate) page: &'static str,
    /// The words around the number, which `{}` stands for.
    pub(crate) sentence: &'static str,
}

/// Constants that the code lacks, whose value can't be read, or whose sentence is not on the page with that value.
pub(crate) fn constant_breaks(constants: &[Constant], sources: &[Source], pages: &[Source]) -> Vec<String> {
    let mut breaks = Vec::new();
    let mut blanked: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for constant in constants {
        let file = || sources.iter().find(|source| source.path == constant.file).map(|source| blank(&source.text));
        let text = blanked.entry(constant.file).or_insert_with(file).as_ref();
        let Some(value) = text.and_then(|text| constant_value(text, constant.name)) else {
            breaks.push(format!("{}: no readable constant {}", constant.file, constant.name));
            continue;
        };
        let page = pages.iter().find(|page| page.path == constant.page);
        let words = page.map(|page| page.text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default();
        let stated = spellings(value).iter().any(|number| states(&words, &constant.sentence.replace("{}", number)));
        if !stated {
            breaks.push(format!(
                "{} does not say \"{}\" with {} = {value}",
                constant.page, constant.sentence, constant.name
            ));
        }
    }
    breaks
}

/// Rows of the tables under a heading of a page, header and rule left out.
pub(crate) fn table_rows<'a>(page: &'a Source, heading: &str) -> Vec<Vec<&'a str>> {
    let under = page.text.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or("");
    let rows = under.lines().filter(|line| line.starts_with("| ")).filter(|line| !line.starts_with("| ---"));
    rows.skip(1).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Rows of the table of limits that no constant is held against.
pub(crate) fn uncovered_limits(rows: &[Vec<&str>], constants: &[Constant]) -> Vec<String> {
    let covered = |row: &&Vec<&str>| {
        let sentence = format!("| {} | {{}} |", row.first().unwrap_or(&""));
        constants.iter().any(|constant| constant.sentence == sentence)
    };
    let uncovered = rows.iter().filter(|row| !covered(row));
    uncovered.map(|row| format!("no constant is held against the limit of {}", row.join(": "))).collect()
}

/// The magics in shipped code: byte strings of four or eight capital letters.
pub(crate) fn magics_in_code(sources: &[Source]) -> Vec<String> {
    let mut magics = Vec::new();
    for source in sources {
        let text = source.shipped_as_written();
        for (at, mark) in text.match_indices("*b\"") {
            let literal =
                text.get(at + mark.len()..).and_then(|rest| rest.split_once('"')).map_or("", |(text, _)| text);
            let capitals = literal.chars().all(|c| c.is_ascii_uppercase());
            if capitals && matches!(literal.len(), 4 | 8) {
                magics.push(literal.to_owned());
            }
        }
    }
    magics.sort();
    magics
}

/// Whether `sentence` stands in `words` and is not a piece of a longer number or word.
fn states(words: &str, sentence: &str) -> bool {
    words.match_indices(sentence).any(|(at, _)| {
        let before = words.get(..at).and_then(|head| head.chars().next_back());
        let after = words.get(at + sentence.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// How a page may write a number: digits, or a count of KiB, MiB, GiB.
fn spellings(value: u64) -> Vec<String> {
    let mut all = vec![value.to_string()];
    for (unit, bytes) in [("KiB", 1u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)] {
        if value >= bytes && value.is_multiple_of(bytes) {
            all.push(format!("{} {unit}", value / bytes));
        }
    }
    all
}

/// The value of `const NAME: T = ...;`: whole numbers joined by `<<`, `*`, `+`, `-`, from left to right within the
/// usual precedence, other constants of the same file included. A name that ends with `=>` is the pattern of a match
/// arm, and the value is what stands behind it.
fn constant_value(code: &str, name: &str) -> Option<u64> {
    if name.ends_with("=>") {
        let arms = code.match_indices(name).filter_map(|(at, _)| code.get(at + name.len()..)?.split_once(','));
        return arms.filter_map(|(expression, _)| evaluate(code, expression)).next();
    }
    let at = find_words(code, name).find(|at| {
        let head = code.get(..*at).unwrap_or("");
        head.trim_end().ends_with("const")
    })?;
    let (_, rest) = code.get(at..)?.split_once('=')?;
    let (expression, _) = rest.split_once(';')?;
    evaluate(code, expression)
}

fn evaluate(code: &str, expression: &str) -> Option<u64> {
    let expression = expression.trim();
    if let Some((left, right)) = expression.rsplit_once("<<") {
        return evaluate(code, left)?.checked_shl(evaluate(code, right)?.try_into().ok()?);
    }
    if let Some((left, right)) = expression.rsplit_once('+') {
        return evaluate(code, left)?.checked_add(evaluate(code, right)?);
    }
    if let Some((left, right)) = expression.rsplit_once('-') {
        return evaluate(code, left)?.checked_sub(evaluate(code, right)?);
    }
    if let Some((left, right)) = expression.rsplit_once('*') {
        return evaluate(code, left)?.checked_mul(evaluate(code, right)?);
    }
    if expression.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = expression.replace('_', "");
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let suffix = digits.get(end..)?;
        let known = ["", "u8", "u16", "u32", "u64", "usize", "i32", "i64"].contains(&suffix);
        return digits.get(..end).filter(|_| known)?.parse().ok();
    }
    let name = leading_word(expression);
    (name == expression && !name.is_empty()).then(|| constant_value(code, name)).flatten()
}
