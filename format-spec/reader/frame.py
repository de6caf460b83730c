"""What a frame holds once its seal was opened (page 04)."""

import zstandard

from wire import Packed, Refused, require

CHUNK_MAX = 16 << 20
CHUNKS_MAX = 65536
RAW_MAX = 32 << 20


def decode(plaintext, what):
    """The raw bytes of a frame and the lengths of its chunks."""
    head = Packed(plaintext, what)
    encoding = head.in_range(head.u8(), 0, 1, "encoding")  # [FRAME-1]
    count = head.count(1, CHUNKS_MAX, 1, "count of chunks")  # [FRAME-2]
    lengths, total = [], 0
    for _ in range(count):
        lengths.append(head.varint(CHUNK_MAX, 1, "length of a chunk"))  # [FRAME-3]
        total = head.in_range(total + lengths[-1], 1, RAW_MAX, "sum of lengths")  # [FRAME-4]
    payload = plaintext[head.offset:]
    if encoding == 0:
        require(len(payload) == total, f"{what}: a raw payload of {len(payload)} bytes instead of {total}")  # [FRAME-5]
        return payload, lengths
    require(content_size(payload, what) == total, f"{what}: another content size than the lengths say")
    try:
        raw = zstandard.ZstdDecompressor().decompress(payload, max_output_size=total)
    except zstandard.ZstdError as error:
        raise Refused(f"{what}: it does not decompress: {error}") from error
    require(len(raw) == total, f"{what}: it decompresses to {len(raw)} bytes instead of {total}")
    return raw, lengths


def content_size(payload, what):
    """[FRAME-6] Checks that the payload is one zstd frame of the one accepted form, and gives its content size."""
    zstd = Packed(payload, f"{what}, zstd payload")
    require(zstd.bytes(4) == b"\x28\xb5\x2f\xfd", f"{what}: no zstd frame")
    descriptor = zstd.u8()
    require(descriptor & 0x0f == 0, f"{what}: a zstd frame with checksum, dictionary or reserved bit")
    single, flag = descriptor >> 5 & 1, descriptor >> 6
    require(single or flag, f"{what}: a zstd frame without content size")
    if not single:
        zstd.u8()  # window
    size = zstd.number(1 << flag) + (256 if flag == 1 else 0)
    last = False
    while not last:
        block = zstd.number(3)
        last, kind = bool(block & 1), block >> 1 & 3
        require(kind != 3, f"{what}: a zstd block of the reserved type")
        zstd.bytes(1 if kind == 1 else block >> 3)
    zstd.finish()
    return size
