"""Checks of what was installed and what was configured."""

import platform
import re
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path

from recorder import config as settings
from recorder import machine
from recorder.doctor.findings import Case, Verdict, bad, doubtful, good, skipped

LOCK = "requirements.lock"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_NAMED_MAX = 4


def config(case: Case) -> Verdict:
    """The configuration is right: by the same code that `run` starts with."""
    if case.wrong is None:
        return good("the defaults" if case.source is None else f"{case.source} is right")
    mistakes = str(case.wrong).split("\n")
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return bad(f"{mistakes[0]}{more}", f"`recorder check-config {case.source}` lists every mistake")


def unknown_keys(case: Case) -> Verdict:
    """No key is there that nothing reads: it would be a setting that somebody believes in."""
    if case.source is None:
        return skipped("there is no configuration file")
    known = {key.name for key in settings.KEYS} | {""}
    unknown = [
        (line, key) for line, key in (case.wrong.places if case.wrong else ()) if key not in known
    ]
    if unknown:
        shown = ", ".join(f"{key} (line {line})" for line, key in unknown[:_NAMED_MAX])
        return bad(shown, "take them out, or write them as `recorder check-config --example` does")
    return good("none")


def python(_: Case) -> Verdict:
    """Python is one that we run on."""
    wanted = metadata(machine.PACKAGE)["Requires-Python"] or ""
    mine = f"{platform.python_implementation()} {platform.python_version()}"
    if not at_least(platform.python_version(), wanted):
        return bad(mine, f"install Python {wanted}, and the recorder anew with it")
    if platform.python_implementation() != "CPython":
        return doubtful(mine, "use CPython: nothing else is tried")
    return good(mine)


def libraries(_: Case) -> Verdict:
    """The libraries are there, new enough, and those that we test with."""
    found = machine.libraries()
    lacking = [
        f"{each.name} {each.installed or 'is missing'} (wanted {each.wanted or 'any'})"
        for each in found
        if each.installed is None or not at_least(each.installed, each.wanted)
    ]
    again = "install the recorder again, into an environment of its own"
    if lacking:
        return bad("; ".join(lacking[:_NAMED_MAX]), again)
    lock = pinned()
    if lock is None:
        return good(f"{len(found)} are there; no lock to compare them with")
    others = [
        f"{each.name} {each.installed} (tested: {' or '.join(sorted(lock[_plain(each.name)]))})"
        for each in found
        if each.installed not in lock.get(_plain(each.name), {each.installed})
    ]
    if others:
        more = f" and {len(others) - _NAMED_MAX} more" if len(others) > _NAMED_MAX else ""
        return doubtful(
            "; ".join(others[:_NAMED_MAX]) + more,
            f"if something is odd, `pip install --require-hashes -r {LOCK}` gives those tested",
        )
    return good(f"{len(found)}, all as tested")


def pinned() -> dict[str, set[str]] | None:
    """The versions of the lock, by name; None where it is not there."""
    package = Path(str(files(machine.PACKAGE)))
    for path in (package / LOCK, package.parent / LOCK):
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            continue
        found: dict[str, set[str]] = {}
        for name, version in _PINNED.findall(text):
            found.setdefault(_plain(name), set()).add(version)
        return found
    return None


def at_least(version: str, wanted: str) -> bool:
    """Whether a version is what is wanted: ``>=3.11``. What is wanted otherwise, we take it to be.

    Numbers alone count: of two that have the same, neither is too old.
    """
    matched = re.search(r">=\s*([0-9.]+)", wanted)
    return matched is None or _numbers(version) >= _numbers(matched[1])


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9.]*", version)
    numbers = [int(each) for each in (found[0] if found else "").split(".") if each]
    return tuple([*numbers, 0, 0, 0][:4])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
