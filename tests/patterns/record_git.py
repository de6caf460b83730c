#!/usr/bin/env python3
"""Asks git what ignore files leave out, and writes the answers down: record_git.py > git_cases.txt

The format is that of cases.txt; each case is a line `ignore` with pairs of a directory and what the file in it holds,
and a line `out` for each entry that is ignored although the directory above it is not, with the directory and the line
of the rule that says so.
"""

import os
import subprocess
import tempfile

ENTRIES = [os.fsencode(entry) if isinstance(entry, str) else entry for entry in [
    "a.o", "a.c", "b.o/", "b.o/x", "build/", "build/out", "doc/", "doc/build", "doc/frotz/", "doc/frotz/x", "doc/a.txt",
    "doc/sub/", "doc/sub/a.txt", "doc/sub/deep/", "doc/sub/deep/a.txt", "foo/", "foo/bar/", "foo/bar/baz",
    "foo/x/", "foo/x/bar/", "foo/x/bar/y", "foo/x/y/", "foo/x/y/bar", "bar", "src/", "src/main.o", "src/main.c",
    "src/keep.o", "src/lib/", "src/lib/main.o", "src/lib/keep.o", "odd/", "odd/a*b", "odd/axb", "odd/a[b", "odd/a]b",
    "odd/a\\b", "odd/a?b", "odd/a-b", "odd/a^b", "odd/a!b", "odd/!bang", "odd/#hash", "odd/trail ", "odd/ lead",
    "odd/two words", "odd/tab\there", "odd/**", "odd/[x]", "odd/A1", "odd/a1", "odd/_", "odd/9", "odd/ü", "odd/.hidden",
    b"odd/\xff", "Über/", "Über/x", ".env", ".cache/", ".cache/x", "deep/", "deep/a/", "deep/a/b/", "deep/a/b/c/",
    "deep/a/b/c/d",
]]

SINGLE = r"""
*.o
*.o/
/*.o
a.o
b.o
b.o/
build
build/
/build
/build/
doc/build
/doc/build
doc/build/
doc/*
doc/*.txt
doc/**
doc/**/
doc/**/a.txt
doc/**/**/a.txt
**/a.txt
**/sub/a.txt
**/doc
**/
**
*
/*
/**
*/
/
//
doc//build
foo/**/bar
foo/**/bar/
foo/*/bar
foo/**bar
foo**
**foo
**bar
foo/**/y
foo/x/**
**/x/**
**/y/bar
bar
/bar
bar/
b?r
?ar
/?ar
[bc]ar
[!a]ar
[^a]ar
[a-c]ar
odd/a[*]b
odd/a[!x]b
odd/a[^x]b
odd/a[]]b
odd/a[]-]b
odd/a[[]b
odd/a[\]]b
odd/a[\\]b
odd/a[a-]b
odd/a[-a]b
odd/a[a-b-c]b
odd/a[+--]b
odd/a\*b
odd/a\?b
odd/a\[b
odd/a\b
odd/a\\b
odd/a?b
odd/a*b
odd/[[:upper:]]*
odd/[[:lower:][:digit:]]*
odd/[[:alpha:]]?
odd/[![:alnum:]]
odd/[[:punct:]]*
odd/[[:space:]]*
odd/[[:nope:]]*
odd/[[:alpha]]
odd/[a
odd/[
[
a\
\
\!bang
!bang
\#hash
#hash
odd/#hash
trail
trail\ 
trail 
 lead
two words
two\ words
tab	here
*	*
.*
.env
.cache/
.cache/*
odd/.*
odd/*
odd/ü
odd/?
odd/??
Über
?ber
??ber
a/b
/a/b
deep/a/b
deep/*/b
deep/**/b
deep/**/d
deep/*/d
**/c/d
c/d
**/c
/**/c
d
d/
""".strip("\n").splitlines()

SEVERAL = [
    "*.o\n!a.o\n", "!a.o\n*.o\n", "*.o\n!src/keep.o\n", "src\n!src/keep.o\n", "src/*\n!src/keep.o\n", "src/*\n!keep.o\n",
    "/*\n!/src\n", "/*\n!/src/\n/src/*\n!/src/lib\n", "*\n!*/\n!*.c\n", "doc/**\n!doc/**/\n!a.txt\n", "*.o\n!*\n*.c\n",
    "# nothing\n\n   \na.o\n", "a.o\r\nbuild/\r\n", "\ufeffa.o\n", "a.o   \n", "a.o\\  \n", "a.o", "!\n", "!!\n", "!/\n",
    "a.o\n!a.o \n", "\\\\\n", "#\n", "\\#\n", " # a.o\n", "a.o#\n",
]

NESTED = [
    {"": "*.o\n", "src": "!keep.o\n"}, {"": "*.o\n", "src": "!*.o\n", "src/lib": "main.o\n"}, {"src": "/main.o\n"},
    {"src": "lib/main.o\n"}, {"src": "/lib\n"}, {"": "!keep.o\n", "src": "*.o\n"}, {"": "src/lib\n", "src": "!lib\n"},
    {"": "lib\n", "src": "!lib\n", "src/lib": "*\n"}, {"doc": "**/a.txt\n!/a.txt\n"}, {"doc/sub": "../a.txt\n"},
]


def written(data):
    data = os.fsencode(data) if isinstance(data, str) else data
    return "".join(chr(byte) if 0x20 <= byte < 0x7f and byte != 0x25 else f"%{byte:02x}" for byte in data)


def ignored(files):
    """Every ignored entry with the directory and the line of the rule."""
    with tempfile.TemporaryDirectory() as top:
        git = ["git", "-c", "core.excludesFile=/dev/null", "-C", top]
        subprocess.run([*git, "init", "-q"], check=True)
        for entry in ENTRIES:
            path = os.path.join(os.fsencode(top), entry)
            os.makedirs(path) if entry.endswith(b"/") else open(path, "wb").close()
        for directory, content in files.items():
            with open(os.path.join(top, directory, ".gitignore"), "wb") as file:
                file.write(os.fsencode(content))
        asked = b"".join(entry.rstrip(b"/") + b"\0" for entry in ENTRIES)
        done = subprocess.run([*git, "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin"], input=asked,
                              stdout=subprocess.PIPE)
        assert done.returncode in (0, 1), done
        fields = done.stdout.split(b"\0")[:-1]
        found = {}
        for source, line, pattern, path in zip(*[iter(fields)] * 4):
            if source and not pattern.startswith(b"!"):
                found[path] = (os.path.dirname(source), int(line))
        return found


def main():
    print(f"# {subprocess.check_output(['git', 'version'], text=True).strip()}")
    for entry in ENTRIES:
        print(f"entry\t{written(entry)}")
    for files in [{"": line + "\n"} for line in SINGLE] + [{"": text} for text in SEVERAL] + NESTED:
        print("\t".join(["ignore", *(word for pair in files.items() for word in map(written, pair))]))
        found = ignored(files)
        for entry in ENTRIES:
            path = entry.rstrip(b"/")
            if path in found and os.path.dirname(path) not in found:
                print(f"out\t{written(entry)}\t{written(found[path][0])}\t{found[path][1]}")


main()
