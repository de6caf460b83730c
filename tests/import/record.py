#!/usr/bin/env python3
"""Makes the repositories in this folder with the real restic, and records what it restores from each snapshot.

    record.py RESTIC-0.14 RESTIC-0.19

Run it as root, on a file system with extended attributes. The two arguments are programs. Each repository lies in a
folder of its own with `restored.txt` beside it: for each snapshot a line `snapshot`, with id, time, host, user, tags and
paths, separated by tabs, then what `restic restore` gave, as ../list_tree.py prints it, without the line of the target
itself. All have the password `first`, one has another key with the password `second key`.
"""

import json
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = "/tmp/holdall-import"
DATA = os.fsencode(f"{WORK}/data")
LIST = os.path.join(HERE, "..", "list_tree.py")


class Restic:
    def __init__(self, program, name):
        self.program, self.place = program, os.path.join(HERE, name)
        shutil.rmtree(self.place, ignore_errors=True)
        os.makedirs(self.place)
        self.repository = os.path.join(self.place, "repository")

    def run(self, *arguments, password="first", folder="/"):
        environment = {**os.environ, "RESTIC_PASSWORD": password}
        command = [self.program, "--no-cache", "-q", "-r", self.repository, *arguments]
        return subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True).stdout

    def record(self):
        snapshots = json.loads(self.run("snapshots", "--json"))
        with open(os.path.join(self.place, "restored.txt"), "w", encoding="utf-8") as out:
            for snapshot in sorted(snapshots, key=lambda snapshot: snapshot["time"]):
                target = f"{WORK}/restored"
                shutil.rmtree(target, ignore_errors=True)
                self.run("restore", snapshot["id"], "--target", target)
                fields = [snapshot["id"], snapshot["time"], snapshot["hostname"], snapshot["username"],
                          ",".join(snapshot.get("tags") or []), ",".join(snapshot["paths"])]
                print("snapshot", *fields, sep="\t", file=out)
                listed = subprocess.run([sys.executable, LIST, target], check=True, capture_output=True, text=True)
                out.writelines(listed.stdout.splitlines(keepends=True)[1:])
        # What git does not keep.
        for folder, _, _ in os.walk(self.repository, topdown=False):
            if not os.listdir(folder):
                os.rmdir(folder)


def write(name, content, mode=0o644, owner=(0, 0), mtime_ns=1_600_000_000_123_456_789):
    path = os.path.join(DATA, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chown(path, *owner)
    os.chmod(path, mode)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def make_tree(long_file):
    """`long_file` is longer than a piece, and only worth keeping where it is compressed."""
    shutil.rmtree(DATA, ignore_errors=True)
    os.makedirs(DATA)
    random.seed(7)
    write(b"empty", b"")
    write(b"small", b"a few words\n", 0o600, (1000, 1000))
    write(b"random", random.randbytes(5000), owner=(12345, 54321))
    write(b"setuid", b"#!", 0o6755)
    write(b"before 1970", b"old", mtime_ns=-1_500_000_000)
    write(b"na\xffme \"quoted\"\n\\", b"bytes that are not text")
    write("grüße/日本".encode(), b"text beyond ascii")
    write(b"deep/er/still/file", b"deep", 0o400)
    if long_file:
        write(b"long", b"".join(b"line %d of a long file\n" % number for number in range(150_000)))
        write(b"zeros", bytes(3 << 20))
    os.makedirs(os.path.join(DATA, b"sticky"))
    os.chmod(os.path.join(DATA, b"sticky"), 0o1777)
    os.link(os.path.join(DATA, b"small"), os.path.join(DATA, b"deep/same as small"))
    os.symlink(b"small", os.path.join(DATA, b"link"))
    os.symlink(b"no/where/\xe2\x82\xac", os.path.join(DATA, b"dangling"))
    os.mkfifo(os.path.join(DATA, b"pipe"))
    os.mknod(os.path.join(DATA, b"character"), 0o20640, os.makedev(5, 300))
    os.mknod(os.path.join(DATA, b"block"), 0o60640, os.makedev(259, 70000))
    os.setxattr(os.path.join(DATA, b"random"), b"user.note", b"\x00\xff value")
    os.setxattr(os.path.join(DATA, b"deep"), b"user.on a directory", b"yes")


def change_tree():
    write(b"small", b"other words of the same inode\n", 0o600, (1000, 1000), 1_700_000_000_000_000_001)
    write(b"added", b"new here")
    os.remove(os.path.join(DATA, b"random"))
    os.chmod(os.path.join(DATA, b"setuid"), 0o700)


def make(program, name, version, compression, raw_targets):
    restic = Restic(program, name)
    restic.run("init", "--repository-version", version)
    compress = ["--compression", compression] if version == "2" else []
    make_tree(long_file=version == "2" and compression != "off")
    if raw_targets:
        # Versions before 0.16 lose what is not text in the target of a link.
        os.symlink(b"tar\xffget", os.path.join(DATA, b"odd link"))
    restic.run("backup", DATA, "--host", "first-host", "--tag", "blue", "--tag", "all", *compress)
    change_tree()
    restic.run("backup", DATA, "--host", "first-host", *compress)
    restic.run("backup", "deep/er", "grüße", "--host", "other-host", "--time", "2031-05-06 07:08:09", *compress,
               folder=DATA)
    return restic


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    old, new = sys.argv[1:]
    os.umask(0o022)
    make(old, "restic-0.14-version-1", "1", "off", False).record()
    make(old, "restic-0.14-version-2", "2", "auto", False).record()
    make(new, "restic-0.19-version-1", "1", "off", True).record()
    make(new, "restic-0.19-compression-off", "2", "off", True).record()
    restic = make(new, "restic-0.19-pruned", "2", "max", True)
    password = f"{WORK}/password"
    with open(password, "w", encoding="ascii") as file:
        file.write("second key\n")
    restic.run("key", "add", "--new-password-file", password)
    first = json.loads(restic.run("snapshots", "--json"))[0]["id"]
    restic.run("tag", "--add", "kept", "--host", "other-host")
    restic.run("forget", first, "--prune", "--max-unused", "0")
    restic.record()
    shutil.rmtree(WORK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
