//! `holdall schedule`: who starts the runs of sets, timers of systemd or cron.

mod crontab;
mod job;
mod systemd;

use super::run::{refuse_other_means, refuse_other_repository};
use crate::cli::arguments::{PlaceArguments, ScheduleArguments, ScheduleCommand};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use crate::cli::profile::Loaded;
use crate::cli::render::Style;
use crate::cli::render::run::moment_s;
use crate::cli::render::schedule::{Installed, PlannedText, schedule_table};
use crate::cli::render::text;
use crate::cli::runs::Runs;
use crate::cli::surroundings::is_same_file;
use crate::profile::{Calendar, RepositorySecret, Set, Standing, settled_by};
use crontab::Crontab;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use job::Job;
use std::path::Path;
use systemd::Units;

/// Who starts the runs.
enum Place {
    Systemd(Units),
    Cron,
}

/// The folder that is there where systemd runs the machine (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";

pub(crate) fn run(context: &Context<'_>, arguments: &ScheduleArguments) -> Result<u8, Failure> {
    refuse_other_repository(context)?;
    match &arguments.command {
        ScheduleCommand::Install { sets, place, dry_run: true } => preview(context, sets, place),
        ScheduleCommand::Install { sets, place, dry_run: false } => install(context, sets, place),
        ScheduleCommand::List { place } => list(context, place),
        ScheduleCommand::Remove { sets, place } => remove(context, sets, place),
    }
}

impl Place {
    fn of(context: &Context<'_>, arguments: &PlaceArguments) -> Result<Self, Failure> {
        let has_systemd = Path::new(SYSTEMD_RUNS).is_dir();
        let is_root = nix::unistd::geteuid().is_root();
        Ok(match arguments {
            PlaceArguments { into: Some(folder), .. } => Self::Systemd(Units::into(folder.clone())),
            PlaceArguments { cron: true, .. } => Self::Cron,
            PlaceArguments { system: true, .. } => Self::Systemd(Units::of_the_machine()),
            PlaceArguments { user: true, .. } => Self::Systemd(Units::of_the_user(&context.surroundings)?),
            _ if has_systemd && is_root => Self::Systemd(Units::of_the_machine()),
            _ if has_systemd => Self::Systemd(Units::of_the_user(&context.surroundings)?),
            _ => Self::Cron,
        })
    }
}

/// What is to be installed, all of it tested.
fn jobs<'a>(
    context: &Context<'_>,
    loaded: &'a Loaded,
    names: &[String],
    place: &Place,
) -> Result<Vec<Job<'a>>, Failure> {
    refuse_other_means(context)?;
    let mut jobs = Vec::new();
    for set in loaded.chosen(names)? {
        let Some(calendar) = &set.schedule else {
            if names.is_empty() {
                continue;
            }
            return Err(loaded.refuse(&format!("[set.{}] has no schedule: schedule = \"daily 02:30\"", set.name)));
        };
        loaded.plan(set)?;
        loaded.require_files(set)?;
        require_secret(loaded, set)?;
        if matches!((place, calendar), (Place::Cron, Calendar::Systemd(_))) {
            return Err(
                loaded.refuse(&format!("[set.{}]: its schedule is for systemd, and cron knows none such", set.name))
            );
        }
        if let (Place::Systemd(_), Calendar::Systemd(text)) = (place, calendar)
            && let Some(why) = systemd::refusal_of(text)
        {
            return Err(loaded.refuse(&format!("[set.{}]: its schedule is none for systemd: {why}", set.name)));
        }
        jobs.push(Job::new(context, loaded, set, calendar)?);
    }
    if jobs.is_empty() { Err(loaded.refuse("no set has a schedule: schedule = \"daily 02:30\"")) } else { Ok(jobs) }
}

/// Nobody is there to be asked, and the environment of whoever installs is not that of the run.
fn require_secret(loaded: &Loaded, set: &Set) -> Result<(), Failure> {
    let repository = loaded.repository_of(set)?;
    let is_named = repository.secret != RepositorySecret::Unnamed;
    is_named.then_some(()).ok_or_else(|| {
        let name = &repository.name;
        loaded.refuse(&format!(
            "[repository.{name}] needs a password-file, password-command or key-file to be run by itself"
        ))
    })
}

