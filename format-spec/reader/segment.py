"""The body of a segment: which chunks lie where (page 09)."""

from typing import NamedTuple

from pack import FRAMES_END_MAX, HEAD, PACK_MAX, frame_table
from wire import Packed, require

BODY_MAX = 32 << 20
REPLACED_MAX = 65536


class PackRow(NamedTuple):
    """What a segment says of one pack."""
    pack: bytes
    kind: int
    length: int
    signer: bytes
    client: bytes
    session: int
    header: int
    frames: list
    ids: list

    def places(self):
        """For each chunk: id, frame number, offset and stored length of the frame, offset and length of the chunk."""
        offset, ids = self.header, iter(self.ids)
        for number, (sealed, lengths) in enumerate(self.frames):
            start = 0
            for length in lengths:
                yield next(ids), number, offset, HEAD + sealed, start, length
                start += length
            offset += HEAD + sealed


class Segment:
    """A segment, checked as a whole before anything of it is used [SEGMENT-11]."""

    def __init__(self, own_id, body):
        self.name = f"segment {own_id.hex()}"
        require(len(body) <= BODY_MAX, f"{self.name}: its body is too long")  # [SEGMENT-8]
        data = Packed(body, self.name)
        count = data.count(34, REPLACED_MAX, field="count of replaced segments")  # [SEGMENT-2] [SEGMENT-12]
        self.replaced = [(data.bytes(32), data.varint(), data.varint()) for _ in range(count)]
        replaced_ids = [entry[0] for entry in self.replaced]
        self.rising(replaced_ids, "replaced segments")
        require(own_id not in replaced_ids, f"{self.name}: it replaces itself")
        signers = [data.bytes(32) for _ in range(data.count(32))]
        clients = [data.bytes(16) for _ in range(data.count(16))]
        self.rising(signers, "signers")  # [SEGMENT-3]
        self.rising(clients, "clients")
        count = data.count(32)
        require(count or self.replaced, f"{self.name}: it says nothing")  # [SEGMENT-10]
        self.packs = [self.row(data, signers, clients) for _ in range(count)]
        data.finish()  # [SEGMENT-9]
        self.rising([row.pack for row in self.packs], "packs")  # [SEGMENT-1]
        require({row.signer for row in self.packs} == set(signers), f"{self.name}: a signer of no pack")
        require({row.client for row in self.packs} == set(clients), f"{self.name}: a client of no pack")
        self.chunk_count = sum(len(row.ids) for row in self.packs)

    def rising(self, values, what):
        require(all(one < two for one, two in zip(values, values[1:])), f"{self.name}: its {what} are not sorted")

    def row(self, data, signers, clients):
        pack = data.bytes(32)
        kind = data.in_range(data.u8(), 1, 3, "class")  # [SEGMENT-5]
        length = data.varint(PACK_MAX, field="length of a pack")  # [SEGMENT-6]
        signer = signers[data.varint(len(signers) - 1, field="signer")]  # [SEGMENT-4]
        client = clients[data.varint(len(clients) - 1, field="client")]
        session = data.varint()
        header = data.varint(field="header length")
        require(header in (128, 160), f"{self.name}: a header of {header} bytes")
        frames = frame_table(data)
        end = header + sum(HEAD + sealed for sealed, _ in frames)
        require(end <= FRAMES_END_MAX, f"{self.name}: frames end at {end}")
        require(end < length, f"{self.name}: pack {pack.hex()} ends before its frames")
        ids = [data.bytes(32) for _ in range(sum(len(lengths) for _, lengths in frames))]  # [SEGMENT-7]
        return PackRow(pack, kind, length, signer, client, session, header, frames, ids)
