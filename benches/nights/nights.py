#!/usr/bin/env python3
"""A year of nightly backups of one tree, then forgetting and pruning, timed beside rustic and restic.

    nights.py --place /somewhere/large                                   365 nights of 200,000 files, with all three
    nights.py --place ... --nights 30 --files 20000 --tools holdall      something smaller

The tree and every night's changes follow from a seed, so each program sees the same bytes. Files lie in directories of
100; sizes are log-normal around 3 KiB, at most 256 KiB; a night gives 0.5 % of the files, drawn anew, other bytes.

A night's backups run beside each other, to save time: of them only processor time counts.
What is timed runs alone: a first prune, which counts all; one snapshot forgotten by its id, and a prune; the policy 7
daily, 4 weekly, 12 monthly, and a prune. Wall and processor seconds and the peak of resident memory come from wait4.

What was interrupted is resumed by the same command: what is done stands in PLACE/state.json. A prune that was interrupted
is done again on a copy of the repository from before. rustic and restic are fetched as benches/peers does it, unless
they are named. At the end PLACE/<date>-<commit>.json and .txt hold the result.
"""

import argparse
import datetime
import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

SEED = 20240229
CHANGED_SHARE = 0.005
PASSWORD = "correct horse battery staple"
POLICY = ["--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "12"]
FIRST_NIGHT = datetime.datetime(2025, 1, 1, 3)
# What holdall must keep to: shares of the others' time for forgetting and pruning by the policy, MiB, and seconds for one
# more snapshot.
SHARE_MAX = {"rustic": 0.3, "restic": 0.2}
PEAK_MIB_MAX = 256
ONE_S_MAX = 1.0
# The exit code of a slice that left something to do.
MORE_TO_DO = 76


def sizes(count):
    draw = random.Random(SEED)
    return [min(int(draw.lognormvariate(8, 1.2)), 256 << 10) for _ in range(count)]


def content(number, version, size):
    """Half of it compresses: words in hexadecimal."""
    draw = random.Random(number * 1_000_003 + version)
    return draw.randbytes((size + 1) // 2).hex().encode()[:size]


def path(tree, number):
    return os.path.join(tree, f"{number // 10_000:03}", f"{number // 100 % 100:02}", f"file-{number:06}")


def make_tree(tree, all_sizes):
    shutil.rmtree(tree, ignore_errors=True)
    for number, size in enumerate(all_sizes):
        name = path(tree, number)
        if number % 100 == 0:
            os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "wb") as file:
            file.write(content(number, 0, size))


def change(tree, all_sizes, night):
    draw = random.Random(SEED + night)
    for number in draw.sample(range(len(all_sizes)), int(len(all_sizes) * CHANGED_SHARE)):
        with open(path(tree, number), "wb") as file:
            file.write(content(number, night, all_sizes[number]))


class State:
    """What is done, kept in a file."""

    def __init__(self, place, setting):
        self.file = os.path.join(place, "state.json")
        self.setting = setting
        self.done = {"setting": setting, "tree_night": None, "tools": {}}
        if os.path.exists(self.file):
            with open(self.file, encoding="utf-8") as file:
                self.done = json.load(file)
            if self.done["setting"] != setting:
                sys.exit(f"{place} holds another run ({self.done['setting']}); remove it or name another place")

    def tool(self, name):
        return self.done["tools"].setdefault(name, {"nights": [], "phases": []})

    def keep(self):
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            json.dump(self.done, file, indent=1)
        os.replace(self.file + ".new", self.file)


class Tool:
    def __init__(self, place, program):
        self.place = os.path.join(place, self.name)
        self.program = program
        self.repository = os.path.join(self.place, "repository")

    def run(self, what, *arguments):
        """Runs the program to its end; returns what it took."""
        command = [self.program, *arguments]
        files = [
            (os.POSIX_SPAWN_OPEN, 1, os.path.join(self.place, "out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, os.path.join(self.place, "err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ]
        started = time.monotonic()
        pid = os.posix_spawnp(command[0], command, {**os.environ, "TZ": "UTC", **self.environment()}, file_actions=files)
        _, status, usage = os.wait4(pid, 0)
        taken = {
            "what": what,
            "wall_s": round(time.monotonic() - started, 3),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mib": usage.ru_maxrss // 1024,
        }
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            sys.exit(f"{' '.join(command)}: exit {code}, see {self.place}/err")
        return taken

    def output(self):
        with open(os.path.join(self.place, "out"), encoding="utf-8") as file:
            return json.load(file)

    def version(self):
        return subprocess.run([self.program, *self.version_command], capture_output=True, text=True).stdout.strip()

    version_command = ["--version"]
    init_options = []

    def init(self):
        shutil.rmtree(self.place, ignore_errors=True)
        os.makedirs(self.place)
        self.run("init", "init", *self.init_options)

    def resume(self):
        """Clears what an interrupted run left behind."""

    def prune(self, what):
        return self.run(what, "prune")

    def ids(self):
        raise NotImplementedError

    # The phases, in order. Each ends with all that counts towards it.

    def phases(self):
        def one():
            ids = self.ids()
            return [self.run("forget one", "forget", ids[len(ids) // 2]), self.prune("prune after one")]

        return {
            "first prune": lambda: [self.prune("first prune")],
            "one": one,
            "policy": lambda: [self.run("forget by policy", "forget", *POLICY), self.prune("prune after policy")],
        }


class Holdall(Tool):
    name = "holdall"
    # The others lack it: sizes are compared without it.
    init_options = ["--parity", "0"]

    def environment(self):
        return {"HOLDALL_PASSWORD": PASSWORD, "HOLDALL_REPOSITORY": self.repository,
                "HOLDALL_CACHE_DIR": os.path.join(self.place, "cache"), "XDG_STATE_HOME": os.path.join(self.place, "state")}

    def backup(self, tree, when):
        return self.run("backup", "backup", "--time", when.strftime("%Y-%m-%dT%H:%M:%SZ"), tree)

    def ids(self):
        self.run("list", "--json", "snapshots")
        listed = self.output()
        return [snapshot["id"] for snapshot in (listed["snapshots"] if isinstance(listed, dict) else listed)]


class Rustic(Tool):
    name = "rustic"

    def environment(self):
        return {"RUSTIC_PASSWORD": PASSWORD, "RUSTIC_REPOSITORY": self.repository, "RUSTIC_NO_PROGRESS": "true",
                "RUSTIC_CACHE_DIR": os.path.join(self.place, "cache")}

    def backup(self, tree, when):
        return self.run("backup", "backup", "--no-scan", "--time", when.strftime("%Y-%m-%d %H:%M:%S"), tree)

    def prune(self, what):
        # Otherwise it only marks packs, and frees them a day later.
        return self.run(what, "prune", "--instant-delete")

    def ids(self):
        self.run("list", "snapshots", "--json")
        groups = self.output()
        listed = [group["snapshots"] if isinstance(group, dict) else group[1] for group in groups]
        return [snapshot["id"] for group in listed for snapshot in group]


class Restic(Tool):
    name = "restic"
    version_command = ["version"]

    def environment(self):
        return {"RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": self.repository,
                "RESTIC_CACHE_DIR": os.path.join(self.place, "cache")}

    def resume(self):
        self.run("unlock", "unlock", "--remove-all")

    def backup(self, tree, when):
        return self.run("backup", "backup", "--quiet", "--no-scan", "--time",
                        when.strftime("%Y-%m-%d %H:%M:%S"), tree)

    def ids(self):
        self.run("list", "snapshots", "--json")
        return [snapshot["id"] for snapshot in self.output()]


TOOLS = {tool.name: tool for tool in (Holdall, Rustic, Restic)}


def disk_bytes(directory):
    return int(subprocess.check_output(["du", "-sb", directory]).split()[0])


class OutOfTime(Exception):
    pass


class Year:
    """All nights, then all phases, of all tools; goes on where it was."""

    def __init__(self, arguments, tools):
        self.tools = tools
        self.tree = os.path.join(arguments.place, "tree")
        self.nights = arguments.nights
        self.until = time.monotonic() + arguments.slice_s if arguments.slice_s else None
        self.sizes = sizes(arguments.files)
        self.state = State(arguments.place, {"files": arguments.files, "nights": arguments.nights, "seed": SEED})

    def go_on(self):
        if self.until is not None and time.monotonic() > self.until:
            raise OutOfTime

    def move_tree_to(self, night):
        """Changes are the same bytes each time, so what was interrupted is done again."""
        done = self.state.done
        if done["tree_night"] is None:
            make_tree(self.tree, self.sizes)
            done["tree_night"] = 0
            self.state.keep()
        while done["tree_night"] < night:
            change(self.tree, self.sizes, done["tree_night"] + 1)
            done["tree_night"] += 1
            self.state.keep()

    def run_nights(self):
        for tool in self.tools:
            own = self.state.tool(tool.name)
            if not own["nights"]:
                tool.init()
            elif len(own["nights"]) < self.nights:
                tool.resume()
            if len(own["nights"]) < (self.state.done["tree_night"] or 0):
                sys.exit(f"{tool.name} joined after the tree had changed; name another place")
        for night in range(self.nights):
            behind = [tool for tool in self.tools if len(self.state.tool(tool.name)["nights"]) == night]
            if not behind:
                continue
            self.go_on()
            self.move_tree_to(night)
            when = FIRST_NIGHT + datetime.timedelta(days=night)
            with ThreadPoolExecutor(len(behind)) as beside:
                backups = {beside.submit(tool.backup, self.tree, when): tool for tool in behind}
                for backup in as_completed(backups):
                    self.state.tool(backups[backup].name)["nights"].append(backup.result())
                    self.state.keep()

    def run_phases(self):
        for tool in self.tools:
            own = self.state.tool(tool.name)
            own.setdefault("bytes_before", disk_bytes(tool.repository))
            for name, phase in tool.phases().items():
                if name in [done["name"] for done in own["phases"]]:
                    continue
                self.go_on()
                self.put_back(tool)
                own["phases"].append({"name": name, "runs": phase(), "bytes_after": disk_bytes(tool.repository)})
                self.state.keep()
                shutil.rmtree(tool.place + ".before", ignore_errors=True)

    @staticmethod
    def put_back(tool):
        """Keeps a copy of all that the tool has; or, where one was kept by a run that was interrupted, goes back to it."""
        kept = tool.place + ".before"
        if os.path.exists(kept):
            shutil.rmtree(tool.place)
            subprocess.run(["cp", "-a", "--reflink=auto", kept, tool.place], check=True)
        else:
            subprocess.run(["cp", "-a", "--reflink=auto", tool.place, kept + ".new"], check=True)
            os.rename(kept + ".new", kept)


def report(year, commit):
    result = {"commit": commit, "machine": f"{os.uname().sysname} {os.uname().release}, {os.cpu_count()} cores",
              **year.state.done["setting"], "tools": {}}
    for tool in year.tools:
        own = year.state.tool(tool.name)
        nights = sorted(run["cpu_s"] for run in own["nights"])
        runs = [run for phase in own["phases"] for run in phase["runs"]]
        took = {phase["name"]: round(sum(run["wall_s"] for run in phase["runs"]), 3) for phase in own["phases"]}
        result["tools"][tool.name] = {
            "version": tool.version(), "night_cpu_s_median": nights[len(nights) // 2],
            "bytes_before": own["bytes_before"], "bytes_after": own["phases"][-1]["bytes_after"],
            "wall_s": took, "peak_mib": max(run["peak_mib"] for run in runs), "runs": runs,
        }
    return result


def judge(result):
    """One line for each thing that holdall must keep to, and whether it does."""
    tools = result["tools"]
    if "holdall" not in tools:
        return []
    own = tools["holdall"]
    lines = []
    for name, share_max in SHARE_MAX.items():
        if name in tools:
            share = own["wall_s"]["policy"] / tools[name]["wall_s"]["policy"]
            lines.append((share < share_max, f"policy and prune take {share:.3f} of {name}'s time, at most {share_max}"))
    lines.append((own["peak_mib"] < PEAK_MIB_MAX, f"{own['peak_mib']} MiB at most, of {PEAK_MIB_MAX}"))
    one_s = own["wall_s"]["one"]
    lines.append((one_s < ONE_S_MAX, f"one snapshot and its prune take {one_s} s, at most {ONE_S_MAX}"))
    return lines


def table(result):
    lines = [f"{result['nights']} nights of {result['files']} files, seed {result['seed']}, commit {result['commit']}, "
             f"{result['machine']}", "",
             f"{'':10} {'night CPU':>9} {'first prune':>12} {'one':>9} {'policy':>9} {'peak MiB':>9} {'MB before':>10} {'after':>8}"]
    for name, own in result["tools"].items():
        took = own["wall_s"]
        lines.append(f"{name:10} {own['night_cpu_s_median']:9.2f} {took['first prune']:12.2f} {took['one']:9.2f} "
                     f"{took['policy']:9.2f} {own['peak_mib']:9} {own['bytes_before'] / 1e6:10.1f} "
                     f"{own['bytes_after'] / 1e6:8.1f}")
    lines += [""] + [("holds: " if holds else "FAILS: ") + text for holds, text in judge(result)]
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdall-bench"
    parser.add_argument("--place", required=True, help="repositories and the tree lie here; some 15 GB for a year")
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--tools", type=lambda text: text.split(","), default=list(TOOLS), help="comma-separated (all)")
    parser.add_argument("--holdall", type=Path, help="the program; otherwise this source tree is built")
    parser.add_argument("--rustic", type=Path, help="the program; otherwise it is fetched")
    parser.add_argument("--restic", type=Path, help="the program; otherwise it is fetched")
    parser.add_argument("--cache", type=Path, default=cache, help="fetched programs are kept here (%(default)s)")
    parser.add_argument("--slice-s", type=float, help=f"begin nothing after so long, and exit with {MORE_TO_DO}")
    parser.add_argument("--only-backups", action="store_true", help="leave a repository to try things on")
    return parser.parse_args()


def program(options, name):
    named = getattr(options, name)
    if named is not None:
        return str(named.resolve())
    if name != "holdall":
        sys.path.insert(0, str(HERE.parent / "peers"))
        from fetch import Fetcher
        return str(Fetcher(options.cache.resolve()).tool(name))
    subprocess.run([PROJECT / "scripts/build-release"], check=True)
    return str(Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "release/holdall")


def main():
    options = arguments()
    os.makedirs(options.place, exist_ok=True)
    options.place = os.path.abspath(options.place)
    year = Year(options, [TOOLS[name](options.place, program(options, name)) for name in options.tools])
    try:
        year.run_nights()
        if options.only_backups:
            return
        year.run_phases()
    except OutOfTime:
        sys.exit(MORE_TO_DO)
    git = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    result = report(year, commit)
    output = os.path.join(options.place, f"{datetime.date.today()}-{commit}")
    with open(output + ".json", "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    with open(output + ".txt", "w", encoding="utf-8") as file:
        file.write(table(result))
    print(table(result), end="")
    if not all(holds for holds, _ in judge(result)):
        sys.exit(1)


if __name__ == "__main__":
    main()