fn preview(context: &Context<'_>, names: &[String], place: &PlaceArguments) -> Result<u8, Failure> {
    let loaded = Loaded::find(&context.surroundings, context.global)?;
    let place = Place::of(context, place)?;
    for job in jobs(context, &loaded, names, &place)? {
        match &place {
            Place::Systemd(units) => {
                for (path, text) in units.files(&job)? {
                    context.renderer.print(&format!("{}:\n{text}\n", path.display()));
                    context.renderer.json(&PlannedText::new(job.set.name.as_str(), Some(&path), &text));
                }
            }
            Place::Cron => {
                let block = crontab::block(&job)?;
                match context.renderer.style() {
                    Style::Human => context.renderer.print_line(&block),
                    Style::Json => {
                        let text = String::from_utf8_lossy(&block);
                        context.renderer.json(&PlannedText::new(job.set.name.as_str(), None, &text));
                    }
                }
            }
        }
    }
    for entry in without_schedule(&loaded, names, &place)? {
        context.renderer.print(&format!("{}: would be taken away, it has no schedule any more\n", entry.set));
        context.renderer.json(&PlannedText::new(&entry.set, None, ""));
    }
    Ok(exit::DONE)
}

fn install(context: &Context<'_>, names: &[String], place: &PlaceArguments) -> Result<u8, Failure> {
    let loaded = Loaded::find(&context.surroundings, context.global)?;
    let place = Place::of(context, place)?;
    let jobs = jobs(context, &loaded, names, &place)?;
    match &place {
        Place::Systemd(units) => units.install(&jobs)?,
        Place::Cron => {
            let mut crontab = Crontab::read()?;
            for job in &jobs {
                crontab.put(job)?;
            }
            crontab.write()?;
        }
    }
    let runs = loaded.runs(&context.surroundings)?;
    for job in &jobs {
        begin_now(&runs, job)?;
        context.renderer.say(&format!("{}: {}\n", job.set.name, next_run(&runs, job.set)?));
    }
    let left_over = without_schedule(&loaded, names, &place)?;
    place.take_away(&left_over)?;
    for entry in left_over {
        context.renderer.say(&format!("{}: taken away, it has no schedule any more\n", entry.set));
    }
    Ok(exit::DONE)
}

/// What is installed at a place for sets that the profile had: all are meant unless some are named.
fn without_schedule(loaded: &Loaded, names: &[String], place: &Place) -> Result<Vec<Installed>, Failure> {
    let is_unread = matches!(place, Place::Cron) && !Crontab::is_there();
    if !names.is_empty() || is_unread {
        return Ok(Vec::new());
    }
    let has_schedule = |name: &str| loaded.profile.set(name).is_ok_and(|set| set.schedule.is_some());
    let mut installed = place.installed()?;
    installed.retain(|entry| is_same_file(&loaded.path, Path::new(&entry.config)) && !has_schedule(&entry.set));
    Ok(installed)
}

/// A set that has never run waits for the next moment of its calendar, as timers of systemd do.
fn begin_now(runs: &Runs, job: &Job<'_>) -> Result<(), Failure> {
    let held = match runs.hold(&job.set.name) {
        // It is being run, and will say so itself.
        Err(failure) if failure.exit_code() == exit::BUSY => return Ok(()),
        held => held?,
    };
    let mut record = runs.record(&job.set.name)?;
    if record.settled_s.is_none()
        && let Some(settled) = settled_by(job.calendar, Timestamp::now(), &TimeZone::system())
    {
        record.settled_s = Some(settled);
        runs.remember(&job.set.name, &record)?;
    }
    drop(held);
    Ok(())
}

/// When a set runs next, for people.
fn next_run(runs: &Runs, set: &Set) -> Result<String, Failure> {
    let standing = set.schedule.as_ref().map(|calendar| {
        let record = runs.record(&set.name)?;
        Ok::<_, Failure>(Standing::of(&record, calendar, Timestamp::now(), &TimeZone::system()))
    });
    Ok(match standing.transpose()? {
        Some(Standing::Later(next)) => format!("next run {}", text::time_s(next.as_second())),
        Some(Standing::Due) => "next run now".to_owned(),
        Some(Standing::Unknown) => "next run as systemd says".to_owned(),
        None => "no next run".to_owned(),
    })
}

