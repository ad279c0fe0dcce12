"""The command line: boots machines, plays the trials, prints their figures, exits 1 at a failure.

Exits 0, with the reason, where no machine can be booted.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.systemd import lives, places, roots, sockets, upgrades
from tests.systemd.acts import PACKAGED, TRIALS
from tests.systemd.installed import dist, installed, root_of
from tests.systemd.machine import Machine
from tests.systemd.packaged import bare, packed
from tests.systemd.roots import RELEASES

assert all((lives, places, sockets, upgrades))  # their trials are in the list by being imported


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what was asked for."""
    parser = argparse.ArgumentParser("python -m tests.systemd", description=__doc__)
    parser.add_argument("--debian", choices=sorted(RELEASES), default="12")
    parser.add_argument("--only", choices=sorted(TRIALS), nargs="+", default=list(TRIALS))
    parser.add_argument("--nfpm", default=shutil.which("nfpm"), help="what builds packages")
    asked = parser.parse_args(arguments)
    if reason := roots.why_not():
        print(f"skipped: {reason}")
        return 0
    release, began_s = RELEASES[asked.debian], time.monotonic()
    # Beside the wheels, so that they are linked and not copied.
    roots.CACHE.mkdir(parents=True, exist_ok=True)
    plain = [name for name in asked.only if name not in PACKAGED]
    of_packages = [name for name in asked.only if name in PACKAGED]
    if of_packages and asked.nfpm is None:
        parser.error("needs nfpm for packages: make service, or --nfpm")
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dist-", dir=roots.CACHE) as folder:
        there = Path(folder)
        if plain:
            dist_folder = dist(there / "dist", release)
            root = root_of(release, dist_folder)
            failed += [name for name in plain if not _play(name, installed(root, dist_folder))]
        if of_packages:
            folder_packed, root = packed(there, release, asked.nfpm), bare(release)
            failed += [
                name for name in of_packages if not _play(name, Machine(root, folder_packed))
            ]
    print(f"Debian {release.number}: {len(asked.only) - len(failed)} of {len(asked.only)} trials "
          f"passed in {time.monotonic() - began_s:.0f} s")  # fmt: skip
    return 1 if failed else 0


def _play(name: str, booted: AbstractContextManager[Machine]) -> bool:
    """One trial in a machine of its own; whether it passed."""
    try:
        with booted as machine:
            try:
                figures = TRIALS[name](machine)
            except BaseException:
                said = machine.try_("journalctl", "-q", "--no-pager", "-n", "40").stdout
                print(f"{name}: FAILED; the journal ends with\n{said}", flush=True)
                raise
    except (AssertionError, OSError, LookupError, ValueError):
        traceback.print_exc()
        return False
    print(f"{name:24} {figures}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
