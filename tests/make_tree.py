#!/usr/bin/env python3
"""Makes a tree with everything in it that a backup must bring back.

    make_tree.py DIRECTORY [--entries N] [--huge]

Two runs with the same arguments, by the same user on the same kind of file system, make equal trees (as compare.sh sees
them). What needs root is left out for others; what was left out is said on standard error. --entries adds a directory
of N files, --huge a sparse file of 1 TiB. Only DIRECTORY itself may exist before.
"""

import argparse
import errno
import os
import socket
import stat
import struct
import sys

ROOT = os.geteuid() == 0
left_out = []


def optional(what, action, *arguments, **named):
    """Does what some file systems and some users can't; says whether it went."""
    try:
        action(*arguments, **named)
        return True
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSPC, errno.E2BIG, errno.ERANGE,
                               errno.EINVAL, errno.EILSEQ, errno.EFBIG, errno.ENOSYS):
            raise
        left_out.append(f"{what}: {error.strerror}")
        return False


def write(name, content=b"", mode=None):
    with open(name, "wb") as file:
        file.write(content)
    if mode is not None:
        os.chmod(name, mode)


def noise(seed, length):
    """Bytes that look random and are the same in every run."""
    out = bytearray()
    state = seed * 2654435761 % 2**32 or 1
    while len(out) < length:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out += struct.pack("<Q", state)
    return bytes(out[:length])


def inside(name):
    """Makes a directory and works in it."""
    os.mkdir(name)
    os.chdir(name)


