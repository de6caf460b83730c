"""Fetches the other tools by package name and makes the corpora. What is there already is kept."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

# Debian packages that building and running the others needs, beside those of holdall itself.
APT_PACKAGES = """zstd tar time rsync xz-utils b3sum gcc pkg-config python3-venv python3-dev
    libsodium-dev libacl1-dev libssl-dev liblz4-dev libzstd-dev libxxhash-dev""".split()
RESTIC_SUITE = "sid"  # Debian 12 has a restic of 2022; sid's is linked statically and runs anywhere.
BORG = "borgbackup==1.4.5"
CRATES = {"rustic": "rustic-rs@0.11.4", "bupstash": "bupstash@0.12.0"}

KERNEL_A, KERNEL_B = "6.1.190-1", "6.1.192-1"
# What "now" is for npm, so that the dependencies of the packages below stay the same.
NPM_BEFORE = "2026-11-01"
NPM_A = """@mui/icons-material@5.15.0 @mui/material@5.15.0 date-fns@2.30.0 lodash@4.17.20 rxjs@7.8.0 typescript@5.3.3
    core-js@3.34.0 antd@5.12.0 @fortawesome/free-solid-svg-icons@6.5.0 lucide-react@0.300.0 @tabler/icons@2.44.0
    webpack@5.89.0 next@14.0.0 eslint@8.55.0 @angular/core@17.0.0 @angular/material@17.0.0 react-icons@4.12.0
    aws-sdk@2.1510.0 googleapis@128.0.0 @babel/preset-env jest@29.7.0 gatsby@5.12.0""".split()
NPM_B = """@mui/icons-material@5.15.1 date-fns@3.0.0 antd@5.12.2 @tabler/icons@2.45.0 typescript@5.3.2""".split()
# Programs whose published lock files name the crates to unpack.
CRATE_SOURCES = ["rustic-rs@0.11.4", "nu@0.115.1"]
BIG_PACKAGES = ["ghc=9.0.2-4", "golang-1.19-go=1.19.8-2", "libllvm14=1:14.0.6-12"]
RANDOM_MEBIBYTES = 1024

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*command, cwd=None, env=None, quiet=True):
    """Runs a preparing command; what it printed is shown when it fails."""
    command = [str(word) for word in command]
    done = subprocess.run(command, cwd=cwd, env=env, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-4000:]}\nfailed with exit code {done.returncode}")
    return done.stdout


class Fetcher:
    """Everything that is fetched lies below one folder."""

    def __init__(self, cache: Path):
        self.cache = cache
        self.tools = cache / "tools"
        self.corpora = cache / "corpora"
        self.downloads = cache / "downloads"
        for folder in (self.tools, self.corpora, self.downloads):
            folder.mkdir(parents=True, exist_ok=True)

    # Tools

    def install_packages(self):
        """Installs missing Debian packages as root; otherwise says which are missing."""
        listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Status}\n"], capture_output=True, text=True)
        installed = {line.split()[0] for line in listed.stdout.splitlines() if line.endswith(" installed")}
        missing = [package for package in APT_PACKAGES if package not in installed]
        if not missing:
            return
        if os.geteuid() != 0:
            raise SystemExit(f"these Debian packages are missing: {' '.join(missing)}")
        say(f"installing {' '.join(missing)}")
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})

    def tool(self, name: str) -> Path:
        """The path of a tool's program, fetched and built if it is not there yet."""
        program = self.tools / "bin" / name
        if not program.exists():
            say(f"fetching {name}")
            program.parent.mkdir(exist_ok=True)
            {"restic": self._restic, "borg": self._borg}.get(name, lambda: self._crate(name))()
        return program

    def _restic(self):
        """Debian sid's package, unpacked here: nothing of the system changes."""
        apt = self.downloads / "apt"
        for folder in ("lists/partial", "cache/archives/partial"):
            (apt / folder).mkdir(parents=True, exist_ok=True)
        (apt / "sid.sources").write_text(
            f"Types: deb\nURIs: http://deb.debian.org/debian\nSuites: {RESTIC_SUITE}\nComponents: main\n"
            f"Signed-By: {DEBIAN_KEYRING}\n")
        options = ["-o", f"Dir::Etc::sourcelist={apt}/sid.sources", "-o", "Dir::Etc::sourceparts=/dev/null",
                   "-o", f"Dir::State::lists={apt}/lists", "-o", f"Dir::Cache={apt}/cache"]
        run("apt-get", *options, "update", "-qq")
        run("apt-get", *options, "download", "restic", cwd=self.downloads)
        package = max(self.downloads.glob("restic_*.deb"))
        run("dpkg", "-x", package, self.downloads / "restic")
        shutil.copy(self.downloads / "restic/usr/bin/restic", self.tools / "bin/restic")

    def _borg(self):
        venv = self.tools / "borg-venv"
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin/pip", "install", "--quiet", BORG)
        (self.tools / "bin/borg").symlink_to(venv / "bin/borg")

    def _crate(self, name):
        env = {**os.environ, "CARGO_TARGET_DIR": str(self.cache / "build")}
        run("cargo", "install", "--locked", "--root", self.tools, CRATES[name], env=env)
        shutil.rmtree(self.cache / "build", ignore_errors=True)

    # Corpora

    def corpus(self, name: str):
        """Makes sure that the corpus is there: state A in corpora/NAME and, for trees, state B in corpora/NAME.b."""
        done = self.corpora / f".{name}.complete"
        if done.exists():
            return
        say(f"making the corpus {name}")
        for state in (name, f"{name}.b"):
            shutil.rmtree(self.corpora / state, ignore_errors=True)
        {"SRC": self._src, "SMALL": self._small, "BIG": self._big, "RANDOM": self._random}[name]()
        done.touch()

    def _deb(self, package: str) -> Path:
        name, version = package.split("=")
        pattern = f"{name}_{version.replace(':', '%3a')}_*.deb"
        if not list(self.downloads.glob(pattern)):
            run("apt-get", "download", package, cwd=self.downloads)
        return next(self.downloads.glob(pattern))

    def _src(self):
        """Two neighbouring releases of the Linux sources."""
        for version, state in ((KERNEL_A, "SRC"), (KERNEL_B, "SRC.b")):
            unpacked = self.downloads / "kernel"
            shutil.rmtree(unpacked, ignore_errors=True)
            run("dpkg", "-x", self._deb(f"linux-source-6.1={version}"), unpacked)
            (self.corpora / state).mkdir()
            run("tar", "-xJf", unpacked / "usr/src/linux-source-6.1.tar.xz", "--strip-components=1",
                "-C", self.corpora / state)

    def _small(self):
        """node_modules and unpacked crates; in state B five npm packages moved."""
        npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps",
               "--before", NPM_BEFORE]
        a, b = self.corpora / "SMALL", self.corpora / "SMALL.b"
        a.mkdir()
        (a / "package.json").write_text('{"name":"small","version":"1.0.0","private":true}\n')
        run(*npm, *NPM_A, cwd=a)
        cargo = self.downloads / "cargo"
        env = {**os.environ, "CARGO_HOME": str(cargo)}
        for crate in CRATE_SOURCES:
            run("cargo", "info", "--registry", "crates-io", crate, cwd=self.downloads, env=env)
            manifest = next(cargo.glob(f"registry/src/*/{crate.replace('@', '-')}/Cargo.toml"))
            run("cargo", "fetch", "--locked", "--target", "x86_64-unknown-linux-gnu", "--manifest-path", manifest, env=env)
        shutil.copytree(next(cargo.glob("registry/src/*")), a / "crates", symlinks=True)
        run("cp", "-a", a, b)
        run(*npm, *NPM_B, cwd=b)

    def _big(self):
        """One large file: what some large packages hold, as an archive of archives; binaries, libraries, sources."""
        (self.corpora / "BIG").mkdir()
        with open(self.corpora / "BIG/packages.tar", "wb") as out:
            for package in BIG_PACKAGES:
                subprocess.run(["dpkg-deb", "--fsys-tarfile", self._deb(package)], stdout=out, check=True)

    def _random(self):
        """One file that nothing can compress."""
        (self.corpora / "RANDOM").mkdir()
        generator = random.Random(1)
        with open(self.corpora / "RANDOM/random", "wb") as out:
            for _ in range(RANDOM_MEBIBYTES):
                out.write(generator.randbytes(1 << 20))
