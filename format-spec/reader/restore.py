#!/usr/bin/env python3
"""Restores a snapshot of a holdall repository, which it only reads. Written from the pages of the format alone.

    python3 restore.py REPOSITORY SNAPSHOT TARGET

SNAPSHOT is an id, the first 4 to 64 digits of one, or `latest`. TARGET is absent or empty; absolute paths are made anew
below it. The password stands in HOLDALL_PASSWORD, or the path of a key file in HOLDALL_KEY_FILE; with neither, only a
repository without a password opens. Exit code 0: all is restored. 3: what could be restored is, the rest was said.
1: something was refused. A table of all chunks lies in temporary space, about 150 bytes for each: SQLITE_TMPDIR names
another directory for it.

Everything is verified on the way: seals, signatures and the rights of their keys, ids, lengths and orders. Where to
look: restore.py says what happens in which order; keys.py opens configurations and key slots; control.py, outcome.py
and history.py say which snapshots and segments count; segment.py, pack.py, frame.py and content.py lead from an id to
bytes; tree.py reads manifests, target.py writes entries. wire.py, seal.py and store.py are below all of them. Numbers
in brackets are requirements.
"""

import os
import resource
import sqlite3
import sys
import time
from itertools import islice

from content import Content, Index
from history import History
from keys import Chain, Unlock, unlock_keys
from store import Store
from target import Target, open_target, printable
from tree import Trees, is_stream
from wire import Refused, require

if not hasattr(os, "pread") or sys.version_info < (3, 11):
    sys.exit("restore.py needs Python 3.11 on a Unix system")


class Report:
    """Counts and says what did not go as it should."""

    def __init__(self):
        self.problems = 0
        self.refusals = 0

    def notice(self, text):
        print(f"restore.py: {text}", file=sys.stderr)

    def entry(self, key, text, refused=False):
        self.problems += 1
        self.refusals += refused
        self.notice(f"/{printable(key.replace(bytes(1), b'/'))}: {text}")


def restore(repository, wanted, target, unlock, report):
    """Restores all components of a snapshot."""
    store = Store(repository)
    keys = unlock_keys(store, unlock)
    chain = Chain(store, keys.config_zero)
    keys.confirm(chain)
    chain.check_readable()
    require(keys.role != "put", "the role put can't read content")
    history = History(store, keys, chain, report.notice)
    snapshot = history.find(wanted, time.time_ns())
    parts = history.parts(snapshot)
    index = Index()
    history.index_into(index)
    content = Content(store, keys, index)
    trees = Trees(content.node)
    report.notice(f"restoring snapshot {snapshot.id.hex()}")
    top = open_target(target)
    for part in parts:
        for component, described in zip(part.components, part.described):
            name = f"component {printable(described.name)!r}"
            if component.state != "complete":
                report.problems += 1
                report.notice(f"{name} is {component.state}: {printable(described.reason)}")
            if component.manifest is None:
                continue
            if component.kind == "stream" and not is_stream(list(islice(trees.entries(component.manifest), 3))):
                report.entry(b"", f"{name} has no stream's form", refused=True)  # [OUTCOME-16]
                continue
            into = Target(top, content, trees, report.entry)
            for entry in trees.entries(component.manifest):
                into.write(entry)
            into.finish()


def main(arguments):
    if len(arguments) != 3:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    report = Report()
    try:
        # A handle for each level of the deepest path.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        unlock = Unlock(os.environb.get(b"HOLDALL_PASSWORD"), os.environb.get(b"HOLDALL_KEY_FILE"))
        restore(*arguments, unlock, report)
    except (Refused, OSError) as error:
        report.notice(f"refused: {error}")
        return 1
    except sqlite3.Error as error:
        report.notice(f"refused: the table of chunks: {error}; name a directory with room for it in SQLITE_TMPDIR")
        return 1
    return 1 if report.refusals else 3 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
