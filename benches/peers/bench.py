"""The order of a run: rounds of all corpora, measures and tools in turn, with what must happen untimed in between."""

import datetime
import hashlib
import itertools
import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

from fetch import run, say
from measure import allocated_bytes, apparent_bytes, read_all, timed, unquiet
from tools import FILE_MEASURES, MEASURES, TOOLS

# File times younger than this are not relied upon by some tools.
SETTLE_S = 3
# ext4 without a journal gives no inode out again that was freed within the last minute, or the last six where that was not
# written yet, and looks at every such one again for each file that is made.
INODE_REST_S = 370
# rsync's options that turn a tree into another state in place: what does not change keeps inode, ctime and mtime.
TO_B = {"SRC": "-rlpc", "SMALL": "-rlptc"}
TO_A = "-rlptc"
ORDER = ["first", "nochange", "check", "scrub", "restore", "next"]


class NotQuiet(Exception):
    """The machine is doing something else."""


def sha256(path: Path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Bench:
    """One run: all results of one holdall program, below one folder."""

    def __init__(self, options, fetcher, holdall: Path, commit: str):
        self.options, self.fetcher = options, fetcher
        self.cores = os.cpu_count() or 1
        self.digest = sha256(holdall)
        self.folder = options.cache / "runs" / self.digest[:12]
        self.work = options.work / self.digest[:12]
        for folder in (self.folder, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        # A copy, so that a build in between changes nothing.
        self.holdall = self.folder / "holdall"
        if not self.holdall.exists():
            shutil.copy(holdall, self.holdall)
            (self.folder / "commit").write_text(commit)
        self.record = self.folder / "measurements.jsonl"

    # What there is to do

    def measurements(self):
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [json.loads(line) for line in lines]

    def done(self):
        return {(m["corpus"], m["round"], m["tool"], m["measure"]) for m in self.measurements()}

    def measures(self, corpus):
        there = MEASURES if corpus in TO_B else FILE_MEASURES
        return [measure for measure in ORDER if measure in there and measure in self.options.measures]

    def todo(self, corpus, number, measure):
        """The tools still to be measured, in an order that turns from round to round."""
        names = [name for name in TOOLS if name in self.options.tools and self.can(name, corpus, measure)]
        turn = number % len(names) if names else 0
        done = self.done()
        return [name for name in names[turn:] + names[:turn] if (corpus, number, name, measure) not in done]

    def can(self, name, corpus, measure):
        place = Path("/")
        return TOOLS[name]("", self.cores).command(measure, place, corpus, place) is not None

    def plan(self):
        for number in range(1, self.options.rounds + 1):
            for corpus in self.options.corpora:
                for measure in self.measures(corpus):
                    if self.todo(corpus, number, measure):
                        yield corpus, number, measure

    # Places

    def tool(self, name):
        if name.startswith("holdall"):
            return TOOLS[name](self.holdall, self.cores)
        if name in ("tar", "floor"):
            return TOOLS[name]("tar" if name == "tar" else "b3sum", self.cores)
        return TOOLS[name](self.fetcher.tool(name), self.cores)

    def round_place(self, corpus, number):
        return self.work / f"{corpus}-{number}"

    def place(self, corpus, number, name):
        return self.round_place(corpus, number) / name

    def parent(self, corpus):
        """The working folder of all commands; the tree lies in it under the corpus's name."""
        return self.fetcher.corpora if corpus not in TO_B else self.options.work / "trees"

    # Untimed work

    def prepare(self, corpus, number, measure):
        """Everything that a measure needs to be there; nothing of it is timed."""
        say(f"{corpus}, round {number}, {measure}")
        todo = self.todo(corpus, number, measure)
        for name in todo:
            self.tool(name)
        if corpus in TO_B:
            self.move_tree(corpus, "b" if measure == "next" else "a")
        read_all(self.parent(corpus) / corpus)
        self.demand_room(corpus, measure, len(todo))
        for name in todo:
            place = self.place(corpus, number, name)
            started = place / f"started-{measure}"
            if measure == "first" or not place.exists():
                self.make_repository(corpus, number, name, measure)
            elif measure == "next" and started.exists():
                say(f"{name} was interrupted while it stored the next version: round {number} goes without it")
                self.append({"corpus": corpus, "round": number, "tool": name, "measure": measure, "spoilt": True})
            if measure in ("check", "scrub", "restore"):
                read_all(place / "repository")
        if measure == "restore":
            self.let_inodes_rest()

    def demand_room(self, corpus, measure, tools):
        """Refuses to begin what may fill the disc: a tool stores or restores at most the whole tree."""
        if measure not in ("first", "next", "restore"):
            return
        needed, free = tools * allocated_bytes(self.parent(corpus) / corpus), shutil.disk_usage(self.work).free
        if free < needed:
            raise SystemExit(f"{measure} of {corpus} may need {needed / 1e9:.0f} GB below {self.work}, where "
                             f"{free / 1e9:.0f} GB are free: give another place with --work, or fewer tools or corpora")

    def make_repository(self, corpus, number, name, measure):
        """A new, empty repository, or, for a measure that needs one, with the first backup in it."""
        place, tool = self.place(corpus, number, name), self.tool(name)
        self.remove(place)
        (place / "home").mkdir(parents=True)
        environment = tool.environment(place)
        run(*tool.init(place), cwd=self.parent(corpus), env=environment)
        if measure != "first" and (command := tool.backup(place, corpus, "first")):
            run(*command, cwd=self.parent(corpus), env=environment)

    def move_tree(self, corpus, state):
        """Brings the working tree into a state; a new tree is a copy of the pristine one."""
        trees = self.parent(corpus)
        trees.mkdir(exist_ok=True)
        tree, mark = trees / corpus, trees / f".{corpus}.state"
        if mark.exists() and mark.read_text() == state:
            return
        mark.unlink(missing_ok=True)
        if not tree.exists():
            run("cp", "-a", self.fetcher.corpora / corpus, tree)
        if state == "b":
            run("rsync", TO_B[corpus], "--delete", f"{self.fetcher.corpora / corpus}.b/", f"{tree}/")
        else:
            run("rsync", TO_A, "--delete", f"{self.fetcher.corpora / corpus}/", f"{tree}/")
        mark.write_text(state)
        time.sleep(SETTLE_S)

    def finish(self, number):
        """Removes what a round no longer needs: of all corpora at once, since what was removed has to rest."""
        if all(other != number for _, other, _ in self.plan()):
            for corpus in self.options.corpora:
                self.remove(self.round_place(corpus, number))

    def remove(self, folder: Path):
        if folder.exists():
            run("chmod", "-R", "u+rwX", folder)
            shutil.rmtree(folder)
            (self.options.work / "removed").touch()

    def let_inodes_rest(self):
        removed = self.options.work / "removed"
        age_s = time.time() - removed.stat().st_mtime if removed.exists() else INODE_REST_S
        if age_s < INODE_REST_S:
            say(f"waiting {INODE_REST_S - age_s:.0f} s, so that no inode was freed just before files are restored")
            time.sleep(INODE_REST_S - age_s)

    # Timed work

    def measure(self, corpus, number, measure, deadline):
        """Measures all tools in turn and tells whether all are done; none is begun after the deadline."""
        self.demand_quiet()
        for name in self.todo(corpus, number, measure):
            if deadline is not None and time.monotonic() > deadline:
                return False
            self.measure_one(corpus, number, name, measure)
        return True

    def demand_quiet(self):
        if self.options.noisy:
            return
        for _ in range(10):
            reason, self.calibration = unquiet(self.cores)
            if reason is None:
                return
            time.sleep(2)
        raise NotQuiet(f"not quiet enough to measure: {reason}")

    def measure_one(self, corpus, number, name, measure):
        place, tool = self.place(corpus, number, name), self.tool(name)
        # What an interrupted restore left stays: nothing is removed between timed restores.
        targets = (self.round_place(corpus, number) / f"restored-{name}-{n}" for n in itertools.count())
        target = next(target for target in targets if not target.exists())
        (place / f"started-{measure}").touch()
        if measure in ("first", "next"):
            # borg has the system forget what it read, so that the next tool would find a cold cache.
            read_all(self.parent(corpus) / corpus)
        before = apparent_bytes(tool.repository(place))
        command = tool.command(measure, place, corpus, target)
        figures = timed(command, self.parent(corpus), tool.environment(place), place / "log")
        if figures["exit_code"] != 0:
            raise SystemExit(f"{name} {measure} of {corpus} failed:\n{(place / 'log').read_text(errors='replace')[-3000:]}")
        after = apparent_bytes(tool.repository(place))
        self.append({"corpus": corpus, "round": number, "tool": name, "measure": measure, **figures,
                     "repository_bytes": after, "added_bytes": after - before,
                     "load": os.getloadavg()[0], "at": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
                     "command": command})
        say(f"  {name:12} {figures['wall_s']:8.2f} s  {figures['cpu_s']:8.2f} CPU s  {figures['peak_bytes'] >> 20:5} MiB")
        if measure == "restore" and number == 1:
            self.compare(corpus, target, name)

    def compare(self, corpus, target, name):
        """What was restored must be what was stored: kinds, contents, links and permissions."""
        tree = self.parent(corpus) / corpus
        restored = next((folder for folder in (target / corpus, target / str(tree).lstrip("/")) if folder.exists()), target)
        differences = run("rsync", "-rlpcni", "--delete", f"{tree}/", f"{restored}/")
        if differences.strip():
            raise SystemExit(f"{name} restored {corpus} differently:\n{differences[:2000]}")

    def append(self, measurement):
        with open(self.record, "a") as record:
            record.write(json.dumps(measurement) + "\n")

    # Results

    def results(self):
        """Everything that was measured, and on what."""
        measured = [{**m, "command": self.without_places(m["command"])} for m in self.measurements() if "spoilt" not in m]
        names = [name for name in TOOLS if any(m["tool"] == name for m in measured)]
        tools = {name: {"version": self.tool(name).version(), "settings": TOOLS[name].settings} for name in names}
        return {"holdall": {"commit": (self.folder / "commit").read_text(), "sha256": self.digest},
                "machine": machine(self.options.work), "tools": tools, "measurements": measured,
                "corpora": {corpus: self.corpus_facts(corpus) for corpus in {m["corpus"] for m in measured}}}

    def without_places(self, command):
        """A command as anybody may read it: where this user keeps programs and repositories is left out."""
        places = {str(self.work): "WORK", str(self.folder): "BIN", str(self.options.cache / "tools/bin"): "BIN"}
        for place, name in places.items():
            command = [word.replace(place, name) for word in command]
        return command

    def corpus_facts(self, corpus):
        facts = self.folder / f"corpus-{corpus}.json"
        if not facts.exists():
            folder = self.fetcher.corpora / corpus
            count = sum(len(files) for _, _, files in os.walk(folder))
            facts.write_text(json.dumps({"files": count, "bytes": apparent_bytes(folder)}))
        return json.loads(facts.read_text())


def machine(folder: Path):
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": round(memory_kib / (1 << 20), 1),
            "kernel": platform.release(), "file_system": kind}
