//! `holdall key`

use super::init::kdf_cost;
use crate::cli::arguments::{AddKeyArguments, KeyArguments, KeyCommand, NewSecretArguments};
use crate::cli::context::{Access, Context, require_folder};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::{Renderer, keys};
use crate::cli::secret::{Purpose, SecretSource};
use holdall::{Grant, KdfCost, NewKeyOptions, RemovedKey, Repository, SameSecret, Secret, Unlock, format_recovery_key};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

pub(crate) fn run(context: &Context<'_>, arguments: &KeyArguments) -> Result<u8, Failure> {
    match &arguments.command {
        KeyCommand::List => list(context),
        KeyCommand::Add(arguments) => add(context, arguments),
        KeyCommand::Remove { keys } => remove(context, keys),
        KeyCommand::Passwd(secret) => change(context, secret),
        KeyCommand::Export { file } => export(context, file),
        KeyCommand::Import { file } => import(context, file),
    }
}

fn list(context: &Context<'_>) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let (slots, slotless) = (repository.keys()?, repository.slotless_keys()?);
    let shown = slots.iter().map(keys::as_json).chain(slotless.iter().map(keys::slotless_as_json));
    context.renderer.json(&shown.collect::<Vec<_>>());
    context.renderer.print(&keys::table(&slots, &slotless));
    Ok(exit::DONE)
}

fn add(context: &Context<'_>, arguments: &AddKeyArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Write)?;
    let label = match &arguments.label {
        Some(label) => label.clone(),
        None => {
            let writer = context.writer();
            format!("{}@{}", String::from_utf8_lossy(&writer.user), String::from_utf8_lossy(&writer.host))
        }
    };
    let grant = arguments.role.map_or(Grant::SameKey, |role| Grant::NewKey(role.into()));
    let make = |unlock: Unlock<'_>, kdf| {
        Ok(repository.add_key(unlock, &NewKeyOptions::new(label.clone()).grant(grant).kdf(kdf))?)
    };
    let (added, words) = with_new_secret(context.renderer, &arguments.secret, make)?;
    context.renderer.say(&format!("key {} added: it may {}\n", keys::short(&added.id), keys::rights(added.role)));
    context.renderer.json(&keys::added("key_added", &added, words.as_deref().map(String::as_str)));
    Ok(exit::DONE)
}

fn remove(context: &Context<'_>, prefixes: &[String]) -> Result<u8, Failure> {
    let repository = context.open(Access::Write)?;
    for prefix in prefixes {
        let removed = repository.remove_key(prefix)?;
        context.renderer.say(&removed_text(&removed));
        context.renderer.json(&keys::removed(&removed));
    }
    context.renderer.say(
        "whoever has a copy of a removed key and its password can still read everything, later backups included\n",
    );
    Ok(exit::DONE)
}

fn removed_text(removed: &RemovedKey) -> String {
    let ended = "nothing counts that it signs under a later configuration";
    match (&removed.id, &removed.revoked, removed.remaining_count) {
        (Some(id), Some(_), _) => format!("key {} removed and ended: {ended}\n", keys::short(id)),
        (Some(id), None, Some(1)) => format!("key {} removed; 1 other way into this key remains\n", keys::short(id)),
        (Some(id), None, Some(count)) if count > 1 => {
            format!("key {} removed; {count} other ways into this key remain\n", keys::short(id))
        }
        (Some(id), None, _) => format!("key {} removed\n", keys::short(id)),
        (None, signer, _) => {
            let signer = signer.as_ref().map(keys::short).unwrap_or_default();
            format!("key {signer}, which had no slot here, ended: {ended}\n")
        }
    }
}

fn change(context: &Context<'_>, secret: &NewSecretArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Write)?;
    let make = |unlock: Unlock<'_>, kdf| {
        // A key file costs nothing to try, and so has nothing to change but itself.
        let is_of_cost = secret.kdf.is_given() && matches!(unlock, Unlock::Password(_));
        let same = if is_of_cost { SameSecret::Accept } else { SameSecret::Refuse };
        Ok(repository.change_key(unlock, kdf, same)?)
    };
    let (changed, words) = with_new_secret(context.renderer, secret, make)?;
    let same = if changed.is_same_secret { "; the password is the same" } else { "" };
    let id = keys::short(&changed.key.id);
    context.renderer.say(&format!("key {id} has taken the place of the old one{same}\n"));
    context.renderer.json(&keys::added("key_changed", &changed.key, words.as_deref().map(String::as_str)));
    Ok(exit::DONE)
}

/// Shows the words of a recovery key, however quiet this is to be: nobody sees them again.
fn show_words(renderer: &Renderer, words: &str) -> Result<(), Failure> {
    renderer.print(&keys::recovery(words));
    renderer.json(&keys::recovery_for_programs(words));
    renderer.flush();
    if renderer.is_closed() {
        let message = "the words of the recovery key can't be printed, so no key was made or changed; run it again \
                       where somebody reads them";
        return Err(Failure::failed(message));
    }
    Ok(())
}

fn export(context: &Context<'_>, file: &Path) -> Result<u8, Failure> {
    let bytes = context.open(Access::Read)?.export_key()?;
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).and_then(|mut out| {
        out.write_all(&bytes)?;
        out.sync_all()
    });
    written.map_err(|error| Failure::io(file, "write", &error))?;
    let shown = file.display();
    context.renderer.say(&format!("key written to {shown}; `holdall key import` puts it back into the repository\n"));
    Ok(exit::DONE)
}

fn import(context: &Context<'_>, file: &Path) -> Result<u8, Failure> {
    let path = context.repository_path()?;
    require_folder(&path)?;
    let bytes = std::fs::read(file).map_err(|error| Failure::io(file, "read", &error))?;
    let id = Repository::import_key(&path, &bytes)?;
    context.renderer.say(&format!("key {} is in the repository\n", keys::short(&id)));
    Ok(exit::DONE)
}

/// Gets the new secret and makes the key; returns the words too if it is a recovery key.
fn with_new_secret<T>(
    renderer: &Renderer,
    arguments: &NewSecretArguments,
    make: impl FnOnce(Unlock<'_>, KdfCost) -> Result<T, Failure>,
) -> Result<(T, Option<Zeroizing<String>>), Failure> {
    let kdf = kdf_cost(&arguments.kdf)?;
    if arguments.new_recovery_key {
        let secret = Secret::random();
        let words = format_recovery_key(&secret);
        // Before there is such a key: one whose words were lost opens nothing, and may have taken the place of one that did.
        show_words(renderer, &words)?;
        return Ok((make(Unlock::KeyFile(&secret), kdf)?, Some(words)));
    }
    let named = [
        arguments.new_password_file.clone().map(SecretSource::PasswordFile),
        arguments.new_password_command.clone().map(SecretSource::PasswordCommand),
        arguments.new_key_file.clone().map(SecretSource::KeyFile),
        arguments.new_insecure_no_password.then_some(SecretSource::NoPassword),
    ];
    let source = named.into_iter().flatten().next().unwrap_or(SecretSource::Terminal);
    Ok((source.unlock(Purpose::Choose, |unlock| make(unlock, kdf))?, None))
}
