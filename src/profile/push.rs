//! Where the figures of runs are pushed to.

use super::duration::parse_duration;
use super::refusal::Refusal;
use super::table::Value;
use std::time::Duration;

/// How long a gateway may take that the profile says nothing of.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What stands in a URL for the name of the set and of this machine.
const SET: &str = "{set}";
const HOST: &str = "{host}";

/// A gateway that takes figures by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gateway {
    url: String,
    pub(crate) timeout: Duration,
}

impl Gateway {
    /// Reads a URL, or a table with one and how long it may take. Of several sets each needs a place of its own: what is
    /// put in one replaces what was there.
    pub(super) fn read(value: Value<'_>, set_count: usize) -> Result<Self, Refusal> {
        if !value.is_table() {
            return Ok(Self { url: url(value, set_count)?, timeout: TIMEOUT });
        }
        let mut table = value.table(format!("[{}]", value.key))?;
        let named = table.take("url").ok_or_else(|| table.refuse("has no url = \"http://...\""))?;
        let url = url(named, set_count)?;
        let timeout = match table.take("timeout") {
            None => TIMEOUT,
            Some(timeout) => parse_duration(timeout.text()?).map_err(|error| timeout.refuse(&error.to_string()))?,
        };
        table.finish()?;
        Ok(Self { url, timeout })
    }

    /// The place of a set of this machine.
    pub(crate) fn url(&self, set: &str, host: &str) -> String {
        self.url.replace(SET, &in_path(set)).replace(HOST, &in_path(host))
    }

    /// The gateway without what may be secret in the URL.
    pub(crate) fn shown(&self) -> &str {
        let authority = self.url.trim_start_matches("http://").split(['/', '?']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }
}

fn url(value: Value<'_>, set_count: usize) -> Result<String, Refusal> {
    let url = value.text()?;
    if !url.starts_with("http://") {
        let what = "expected a URL that begins with http://; for https name a command, metrics-push-command = \
                    \"curl -fsS -T - https://...\"";
        return Err(value.refuse(what));
    }
    let rest = url.replace(SET, "").replace(HOST, "");
    if rest.contains(['{', '}']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(value.refuse("only {set} and {host} may stand in braces, and no spaces"));
    }
    if set_count > 1 && !url.contains(SET) {
        return Err(
            value.refuse("there are several sets, so {set} has to stand in the URL: each push replaces the one before")
        );
    }
    Ok(url.to_owned())
}

/// A name as one segment of a URL's path (RFC 3986, section 2).
fn in_path(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_url_as_one_segment_and_secrets_are_not_shown() {
        let url = "http://me:secret@gateway:9091/metrics/job/holdall/instance/{host}/set/{set}".to_owned();
        let gateway = Gateway { url, timeout: TIMEOUT };
        let place = gateway.url("home", "a/b c");
        assert_eq!(place, "http://me:secret@gateway:9091/metrics/job/holdall/instance/a%2Fb%20c/set/home");
        assert_eq!(gateway.shown(), "gateway:9091");
    }
}
