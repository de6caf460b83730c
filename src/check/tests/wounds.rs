//! Every object of a small repository, wounded in every way: what the check says against what a restore brings back.

mod bytes;
mod judge;
mod objects;
mod share;
mod story;

use crate::check::{CheckOptions, CheckReport};
use crate::id::SessionId;
use crate::key::Unlock;
use crate::progress::Silent;
use crate::prune::PruneOptions;
use crate::repository::{OpenOptions, Repository};
use crate::session::{AbortOutcome, SessionSpec};
use crate::store::{MemoryStore, ObjectName, Store};
use std::path::Path;
use std::sync::Arc;
use story::Story;

fn open(story: &Story, store: &MemoryStore, place: &Path) -> Repository {
    let options = OpenOptions::new(place.join("cache"), place.join("state"));
    Repository::open_store(Arc::new(store.clone()), Unlock::KeyFile(&story.secret), options).unwrap()
}

fn flip(store: &MemoryStore, name: ObjectName) {
    let mut bytes = store.read(&name, 1 << 20).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    store.overwrite(name, &bytes);
}

fn check(repository: &Repository) -> CheckReport {
    repository.check(&CheckOptions::default(), &Silent).unwrap()
}

fn told(report: &CheckReport) -> Vec<&str> {
    report.damage.iter().map(|damage| damage.object.as_str()).collect()
}

/// The view keeps outcomes. A check on the machine that made the backups went by those, and found nothing wrong as long
/// as the cache lasted.
#[test]
fn an_outcome_that_rots_is_told_also_where_the_view_has_kept_it() {
    let story = Story::new();
    let (store, place) = (story.store(), story::place());
    let repository = open(&story, &store, place.path());
    assert_eq!(check(&repository).damage, []);
    let rotten = story.kept[0].outcome;
    flip(&store, rotten);
    assert!(told(&check(&repository)).contains(&rotten.to_string().as_str()));
}

fn open_session(story: &Story) -> SessionId {
    let mut names = story.objects.keys();
    names.find_map(|name| if let ObjectName::Session(id) = name { Some(*id) } else { None }).unwrap()
}

/// No second copy is kept of it. Every prune refused to go on and named the command that ends the session, and that
/// command found no such session.
#[test]
fn an_open_session_whose_object_rots_is_told_and_can_be_ended_and_a_prune_goes_on() {
    let story = Story::new();
    let (store, place) = (story.store(), story::place());
    let repository = open(&story, &store, place.path());
    let id = open_session(&story);
    let name = ObjectName::Session(id);
    flip(&store, name);
    assert_eq!(told(&check(&repository)), [name.to_string()]);
    let prune = || {
        let options = PruneOptions::default();
        let plan = repository.plan_prune(&options, &Silent)?;
        repository.prune(plan, &options, &Silent)
    };
    // Nobody knows whether it lives, so nothing goes on, and how to end it is told.
    let refused = prune().map(drop).unwrap_err();
    assert!(refused.to_string().contains(&format!("sessions abort {id}")), "{refused}");
    let ended = repository.abort_session(&SessionSpec::short(id)).unwrap();
    assert_eq!(ended, (id, AbortOutcome::Aborted));
    assert_eq!(told(&check(&repository)), [name.to_string()], "until it is tidied away");
    prune().unwrap();
    assert!(store.read(&name, 1 << 20).is_err(), "a prune tidies it away");
    assert_eq!(check(&repository).damage, []);
}
