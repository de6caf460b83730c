#!/usr/bin/env python3
"""Asks restic what it keeps, and writes the answers down: record.py RESTIC > cases.txt

Every snapshot is made by `restic backup --time` under the zone's own clock, and every answer is that of `restic forget
--dry-run --json`; cases.txt is what the retention of holdall is held to, so that the tests need no restic. The format:
a line `zone`, a line `snapshot` for each (its time, its tags), newest first; then for each policy a line `policy` with
its options and a line `keep` for each snapshot that stays (its place in the list, restic's reasons).
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

POLICIES = """
--keep-last 1
--keep-last 3
--keep-last unlimited
--keep-hourly 1
--keep-hourly 5
--keep-hourly 24
--keep-hourly unlimited
--keep-daily 1
--keep-daily 7
--keep-daily 100
--keep-daily unlimited
--keep-weekly 1
--keep-weekly 4
--keep-weekly unlimited
--keep-monthly 1
--keep-monthly 3
--keep-monthly unlimited
--keep-yearly 1
--keep-yearly 2
--keep-yearly 10
--keep-yearly unlimited
--keep-daily 7 --keep-weekly 4 --keep-monthly 12
--keep-last 2 --keep-hourly 6 --keep-daily 3 --keep-weekly 2 --keep-monthly 2 --keep-yearly 2
--keep-within 1h
--keep-within 12h
--keep-within 1d
--keep-within 24h
--keep-within 7d
--keep-within 1m
--keep-within 1y1m1d1h
--keep-within-hourly 2d
--keep-within-daily 8d
--keep-within-weekly 1m
--keep-within-monthly 11m
--keep-within-yearly 3y
--keep-within-hourly 1d --keep-within-daily 7d --keep-within-weekly 1m --keep-within-monthly 1y --keep-within-yearly 9y
--keep-within 1d --keep-daily 3 --keep-within-monthly 1y
""".strip().splitlines()

TAG_POLICIES = """
--keep-tag a
--keep-tag a,b
--keep-tag a --keep-tag c
--keep-tag a --keep-daily 2
""".strip().splitlines()


def every(zone, start, step, count):
    """Times at even steps, counted in hours that pass."""
    first = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    return [first + step * number for number in range(count)]


def at(zone, *local):
    """Times as the zone's clocks show them."""
    return [datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc) for text in local]


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LISTS = [
    ("UTC", every("UTC", "2025-05-28T00:00:00", 7 * HOUR, 36)),
    # Summer time ends: an hour comes twice.
    ("Europe/Berlin", every("Europe/Berlin", "2025-10-25T21:10:00", HOUR / 2, 20)
     + at("Europe/Berlin", "2025-10-18T03:00:00", "2025-10-19T23:59:59", "2025-10-20T00:00:00", "2025-10-26T23:59:59",
          "2025-10-27T00:00:00", "2025-11-02T12:00:00", "2025-09-26T02:30:00", "2025-09-25T02:30:00")),
    # Summer time begins: an hour is left out.
    ("Europe/Berlin", every("Europe/Berlin", "2025-03-29T22:30:00", HOUR, 10)
     + at("Europe/Berlin", "2025-03-22T08:00:00", "2025-03-23T23:30:00", "2025-03-24T00:30:00", "2025-03-29T02:30:00",
          "2025-03-30T23:30:00", "2025-03-31T00:30:00", "2025-03-31T02:30:00", "2025-02-28T02:30:00",
          "2025-03-01T02:30:00", "2025-03-03T02:30:00")),
    # Years end within weeks; months of every length; west of Greenwich.
    ("America/New_York", at(
        "America/New_York", "2019-12-29T20:00:00", "2019-12-30T20:00:00", "2020-01-01T20:00:00", "2020-02-29T12:00:00",
        "2020-11-01T00:30:00", "2020-12-27T23:30:00", "2020-12-28T00:30:00", "2020-12-31T23:59:59",
        "2021-01-01T00:00:00", "2021-01-03T23:59:59", "2021-01-04T00:00:00", "2021-01-31T22:00:00",
        "2021-02-28T22:00:00", "2021-03-01T03:00:00", "2021-03-14T04:00:00", "2021-03-31T22:00:00",
        "2021-04-30T22:00:00", "2021-05-31T22:00:00", "2021-12-31T19:00:00", "2022-01-01T01:00:00",
        "2022-01-02T19:00:00", "2022-01-03T01:00:00", "2023-03-31T23:00:00")),
    # Half an hour of summer time, and a day ahead.
    ("Australia/Lord_Howe", every("Australia/Lord_Howe", "2025-04-05T22:45:00", HOUR / 2, 12)
     + at("Australia/Lord_Howe", "2025-03-06T01:45:00", "2025-04-01T00:00:00", "2025-04-07T00:15:00",
          "2025-04-06T23:45:00")),
    ("Pacific/Kiritimati", every("Pacific/Kiritimati", "2024-12-28T11:00:00", 13 * HOUR, 14)),
    # One alone, and two at once.
    ("UTC", at("UTC", "2025-01-01T00:00:00")),
    ("UTC", at("UTC", "2024-01-01T00:00:00", "2025-01-01T00:00:00")),
]


