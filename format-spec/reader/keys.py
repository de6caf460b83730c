"""Configurations, who may sign, and the secrets of a key slot (page 02)."""

import re
from typing import NamedTuple

from argon2.exceptions import Argon2Error
from argon2.low_level import Type, hash_secret_raw
from mnemonic import Mnemonic

from seal import OVERHEAD, SUITE, VERSION, check_commitment, check_signature, derive, hash32, open_part, public_half
from wire import Packed, Plain, Refused, require

CONFIG_BODY_MAX = 1 << 20
CONFIG_MAX = 16 + CONFIG_BODY_MAX + 32 + 64 + 32
SLOT_MAX = 512 << 10
NOTE_MAX = 2048
ROLES = ("put", "read", "prune", "all")
OPEN = 2**32 - 1  # a signer whose right has no end
SIGNERS_MAX, EPOCHS_MAX, FEATURES_MAX, LABEL_MAX = 8192, 1024, 1024, 1024
MEMORY_KIB_MAX, PASSES_MAX, LANES_MAX = 4 << 20, 64, 16
READ_BIT = 1
# 1 to 25 say how much parity writers make, which no reader needs.
KNOWN_FEATURES = frozenset(range(1, 26))
CLASSES = ("content", "manifest", "stat", "description")


class Signer(NamedTuple):
    key: bytes
    role: str
    start: int
    end: int

    def valid_in(self, number):
        return self.start <= number < self.end


def rising(values):
    return all(one < two for one, two in zip(values, values[1:]))


class Config:
    """One configuration: clear, signed, and checked by itself [CONFIG-1]."""

    def __init__(self, number, data):
        self.name = f"config/{number}"
        require(len(data) <= CONFIG_MAX, f"{self.name}: too long")
        head = Packed(data, self.name)
        require(head.bytes(8) == b"HOLDCONF", f"{self.name}: no configuration")
        require(hash32(data[:-32]) == data[-32:], f"{self.name}: its checksum does not match")
        require(head.u16() == VERSION, f"{self.name}: unknown version")
        require(head.u16() == 0, f"{self.name}: reserved bytes are not zero")
        body = head.bytes(head.in_range(head.u32(), 0, CONFIG_BODY_MAX, "length of the body"))
        self.signer = head.bytes(32)
        check_signature(self.signer, head.bytes(64), data[:-96], self.name)
        head.bytes(32)
        head.finish()
        self.hash = hash32(data)
        self.fields(number, Plain(body, self.name))

    def fields(self, number, body):
        require(body.u32() == number, f"{self.name}: of another number")
        self.number = number
        self.repository, self.previous, self.created = body.bytes(16), body.bytes(32), body.i64()
        self.cuts = body.u32(), body.u32(), body.u32(), body.u8()
        self.sizes = [body.u32() for _ in range(7)]
        self.epochs = body.list(lambda: (body.u32(), *(body.bytes(32) for _ in CLASSES)))
        self.signers = body.list(lambda: Signer(body.bytes(32), body.variant(ROLES), body.u32(), body.u32()))
        self.features = body.list(lambda: (body.u32(), body.u8()))
        body.finish()
        self.check()

    def check(self):
        """[CONFIG-2] Every field in its range."""
        minimum, average, maximum, level = self.cuts
        frame, pack, *means, inline = self.sizes
        require(4096 <= minimum < average < maximum <= 4 << 20 and minimum % 2 == maximum % 2 == 0 and
                average & (average - 1) == 0 and level <= 3, f"{self.name}: chunk lengths out of range")
        require(64 << 10 <= frame <= 16 << 20 and 1 << 20 <= pack <= 1 << 30 and
                all(4 <= mean <= 16384 for mean in means) and inline <= 4096, f"{self.name}: sizes out of range")
        require(self.number < OPEN and (self.number == 0) == (self.previous == bytes(32)),
                f"{self.name}: the configuration before")
        require(1 <= len(self.epochs) <= EPOCHS_MAX and rising([epoch[0] for epoch in self.epochs]),
                f"{self.name}: its list of epochs")
        require(len(self.signers) <= SIGNERS_MAX and rising([signer.key for signer in self.signers]),
                f"{self.name}: its list of signers")
        for signer in self.signers:
            require(signer.start <= self.number and (signer.end == OPEN or signer.start < signer.end <= self.number),
                    f"{self.name}: the validity of a signer")
        require(any(signer.role == "all" and signer.valid_in(self.number) for signer in self.signers),
                f"{self.name}: nobody may sign the next one")
        require(len(self.features) <= FEATURES_MAX and rising([feature[0] for feature in self.features]) and
                all(bits < 16 for _, bits in self.features), f"{self.name}: its list of features")

    def role_of(self, key):
        """The role that this configuration gives to a key, or None."""
        for signer in self.signers:
            if signer.key == key and signer.valid_in(self.number):
                return signer.role
        return None


