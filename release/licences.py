"""The licences of everything that is locked, held against what was reviewed in ``licences.toml``.

Of each package that is pinned for this Python: what its metadata say, as SPDX. What nobody has
reviewed, what says something else than it did then, and what is not allowed fails. The report is
printed, and written beside the wheel.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from release.lock import DEVELOPMENT, SHIPPED, Pin, pins
from release.wheel import DIST

REVIEW = Path(__file__).with_suffix(".toml")
_WORD_MAX = 60  # a licence as metadata name it, and not its whole text


@dataclass(frozen=True, slots=True)
class Review:
    """What was reviewed: of each package what its metadata said, and the SPDX expression."""

    allowed: frozenset[str]
    allowed_for_tools: frozenset[str]
    found: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Licence:
    """One line of the report. ``wrong`` says what is to be done, empty where nothing is."""

    name: str
    version: str
    spdx: str
    shipped: bool
    wrong: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Report; 1 where something is not as it was reviewed."""
    parser = argparse.ArgumentParser("python -m release.licences", description=__doc__)
    parser.add_argument("--to", type=Path, default=DIST, help="the folder that gets the report")
    asked = parser.parse_args(arguments)
    review = read_review(REVIEW)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    shipped = {each.name for each in pins(SHIPPED, python)}
    report = [judged(pin, review, shipped=pin.name in shipped) for pin in pins(DEVELOPMENT, python)]
    asked.to.mkdir(parents=True, exist_ok=True)
    (asked.to / "licences.md").write_text(as_table(report), encoding="utf-8")
    wrong = [each for each in report if each.wrong]
    unused = sorted(review.found.keys() - {each.name for each in pins(DEVELOPMENT)})
    for each in wrong:
        print(f"{each.name} {each.version}: {each.wrong}")
    if unused:
        print(f"{REVIEW.name} names what is not locked any more: {', '.join(unused)}")
    counts = {kind: sum(each.shipped == kind for each in report) for kind in (True, False)}
    print(f"licences: {counts[True]} packages that are shipped, {counts[False]} tools; "
          f"{len(wrong)} to be looked at")  # fmt: skip
    return 1 if wrong or unused else 0


def read_review(path: Path) -> Review:
    """Read what was reviewed."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    same = {name: (spdx, spdx) for name, spdx in document["reviewed"].items()}
    read = {name: (said, spdx) for name, (said, spdx) in document["read"].items()}
    both = sorted(same.keys() & read.keys())
    assert not both, f"{path.name} has twice: {both}"
    allowed = frozenset(document["allowed"])
    return Review(allowed, allowed | set(document["allowed_for_tools"]), {**same, **read})


def judged(pin: Pin, review: Review, *, shipped: bool) -> Licence:
    """Hold one package against its review."""
    reviewed = review.found.get(pin.name)
    try:
        there = distribution(pin.name)
    except PackageNotFoundError:
        return Licence(pin.name, pin.version, "", shipped, "is locked and not installed")
    spdx, said = reviewed[1] if reviewed else "", declared(there)
    allowed = review.allowed if shipped else review.allowed_for_tools
    if there.version != pin.version:
        wrong = f"{there.version} is installed"
    elif reviewed is None:
        wrong = f"not reviewed; its metadata say {said!r}: read its licence, and add it"
    elif said != reviewed[0]:
        wrong = f"says {said!r}, and said {reviewed[0]!r} when it was reviewed: read it again"
    elif not satisfied(spdx, allowed):
        wrong = f"{spdx} is not allowed for what is {'shipped' if shipped else 'a tool'}"
    else:
        wrong = ""
    return Licence(pin.name, pin.version, spdx, shipped, wrong)


def declared(there: Distribution) -> str:
    """What metadata say: an SPDX expression, else classifiers, else a word; empty for nothing."""
    said = there.metadata
    if "License-Expression" in said:
        return said["License-Expression"]
    kinds = [each for each in said.get_all("Classifier") or [] if each.startswith("License ::")]
    if kinds:
        return ", ".join(sorted(each.rpartition(" :: ")[2] for each in kinds))
    word = (said["License"] or "").strip() if "License" in said else ""
    return word if len(word) <= _WORD_MAX and "\n" not in word else ""


def satisfied(expression: str, allowed: frozenset[str]) -> bool:
    """Whether one may have it by allowed licences alone: all of an AND, one of an OR.

    >>> satisfied("MIT OR GPL-3.0-only", frozenset({"MIT"}))
    True
    >>> satisfied("MIT AND GPL-3.0-only", frozenset({"MIT"}))
    False
    """
    try:
        words = re.findall(r"[()]|[^\s()]+", canonicalize_license_expression(expression))
    except InvalidLicenseExpression:
        return False
    return _any_of(words, allowed) and not words


def _any_of(words: list[str], allowed: frozenset[str]) -> bool:
    """Take ``A AND B OR C`` from the words; AND binds closer."""
    found = _all_of(words, allowed)
    while words[:1] == ["OR"]:
        words.pop(0)
        found = _all_of(words, allowed) or found
    return found


def _all_of(words: list[str], allowed: frozenset[str]) -> bool:
    found = _one(words, allowed)
    while words[:1] == ["AND"]:
        words.pop(0)
        found = _one(words, allowed) and found
    return found


def _one(words: list[str], allowed: frozenset[str]) -> bool:
    """A licence, one with an exception, or something in parentheses."""
    word = words.pop(0)
    if word == "(":
        found = _any_of(words, allowed)
        words.pop(0)
        return found
    if words[:1] == ["WITH"]:
        del words[0]
        word = f"{word} WITH {words.pop(0)}"
    return word in allowed


def as_table(report: Sequence[Licence]) -> str:
    """The report as Markdown, what is shipped first."""
    lines = ["# Licences", "", "| package | version | licence (SPDX) | shipped |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    for each in sorted(report, key=lambda each: (not each.shipped, each.name)):
        shipped = "yes" if each.shipped else "no"
        lines.append(f"| {each.name} | {each.version} | {each.spdx or 'unknown'} | {shipped} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