class Restic:
    def __init__(self, program):
        self.program = program
        self.folder = tempfile.TemporaryDirectory()
        self.count = 0

    def run(self, zone, *arguments):
        command = [self.program, "--quiet", "--insecure-no-password", "--repo", self.repository, *arguments]
        surroundings = {"TZ": zone, "HOME": self.folder.name, "PATH": os.environ["PATH"]}
        return subprocess.run(command, env=surroundings, check=True, stdout=subprocess.PIPE).stdout

    def begin(self):
        self.count += 1
        self.repository = f"{self.folder.name}/{self.count}"
        self.run("UTC", "init")

    def back_up(self, zone, moment, tags):
        local = moment.astimezone(ZoneInfo(zone))
        if comes_twice(local):
            # Only its offset tells one of two equal times from the other; restic takes it for one of this zone again.
            zone = f"Etc/GMT-{local.utcoffset() // HOUR}"
        time = local.strftime("%Y-%m-%d %H:%M:%S")
        tag_options = ["--tag", ",".join(tags)] if tags else []
        self.run(zone, "backup", "--host", "h", "--time", time, *tag_options, __file__)

    def kept(self, zone, options):
        groups = json.loads(self.run(zone, "forget", "--dry-run", "--json", "--group-by", "", *options.split()))
        return [(reason["snapshot"]["time"], reason["matches"]) for group in groups for reason in group["reasons"]]


def comes_twice(local):
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def can_be_told(zone, moment):
    """Whether there is a zone of whole hours for one of two equal times."""
    local = moment.astimezone(ZoneInfo(zone))
    return not comes_twice(local) or not local.utcoffset() % HOUR


def seconds(text):
    return int(datetime.fromisoformat(text).timestamp())


def main():
    restic = Restic(os.path.abspath(sys.argv[1]))
    print(f"# {subprocess.check_output([restic.program, 'version'], text=True).strip()}")
    for zone, moments in LISTS:
        moments = sorted(filter(lambda moment: can_be_told(zone, moment), moments), reverse=True)
        restic.begin()
        print(f"zone {zone}")
        for place, moment in enumerate(moments):
            tags = [tag for tag, each in (("a", 3), ("b", 4), ("c", 5)) if place % each == 1]
            restic.back_up(zone, moment, tags)
            print(" ".join(["snapshot", moment.strftime("%Y-%m-%dT%H:%M:%SZ"), ",".join(tags)]).strip())
        places = {int(moment.timestamp()): place for place, moment in enumerate(moments)}
        for options in POLICIES + (TAG_POLICIES if len(moments) > 2 else []):
            print(f"policy {options}")
            for time, reasons in restic.kept(zone, options):
                print(f"keep {places[seconds(time)]} {'; '.join(reasons)}")
        sys.stdout.flush()


main()
