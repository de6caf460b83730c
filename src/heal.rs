//! Healing: right bytes in the place of damaged ones, by anybody, without a key. A pack comes back from its parity, a
//! small object from its second copy, and both of these from what they were made of. What is right is never touched: the
//! store holds both sides to the object's name. format-spec/01-store.md and 15-parity.md.

mod protection;

#[cfg(test)]
mod tests;

pub use protection::{ProtectOptions, ProtectReport, protect_all};

use crate::error::{Error, ErrorKind, Result};
use crate::id::PackId;
use crate::parity::{self, HEAD_BYTES, ParityHead, Percent, ReadError};
use crate::read_buffer::ReadBuffer;
use crate::store::{
    self, Created, Folder, Listed, Mirrored, Object, ObjectName, Pieces, Proof, Spool, Store, StoreError,
};
use std::collections::{BTreeMap, BTreeSet};

/// How much of an object is copied at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Longest object that is created from its second copy.
const COPIED_BYTES_MAX: u64 = 72 << 20;

/// What healed an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cure {
    /// Shards of a pack came back from its parity. None where the pack was only too long.
    Parity {
        /// How many.
        shard_count: u64,
    },
    /// The second copy's bytes stand in the first one's place.
    SecondCopy,
    /// The first copy's bytes stand in the second one's place.
    FirstCopy,
    /// Parity was made anew from its pack.
    MadeAnew,
    /// It was right when it was looked at again.
    Unneeded,
}

impl std::fmt::Display for Cure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Parity { shard_count: 1 } => f.write_str("1 lost piece came back from its parity"),
            Self::Parity { shard_count } => write!(f, "{shard_count} lost pieces came back from its parity"),
            Self::SecondCopy => f.write_str("written anew from its second copy"),
            Self::FirstCopy => f.write_str("written anew from the object that it is a copy of"),
            Self::MadeAnew => f.write_str("made anew from its pack"),
            Self::Unneeded => f.write_str("right when it was read once more"),
        }
    }
}

/// What second copies tell of objects that are not there.
#[derive(Debug, Default)]
pub struct Gone {
    /// Those that are lost, and have one of their own.
    pub lost: BTreeSet<ObjectName>,
    /// Second copies of another object, under a name that may never have been one's; with that object.
    pub doubled: BTreeMap<ObjectName, ObjectName>,
}

impl Gone {
    /// Looks for them.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub fn find(store: &dyn Store) -> Result<Self> {
        let mut lost = lost_with_copy(store)?;
        let doubled = store::doubles(store, &lost.iter().filter_map(ObjectName::mirror).collect())?;
        lost.retain(|name| name.mirror().is_none_or(|copy| !doubled.contains_key(&copy)));
        Ok(Self { lost, doubled })
    }

    /// What is wrong with the second copies of other objects.
    pub fn told(&self) -> impl Iterator<Item = (&ObjectName, String)> {
        let wrong = |own| format!("it is a second copy of {own}, and there is no object of its own name");
        self.doubled.iter().map(move |(copy, own)| (copy, wrong(own)))
    }

    /// Of what is lost that of which another one's second copy has the same bytes: only a key tells whose they are.
    fn undecided(&self, store: &dyn Store) -> BTreeSet<ObjectName> {
        let mut ends = BTreeMap::<[u8; 32], Vec<ObjectName>>::new();
        for name in &self.lost {
            let copy = name.mirror().and_then(|copy| store.open(&copy).ok());
            if let Some(end) = copy.and_then(|copy| store::end_of(copy.as_ref()).ok()) {
                ends.entry(end).or_default().push(*name);
            }
        }
        ends.into_values().filter(|names| names.len() > 1).flatten().collect()
    }
}

/// What is gone although nobody removes it, as the name of its second copy tells, whatever that holds: configurations,
/// outcomes, records; and all key slots, if none is left.
///
/// # Errors
/// When the store can't be listed.
pub fn lost_with_copy(store: &dyn Store) -> Result<BTreeSet<ObjectName>> {
    let mut copied = BTreeSet::new();
    store.list(Folder::Mirror, &mut |listed| {
        if let Listed::Object { name: ObjectName::Mirror(copy), .. } = listed
            && matches!(copy, Mirrored::Config(_) | Mirrored::Key(_) | Mirrored::Outcome(_) | Mirrored::Record(..))
        {
            copied.insert(copy.first());
        }
    })?;
    // What is created meanwhile is there before its copy is.
    for folder in [Folder::Config, Folder::Outcomes, Folder::Records] {
        store.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed {
                copied.remove(&name);
            }
        })?;
    }
    // Others are removed, but never the one that opened the repository for it: while one is there, none is lost.
    let mut is_locked = true;
    store.list(Folder::Keys, &mut |listed| is_locked &= !matches!(listed, Listed::Object { .. }))?;
    copied.retain(|name| is_locked || !matches!(name, ObjectName::Key(_)));
    Ok(copied)
}

