//! Pushing the figures of a run to who watches.

use super::hook::{HookEnd, OnSignal, run as run_hook};
use crate::cli::render::Renderer;
use crate::cli::signals::Signals;
use crate::profile::{Gateway, Hook};
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::Stdio;

/// OpenMetrics, section 3.1: how the exchange calls its text format.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Puts a page in its place at a gateway. Fails, in words, unless the gateway says that it has it.
pub(super) fn to_gateway(gateway: &Gateway, url: &str, page: &str) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(gateway.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("holdall/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let answer = agent.put(url).header("Content-Type", CONTENT_TYPE).send(page).map_err(|error| error.to_string())?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}

/// Hands a page to a command on its standard input.
pub(super) fn to_command(
    command: &Hook,
    folder: &Path,
    environment: &[(&str, OsString)],
    (page, renderer): (&str, &Renderer),
    signals: &Signals,
) -> Result<(), String> {
    let input = held(page).map_err(|error| format!("it can't be handed over: {error}"))?;
    match run_hook(command, folder, environment, (input, renderer), (signals, OnSignal::GoOn)) {
        HookEnd::Done => Ok(()),
        HookEnd::Failed(why) => Err(why),
    }
}

/// A page to be read from its beginning: in memory, not in a pipe that a command may leave unread.
fn held(page: &str) -> io::Result<Stdio> {
    let mut file = File::from(memfd_create("figures", MemfdFlags::CLOEXEC)?);
    file.write_all(page.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}
