//! Reading packs in full, and what can still be read of those that can't be.

use crate::access::Access;
use crate::content::{OpenPack, open_pack};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::frame::{Frame, FrameDecoder};
use crate::heal;
use crate::id::{ChunkId, PackId, SessionId};
use crate::layout::{Class, FramePlace, FrameTable, HEADER_BYTES_MAX};
use crate::pack::{Found, PackHeader, PackSource, Scan};
use crate::segment::{PackFacts, PackRow};
use crate::store::{Object, ObjectName, StoreError, is_proven};

/// Takes a chunk that was read, under the id that it has.
pub(super) type Take<'t> = dyn FnMut(Class, ChunkId, &[u8]) -> Result<()> + 't;

/// One thread's means to read packs. Memory: a frame.
pub(super) struct PackReader<'a> {
    access: &'a Access,
    decoder: FrameDecoder,
    stored: Vec<u8>,
}

/// A pack's bytes as the scan wants them.
struct Source<'o>(&'o dyn Object);

impl PackSource for Source<'_> {
    type Error = StoreError;

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.0.read_at(offset, buffer)
    }
}

impl<'a> PackReader<'a> {
    pub(super) fn new(access: &'a Access) -> Self {
        Self { access, decoder: FrameDecoder::new(), stored: Vec::new() }
    }

    /// The row of a pack as its own bytes tell it, each of which is proved; or what is wrong with it. What is read wrong
    /// is read again first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a sound pack of a newer program, [`ErrorKind::Denied`] when the key may not read
    /// it, [`ErrorKind::ReadOnly`] when this user may not, [`ErrorKind::Exhausted`].
    pub(super) fn derive(&mut self, pack: PackId, session: SessionId) -> Result<Result<PackRow, String>> {
        match self.derive_once(pack, session)? {
            Ok(row) => Ok(Ok(row)),
            Err(_) => self.derive_once(pack, session),
        }
    }

    /// As [`Self::derive`]; a pack that is damaged is healed first, where its parity can do that.
    ///
    /// # Errors
    /// As [`Self::derive`].
    pub(super) fn derive_healed(&mut self, pack: PackId, session: SessionId) -> Result<Result<PackRow, String>> {
        let derived = self.derive(pack, session)?;
        if derived.is_err() && heal::heal(self.access.store.as_ref(), &ObjectName::Pack(pack)).is_ok() {
            return self.derive(pack, session);
        }
        Ok(derived)
    }

    /// What is wrong with a pack that a segment lists; nothing, if all of it is as the segment says.
    ///
    /// # Errors
    /// As [`Self::derive`].
    pub(super) fn prove(&mut self, row: &PackRow) -> Result<Option<String>> {
        Ok(match self.derive(row.facts().pack, row.facts().session)? {
            Ok(found) if found.frames() == row.frames() && found.ids() == row.ids() => None,
            Ok(_) => Some("it holds other chunks than the index says".to_owned()),
            Err(wrong) => Some(wrong),
        })
    }

