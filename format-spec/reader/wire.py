"""The two encodings of the format: packed and plain (README, "Conventions")."""


class Refused(Exception):
    """Bytes that are not what the format says; the text names the object and the reason."""


def require(condition, reason):
    """Refuses with a reason unless the condition holds."""
    if not condition:
        raise Refused(reason)


class Input:
    """Reads fields one after the other and never beyond the end."""

    def __init__(self, data, what):
        self.data = data
        self.what = what
        self.offset = 0

    def refuse(self, reason):
        raise Refused(f"{self.what}: {reason} at byte {self.offset}")

    def left(self):
        return len(self.data) - self.offset

    def bytes(self, count):
        if count > self.left():
            self.refuse("it ends inside a field")
        self.offset += count
        return bytes(self.data[self.offset - count:self.offset])

    def number(self, size):
        """A number of fixed size, little-endian."""
        return int.from_bytes(self.bytes(size), "little")

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def finish(self):
        """[WIRE-3] Nothing may follow."""
        if self.left():
            self.refuse(f"{self.left()} bytes too many")

    def in_range(self, value, low, high, field):
        if not low <= value <= high:
            self.refuse(f"{field} {value} is out of range")
        return value


class Packed(Input):
    """The packed encoding."""

    def varint(self, high=2**64 - 1, low=0, field="number"):
        """[WIRE-1] Seven bits a byte, lowest first, in the shortest form."""
        value = 0
        for position in range(10):
            byte = self.u8()
            value |= (byte & 0x7f) << (7 * position)
            if byte < 0x80:
                if (byte == 0 and position > 0) or value >= 2**64:
                    self.refuse("varint not in its shortest form")
                return self.in_range(value, low, high, field)
        return self.refuse("varint above 64 bits")

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def count(self, item_bytes_min, high=2**64 - 1, low=0, field="count"):
        """[WIRE-2] So many things follow, of at least so many bytes each."""
        return self.in_range(self.varint(high, low, field), 0, self.left() // item_bytes_min, field)

    def blob(self, high=2**64 - 1, low=0, field="blob"):
        return self.bytes(self.varint(high, low, field))


class Plain(Input):
    """The plain encoding."""

    def i64(self):
        return int.from_bytes(self.bytes(8), "little", signed=True)

    def truth(self):
        """[WIRE-4]"""
        return self.in_range(self.u8(), 0, 1, "truth value") == 1

    def blob(self):
        return self.bytes(self.u64())

    def list(self, item):
        """[WIRE-2] Each item takes at least one byte."""
        count = self.in_range(self.u64(), 0, self.left(), "count")
        return [item() for _ in range(count)]

    def optional(self, item):
        """[WIRE-4]"""
        return item() if self.in_range(self.u8(), 0, 1, "presence") == 1 else None

    def variant(self, names):
        """[WIRE-4] An enumeration whose variants have no fields, as one of `names`."""
        return names[self.in_range(self.u32(), 0, len(names) - 1, "variant")]