/// Creates what is lost from its second copies; `each` is told what became of it, and of second copies of another object
/// that fit their name all the same. One that is there by then is not told of.
///
/// # Errors
/// When the store can't be listed.
pub fn bring_back_lost(store: &dyn Store, each: &mut dyn FnMut(&ObjectName, Result<()>)) -> Result<()> {
    let gone = Gone::find(store)?;
    for (copy, wrong) in gone.told().filter(|(copy, _)| !is_of_config(copy)) {
        each(copy, Err(Error::new(ErrorKind::Damaged, format!("{wrong}; remove it once that one is sound"))));
    }
    let undecided = gone.undecided(store);
    for name in &gone.lost {
        if undecided.contains(name) {
            let why =
                "it is gone, as is another one with the same second copy; `holdall check --repair` tells whose it is";
            each(name, Err(beyond(name, why)));
            continue;
        }
        match bring_back(store, name) {
            Ok(Created::New) => each(name, Ok(())),
            Ok(Created::Exists) => {}
            Err(error) => each(name, Err(error)),
        }
    }
    Ok(())
}

fn is_of_config(copy: &ObjectName) -> bool {
    matches!(copy, ObjectName::Mirror(Mirrored::Config(_)))
}

/// Heals one damaged object that is there.
///
/// # Errors
/// [`ErrorKind::Damaged`] says why it can't be healed; or what the store says.
pub fn heal(store: &dyn Store, name: &ObjectName) -> Result<Cure> {
    match (name, name.mirror()) {
        (ObjectName::Pack(pack), _) => heal_pack(store, *pack),
        (ObjectName::Parity(pack), _) => make_anew(store, *pack),
        (ObjectName::Mirror(copy), _) => copied(store, &copy.first(), name, Cure::FirstCopy),
        (_, Some(mirror)) => copied(store, &mirror, name, Cure::SecondCopy),
        (_, None) => Err(beyond(name, "of its kind no second copy is kept")),
    }
}

/// Whether a second copy holds other bytes than the object whose name it bears, as that object's name or checksum proves. If
/// the copy's own checksum holds, it is a copy of another one. What is gone is not.
///
/// # Errors
/// When one of them can't be read.
pub fn is_of_another(store: &dyn Store, first: &ObjectName, copy: &dyn Object) -> Result<bool, StoreError> {
    let object = match store.open(first) {
        Err(error) if error.is_not_found() => return Ok(false),
        opened => opened?,
    };
    // Of two sound ones the checksums at their ends differ. What a hash names has none, but can't be sound under two names.
    let is_other = object.bytes() != copy.bytes() || store::end_of(object.as_ref())? != store::end_of(copy)?;
    Ok(is_other && store::is_proven(first, object.as_ref())?)
}

fn bring_back(store: &dyn Store, name: &ObjectName) -> Result<Created> {
    let mirror = name.mirror().ok_or_else(|| beyond(name, "of its kind no second copy is kept"))?;
    if !store::is_proven(&mirror, store.open(&mirror)?.as_ref())? {
        return Err(beyond(name, "it is gone, and its second copy is damaged"));
    }
    Ok(store.create(name, &store.read(&mirror, COPIED_BYTES_MAX)?)?)
}

fn heal_pack(store: &dyn Store, pack: PackId) -> Result<Cure> {
    let name = ObjectName::Pack(pack);
    let parity = match store.open(&ObjectName::Parity(pack)) {
        Ok(parity) => parity,
        Err(error) if error.is_not_found() => return Err(beyond(&name, "there is no parity of it")),
        Err(error) => return Err(beyond(&name, &unread(&error))),
    };
    let damaged = store.open(&name)?;
    let mut read = |offset: u64, buffer: &mut [u8]| damaged.read_at(offset, buffer);
    let mut read_parity = |offset: u64, buffer: &mut [u8]| parity.read_at(offset, buffer);
    let unhealed = |error: ReadError<StoreError>| match error {
        ReadError::Source(error) => Error::from(error),
        ReadError::Parity(error) => beyond(&name, &error.to_string()),
    };
    let healing = parity::diagnose(pack, (parity.bytes(), &mut read_parity), &mut read);
    let healing = healing.map_err(|error| match error {
        ReadError::Source(error) => beyond(&name, &unread(&error)),
        error @ ReadError::Parity(_) => unhealed(error),
    })?;
    let mut spool = store.mend(&name, Proof::Plain)?;
    let mut pieces = Gathered::over(spool.as_mut());
    healing.write(&mut read, &mut |bytes| pieces.append(bytes)).map_err(unhealed)?;
    pieces.finish()?;
    let shard_count = u64::try_from(healing.lost_count()).unwrap_or(u64::MAX);
    finished(spool, &name, Cure::Parity { shard_count })
}

