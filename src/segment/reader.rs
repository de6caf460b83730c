//! Reading a body: checked as a whole first, then walked pack by pack.

use super::row::check_facts;
use super::{BODY_BYTES_MAX, PackFacts, PackRow, REPLACED_BYTES_MIN, REPLACED_COUNT_MAX, Replaced};
use super::{SegmentError, SegmentFault};
use crate::id::{ChunkId, ClientId, PackId, SegmentId, SessionId, SignerKey};
use crate::layout::{Class, FrameTable};
use crate::wire::{Reader, WireError};

/// Shortest stored form of a pack, to bound their count before reading them.
const PACK_BYTES_MIN: usize = 72;

/// A segment's body that was checked from end to end.
#[derive(Debug, Clone)]
pub struct SegmentReader<'a> {
    segment: SegmentId,
    lists: Lists,
    /// The packs, behind their count.
    packs: Reader<'a>,
    pack_count: usize,
    chunk_count: u64,
}

#[derive(Debug, Clone)]
struct Lists {
    replaced: Vec<Replaced>,
    signers: Vec<SignerKey>,
    clients: Vec<ClientId>,
}

impl<'a> SegmentReader<'a> {
    /// Checks a whole body. Memory: the lists in front and one pack at a time.
    ///
    /// # Errors
    /// [`SegmentError`] at the first thing that is wrong.
    pub fn parse(segment: SegmentId, body: &'a [u8]) -> Result<Self, SegmentError> {
        let mut input = Reader::new(body);
        check(segment, body.len(), &mut input).map_err(|fault| SegmentError { segment, offset: input.offset(), fault })
    }

    /// The segment.
    pub const fn segment(&self) -> SegmentId {
        self.segment
    }

    /// The segments that this one replaces, ascending.
    pub fn replaced(&self) -> &[Replaced] {
        &self.lists.replaced
    }

    /// The keys that vouch for packs, ascending.
    pub fn signers(&self) -> &[SignerKey] {
        &self.lists.signers
    }

    /// How many packs are listed.
    pub fn pack_count(&self) -> u64 {
        self.pack_count.try_into().unwrap_or(u64::MAX)
    }

    /// How many chunks are listed.
    pub const fn chunk_count(&self) -> u64 {
        self.chunk_count
    }

    /// The packs in the order of their ids, one in memory at a time.
    pub fn packs(&self) -> impl Iterator<Item = PackRow> + use<'_, 'a> {
        let mut input = self.packs.clone();
        (0..self.pack_count).map(move |_| {
            let (facts, frames, ids) = read_pack(&mut input, &self.lists).expect("the body was checked when parsed");
            let ids = ids.iter().map(|id| ChunkId::from_bytes(*id)).collect();
            PackRow::new(facts, frames, ids).expect("the body was checked when parsed")
        })
    }
}

fn check<'a>(segment: SegmentId, bytes: usize, input: &mut Reader<'a>) -> Result<SegmentReader<'a>, SegmentFault> {
    if bytes > BODY_BYTES_MAX {
        return Err(SegmentFault::Long { bytes });
    }
    let replaced = read_replaced(input, segment)?;
    let signers = ascending(input, "signers", SignerKey::from_bytes)?;
    let clients = ascending(input, "clients", ClientId::from_bytes)?;
    let pack_count = input.count("pack count", PACK_BYTES_MIN)?;
    let lists = Lists { replaced, signers, clients };
    let packs = input.clone();
    let chunk_count = check_packs(input, &lists, pack_count)?;
    input.clone().finish()?;
    if pack_count == 0 && lists.replaced.is_empty() {
        return Err(SegmentFault::Empty);
    }
    Ok(SegmentReader { segment, lists, packs, pack_count, chunk_count })
}

/// Reads all packs and returns how many chunks they have.
fn check_packs(input: &mut Reader<'_>, lists: &Lists, pack_count: usize) -> Result<u64, SegmentFault> {
    let mut used = Used { signers: vec![false; lists.signers.len()], clients: vec![false; lists.clients.len()] };
    let mut last: Option<PackId> = None;
    let mut chunk_count = 0u64;
    for _ in 0..pack_count {
        let (facts, frames, _) = read_pack(input, lists)?;
        if last.is_some_and(|last| last >= facts.pack) {
            return Err(SegmentFault::Order("packs"));
        }
        last = Some(facts.pack);
        used.mark(lists, &facts);
        chunk_count = chunk_count.saturating_add(frames.chunk_count().into());
    }
    used.check().map(|()| chunk_count)
}

