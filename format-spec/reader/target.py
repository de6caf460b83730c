"""Writes entries below a target directory and never beside it.

Everything goes through handles of directories that this program opened without following links, one for each level of
the path, so neither a hostile manifest nor something that lies in the target leads outside, and no path is too long.
"""

import errno
import os
import stat

import tree
from wire import Refused, require

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
BLOCK = 4096
ZEROS = bytes(1 << 20)
NODES = {tree.FIFO: stat.S_IFIFO, tree.SOCKET: stat.S_IFSOCK, tree.CHARACTER: stat.S_IFCHR, tree.BLOCK: stat.S_IFBLK}
# What an ordinary user may not do, or a file system can't, is reported; the rest is restored all the same.
NOT_POSSIBLE = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL, errno.ENAMETOOLONG, errno.EEXIST,
                errno.EFBIG)
# An extended attribute too large for this file system.
NO_ROOM = (errno.ERANGE, errno.E2BIG, errno.ENOSPC)


def open_target(path):
    """A handle of the directory into which a snapshot is restored: absent or empty before."""
    os.makedirs(path, exist_ok=True)
    top = os.open(path, OPEN_DIRECTORY)
    require(not os.listdir(top), f"{path} is not empty")
    return top


class Target:
    """The directory into which a component is restored."""

    def __init__(self, top, content, trees, report):
        self.content, self.trees, self.report = content, trees, report
        # The directories above the next entry, with their entries: metadata is set when a directory is left.
        self.stack = [(os.dup(top), None)]
        self.links = {}  # hard-link group -> the member that was written
        self.taken = None  # the key of a directory that could not be made, so that nothing below it can be

    def write(self, entry):
        """Writes the next entry; entries come in the order of their keys."""
        path = entry.components()
        while len(self.stack) > max(len(path), 1):
            self.leave()
        if self.taken is not None and entry.key.startswith(self.taken + b"\0"):
            return
        parent = self.stack[-1][0]
        self.say(entry)
        if not path:
            self.stack[0] = parent, entry
        elif entry.kind == tree.DIRECTORY:
            self.directory(entry, parent, path[-1])
        elif entry.state != tree.UNREADABLE or entry.kind in NODES:
            try:
                self.leaf(entry, parent, path[-1])
            except Refused as error:
                self.report(entry.key, f"not restored: {error}", refused=True)
            except OSError as error:
                if error.errno not in NOT_POSSIBLE:
                    raise
                self.report(entry.key, f"not restored: {error.strerror}")
            except OverflowError as error:
                self.report(entry.key, f"not restored: {error}")

    def directory(self, entry, parent, name):
        """Makes a directory that the next entries may lie in."""
        try:
            # Open to nobody but its owner until its own mode is set.
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:  # [OUTCOME-15] by a component before
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                self.pass_over(entry, "an earlier component holds something else at this path")
                return
        except OSError as error:
            if error.errno not in NOT_POSSIBLE:
                raise
            self.pass_over(entry, error.strerror)
            return
        self.stack.append((os.open(name, OPEN_DIRECTORY, dir_fd=parent), entry))

    def pass_over(self, entry, why):
        """Leaves out a directory, and all that lies below it."""
        self.taken = entry.key
        self.report(entry.key, f"not restored, nor what lies below it: {why}")

    def finish(self):
        """Sets the metadata of the directories that are left."""
        while self.stack:
            self.leave()

    def say(self, entry):
        """Reports what the backup itself says about an entry, and what this reader does not know about it."""
        if entry.state == tree.UNREADABLE:
            self.report(entry.key, f"could not be read when it was backed up: {error_text(entry.error)}")
        elif entry.state == tree.INCONSISTENT:
            self.report(entry.key, "changed while it was backed up")
        for attribute in entry.attributes:  # [MANIFEST-19]
            if attribute.mandatory and attribute.number not in tree.KNOWN_MANDATORY:
                self.report(entry.key, f"has attribute {attribute.number}, which this reader does not know")

    def leaf(self, entry, parent, name):
        """Makes anything but a directory."""
        first = self.links.get(entry.link)
        if first is not None and first._replace(key=entry.key) == entry:
            self.link(first.key, parent, name)
            return
        if first is not None:  # [MANIFEST-37]
            self.report(entry.key, "is another entry than the first name of its hard-link group: restored by itself")
        if entry.kind == tree.FILE:
            self.file(entry, parent, name)
        elif entry.kind == tree.SYMLINK:
            os.symlink(entry.target, name, dir_fd=parent)
        else:
            os.mknod(name, NODES[entry.kind] | 0o600, os.makedev(*entry.device) if entry.device else 0, dir_fd=parent)
        self.metadata(entry, name, dir_fd=parent)
        if entry.link is not None:
            self.links.setdefault(entry.link, entry)

    def link(self, first, parent, name):
        """Makes `name` one more name of an entry that was written before."""
        path = first.split(b"\0")
        handle = os.dup(self.stack[0][0])
        try:
            for component in path[:-1]:
                below = os.open(component, OPEN_DIRECTORY, dir_fd=handle)
                os.close(handle)
                handle = below
            os.link(path[-1], name, src_dir_fd=handle, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(handle)

    def file(self, entry, parent, name):
        """Writes a file whole, or not at all."""
        holes = self.holes(entry)
        handle = os.open(name, OPEN_NEW, 0o600, dir_fd=parent)
        try:
            os.ftruncate(handle, entry.content.length)
            offset = 0
            for data, length in self.pieces(entry.content):
                for start, end, hole in holes.split(offset, offset + length):
                    part = None if data is None else data[start - offset:end - offset]
                    # A hole only says what was allocated: bytes that are there all the same are not lost.
                    if not hole or (part and part.count(0) != len(part)):
                        write(handle, part, start, end)
                offset += length
        except BaseException:
            os.unlink(name, dir_fd=parent)
            raise
        finally:
            os.close(handle)

    def holes(self, entry):
        """The holes of a file; none where they are malformed, since all of its bytes are in its content."""
        try:
            value = self.value(entry, tree.HOLES)
            return Holes(tree.holes(value, "the entry") if value is not None else [], entry.content.length)
        except Refused as error:
            self.report(entry.key, f"holes not restored: {error}", refused=True)
            return Holes([], entry.content.length)

    def pieces(self, content):
        """The parts of a content in their order: bytes, or None for zeros, and a length."""
        if content.inline is not None:
            yield content.inline, content.length
            return
        for item in self.trees.items(content):
            data = None if item.id is None else self.content.chunk(item.id)
            require(data is None or len(data) == item.length, f"a chunk of {item.length} bytes has another length")
            yield data, item.length

    def value(self, entry, number):
        """The value of an attribute, or None."""
        for attribute in entry.attributes:
            if attribute.number == number:
                if attribute.value is not None:
                    return attribute.value
                pieces = self.pieces(attribute.content)
                return b"".join(bytes(length) if data is None else data for data, length in pieces)
        return None

    def leave(self):
        """Leaves a directory: nothing is written into it any more."""
        handle, entry = self.stack.pop()
        if entry is not None:
            self.metadata(entry, handle)
        os.close(handle)

    def metadata(self, entry, name, dir_fd=None):
        """Sets everything about an entry, in the order in which nothing undoes what came before. `name` is a handle if
        there is no `dir_fd`."""
        reached, nofollow, below, here = name, {}, {}, {}
        if dir_fd is not None:
            reached = f"/proc/self/fd/{dir_fd}/".encode() + name
            nofollow, below = {"follow_symlinks": False}, {"dir_fd": dir_fd}
            here = nofollow | below
        self.attempt(entry, "owner", lambda: os.chown(name, entry.owner, entry.group, **here))
        try:
            value = self.value(entry, tree.XATTRS)
            pairs = tree.xattrs(value, "the entry") if value is not None else []
        except Refused as error:
            self.report(entry.key, f"extended attributes not restored: {error}", refused=True)
            pairs = []
        for attribute, value in pairs:
            self.attempt(entry, f"extended attribute {printable(attribute)}",
                         lambda: os.setxattr(reached, attribute, value, **nofollow))
        if entry.kind != tree.SYMLINK:
            self.attempt(entry, "mode", lambda: os.chmod(name, entry.mode, **below))
        self.attempt(entry, "mtime", lambda: os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), **here))

    def attempt(self, entry, what, action):
        """Sets a piece of metadata, or reports why that is not possible here."""
        try:
            action()
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno not in NOT_POSSIBLE + NO_ROOM:
                raise
            self.report(entry.key, f"{what} not restored: {error}")


class Holes:
    """Splits ranges of a file, given in rising order, where holes begin and end."""

    def __init__(self, ranges, length):
        require(not ranges or ranges[-1][1] - BLOCK < length, "a hole behind the end of the file")
        self.ranges = ranges
        self.next = 0  # the first hole that does not end before what comes

    def split(self, start, end):
        """Parts (start, end, whether it is a hole)."""
        while start < end:
            while self.next < len(self.ranges) and self.ranges[self.next][1] <= start:
                self.next += 1
            low, high = self.ranges[self.next] if self.next < len(self.ranges) else (end, end)
            stop, hole = (min(high, end), True) if low <= start else (min(low, end), False)
            yield start, stop, hole
            start = stop


def write(handle, data, start, end):
    """Writes data, or zeros that are allocated, at a place of a file."""
    while start < end:
        piece = ZEROS[:end - start] if data is None else data
        written = os.pwrite(handle, piece, start)
        start += written
        data = None if data is None else data[written:]


def error_text(number):
    """What an error number says; those of other systems may be larger than any that this one knows."""
    return os.strerror(number) if number < 1 << 31 else f"error {number}"


def printable(name):
    """Bytes as text that can be shown on a terminal."""
    return ascii(os.fsdecode(name))[1:-1]