fn unread(error: &StoreError) -> String {
    format!("its parity can't be read: {error}")
}

fn make_anew(store: &dyn Store, pack: PackId) -> Result<Cure> {
    let name = ObjectName::Parity(pack);
    let former = former_percent(store.open(&name)?.as_ref(), pack);
    let percent = former.unwrap_or_else(|| protection::asked_percent(store));
    let bytes = store::parity_of(store, pack, percent).map_err(|error| beyond(&name, &error.to_string()))?;
    let mut spool = store.mend(&name, Proof::Plain)?;
    spool.append(&bytes)?;
    finished(spool, &name, Cure::MadeAnew)
}

/// What a damaged parity object was made with, as far as its head still says so.
fn former_percent(object: &dyn Object, pack: PackId) -> Option<Percent> {
    let mut head = [0; HEAD_BYTES];
    object.read_at(0, &mut head).ok()?;
    let shape = ParityHead::parse(pack, object.bytes(), &head).ok()?.shape;
    let percent = shape.parity_count().saturating_mul(100).checked_div(shape.group_shards())?;
    Percent::parse(u8::try_from(percent).ok()?.clamp(1, Percent::MAX))
}

fn copied(store: &dyn Store, from: &ObjectName, to: &ObjectName, cure: Cure) -> Result<Cure> {
    let source = match store.open(from) {
        Ok(source) => source,
        Err(error) if error.is_not_found() => return Err(beyond(to, &format!("{from} is not there"))),
        Err(error) => return Err(error.into()),
    };
    if !store::is_proven(from, source.as_ref())? {
        return Err(beyond(to, &format!("{from} is damaged as well")));
    }
    require_kept_elsewhere(store, to)?;
    let mut spool = store.mend(to, Proof::Plain)?;
    let mut buffer = ReadBuffer::new(PIECE_BYTES);
    let mut pieces = Pieces::of(source.as_ref(), 0..source.bytes(), &mut buffer);
    while let Some(piece) = pieces.read()? {
        spool.append(piece)?;
    }
    finished(spool, to, cure)
}

/// Of configurations that were mixed up one may lie nowhere but under another one's name: that is all that is left of it.
fn require_kept_elsewhere(store: &dyn Store, name: &ObjectName) -> Result<()> {
    let found = store.open(name).and_then(|object| store::misplaced_config(name, object.as_ref()));
    // What can't be read is as good as damaged.
    let Some(number) = found.unwrap_or(None) else { return Ok(()) };
    let own = ObjectName::Config(number);
    let is_there = |own: &ObjectName| store.open(own).and_then(|object| store::is_proven(own, object.as_ref()));
    if [Some(own), own.mirror()].iter().flatten().any(|own| is_there(own).unwrap_or(false)) {
        return Ok(());
    }
    let why = format!("configuration {number} lies there and nowhere else; copy it to {own} first");
    Err(beyond(name, &why))
}

fn finished(spool: Box<dyn Spool>, name: &ObjectName, cure: Cure) -> Result<Cure> {
    match spool.publish(name) {
        Ok(Created::New) => Ok(cure),
        Ok(Created::Exists) => Ok(Cure::Unneeded),
        Err(error @ StoreError::Unproven { .. }) => Err(beyond(name, &error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn beyond(name: &ObjectName, why: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("{name} can't be healed: {why}"))
}

/// Gathers shards into pieces that are worth a call to the system.
struct Gathered<'a> {
    spool: &'a mut dyn Spool,
    shards: Vec<u8>,
}

impl<'a> Gathered<'a> {
    fn over(spool: &'a mut dyn Spool) -> Self {
        Self { spool, shards: Vec::with_capacity(PIECE_BYTES) }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.shards.extend_from_slice(bytes);
        if self.shards.len() < PIECE_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.spool.append(&self.shards)?;
        self.shards.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.write()
    }
}
