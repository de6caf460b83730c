#!/usr/bin/env python3
"""Compares the reader's verdicts with those of `format-spec/vectors`: it accepts what is valid and refuses what is not.

    python3 check_vectors.py

Prints every vector that gets another verdict; exit code 1 if there are any. The pages chunk and store are left out: a
reader that only restores neither cuts nor makes names. Nor does it read heartbeats, footers and trailers.
"""

import os
import sys

import control
import frame
import keys
import outcome
import seal
import tree
from history import read_condemned, read_deleted
from pack import HEAD, Header
from segment import Segment
from wire import Packed, Plain, Refused, require

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors")
SESSION = "c1" * 16 + "-0000000000000007"
STAT_TREES = ("node-settled.hex", "node-empty-stat.hex", "tree-stat.hex")
RECORD = "c1" * 16 + "-0000000000000004"


def lines(room, name):
    with open(os.path.join(VECTORS, room, name), encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file if not line.startswith("#")]


def parts(room, name):
    """The bytes of a vector; some have several, parted by blank lines."""
    return [bytes.fromhex("".join(part.split("\n"))) for part in "\n".join(lines(room, name)).split("\n\n")]


def data(room, name):
    return parts(room, name)[0]


class Configurations:
    """Takes the place of a store that holds nothing but configurations."""

    def __init__(self, objects):
        self.objects = objects

    def names(self, _):
        return [str(number) for number in range(len(self.objects))]

    def read(self, name, limit):
        number = int(name.removeprefix("config/"))
        require(len(self.objects[number]) <= limit, f"{name}: too long")
        return self.objects[number]


def chain(*objects):
    return keys.Chain(Configurations(list(objects)), seal.hash32(data("config", "zero.hex")))


def opened(kind, room, name):
    """A control object of the vectors, opened with their secrets."""
    holder = keys.open_slot("none", data("key", "none.hex"), keys.Unlock())
    configurations = chain(data("config", "zero.hex"), data("config", "one.hex"))
    holder.confirm(configurations)
    return control.open_envelope(kind, data(room, name), holder, configurations, name)


def check_config(name):
    trusted = [data("config", "zero.hex")] if name.startswith("one") else []
    chain(*trusted, data("config", name))


def check_key(name):
    slot = data("key", name)
    named = seal.hash32(data("key", "none.hex") if name == "named.hex" else slot).hex()
    require(seal.hash32(slot).hex() == named and len(slot) <= keys.SLOT_MAX, f"{name}: not what its name says")
    unlock = keys.Unlock(password=b"correct horse") if name.startswith("password") else keys.Unlock()
    if name.startswith("file"):
        unlock.kind, unlock.secret = 2, bytes.fromhex("11" * 32)
    holder = keys.open_slot(name, slot, unlock)
    require(holder is not None, f"{name}: it does not open")
    holder.confirm(chain(data("config", "zero.hex")))


def check_envelope(name):
    heartbeat = control.Kind(b"HOLDBEAT", 1 << 20, False, control.EVERY)
    opened(heartbeat if name.startswith("heartbeat") else control.SESSION, "envelope", name)


def check_session(name):
    if not name.startswith("beat"):
        outcome.Session(SESSION, opened(control.SESSION, "session", name))


def check_gc(name):
    condemned = "condemned.hex" if name.startswith("deleted") else name
    first = opened(control.CONDEMNED, "gc", condemned)
    packs = read_condemned(9, first, condemned)
    if name.startswith("deleted"):
        read_deleted(9, opened(control.DELETED, "gc", name), first, packs, name)


def check_record(name):
    record = outcome.Record(RECORD, opened(control.RECORD, "record", name))
    if name == "drill-result.hex":
        told = record.drill
        require(told and told.has_passed() and (told.share, told.seed, told.files) == (50000, 42, 12), f"{name}: misread")
    else:
        require(record.drill is None, f"{name}: its note is no drill's")


class Whole:
    """A pack in memory, for the reader that wants a file."""

    def __init__(self, content):
        self.content, self.length = content, len(content)

    def read(self, offset, count):
        require(offset + count <= self.length, "it ends too early")
        return self.content[offset:offset + count]


def check_pack(name):
    """Frame by frame from the header, as far as frames reach."""
    content = data("pack", name)
    header = Header(content[:160], name)
    require(header.repository == bytes.fromhex("11" * 16), f"{name}: of another repository")
    require(header.epoch == 3, f"{name}: of an epoch without roots")
    key = seal.field_key(bytes.fromhex("01" * 32), header.field_kind, header.field, header.salt)
    seal.check_commitment(key, header.commitment, name)
    offset = header.length
    for number in range(2):
        require(content[offset:offset + 4] == b"FRME", f"{name}: no frame")
        require(int.from_bytes(content[offset + 4:offset + 8], "little") == number, f"{name}: another number")
        end = offset + HEAD + int.from_bytes(content[offset + 8:offset + 12], "little")
        require(end <= len(content), f"{name}: it ends in a frame")
        plaintext = seal.open_part(key, b"HOLDPACK", header.kind, header.salt, number, content[offset + HEAD:end], name)
        frame.decode(plaintext, name)
        offset = end


