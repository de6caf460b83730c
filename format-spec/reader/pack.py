"""Packs and their frames (page 06). Frames are found by segments, so neither footer nor trailer is needed."""

import frame
from seal import OVERHEAD, SUITE, VERSION, check_commitment, field_key, open_part
from wire import Packed, require

PACK_MAX = 1 << 30
FRAMES_MAX = 65536
CHUNKS_MAX = 524288
SEALED_MAX = 33 << 20
FRAMES_END_MAX = 1019 << 20
HEAD = 12
CLASSES = {1: "content", 2: "manifest", 3: "stat"}


def frame_table(data):
    """[PACK-13] The frame table of a footer or segment: (sealed length, raw lengths) for each frame."""
    frames, chunks = [], 0
    for _ in range(data.count(3, FRAMES_MAX, 1, "count of frames")):
        sealed = data.varint(SEALED_MAX, OVERHEAD, "sealed length")
        count = data.count(1, frame.CHUNKS_MAX, 1, "count of chunks")
        lengths = [data.varint(frame.CHUNK_MAX, 1, "length of a chunk") for _ in range(count)]
        data.in_range(sum(lengths), 1, frame.RAW_MAX, "raw length of a frame")
        chunks = data.in_range(chunks + count, 1, CHUNKS_MAX, "chunks of a pack")
        frames.append((sealed, lengths))
    return frames


class Header:
    """The clear head of a pack."""

    def __init__(self, data, what):
        head = Packed(data, what)
        require(head.bytes(8) == b"HOLDPACK", f"{what}: no pack")  # [PACK-2]
        require(head.u16() == VERSION, f"{what}: unknown version")
        require(head.u16() == SUITE, f"{what}: unknown suite")
        self.kind = head.in_range(head.u8(), 1, 3, "class")
        self.field_kind = head.in_range(head.u8(), 0, 1, "kind of key field")
        field_length = head.u16()
        require(field_length == 32 * self.field_kind, f"{what}: a key field of {field_length} bytes")
        self.epoch = head.u32()
        require(head.u32() == 0, f"{what}: reserved bytes are not zero")
        self.repository, self.client, self.session = head.bytes(16), head.bytes(16), head.u64()
        self.salt, self.commitment = head.bytes(32), head.bytes(32)
        self.field = head.bytes(field_length)
        self.length = head.offset


class Pack:
    """An open pack. `file` reads ranges, `row` is what a segment says of the pack, `keys` are the holder's secrets."""

    def __init__(self, file, row, keys):
        self.name = f"pack {row.pack.hex()}"
        self.file = file
        require(file.length <= PACK_MAX, f"{self.name}: longer than 1 GiB")  # [PACK-15]
        self.header = header = Header(file.read(0, min(160, file.length)), self.name)
        require(header.repository == keys.repository, f"{self.name}: of another repository")  # [PACK-3]
        root = keys.root(header.epoch, CLASSES[header.kind], self.name)  # [PACK-4]
        self.key = field_key(root, header.field_kind, header.field, header.salt)  # [PACK-23]
        check_commitment(self.key, header.commitment, self.name)

    def frame(self, number, offset, stored):
        """The raw bytes and chunk lengths of a frame at a known place."""
        what = f"frame {number} of {self.name}"
        require(offset + stored <= self.file.length, f"{what}: it does not lie within the pack")  # [PACK-5]
        data = self.file.read(offset, stored)
        require(data[:4] == b"FRME", f"{what}: no frame")
        require(int.from_bytes(data[4:8], "little") == number, f"{what}: another number")
        require(int.from_bytes(data[8:12], "little") == stored - HEAD, f"{what}: another length")
        plaintext = open_part(self.key, b"HOLDPACK", self.header.kind, self.header.salt, number, data[HEAD:], what)
        return frame.decode(plaintext, what)
