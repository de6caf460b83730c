"""Control objects: envelopes, sessions, outcomes, records, the sets of a prune (pages 08 and 10)."""

from typing import NamedTuple

from seal import (OVERHEAD, SUITE, VERSION, check_commitment, check_signature, field_key, hash32, open_part,
                  symmetric_key)
from wire import Packed, Plain, require

DESCRIPTION_MAX = 4 << 20
DESCRIPTION_CLEAR_MAX = 4 + 32 + 32 + OVERHEAD
FIXED = 108 + 64 + 32


class Kind(NamedTuple):
    """A kind of control object: magic, longest body, whether it may have a description, and the roles that sign it."""
    magic: bytes
    body_max: int
    described: bool
    roles: tuple


EVERY, READERS, COLLECTORS = ("put", "read", "prune", "all"), ("read", "prune", "all"), ("prune", "all")
SEGMENT = Kind(b"HOLDSEGM", 32 << 20, False, EVERY)
SESSION = Kind(b"HOLDSESS", 1 << 20, True, EVERY)
OUTCOME = Kind(b"HOLDOUTC", 16 << 20, True, EVERY)
RECORD = Kind(b"HOLDRECO", 1 << 20, False, READERS)
CONDEMNED = Kind(b"HOLDCOND", 64 << 20, False, COLLECTORS)
DELETED = Kind(b"HOLDDELE", 64 << 20, False, COLLECTORS)
OBJECT_MAX = (80 << 20) + FIXED


class Opened(NamedTuple):
    """An envelope whose every part was checked."""
    signer: bytes
    role: str
    hash: bytes
    body: bytes
    description: bytes | None


def open_envelope(kind, data, keys, chain, what):
    """Checks and opens a control object."""
    require(FIXED + OVERHEAD <= len(data) <= OBJECT_MAX, f"{what}: {len(data)} bytes long")
    head = Packed(data, what)
    require(head.bytes(8) == kind.magic, f"{what}: of another kind")
    require(hash32(data[:-32]) == data[-32:], f"{what}: its checksum does not match")
    require(head.u16() == VERSION, f"{what}: unknown version")
    require(head.u16() == SUITE, f"{what}: unknown suite")
    epoch, repository, salt, config, signer = head.u32(), head.bytes(16), head.bytes(32), head.u32(), head.bytes(32)
    length, described = head.u32(), head.u32()
    require(length <= kind.body_max + OVERHEAD, f"{what}: its body is too long")
    require(described <= (DESCRIPTION_MAX + DESCRIPTION_CLEAR_MAX if kind.described else 0),
            f"{what}: its description is too long")
    require(len(data) == FIXED + length + described, f"{what}: its length is not what it says")
    body, description = head.bytes(length), head.bytes(described)
    require(repository == chain.latest().repository, f"{what}: of another repository")
    role = chain.role(signer, config, what)
    require(role in kind.roles, f"{what}: signed by a key with the role {role}, which may not")
    check_signature(signer, head.bytes(64), data[:-96], what)
    key = symmetric_key(keys.root(epoch, "index", what), salt)
    body = open_part(key, kind.magic, 1, salt, 0, body, f"{what}, body")
    described = None
    if description:
        described = open_description(kind, description, keys, epoch, salt, f"{what}, description")
    return Opened(signer, role, hash32(data), body, described)


def open_description(kind, data, keys, epoch, salt, what):
    head = Packed(data, what)
    field_kind = head.in_range(head.u8(), 0, 1, "kind of key field")
    require(head.bytes(3) == bytes(3), f"{what}: reserved bytes are not zero")
    field = head.bytes(32 * field_kind)
    key = field_key(keys.root(epoch, "description", what), field_kind, field, salt)
    check_commitment(key, head.bytes(32), what)
    require(OVERHEAD <= head.left() <= DESCRIPTION_MAX + OVERHEAD, f"{what}: of {head.left()} bytes")
    return open_part(key, kind.magic, 2, salt, 0, head.bytes(head.left()), what)
