"""Builds `.deb` and `.rpm`: the locked wheels as a virtual environment, units, a manual page.

Nothing is run of what is packed, so that any machine builds for any of the targets: a wheel is
unpacked by pip, and an environment is folders, a link to the system's Python, and a note. The same
commit gives the same bytes. `deploy/packages` says the rest.
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from release.commit import epoch
from release.lock import PROJECT, SHIPPED, pins
from release.manual import bash_completion, fish_completion, manual
from release.sbom import as_text, bill
from release.wheel import DIST, requirement

FOLDER = PROJECT / "deploy/packages"
VENV = Path("usr/lib/recorder/venv")
_LAUNCHER = f"""#!/{VENV}/bin/python -I
import sys

from recorder.cli import main

sys.exit(main())
"""
# What every wheel for Linux has by its name, up to the oldest C library of the targets.
_GLIBC_MAX = 34


@dataclass(frozen=True, slots=True)
class Target:
    """One package: its format, the minor version of the Python that it runs on, its release."""

    format: str
    python: str
    release: str

    def name(self, number: str) -> str:
        """How the file is called, as each format has it."""
        if self.format == "deb":
            return f"recorder_{number}-{self.release}_amd64.deb"
        return f"recorder-{number}-{self.release}.x86_64.rpm"


TARGETS = {
    "debian-12": Target("deb", "3.11", "1~deb12"),
    "debian-13": Target("deb", "3.13", "1~deb13"),
    # Enterprise Linux 9 and 10 and their like.
    "el": Target("rpm", "3.12", "1.el"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what was asked for into ``dist/``."""
    parser = argparse.ArgumentParser("python -m release.packages", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, nargs="+", default=list(TARGETS))
    parser.add_argument("--nfpm", default="nfpm", help="the program")
    parser.add_argument("--wheels", type=Path, help="a folder with the locked wheels: no download")
    parser.add_argument("--to", type=Path, default=DIST, help="has the wheel, gets the packages")
    asked = parser.parse_args(arguments)
    for name in asked.target:
        path = package(TARGETS[name], asked.to, asked.nfpm, wheels=asked.wheels)
        print(f"{path.name}: {path.stat().st_size / 1e6:,.0f} MB, for {name}")
    return 0


def package(target: Target, dist: Path, nfpm: str, *, wheels: Path | None = None) -> Path:
    """Build one package of the wheel in ``dist``, and leave it there.

    Raises:
        SystemExit: there is no wheel, or a tool refuses.
    """
    number = wheel_in(dist).name.split("-")[1]
    path = dist / target.name(number)
    with tempfile.TemporaryDirectory(prefix="recorder-package-") as folder:
        there = Path(folder)
        for each in FOLDER.iterdir():
            shutil.copyfile(each, there / each.name)
        fill(there / "tree", target, dist, wheels)
        date(there, epoch())
        _run(
            [nfpm, "package", "--config", "nfpm.yaml", "--packager", target.format,
             "--target", str(there / path.name)],
            cwd=there,
            env={
                **os.environ,
                "RECORDER_VERSION": number,
                "RECORDER_RELEASE": target.release,
                "RECORDER_PYTHON": target.python,
                "SOURCE_DATE_EPOCH": str(epoch()),
            },
        )  # fmt: skip
        shutil.move(there / path.name, path)
    return path


def fill(tree: Path, target: Target, dist: Path, wheels: Path | None) -> None:
    """Make the tree of files as it will be on the machine."""
    environment(tree / VENV, target.python, dist, wheels)
    units, shipped = PROJECT / "systemd", tree / "usr/lib"
    for path in sorted(units.iterdir()):
        if path.suffix in {".service", ".socket", ".target", ".timer"}:
            _put(path, shipped / "systemd/system" / path.name)
    _put(units / "sysusers.conf", shipped / "sysusers.d/recorder.conf")
    _put(units / "tmpfiles.conf", shipped / "tmpfiles.d/recorder.conf")
    papers = tree / "usr/share/doc/recorder"
    _put(units / "recorder.toml", papers / "examples/recorder.toml")
    _put(PROJECT / "LICENSE", papers / "copyright")
    for path in sorted((PROJECT / "docs").glob("*.*")):
        _put(path, papers / "docs" / path.name)
    for folder in ("prometheus", "grafana"):
        for path in sorted((PROJECT / "deploy" / folder).iterdir()):
            _put(path, papers / "deploy" / folder / path.name)
    _write(papers / "changelog.gz", _packed((PROJECT / "CHANGELOG.md").read_text("utf-8")))
    _write(papers / "recorder.cdx.json", as_text(_bill(target.python)).encode())
    share = tree / "usr/share"
    _write(share / "man/man1/recorder.1.gz", _packed(manual(epoch())))
    _write(share / "bash-completion/completions/recorder", bash_completion().encode())
    _write(share / "fish/vendor_completions.d/recorder.fish", fish_completion().encode())


def environment(venv: Path, python: str, dist: Path, wheels: Path | None) -> None:
    """Make a virtual environment for a Python that need not be here."""
    packages = venv / f"lib/python{python}/site-packages"
    with tempfile.TemporaryDirectory(prefix="recorder-locked-") as folder:
        wanted = Path(folder) / "wanted.txt"
        own = _own(dist)
        lines = [own, *(each.requirement for each in pins(SHIPPED, python))]
        wanted.write_text("\n".join(lines) + "\n")
        offline = ["--no-index", "--find-links", str(wheels)] if wheels else []
        tags = [f"--platform=manylinux_2_{minor}_x86_64" for minor in range(_GLIBC_MAX, 4, -1)]
        _run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:",
             *offline, "--find-links", str(dist), "--python-version", python, *tags,
             "--platform=manylinux2014_x86_64", "--implementation=cp",
             # The lock has settled what fits which Python; pip would look at its own.
             "--ignore-requires-python",
             "--target", str(packages), "--requirement", str(wanted)],
            cwd=PROJECT,
        )  # fmt: skip
    _forget_scripts(packages)
    binaries = venv / "bin"
    binaries.mkdir()
    (binaries / "python").symlink_to(f"/usr/bin/python{python}")
    (binaries / "python3").symlink_to("python")
    _write(binaries / "recorder", _LAUNCHER.encode(), 0o755)
    note = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n"
    _write(venv / "pyvenv.cfg", note.encode())


def date(tree: Path, seconds: int) -> None:
    """Give everything in a tree a time and the modes of what is installed."""
    for path in sorted(tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def _own(dist: Path) -> str:
    """The recorder's wheel as pip is asked for it, with its hash."""
    path = wheel_in(dist)
    return f"{requirement(path)} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def wheel_in(dist: Path) -> Path:
    """The recorder's wheel; its name has the version that is packed."""
    found = list(dist.glob("recorder-*.whl"))
    if len(found) != 1:
        raise SystemExit(f"{dist} has {len(found)} wheels of the recorder: make wheel")
    return found[0]


def _bill(python: str) -> dict[str, object]:
    return bill(pins(SHIPPED, python), python, epoch())


def _forget_scripts(packages: Path) -> None:
    """Take away the programs of libraries: they name the Python that unpacked them."""
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for record in packages.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(each for each in lines if not re.match(r"(\.\./)*bin/", each)))


def _put(path: Path, to: Path) -> None:
    _write(to, path.read_bytes())


def _write(to: Path, content: bytes, mode: int = 0o644) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(content)
    to.chmod(mode)


def _packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def _run(command: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} refused:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
