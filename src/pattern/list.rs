//! Many patterns in order, of which the last one that fits decides.

use super::{Case, Pattern, PatternError, folded};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A rule by which something is left out, as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The pattern, or what else the rule says; any bytes may stand in it.
    pub text: Vec<u8>,
    /// Where it was written: an option, or the path of a file.
    pub origin: String,
    /// The number of its line in that file, from 1.
    pub line: Option<u64>,
}

impl Rule {
    /// A rule that was given by an option.
    pub fn new(text: impl Into<Vec<u8>>, origin: impl Into<String>) -> Self {
        Self { text: text.into(), origin: origin.into(), line: None }
    }

    /// The line of the file in which it stands, from 1.
    #[must_use]
    pub const fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Rule {
    /// `--exclude *.o`, `/etc/excludes:12 *.o`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", String::from_utf8_lossy(&self.text)) }
    }
}

/// Patterns in the order in which they were given. The last one that fits a path or something above it decides: the path
/// is chosen, unless that pattern is negated with `!`.
#[derive(Debug, Clone, Default)]
pub struct PatternList {
    case: Case,
    rules: Vec<(Pattern, Arc<Rule>)>,
    /// The places of rules that fit one last name only, ascending.
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    /// The places of all others, ascending.
    others: Vec<usize>,
}

/// The last rule of a list that fits a path or something above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Standing(Option<usize>);

impl PatternList {
    /// An empty list, which chooses nothing.
    pub fn new(case: Case) -> Self {
        Self { case, ..Self::default() }
    }

    /// Adds a rule, whose text is its pattern. An empty one is passed over.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn add(&mut self, rule: Rule) -> Result<(), PatternError> {
        if rule.text.is_empty() {
            return Ok(());
        }
        let pattern = Pattern::parse(&rule.text, self.case)?;
        let place = self.rules.len();
        match pattern.last_literal() {
            Some(name) => self.by_name.entry(name.to_vec()).or_default().push(place),
            None => self.others.push(place),
        }
        self.rules.push((pattern, Arc::new(rule)));
        Ok(())
    }

    /// Whether there is no rule.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule by which the path, given by its names from the root on, is chosen. Costs a look at every rule for each
    /// name.
    pub fn choosing(&self, path: &[&[u8]]) -> Option<&Arc<Rule>> {
        self.chosen(self.standing(path))
    }

    /// How the list stands to a path, given by its names from the root on.
    pub fn standing(&self, path: &[&[u8]]) -> Standing {
        let ends = (1..=path.len()).filter_map(|end| path.get(..end));
        ends.fold(Standing::default(), |above, path| self.standing_in(above, path))
    }

    /// How it stands to what lies below a path that somebody wants whatever fits it: of the rules that fit that path or
    /// something above it only the negated ones count.
    pub fn standing_below(&self, wanted: &[&[u8]], below: &[&[u8]]) -> Standing {
        let mut path = wanted.to_vec();
        below.iter().fold(self.exception(wanted), |above, name| {
            path.push(name);
            self.standing_in(above, &path)
        })
    }

    /// The last negated rule that fits a path or something above it.
    fn exception(&self, path: &[&[u8]]) -> Standing {
        let folded: Vec<Cow<'_, [u8]>> = path.iter().map(|name| folded(name, self.case)).collect();
        let path: Vec<&[u8]> = folded.iter().map(AsRef::as_ref).collect();
        let fits =
            |pattern: &Pattern| (1..=path.len()).filter_map(|end| path.get(..end)).any(|path| pattern.fits(path));
        Standing(self.rules.iter().rposition(|(pattern, _)| pattern.negated && fits(pattern)))
    }

    /// How it stands to a path, from how it stands to the directory above: only whole fits are looked for.
    pub fn standing_in(&self, above: Standing, path: &[&[u8]]) -> Standing {
        if self.rules.is_empty() {
            return above;
        }
        if self.case == Case::Exact {
            return self.compared(above, path);
        }
        let folded: Vec<Cow<'_, [u8]>> = path.iter().map(|name| folded(name, self.case)).collect();
        self.compared(above, &folded.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }

    fn compared(&self, above: Standing, path: &[&[u8]]) -> Standing {
        let same_name = path.last().and_then(|name| self.by_name.get(*name)).map(Vec::as_slice).unwrap_or_default();
        let by_name = self.last_fit(above, same_name, path);
        self.last_fit(by_name, &self.others, path)
    }

    /// The later of `known` and the last of the rules at these places that fits.
    fn last_fit(&self, known: Standing, places: &[usize], path: &[&[u8]]) -> Standing {
        let later = places.iter().rev().take_while(|place| known.0.is_none_or(|known| known < **place));
        let fits = |place: &&usize| self.rules.get(**place).is_some_and(|(pattern, _)| pattern.fits(path));
        later.copied().find(|place| fits(&place)).map_or(known, |place| Standing(Some(place)))
    }

    /// The rule by which something that stands so is chosen.
    pub fn chosen(&self, standing: Standing) -> Option<&Arc<Rule>> {
        let (pattern, rule) = self.rules.get(standing.0?)?;
        (!pattern.negated).then_some(rule)
    }
}
