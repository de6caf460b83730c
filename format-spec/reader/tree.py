"""Trees: the manifest's entries, item trees, attributes (page 07)."""

from typing import NamedTuple

from wire import Packed, require

MANIFEST, STAT, ITEMS, OPAQUE = 1, 2, 3, 4
NODE_MAX = 1 << 20
KEY_MAX = 65536
ENTRY_MAX = 73728
LEVEL_MAX = 15
CONTENT_MAX = 2**63 - 1
CHUNK_MAX = 16 << 20
SUM_MAX = 2**64 - 1
INLINE_MAX = 4096
ITEMS_IN_ENTRY_MAX = 4
ATTRIBUTES_MAX = 16
VALUE_IN_ENTRY_MAX = 1024
VALUE_MAX = 16 << 20

DIRECTORY, FILE, SYMLINK, FIFO, SOCKET, CHARACTER, BLOCK, UNKNOWN = range(8)
STORED, INCONSISTENT, UNREADABLE = range(3)
XATTRS, HOLES = 1, 2
KNOWN_MANDATORY = {XATTRS: True, HOLES: False}


class Item(NamedTuple):
    """A part of a content: a chunk by its id, or zeros (id is None)."""
    id: bytes | None
    length: int


class Content(NamedTuple):
    """Where the bytes of a file or value are: `inline` bytes, a list of `items`, or the `root` of an item tree."""
    length: int
    inline: bytes | None = None
    items: list | None = None
    root: bytes | None = None
    level: int = 0
    count: int = 0


class Attribute(NamedTuple):
    number: int
    mandatory: bool
    value: bytes | None  # in the entry
    content: Content | None  # out of line


class Entry(NamedTuple):
    key: bytes
    kind: int
    ancestor: bool
    state: int
    error: int
    mode: int
    owner: int
    group: int
    mtime_ns: int
    link: bytes | None  # hard-link group
    attributes: list
    content: Content | None
    target: bytes | None
    device: tuple | None

    def components(self):
        return self.key.split(b"\0") if self.key else []


class Promise(NamedTuple):
    """What a parent says of a node: level, last key, and the rows and bytes below it."""
    level: int
    last: bytes | None
    rows: int
    bytes: int


class Shortened:
    """The keys of a node's rows, each shortened against the one before."""

    def __init__(self, above):
        self.previous = b""
        self.above = above  # the last key before the node; None if there is none
        self.first = True

    def key(self, node):
        shared = node.varint(len(self.previous), field="shared length")
        rest = node.blob(KEY_MAX, field="length of a key")
        key = self.previous[:shared] + rest
        if self.first:
            require(shared == 0, f"{node.what}: its first key shares bytes")  # [MANIFEST-4]
            require(self.above is None or key > self.above, f"{node.what}: it starts too early")  # [MANIFEST-10]
        else:
            require(key > self.previous, f"{node.what}: keys do not rise")  # [MANIFEST-3]
            # [MANIFEST-4] Exactly the bytes in common: the next byte differs, or the key before ends there.
            require(shared == len(self.previous) or rest[0] != self.previous[shared],
                    f"{node.what}: a key shares more bytes than it says")
        check_key(key, node.what)
        self.previous, self.first = key, False
        return key


def check_key(key, what):
    """[MANIFEST-2]"""
    require(len(key) <= KEY_MAX, f"{what}: a key of {len(key)} bytes")
    if key:
        for name in key.split(b"\0"):
            require(name not in (b"", b".", b"..") and b"/" not in name, f"{what}: a key with the component {name}")


