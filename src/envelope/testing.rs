//! A small repository's keys and configurations, the same in every run, for the tests of every control object.

use crate::config::{ConfigChain, Parameters, Role};
use crate::id::{ClientId, ObjectHash, PackId, RepositoryId, SessionId, SnapshotId};
use crate::key::KeyRing;

/// 2025-01-01, midnight.
pub(crate) const NOW_NS: i64 = 1_735_689_600_000_000_000;

/// Every role's keys, and a chain that lists them all from configuration 1 on.
pub(crate) struct Keys {
    pub(crate) chain: ConfigChain,
    /// Configurations 0 and 1 as stored.
    pub(crate) configs: Vec<(u32, Vec<u8>)>,
    all: KeyRing,
    put: KeyRing,
    read: KeyRing,
    prune: KeyRing,
}

impl Keys {
    pub(crate) fn of(&self, role: Role) -> &KeyRing {
        match role {
            Role::Put => &self.put,
            Role::Read => &self.read,
            Role::Prune => &self.prune,
            Role::All => &self.all,
        }
    }
}

pub(crate) fn keys() -> Keys {
    let repository = RepositoryId::from_bytes([0x5e; 16]);
    let (all, zero) = KeyRing::create_fixed(repository, Parameters::default(), NOW_NS, 0x10);
    let [put, read, prune] = [(Role::Put, 0x21), (Role::Read, 0x22), (Role::Prune, 0x23)]
        .map(|(role, seed)| all.restricted_fixed(role, seed));
    let mut configs = vec![(0, zero)];
    let mut chain = ConfigChain::load(&configs, all.config_zero()).unwrap();
    let mut draft = chain.draft(NOW_NS + 1);
    for ring in [&put, &read, &prune] {
        draft.enlist(ring.signer(), ring.role()).unwrap();
    }
    let one = draft.sign(all.signing()).unwrap();
    chain.extend(&one).unwrap();
    configs.push((1, one));
    Keys { chain, configs, all, put, read, prune }
}

pub(crate) fn client(byte: u8) -> ClientId {
    ClientId::from_bytes([byte; 16])
}

pub(crate) fn session(number: u64) -> SessionId {
    SessionId { client: client(0xc1), number }
}

pub(crate) fn pack(byte: u8) -> PackId {
    PackId::from_bytes([byte; 32])
}

pub(crate) fn snapshot(byte: u8) -> SnapshotId {
    SnapshotId::from_bytes([byte; 32])
}

pub(crate) fn hash(byte: u8) -> ObjectHash {
    ObjectHash::from_bytes([byte; 32])
}
