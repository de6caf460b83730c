#!/usr/bin/env python3
"""Asks restic what patterns leave out, and writes the answers down: record.py RESTIC > cases.txt

Run as root: restic runs in a root folder of its own, so that no name of this machine stands in any path. Every answer
of a `backup` is that of `restic backup --dry-run`, every answer of a `restore` that of `restic restore --dry-run`, over
the tree below; cases.txt is what the patterns of holdall are held to, so that the tests need no restic.

The format: a line `entry` for each entry of the tree, directories with a slash at their end; then for each case a line
`backup` or `restore` with what was asked for, and a line `out` for each entry that is not there although the directory
above it is, or `refused` where restic calls a pattern invalid. Words are separated by tabs; bytes that are no printable
ASCII, and `%`, are written as `%` and two hex digits. An exclude file is given as its content, and the variables that
may stand in it are those of the line `variables`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ENTRIES = [os.fsencode(entry) if isinstance(entry, str) else entry for entry in [
    "/etc/", "/etc/passwd", "/etc/ssh/", "/etc/ssh/config", "/etc/..data/", "/etc/..data/x", "/etc/...",
    "/home/", "/home/ada/", "/home/ada/.bashrc", "/home/ada/.cache/", "/home/ada/.cache/thumbs/",
    "/home/ada/.cache/thumbs/1.png", "/home/ada/Cache/", "/home/ada/Cache/x", "/home/ada/notes.txt",
    "/home/ada/Notes.TXT", "/home/ada/src/", "/home/ada/src/main.c", "/home/ada/src/main.o", "/home/ada/src/lib/",
    "/home/ada/src/lib/main.o", "/home/ada/src/lib/deep/", "/home/ada/src/lib/deep/er/",
    "/home/ada/src/lib/deep/er/main.o", "/home/ada/src/test/", "/home/ada/src/test/test.c", "/home/ada/src/test/src/",
    "/home/ada/src/test/src/test/", "/home/ada/src/test/src/test/a", "/home/ada/odd/", "/home/ada/odd/a*b",
    "/home/ada/odd/axb", "/home/ada/odd/axxb", "/home/ada/odd/a[b", "/home/ada/odd/a]b", "/home/ada/odd/a\\b",
    "/home/ada/odd/a?b", "/home/ada/odd/a-b", "/home/ada/odd/a^b", "/home/ada/odd/a!b", "/home/ada/odd/!bang",
    "/home/ada/odd/#hash", "/home/ada/odd/$HOME", "/home/ada/odd/%25", "/home/ada/odd/-dash", "/home/ada/odd/ lead",
    "/home/ada/odd/trail ", "/home/ada/odd/two words", "/home/ada/odd/tab\there", "/home/ada/odd/new\nline",
    "/home/ada/odd/**", "/home/ada/odd/a.b.c", "/home/ada/odd/[x]", "/home/ada/odd/{a,b}",
    "/home/ada/ü.txt", "/home/ada/Ü.TXT", "/home/ada/übung/", "/home/ada/übung/x", "/home/ada/日本/",
    "/home/ada/日本/語.doc", "/home/ada/ſ", "/home/ada/İ", "/home/ada/ẞ", "/home/ada/ς", "/home/ada/😀.png",
    b"/home/ada/\xff.bin", b"/home/ada/\xc3.dat", b"/home/ada/x\xe3\x81", "/home/ada/empty/", "/home/bob/",
    "/home/bob/notes.txt", "/home/bob/src/", "/home/bob/src/main.o", "/home/bob/.cache/", "/home/bob/.cache/y",
    "/srv/", "/srv/a/", "/srv/a/b/", "/srv/a/b/a/", "/srv/a/b/a/b/", "/srv/a/b/a/b/x", "/srv/a/x/", "/srv/a/x/b",
    "/srv/b/", "/srv/b/a", "/srv/x/", "/srv/x/y/", "/srv/x/y/z/", "/srv/x/y/z/w/", "/srv/x/y/z/w/v",
    "/var/", "/var/log/", "/var/log/a.log", "/var/log/a.log.1", "/var/log/old/", "/var/log/old/b.log", "/var/cache/",
    "/var/cache/apt/", "/var/cache/apt/pkg.deb",
]]
TARGETS = ["/etc", "/home", "/srv", "/var"]
VARIABLES = {"HOME": "/home/ada", "KIND": "*.o", "EMPTY": "", "N1_x": "notes.txt", "SPACED": " main.c "}

# One case a line: patterns for --exclude, with two spaces between them.
EXCLUDES = r"""
*.o
*.c
*
**
***
?
??
???
main.o
main
/main.o
src
/src
/home
/home/ada
/home/ada/
/home/ada/src
/home/ada/src/
/home/ada/src/*
/home/ada/src/**
/home/ada/src/**/
/home/*/src
/home/*/src/*
/home/*/*
/home/**
/home/**/*
/home/**/main.o
/home/**/src/**/main.o
/home/**/lib/**/main.o
/**
/**/main.o
/**/*.o
/*
/*/
/*/*
/*/*/src
/*/*/*/main.o
/
//
///
.
./
..
/.
/..
./src
../src
src/.
src/..
src/../main.o
/home/../etc
/home/ada/../bob
/../home/ada
/home//ada///src
//home/ada
*/../src
src/lib/../main.o
...
..data
..*
.*
.cache
.cache/
.cache/*
.cache/**
.cache/thumbs
*/thumbs
**/thumbs
**/src/lib
src/**
src/**/main.o
src/**/er/main.o
src/*/main.o
src/*/*/main.o
src/*/*/*/main.o
src/test
src/**/test
test/**/test
test/**/a
**/test/**/test/**
a/b
a/**/b
a/*/b
/srv/a
/srv/**/a
/srv/**/b
/srv/a/**/b
/srv/a/**/b/**/b
/srv/**/a/**/x
/srv/x/**/v
/srv/x/**/w
/srv/x/*/*/w
/srv/x/*/*/w/v
/srv/x/y/z/w/v
/srv/*/y
/srv/?/y
x/**/**/v
**/**/v
**/x
**/x/**
b/**
/**/b
a**
**a
*a*
a*a*a
*i*
*.log
*.log*
*.log.?
*.log.[0-9]
*.[!o]
*.[^o]
*.[a-n]
[a-c]*
[^a-z]*
[^.]*
[m-n]*.[co]
a[*]b
a[?]b
a[[]b
a[\]]b
a[\\]b
a[\-]b
a[\^]b
a[^x]b
a[!x]b
a[x-z]b
a[z-x]b
a[--x]b
a\*b
a\?b
a\[b
a\]b
a]b
a\\b
a\xb
\a\x\b
a?b
a??b
a*b
a\**
[\!]bang
\!bang
!bang
\#hash
#hash
$HOME
%25
-dash
[-]dash
{a,b}
[x]
\[x\]
[[]x]
a.b.c
a.*.c
*.*.*
\*\*
two words
 lead
