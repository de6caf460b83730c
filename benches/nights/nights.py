#!/usr/bin/env python3
"""A year of nightly backups of one tree, then forgetting and pruning, timed.

    nights.py --program target/release/holdall --place /somewhere/large [--files 200000] [--nights 365]
    nights.py --rustic rustic --place ...        the same tree and nights with rustic

The tree and every night's changes follow from a seed, so each program sees the same bytes. Files lie in directories of
100; sizes are log-normal around 3 KiB, at most 256 KiB; a night gives 0.5 % of the files, drawn anew, other bytes.

What is timed: the policy 7 daily, 4 weekly, 12 monthly with its prune; and before it one snapshot forgotten by its id
and pruned, after a prune that counted all. Wall and processor seconds and the peak of resident memory come from wait4.
"""

import argparse
import datetime
import json
import os
import random
import shutil
import subprocess
import sys

SEED = 20240229
CHANGED_SHARE = 0.005
PASSWORD = "correct horse battery staple"


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


class Tool:
    def __init__(self, place, name):
        self.place = os.path.join(place, name)
        self.repository = os.path.join(self.place, "repository")
        self.runs = []

    def run(self, what, *arguments):
        """Runs the program to its end; notes what it took."""
        pid = os.posix_spawnp(arguments[0], arguments, self.environment(), file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.path.join(self.place, "out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, os.path.join(self.place, "err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ])
        started = datetime.datetime.now()
        _, status, usage = os.wait4(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        taken = {
            "what": what,
            "wall_s": round((datetime.datetime.now() - started).total_seconds(), 3),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mib": usage.ru_maxrss // 1024,
            "exit": code,
        }
        self.runs.append(taken)
        if code != 0:
            sys.exit(f"{' '.join(arguments)}: exit {code}, see {self.place}/err")
        return taken

    def output(self):
        with open(os.path.join(self.place, "out"), encoding="utf-8") as file:
            return file.read()


class Holdall(Tool):
    def __init__(self, place, program):
        super().__init__(place, "holdall")
        self.program = program

    def environment(self):
        return {**os.environ, "HOLDALL_PASSWORD": PASSWORD, "HOLDALL_REPOSITORY": self.repository,
                "HOLDALL_CACHE_DIR": os.path.join(self.place, "cache"), "XDG_STATE_HOME": os.path.join(self.place, "state")}

    def init(self):
        self.run("init", self.program, "init")

    def backup(self, tree, time):
        self.run("backup", self.program, "backup", "--time", time, tree)

    def prune(self, what):
        return [self.run(what, self.program, "prune")]

    def forget_one(self, number):
        self.run("list", self.program, "--json", "snapshots")
        listed = json.loads(self.output())
        listed = listed["snapshots"] if isinstance(listed, dict) else listed
        return [self.run("forget one", self.program, "forget", listed[number]["id"])]

    def policy(self):
        return [self.run("forget by policy", self.program, "forget", *POLICY)]


class Rustic(Tool):
    def __init__(self, place, program):
        super().__init__(place, "rustic")
        self.program = program

    def environment(self):
        return {**os.environ, "RUSTIC_PASSWORD": PASSWORD, "RUSTIC_REPOSITORY": self.repository,
                "RUSTIC_CACHE_DIR": os.path.join(self.place, "cache"), "RUSTIC_NO_PROGRESS": "true"}

    def init(self):
        self.run("init", self.program, "init")

    def backup(self, tree, time):
        self.run("backup", self.program, "backup", "--time", time.replace("T", " ").rstrip("Z"), tree)

    def prune(self, what):
        return [self.run(what, self.program, "prune", "--instant-delete")]

    def forget_one(self, number):
        self.run("list", self.program, "snapshots", "--json")
        groups = json.loads(self.output())
        ids = [snapshot["id"] for group in groups for snapshot in group[1]]
        return [self.run("forget one", self.program, "forget", ids[number])]

    def policy(self):
        return [self.run("forget by policy", self.program, "forget", *POLICY)]


POLICY = ["--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "12"]


def disk_bytes(directory):
    return int(subprocess.check_output(["du", "-sb", directory]).split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="the holdall to measure")
    parser.add_argument("--rustic", help="the rustic to measure")
    parser.add_argument("--place", required=True)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--only-backups", action="store_true", help="leave a repository to try things on")
    arguments = parser.parse_args()
    tools = []
    if arguments.program:
        tools.append(Holdall(arguments.place, os.path.abspath(arguments.program)))
    if arguments.rustic:
        tools.append(Rustic(arguments.place, arguments.rustic))
    tree = os.path.join(arguments.place, "tree")
    for directory in [tree] + [tool.place for tool in tools]:
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
    all_sizes = sizes(arguments.files)
    make_tree(tree, all_sizes)
    for tool in tools:
        tool.init()
    first = datetime.datetime(2025, 1, 1, 3)
    for night in range(arguments.nights):
        if night:
            change(tree, all_sizes, night)
        for tool in tools:
            tool.backup(tree, (first + datetime.timedelta(days=night)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    for tool in tools:
        nights = [run for run in tool.runs if run["what"] == "backup"]
        report = {"tool": type(tool).__name__, "nights": len(nights), "bytes_before": disk_bytes(tool.repository),
                  "night_wall_s_median": sorted(run["wall_s"] for run in nights)[len(nights) // 2]}
        if not arguments.only_backups:
            report["runs"] = tool.prune("first prune")
            report["runs"] += tool.forget_one(len(nights) // 2) + tool.prune("prune after one")
            report["runs"] += tool.policy() + tool.prune("prune after policy")
            report["bytes_after"] = disk_bytes(tool.repository)
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