    fn derive_once(&mut self, pack: PackId, session: SessionId) -> Result<Result<PackRow, String>> {
        let name = ObjectName::Pack(pack);
        let object = match self.access.store.open(&name) {
            Ok(object) => object,
            // That this user may not read it says nothing about its bytes.
            Err(error) if error.is_read_only() => return Err(error.into()),
            Err(error) => return found(error).map(Err),
        };
        object.forget_cached();
        match is_proven(&name, object.as_ref()) {
            Ok(true) => {}
            Ok(false) => return Ok(Err("its bytes do not hash to its name".to_owned())),
            Err(error) if error.is_read_only() => return Err(error.into()),
            Err(error) => return found(error).map(Err),
        }
        // These bytes are what its writer wrote: what can't be opened now is not damaged.
        let open = match open_pack(self.access, pack) {
            Ok(open) if open.opener.opens_frames() => open,
            Ok(open) => {
                let class = open.opener.header().class;
                let message = format!("{} can't be read with this key: {class}", ObjectName::Pack(pack));
                return Err(Error::new(ErrorKind::Denied, message));
            }
            Err(error) if error.kind() == ErrorKind::Damaged => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok(self.row_of(&open, session))
    }

    fn row_of(&mut self, open: &OpenPack, session: SessionId) -> Result<PackRow, String> {
        let frames = open.opener.read_footer(&Source(open.object.as_ref())).map_err(|error| chain(&error))?;
        let class = open.opener.header().class;
        let mut ids = Vec::new();
        for frame in frames.frames() {
            let access = self.access;
            let fits = self.with_frame(open, frame.place, |found| {
                ids.extend(access.naming.ids_of(class, found.chunks()));
                found.lengths() == frame.lengths
            })?;
            if !fits {
                return Err(format!("frame {} holds other chunks than its footer says", frame.place.number));
            }
        }
        let facts = PackFacts {
            pack: open.id,
            class,
            bytes: open.object.bytes(),
            // Who has read all of a pack vouches for it.
            signer: self.access.ring.signer(),
            session,
        };
        PackRow::new(facts, frames, ids).map_err(|error| chain(&error))
    }

    /// Gives every chunk that can be read of a pack whose bytes are not right. `known` is its frame table, where a
    /// segment has told it: the one of the footer is preferred, and without both the frames are searched for.
    ///
    /// # Errors
    /// Those of `take`, and [`ErrorKind::Exhausted`].
    pub(super) fn salvage(&mut self, pack: PackId, known: Option<&FrameTable>, take: &mut Take<'_>) -> Result<()> {
        let open = match open_pack(self.access, pack).or_else(|_| open_pack(self.access, pack)) {
            Ok(open) => open,
            Err(error) => return error.found().map(drop),
        };
        let footer = open.opener.read_footer(&Source(open.object.as_ref())).ok();
        let Some(table) = footer.as_ref().or(known) else { return self.salvage_by_scan(&open, take) };
        for frame in table.frames() {
            if self.give_frame(&open, frame.place, take)?.is_err() {
                open.object.forget_cached();
                let _ = self.give_frame(&open, frame.place, take)?;
            }
        }
        Ok(())
    }

    fn salvage_by_scan(&mut self, open: &OpenPack, take: &mut Take<'_>) -> Result<()> {
        let source = Source(open.object.as_ref());
        let Ok(mut scan) = Scan::new(&open.opener, &source) else { return Ok(()) };
        let class = open.opener.header().class;
        while let Ok(Some(found)) = scan.step() {
            if let Found::Frame(_, plaintext) = found
                && let Ok(frame) = self.decoder.decode(plaintext)
            {
                give(self.access, class, &frame, take)?;
            }
        }
        Ok(())
    }

    fn give_frame(&mut self, open: &OpenPack, place: FramePlace, take: &mut Take<'_>) -> Result<Result<(), String>> {
        let (access, class) = (self.access, open.opener.header().class);
        match self.with_frame(open, place, |frame| give(access, class, frame, take)) {
            Ok(given) => given.map(Ok),
            Err(wrong) => Ok(Err(wrong)),
        }
    }

    fn with_frame<T>(
        &mut self,
        open: &OpenPack,
        place: FramePlace,
        with: impl FnOnce(&Frame<'_>) -> T,
    ) -> Result<T, String> {
        let end = u64::from(place.offset).saturating_add(place.stored_bytes.into());
        if end > open.object.bytes() {
            return Err(format!("it ends before frame {}", place.number));
        }
        self.stored.resize(usize::try_from(place.stored_bytes).unwrap_or(usize::MAX), 0);
        open.object.read_at(place.offset.into(), &mut self.stored).map_err(|error| chain(&error))?;
        let plaintext = open.opener.open_frame(place, &mut self.stored).map_err(|error| chain(&error))?;
        let frame = self.decoder.decode(plaintext).map_err(|error| chain(&error))?;
        Ok(with(&frame))
    }
}

/// What a store says of a pack, as what is wrong with it.
///
/// # Errors
/// The error, where it says nothing about what is stored.
fn found(error: StoreError) -> Result<String> {
    Error::from(error).found().map(|error| error.to_string())
}

fn give(access: &Access, class: Class, frame: &Frame<'_>, take: &mut Take<'_>) -> Result<()> {
    let ids = access.naming.ids_of(class, frame.chunks());
    ids.into_iter().zip(frame.chunks()).try_for_each(|(id, bytes)| take(class, id, bytes))
}

/// The class that a pack's header tells, or that of content where there is no header any more.
///
/// # Errors
/// [`ErrorKind::Exhausted`].
pub(super) fn class_of(access: &Access, pack: PackId) -> Result<Class> {
    let read = || -> Result<Vec<u8>, StoreError> {
        let object = access.store.open(&ObjectName::Pack(pack))?;
        let mut header = vec![0; usize::try_from(object.bytes().min(HEADER_BYTES_MAX.into())).unwrap_or(0)];
        object.read_at(0, &mut header)?;
        Ok(header)
    };
    match read() {
        Ok(header) => Ok(PackHeader::parse(Some(pack), &header).map_or(Class::Content, |header| header.class)),
        Err(error) => found(error).map(|_| Class::Content),
    }
}