trail 
*\ *
* *
ü.txt
?.txt
??.txt
[ü].txt
[^a].txt
[ä-ÿ].txt
Ü.*
übung
?bung
日本
??
日*
[日]本
??/?.doc
/home/ada/??
*.doc
😀.png
?.png
????.png
[😀].png
[^a].png
*[^a].png
?.bin
[^a].bin
?.dat
[^\x].dat
x??
x?
x???
x[^a][^a]
�.bin
[�].bin
home
etc
home  etc
home  etc  srv  var
*.o  *.c
*.o  !main.o
*.o  !/home/bob/src/main.o
src  !main.o
src  !src
src  !src/main.o
src/*  !src/main.c
src/*  !main.c  *.c
/home/*  !/home/ada
/home/*  !/home/ada  /home/ada/*  !/home/ada/src
/home/**  !/home/ada
/home/*/*  !notes.txt
*  !/home
*  !/home  !/etc
*  !home
*  !*.txt
*  !ada  *.o
!main.o
!main.o  *.o
!*
*.o  !*
*.o  !*  main.o
*.o  !*.o  *.o
!src  src
**  !src
/**  !/home/**
/*/*  !/home/ada
.*  !.bashrc
.cache  !.cache/thumbs
.cache/*  !.cache/thumbs
.cache/**  !.cache/thumbs
src/**  !src/main.c
test  !test/**/test
a  !b
a/*  !b
b  !a/b
!
!!
!!main.o
*.o  !
\!*
main.?  !main.o
/srv/*  !/srv/a  /srv/a/*  !/srv/a/b
/srv/**/b  !/srv/a/b
*.log  !old/*.log
*.log  !old
old  !b.log
!!  main.c
[a
a[
[]
[]a]
[^]
[^]]
[a-]
[-a]
[a-b-c]
a[/]b
a\
src/[
src/[/x
**/[
\
*.o  [
!a[
a\/b
[\
[a\
[a-\
""".strip("\n").splitlines()

# The same for --iexclude.
IGNORED_CASE = r"""
NOTES.TXT
notes.*
*.txt
*.TXT
Ü.txt
ÜBUNG
CACHE
.CACHE
/HOME/ADA/SRC
/Home/**/MAIN.O
[A-C]*
[M-N]*.[CO]
[Ü].TXT
S
ſ
i
İ
ß
ẞ
σ
Σ
MAIN.O  !/HOME/BOB/SRC/MAIN.O
A\*B
\A\X\B
日本
😀.PNG
""".strip("\n").splitlines()

# Exclude files, as Python writes them.
FILES = [
    "*.o\n", "*.o", "  *.o  \n", "\t*.o\t\r\n", "\n\n*.o\n\n", "# *.o\nmain.c\n", "  # *.o\nmain.c\n", "#hash\n", "\\#hash\n",
    "$HOME/src\n", "${HOME}/src\n", "$HOME\n", "$KIND\n", "a$EMPTY*b\n", "$N1_x\n", "${N1_x}\n", "$$HOME\n", "$SPACED\n",
    "[$]HOME\n", "\\$$HOME\n", "$\n", "!bang\n", "*.o\n!/home/bob/src/main.o\n", "two words\n", " \\ lead\n", "\ufeff*.o\n",
    "main.c\n*.o\n", "${HOME}x\n", "x$\n", "a$/b\n", "$HOME/src\\\n",
]

# Whole command lines.
LINES = [
    (["/home/ada/src"], ["--exclude", "src"]), (["/home/ada/src"], ["--exclude", "/home"]),
    (["/home/ada/src"], ["--exclude", "*"]), (["/home/ada/src/main.o"], ["--exclude", "*.o"]),
    (["/home/ada/src", "/home/bob"], ["--exclude", "src"]), (["/home", "/home/ada/src"], ["--exclude", "src"]),
    (["/home", "/home/ada/src"], ["--exclude", "ada"]), (["/home", "/home/ada/src/main.o"], ["--exclude", "ada"]),
    (["/home", "/home/ada/src"], ["--exclude", "/home/ada/*", "--exclude", "!/home/ada/src"]),
    (["/home"], ["--exclude", "*.o", "--iexclude", "NOTES.*"]),
    (["/home"], ["--exclude", "*.o", "--iexclude", "!MAIN.O"]),
    (["/home"], ["--iexclude", "*.O", "--exclude", "!main.o"]),
    (["/home"], ["--exclude", ""]), (["/home"], ["--exclude", "", "--exclude", "*.o"]),
]

# For restore, the same tree: patterns for --include, then for --iinclude, then for --exclude.
RESTORES = [(option, line) for option, lines in [("--include", r"""
*.o
main.o
src
/src
/home/ada
/home/ada/
/home/ada/src/*
/home/*/src
/home/**/main.o
/**/*.o
/srv/a/b
/srv/**/b
a/b
a/**/b
b/a
*
**
/
.
.cache
.cache/*
src/**/test
?
[^a-z]*
*.o  *.c
*.o  !/home/bob/src/main.o
src  !main.o
src  !main.o  /home/bob
/home/*  !/home/ada
/home/*  !/home/ada  /home/ada/src
*  !src
*  !src  main.o
!src
nothing
\!bang
日本
?.bin
[a
""".strip("\n").splitlines()), ("--iinclude", r"""
NOTES.TXT
/HOME/BOB
Ü.*
MAIN.O  !/HOME/BOB
""".strip("\n").splitlines()), ("--exclude", r"""
*.o
src
/home
/home/ada/src/*
*
/
src  !main.o
src/*  !src/main.c
.cache/**  !.cache/thumbs
/srv/**/b  !/srv/a/b
""".strip("\n").splitlines()), ("--iexclude", r"""
NOTES.TXT
""".strip("\n").splitlines())] for line in lines]


def written(data):
    """Bytes as they stand in cases.txt."""
    data = os.fsencode(data) if isinstance(data, str) else data
    return "".join(chr(byte) if 0x20 <= byte < 0x7f and byte != 0x25 else f"%{byte:02x}" for byte in data)


def in_json(entry):
    """A name as restic's JSON gives it: each byte that is no UTF-8 replaced."""
    return "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in entry.decode("utf-8", "surrogateescape"))


def above(entry):
    """The directory that holds an entry."""
    return entry.rstrip(b"/").rpartition(b"/")[0] + b"/"


class Restic:
    def __init__(self, program, root):
        self.root = root
        self.own = root / ".own"
        (self.own / "tmp").mkdir(parents=True)
        (root / "tmp").mkdir()
        self.place(program, Path("/.own/restic"))
        listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True).stdout
        for word in listed.split():
            if word.startswith("/"):
                self.place(word, Path(word))
        for entry in ENTRIES:
            path = os.fsencode(root) + entry
            if entry.endswith(b"/"):
                os.makedirs(path, exist_ok=True)
            else:
                open(path, "wb").write(entry)
        self.run("init")
        self.run("backup", *TARGETS)

    def place(self, file, path):
        inside = self.root / path.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_bytes(Path(file).read_bytes())
        inside.chmod(0o755)

    def run(self, *arguments):
        command = ["/.own/restic", "--insecure-no-password", "--no-cache", "--repo", "/.own/repository", *arguments]
        surroundings = {**VARIABLES, "TMPDIR": "/.own/tmp"}
        return subprocess.run(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda: (os.chroot(self.root), os.chdir("/")))

    def backup(self, targets, options):
        return self.missing(self.run("backup", "--dry-run", "--force", "--json", "-vv", *options, "--", *targets), targets)

    def restore(self, options):
        command = ["restore", "latest", "--target", "/.own/out", "--dry-run", "--json", "-vv", *options]
        return self.missing(self.run(*command), TARGETS)

    def missing(self, done, targets):
        """The entries that are not there although the directory above is; none if restic refused the pattern."""
        if b"invalid pattern" in done.stderr:
            return None
        if done.returncode != 0 and b"snapshot is empty" not in done.stderr:
            raise SystemExit(done.stderr.decode())
        found = set()
        for line in done.stdout.splitlines():
            item = json.loads(line).get("item")
            if item:
                found.add(item.rstrip("/"))
        there = [entry for entry in ENTRIES if in_json(entry.rstrip(b"/")) in found]
        inside = {b"/", *there}
        asked = [entry for entry in ENTRIES if any((entry.rstrip(b"/") + b"/").startswith(os.fsencode(target) + b"/")
                                                   for target in targets)]
        return [entry for entry in asked if entry not in there and above(entry) in inside]


def options_of(option, line):
    return [word for pattern in line.split("  ") for word in (option, pattern)]


def joined(words):
    """Each option with its value in one word: a value may begin with a dash."""
    return [f"{option}={value}" for option, value in zip(words[::2], words[1::2])]


def tell(kind, words, missing):
    print("\t".join([kind, *map(written, words)]))
    if missing is None:
        print("refused")
    for entry in missing or []:
        print(f"out\t{written(entry)}")
    sys.stdout.flush()


def main():
    assert len(set(map(in_json, ENTRIES))) == len(ENTRIES), "restic's JSON tells these names apart"
    program = os.path.abspath(sys.argv[1])
    print(f"# {subprocess.check_output([program, 'version'], text=True).strip()}")
    print("\t".join(["variables", *(written(f"{name}={value}") for name, value in VARIABLES.items())]))
    for entry in ENTRIES:
        print(f"entry\t{written(entry)}")
    with tempfile.TemporaryDirectory() as root:
        restic = Restic(program, Path(root))
        for option, lines in (("--exclude", EXCLUDES), ("--iexclude", IGNORED_CASE)):
            for line in lines:
                words = options_of(option, line)
                tell("backup", TARGETS + words, restic.backup(TARGETS, joined(words)))
        for content in FILES:
            (restic.own / "excludes").write_text(content, newline="")
            for option in ("--exclude-file", "--iexclude-file"):
                tell("backup", [*TARGETS, option, content], restic.backup(TARGETS, [option, "/.own/excludes"]))
        for targets, words in LINES:
            tell("backup", targets + words, restic.backup(targets, joined(words)))
        for option, line in RESTORES:
            words = options_of(option, line)
            tell("restore", words, restic.restore(joined(words)))


main()
