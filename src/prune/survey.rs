//! What a collector sees before it chooses: generations first, then packs, then everything that says what they are for.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{PackId, SegmentId, SessionId};
use crate::index::{PackEntry, PackOrdinal};
use crate::layout::{Class, HEADER_BYTES_MAX};
use crate::outcome::OutcomeKind;
use crate::pack::PackHeader;
use crate::progress::Progress;
use crate::session::{self, History, LettingGo};
use crate::store::{Folder, Listed, ObjectName};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A pack that a committed segment lists.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) ordinal: PackOrdinal,
    pub(super) class: Class,
    pub(super) bytes: u64,
    pub(super) chunk_count: u64,
    pub(super) segment: SegmentId,
    /// Whether the listing showed it, or it was there when it was looked for alone.
    pub(super) is_present: bool,
    /// Whether segments say different things of it: such a pack is left alone.
    pub(super) is_disputed: bool,
}

/// What was seen. Memory: some 200 bytes a pack.
pub(super) struct Survey {
    /// One above the highest generation that existed before anything else was looked at.
    pub(super) generation: u64,
    pub(super) history: History,
    pub(super) packs: BTreeMap<PackId, Known>,
    names: HashMap<PackOrdinal, PackId>,
    /// Packs that some generation condemns: its deleted set once published, else its condemned set.
    pub(super) condemned: HashSet<PackId>,
    /// All packs that the listing showed, and those that were there when they were looked for alone.
    pub(super) listed: HashMap<PackId, u64>,
    /// Packs that nobody committed and nobody will: their sessions are decided.
    pub(super) orphans: Vec<(PackId, u64)>,
    /// The lengths of packs that nobody committed yet: their sessions are open.
    pub(super) pending: Vec<(SessionId, u64)>,
    pub(super) notices: Vec<String>,
}

impl Survey {
    /// Looks. The order matters: a pack that the listing shows belongs to a session that was open by then, and a number
    /// that is noted first can only be taken by somebody who publishes it later.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when a control object can't be believed or is missing: nothing may be collected then.
    pub(super) fn take(access: &Access, earlier: History, progress: &dyn Progress) -> Result<Self> {
        let generation = highest_generation(access)?.saturating_add(1);
        let listed = list_packs(access)?;
        let history = sound_history(access, earlier)?;
        bring_up_to_date(access, &history)?;
        check_stopped(progress)?;
        let mut survey = Self::new(generation, listed, history);
        survey.refresh(access, generation)?;
        survey.find_orphans(access)?;
        Ok(survey)
    }

