"""How each tool does each thing that is measured. All run with their default settings, encryption and verification on."""

import os
import shlex
import subprocess
from pathlib import Path

PASSWORD = "a password for measuring only"
MEASURES = ["first", "nochange", "check", "scrub", "restore", "next"]
# Only these are measured of corpora that are one large file.
FILE_MEASURES = ["first", "check", "restore"]


def script(*commands):
    """Several commands, or a pipeline, as one process."""
    return ["sh", "-c", "\n".join(["set -e", *commands])]


class Tool:
    """One tool with one repository below `place`, its cache and home included. A command of None: it can't."""

    name = "?"
    settings = ""

    def __init__(self, program, cores):
        self.program = str(program)
        self.cores = cores

    def version(self):
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        return (done.stdout or done.stderr).strip().splitlines()[0]

    def environment(self, place: Path):
        home = str(place / "home")
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        return {**kept, "HOME": home, "XDG_CACHE_HOME": f"{home}/.cache", "XDG_STATE_HOME": f"{home}/.state",
                "XDG_CONFIG_HOME": f"{home}/.config"}

    def init(self, place: Path):
        raise NotImplementedError

    def backup(self, place: Path, tree: str, label: str):
        """Stores `tree`, a name in the working folder, as the backup `label`: first, nochange or next."""
        raise NotImplementedError

    def restore(self, place: Path, target: Path):
        """Brings state A back into the new folder `target`; done before the tree moves to state B."""
        raise NotImplementedError

    def check(self, place: Path):
        """Reads, decrypts, decompresses and compares everything that is stored."""
        return None

    def scrub(self, place: Path):
        """Proves without any key that stored bytes are as they were written."""
        return None

    def repository(self, place: Path) -> Path:
        return place / "repository"

    def command(self, measure: str, place: Path, tree: str, target: Path):
        if measure in ("first", "nochange", "next"):
            return self.backup(place, tree, measure)
        return {"restore": lambda: self.restore(place, target), "check": lambda: self.check(place),
                "scrub": lambda: self.scrub(place)}[measure]()


class Holdall(Tool):
    name = "holdall"
    # Parity is an addition that the others lack: sizes are compared without it.
    settings = "password; default settings, no parity"

    def environment(self, place):
        return {**super().environment(place), "HOLDALL_REPOSITORY": str(place / "repository"),
                "HOLDALL_CACHE_DIR": str(place / "home/cache"), "HOLDALL_PASSWORD": PASSWORD}

    def init(self, place):
        return [self.program, "init", "--parity", "0"]

    def backup(self, place, tree, label):
        return [self.program, "--quiet", "backup", "--tag", label, tree]

    def restore(self, place, target):
        return [self.program, "--quiet", "restore", "latest", "--target", str(target)]

    def check(self, place):
        return [self.program, "--quiet", "check", "--read-data"]

    def scrub(self, place):
        return [self.program, "--quiet", "scrub", str(place / "repository")]


class HoldallKey(Holdall):
    name = "holdall-key"
    settings = "key file; default settings, no parity"

    def environment(self, place):
        environment = super().environment(place)
        del environment["HOLDALL_PASSWORD"]
        return {**environment, "HOLDALL_KEY_FILE": str(place / "key")}

    def init(self, place):
        # As an option, init makes the key file.
        return ["env", "-u", "HOLDALL_KEY_FILE", self.program, "--key-file", str(place / "key"), "init",
                "--parity", "0"]


class Restic(Tool):
    name = "restic"
    settings = "password; default settings (compression auto, extra verification)"

    def version(self):
        return subprocess.run([self.program, "version"], capture_output=True, text=True).stdout.strip()

    def environment(self, place):
        return {**super().environment(place), "RESTIC_REPOSITORY": str(place / "repository"),
                "RESTIC_PASSWORD": PASSWORD}

    def init(self, place):
        return [self.program, "init", "--quiet"]

    def backup(self, place, tree, label):
        return [self.program, "backup", "--quiet", "--tag", label, tree]

    def restore(self, place, target):
        return [self.program, "restore", "--quiet", "latest", "--target", str(target)]

    def check(self, place):
        return [self.program, "check", "--quiet", "--read-data"]


