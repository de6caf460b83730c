"""The way from an id to its bytes: the index of all committed segments, packs, frames, chunks."""

import sqlite3
from collections import OrderedDict

from pack import Pack
from seal import derive, keyed
from store import pack_name
from wire import Refused, require

FRAMES_BYTES_MAX = 96 << 20
PACKS_OPEN_MAX = 64


class Index:
    """Where chunks and nodes lie. It is a temporary database on disk: a repository may have more chunks than memory
    holds."""

    def __init__(self):
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.execute("create table place (id blob, pack int, frame int, offset int, stored int, start int, "
                              "length int)")
        self.rows = []

    def add(self, row):
        """Takes the chunks of a pack as a segment lists it."""
        number = len(self.rows)
        self.rows.append(row._replace(frames=None, ids=None))
        self.database.execute("begin")
        self.database.executemany("insert into place values (?, ?, ?, ?, ?, ?, ?)",
                                  ((place[0], number, *place[1:]) for place in row.places()))
        self.database.execute("commit")

    def complete(self):
        self.database.execute("create index by_id on place (id)")

    def places(self, wanted):
        """All copies: pack, frame number, the frame's offset and stored length, the chunk's offset and length."""
        query = "select pack, frame, offset, stored, start, length from place where id = ?"
        found = self.database.execute(query, (wanted,))
        return [(self.rows[pack], *place) for pack, *place in found]


class Content:
    """Gives chunks and nodes by their ids, each re-hashed before it is handed on."""

    def __init__(self, store, keys, index):
        self.store, self.keys, self.index = store, keys, index
        self.chunk_key = derive("holdall 1 chunk id", keys.naming)
        self.node_key = derive("holdall 1 node id", keys.naming)
        self.frames, self.frames_bytes = OrderedDict(), 0  # decoded frames, the last used one last
        self.packs = OrderedDict()

    def chunk(self, chunk):
        return self.fetch(chunk, self.chunk_key, "chunk")  # [CHUNK-7]

    def node(self, node):
        return self.fetch(node, self.node_key, "node")  # [MANIFEST-30]

    def fetch(self, wanted, key, what):
        """The bytes under an id, from the first copy that is whole."""
        reasons = []
        for row, number, offset, stored, start, length in self.index.places(wanted):
            try:
                raw, starts = self.frame(row, number, offset, stored)
                where = f"frame {number} of pack {row.pack.hex()}"
                require(starts.get(start) == length, f"{where}: other chunks than its segment says")
                data = raw[start:start + length]
                require(keyed(key, data) == wanted, f"{where}: other bytes than the id says")
                return data
            except (Refused, OSError) as error:
                reasons.append(str(error))
        raise Refused(f"{what} {wanted.hex()}: {'; '.join(reasons) or 'no committed segment knows it'}")

    def frame(self, row, number, offset, stored):
        """A decoded frame, and the length of the chunk that starts at each offset of it."""
        place = row.pack, number
        if place in self.frames:
            self.frames.move_to_end(place)
            return self.frames[place]
        raw, lengths = self.pack(row).frame(number, offset, stored)
        starts, start = {}, 0
        for length in lengths:
            starts[start] = length
            start += length
        self.frames[place] = raw, starts
        self.frames_bytes += len(raw)
        while self.frames_bytes > FRAMES_BYTES_MAX and len(self.frames) > 1:
            self.frames_bytes -= len(self.frames.popitem(last=False)[1][0])
        return raw, starts

    def pack(self, row):
        if row.pack in self.packs:
            self.packs.move_to_end(row.pack)
            return self.packs[row.pack]
        file = self.store.open(pack_name(row.pack))
        try:
            pack = Pack(file, row, self.keys)
        except BaseException:
            file.close()
            raise
        self.packs[row.pack] = pack
        if len(self.packs) > PACKS_OPEN_MAX:
            self.packs.popitem(last=False)[1].file.close()
        return pack
