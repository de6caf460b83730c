"""The objects of a repository in a local directory (page 01)."""

import os
import re
import stat

from seal import hash32
from wire import require

# [STORE-1] The one text of each name, by folder.
NAMES = {
    "config": r"0|[1-9][0-9]{0,9}",
    "keys": r"[0-9a-f]{64}",
    "segments": r"[0-9a-f]{64}",
    "sessions": r"[0-9a-f]{32}-[0-9a-f]{16}",
    "outcomes": r"[0-9a-f]{32}-[0-9a-f]{16}",
    "records": r"[0-9a-f]{32}-[0-9a-f]{16}",
    "gc": r"[0-9a-f]{16}",
}
NUMBER_MAX = 2**32 - 1


class File:
    """An open object: a regular file that is not reached through a symbolic link in its place."""

    def __init__(self, path):
        self.path = path
        self.handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self.handle)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            require(False, f"{path}: not a regular file")
        self.length = found.st_size

    def read(self, offset, count):
        parts = []
        while count:
            part = os.pread(self.handle, count, offset)
            require(part, f"{self.path}: it ends at {offset}")
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
        return b"".join(parts)

    def close(self):
        os.close(self.handle)


class Store:
    """A repository's directory, only read."""

    def __init__(self, root):
        self.root = root
        # [STORE-6]
        require(os.path.isdir(os.path.join(root, "config")), f"{root} is not a repository: it has no config")

    def names(self, folder):
        """The names of the objects in a folder, sorted. Strangers are passed over [STORE-9]."""
        try:
            names = os.listdir(os.path.join(self.root, folder))
        except FileNotFoundError:
            return []
        names = sorted(name for name in names if re.fullmatch(NAMES[folder], name))
        return [name for name in names if int(name) <= NUMBER_MAX] if folder == "config" else names

    def open(self, name):
        return File(os.path.join(self.root, name))

    def has(self, name):
        return os.path.lexists(os.path.join(self.root, name))

    def read(self, name, limit):
        """All bytes of a small object."""
        file = self.open(name)
        try:
            require(file.length <= limit, f"{name}: {file.length} bytes are too many")
            return file.read(0, file.length)
        finally:
            file.close()

    def read_hashed(self, folder, name, limit):
        """All bytes of an object that is named by their hash."""
        data = self.read(f"{folder}/{name}", limit)
        require(hash32(data).hex() == name, f"{folder}/{name}: its bytes do not hash to its name")
        return data


def pack_name(pack):
    return f"packs/{pack.hex()[:2]}/{pack.hex()}"