class Rustic(Tool):
    name = "rustic"
    settings = "password; default settings (zstd 3, extra verification)"

    def environment(self, place):
        return {**super().environment(place), "RUSTIC_REPOSITORY": str(place / "repository"),
                "RUSTIC_PASSWORD": PASSWORD, "RUSTIC_NO_PROGRESS": "true", "RUSTIC_LOG_LEVEL": "warn"}

    def init(self, place):
        return [self.program, "init"]

    def backup(self, place, tree, label):
        return [self.program, "backup", "--tag", label, tree]

    def restore(self, place, target):
        return [self.program, "restore", "latest", str(target)]

    def check(self, place):
        return [self.program, "check", "--read-data"]


class Borg(Tool):
    name = "borg"
    settings = "password (repokey); zstd,3, all else default"

    def environment(self, place):
        return {**super().environment(place), "BORG_REPO": str(place / "repository"), "BORG_PASSPHRASE": PASSWORD,
                "BORG_BASE_DIR": str(place / "home")}

    def init(self, place):
        return [self.program, "init", "-e", "repokey"]

    def backup(self, place, tree, label):
        # A repeated run of an unchanged tree needs a name of its own.
        name = "first" if label == "first" else f"{label}-{{now:%s%f}}"
        return [self.program, "create", "-C", "zstd,3", f"::{name}", tree]

    def restore(self, place, target):
        quoted = shlex.quote(str(target))
        return script(f"mkdir {quoted}", f"cd {quoted}", f"{shlex.quote(self.program)} extract ::first")

    def check(self, place):
        return [self.program, "check", "--verify-data"]


class Bupstash(Tool):
    name = "bupstash"
    settings = "key file; zstd:3, send log, all else default"

    def environment(self, place):
        return {**super().environment(place), "BUPSTASH_REPOSITORY": str(place / "repository"),
                "BUPSTASH_KEY": str(place / "key")}

    def init(self, place):
        quoted = shlex.quote(self.program)
        return script(f"{quoted} new-key -o {shlex.quote(str(place / 'key'))}", f"{quoted} init")

    def backup(self, place, tree, label):
        return [self.program, "put", "--quiet", "--compression", "zstd:3", "--send-log", str(place / "home/send-log"),
                f"label={label}", tree]

    def restore(self, place, target):
        return script(f"mkdir {shlex.quote(str(target))}",
                      f"{shlex.quote(self.program)} restore --quiet --into {shlex.quote(str(target))} label=first")


class Tar(Tool):
    name = "tar"
    settings = "tar | zstd -3 on all cores; nothing is encrypted, and no data are shared between runs"

    def version(self):
        zstd = subprocess.run(["zstd", "--version"], capture_output=True, text=True).stdout
        return f"{super().version()}; {zstd.strip(' *').strip()}"

    def init(self, place):
        return ["mkdir", str(place / "repository")]

    def backup(self, place, tree, label):
        if label != "first":
            return None
        return script(f"tar -cf - {shlex.quote(tree)} | "
                      f"zstd -q -T{self.cores} -3 -o {shlex.quote(str(place / 'repository/first.tar.zst'))}")

    def restore(self, place, target):
        quoted = shlex.quote(str(target))
        return script(f"mkdir {quoted}", f"zstd -dcq {shlex.quote(str(place / 'repository/first.tar.zst'))} | tar -xf - -C {quoted}")

    def check(self, place):
        return ["zstd", "-tq", str(place / "repository/first.tar.zst")]


class Floor(Tool):
    """What the machine does at best: `b3sum` over holdall's packs, and a plain copy of bytes that can't be compressed."""

    name = "floor"
    settings = "scrub: b3sum over holdall's packs; first: a copy to disc, with fsync"

    def init(self, place):
        return ["mkdir", str(place / "repository")]

    def backup(self, place, tree, label):
        if label != "first" or tree != "RANDOM":
            return None
        return ["dd", f"if={tree}/random", f"of={place}/repository/copy", "bs=1M", "conv=fsync", "status=none"]

    def restore(self, place, target):
        return None

    def scrub(self, place):
        packs = shlex.quote(str(place.parent / "holdall/repository/packs"))
        return script(f"find {packs} -type f -exec b3sum --num-threads {self.cores} {{}} + >/dev/null")


TOOLS = {tool.name: tool for tool in (Tar, Holdall, HoldallKey, Bupstash, Restic, Rustic, Borg, Floor)}
