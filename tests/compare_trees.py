#!/usr/bin/env python3
"""Compares two trees entry by entry, with nothing but system calls: the part of compare.sh that other tools can't do.

    compare_trees.py SOURCE COPY          compares; prints each difference, at most 100; exit code 1 if there are any
    compare_trees.py --short TREE BYTES   prints the paths below TREE up to that length, zero bytes behind each
    compare_trees.py --long TREE BYTES    prints the directories below which all paths are longer, as rsync excludes them

Kind, mode, owner, size, time to the nanosecond, device numbers, link targets, extended attributes, content, which names
share an inode, and which 4 KiB blocks of files are holes. Directories are reached step by step, so paths may be longer
than the kernel takes; names may be any bytes. Memory does not grow with the number of entries.
"""

import errno
import os
import stat
import sys

GRAIN = 4096
DIFFERENCE_COUNT_MAX = 100
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Side:
    """One of the trees."""

    def __init__(self, top):
        self.top = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        self.names_of_inode = {}

    def note(self, path, found):
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            self.names_of_inode.setdefault((found.st_dev, found.st_ino), []).append(path)

    def groups(self):
        return {tuple(sorted(paths)) for paths in self.names_of_inode.values() if len(paths) > 1}


def xattrs(handle, name):
    place = os.fsencode(f"/proc/self/fd/{handle}/") + name
    try:
        return {label: os.getxattr(place, label, follow_symlinks=False)
                for label in os.listxattr(place, follow_symlinks=False)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise


def data_runs(file, size):
    """Where data lies, holes rounded inwards to the grain."""
    runs, place = [], 0
    while place < size:
        try:
            start = os.lseek(file, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        end = min(os.lseek(file, start, os.SEEK_HOLE), size)
        start, end = start // GRAIN * GRAIN, min(-(-end // GRAIN) * GRAIN, size)
        if runs and runs[-1][1] >= start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
        place = max(end, place + 1)
    return runs


def same_content(left, right, runs):
    for start, end in sorted(runs):
        place = start
        while place < end:
            length = min(1 << 20, end - place)
            if os.pread(left, length, place) != os.pread(right, length, place):
                return False
            place += length
    return True


def compare_files(names, handles, size):
    left, right = (os.open(name, FILE, dir_fd=handle) for name, handle in zip(names, handles))
    try:
        maps = [data_runs(file, size) for file in (left, right)]
        if maps[0] != maps[1]:
            yield f"holes: data lies at {maps[0][:6]}, in the copy at {maps[1][:6]}"
        if not same_content(left, right, set(maps[0]) | set(maps[1])):
            yield "content"
    finally:
        os.close(left)
        os.close(right)


def compare_entry(name, handles):
    left, right = (os.stat(name, dir_fd=handle, follow_symlinks=False) for handle in handles)
    if stat.S_IFMT(left.st_mode) != stat.S_IFMT(right.st_mode):
        yield f"kind: {stat.filemode(left.st_mode)}, in the copy {stat.filemode(right.st_mode)}"
        return
    fields = {"mode": lambda found: oct(stat.S_IMODE(found.st_mode)), "uid": lambda found: found.st_uid,
              "gid": lambda found: found.st_gid, "mtime": lambda found: found.st_mtime_ns}
    if not stat.S_ISDIR(left.st_mode):
        fields["size"] = lambda found: found.st_size
    if stat.S_ISCHR(left.st_mode) or stat.S_ISBLK(left.st_mode):
        fields["device"] = lambda found: (os.major(found.st_rdev), os.minor(found.st_rdev))
    for field, of in fields.items():
        if of(left) != of(right):
            yield f"{field}: {of(left)}, in the copy {of(right)}"
    if stat.S_ISLNK(left.st_mode):
        targets = [os.readlink(name, dir_fd=handle) for handle in handles]
        if targets[0] != targets[1]:
            yield f"target: {targets[0]!r}, in the copy {targets[1]!r}"
    labels = [xattrs(handle, name) for handle in handles]
    for label in sorted(set(labels[0]) | set(labels[1])):
        values = [side.get(label) for side in labels]
        if values[0] != values[1]:
            yield f"attribute {label!r}: {str(values[0])[:60]}, in the copy {str(values[1])[:60]}"
    if stat.S_ISREG(left.st_mode) and left.st_size == right.st_size:
        yield from compare_files((name, name), handles, left.st_size)


def compare_trees(sides):
    for what in compare_entry(b".", [side.top for side in sides]):
        yield b".", what
    stack = [([os.dup(side.top) for side in sides], b"", None)]
    while stack:
        handles, path, names = stack.pop()
        if names is None:
            listed = [set(map(os.fsencode, os.listdir(handle))) for handle in handles]
            for name in sorted(listed[0] - listed[1]):
                yield path + name, "missing in the copy"
            for name in sorted(listed[1] - listed[0]):
                yield path + name, "only in the copy"
            names = sorted(listed[0] & listed[1], reverse=True)
        if not names:
            for handle in handles:
                os.close(handle)
            continue
        name = names.pop()
        stack.append((handles, path, names))
        found = [os.stat(name, dir_fd=handle, follow_symlinks=False) for handle in handles]
        for side, what in zip(sides, found):
            side.note(path + name, what)
        for what in compare_entry(name, handles):
            yield path + name, what
        if all(stat.S_ISDIR(what.st_mode) for what in found):
            stack.append(([os.open(name, DIRECTORY, dir_fd=handle) for handle in handles], path + name + b"/", None))
    groups = [side.groups() for side in sides]
    for group in sorted(groups[0] ^ groups[1]):
        where = "not in the copy" if group in groups[0] else "only in the copy"
        yield group[0], f"these names are one inode, {where}: {list(group)!r}"


def paths_below(top, length_max):
    """Pairs of a path and whether it is at most that long; nothing below one that is longer."""
    stack = [(os.open(top, DIRECTORY & ~os.O_NOFOLLOW), b"./")]
    while stack:
        handle, path = stack.pop()
        for name in map(os.fsencode, os.listdir(handle)):
            short = len(path + name) <= length_max
            yield path + name, short
            if short and stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                stack.append((os.open(name, DIRECTORY, dir_fd=handle), path + name + b"/"))
        os.close(handle)


def main():
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] in ("--short", "--long"):
        for path, short in paths_below(arguments[1], int(arguments[2])):
            if short and arguments[0] == "--short":
                sys.stdout.buffer.write(path + b"\0")
            if not short and arguments[0] == "--long":
                escaped = b"".join(b"\\" + bytes([byte]) if byte in b"\\*?[" else bytes([byte]) for byte in path[1:])
                sys.stdout.buffer.write(escaped + b"\0")
        return 0
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    count = 0
    for path, what in compare_trees([Side(top) for top in arguments]):
        count += 1
        if count <= DIFFERENCE_COUNT_MAX:
            shown = path if len(path) < 200 else path[:60] + b"..." + path[-120:]
            print(f"{shown!r}: {what}")
    if count > DIFFERENCE_COUNT_MAX:
        print(f"... and {count - DIFFERENCE_COUNT_MAX} more")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