class Trees:
    """Reads trees whose nodes a function gives, already compared with their ids."""

    def __init__(self, node):
        self.node = node

    def entries(self, root):
        """The entries of a manifest in the order of their keys."""
        directories = []  # the keys of the directories above the entry
        for entry in self.walk(MANIFEST, root, None, None):
            while directories and directories[-1] and not entry.key.startswith(directories[-1] + b"\0"):
                directories.pop()
            parent = entry.key.rpartition(b"\0")[0]
            # [MANIFEST-22]
            require(not entry.key or directories[-1:] == [parent],
                    f"manifest {root.hex()}: {entry.key} does not lie in a directory of the tree")
            require(entry.key or entry.kind == DIRECTORY, f"manifest {root.hex()}: its root is no directory")
            if entry.kind == DIRECTORY:
                directories.append(entry.key)
            yield entry

    def items(self, content):
        """The items of a content that is not inline."""
        if content.items is not None:
            yield from content.items
            return
        zeros = False
        for item in self.walk(ITEMS, content.root, None, Promise(content.level, None, content.count, content.length)):
            # [MANIFEST-17] across leaves too
            require(not (zeros and item.id is None), f"item tree {content.root.hex()}: zeros follow zeros")
            zeros = item.id is None
            yield item

    def walk(self, tree, node_id, above, promise, root=True):
        """The rows of all leaves below a node. The recursion is as deep as the tree, 16 at most."""
        data = self.node(node_id)
        what = f"node {node_id.hex()}"
        require(len(data) <= NODE_MAX, f"{what}: longer than 1 MiB")  # [MANIFEST-5]
        node = Packed(data, what)
        first = node.u8()
        require(first >> 4 == tree, f"{what}: of another tree")  # [MANIFEST-6] [MANIFEST-33]
        level = first & 0x0f
        require(promise is None or level == promise.level, f"{what}: of level {level}")  # [MANIFEST-7]
        # [MANIFEST-8] Only the root leaf of a manifest or stat tree may be empty; a root above has two children.
        least = (0 if level == 0 and tree != ITEMS else 2 if level else 1) if root else 1
        count = node.count(2, low=least, field="number of rows")
        keys = Shortened(above) if tree != ITEMS else None
        rows, total = 0, 0
        for _ in range(count):
            if level:
                before = above if keys is None or keys.first else keys.previous
                last = keys.key(node) if keys else None
                self.within(promise, last, what)
                child, child_rows, child_bytes = node.bytes(32), node.varint(), node.varint()
                row_count, row_bytes = child_rows, child_bytes
            else:
                row, row_bytes = leaf_row(tree, node, keys)
                self.within(promise, keys and keys.previous, what)
                row_count = 1
            rows, total = min(rows + row_count, SUM_MAX), min(total + row_bytes, SUM_MAX)
            # [MANIFEST-11] Nothing is given out beyond what was promised.
            require(promise is None or (rows <= promise.rows and total <= promise.bytes),
                    f"{what}: more rows or bytes than its parent says")
            if level:
                yield from self.walk(tree, child, before, Promise(level - 1, last, child_rows, child_bytes), False)
            else:
                yield row
        node.finish()  # [MANIFEST-9]
        if promise is not None:
            require(keys is None or promise.last is None or keys.previous == promise.last,
                    f"{what}: another last key than its parent says")  # [MANIFEST-10]
            require((rows, total) == (promise.rows, promise.bytes), f"{what}: other sums than its parent says")

    @staticmethod
    def within(promise, key, what):
        require(promise is None or promise.last is None or key <= promise.last,
                f"{what}: a key above the one that its parent names")  # [MANIFEST-10]


def leaf_row(tree, node, keys):
    """One row of a leaf, and what it counts as bytes."""
    if tree == ITEMS:
        found = item(node)
        return found, found.length
    entry = entry_row(node, keys)
    return entry, entry.content.length if entry.content else 0


def item(data):
    """[MANIFEST-17]"""
    header = data.varint()
    length = header >> 1
    if header & 1:
        return Item(None, data.in_range(length, 1, CONTENT_MAX, "length of a run of zeros"))
    return Item(data.bytes(32), data.in_range(length, 1, CHUNK_MAX, "length of a chunk"))


def content(data, inline):
    """[MANIFEST-17] The content of a file (may be inline) or of an attribute out of line (may not)."""
    tag = data.in_range(data.u8(), 0 if inline else 1, 2, "tag of a content")
    if tag == 0:
        value = data.blob(INLINE_MAX, field="length of inline content")
        return Content(len(value), inline=value)
    if tag == 1:
        items = [item(data) for _ in range(data.varint(ITEMS_IN_ENTRY_MAX, 1, "number of items"))]
        if any(one.id is None and two.id is None for one, two in zip(items, items[1:])):
            data.refuse("zeros follow zeros")
        return Content(data.in_range(sum(one.length for one in items), 1, CONTENT_MAX, "length"), items=items)
    root, level = data.bytes(32), data.in_range(data.u8(), 0, LEVEL_MAX, "level")
    count = data.varint(low=ITEMS_IN_ENTRY_MAX + 1, field="number of items")
    length = data.varint(CONTENT_MAX, count, "length")
    return Content(length, root=root, level=level, count=count)


