//! What the selection leaves out, with the rule by which it does.

use super::json::PathText;
use super::{Renderer, text};
use holdall::progress::{Event, LeftOutPart};
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct LeftOut<'a> {
    message_type: &'static str,
    action: &'static str,
    item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_b64: Option<String>,
    /// The pattern, or what else the rule says.
    rule: String,
    /// An option, or the path of the file in which the rule stands.
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

/// Prints one [`Event::LeftOut`]; nothing for other events.
pub(super) fn tell(renderer: &Renderer, event: &Event<'_>) {
    let Event::LeftOut { path, part, rule, origin, line } = *event else { return };
    let path = path.as_os_str().as_bytes();
    let (words, action) = match part {
        LeftOutPart::Whole => ("left out", "left_out"),
        LeftOutPart::Contents => ("left out the contents of", "contents_left_out"),
    };
    let place = line.map_or_else(String::new, |line| format!(":{line}"));
    let why = format!("{}{place} {}", text::printable(origin.as_bytes()), text::printable(rule));
    renderer.say(&format!("{words} {}: {}\n", text::printable(path), why.trim_end()));
    let PathText { path: item, path_b64: item_b64 } = PathText::new(path);
    let rule = String::from_utf8_lossy(rule).into_owned();
    renderer.json(&LeftOut { message_type: "verbose_status", action, item, item_b64, rule, origin, line });
}

#[cfg(test)]
mod tests {
    use super::super::tests::renderer;
    use super::super::{Style, Verbosity};
    use super::*;
    use std::path::Path;

    #[test]
    fn people_and_programs_read_the_rule_and_its_line() {
        let whole = Event::LeftOut {
            path: Path::new("/a/b.o"),
            part: LeftOutPart::Whole,
            rule: b"*.o",
            origin: "/etc/excludes",
            line: Some(12),
        };
        let contents = Event::LeftOut {
            path: Path::new("/proc"),
            part: LeftOutPart::Contents,
            rule: b"",
            origin: "--one-file-system",
            line: None,
        };
        let (human, out, _) = renderer(Style::Human, Verbosity::Verbose);
        tell(&human, &whole);
        tell(&human, &contents);
        assert_eq!(
            out.text(),
            "left out /a/b.o: /etc/excludes:12 *.o\nleft out the contents of /proc: --one-file-system\n"
        );
        let (json, out, _) = renderer(Style::Json, Verbosity::Verbose);
        tell(&json, &whole);
        let line = "{\"message_type\":\"verbose_status\",\"action\":\"left_out\",\"item\":\"/a/b.o\",\
                    \"rule\":\"*.o\",\"origin\":\"/etc/excludes\",\"line\":12}\n";
        assert_eq!(out.text(), line);
    }
}
