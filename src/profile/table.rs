//! Tables of the document from which keys are taken by name; a key that nobody takes is refused.

use super::refusal::{Refusal, line_of, suggestion};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table whose keys are being taken.
pub(super) struct Table<'a> {
    /// As it stands in the document, `[set.home]`; empty for the document itself.
    name: String,
    /// Where it begins.
    line: usize,
    /// What was not taken yet, in the document's order.
    left: Vec<Value<'a>>,
    /// The keys that were asked for.
    known: Vec<String>,
}

/// A key with its value.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    text: &'a str,
    /// The key.
    pub(super) key: &'a str,
    /// The line of the key, or of this item of a list.
    pub(super) line: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    /// The whole document.
    pub(super) fn document(text: &'a str, parsed: &'a DeTable<'a>) -> Self {
        Self::new(text, String::new(), 1, parsed)
    }

    fn new(text: &'a str, name: String, line: usize, parsed: &'a DeTable<'a>) -> Self {
        let mut entries: Vec<(usize, Value<'a>)> = parsed
            .iter()
            .map(|(key, value)| {
                let offset = key.span().start;
                let value = value.get_ref();
                (offset, Value { text, key: key.get_ref(), line: line_of(text, offset), value })
            })
            .collect();
        entries.sort_by_key(|(offset, _)| *offset);
        Self { name, line, left: entries.into_iter().map(|(_, value)| value).collect(), known: Vec::new() }
    }

    /// Where it begins.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// Refuses the table for something that is missing or contradictory.
    pub(super) fn refuse(&self, message: impl Into<String>) -> Refusal {
        Refusal::new(self.line, format!("{} {}", self.name, message.into()))
    }

    /// Takes a key.
    pub(super) fn take(&mut self, key: &str) -> Option<Value<'a>> {
        self.known.push(key.to_owned());
        let at = self.left.iter().position(|value| value.key == key)?;
        Some(self.left.remove(at))
    }

    /// Takes a text that says something.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let text = value.text()?;
        if text.is_empty() { Err(value.refuse("it can't be empty")) } else { Ok(Some(text)) }
    }

    /// Takes a text that says where a file or folder is.
    pub(super) fn path(&mut self, key: &str) -> Result<Option<&'a str>, Refusal> {
        self.take(key).map(|value| value.path()).transpose()
    }

    /// Takes a table.
    pub(super) fn table(&mut self, key: &str) -> Result<Option<Self>, Refusal> {
        let name = self.name_below(key);
        self.take(key).map(|value| value.table(name)).transpose()
    }

    /// Takes a table of tables, each with its name.
    pub(super) fn tables(&mut self, key: &str) -> Result<Vec<(&'a str, Self)>, Refusal> {
        let Some(all) = self.table(key)? else { return Ok(Vec::new()) };
        let named = all.left.iter().map(|value| Ok((value.key, value.table(all.name_below(value.key))?)));
        named.collect()
    }

    /// Takes all that is left.
    pub(super) fn rest(&mut self) -> Vec<Value<'a>> {
        std::mem::take(&mut self.left)
    }

    /// Refuses a key that nobody knows.
    pub(super) fn refuse_unknown(&self, value: Value<'a>) -> Refusal {
        let near = suggestion(value.key, self.known.iter().map(String::as_str));
        let place = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
        Refusal::new(value.line, format!("unknown key {:?}{place}{near}", value.key))
    }

    /// Says that a key may stand here, so that it is offered for a misspelt one.
    pub(super) fn know(&mut self, key: &str) {
        self.known.push(key.to_owned());
    }

    /// Ends the table: what was not taken is refused.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        self.left.first().map_or(Ok(()), |value| Err(self.refuse_unknown(*value)))
    }

    fn name_below(&self, key: &str) -> String {
        match self.name.strip_suffix(']') {
            Some(above) => format!("{above}.{key}]"),
            None => format!("[{key}]"),
        }
    }
}

impl<'a> Value<'a> {
    /// Refuses the value.
    pub(super) fn refuse(&self, message: &str) -> Refusal {
        Refusal::new(self.line, format!("{}: {message}", self.key))
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&'a str, Refusal> {
        self.value.as_str().ok_or_else(|| self.refuse("expected a text in quotes"))
    }

    /// A text that says where a file or folder is. No shell reads it: what begins with `~` would be a folder of that
    /// name.
    pub(super) fn path(&self) -> Result<&'a str, Refusal> {
        match self.text()? {
            "" => Err(self.refuse("a path can't be empty")),
            path if path == "~" || path.starts_with("~/") => {
                Err(self.refuse("~ has no meaning in a profile; write the path in full"))
            }
            path => Ok(path),
        }
    }

    /// True or false.
    pub(super) fn truth(&self) -> Result<bool, Refusal> {
        self.value.as_bool().ok_or_else(|| self.refuse("expected true or false"))
    }

    /// A text or number, as it would stand on a command line.
    pub(super) fn word(&self) -> Result<String, Refusal> {
        match self.value {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Integer(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.refuse("expected a text in quotes or a number")),
        }
    }

    /// The items of a list; the value itself if it is no list.
    pub(super) fn items(&self) -> Vec<Self> {
        let item = |item: &'a Spanned<DeValue<'a>>| Self {
            line: line_of(self.text, item.span().start),
            value: item.get_ref(),
            ..*self
        };
        self.value.as_array().map_or_else(|| vec![*self], |items| items.iter().map(item).collect())
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A table with the name that it is to be called by.
    pub(super) fn table(&self, name: String) -> Result<Table<'a>, Refusal> {
        let table = self.value.as_table().ok_or_else(|| self.refuse(&format!("expected a table: {name}")))?;
        Ok(Table::new(self.text, name, self.line, table))
    }
}
