//! `holdall mount`

use super::ls::key;
use crate::cli::arguments::MountArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::fuse::{self, Audience, Owners};
use crate::cli::render::json::Mounted;
use crate::cli::stop::Stop;
use fuser::BackgroundSession;
use holdall::{MountOptions, NameTime, PathTemplate, Repository};
use jiff::tz::TimeZone;
use nix::mount::{MntFlags, umount2};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How many problems wait to be printed.
const PROBLEMS_MAX: usize = 256;
/// How long a wish to stop may go unnoticed.
const PATIENCE: Duration = Duration::from_millis(100);

pub(crate) fn run(context: &Context<'_>, arguments: &MountArguments) -> Result<u8, Failure> {
    let directory = arguments.directory.canonicalize();
    let directory = directory.map_err(|error| Failure::io(&arguments.directory, "mount at", &error))?;
    if !directory.is_dir() {
        return Err(Failure::misuse(format!("{} is no folder to mount at", directory.display())));
    }
    refuse_to_cover(context, &directory)?;
    let name_time = name_time(&arguments.time_template)?;
    let repository = context.open(Access::Read)?;
    let tree = repository.mounted(options(context, &repository, arguments, name_time)?)?;
    let stop = Stop::listen()?;
    let audience = match (arguments.allow_other, arguments.no_default_permissions) {
        (false, _) => Audience::Owner,
        (true, false) => Audience::AllWithPermission,
        (true, true) => Audience::All,
    };
    let owners = if arguments.owner_root { Owners::Root } else { Owners::Stored };
    let (sender, problems) = sync_channel(PROBLEMS_MAX);
    let session =
        fuse::mount(tree, &directory, (audience, owners), sender).map_err(|error| unmountable(&directory, &error))?;
    let name = directory.to_string_lossy();
    context.renderer.say(&format!("The snapshots are at {name} until Ctrl-C or `umount {name}`\n"));
    context.renderer.json(&Mounted { message_type: "mounted", mountpoint: name });
    context.renderer.flush();
    // Its end may be weeks away.
    context.tell_used_copies();
    serve(context, (session, &directory), &problems, &stop)
}

/// A repository below the folder would be out of sight for this program too.
fn refuse_to_cover(context: &Context<'_>, directory: &Path) -> Result<(), Failure> {
    let repository = context.repository_path()?;
    match repository.canonicalize() {
        Ok(place) if place.starts_with(directory) => Err(Failure::misuse(format!(
            "a mount at {} would hide the repository at {}: choose another folder",
            directory.display(),
            repository.display()
        ))),
        // Opening it says what is wrong.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn options(
    context: &Context<'_>,
    repository: &Repository,
    arguments: &MountArguments,
    name_time: NameTime,
) -> Result<MountOptions, Failure> {
    let filter = context::filter(&arguments.filter)?;
    if let Some(named) = &arguments.snapshot {
        let snapshot = context.snapshot(repository, &named.spec, &filter)?;
        return Ok(MountOptions::one(snapshot, key(named.path.as_deref())?));
    }
    context.snapshots(repository, &filter)?;
    let templates =
        if arguments.path_template.is_empty() { PathTemplate::usual() } else { arguments.path_template.clone() };
    Ok(MountOptions::all(filter, templates, name_time))
}

/// Writes times in the zone of this machine.
fn name_time(format: &str) -> Result<NameTime, Failure> {
    let (format, zone) = (format.to_owned(), TimeZone::system());
    let written = move |format: &str, time_ns: i64| {
        let time = jiff::Timestamp::from_nanosecond(time_ns.into())?.to_zoned(zone.clone());
        jiff::fmt::strtime::format(format, &time)
    };
    if let Err(error) = written(&format, 0) {
        return Err(Failure::misuse(format!("{format:?} is no format of a time: {error}")));
    }
    Ok(Arc::new(move |time_ns| written(&format, time_ns).unwrap_or_else(|_| format!("{time_ns}ns"))))
}

fn unmountable(directory: &Path, error: &io::Error) -> Failure {
    let advice = if error.kind() == io::ErrorKind::NotFound {
        "is the kernel's fuse module loaded, and fusermount3 installed (package fuse3)?"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "without root's rights it takes fusermount3 (package fuse3), a folder of your own, and for --allow-other the line \
         user_allow_other in /etc/fuse.conf"
    } else {
        return Failure::io(directory, "mount at", error);
    };
    Failure::failed(format!("{}\n{advice}", Failure::io(directory, "mount at", error)))
}

/// Prints problems until it is unmounted, or somebody asks to stop.
fn serve(
    context: &Context<'_>,
    (session, directory): (BackgroundSession, &Path),
    problems: &Receiver<String>,
    stop: &Stop,
) -> Result<u8, Failure> {
    loop {
        match problems.recv_timeout(PATIENCE) {
            Ok(problem) => context.renderer.notice(&problem),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                if session.guard.is_finished() {
                    let ended = session.join();
                    return ended.map(|()| exit::DONE).map_err(|error| Failure::io(directory, "serve", &error));
                }
            }
        }
        if stop.is_asked() {
            unmount(context, session, directory);
            problems.try_iter().for_each(|problem| context.renderer.notice(&problem));
            return Ok(exit::DONE);
        }
    }
}

/// Ends the mount. Whoever still uses it sees it vanish.
fn unmount(context: &Context<'_>, session: BackgroundSession, directory: &Path) {
    if session.umount_and_join().is_ok() {
        return;
    }
    context.renderer.notice(&format!("{} was still in use, and is unmounted all the same", directory.display()));
    if umount2(directory, MntFlags::MNT_DETACH).is_err() {
        // Without root's rights only this one may; where it may not either, the kernel answers that nobody serves.
        let _ = Command::new("fusermount3").args(["-u", "-z", "-q", "--"]).arg(directory).status();
    }
}
