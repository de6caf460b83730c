"""What the control objects of a repository say together: what is committed, forgotten, deleted (pages 08 and 10)."""

import control
from outcome import Outcome, Record, Session, rising
from segment import Segment
from wire import Plain, Refused, require


class History:
    """Everything that counts, by the word of objects that were checked."""

    def __init__(self, store, keys, chain, notice):
        self.store, self.keys, self.chain, self.notice = store, keys, chain, notice
        self.outcomes = {}
        for name in store.names("outcomes"):
            self.attempt(f"outcomes/{name}", lambda: self.outcome(name))
        self.records = []
        for name in store.names("records"):
            self.attempt(f"records/{name}", lambda: self.record(name))
        self.deleted = set()
        for generation in store.names("gc"):
            self.attempt(f"gc/{generation}", lambda: self.generation(generation))

    def attempt(self, what, action):
        """An object that can't be believed commits, forgets and deletes nothing; the rest still counts."""
        try:
            action()
        except (Refused, OSError) as error:
            self.notice(f"not believed: {error}" if isinstance(error, Refused) else f"{what}: {error}")

    def open(self, kind, folder, name):
        what = f"{folder}/{name}"
        return control.open_envelope(kind, self.store.read(what, control.OBJECT_MAX), self.keys, self.chain, what)

    def outcome(self, name):
        outcome = Outcome(name, self.open(control.OUTCOME, "outcomes", name))
        session = []
        if self.store.has(f"sessions/{name}"):
            # One that can't be believed is as good as absent here: whoever writes to the store can remove it as well.
            self.attempt(f"sessions/{name}", lambda: session.append(
                Session(name, self.open(control.SESSION, "sessions", name))))
        for found in session:
            outcome.check_ends(found)
        self.outcomes[outcome.id] = outcome

    def record(self, name):
        self.records.append(Record(name, self.open(control.RECORD, "records", name)))

    def generation(self, name):
        """Takes the deleted set of a prune; a condemned set alone takes nothing from a reader."""
        number = int(name, 16)
        condemned = self.open(control.CONDEMNED, "gc", f"{name}/condemned")
        packs = read_condemned(number, condemned, f"gc/{name}/condemned")
        if self.store.has(f"gc/{name}/deleted"):
            deleted = self.open(control.DELETED, "gc", f"{name}/deleted")
            self.deleted.update(read_deleted(number, deleted, condemned, packs, f"gc/{name}/deleted"))

    def committed(self):
        return [outcome for outcome in self.outcomes.values() if outcome.kind != "abort"]

    def forgotten(self):
        """The snapshots that a record forgets which no restate cancels for them. [RECORD-5]"""
        cancelled = {pair for outcome in self.committed() for pair in outcome.cancels}
        return {snapshot for record in self.records if record.kind == "forget" for snapshot in record.snapshots
                if (record.hash, snapshot) not in cancelled}

    def snapshots(self):
        """All snapshots, forgotten ones too: by time, of equal ones those that lack most first, then by id."""
        return sorted((outcome for outcome in self.committed() if outcome.kind in ("snapshot", "group")),
                      key=lambda outcome: (outcome.time, -self.unreadable_count(outcome), outcome.id))

    def parts(self, snapshot):
        """The outcomes that hold a snapshot's components: itself, or the staged ones that a group joins."""
        if snapshot.kind != "group":
            return [snapshot]
        parts = [self.outcomes.get(member) for member in snapshot.members]
        for member, part in zip(snapshot.members, parts):
            require(part is not None and part.kind == "staged",
                    f"{snapshot.name}: its member {member.hex()} is not a staged outcome of this repository")
        return parts

    def is_partial(self, snapshot):
        try:
            return any(component.state != "complete" for part in self.parts(snapshot) for component in part.components)
        except Refused:
            return True

    def unreadable_count(self, snapshot):
        members = [snapshot] if snapshot.kind != "group" else [self.outcomes.get(id) for id in snapshot.members]
        return sum(component.counts[6] for part in members if part is not None for component in part.components)

    def find(self, wanted, now_ns):
        """The snapshot that a user names: an id, a prefix of it, or `latest`."""
        if wanted == "latest":
            return self.latest(now_ns)
        require(4 <= len(wanted) <= 64 and all(digit in "0123456789abcdef" for digit in wanted),
                f"{wanted!r} names no snapshot: give 4 to 64 hexadecimal digits of its id, or latest")
        found = [snapshot for snapshot in self.snapshots() if snapshot.id.hex().startswith(wanted)]
        require(found, f"no snapshot's id begins with {wanted}")
        require(len(found) == 1, f"{wanted} fits several snapshots: {', '.join(one.id.hex() for one in found)}")
        return found[0]

    def latest(self, now_ns):
        forgotten = self.forgotten()
        fitting = [snapshot for snapshot in self.snapshots() if snapshot.id not in forgotten]
        require(fitting, "there is no snapshot that is not forgotten")
        complete = [snapshot for snapshot in fitting if not self.is_partial(snapshot)]
        sound = [snapshot for snapshot in complete if snapshot.committed_at <= now_ns]
        chosen = (sound or complete or fitting)[-1]
        for passed in fitting[fitting.index(chosen) + 1:]:
            reason = "it is partial" if self.is_partial(passed) else "it was committed ahead of this machine's clock"
            self.notice(f"snapshot {passed.id.hex()} is passed over: {reason}")
        return chosen

    def index_into(self, index):
        """Adds what every segment lists that counts to an index. [SEGMENT-15]"""
        wanted, taking = {}, set()  # counts by segment, as outcomes say; segments that may take the place of others
        for outcome in self.committed():
            for segment, packs, chunks in outcome.segments:
                wanted.setdefault(segment, set()).add((packs, chunks))
                if outcome.kind in ("repack", "repair"):
                    taking.add(segment)
        replaced = set()  # segments with their counts, as segments say that take their place
        for segment in taking:
            try:
                replaced.update(self.segment(segment).replaced)
            except (Refused, OSError):
                pass  # said below, unless another one takes its place
        for segment, counts in wanted.items():
            if any((segment, *given) in replaced for given in counts):
                continue  # [SEGMENT-19]
            if self.store.has(f"segments/{segment.hex()}"):
                self.attempt(f"segments/{segment.hex()}", lambda: self.add_rows(segment, index))
            else:
                self.notice(f"segment {segment.hex()} is missing, and no other replaces it")
        index.complete()

    def segment(self, segment):
        name = f"segments/{segment.hex()}"
        data = self.store.read_hashed("segments", segment.hex(), control.OBJECT_MAX)
        opened = control.open_envelope(control.SEGMENT, data, self.keys, self.chain, name)
        found = Segment(segment, opened.body)
        for row in found.packs:  # [SEGMENT-17]
            require(opened.role in control.COLLECTORS or row.signer == opened.signer,
                    f"{name}: signed by a key with the role {opened.role}, and it lists packs under another key")
        return found

    def add_rows(self, segment, index):
        for row in self.segment(segment).packs:
            index.add(row)


def read_condemned(generation, opened, what):
    """[PRUNE-2] The packs of a condemned set."""
    data = Plain(opened.body, what)
    found, _, session = data.u64(), data.bytes(16), data.u64()
    packs, live = data.list(lambda: data.bytes(32)), data.list(lambda: data.bytes(32))
    data.finish()
    require(found == generation > 0 and session > 0 and rising(packs) and rising(live), f"{what}: a field out of range")
    return packs


def read_deleted(generation, opened, condemned, packs, what):
    """[PRUNE-2] [PRUNE-3] The packs of a deleted set."""
    data = Plain(opened.body, what)
    found, follows, deleted = data.u64(), data.bytes(32), data.list(lambda: data.bytes(32))
    data.finish()
    require(found == generation and rising(deleted), f"{what}: a field out of range")
    require(follows == condemned.hash and set(deleted) <= set(packs), f"{what}: it follows another condemned set")
    return deleted
