//! `holdall info`

use crate::cli::arguments::InfoArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::info;
use crate::cli::shell;
use holdall::Snapshot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub(crate) fn run(context: &Context<'_>, arguments: &InfoArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    match &arguments.snapshot {
        None => {
            let found = repository.info()?;
            context.renderer.print(&info::repository_text(&found));
            context.renderer.json(&info::repository_json(&found));
        }
        Some(named) => {
            let snapshot = context.snapshot(&repository, named, &context::filter(&arguments.filter)?)?;
            let found = repository.snapshot_info(&snapshot)?;
            let command = restore_command(context, &snapshot)?;
            context.renderer.print(&info::snapshot_text(&found, &command));
            context.renderer.json(&info::snapshot_json(&found, &command));
        }
    }
    Ok(exit::DONE)
}

/// The line that restores a snapshot into a new folder, with what this run was told of repository and secret. What the
/// environment says, it says to that line too.
fn restore_command(context: &Context<'_>, snapshot: &Snapshot) -> Result<String, Failure> {
    let global = context.global;
    let mut words: Vec<OsString> = vec!["holdall".into()];
    let mut say = |option: &str, value: Option<OsString>| {
        words.extend(value.into_iter().flat_map(|value| [option.into(), value]));
    };
    if let Some(profile) = &global.profile {
        say("--config", global.config.clone().map(Into::into));
        say("--profile", Some(profile.into()));
    } else {
        say("--repo", Some(context.repository_path()?.into()));
        say("--key-file", global.unlock.key_file.clone().map(Into::into));
        say("--password-file", global.unlock.password_file.clone().map(Into::into));
        say("--password-command", global.unlock.password_command.clone());
        words.extend(global.unlock.insecure_no_password.then(|| "--insecure-no-password".into()));
    }
    let short = snapshot.id.short();
    words.extend(["restore".into(), short.clone().into(), "--target".into(), format!("restored-{short}").into()]);
    Ok(shell::shown_line(words.iter().map(|word| word.as_bytes())))
}
