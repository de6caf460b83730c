"""Tables of medians and ratios, and the plot, from raw results."""

import collections
import json
import statistics
from pathlib import Path

from plot import draw
from tools import TOOLS

NAMES = {"first": "first backup", "nochange": "no change", "next": "next version", "restore": "full restore",
         "check": "check of all data", "scrub": "scrub without a key"}
ROWS = [("first", "wall_s"), ("first", "repository_bytes"), ("nochange", "wall_s"), ("next", "wall_s"),
        ("next", "added_bytes"), ("restore", "wall_s"), ("check", "wall_s"), ("scrub", "wall_s"), ("any", "peak_bytes")]
LABELS = {"wall_s": "s", "repository_bytes": "MB stored", "added_bytes": "MB added", "peak_bytes": "MiB at most"}
# More processor time than this taken by others, as a share of the wall time of all cores, is a disturbance.
DISTURBED = 0.10

# What we aim at: the measure, whose figure, compared with whose, the greatest ratio for SRC and for SMALL. "fastest" and
# "smallest" mean the best of all peers; tar is none.
PEERS = ["bupstash", "restic", "rustic", "borg"]
AIMS = [
    ("first", "wall_s", "holdall", ["tar"], 1.15, 1.2),
    ("first", "wall_s", "holdall-key", ["bupstash"], 0.7, 0.6),
    ("first", "wall_s", "holdall", ["restic"], 0.35, 0.33),
    ("first", "repository_bytes", "holdall", ["tar"], 1.05, 1.05),
    ("first", "repository_bytes", "holdall", PEERS, 1.0, 1.0),
    ("nochange", "wall_s", "holdall-key", ["bupstash"], 0.5, 0.4),
    ("nochange", "wall_s", "holdall", ["restic"], 0.2, 0.12),
    ("next", "wall_s", "holdall", PEERS, 0.35, 0.5),
    ("next", "added_bytes", "holdall", PEERS, 0.85, 0.85),
    ("restore", "wall_s", "holdall", ["tar"], 0.8, 0.8),
    ("restore", "wall_s", "holdall", PEERS, 0.6, 0.6),
    ("check", "wall_s", "holdall", ["rustic"], 0.45, 0.45),
    ("check", "wall_s", "holdall", ["tar"], 0.9, 0.9),
    ("scrub", "wall_s", "holdall", ["floor"], 1.15, 1.15),
]
PEAK_BYTES_MAX = 160 << 20
FILE_AIMS = {"BIG": ("tar", 1 / 0.85), "RANDOM": ("floor", 1 / 0.8)}


class Medians:
    """Medians by corpus, tool, measure and figure."""

    def __init__(self, results):
        self.measurements = results["measurements"]

    def values(self, corpus, tool, measure, figure):
        return [m[figure] for m in self.measurements
                if m["corpus"] == corpus and m["tool"] == tool and measure in (m["measure"], "any")]

    def get(self, corpus, tool, measure, figure):
        values = self.values(corpus, tool, measure, figure)
        if not values:
            return None
        return max(values) if figure == "peak_bytes" else statistics.median(values)

    def rounds(self, corpus):
        """How many values each median has: "5", or "2 to 5" after a run that was not finished or left a tool out."""
        counts = collections.Counter((m["tool"], m["measure"]) for m in self.measurements if m["corpus"] == corpus)
        least, most = min(counts.values()), max(counts.values())
        return str(most) if least == most else f"{least} to {most}"


def shown(value, figure):
    if value is None:
        return "-"
    if figure == "wall_s":
        return f"{value:.2f}"
    if figure == "peak_bytes":
        return f"{value / (1 << 20):.0f}"
    return f"{value / 1e6:.1f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def row_label(measure, figure):
    return "peak memory, MiB" if measure == "any" else f"{NAMES[measure]}, {LABELS[figure]}"


def medians_table(medians, corpus, tools):
    rows = []
    for measure, figure in ROWS:
        values = [medians.get(corpus, tool, measure, figure) for tool in tools]
        if any(value is not None for value in values):
            rows.append([row_label(measure, figure)] + [shown(value, figure) for value in values])
    return table([corpus, *tools], rows)


