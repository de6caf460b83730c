#!/usr/bin/env python3
"""Compares two trees entry by entry, with nothing but system calls: the part of compare.sh that other tools can't do.

    compare_trees.py SOURCE COPY          compares; prints each difference, at most 100; exit code 1 if there are any
    compare_trees.py --short TREE BYTES   prints the paths below TREE up to that length, zero bytes behind each
    compare_trees.py --hidden TREE BYTES  prints what rsync has to be told to pass over: longer paths, and what this user
                                          may not read

Kind, mode, owner, size, time to the nanosecond, device numbers, link targets, extended attributes, content, which names
share an inode, and which 4 KiB blocks of files are holes. Directories are reached step by step, so paths may be longer
than the kernel takes; names may be any bytes. What this user may not read is compared as far as they may see it. Memory
does not grow with the number of entries, but for those that share an inode.
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


def if_allowed(action, *arguments, **named):
    """What an action gives; None if this user may not do it."""
    try:
        return action(*arguments, **named)
    except PermissionError:
        return None


def xattrs(handle, name):
    place = os.fsencode(f"/proc/self/fd/{handle}/") + name
    found = {}
    try:
        for label in os.listxattr(place, follow_symlinks=False):
            found[label] = if_allowed(os.getxattr, place, label, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EACCES):
            raise
    return found


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
    left, right = (if_allowed(os.open, name, FILE, dir_fd=handle) for name, handle in zip(names, handles))
    if left is None and right is None:
        return
    if left is None or right is None:
        yield "only one of them may be read"
        return
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
            listed = [if_allowed(os.listdir, handle) for handle in handles]
            if (listed[0] is None) != (listed[1] is None):
                yield path, "only one of them may be listed"
            listed = [set(map(os.fsencode, names or [])) for names in listed]
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
        found = [if_allowed(os.stat, name, dir_fd=handle, follow_symlinks=False) for handle in handles]
        if None in found:
            if found != [None, None]:
                yield path + name, "only one of them may be looked at"
            continue
        for side, what in zip(sides, found):
            side.note(path + name, what)
        for what in compare_entry(name, handles):
            yield path + name, what
        if all(stat.S_ISDIR(what.st_mode) for what in found):
            inner = [if_allowed(os.open, name, DIRECTORY, dir_fd=handle) for handle in handles]
            if None not in inner:
                stack.append((inner, path + name + b"/", None))
            elif inner != [None, None]:
                yield path + name, "only one of them may be opened"
    groups = [side.groups() for side in sides]
    for group in sorted(groups[0] ^ groups[1]):
        where = "not in the copy" if group in groups[0] else "only in the copy"
        yield group[0], f"these names are one inode, {where}: {list(group)!r}"


def paths_below(top, length_max):
    """Paths, whether they are short enough, and whether rsync can't compare them; nothing below such ones."""
    top = os.open(top, DIRECTORY & ~os.O_NOFOLLOW)
    stack = [(top, b"./", os.listdir(top))]
    while stack:
        handle, path, names = stack[-1]
        if not names:
            os.close(handle)
            stack.pop()
            continue
        name = os.fsencode(names.pop())
        found = if_allowed(os.stat, name, dir_fd=handle, follow_symlinks=False)
        is_directory = found is not None and stat.S_ISDIR(found.st_mode)
        is_file = found is not None and stat.S_ISREG(found.st_mode)
        opened = if_allowed(os.open, name, FILE, dir_fd=handle) if is_directory or is_file else None
        hidden = found is None or ((is_directory or is_file) and opened is None)
        # A directory has to be listed and passed through.
        hidden = hidden or (is_directory and not os.access(name, os.R_OK | os.X_OK, dir_fd=handle))
        short = len(path + name) <= length_max
        yield path + name, found is not None and short, hidden or not short
        if is_directory and short and not hidden:
            stack.append((opened, path + name + b"/", os.listdir(opened)))
        elif opened is not None:
            os.close(opened)


def main():
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] in ("--short", "--hidden"):
        for path, short, hidden in paths_below(arguments[1], int(arguments[2])):
            if short and arguments[0] == "--short":
                sys.stdout.buffer.write(path + b"\0")
            if hidden and arguments[0] == "--hidden":
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
