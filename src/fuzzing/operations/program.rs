//! Programs: what a string of bytes tells several clients to do. Every string is one; what it lacks is zeros.

use crate::check::CheckDepth;
use crate::store::faulty::Fault;
use std::ops::{Index, IndexMut};

/// Longest program: what needs more steps to be found is left to the simulations.
const STEPS_MAX: usize = 16;

/// Reads bytes, and zeros when there are none left.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, limit: u8) -> u8 {
        self.next() % limit
    }
}

/// Who acts: each on a machine of its own, with a state and a tree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    Owner,
    OtherOwner,
    /// Holds a key that may only write.
    Writer,
    OtherWriter,
}

impl Client {
    pub(super) const ALL: [Self; 4] = [Self::Owner, Self::OtherOwner, Self::Writer, Self::OtherWriter];

    pub(super) fn number(self) -> usize {
        Self::ALL.iter().position(|client| *client == self).unwrap_or_default()
    }

    pub(super) const fn only_writes(self) -> bool {
        matches!(self, Self::Writer | Self::OtherWriter)
    }

    fn read(bytes: &mut Bytes<'_>) -> Self {
        Self::ALL.into_iter().cycle().nth(bytes.below(4).into()).unwrap_or(Self::Owner)
    }
}

/// Something of each client.
#[derive(Debug, Clone, Default)]
pub(super) struct Each<T>([T; 4]);

impl<T: Copy> Each<T> {
    pub(super) const fn of(one: T) -> Self {
        Self([one; 4])
    }
}

impl<T> Index<Client> for Each<T> {
    type Output = T;

    fn index(&self, client: Client) -> &T {
        let [owner, other_owner, writer, other_writer] = &self.0;
        match client {
            Client::Owner => owner,
            Client::OtherOwner => other_owner,
            Client::Writer => writer,
            Client::OtherWriter => other_writer,
        }
    }
}

impl<T> IndexMut<Client> for Each<T> {
    fn index_mut(&mut self, client: Client) -> &mut T {
        let [owner, other_owner, writer, other_writer] = &mut self.0;
        match client {
            Client::Owner => owner,
            Client::OtherOwner => other_owner,
            Client::Writer => writer,
            Client::OtherWriter => other_writer,
        }
    }
}

/// A change of a client's tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edit {
    /// Which of a few names.
    pub(super) name: u8,
    pub(super) what: EditKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum EditKind {
    /// A file of one of a few lengths, whose content follows from the seed, is written in place.
    Write {
        seed: u8,
        length: u8,
    },
    /// The same, put in the place of what is there.
    Replace {
        seed: u8,
        length: u8,
    },
    Link,
    Remove,
}

impl Edit {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        let name = bytes.next();
        let what = match bytes.below(6) {
            0..=2 => EditKind::Write { seed: bytes.below(16), length: bytes.next() },
            3 => EditKind::Replace { seed: bytes.below(16), length: bytes.next() },
            4 => EditKind::Link,
            _ => EditKind::Remove,
        };
        Self { name, what }
    }
}

/// What a client does. Snapshots are told by their turn.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Change(Vec<Edit>),
    Backup,
    Forget(u8),
    Undo(u8),
    Pin(u8),
    Unpin(u8),
    Prune,
    Check(CheckDepth),
    Repair,
    Restore(u8),
    /// To the other repository, all that is not there.
    Copy,
    Mirror,
    /// Parity and second copies for everything.
    Protect,
    /// Ends all sessions whose process does not run here.
    Abort,
}

impl Work {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        match bytes.below(24) {
            0..=2 => Self::Change((0..=bytes.below(4)).map(|_| Edit::read(bytes)).collect()),
            3..=7 => Self::Backup,
            8 | 9 => Self::Forget(bytes.next()),
            10 => Self::Undo(bytes.next()),
            11 => Self::Pin(bytes.next()),
            12 => Self::Unpin(bytes.next()),
            13 | 14 => Self::Prune,
            15 => Self::Check(CheckDepth::Structure),
            16 => Self::Check(CheckDepth::Data),
            17 => Self::Repair,
            18 | 19 => Self::Restore(bytes.next()),
            20 => Self::Copy,
            21 => Self::Mirror,
            22 => Self::Protect,
            _ => Self::Abort,
        }
    }
}

/// What befalls a client at work.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    Nothing,
    /// The change of this number to the store, counted from 1, goes wrong.
    Fault(usize, Fault),
    /// Before the call of this number to the store somebody else does all of something.
    Beside(usize, Client, Box<Work>),
}

impl Trouble {
    fn read(bytes: &mut Bytes<'_>, own: Client) -> Self {
        match bytes.below(8) {
            0..=3 => Self::Nothing,
            4 | 5 => {
                let fault = Fault::ALL.into_iter().cycle().nth(bytes.below(6).into()).unwrap_or(Fault::Refused);
                Self::Fault(1 + usize::from(bytes.below(24)), fault)
            }
            _ => {
                let at = 1 + usize::from(bytes.below(96));
                let client = Client::read(bytes);
                let work = Work::read(bytes);
                // Nobody is in two places.
                if client == own { Self::Nothing } else { Self::Beside(at, client, Box::new(work)) }
            }
        }
    }
}

/// What becomes of an object's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wound {
    Gone,
    CutShort,
    Flipped,
    Zeroed,
    /// It has the bytes of another one of its folder.
    Swapped,
}

/// Damage to one object: the folder, which object of it, and where in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Damage {
    pub(super) wound: Wound,
    pub(super) folder: u8,
    pub(super) object: u8,
    pub(super) place: u8,
    pub(super) bit: u8,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Act(Client, Work, Trouble),
    Damage(Damage),
    /// The store is remembered as it is.
    Save,
    /// The store is again as it was remembered.
    RollBack,
}

/// The steps that a string of bytes tells.
pub(super) fn read(data: &[u8]) -> Vec<Step> {
    let mut bytes = Bytes(data);
    let mut steps = Vec::new();
    while !bytes.0.is_empty() && steps.len() < STEPS_MAX {
        steps.push(match bytes.below(32) {
            0..=27 => {
                let client = Client::read(&mut bytes);
                let work = Work::read(&mut bytes);
                Step::Act(client, work, Trouble::read(&mut bytes, client))
            }
            28 | 29 => Step::Damage(damage(&mut bytes)),
            30 => Step::Save,
            _ => Step::RollBack,
        });
    }
    steps
}

fn damage(bytes: &mut Bytes<'_>) -> Damage {
    let wound = match bytes.below(8) {
        0 | 1 => Wound::Gone,
        2 => Wound::CutShort,
        3 => Wound::Zeroed,
        4 => Wound::Swapped,
        _ => Wound::Flipped,
    };
    Damage { wound, folder: bytes.next(), object: bytes.next(), place: bytes.next(), bit: bytes.below(8) }
}