class Chain:
    """All configurations, each proved by the one before, the first by the key slot."""

    def __init__(self, store, trusted):
        numbers = sorted(int(name) for name in store.names("config"))
        require(numbers == list(range(len(numbers))), "a configuration is missing")  # [CONFIG-3]
        self.configs = [Config(number, store.read(f"config/{number}", CONFIG_MAX)) for number in numbers]
        first = self.configs[0]
        require(first.hash == trusted, "config/0 is not the one that the key slot names")
        require(first.role_of(first.signer) == "all", "config/0 is not signed by a key that may")
        for before, config in zip(self.configs, self.configs[1:]):
            self.check_step(before, config)

    @staticmethod
    def check_step(before, config):
        require(before.role_of(config.signer) == "all", f"{config.name}: signed by a key that may not")  # [CONFIG-4]
        # [CONFIG-5]
        require(config.previous == before.hash, f"{config.name}: it follows another configuration")
        require(config.repository == before.repository, f"{config.name}: of another repository")
        require(config.cuts == before.cuts, f"{config.name}: it changes the chunk lengths")
        require(config.epochs[:len(before.epochs)] == before.epochs, f"{config.name}: it changes an older epoch")
        now = {signer.key: signer for signer in config.signers}
        for old in before.signers:
            new = now.pop(old.key, None)
            require(new is not None and new[:3] == old[:3] and
                    (new.end == old.end or (old.end == OPEN and new.end == config.number)),
                    f"{config.name}: it changes a signer's past")
        require(all(new.start == config.number and new.end == OPEN for new in now.values()),
                f"{config.name}: a new signer begins or ends at another configuration")

    def latest(self):
        return self.configs[-1]

    def role(self, key, number, what):
        """[CONFIG-6] The role of a key in the configuration under which it signed."""
        require(number < len(self.configs), f"{what}: signed under configuration {number}, which is not there")
        role = self.configs[number].role_of(key)
        require(role is not None, f"{what}: signed by a key that configuration {number} does not list")
        return role

    def check_readable(self):
        """[CONFIG-7] Refuses a repository with a feature that a reader must know."""
        for number, bits in self.latest().features:
            require(number in KNOWN_FEATURES or not bits & READ_BIT,
                    f"the repository uses feature {number:#x}, which this reader does not know")


def recovery_secret(text, what):
    """The secret that the words of a recovery key stand for [KEY-7]."""
    words = text.decode("ascii", "replace").split()
    require(len(words) == 24 and Mnemonic("english").check(" ".join(words)), f"{what} is no key file")
    return bytes(Mnemonic("english").to_entropy(words))


class Unlock:
    """A password, the secret of a key file, or nothing. Opens slots of its own kind alone [KEY-4]."""

    def __init__(self, password=None, key_file=None):
        self.kind, self.secret = (1, password) if password is not None else (3, b"")
        require(password != b"", "the password is empty")  # [KEY-8]
        if key_file is not None and password is None:
            self.kind = 2
            with open(key_file, "rb") as file:
                text = file.read(1024)
            found = re.fullmatch(rb"holdall-key-1 ([0-9a-f]{64})\n?", text)  # [KEY-7]
            self.secret = bytes.fromhex(found[1].decode()) if found else recovery_secret(text, key_file)

    def key(self, salt, memory, passes, lanes):
        """The object key of a slot."""
        if self.kind == 1:
            try:
                return hash_secret_raw(self.secret, salt, passes, memory, lanes, 32, Type.ID, 0x13)
            except (Argon2Error, MemoryError) as error:
                raise Refused(f"a key slot that takes {memory} KiB of memory can't be tried here: {error}") from None
        if self.kind == 2:
            return derive("holdall 1 key file", self.secret + salt)
        return derive("holdall 1 no password", salt)


