#!/usr/bin/env python3
"""Prints what is in a tree, one line an entry, so that a copy can be compared with a listing that was kept.

    list_tree.py TREE

Fields are separated by tabs: path, kind, mode, owner:group, mtime in nanoseconds, then what the kind has: size and SHA-256
of the content, holes, link target, device numbers; the first name if there are several; extended attributes with the
first 16 digits of their value's SHA-256. Paths are relative, in the order of a manifest (as if `/` were the lowest byte);
bytes that are not printable ASCII, and `\\`, are written as \\xNN. The tree's own line has the path `.`.
"""

import hashlib
import os
import stat
import sys

from compare_trees import DIRECTORY, FILE, data_runs, xattrs

KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character", stat.S_IFBLK: "block"}


def escaped(name):
    return "".join(chr(byte) if 0x20 < byte < 0x7f and byte != 0x5c else f"\\x{byte:02x}" for byte in name)


def file_fields(name, handle, size):
    file = os.open(name, FILE, dir_fd=handle)
    try:
        digest, end, holes = hashlib.sha256(), 0, []
        for start, stop in [*data_runs(file, size), (size, size)]:
            if start > end:
                holes.append(f"{end}-{start}")
            end = stop
        place = 0
        while part := os.pread(file, 1 << 20, place):
            digest.update(part)
            place += len(part)
    finally:
        os.close(file)
    yield f"size={size}"
    yield f"sha256={digest.hexdigest()}"
    if holes:
        yield f"holes={','.join(holes)}"


def fields(name, handle, path, first_names):
    found = os.stat(name, dir_fd=handle, follow_symlinks=False)
    yield escaped(path or b".")
    yield KINDS[stat.S_IFMT(found.st_mode)]
    yield f"{stat.S_IMODE(found.st_mode):04o}"
    yield f"{found.st_uid}:{found.st_gid}"
    yield str(found.st_mtime_ns)
    if stat.S_ISREG(found.st_mode):
        yield from file_fields(name, handle, found.st_size)
    if stat.S_ISLNK(found.st_mode):
        yield f"target={escaped(os.readlink(name, dir_fd=handle))}"
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        yield f"device={os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
        yield f"link={escaped(first_names.setdefault((found.st_dev, found.st_ino), path))}"
    values = [(os.fsencode(label), hashlib.sha256(value).hexdigest()) for label, value in xattrs(handle, name).items()]
    if values:
        yield "xattrs=" + ",".join(f"{escaped(label)}:{digest[:16]}" for label, digest in sorted(values))


def lines(top):
    """Step by step, since paths may be longer than the kernel takes."""
    first_names = {}
    handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    yield "\t".join(fields(b".", handle, b"", first_names))
    stack = [(handle, b"", None)]
    while stack:
        handle, path, names = stack.pop()
        if names is None:
            names = sorted(map(os.fsencode, os.listdir(handle)), reverse=True)
        if not names:
            os.close(handle)
            continue
        name = names.pop()
        stack.append((handle, path, names))
        yield "\t".join(fields(name, handle, path + name, first_names))
        if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            stack.append((os.open(name, DIRECTORY, dir_fd=handle), path + name + b"/", None))


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for line in lines(sys.argv[1]):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
