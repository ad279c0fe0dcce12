"""A machine without the recorder, and packages of it: this version, and one that comes after it."""

import hashlib
import re
import shutil
import time
from pathlib import Path

from release import commit, packages
from tests.systemd import roots
from tests.systemd.machine import Machine
from tests.systemd.roots import DIST, Release

NEXT = "99.0.0"  # a version that comes after every one of ours
DEB_NOW, DEB_NEXT = f"{DIST}/now.deb", f"{DIST}/next.deb"
INSTALL = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends",
           "--option", "Dpkg::Options::=--force-confold")  # fmt: skip


def packed(folder: Path, release: Release, nfpm: str) -> Path:
    """A folder with both packages; built where they are not of what the project is now."""
    kept = roots.CACHE / f"packages-{release.number}-{_digest()}"
    if not kept.exists():
        for old in roots.CACHE.glob(f"packages-{release.number}-*"):
            shutil.rmtree(old)
        began_s, made = time.monotonic(), folder / "packages"
        for name, number in (("now", None), ("next", NEXT)):
            _build(made / name, release, nfpm, number).rename(made / f"{name}.deb")
            shutil.rmtree(made / name)
        shutil.move(made, kept)
        print(f"packages for Debian {release.number} built: {time.monotonic() - began_s:.1f} s",
              flush=True)  # fmt: skip
    return kept


def _build(folder: Path, release: Release, nfpm: str, number: str | None) -> Path:
    """A package of the project as it is, or with another version."""
    source = commit.copy(folder / "source")
    for path in (source / "pyproject.toml", source / "recorder/__init__.py") if number else ():
        text = path.read_text(encoding="utf-8")
        changed, count = re.subn(r'^(__version__|version) = ".*"$', rf'\1 = "{number}"', text,
                                 flags=re.MULTILINE)  # fmt: skip
        assert count == 1, path
        path.write_text(changed, encoding="utf-8")
    (dist := folder / "dist").mkdir()
    roots.wheel(dist, source)
    target = packages.TARGETS[f"debian-{release.number}"]
    return packages.package(target, dist, nfpm, wheels=roots.wheels(release))


def _digest() -> str:
    """Of all that may change a package."""
    wanted = re.compile(r"(recorder|release|systemd|deploy)/|[^/]+\.(md|toml|lock)$|LICENSE$")
    digest = hashlib.sha256()
    for path in commit.files():
        if wanted.match(str(path)):
            digest.update(f"{path}\0".encode() + (roots.PROJECT / path).read_bytes())
    return digest.hexdigest()[:12]


def bare(release: Release) -> Path:
    """A root with nothing of ours."""
    root = roots.CACHE / f"debian-{release.number}-bare"
    if not (stamp := root.with_suffix(".ready")).exists():
        roots.unpack(release, root)
        stamp.touch()
    return root


def install(machine: Machine, package: str) -> float:
    """Install a package as a person does, or upgrade to it; seconds."""
    began_s = time.monotonic()
    machine.run(*INSTALL, package)
    return time.monotonic() - began_s


def version(machine: Machine) -> str:
    """What the program says it is."""
    return machine.run("recorder", "--version").split()[1]
