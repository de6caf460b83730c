//! `holdall init`

use crate::cli::arguments::{InitArguments, KdfArguments};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{Initialized, PathText};
use crate::cli::render::text;
use crate::cli::secret::{Purpose, SecretSource};
use holdall::{CreateOptions, KdfCost, Repository};
use std::os::unix::ffi::OsStrExt;

/// What trying a password costs unless something else is asked for, as page 13 of the format has it.
const KDF_MEMORY_BYTES: u64 = 64 << 20;
const KDF_PASSES: u32 = 3;

pub(crate) fn run(context: &Context<'_>, arguments: &InitArguments) -> Result<u8, Failure> {
    let path = context.repository_path()?;
    let options = CreateOptions::default().kdf(kdf_cost(&arguments.kdf)?).protection(arguments.parity);
    let source = context.surroundings.secret_source(&context.global.unlock)?;
    let alike = alike(context, arguments)?;
    let id = source.unlock(Purpose::Choose, |unlock| {
        Ok(match &alike {
            Some(other) => other.create_alike(&path, unlock, &options)?,
            None => Repository::create(&path, unlock, &options)?,
        })
    })?;

    let shown = text::printable(path.as_os_str().as_bytes());
    context.renderer.say(&format!("repository {id} made at {shown}\n{}\n", advice(&source)));
    context.renderer.json(&Initialized {
        message_type: "initialized",
        id: id.to_string(),
        repository: PathText::new(path.as_os_str().as_bytes()).path,
    });
    Ok(exit::DONE)
}

/// The repository as which the new one is to cut, if one was named.
fn alike(context: &Context<'_>, arguments: &InitArguments) -> Result<Option<Repository>, Failure> {
    let is_named = arguments.from.from_repo.is_some() || arguments.from.from_repository_file.is_some();
    if arguments.copy_chunker_params != is_named {
        return Err(Failure::misuse(
            "--copy-chunker-params and --from-repo go together: what is copied, and from where",
        ));
    }
    super::copy::from(context, &arguments.from)
}

/// What trying a password is to cost.
pub(super) fn kdf_cost(arguments: &KdfArguments) -> Result<KdfCost, Failure> {
    let memory_bytes = arguments.kdf_memory.map_or(KDF_MEMORY_BYTES, |memory| memory.0);
    let kibibytes = u32::try_from(memory_bytes / 1024).unwrap_or(u32::MAX);
    KdfCost::parse(kibibytes, arguments.kdf_passes.unwrap_or(KDF_PASSES), KdfCost::LANES)
        .map_err(|error| Failure::misuse(error.to_string()))
}

/// What the owner of a new repository should know.
fn advice(source: &SecretSource) -> String {
    match source {
        SecretSource::KeyFile(path) => {
            let path = text::printable(path.as_os_str().as_bytes());
            format!("{path} is the only way in: keep a copy of it away from this machine")
        }
        SecretSource::NoPassword => "it has no password: whoever can read it can read the backups".to_owned(),
        SecretSource::Password(_)
        | SecretSource::PasswordFile(_)
        | SecretSource::PasswordCommand(_)
        | SecretSource::Terminal => "the password is the only way in: nobody can help if it is lost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, Command, FromArgMatches as _};

    #[test]
    fn a_password_costs_what_page_13_says_unless_more_is_asked_for() {
        let none_given = KdfArguments::augment_args(Command::new("init")).get_matches_from(["init"]);
        let parsed = KdfArguments::from_arg_matches(&none_given).unwrap();
        for arguments in [parsed, KdfArguments::default()] {
            assert_eq!(kdf_cost(&arguments).ok(), Some(KdfCost::DEFAULT));
        }
        assert_eq!(KdfCost::parse(64 << 10, 3, 4), Ok(KdfCost::DEFAULT));
        let page = include_str!("../../../format-spec/13-security.md").replace('\n', " ");
        assert!(page.contains("64 MiB, three passes and four lanes"));
    }
}