def kinds():
    write("file", b"content\n")
    write("empty")
    write("medium", noise(1, 300_000))
    os.mkdir("empty directory")
    os.makedirs("directory/inner")
    write("directory/inner/file", b"x")
    os.symlink("file", "link")
    os.symlink("no such thing", "link to nothing")
    os.symlink("/etc/hostname", "link to an absolute path")
    os.symlink("link to itself", "link to itself")
    os.symlink("directory", "link to a directory")
    os.symlink("..", "link upwards")
    os.symlink("x" * 4000, "link with a long target")
    os.symlink(b"not utf-8 \xff\xfe \n", b"link with an odd target")
    os.mkfifo("fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    server.close()
    for name, kind, major, minor in [("null", stat.S_IFCHR, 1, 3), ("char with large numbers", stat.S_IFCHR, 511, 70000),
                                     ("block", stat.S_IFBLK, 7, 200)]:
        optional(f"device {name}", os.mknod, name, kind | 0o640, os.makedev(major, minor))


def links():
    for directory in ["a", "b", "c/d"]:
        os.makedirs(directory)
    write("b/first", noise(2, 70_000))
    os.link("b/first", "a/sorts before the first")
    os.link("b/first", "c/d/across directories")
    os.link("b/first", "b/in the same directory")
    write("a/pair 1", b"same content, other inode")
    os.link("a/pair 1", "c/pair 2")
    write("a/pair 1 again", b"same content, other inode")
    write("empty 1")
    os.link("empty 1", "empty 2")
    os.symlink("target", "symlink 1")
    os.link("symlink 1", "symlink 2", follow_symlinks=False)
    os.mkfifo("fifo 1")
    os.link("fifo 1", "a/fifo 2")


def holes(huge):
    block = noise(3, 4096)

    def sparse(name, size, *parts):
        with open(name, "wb") as file:
            for offset, content in parts:
                file.seek(offset)
                file.write(content)
            file.truncate(size)

    zeros = bytes(4096)
    sparse("at the head", 1 << 20, ((1 << 20) - 4096, block))
    sparse("in the middle", 1 << 20, (0, block), ((1 << 20) - 4096, block))
    sparse("at the tail", 1 << 20, (0, block))
    sparse("nothing else", 1 << 20)
    sparse("nothing else, odd length", (1 << 20) + 17)
    sparse("shorter than a block", 100)
    sparse("many small ones", 1 << 20, *[(offset, block) for offset in range(0, 1 << 20, 8192)])
    sparse("at the tail, odd length", 300_001, (0, block * 2))
    sparse("before a tail of odd length", 300_001, (300_000, b"x"))
    sparse("between bytes", 10 << 20, (5_000_001, b"one byte"), (9_000_000, b"another"))
    write("allocated zeros", bytes(1 << 20))
    write("allocated zeros between content", block + bytes(1 << 20) + block)
    sparse("allocated zeros before a hole", 1 << 20, (0, zeros * 64))
    sparse("allocated zeros behind a hole", 1 << 20, (1 << 19, zeros * 128))
    sparse("zeros, hole, zeros, content", 2 << 20, (0, zeros * 100), (1 << 20, zeros * 50 + block))
    sparse("holes and zeros by turns", 4 << 20, *[(offset, zeros * 16) for offset in range(0, 4 << 20, 1 << 17)])
    # No preallocated space: whether the kernel calls it a hole depends on what of it happens to be in memory.
    if huge:
        sparse("huge", 1 << 40, (0, block), (1 << 39, block), ((1 << 40) - 5000, block))


def modes():
    for mode in [0o000, 0o001, 0o020, 0o400, 0o644, 0o755, 0o1644, 0o2755, 0o4755, 0o6777, 0o7777, 0o2644]:
        write(f"file {mode:04o}", b"%o" % mode, mode)
    late = []
    for mode in [0o000, 0o100, 0o300, 0o500, 0o555, 0o1777, 0o2775, 0o7000, 0o7777]:
        name = os.path.join(os.getcwd(), f"directory {mode:04o}")
        os.makedirs(f"{name}/inner")
        write(f"{name}/file", b"%o" % mode, 0o400)
        write(f"{name}/inner/file", b"%o" % mode)
        late.append((name, mode))
    return late


def owners():
    if not ROOT:
        left_out.append("other owners")
        return
    ids = [(12345, 54321), (0, 65534), (65534, 0), (4294967294, 4294967294), (1, 2)]
    for uid, gid in ids:
        name = f"{uid} {gid}"
        write(name, name.encode())
        os.chown(name, uid, gid)
        os.chmod(name, 0o6755)
        os.mkdir(f"directory {name}")
        write(f"directory {name}/file", b"of root")
        os.chown(f"directory {name}", uid, gid)
        os.chmod(f"directory {name}", 0o2750)
        os.symlink("target", f"link {name}")
        os.chown(f"link {name}", uid, gid, follow_symlinks=False)
        os.mkfifo(f"fifo {name}")
        os.chown(f"fifo {name}", uid, gid)


def times():
    """The times that are set at the end, after everything else has touched the directories."""
    billion = 10**9
    wanted = {"epoch": 0, "one nanosecond": 1, "before the epoch": -1, "long before": -1_500_000_001, "1901": -(2**31) * billion,
              "2038": (2**31) * billion + 5, "2106": (2**32 + 1) * billion + 999_999_999, "2261": 9_200_000_000 * billion,
              "2400": 13_569_465_600 * billion + 7, "2446": (2**34 - 2**31 - 1) * billion, "nanoseconds": 123_456_789_987_654_321}
    for name in wanted:
        write(name, name.encode())
        os.symlink(name, f"link {name}")
        os.mkdir(f"directory {name}")
        write(f"directory {name}/file")
    here = os.getcwd()
    return {os.path.join(here, prefix + name): ns for name, ns in wanted.items() for prefix in ("", "link ", "directory ")}


def capability(version, permitted, inheritable, effective, rootid=0):
    revision = {2: 0x02000000, 3: 0x03000000}[version] | effective
    data = struct.pack("<IIIII", revision, permitted & 0xffffffff, inheritable & 0xffffffff, permitted >> 32,
                       inheritable >> 32)
    return data + (struct.pack("<I", rootid) if version == 3 else b"")


def xattrs():
    def label(name, attribute, value, follow=True):
        return optional(f"{attribute[:40]} of {len(value)} bytes", os.setxattr, name, attribute, value, follow_symlinks=follow)

    write("small", b"small")
    label("small", "user.comment", b"hello")
    label("small", "user.empty", b"")
    label("small", "user.binary", bytes(range(256)))
    label("small", b"user.name \xff\n not utf-8", b"odd")
    write("many")
    for number in range(30):
        label("many", f"user.{number:03}", b"%d" % number)
    write("long name")
    label("long name", "user." + "n" * 250, b"v")
    # ext4 has room for a block in all, unless it was made with ea_inode; others take 64 KiB.
    write("large")
    any(label("large", "user.large", noise(4, length)) for length in [60 << 10, 16 << 10, 3800])
    os.mkdir("directory")
    label("directory", "user.on a directory", b"yes")
    os.symlink("nowhere", "link")
    os.mkfifo("fifo")
    write("root's")
    for name in ["root's", "directory", "link", "fifo"]:
        label(name, "trusted.holdall", b"only root sees this", False)
        label(name, "security.holdall", b"label", False)
    for number, value in enumerate([capability(2, 1 << 10, 0, 1), capability(2, 1 << 13 | 1 << 21, 1 << 13, 0),
                                    capability(3, 1 << 10, 0, 1, 1000)]):
        write(f"capable {number}", b"#!/bin/true\n", 0o755)
        label(f"capable {number}", "security.capability", value)
    if ROOT:
        write("capable, of another user", b"#!/bin/true\n")
        os.chown("capable, of another user", 12345, 54321)
        os.chmod("capable, of another user", 0o755)
        label("capable, of another user", "security.capability", capability(2, 1 << 10, 0, 1))


def acl(*entries):
    """A POSIX ACL as the kernel keeps it."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def acls():
    nobody = 0xffffffff
    # Owner, user 1234, owning group, group 77, mask, others.
    access = acl((1, 6, nobody), (2, 7, 1234), (4, 4, nobody), (8, 5, 77), (16, 7, nobody), (32, 0, nobody))
    narrow = acl((1, 6, nobody), (2, 7, 1234), (4, 7, nobody), (16, 4, nobody), (32, 4, nobody))
    default = acl((1, 7, nobody), (2, 5, 1234), (4, 5, nobody), (16, 5, nobody), (32, 0, nobody))
    for name, value in [("file", access), ("mask narrower than the group", narrow)]:
        write(name, name.encode())
        optional("access ACL", os.setxattr, name, "system.posix_acl_access", value)
    os.mkdir("directory")
    write("directory/older than the default, without an ACL")
    passable = acl((1, 7, nobody), (2, 7, 1234), (4, 5, nobody), (8, 5, 77), (16, 7, nobody), (32, 0, nobody))
    optional("access ACL", os.setxattr, "directory", "system.posix_acl_access", passable)
    optional("default ACL", os.setxattr, "directory", "system.posix_acl_default", default)
    write("directory/inherits")
    os.mkdir("directory/inherits too")
    os.mkdir("directory/lost its own")
    for attribute in ["system.posix_acl_access", "system.posix_acl_default"]:
        optional("no ACL", os.removexattr, "directory/lost its own", attribute)
    if ROOT:
        os.chown("file", 12345, 54321)
        os.chmod("file", 0o2771)


def names():
    def try_name(name):
        optional(f"name {name[:20]!r}", write, name, b"x")

    for byte in range(1, 256):
        if byte not in b"/.":
            try_name(bytes([byte]))
    # Around the slash, which sorts first: a directory's entries come before these.
    os.makedirs("sorting/a/z")
    for name in ["a!", "a b", "a-", "a.", "a0", "a~", "a/a", "a/z/z", "A", "aa", "a\x01", "a\u00e4"]:
        write(os.path.join("sorting", name))
    for name in [b"...", b"..a", b".hidden", b"-rf", b"--help", b" leading", b"trailing ", b"new\nline", b"\n", b"tab\t",
                 b"\"quotes\"", b"it's", b"back\\slash", b"\\", b"\\n", b"$HOME", b"`id`", b"*", b"?", b"[a]", b"{a,b}", b"a:b",
                 b"#", b"~", b"%s%n", b"\x1b[31mred\x1b[0m", b"\xff\xfe", b"\xc3(", b"half \xe2\x82", "\u00e9".encode(),
                 "e\u0301".encode(), "\u202eright to left".encode(), b"con", b"a" * 255, b"\xff" * 255, ("\u20ac" * 85).encode()]:
        try_name(name)
    os.mkdir(b"directory\n\\ \xff \"'")
    try_name(b"directory\n\\ \xff \"'/-\n\xff")
    os.symlink(b"new\nline", b"link \n\xff")


def deep():
    """Paths longer than the kernel takes in one call."""
    start = os.getcwd()
    for level in range(40):
        inside(f"{level:02} " + "deep" * 49)
        write("file", b"%d" % level)
    write("bottom", noise(5, 10_000))
    os.link("bottom", "bottom again")
    os.symlink("bottom", "link")
    optional("attribute at the bottom", os.setxattr, "bottom", "user.deep", b"down here")
    os.mkdir("empty")
    os.chdir(start)
    for _ in range(300):
        inside("d")
    write("file at depth 300")
    os.chdir(start)


def many(count):
    for number in range(count):
        os.close(os.open(f"entry {number * 7919 % count:07}", os.O_CREAT | os.O_WRONLY, 0o644))


def settle(directory, handle, wanted, counter):
    """Gives everything a time of its own, from the inside outwards, reached step by step."""
    for name in sorted(os.listdir(handle), key=os.fsencode):
        path = os.path.join(directory, name)
        if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            settle(path, inner, wanted, counter)
            os.close(inner)
        counter[0] += 1
        ns = wanted.get(path, 1_600_000_000_000_000_000 + counter[0] * 1_000_000_007)
        os.utime(name, ns=(ns, ns), dir_fd=handle, follow_symlinks=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--entries", type=int, default=0, help="a directory with so many files")
    parser.add_argument("--huge", action="store_true", help="a sparse file of 1 TiB")
    arguments = parser.parse_args()
    sys.setrecursionlimit(10_000)
    os.umask(0o022)
    os.makedirs(arguments.directory, exist_ok=True)
    os.chdir(arguments.directory)
    top = os.getcwd()
    if os.listdir("."):
        sys.exit(f"{top} is not empty")
    late, wanted = [], {}
    parts = [("kinds", kinds), ("links", links), ("holes", lambda: holes(arguments.huge)), ("modes", modes),
             ("owners", owners), ("times", times), ("xattrs", xattrs), ("acls", acls), ("names", names), ("deep", deep)]
    if arguments.entries:
        parts.append(("many", lambda: many(arguments.entries)))
    for name, make in parts:
        inside(name)
        made = make()
        late = made if name == "modes" else late
        wanted = made if name == "times" else wanted
        os.chdir(top)
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    settle(top, handle, wanted, [0])
    # Modes last, so that an ordinary user still gets everywhere before.
    for name, mode in late:
        times_before = os.stat(name)
        os.chmod(name, mode)
        assert os.stat(name).st_mtime_ns == times_before.st_mtime_ns
    os.utime(handle, ns=(10**18, 10**18))
    for line in sorted(set(left_out)):
        print(f"left out: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
