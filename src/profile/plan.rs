//! The command lines that a set comes to.

use super::document::{Repository, RepositorySecret};
use super::options::StepKind;
use super::set::{Set, Step};
use std::ffi::OsString;
use std::path::Path;

/// One command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedStep {
    pub(crate) kind: StepKind,
    /// What follows the program's name. No password stands in it.
    pub(crate) arguments: Vec<OsString>,
}

/// The command lines of a set's steps, in the order in which they run in the profile's folder.
///
/// Every snapshot gets two tags: the set's name, for people, and `own_tag`, which no other set of this host gives, be it
/// one of the same name in another profile. Unless the profile says itself which snapshots a forget is about, it is about
/// those of this host with the second one, as one series: two sets in one repository never apply their rules to each
/// other's snapshots, and the old ones of a set whose paths have changed age like the others.
pub(crate) fn plan(set: &Set, repository: &Repository, host: &str, own_tag: &str) -> Vec<PlannedStep> {
    let own_host = set.steps.iter().find(|step| step.kind == StepKind::Backup).and_then(|step| step.value("host"));
    let host = own_host.unwrap_or(host);
    let planned = set.steps.iter().map(|step| {
        let mut arguments = vec![step.kind.name().into(), "--json".into(), "--quiet".into()];
        arguments.extend(of_repository(repository));
        arguments.extend(step.options.iter().map(|given| OsString::from(given.argument())));
        arguments.extend(implied(step, set, host, own_tag).into_iter().map(OsString::from));
        if !step.paths.is_empty() {
            arguments.push("--".into());
            arguments.extend(step.paths.iter().map(OsString::from));
        }
        PlannedStep { kind: step.kind, arguments }
    });
    planned.collect()
}

fn implied(step: &Step, set: &Set, host: &str, own_tag: &str) -> Vec<String> {
    let own_tag = format!("--tag={own_tag}");
    match step.kind {
        StepKind::Backup => vec![format!("--tag={}", set.name), own_tag],
        StepKind::Forget if ["host", "tag", "path"].iter().any(|name| step.gives(name)) => Vec::new(),
        StepKind::Forget => {
            let group = (!step.gives("group-by")).then(|| "--group-by=host".to_owned());
            [format!("--host={host}"), own_tag].into_iter().chain(group).collect()
        }
        StepKind::Prune | StepKind::Check => Vec::new(),
    }
}

/// The options that say where the repository is and what opens it.
fn of_repository(repository: &Repository) -> Vec<OsString> {
    let with = |option: &str, value: &Path| {
        let mut argument = OsString::from(option);
        argument.push("=");
        argument.push(value);
        argument
    };
    let mut arguments = vec![with("--repo", &repository.store)];
    match &repository.secret {
        RepositorySecret::PasswordFile(path) => arguments.push(with("--password-file", path)),
        RepositorySecret::PasswordCommand(line) => arguments.push(format!("--password-command={line}").into()),
        RepositorySecret::KeyFile(path) => arguments.push(with("--key-file", path)),
        RepositorySecret::None => arguments.push("--insecure-no-password".into()),
        RepositorySecret::Unnamed | RepositorySecret::Password(_) => {}
    }
    arguments.extend(repository.cache_folder.iter().map(|folder| with("--cache-dir", folder)));
    arguments.extend(repository.memory.iter().map(|memory| OsString::from(format!("--memory={memory}"))));
    arguments
}