def time_ns(data):
    seconds = data.zigzag()
    return seconds * 10**9 + data.varint(10**9 - 1, field="nanoseconds")


def entry_row(node, keys):
    key = keys.key(node)
    start = node.offset
    kind = node.u8()
    ancestor, kind = bool(kind & 0x80), node.in_range(kind & 0x7f, 0, 7, "kind")
    if ancestor and kind != DIRECTORY:
        node.refuse("an ancestor that is not a directory")  # [MANIFEST-14]
    state = node.in_range(node.u8(), 0, 2, "state")
    if kind == UNKNOWN and state != UNREADABLE:
        node.refuse("an entry of unknown kind that was read")  # [MANIFEST-15]
    error = node.varint(2**32 - 1, field="error number") if state == UNREADABLE else 0
    mode = node.varint(0o7777, field="mode")
    owner, group = node.varint(2**32 - 1, field="owner"), node.varint(2**32 - 1, field="group")
    mtime = time_ns(node)
    flags = node.in_range(node.u8(), 0, 3, "flags")
    link = node.bytes(16) if flags & 1 else None
    attributes = attribute_list(node) if flags & 2 else []
    found, target, device = None, None, None
    if state != UNREADABLE and kind == FILE:
        found = content(node, inline=True)
    elif state != UNREADABLE and kind == SYMLINK:
        target = node.blob(4096, 1, "length of a link's target")  # [MANIFEST-16]
        if b"\0" in target:
            node.refuse("a link's target with a zero byte")
    elif kind in (CHARACTER, BLOCK):
        device = node.varint(2**32 - 1, field="major"), node.varint(2**32 - 1, field="minor")
    if len(key) + node.offset - start > ENTRY_MAX:
        node.refuse("an entry too long")  # [MANIFEST-12]
    return Entry(key, kind, ancestor, state, error, mode, owner, group, mtime, link, attributes, found, target, device)


def attribute_list(data):
    """[MANIFEST-18]"""
    attributes = []
    for _ in range(data.varint(ATTRIBUTES_MAX, 1, "number of attributes")):
        low = attributes[-1].number + 1 if attributes else 0
        number = data.varint(2**32 - 1, low, "number of an attribute")
        flags = data.u8()
        if flags & 0x3f:
            data.refuse("an attribute with reserved flags")
        mandatory = bool(flags & 0x80)
        if KNOWN_MANDATORY.get(number, mandatory) != mandatory:
            data.refuse(f"attribute {number} with another mandatory bit than it has")
        value, outside = None, None
        if flags & 0x40:
            outside = content(data, inline=False)
            data.in_range(outside.length, VALUE_IN_ENTRY_MAX + 1, VALUE_MAX, "length of a value out of line")
        else:
            value = data.blob(VALUE_IN_ENTRY_MAX, field="length of a value")
        attributes.append(Attribute(number, mandatory, value, outside))
    return attributes


def xattrs(value, what):
    """[MANIFEST-20] The value of the attribute *xattrs*: pairs of name and value."""
    data, pairs = Packed(value, f"{what}: extended attributes"), []
    for _ in range(data.count(2, low=1)):
        name = data.blob(255, 1, "length of a name")
        if b"\0" in name or (pairs and name <= pairs[-1][0]):
            data.refuse("a name out of order or with a zero byte")
        pairs.append((name, data.blob(65536, field="length of a value")))
    data.finish()
    return pairs


def holes(value, what):
    """[MANIFEST-21] The value of the attribute *holes*: offset and end of each hole in bytes."""
    data, ranges, end = Packed(value, f"{what}: holes"), [], 0
    for _ in range(data.count(2, low=1)):
        start = end + data.varint(low=1 if ranges else 0, field="distance") * 4096
        end = data.in_range(start + data.varint(low=1, field="length") * 4096, 0, 2**63, "end of a hole")
        ranges.append((start, end))
    data.finish()
    return ranges


def is_stream(entries):
    """[OUTCOME-16] Whether the first three entries of a manifest are all that a stream's has."""
    if len(entries) != 2:
        return False
    top, file = entries
    return (top.key == b"" and top.ancestor and file.kind == FILE and file.state == STORED and
            len(file.components()) == 1 and file.link is None and not file.attributes)


def opaque(data, what):
    """[MANIFEST-33] What an opaque node holds."""
    require(0 < len(data) <= NODE_MAX and data[0] == OPAQUE << 4, f"{what}: no opaque node")
    return data[1:]
