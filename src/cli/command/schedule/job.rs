//! What is to be run for a set, by whoever starts it.

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::profile::Loaded;
use crate::cli::surroundings::{CACHE_VARIABLE, Surroundings};
use crate::profile::{Calendar, Set};
use std::ffi::OsString;
use std::path::PathBuf;

/// The run of a set.
pub(super) struct Job<'a> {
    pub(super) set: &'a Set,
    /// The set's name among those of all profiles.
    pub(super) name: String,
    pub(super) calendar: &'a Calendar,
    pub(super) config: PathBuf,
    /// This program.
    pub(super) program: PathBuf,
    /// The variables that say where profile, state and cache are, which whoever starts the run may not set.
    pub(super) environment: Vec<(&'static str, OsString)>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        context: &Context<'_>,
        loaded: &Loaded,
        set: &'a Set,
        calendar: &'a Calendar,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe();
        let program = program.map_err(|error| Failure::failed(format!("can't tell where this program is: {error}")))?;
        let environment = folders(&context.surroundings);
        Ok(Self { set, name: loaded.name_of(set), calendar, config: loaded.path.clone(), program, environment })
    }

    /// The words after the program's name.
    pub(super) fn arguments(&self, due: &[&str]) -> Vec<OsString> {
        let mut config = OsString::from("--config=");
        config.push(&self.config);
        let due = due.iter().map(OsString::from);
        [config, "--quiet".into(), "run".into()].into_iter().chain(due).chain([self.set.name.as_str().into()]).collect()
    }
}

fn folders(surroundings: &Surroundings) -> Vec<(&'static str, OsString)> {
    // Without that of the profile the run would take it for another one than the usual, and remember it apart.
    let names = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
    let given = |name: &'static str| Some((name, surroundings.given_variable(name).filter(|value| !value.is_empty())?));
    let cache = surroundings.rooted_places().filter(|(name, _)| *name == CACHE_VARIABLE);
    names.into_iter().filter_map(given).chain(cache.map(|(name, place)| (name, place.into()))).collect()
}