/// All that is installed at a place, or at all places that can be looked at.
fn installed(context: &Context<'_>, arguments: &PlaceArguments) -> Result<Vec<Installed>, Failure> {
    let names_place = arguments.system || arguments.user || arguments.cron || arguments.into.is_some();
    if names_place {
        return Place::of(context, arguments)?.installed();
    }
    let mut all = Units::of_the_machine().installed()?;
    all.extend(Units::of_the_user(&context.surroundings)?.installed()?);
    if Crontab::is_there() {
        all.extend(Crontab::read()?.installed());
    }
    Ok(all)
}

impl Place {
    fn installed(&self) -> Result<Vec<Installed>, Failure> {
        match self {
            Self::Systemd(units) => units.installed(),
            Self::Cron => Ok(Crontab::read()?.installed()),
        }
    }

    fn take_away(&self, installed: &[Installed]) -> Result<(), Failure> {
        match self {
            _ if installed.is_empty() => Ok(()),
            Self::Systemd(units) => units.remove(installed),
            Self::Cron => {
                let mut crontab = Crontab::read()?;
                for entry in installed {
                    crontab.take_out(&entry.set, |config| config == Path::new(&entry.config));
                }
                crontab.write()
            }
        }
    }
}

fn list(context: &Context<'_>, place: &PlaceArguments) -> Result<u8, Failure> {
    let mut all = installed(context, place)?;
    // Only the profile at hand can be asked for its calendars.
    let loaded = Loaded::find(&context.surroundings, context.global).ok();
    for entry in &mut all {
        let is_of = |loaded: &&Loaded| is_same_file(&loaded.path, Path::new(&entry.config));
        let Some(loaded) = loaded.as_ref().filter(is_of) else { continue };
        let runs = loaded.runs(&context.surroundings)?;
        let Ok(set) = loaded.profile.set(&entry.set) else { continue };
        let Some(calendar) = &set.schedule else { continue };
        let record = runs.record(&set.name)?;
        entry.next_run_s = match Standing::of(&record, calendar, Timestamp::now(), &TimeZone::system()) {
            Standing::Later(next) => Some(next.as_second()),
            Standing::Due => Some(Timestamp::now().as_second()),
            Standing::Unknown => None,
        };
        entry.next_run = entry.next_run_s.map(moment_s);
    }
    all.iter().for_each(|entry| context.renderer.json(entry));
    context.renderer.print(&schedule_table(&all));
    Ok(exit::DONE)
}

/// What is to be removed: of the profile that was named, or of any. Of several sets of one name that were not told apart,
/// the one of the profile at hand is meant, if it is among them.
fn chosen(context: &Context<'_>, names: &[String], mut installed: Vec<Installed>) -> Vec<Installed> {
    let is_of = |entry: &Installed, profile: &Path| is_same_file(Path::new(&entry.config), profile);
    installed.retain(|entry| names.is_empty() || names.contains(&entry.set));
    if let Some(named) = context.surroundings.named_profile(context.global) {
        installed.retain(|entry| is_of(entry, &named));
    } else if let Some(usual) = context.surroundings.usual_profile().filter(|_| !names.is_empty()) {
        let of_usual = installed.iter().filter(|entry| is_of(entry, &usual));
        let its_sets: Vec<String> = of_usual.map(|entry| entry.set.clone()).collect();
        installed.retain(|entry| is_of(entry, &usual) || !its_sets.contains(&entry.set));
    }
    installed
}

fn remove(context: &Context<'_>, names: &[String], place: &PlaceArguments) -> Result<u8, Failure> {
    let place = Place::of(context, place)?;
    let installed = chosen(context, names, place.installed()?);
    if let Some(absent) = names.iter().find(|name| installed.iter().all(|entry| entry.set != **name)) {
        return Err(Failure::failed(format!(
            "the set {absent} is not installed there; `holdall schedule list` lists what is"
        )));
    }
    place.take_away(&installed)?;
    if installed.is_empty() {
        context.renderer.say("nothing is installed there; `holdall schedule list` lists what is\n");
    }
    installed.iter().for_each(|entry| context.renderer.say(&format!("{}: removed\n", entry.set)));
    Ok(exit::DONE)
}