class Keys:
    """What a key slot yields [KEY-5]."""

    def __init__(self, repository, payload, what):
        self.repository = repository
        data = Plain(payload, what)
        require(data.bytes(16) == repository, f"{what}: its payload belongs to another repository")
        self.role = data.variant(ROLES)
        self.config_zero, self.seed, self.naming = data.bytes(32), data.bytes(32), data.bytes(32)
        rows = data.list(lambda: (data.u32(), [data.bytes(32) for _ in CLASSES], data.bytes(32),
                                  [data.optional(lambda: data.bytes(32)) for _ in CLASSES]))
        label, _ = data.blob(), data.i64()
        data.finish()
        require(len(label) <= LABEL_MAX, f"{what}: its label is too long")
        require(1 <= len(rows) <= EPOCHS_MAX and rising([row[0] for row in rows]), f"{what}: its list of epochs")
        self.publics = [(number, *publics) for number, publics, _, _ in rows]
        self.epochs = {}
        for number, publics, index, secrets in rows:
            reads = self.role != "put"
            require(all((secret is not None) == reads for secret in secrets), f"{what}: secrets of another role")
            require(not reads or [public_half(secret) for secret in secrets] == publics,
                    f"{what}: public halves of other secrets")
            self.epochs[number] = {"index": index, **dict(zip(CLASSES, secrets))}

    def root(self, epoch, name, what):
        """A root of an epoch: index, content, manifest, stat or description."""
        require(epoch in self.epochs, f"{what}: of key epoch {epoch}, whose roots are not at hand")
        root = self.epochs[epoch][name]
        require(root is not None, f"{what}: the role {self.role} holds no {name} root")
        return root

    def confirm(self, chain):
        """[KEY-6] Compares the slot with the configurations."""
        require(chain.latest().repository == self.repository, "the key slot belongs to another repository")
        require(all(public in chain.latest().epochs for public in self.publics),
                "the key slot has key epochs that the configuration does not list")


def check_note(slot, what):
    """The head of the note behind a slot's payload, if there is one [KEY-10]. Restoring needs nothing of it."""
    if slot.left():
        field = slot.in_range(slot.u8(), 0, 1, "key field of the note")
        require(slot.bytes(3) == bytes(3), f"{what}: reserved bytes of its note are not zero")
        slot.u32()
        slot.bytes(32 * field)
        require(OVERHEAD <= slot.left() <= NOTE_MAX, f"{what}: its note has a wrong length")


def open_slot(name, data, unlock):
    """The keys in a slot; None when the password or key file does not open it [KEY-1]."""
    what = f"keys/{name}"
    slot = Packed(data, what)
    require(slot.bytes(8) == b"HOLDSLOT", f"{what}: no key slot")
    require(slot.u16() == VERSION, f"{what}: unknown version")
    require(slot.u16() == SUITE, f"{what}: unknown suite")
    kind = slot.in_range(slot.u8(), 1, 3, "kind")
    require(slot.bytes(3) == bytes(3), f"{what}: reserved bytes are not zero")
    repository, salt = slot.bytes(16), slot.bytes(32)
    memory, passes, lanes = slot.u32(), slot.u32(), slot.u32()
    if kind == 1:
        # [KEY-2] Before it costs anything.
        require(1 <= passes <= PASSES_MAX and 1 <= lanes <= LANES_MAX and 8 * lanes <= memory <= MEMORY_KIB_MAX,
                f"{what}: a key derivation of {memory} KiB, {passes} passes and {lanes} lanes")
    else:
        require((memory, passes, lanes) == (0, 0, 0), f"{what}: a cost where nothing is derived")
    length, commitment = slot.u32(), slot.bytes(32)
    require(OVERHEAD <= length <= slot.left(), f"{what}: its length is not what it says")
    sealed = slot.bytes(length)
    check_note(slot, what)
    if kind != unlock.kind:
        return None
    key = unlock.key(salt, memory, passes, lanes)
    try:
        check_commitment(key, commitment, what)
    except Refused:
        return None  # [KEY-3] another password or key file
    return Keys(repository, open_part(key, b"HOLDSLOT", kind, salt, 0, sealed, what), what)


def unlock_keys(store, unlock):
    """The keys of the first slot that opens and belongs to the repository [KEY-6]; of another one if there is no such:
    then what is wrong is the configuration."""
    zero, damaged, foreign = hash32(store.read("config/0", CONFIG_MAX)), [], None
    for name in store.names("keys"):
        try:
            keys = open_slot(name, store.read_hashed("keys", name, SLOT_MAX), unlock)
            if keys is not None and keys.config_zero == zero:
                return keys
            foreign = foreign or keys
        except (Refused, OSError) as error:
            damaged.append(str(error))
    if foreign is not None:
        return foreign
    raise Refused("; ".join(["the password or key file opens no key slot", *damaged]))
