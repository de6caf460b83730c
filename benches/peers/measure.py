"""Times one process on a quiet machine."""

import hashlib
import os
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# With more than this taken by others, of one core, the machine is not quiet.
OTHERS_CORES_MAX = 0.15
# The calibration's runs may differ by this much.
CALIBRATION_SPREAD_MAX = 0.10
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def busy_s():
    """Processor seconds that all processes and the kernel have taken since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, interrupt, soft_interrupt, steal = fields[:8]
    return (user + nice + system + interrupt + soft_interrupt + steal) / CLOCK_TICKS


def others_cores(seconds=1.0):
    """How many cores are busy while this process sleeps."""
    before, started = busy_s(), time.perf_counter()
    time.sleep(seconds)
    return (busy_s() - before) / (time.perf_counter() - started)


def fixed_work(_):
    started = time.perf_counter()
    data = bytes(1 << 20)
    for _ in range(200):
        hashlib.sha256(data).digest()
    return time.perf_counter() - started


def calibrate(cores):
    """The seconds of fixed work on all cores at once, three times."""
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(fixed_work, range(cores)))
        return [max(pool.map(fixed_work, range(cores))) for _ in range(3)]


def unquiet(cores):
    """Why the machine is not fit for measuring, or None, and the calibration."""
    others = others_cores()
    if others > OTHERS_CORES_MAX:
        return f"other processes keep {others:.2f} cores busy", None
    runs = calibrate(cores)
    if max(runs) > min(runs) * (1 + CALIBRATION_SPREAD_MAX):
        return "fixed work took " + ", ".join(f"{run * 1000:.0f}" for run in runs) + " ms: no two alike", runs
    return None, runs


def statuses(folder: Path):
    """What the system says of each file."""
    return (os.lstat(os.path.join(parent, file)) for parent, _, files in os.walk(folder) for file in files)


def apparent_bytes(folder: Path):
    """The sum of the sizes of all files."""
    return sum(status.st_size for status in statuses(folder))


def allocated_bytes(folder: Path):
    """How much of the disc all files take."""
    return sum(512 * status.st_blocks for status in statuses(folder))


def read_all(folder: Path):
    """Brings every file into the page cache."""
    for parent, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(parent, file)
            if not os.path.islink(path):
                with open(path, "rb", buffering=0) as opened:
                    while opened.read(1 << 20):
                        pass


def timed(command, cwd, environment, log: Path):
    """Runs `command` to its end. Wall time is of the whole process; processor time includes all descendants'; the peak
    is that of the largest process, by time(1), which is small itself."""
    with tempfile.NamedTemporaryFile("r") as peak, open(log, "ab") as out:
        out.write(f"$ {command}\n".encode())
        out.flush()
        wrapped = ["time", "-q", "-f", "%M", "-o", peak.name, *command]
        os.sync()
        busy, started = busy_s(), time.perf_counter()
        process = subprocess.Popen(wrapped, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        cpu_s = usage.ru_utime + usage.ru_stime
        others_s = max(0.0, busy_s() - busy - cpu_s)
        peak_kib = int(peak.read().split()[-1])
    process.returncode = os.waitstatus_to_exitcode(status)
    return {"wall_s": round(wall_s, 4), "cpu_s": round(cpu_s, 3), "others_cpu_s": round(others_s, 3),
            "peak_bytes": peak_kib * 1024, "exit_code": process.returncode}
