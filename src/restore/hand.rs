//! The hand with which a restore touches its target: one that writes, or one that only looks and answers as if it had.

use crate::destination::{Destination, DestinationError, Existing, ExistingFile, Made, Metadata, MetadataSet, Present};
use crate::fs::Names;
use crate::manifest::{Device, Key, Kind};
use crate::restore::options::{Extras, Manner, Overwrite, RestoreOptions};

type Answer<T> = Result<T, DestinationError>;

/// Touches the target, or only looks at it.
pub(super) enum Hand {
    /// Writes.
    Writes(Destination),
    /// Looks; what would be removed is thought away.
    Looks(Destination, Extras),
    /// There is no target yet to look at: nothing lies anywhere.
    Imagines,
}

impl Hand {
    /// Opens the target; only to write, it is made if it is missing.
    pub(super) fn open(options: &RestoreOptions) -> Answer<Self> {
        match options.manner {
            Manner::Perform => {
                let destination = Destination::open(&options.target)?;
                // Only those who leave alone what is there have to know what an interrupted run left there.
                Ok(Self::Writes(match options.overwrite {
                    Overwrite::Always | Overwrite::IfChanged => destination,
                    Overwrite::IfNewer | Overwrite::Never => destination.marking_unfinished(),
                }))
            }
            Manner::Rehearse if options.target.exists() => {
                Destination::open(&options.target).map(|there| Self::Looks(there, options.extras))
            }
            Manner::Rehearse => Ok(Self::Imagines),
        }
    }

    /// What can be looked at.
    fn there(&self) -> Option<&Destination> {
        match self {
            Self::Writes(destination) | Self::Looks(destination, _) => Some(destination),
            Self::Imagines => None,
        }
    }

    /// What may be written to.
    pub(super) fn writes(&self) -> Option<&Destination> {
        match self {
            Self::Writes(destination) => Some(destination),
            Self::Looks(..) | Self::Imagines => None,
        }
    }

    pub(super) fn look(&self, key: &Key) -> Answer<Option<Present>> {
        self.there().map_or(Ok(None), |there| there.look(key))
    }

    pub(super) fn is_unfinished(&self, found: &Present) -> bool {
        self.there().is_some_and(|there| there.is_unfinished(found))
    }

    pub(super) fn open_existing(&self, key: &Key) -> Answer<Option<ExistingFile>> {
        self.there().map_or(Ok(None), |there| there.open_existing(key))
    }

    pub(super) fn hold_to(&self, key: &Key, found: &Present) {
        if let Some(destination) = self.writes() {
            destination.hold_to(key, found);
        }
    }

    pub(super) fn metadata_differs(&self, key: &Key, metadata: &Metadata) -> Answer<bool> {
        self.there().map_or(Ok(true), |there| there.metadata_differs(key, metadata))
    }

    /// The names in a directory that is there.
    pub(super) fn names(&self, key: &Key) -> Answer<Names> {
        match self {
            Self::Writes(destination) => {
                // One that its owner may not read is opened up.
                destination.make_directory(key)?;
                destination.names(key)
            }
            Self::Looks(destination, _) => destination.names(key),
            Self::Imagines => Ok(Names::default()),
        }
    }

    /// Whether nothing is in a directory that is there.
    pub(super) fn is_empty(&self, key: &Key) -> Answer<bool> {
        self.there().map_or(Ok(true), |there| there.is_empty(key))
    }

    pub(super) fn make_directory(&self, key: &Key) -> Answer<Made> {
        match self {
            Self::Writes(destination) => destination.make_directory(key),
            Self::Looks(destination, _) => match destination.look(key)? {
                Some(found) if found.kind == Kind::Directory => Ok(Made::Reused),
                _ => Ok(Made::New),
            },
            Self::Imagines => Ok(Made::New),
        }
    }

    /// Makes a directory where nothing lies.
    pub(super) fn make_new_directory(&self, key: &Key) -> Answer<()> {
        self.writes().map_or(Ok(()), |destination| destination.make_new_directory(key))
    }

    pub(super) fn make_symlink(&self, key: &Key, target: &[u8], existing: Existing) -> Answer<Made> {
        match self {
            Self::Writes(destination) => destination.make_symlink(key, target, existing),
            Self::Looks(there, _) => self.as_if(key, there.is_symlink(key, target, existing)?),
            Self::Imagines => Ok(Made::New),
        }
    }

    pub(super) fn make_special(&self, key: &Key, node: (Kind, Device), existing: Existing) -> Answer<Made> {
        match self {
            Self::Writes(destination) => destination.make_special(key, node, existing),
            Self::Looks(there, _) => self.as_if(key, there.is_special(key, node, existing)?),
            Self::Imagines => Ok(Made::New),
        }
    }

    /// `first` is where the file lies already; one that is yet to be made has no other name.
    pub(super) fn make_link(&self, first: &Key, key: &Key) -> Answer<Made> {
        match self {
            Self::Writes(destination) => destination.make_link(first, key),
            Self::Looks(there, _) => self.as_if(key, there.is_link(first, key)?),
            Self::Imagines => Ok(Made::New),
        }
    }

    pub(super) fn set_metadata(&self, key: &Key, metadata: &Metadata) -> Answer<MetadataSet> {
        match self {
            Self::Writes(destination) => destination.set_metadata(key, metadata),
            Self::Looks(destination, _) => {
                let changed = destination.metadata_differs(key, metadata)?;
                Ok(MetadataSet { changed, shortfalls: Vec::new() })
            }
            Self::Imagines => Ok(MetadataSet::default()),
        }
    }

    /// Removes anything but a directory.
    pub(super) fn remove_entry(&self, key: &Key) -> Answer<()> {
        self.writes().map_or(Ok(()), |destination| destination.remove_entry(key))
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(&self, key: &Key) -> Answer<()> {
        self.writes().map_or(Ok(()), |destination| destination.remove_directory(key))
    }

    /// Whether what lies in the way of something could be taken out of it; who writes will see.
    pub(super) fn check_way(&self, key: &Key) -> Answer<()> {
        match self {
            Self::Looks(there, Extras::Keep) => there.check_way(key),
            Self::Looks(_, Extras::Delete) | Self::Writes(_) | Self::Imagines => Ok(()),
        }
    }

    /// What making something would say: what is there is as wanted, or is taken out of the way if that can be done.
    fn as_if(&self, key: &Key, is_there: bool) -> Answer<Made> {
        if is_there {
            return Ok(Made::Reused);
        }
        self.check_way(key).map(|()| Made::New)
    }

    /// Ends a restore that went through.
    pub(super) fn complete(&self) -> Answer<()> {
        self.writes().map_or(Ok(()), Destination::complete)
    }

    /// Puts back what was changed for the time of the restore.
    pub(super) fn settle(&self) -> Answer<()> {
        self.writes().map_or(Ok(()), Destination::settle)
    }
}
