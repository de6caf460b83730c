"""What sessions, outcomes and records hold, each checked by itself (page 08)."""

from typing import NamedTuple

from wire import Plain, Refused, require

OUTCOME_KINDS = ("snapshot", "checkpoint", "staged", "group", "repack", "repair", "restate", "abort")
SESSION_KINDS = ("backup", "checkpoint", "repack", "repair", "restate", "group", "copy")
RECORD_KINDS = ("forget", "release", "pin", "unpin", "verified", "drill")
COMPONENT_KINDS = ("tree", "stream")
STATES = ("complete", "partial", "missing")
STATEMENTS = ("undo", "pin forgotten")
# Which outcomes may end which session.
ENDS = {"snapshot": ("backup", "copy"), "staged": ("backup",), "abort": SESSION_KINDS,
        **{kind: (kind,) for kind in ("checkpoint", "group", "repack", "repair", "restate")}}
COLLECTORS = ("prune", "all")
FOR_COLLECTORS = ("group", "repack", "repair", "restate")
MANDATORY = 1 << 31
SEEN_MAX, COMPONENTS_MAX, ATTRIBUTES_MAX = 292, 1024, 1024
TEXT_MAX, REASON_MAX, PATH_MAX, NOTE_MAX = 1024, 65536, 65536, 65536
SNAPSHOTS_MAX, PACKS_MAX = 16384, 12288
SHARE_WHOLE = 1000000
COMMANDS = ("none", "succeeded", "failed")


class Component(NamedTuple):
    kind: str
    required: bool
    state: str
    manifest: bytes | None
    stat: bytes | None
    counts: list


class Described(NamedTuple):
    """What only readers learn about a component."""
    name: bytes
    reason: bytes
    users: list
    groups: list


def rising(values):
    return all(one < two for one, two in zip(values, values[1:]))


def session_id(name):
    client, number = name.split("-")
    return bytes.fromhex(client), int(number, 16)


class Session:
    """The object that opened a session."""

    def __init__(self, name, opened):
        what = f"sessions/{name}"
        data = Plain(opened.body, what)
        self.signer, self.hash = opened.signer, opened.hash
        client, number = data.bytes(16), data.u64()
        require((client, number) == session_id(name) and number > 0, f"{what}: of another session")  # [SESSION-1]
        self.kind = data.variant(SESSION_KINDS)  # [SESSION-3]
        # [SESSION-2]
        require(self.kind not in FOR_COLLECTORS or opened.role in COLLECTORS,
                f"{what}: a key with the role {opened.role} may not open a session of the kind {self.kind}")
        data.i64(), data.bytes(16), data.u64(), data.u32(), data.u64()
        require(len(data.blob()) <= 256, f"{what}: the program's name is too long")  # [SESSION-4]
        data.finish()
        if opened.description is not None:
            data = Plain(opened.description, f"{what}, description")
            require(len(data.blob()) <= TEXT_MAX and len(data.blob()) <= TEXT_MAX, f"{what}: a name is too long")
            data.list(data.blob)
            data.finish()