def against(tool):
    """Key files are compared with key files, passwords with passwords."""
    return "holdall-key" if tool == "bupstash" else "holdall"


def ratio(medians, corpus, measure, figure, own, other):
    own, other = (medians.get(corpus, tool, measure, figure) for tool in (own, other))
    return own / other if own is not None and other else None


def ratios_table(medians, corpus, tools):
    others = [tool for tool in tools if not tool.startswith("holdall") and tool != "floor"]
    rows = []
    for measure, figure in ROWS[:-2]:
        ratios = [ratio(medians, corpus, measure, figure, against(other), other) for other in others]
        if any(ratios):
            rows.append([row_label(measure, figure)] + ["-" if r is None else f"{r:.2f}" for r in ratios])
    return table([f"{corpus}: holdall, as a multiple of", *others], rows) if others else ""


def aims_rows(medians, corpus):
    column = {"SRC": 4, "SMALL": 5}.get(corpus)
    for aim in AIMS if column else []:
        measure, figure, own, others = aim[:4]
        is_one = len(others) == 1
        # Several are each met with the same kind of secret.
        ratios = [ratio(medians, corpus, measure, figure, own if is_one else against(other), other) for other in others]
        reached = max((one for one in ratios if one is not None), default=None)
        name = others[0] if is_one else "any peer"
        yield f"{row_label(measure, figure)}: {own} / {name}", aim[column], reached
    if corpus in FILE_AIMS:
        other, bound = FILE_AIMS[corpus]
        yield f"first backup, s: holdall / {other}", bound, ratio(medians, corpus, "first", "wall_s", "holdall", other)
    peak = medians.get(corpus, "holdall", "any", "peak_bytes")
    yield "peak memory / 160 MiB", 1.0, peak and peak / PEAK_BYTES_MAX


def aims_table(medians, corpora):
    rows = []
    for corpus in corpora:
        for text, bound, reached in aims_rows(medians, corpus):
            if reached is not None:
                rows.append([corpus, text, f"{bound:.2f}", f"{reached:.2f}", "yes" if reached <= bound else "**no**"])
    return table(["corpus", "ratio", "at most", "is", "holds"], rows)


def disturbances(results):
    cores = results["machine"]["cores"]
    hit = [m for m in results["measurements"] if m["others_cpu_s"] > DISTURBED * m["wall_s"] * cores]
    return f"{len(hit)} of {len(results['measurements'])}"


def text(results):
    medians = Medians(results)
    corpora = [corpus for corpus in ("SRC", "SMALL", "BIG", "RANDOM") if corpus in results["corpora"]]
    machine = results["machine"]
    days = sorted({m["at"][:10] for m in results["measurements"]})
    parts = [
        "# holdall beside other tools\n",
        f"holdall {results['holdall']['commit']}, {days[0]} to {days[-1]}. {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}, {machine['file_system']}. Page cache warm; medians of "
        + ", ".join(f"{medians.rounds(corpus)} ({corpus})" for corpus in corpora) + " rounds, all tools in turn. "
        f"In {disturbances(results)} measurements other processes took more than {DISTURBED:.0%} of the cores.\n",
        table(["corpus", "files", "MB"], [[corpus, f"{facts['files']:,}", f"{facts['bytes'] / 1e6:,.0f}"]
                                          for corpus, facts in sorted(results["corpora"].items())]),
        table(["tool", "version", "settings"], [[name, facts["version"], facts["settings"]]
                                                for name, facts in results["tools"].items()]),
    ]
    for corpus in corpora:
        tools = [name for name in TOOLS if any(m["tool"] == name and m["corpus"] == corpus for m in medians.measurements)]
        parts += [f"## {corpus}\n", medians_table(medians, corpus, tools), ratios_table(medians, corpus, tools)]
    parts += ["## Aims\n", aims_table(medians, corpora)]
    return "\n".join(part for part in parts if part)


def write_report(results, folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "raw.json").write_text(json.dumps(results, indent=1) + "\n")
    if results["measurements"]:
        (folder / "table.md").write_text(text(results))
        (folder / "plot.svg").write_text(draw(results, Medians(results)))