    /// Knows what was listed, and nothing of the view yet.
    pub(super) fn new(generation: u64, listed: HashMap<PackId, u64>, history: History) -> Self {
        Self {
            generation,
            condemned: HashSet::new(),
            history,
            packs: BTreeMap::new(),
            names: HashMap::new(),
            listed,
            orphans: Vec::new(),
            pending: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Learns from the view, which is up to date, and from the history what counts now, as a generation sees it: what it
    /// condemns itself is not held against its packs. Packs that came since the listing are looked for one by one.
    ///
    /// # Errors
    /// When the index or the store can't be read.
    pub(super) fn refresh(&mut self, access: &Access, own: u64) -> Result<()> {
        self.begin_anew(own);
        access.index.for_each_pack(&mut |ordinal, entry| self.learn(ordinal, entry))?;
        self.look_for(&mut |id| Ok(access.store.exists(&ObjectName::Pack(id))?))
    }

    /// Forgets the view, and takes from the history what other generations condemn.
    pub(super) fn begin_anew(&mut self, own: u64) {
        let others = self.history.generations.iter().filter(|generation| generation.number != own);
        self.condemned = others.flat_map(|generation| generation.packs.iter().copied()).collect();
        (self.packs, self.names) = (BTreeMap::new(), HashMap::new());
    }

    /// Learns of a pack that the view lists.
    pub(super) fn learn(&mut self, ordinal: PackOrdinal, entry: &PackEntry) {
        let known = Known {
            ordinal,
            class: entry.class,
            bytes: entry.bytes,
            chunk_count: entry.chunk_count,
            segment: entry.segment,
            is_present: false,
            is_disputed: false,
        };
        self.names.insert(ordinal, entry.id);
        self.packs.entry(entry.id).and_modify(|known| known.is_disputed = true).or_insert(known);
    }

    /// Tells packs that are there from those that are gone, once all that the view lists are known.
    pub(super) fn look_for(&mut self, is_there: &mut dyn FnMut(PackId) -> Result<bool>) -> Result<()> {
        for (id, known) in &mut self.packs {
            if !self.listed.contains_key(id) && !self.condemned.contains(id) && is_there(*id)? {
                self.listed.insert(*id, known.bytes);
            }
            known.is_present = self.listed.contains_key(id);
        }
        Ok(())
    }

    /// Whether a copy in this pack stays whatever this generation condemns, unless it is among `candidates`.
    pub(super) fn stays(&self, pack: PackOrdinal, candidates: &BTreeSet<PackId>) -> bool {
        let pack = self.names.get(&pack).and_then(|id| Some((id, self.packs.get(id)?)));
        pack.is_some_and(|(id, known)| known.is_present && !self.condemned.contains(id) && !candidates.contains(id))
    }

    /// The pack of an answer of the index.
    pub(super) fn name(&self, ordinal: PackOrdinal) -> Option<PackId> {
        self.names.get(&ordinal).copied()
    }

    /// Packs that a committed segment lists, that are there, and that no generation condemns.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&PackId, &Known)> {
        self.packs.iter().filter(|(id, known)| known.is_present && !self.condemned.contains(*id))
    }

    fn find_orphans(&mut self, access: &Access) -> Result<()> {
        let mut committed = CommittedPacks::default();
        for (id, bytes) in &self.unlisted() {
            let Some(session) = self.session_of(access, *id)? else { continue };
            let decided = match Stray::of(&self.history, session) {
                Stray::Pending => {
                    self.pending.push((session, *bytes));
                    continue;
                }
                Stray::Unknown => {
                    self.notices.push(format!(
                        "{} belongs to session {session}, of which the store knows nothing: it was left alone",
                        ObjectName::Pack(*id)
                    ));
                    continue;
                }
                Stray::Decided(kind) => kind,
            };
            if decided != OutcomeKind::Abort && committed.contain(access, session, *id)? {
                let message = format!(
                    "{} is committed by outcome {session} and listed by no segment; rebuild the segments with repair, \
                     then prune again",
                    ObjectName::Pack(*id)
                );
                return Err(Error::new(ErrorKind::Damaged, message));
            }
            self.orphans.push((*id, *bytes));
        }
        Ok(())
    }

    /// Packs that are there, that the view does not list, and that no generation condemns.
    pub(super) fn unlisted(&self) -> BTreeMap<PackId, u64> {
        let is_unknown = |id: &PackId| !self.packs.contains_key(id) && !self.condemned.contains(id);
        self.listed.iter().filter(|(id, _)| is_unknown(id)).map(|(id, bytes)| (*id, *bytes)).collect()
    }

    /// The session in a pack's header; none when the pack is gone again or its header can't be read.
    fn session_of(&mut self, access: &Access, id: PackId) -> Result<Option<SessionId>> {
        let object = match access.store.open(&ObjectName::Pack(id)) {
            Ok(object) => object,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let length = object.bytes().min(HEADER_BYTES_MAX.into());
        let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
        object.read_at(0, &mut header)?;
        match PackHeader::parse(Some(id), &header) {
            Ok(header) => Ok(Some(header.session)),
            Err(error) => {
                self.notices.push(format!("{} was left alone: {error}", ObjectName::Pack(id)));
                Ok(None)
            }
        }
    }
}

/// What may become of a pack that the view does not list, by the session in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stray {
    /// Its session is open, and may yet commit it.
    Pending,
    /// Nothing is known of its session.
    Unknown,
    /// Its session ended so. Unless the outcome commits the pack, nobody will.
    Decided(OutcomeKind),
}

impl Stray {
    pub(super) fn of(history: &History, session: SessionId) -> Self {
        if history.open.contains(&session) {
            return Self::Pending;
        }
        history.outcomes.get(&session).map_or(Self::Unknown, |outcome| Self::Decided(outcome.body.kind))
    }
}

/// The packs that one outcome commits, the last one asked about.
#[derive(Default)]
struct CommittedPacks(Option<(SessionId, Vec<PackId>)>);

impl CommittedPacks {
    fn contain(&mut self, access: &Access, session: SessionId, pack: PackId) -> Result<bool> {
        if self.0.as_ref().is_none_or(|(known, _)| *known != session) {
            self.0 = Some((session, session::committed_packs(access, session)?));
        }
        Ok(self.0.as_ref().is_some_and(|(_, packs)| packs.binary_search(&pack).is_ok()))
    }
}

/// Reads outcomes, records and sets from the store, whatever the view keeps of them, and refuses to go on when one of them
/// can't be believed or is missing.
///
/// # Errors
/// [`ErrorKind::Damaged`], with the object and what to do.
pub(super) fn sound_history(access: &Access, earlier: History) -> Result<History> {
    let mut history = earlier.reload(&access.without_view())?;
    session::require_sound(access, &mut history, LettingGo::Collecting)?;
    Ok(history)
}

/// Brings the view up to date, and refuses to go on when a segment is lost: its packs would look like garbage.
///
/// # Errors
/// [`ErrorKind::Damaged`] for a segment that is neither there nor replaced.
pub(super) fn bring_up_to_date(access: &Access, history: &History) -> Result<()> {
    let lost = session::bring_up_to_date(access, history)?;
    let Some(first) = lost.first() else { return Ok(()) };
    let message = format!(
        "nothing is collected while {} is missing; put it back from a second copy of the store, or rebuild the segments \
         with repair",
        ObjectName::Segment(first.id)
    );
    Err(Error::new(ErrorKind::Damaged, message))
}

/// The highest number of a generation that left a set; 0 when there is none.
pub(super) fn highest_generation(access: &Access) -> Result<u64> {
    let mut highest = 0;
    access.store.list(Folder::Gc, &mut |listed| {
        if let Listed::Object {
            name: ObjectName::Condemned { generation } | ObjectName::Deleted { generation }, ..
        } = listed
        {
            highest = generation.max(highest);
        }
    })?;
    Ok(highest)
}

pub(super) fn list_packs(access: &Access) -> Result<HashMap<PackId, u64>> {
    let mut packs = HashMap::new();
    access.store.list(Folder::Packs, &mut |listed| {
        if let Listed::Object { name: ObjectName::Pack(id), bytes } = listed {
            packs.insert(id, bytes);
        }
    })?;
    Ok(packs)
}