def check_manifest(name):
    if name.startswith("xattrs"):
        tree.xattrs(data("manifest", name), name)
    elif name.startswith("holes"):
        tree.holes(data("manifest", name), name)
    elif name.startswith("tree"):
        walk_tree(name)
    else:
        read_node(name)


def walk_tree(name):
    key = seal.derive("holdall 1 node id", bytes.fromhex("4e" * 32))
    nodes = {seal.keyed(key, node): node for node in parts("manifest", name)}
    root = seal.keyed(key, data("manifest", name))

    def node(wanted):
        require(wanted in nodes, f"node {wanted.hex()} is missing")
        return nodes[wanted]

    trees = tree.Trees(node)
    for entry in trees.entries(root):
        contents = [entry.content, *(attribute.content for attribute in entry.attributes)]
        for content in contents:
            if content is not None and content.inline is None:
                list(trees.items(content))


def read_node(name):
    """A node by itself: what is below an inner one is not looked at."""
    content = data("manifest", name)
    if content[:1] and content[0] >> 4 == tree.OPAQUE:
        tree.opaque(content, name)
        return
    kind = content[0] >> 4 if content else tree.MANIFEST
    require(kind in (tree.MANIFEST, tree.STAT, tree.ITEMS), f"{name}: of an unknown tree")
    list(Alone(lambda wanted: content).walk(kind, bytes(32), None, None))


class Alone(tree.Trees):
    """Reads one node, and takes its children as they are."""

    def walk(self, kind, node, above, promise, root=True):
        return super().walk(kind, node, above, promise) if root else []


def check_segment(name):
    Segment(bytes.fromhex("99" * 32), data("segment", name))


def check_frame(name):
    frame.decode(data("frame", name), name)


def check_wire(name):
    kind = name.split("-")[0]
    packed = Packed(data("wire", name), name)
    if kind == "plain":
        plain = Plain(packed.data, name)
        plain.u8(), plain.u16(), plain.u32(), plain.u64(), plain.i64(), plain.truth(), plain.optional(plain.u32)
        variant = plain.in_range(plain.u32(), 0, 2, "variant")
        (lambda: None, plain.u64, plain.blob)[variant]()
        plain.bytes(4), plain.blob(), plain.list(lambda: plain.list(lambda: (plain.u16(), plain.blob())))
        plain.finish()
        return
    if kind == "count":
        packed.bytes(4 * packed.count(4))
        return
    {"varint": packed.varint, "zigzag": packed.zigzag, "blob": lambda: packed.blob(8)}[kind]()
    packed.finish()


def check_seal(name):
    """Keys, seals and signatures come out as they stand there."""
    fields = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                  for line in lines("seal", name) if line)

    def value(field):
        return bytes.fromhex(fields[field])

    if fields["kind"] == "derive":
        found = seal.derive(fields["context"], value("secret") + value("material"))
        require(found == value("result"), f"{name}: another result")
    elif fields["kind"] == "signature":
        seal.check_signature(value("public"), value("signature"), value("bytes"), name)
    else:
        if fields["kind"] == "encapsulated":
            require("root public" not in fields or seal.public_half(value("root")) == value("root public"), name)
            key = seal.field_key(value("root"), 1, value("key field"), value("salt"))
        else:
            key = seal.symmetric_key(value("root"), value("salt"), fields.get("part", "").encode())
        if "commitment" in fields:
            seal.check_commitment(key, value("commitment"), name)
        plaintext = seal.open_part(key, fields["magic"].encode(), int(fields["class"]), value("salt"),
                                   int(fields["number"]), value("sealed"), name, int(fields["version"]))
        require(plaintext == value("plaintext"), f"{name}: another plaintext")


CHECKS = {
    "wire": check_wire, "seal": check_seal, "config": check_config, "key": check_key, "frame": check_frame,
    "pack": check_pack, "segment": check_segment, "manifest": check_manifest, "envelope": check_envelope,
    "session": check_session, "gc": check_gc,
    "outcome": lambda name: outcome.Outcome(SESSION, opened(control.OUTCOME, "outcome", name)),
    "record": check_record,
}


def not_read(room, name):
    """Vectors of parts that a reader of this kind has no need to look at."""
    return room == "session" and name.startswith("beat") or \
        room == "pack" and name.startswith(("footer", "trailer", "cut", "session", "short-pack")) or \
        room == "manifest" and (name.startswith("node-stat") or name in STAT_TREES)


def main():
    wrong, count = 0, 0
    for room, check in CHECKS.items():
        for line in lines(room, "index.txt"):
            name, verdict, said = line.split(" | ")[:3]
            if not_read(room, name):
                continue
            count += 1
            try:
                check(name)
                found = "valid"
            except Refused as error:
                found = f"invalid: {error}"
            if found.split(":")[0] != verdict:
                wrong += 1
                print(f"{room}/{name} is {verdict} ({said.strip()}), and was found {found}")
    print(f"{count} vectors, {wrong} with another verdict")
    return 1 if wrong or count < 300 else 0


if __name__ == "__main__":
    sys.exit(main())