class Outcome:
    """The object that committed or aborted a session."""

    def __init__(self, name, opened):
        self.name = what = f"outcomes/{name}"
        self.signer, self.role, self.id = opened.signer, opened.role, opened.hash
        data = Plain(opened.body, what)
        client, number = data.bytes(16), data.u64()
        require((client, number) == session_id(name) and number > 0, f"{what}: of another session")  # [OUTCOME-1]
        self.session = data.bytes(32)
        self.kind = data.variant(OUTCOME_KINDS)  # [OUTCOME-3]
        # [OUTCOME-2]
        require(self.kind not in FOR_COLLECTORS or self.role in COLLECTORS,
                f"{what}: a key with the role {self.role} may not sign a {self.kind}")
        self.time, self.committed_at = data.i64(), data.i64()
        self.packs = data.list(lambda: data.bytes(32))
        self.segments = data.list(lambda: (data.bytes(32), data.u64(), data.u64()))
        base, seen = data.u64(), data.list(lambda: (data.bytes(16), data.u64(), data.bytes(32)))
        overflow = data.optional(lambda: data.bytes(32))
        self.components = data.list(lambda: Component(
            data.variant(COMPONENT_KINDS), data.truth(), data.variant(STATES), data.optional(lambda: data.bytes(32)),
            data.optional(lambda: data.bytes(32)), [data.u64() for _ in range(8)]))
        self.members = data.list(lambda: data.bytes(32))
        statement = data.optional(lambda: (data.variant(STATEMENTS), data.list(lambda: data.bytes(32)),
                                           data.list(lambda: data.bytes(32))))
        self.cancels = [(record, snapshot) for record in statement[2] for snapshot in statement[1]] if statement else []
        attributes = data.list(lambda: (data.u32(), data.blob()))
        data.finish()
        # [OUTCOME-4] [OUTCOME-5] [OUTCOME-7]
        self.rules({
            "its packs are not sorted": rising(self.packs),
            "its segments are not sorted": rising([segment[0] for segment in self.segments]),
            "its members are not sorted": rising(self.members),
            "its seen list": base < number and len(seen) <= SEEN_MAX and not (overflow and seen) and
                             rising([entry[0] for entry in seen]) and
                             all(entry[1] > 0 and (entry[0] != client or entry[1] < number) for entry in seen),
            "components": len(self.components) <= COMPONENTS_MAX and
                          bool(self.components) == (self.kind in ("snapshot", "staged")),
            "members": bool(self.members) == (self.kind == "group"),
            "a statement": (statement is not None) == (self.kind == "restate"),
            "its statement": not statement or (statement[1] and rising(statement[1]) and
                                               statement[2] and rising(statement[2])),
            "an abort with content": self.kind != "abort" or not (self.packs or self.segments),
        })
        for component in self.components:
            missing = component.state == "missing"  # [OUTCOME-6]
            self.rules({
                "a component's manifest": missing == (component.manifest is None),
                "a component's stat tree": component.stat is None or (not missing and component.kind == "tree"),
                "a missing component counts something": not missing or not any(component.counts),
                "a required component is missing": not missing or not component.required,
            })
        self.attributes(attributes)
        self.description(opened.description)

    def rules(self, rules):
        for rule, holds in rules.items():
            require(holds, f"{self.name}: not allowed: {rule}")

    def attributes(self, attributes):
        require(len(attributes) <= ATTRIBUTES_MAX and rising([number for number, _ in attributes]),
                f"{self.name}: its attributes are not sorted")
        for number, _ in attributes:  # [OUTCOME-8]
            require(not number & MANDATORY, f"{self.name}: attribute {number:#x} must be known")

    def description(self, plaintext):
        """[OUTCOME-9] Host, user, paths, tags; and the names of components and owners."""
        self.described = [Described(b"", b"", [], [])] * len(self.components)
        if plaintext is None:
            require(self.kind not in ("snapshot", "staged"), f"{self.name}: it has no description")
            return
        data = Plain(plaintext, f"{self.name}, description")

        def owners():
            return data.list(lambda: (data.u32(), data.blob()))

        host, user = data.blob(), data.blob()
        paths, tags = data.list(data.blob), data.list(data.blob)
        program = data.blob()
        data.optional(lambda: data.bytes(32))
        self.described = data.list(lambda: Described(data.blob(), data.blob(), owners(), owners()))
        attributes = data.list(lambda: (data.u32(), data.blob()))
        data.finish()
        names = [owner for part in self.described for owner in part.users + part.groups]
        texts = [host, user, program, *tags, *(part.name for part in self.described)]
        self.rules({
            "another count of components": len(self.described) == len(self.components),
            "its tags are not sorted": rising(tags) and all(tags),
            "a text too long": all(len(text) <= TEXT_MAX for text in texts + [name for _, name in names]),
            "a path too long": all(1 <= len(path) <= PATH_MAX for path in paths),
            "a reason too long": all(len(part.reason) <= REASON_MAX for part in self.described),
            "owners out of order": all(rising([owner[0] for owner in owners])
                                       for part in self.described for owners in (part.users, part.groups)),
        })
        self.attributes(attributes)

    def check_ends(self, session):
        """[OUTCOME-10] [OUTCOME-11] [OUTCOME-22] Compares the outcome with the session whose object is there."""
        by_collector = self.kind == "abort" and self.role in COLLECTORS
        self.rules({
            f"it ends a session of the kind {session.kind}":
                self.session != session.hash or session.kind in ENDS[self.kind],
            "it is not signed by the session's key": self.signer == session.signer or by_collector,
        })


class Drill(NamedTuple):
    """What came of a restore for a test."""
    began: int
    share: int
    seed: int
    files: int
    others: int
    bytes: int
    differing: int
    left: int
    live_files: int
    live_differing: int
    command: str

    def has_passed(self):
        return not self.differing and not self.live_differing and self.command != "failed"


def drill(note, what):
    """What the note of a drill says; None for one of another form. [RECORD-14]"""
    try:
        data = Plain(note, what)
        data.in_range(data.u32(), 1, 1, "form")
        found = Drill(data.i64(), data.in_range(data.u32(), 1, SHARE_WHOLE, "share"), *(data.u64() for _ in range(8)),
                      data.variant(COMMANDS))
        attributes = data.list(lambda: (data.u32(), data.blob()))
        data.finish()
    except Refused:
        return None
    ids = [number for number, _ in attributes]
    return found if rising(ids) and not any(number & MANDATORY for number in ids) else None


class Record:
    """A later statement about snapshots."""

    def __init__(self, name, opened):
        what = f"records/{name}"
        data = Plain(opened.body, what)
        self.hash = opened.hash
        client, number = data.bytes(16), data.u64()
        # [RECORD-1]
        require((client, number) == session_id(name) and number > 0, f"{what}: of another client or number")
        data.i64()
        self.kind = data.variant(RECORD_KINDS)  # [RECORD-4]
        # [RECORD-2]
        require(self.kind in ("verified", "drill") or opened.role in COLLECTORS,
                f"{what}: a key with the role {opened.role} may not state {self.kind}")
        self.snapshots = data.list(lambda: data.bytes(32))
        until, packs = data.optional(data.i64), data.list(lambda: data.bytes(32))
        note = data.blob()
        data.finish()
        self.drill = drill(note, what) if self.kind == "drill" else None
        verified = self.kind == "verified"  # [RECORD-3]
        require(rising(self.snapshots) and len(self.snapshots) <= SNAPSHOTS_MAX and (verified or self.snapshots) and
                rising(packs) and len(packs) <= PACKS_MAX and bool(packs) == verified and
                (self.kind == "pin" or until is None) and len(note) <= NOTE_MAX, f"{what}: a field out of range")
