"""A booted machine: a container whose first process is systemd, with a network of loopback alone.

What is written in it goes to an overlay in memory and is gone at its end, so that each one begins
clean. Everything is done from outside by `nsenter`; no agent runs in it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.systemd.roots import DIST

BOOT_S_MAX = 120.0
WAIT_S_MAX = 180.0  # no promise: a machine may be busy
COMMAND_S_MAX = 600.0
_HOME = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8"}


class Machine:
    """Boots a root; ``keep``: what is written stays in it. Binds ``dist`` read-only at `DIST`."""

    def __init__(self, root: Path, dist: Path, *, keep: bool = False) -> None:
        self._root = root
        self._dist = dist
        self._keep = keep
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        began_s = time.monotonic()
        self._process = subprocess.Popen(
            [
                "systemd-nspawn", "--quiet", "--boot", "--private-network", "--register=no",
                "--keep-unit", "--console=read-only", "--capability=all",
                # For IPAddressDeny, and for credentials.
                "--system-call-filter=bpf @keyring", f"--directory={self._root}",
                f"--machine=recorder-{os.getpid()}", f"--bind-ro={self._dist}:{DIST}",
                *([] if self._keep else ["--volatile=overlay"]),
            ],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            self.wait(self._is_up, "the machine is up", BOOT_S_MAX)
        except BaseException:
            self.__exit__()
            raise
        self.boot_s = time.monotonic() - began_s
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        if self._leader:
            with suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGRTMIN + 4)  # power off, in order
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_up(self) -> bool:
        assert self._process is not None
        pid = self._process.pid
        assert self._process.poll() is None, "the container ended by itself"
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            return False
        self._leader = int(children[0])
        done = self.try_("systemctl", "is-system-running", "--wait")
        return done.stdout.strip() in {"running", "degraded"}

    # --- doing things in it ----------------------------------------------------------------------

    def try_(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as its root; the caller looks at what came of it."""
        return subprocess.run(
            [*self._enter(), *command], input=text, capture_output=True, text=True, check=False,
            timeout=COMMAND_S_MAX, env=_HOME,
        )  # fmt: skip

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as its root, to be looked at later."""
        return subprocess.Popen(
            [*self._enter(), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=_HOME,
        )  # fmt: skip

    def _enter(self) -> list[str]:
        return ["nsenter", "-t", str(self._leader), "-m", "-p", "-u", "-i", "-n", "-C", "--"]

    def run(self, *command: str, text: str | None = None) -> str:
        """Run a command that has to succeed; what it printed."""
        done = self.try_(*command, text=text)
        said = f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, said[-4000:]
        return done.stdout

    def path(self, path: str) -> Path:
        """A path of the machine, as we see it."""
        return Path(f"/proc/{self._leader}/root") / path.lstrip("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the folders on the way to it."""
        found = self.path(path)
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_text(text)
        found.chmod(mode)

    def show(self, unit: str) -> Mapping[str, str]:
        """The properties of a unit."""
        lines = self.run("systemctl", "show", unit).splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def main_pid(self, unit: str) -> int:
        """The process of a service, as the machine counts."""
        return int(self.show(unit)["MainPID"])

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """Entries of the journal with all their fields, oldest first."""
        self.try_("journalctl", "--sync")
        lines = self.run("journalctl", "--no-pager", "-o", "json", "-q", "--all", *matches)
        return [json.loads(line) for line in lines.splitlines()]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = WAIT_S_MAX) -> Any:
        """Wait until something is so; what it gave."""
        end_s = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end_s, f"not within {seconds:g} s: {what}"
            time.sleep(0.05)
        return found
