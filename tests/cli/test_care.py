"""What verify, repair and prune promise on the command line."""

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Found:
    kind: str = "sealed_file"
    path: str = "data/trades/x.parquet"
    hour: str | None = "2026112119"
    problem: str = "is gone \x1b[31m"
    what_to_do: str = "Take it from a copy."


@dataclass
class Verified:
    path: str = "data"
    deep: bool = False
    whole: bool = True
    hours: int = 3
    files: int = 40
    rows: int = 1234
    bytes: int = 12_345_678
    segments: int = 3
    checkpoints: int = 4
    rebuilt: int = 0
    findings: list[Found] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)


@dataclass
class Mended:
    hour: str | None
    what: str


@dataclass
class Repaired:
    whole: bool = True
    found: list[Found] = field(default_factory=list)
    mended: list[Mended] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    quarantine: str | None = None
    refused: list[Found] = field(default_factory=list)


@dataclass
class Pruned:
    removed: list[str]


@dataclass
class Note:
    path: str
    text: str


@pytest.mark.parametrize("deep", [False, True])
def test_verify_of_what_is_whole(
    deep: bool, call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Exit 0, with what was checked."""

    def verify(path: Path, *, deep: bool, progress: object) -> Verified:
        assert (path, progress) == (tmp_path, None)
        return Verified(deep=deep, notes=[Note("data/x", "is no file of the recorder")])

    stand_in("verify", verify=verify)
    found = call("verify", "--data", tmp_path, *(["--deep"] if deep else []))
    assert (found.code, found.err) == (0, "")
    for words in ("3 hours", "1,234 rows", "12.3 MB", "Whole.", "Note: data/x: is no file"):
        assert words in found.out
    found = call("verify", "--data", tmp_path, "--json", *(["--deep"] if deep else []))
    assert json.loads(found.out)["deep"] is deep


@pytest.mark.parametrize("refused", [False, True])
def test_verify_notes_its_outcome(
    refused: bool, call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Where it is asked to; what cannot be noted is said, and changes nothing else."""
    noted: list[Any] = []

    def note(path: Path, report: Verified) -> None:
        if refused:
            raise OSError(errno.EROFS, "Read-only file system")
        noted.append((path, len(report.findings)))

    report = Verified(whole=False, findings=[Found()])
    stand_in("verify", verify=lambda *_, **__: report, note=note)
    assert call("verify", "--data", tmp_path).code == 1
    assert noted == []
    found = call("verify", "--note", "--data", tmp_path)
    assert (found.code, noted) == (1, [] if refused else [(tmp_path, 1)])
    assert ("could not be noted for the metrics: Read-only" in found.err) == refused


def test_verify_of_what_is_not_whole(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Exit 1; each finding says which file, which hour, what is wrong, and what to do."""
    stand_in("verify", verify=lambda *_, **__: Verified(whole=False, findings=[Found()]))
    found = call("verify", "--data", tmp_path)
    assert (found.code, found.err) == (1, "")
    for words in ("data/trades/x.parquet", "2026-11-21 19h", "is gone", "Take it", "1 finding"):
        assert words in found.out
    assert "\x1b" not in found.out
    found = call("verify", "--data", tmp_path, "--json")
    assert found.code == 1
    assert json.loads(found.out)["findings"][0]["path"] == "data/trades/x.parquet"


def test_repair(call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path) -> None:
    """What was done, what was set aside and where; exit 0 if nothing is left."""
    seen: dict[str, Any] = {}
    done = Repaired(
        found=[Found()],
        mended=[Mended("2026112119", "made sealed files again")],
        set_aside=["trades/x.parquet"],
        quarantine="data/quarantine/1",
    )

    def repair(path: Path, **options: Any) -> Repaired:
        seen.update(options, path=path)
        return done

    stand_in("repair", repair=repair)
    found = call("repair", "--data", tmp_path)
    assert (found.code, found.err) == (0, "")
    for words in ("2026-11-21 19h: made", "Set aside: trades", "quarantine/1", "Mended: all"):
        assert words in found.out
    assert seen == {"path": tmp_path, "deep": False, "dry_run": False, "progress": None}
    found = call("repair", "--data", tmp_path, "--dry-run", "--deep")
    assert "(not done)" in found.out
    assert "Mended: all" not in found.out
    assert (seen["deep"], seen["dry_run"]) == (True, True)


def test_repair_refuses(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """What cannot be made again is told, and the exit code is 1."""
    stand_in("repair", repair=lambda *_, **__: Repaired(whole=False, refused=[Found()]))
    found = call("repair", "--data", tmp_path)
    assert found.code == 1
    assert "Take it from a copy." in found.out
    assert "Not mended: 1 finding." in found.out
    found = call("repair", "--data", tmp_path, "--json")
    assert found.code == 1
    assert json.loads(found.out)["refused"][0]["kind"] == "sealed_file"


def test_repair_of_what_is_whole(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Nothing to do is said so."""
    stand_in("repair", repair=lambda *_, **__: Repaired())
    found = call("repair", "--data", tmp_path)
    assert (found.code, found.out) == (0, "Nothing to mend: all is whole.\n")


def test_prune(call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path) -> None:
    """Lengths are written as in the settings; nothing but parts goes unasked."""
    seen: dict[str, Any] = {}

    def prune(_path: Path, **options: Any) -> Pruned:
        seen.update(options)
        return Pruned(["capture of 2026112119"] if options["keep_capture_s"] else [])

    stand_in("repair", prune=prune)
    found = call("prune", "--data", tmp_path)
    assert (found.code, found.out) == (0, "Nothing to remove.\n")
    assert seen == {"keep_capture_s": None, "older_than_s": None, "dry_run": False}
    found = call("prune", "--data", tmp_path, "--keep-capture", "48h", "--older-than", "30d")
    assert found.out == "Removed: capture of 2026112119.\n"
    assert (seen["keep_capture_s"], seen["older_than_s"]) == (172_800, 2_592_000)
    found = call("prune", "--data", tmp_path, "--keep-capture", "48h", "--dry-run")
    assert found.out == "Would remove: capture of 2026112119.\n"
    assert seen["dry_run"]
    found = call("prune", "--data", tmp_path, "--keep-capture", "48h", "--json")
    assert json.loads(found.out) == {"removed": ["capture of 2026112119"]}
    found = call("prune", "--data", tmp_path, "--keep-capture", "forever")
    assert seen["keep_capture_s"] is None


@pytest.mark.parametrize("option", ["--keep-capture", "--older-than"])
def test_a_length_of_time_that_is_none(
    option: str, call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Refused as a mistake of the caller, before anything is removed."""
    stand_in("repair", prune=lambda *_, **__: pytest.fail("it ran"))
    found = call("prune", "--data", tmp_path, option, "2 weeks")
    assert found.code == 64
    assert "2 weeks" in found.err


@dataclass
class PackedDay:
    day: str = "2026-11-21"
    hours: int = 24
    rows: int = 1_234_567
    files_before: int = 240
    bytes_before: int = 900_000_000
    files: int = 10
    bytes: int = 890_000_000


@dataclass
class LeftDay:
    day: str
    reason: str
    wrong: bool = False


@dataclass
class Packed:
    whole: bool = True
    packed: list[PackedDay] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[LeftDay] = field(default_factory=list)


def test_pack(call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path) -> None:
    """What was packed, what went, and what was left alone, with the reason; exit 0."""
    seen: dict[str, Any] = {}
    done = Packed(
        packed=[PackedDay()],
        removed=["240 files of the hours of 2026-11-20"],
        left=[LeftDay("2026-11-22", "it is not over \x1b[31m")],
    )

    def pack(path: Path, days: Any, **options: Any) -> Packed:
        seen.update(options, path=path, days=list(days))
        return done

    stand_in("pack", pack=pack)
    found = call("pack", "--data", tmp_path, "--older-than", "7d")
    assert (found.code, found.err) == (0, "")
    for words in (
        "Packed: 2026-11-21: 24 hours, 1,234,567 rows; 240 files, 900.0 MB, are now 10 files, 890",
        "Removed: 240 files of the hours of 2026-11-20.",
        "Left alone: 2026-11-22: it is not over",
    ):
        assert words in found.out
    assert "\x1b" not in found.out
    assert seen == {
        "path": tmp_path,
        "days": [],
        "older_than_s": 604_800,
        "dry_run": False,
        "progress": None,
    }
    found = call("pack", "2026-11-21", "2026-11-22", "--data", tmp_path, "--dry-run")
    assert "Would pack: 2026-11-21: 24 hours, 1,234,567 rows, 240 files, 900.0 MB." in found.out
    assert "Would remove: 240 files" in found.out
    assert (seen["days"], seen["dry_run"]) == (["2026-11-21", "2026-11-22"], True)
    found = call("pack", "--data", tmp_path, "--json")
    assert json.loads(found.out)["packed"][0]["rows"] == 1_234_567


def test_pack_of_what_is_wrong(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """A day that is damaged or was asked for is told, and the exit code is 1."""
    wrong = LeftDay("2026-11-21", "x.parquet: is gone", wrong=True)
    stand_in("pack", pack=lambda *_, **__: Packed(whole=False, left=[wrong]))
    for arguments in ((), ("--json",)):
        found = call("pack", "--data", tmp_path, *arguments)
        assert found.code == 1
        assert "x.parquet: is gone" in found.out
    stand_in("pack", pack=lambda *_, **__: Packed())
    found = call("pack", "--data", tmp_path)
    assert (found.code, found.out) == (0, "Nothing to pack.\n")


def test_pack_of_days_in_two_ways(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Days by name or by age, and not both."""
    stand_in("pack", pack=lambda *_, **__: pytest.fail("it ran"))
    found = call("pack", "2026-11-21", "--older-than", "7d", "--data", tmp_path)
    assert found.code == 64
    assert "choose one" in found.err
    assert call("pack", "--older-than", "2 weeks", "--data", tmp_path).code == 64