/// Which signers and clients some pack has named.
struct Used {
    signers: Vec<bool>,
    clients: Vec<bool>,
}

impl Used {
    fn mark(&mut self, lists: &Lists, facts: &PackFacts) {
        mark(&mut self.signers, lists.signers.binary_search(&facts.signer));
        mark(&mut self.clients, lists.clients.binary_search(&facts.session.client));
    }

    fn check(&self) -> Result<(), SegmentFault> {
        let all = |used: &[bool]| used.iter().all(|used| *used);
        if !all(&self.signers) {
            return Err(SegmentFault::Unused("signer"));
        }
        if all(&self.clients) { Ok(()) } else { Err(SegmentFault::Unused("client")) }
    }
}

fn mark(used: &mut [bool], index: Result<usize, usize>) {
    if let Some(used) = index.ok().and_then(|index| used.get_mut(index)) {
        *used = true;
    }
}

fn read_replaced(input: &mut Reader<'_>, segment: SegmentId) -> Result<Vec<Replaced>, SegmentFault> {
    let count = input.count("count of replaced segments", REPLACED_BYTES_MIN)?;
    if count > REPLACED_COUNT_MAX {
        return Err(SegmentFault::ReplacedCount { count });
    }
    let mut replaced: Vec<Replaced> = Vec::with_capacity(count);
    for _ in 0..count {
        let next = SegmentId::from_bytes(input.array()?);
        if next == segment {
            return Err(SegmentFault::ReplacesItself);
        }
        if replaced.last().is_some_and(|last| last.segment >= next) {
            return Err(SegmentFault::Order("replaced segments"));
        }
        replaced.push(Replaced { segment: next, pack_count: input.varint()?, chunk_count: input.varint()? });
    }
    Ok(replaced)
}

/// Reads a count and so many strictly ascending ids.
fn ascending<T: Ord, const N: usize>(
    input: &mut Reader<'_>,
    what: &'static str,
    parse: fn([u8; N]) -> T,
) -> Result<Vec<T>, SegmentFault> {
    let count = input.count(what, N)?;
    let mut items: Vec<T> = Vec::with_capacity(count);
    for _ in 0..count {
        let next = parse(input.array()?);
        if items.last().is_some_and(|last| *last >= next) {
            return Err(SegmentFault::Order(what));
        }
        items.push(next);
    }
    Ok(items)
}

/// Reads one pack; the ids stay where they are.
fn read_pack<'a>(
    input: &mut Reader<'a>,
    lists: &Lists,
) -> Result<(PackFacts, FrameTable, &'a [[u8; ChunkId::LEN]]), SegmentFault> {
    let pack = PackId::from_bytes(input.array()?);
    let code = input.u8()?;
    let class = Class::from_code(code).ok_or(SegmentFault::Class(code))?;
    let bytes = input.varint()?;
    let signer = listed(&lists.signers, "signer", input.varint()?)?;
    let client = listed(&lists.clients, "client", input.varint()?)?;
    let number = input.varint()?;
    let header_bytes = input.varint_max("header length", u32::MAX.into())?;
    let header_bytes = u32::try_from(header_bytes).map_err(|_| input.out_of_range("header length"))?;
    let frames = FrameTable::read(input, header_bytes).map_err(SegmentFault::Table)?;
    let facts = PackFacts { pack, class, bytes, signer, session: SessionId { client, number } };
    check_facts(&facts, &frames)?;
    let ids = read_ids(input, frames.chunk_count())?;
    Ok((facts, frames, ids))
}

fn read_ids<'a>(input: &mut Reader<'a>, count: u32) -> Result<&'a [[u8; ChunkId::LEN]], WireError> {
    let too_long = input.out_of_range("chunk count");
    let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(ChunkId::LEN)).ok_or(too_long)?;
    let (ids, _) = input.bytes(bytes)?.as_chunks();
    Ok(ids)
}

fn listed<T: Copy>(items: &[T], what: &'static str, index: u64) -> Result<T, SegmentFault> {
    let item = usize::try_from(index).ok().and_then(|index| items.get(index));
    item.copied().ok_or(SegmentFault::NotListed { what, index })
}
