"""Debian roots to boot, with the recorder's dependencies installed from locked wheels.

They are made once and kept outside of the project, in `/var/tmp/recorder-machines` or where
`RECORDER_MACHINES` says. In the machine nothing is fetched: it has no network.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from release import lock

PROJECT = Path(__file__).resolve().parents[2]
LOCK = PROJECT / "requirements.lock"
CACHE = Path(os.environ.get("RECORDER_MACHINES") or "/var/tmp/recorder-machines")
PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,python3-venv,libpam-systemd,procps,ca-certificates,iproute2"
)
TOOLS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "nsenter": "util-linux"}
VENV = "/usr/lib/recorder/venv"
DIST = "/srv/dist"  # where the machine sees wheels and units
MAKE_S_MAX = 3600


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian by its number, with the Python that it has."""

    number: str
    name: str
    python: str


RELEASES = {each.number: each for each in (Release("12", "bookworm", "3.11"),
                                           Release("13", "trixie", "3.13"))}  # fmt: skip


def why_not() -> str:
    """Why no machine can be booted here; empty where one can."""
    if os.geteuid() != 0:
        return "needs root"
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            return f"needs {tool} (apt-get install {package})"
    return ""


def base(release: Release) -> Path:
    """The archive of a bare root; made where there is none."""
    archive = CACHE / f"debian-{release.number}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = archive.with_suffix(".part")
        _timed(
            f"Debian {release.number} made",
            "mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", f"--include={PACKAGES}",
            release.name, str(made),
        )  # fmt: skip
        made.rename(archive)
    return archive


def wheels(release: Release) -> Path:
    """The folder with every wheel of the lock file for a release's Python."""
    folder = CACHE / f"wheels-{release.python}-{_digest(LOCK)}"
    if not folder.exists():
        made = folder.with_suffix(".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        wanted = made / "wanted.txt"
        wanted.write_text("\n".join(each.requirement for each in lock.pins(LOCK, release.python)))
        _timed(
            f"wheels for Python {release.python} fetched",
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--only-binary", ":all:", "--python-version", release.python,
            "--requirement", str(wanted), "--dest", str(made),
        )  # fmt: skip
        wanted.unlink()
        made.rename(folder)
    return folder


def wheel(folder: Path, project: Path = PROJECT) -> Path:
    """The recorder as a wheel, with a requirements file that has its hash."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (path,) = folder.glob("recorder-*.whl")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "recorder.lock").write_text(f"{DIST}/{path.name} --hash=sha256:{digest}\n")
    return path


def unpacked(release: Release) -> Path:
    """A root that has what the lock file names in `VENV`, unless `stamp` says it is not done."""
    return CACHE / f"debian-{release.number}-{_digest(LOCK)}"


def unpack(release: Release, root: Path) -> Path:
    """Unpack a bare root anew."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    _timed(
        f"Debian {release.number} unpacked",
        "tar", "--numeric-owner", "-xf", str(base(release)), "-C", str(root),
    )  # fmt: skip
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    return root


def stamp(release: Release) -> Path:
    """Exists once the wheels are installed in the root."""
    return unpacked(release).with_suffix(".ready")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _timed(what: str, *command: str) -> None:
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAKE_S_MAX)
    if done.returncode:
        raise SystemExit(f"{what}: failed\n{done.stderr[-2000:]}")
    print(f"{what}: {time.monotonic() - began_s:.1f} s", flush=True)
