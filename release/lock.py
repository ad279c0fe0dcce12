"""The lock files: what is pinned, for which Python, with which hashes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

PROJECT = Path(__file__).resolve().parents[1]
SHIPPED = PROJECT / "requirements.lock"
DEVELOPMENT = PROJECT / "requirements-dev.lock"
_PIN = re.compile(r"([a-z0-9-]+)==([^ ;\\]+)(?: ; (.+?))?(?: \\)?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a lock: ``marker`` says where it holds, empty for everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def holds(self, python: str) -> bool:
        """Whether it is for a Python such as ``3.11``, CPython on Linux."""
        return not self.marker or Marker(self.marker).evaluate(
            {
                "python_version": python,
                "python_full_version": f"{python}.0",
                "sys_platform": "linux",
                "platform_system": "Linux",
                "platform_machine": "x86_64",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
            }
        )

    @property
    def requirement(self) -> str:
        """The line as pip reads it, without its marker."""
        return " ".join(
            [f"{self.name}=={self.version}", *map("--hash=sha256:{}".format, self.hashes)]
        )


def pins(path: Path, python: str | None = None) -> list[Pin]:
    """Everything that a lock file pins, by name; ``python``: only what holds for it.

    Raises:
        ValueError: a line is not understood, or something is pinned without a hash.
    """
    found = [each for each in _read(path) if python is None or each.holds(python)]
    return sorted(found, key=lambda each: (each.name, each.version))


def _read(path: Path) -> Iterator[Pin]:
    for block in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8")):
        first, _, rest = block.partition("\n")
        if not first or first.startswith("#"):
            continue
        pin, hashes = _PIN.fullmatch(first), _HASH.findall(rest)
        if pin is None or not hashes:
            raise ValueError(f"{path.name}: not a version with hashes: {first}")
        yield Pin(pin[1], pin[2], pin[3] or "", tuple(hashes))


def version() -> str:
    """The recorder's own version."""
    found = re.search(
        r'^version = "([^"]+)"$', (PROJECT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    assert found, "pyproject.toml has no version"
    return found[1]
