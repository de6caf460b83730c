//! What a backup leaves out, as its options say it.

use super::arguments::{ExcludeArguments, SelectionArguments};
use super::failure::Failure;
use super::pattern;
use super::render::text;
use super::surroundings::Surroundings;
use holdall::{Rule, Selection};

/// Puts the options of a backup together.
pub(crate) fn selection(
    surroundings: &Surroundings,
    patterns: &ExcludeArguments,
    given: &SelectionArguments,
) -> Result<Selection, Failure> {
    let lists = pattern::excludes(surroundings, patterns)?;
    let mut selection = lists.into_iter().fold(Selection::default(), Selection::exclude);
    for mark in &given.exclude_if_present {
        let shown = if mark.header.is_empty() { mark.name.clone() } else { format!("{}:{}", mark.name, mark.header) };
        let rule = Rule::new(shown, "--exclude-if-present");
        selection = selection.exclude_if_present(mark.name.as_str(), mark.header.as_str(), rule);
    }
    if given.exclude_caches {
        selection = selection.exclude_caches(Rule::new("", "--exclude-caches"));
    }
    if let Some(size) = given.exclude_larger_than {
        selection = selection.exclude_larger_than(size.0, Rule::new(text::bytes(size.0), "--exclude-larger-than"));
    }
    if given.exclude_nodump {
        selection = selection.exclude_nodump(Rule::new("", "--exclude-nodump"));
    }
    if given.git_ignore {
        selection = selection.git_ignore();
    }
    if !given.no_holdallignore {
        selection = selection.ignore_file(".holdallignore");
    }
    if given.one_file_system {
        selection = selection.one_file_system(Rule::new("", "--one-file-system"));
    }
    Ok(selection)
}
