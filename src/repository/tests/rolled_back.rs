//! A store that was set back to an earlier state.

use crate::progress::Silent;
use crate::prune::MaxUnused;
use crate::repository::*;
use crate::session::ClientState;
use std::collections::BTreeMap;
use std::path::PathBuf;

const PASSWORD: Unlock<'static> = Unlock::Password(b"rolled back");

struct Place(tempfile::TempDir);

impl Place {
    /// With an empty tree and a new repository.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("tree")).unwrap();
        let create = CreateOptions::default().kdf(KdfCost::CHEAP);
        Repository::create(&place.path("repository"), PASSWORD, &create).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, accept: AcceptRollback) -> Repository {
        let options = OpenOptions::new(self.path("cache"), self.path("state")).accept_rollback(accept);
        Repository::open(&self.path("repository"), PASSWORD, options).unwrap()
    }

    fn back_up(&self, content: &str) {
        std::fs::write(self.path("tree/file"), content).unwrap();
        let options = BackupOptions::new([self.path("tree")]);
        self.open(AcceptRollback::Refuse).backup(&options, &Silent).unwrap();
    }

    fn prune(&self, accept: AcceptRollback) -> Result<PruneReport> {
        let (repository, options) = (self.open(accept), PruneOptions::default().max_unused(MaxUnused::Bytes(0)));
        let plan = repository.plan_prune(&options, &Silent)?;
        repository.prune(plan, &options, &Silent)
    }

    fn client(&self) -> ClientState {
        session::load(&self.open(AcceptRollback::Refuse).access).unwrap()
    }

    /// Every file of the repository.
    fn objects(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.path("repository")]);
        while let Some(folder) = folders.pop() {
            for found in std::fs::read_dir(folder).unwrap() {
                let path = found.unwrap().path();
                if path.is_dir() { folders.push(path) } else { drop(files.insert(path.clone(), read(&path))) }
            }
        }
        files
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_prune_changes_nothing_in_it_unless_that_is_accepted() {
    let place = Place::new();
    place.back_up("first");
    let earlier = place.objects();
    place.back_up("second");
    for path in place.objects().keys().filter(|path| !earlier.contains_key(*path)) {
        std::fs::remove_file(path).unwrap();
    }
    let (before, knows) = (place.objects(), place.client());

    let refused = place.prune(AcceptRollback::Refuse).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RolledBack, "{refused}");
    assert!(place.objects() == before && place.client() == knows);
    place.prune(AcceptRollback::Accept).unwrap();
    assert_ne!(place.client().client, knows.client);
    place.prune(AcceptRollback::Refuse).unwrap();
}

/// What was signed with a stolen key counts again where the configuration is gone that ended it.
#[test]
fn config_8_what_lacks_a_configuration_that_this_machine_has_seen_is_written_to_only_if_that_is_accepted() {
    let place = Place::new();
    place.back_up("first");
    let guest = crate::keys::NewKeyOptions::new("guest").kdf(KdfCost::CHEAP);
    let guest = guest.grant(crate::keys::Grant::NewKey(crate::config::Role::Read));
    let added = place.open(AcceptRollback::Refuse).add_key(Unlock::Password(b"guest"), &guest).unwrap();
    let earlier = place.objects();
    place.open(AcceptRollback::Refuse).remove_key(&added.id.to_string()).unwrap();
    drop(place.open(AcceptRollback::Refuse));

    let config = place.path("repository/config/2");
    let newest = read(&config);
    std::fs::remove_file(&config).unwrap();
    let refused = place.prune(AcceptRollback::Refuse).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RolledBack, "{refused}");
    assert!(refused.to_string().contains("configuration 2"), "{refused}");
    // It is back, as where a file system was late.
    std::fs::write(&config, newest).unwrap();
    place.prune(AcceptRollback::Refuse).unwrap();

    // Another one of the same number is not the one that was seen.
    for (path, _) in place.objects().into_iter().filter(|(path, _)| !earlier.contains_key(path)) {
        std::fs::remove_file(path).unwrap();
    }
    let other = place.open(AcceptRollback::Accept).add_key(Unlock::Password(b"other"), &guest);
    assert!(other.is_ok() && config.exists());
    assert_eq!(place.prune(AcceptRollback::Refuse).unwrap_err().kind(), ErrorKind::RolledBack);
    place.prune(AcceptRollback::Accept).unwrap();
    place.prune(AcceptRollback::Refuse).unwrap();
}

/// A client's state of which one bit had flipped was taken for none: a repository that was set back was written to, and
/// nobody was told that it could not be known.
#[test]
fn what_this_machine_had_seen_and_can_not_read_any_more_is_said_once_and_keeps_no_backup_from_being_made() {
    let place = Place::new();
    let back_up = |repository: &Repository| {
        let report = repository.backup(&BackupOptions::new([place.path("tree")]), &Silent).unwrap();
        (repository.notices().to_vec(), report.notices)
    };
    let open = || place.open(AcceptRollback::Refuse);
    assert_eq!(back_up(&open()), (vec![], vec![]));
    let state = open().access.state_dir.clone();
    let tear = |file: &str| {
        let mut bytes = read(&state.join(file));
        *bytes.first_mut().unwrap() ^= 1;
        std::fs::write(state.join(file), bytes).unwrap();
    };
    let hide = |file: &str| {
        std::fs::remove_file(state.join(file)).unwrap();
        std::fs::create_dir(state.join(file)).unwrap();
    };
    let says = |notices: &[String], file: &str, why: &str| {
        let [notice] = notices else { panic!("{notices:?}") };
        assert!(notice.contains("no longer knows what it had seen"), "{notice}");
        assert!(notice.contains(&format!("{} {why}", state.join(file).display())), "{notice}");
    };

    for file in ["client", "configuration"] {
        tear(file);
        let (opened, reported) = back_up(&open());
        says(&opened, file, "is torn");
        assert_eq!(reported, Vec::<String>::new(), "it was said");
        assert_eq!(back_up(&open()), (vec![], vec![]), "it has begun anew");

        // Since it was opened.
        let repository = open();
        tear(file);
        let (opened, reported) = back_up(&repository);
        assert_eq!(opened, Vec::<String>::new());
        says(&reported, file, "is torn");
    }

    let knows = place.client();
    hide("client");
    let (opened, reported) = back_up(&open());
    says(&opened, "client", "can't be read: ");
    assert!(reported.iter().all(|notice| notice.contains("can't keep in mind")), "{reported:?}");
    std::fs::remove_dir(state.join("client")).unwrap();
    assert_ne!(place.client().client, knows.client);
    hide("configuration");
    let (opened, reported) = back_up(&open());
    says(&opened, "configuration", "can't be read: ");
    assert_eq!(reported, Vec::<String>::new());
}
