"""What is damaged is never sealed as truth, never silent, and never stops the sealing."""

import json
import os
import shutil
from pathlib import Path
from random import Random

import pytest

from recorder import sealing
from recorder.core.frames import FIRST_OFFSET
from recorder.core.tables import TABLES
from recorder.finishing import seal
from recorder.recording import write_down
from recorder.recovery import Until
from recorder.store.commits import read_commit
from recorder.store.paths import CUTS, Root
from recorder.store.retire import retire
from recorder.store.sound import unsound_parts
from recorder.verify import verify
from tests.damages import OPEN, SEALED, flip, overwrite, record_hours
from tests.roots import check_coverage, check_order, sealed_rows


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "data"
    record_hours(path)
    return path


@pytest.fixture(scope="module")
def undamaged(recorded, tmp_path_factory):
    """The rows of all hours, sealed without any damage."""
    path = tmp_path_factory.mktemp("undamaged") / "data"
    shutil.copytree(recorded, path)
    seal(path, include_current=True)
    return sealed_rows(path)


@pytest.fixture
def root(recorded, tmp_path):
    path = tmp_path / "data"
    shutil.copytree(recorded, path)
    return Root(path)


NOTED = {"part_set_aside", "record_set_aside"}
KINDS = (
    *("empty", "torn", "short", "zero", "zeros within", "zero tail", "bit", "garbage tail"),
    *("zeros behind", "garbage", "gone", "repeated tail", "another"),
)


def spoil(path: Path, kind: str, random: Random, others: list[Path]) -> None:
    """Damage a file in one way."""
    content = path.read_bytes()
    length, at = len(content), random.randrange(len(content))
    if kind == "gone":
        path.unlink()
        return
    bit = bytes([content[at] ^ 1 << random.randrange(8)])
    overwrite(
        path,
        {
            "empty": b"",
            "torn": content[:at],
            "short": content[:-1],
            "zero": bytes(length),
            "zeros within": (content[:at] + bytes(64) + content[at + 64 :])[:length],
            "zero tail": content[:at] + bytes(length - at),
            "bit": content[:at] + bit + content[at + 1 :],
            "garbage tail": content + random.randbytes(500),
            "zeros behind": content + bytes(500),
            "garbage": random.randbytes(length),
            "repeated tail": content + content[-300:],
            "another": random.choice(others).read_bytes(),
        }[kind],
    )


def without_notes(rows):
    """Rows without what was noted of files that were set aside."""
    return {
        name: [row for row in each if name != "faults" or row["kind"] not in NOTED]
        for name, each in rows.items()
    }


def notes(rows) -> list[str]:
    return [row["detail"] for row in rows["faults"] if row["kind"] in NOTED]


def live_files(root: Root) -> list[Path]:
    return [part.path for name in (*TABLES, CUTS) for part in root.parts(name, OPEN)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_damage_of_a_part_or_record_is_mended_from_the_capture(
    recorded, undamaged, tmp_path, kind
):
    """Seeded: the sealed rows are the same, somebody is told, verify finds nothing."""
    random = Random(kind)
    count = len(live_files(Root(recorded)))
    for number in random.sample(range(count), 3):
        path = tmp_path / str(number)
        shutil.copytree(recorded, path)
        root = Root(path)
        files = live_files(root)
        before = files[number].read_bytes()
        spoil(files[number], kind, random, [file for file in files if file != files[number]])
        same = files[number].exists() and files[number].read_bytes().strip() == before.strip()
        seal(path, include_current=True)
        rows = sealed_rows(path)
        told = (kind, files[number].name, files[number].parent.name)
        assert without_notes(rows) == undamaged, told
        cut_gone = kind == "gone" and files[number].parent.name == CUTS  # as a cut interrupted
        assert same or cut_gone or notes(rows), told
        check_order(rows)
        assert verify(path).findings == [], told
        shutil.rmtree(path)


def test_a_bit_of_a_part_is_not_sealed_as_truth(root, undamaged):
    """Every stretch of a part; retired then, so that nothing else is left to tell the truth."""
    part = root.parts("level2", OPEN)[1].path
    flip(part, 0.3)
    seal(root.path, include_current=True)
    assert without_notes(sealed_rows(root.path)) == undamaged
    assert [detail for detail in notes(sealed_rows(root.path)) if part.name in detail]
    assert list((root.path / "quarantine").rglob(part.name))
    retire(root, 4e9, 0)
    assert verify(root.path, deep=True).whole


def older_records(root: Root) -> None:
    """Records as they were before there were digests."""
    for cut in root.parts(CUTS, OPEN):
        content = json.loads(cut.path.read_text())
        del content["parts"], content["checksum"]
        overwrite(cut.path, json.dumps(content).encode())


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.97])
def test_parts_of_before_there_were_digests(root, undamaged, share):
    """Page checksums, footers and counts are all that there is."""
    older_records(root)
    assert unsound_parts(root, OPEN) == []
    part = root.parts("trades", OPEN)[1].path
    flip(part, share)
    root.parts("ticker", OPEN)[0].path.unlink()
    seal(root.path, include_current=True)
    rows = without_notes(sealed_rows(root.path))
    assert rows == undamaged
    assert verify(root.path, deep=True).whole


@pytest.mark.parametrize("capture", ["gone", "damaged"])
@pytest.mark.parametrize("table", ["level2", "trades", "ticker", "heartbeats", "coverage", CUTS])
@pytest.mark.parametrize("number", [0, -1])
def test_what_no_capture_has_is_told(recorded, undamaged, tmp_path, capture, table, number):
    """Nothing of the rest is lost; a fault and a gap say what is, and verify is content."""
    path = tmp_path / "data"
    shutil.copytree(recorded, path)
    root = Root(path)
    part = root.parts(table, OPEN)[number]
    overwrite(part.path, b"PAR1")
    if capture == "gone":
        shutil.rmtree(root.segments(OPEN)[0].path.parent)
    else:
        flip(root.segments(OPEN)[0].path, 0.01)
    seal(path, include_current=True)
    rows = sealed_rows(path)
    faults = [row for row in rows["faults"] if row["kind"] == "capture_damaged"]
    assert faults
    assert notes(rows)
    check_order(rows)
    check_coverage(rows)
    if table not in ("coverage", CUTS):
        gaps = [row for row in rows["coverage"] if row["reason"] == "capture_damaged"]
        assert gaps
        kept = {row["ingest_seq"] for row in rows[table]}
        lost = [row for row in undamaged[table] if row["ingest_seq"] not in kept]
        assert lost
        for row in lost:
            at = row["recv_time"]
            assert any(gap["start_time"] <= at <= gap["end_time"] for gap in gaps)
    for name in ("level2", "trades", "ticker", "heartbeats"):
        if name != table:
            assert len(rows[name]) == len(undamaged[name])
    assert [each for each in verify(path).findings if each.kind != "capture"] == []


def test_a_start_mends_what_it_seals_and_the_rest_goes_on(root, undamaged):
    """As a worker of `recorder run`: the hour is sealed, notes come back, nothing is raised."""
    part = root.parts("trades", OPEN)[0].path
    overwrite(part, part.read_bytes()[:500])
    done = sealing.recover(root.path, Until(OPEN + 1, FIRST_OFFSET))
    assert (done.failed, len(done.sealed)) == ({}, 1)
    assert [kind for kind, _ in done.notes] == ["part_set_aside"]
    assert sealed_rows(root.path) == undamaged
    assert verify(root.path).whole


def test_an_hour_that_cannot_be_finished_does_not_hold_up_the_others(root):
    """Its record is damaged while nobody looks: the open hour is sealed all the same."""
    overwrite(root.commit(SEALED), b"{")
    part = root.parts("trades", OPEN)[0].path
    overwrite(part, b"")
    done = sealing.recover(root.path, Until(OPEN + 1, FIRST_OFFSET))
    assert list(done.failed) == [SEALED]
    assert done.sealed
    assert read_commit(root, OPEN) is not None


def test_a_sealed_file_is_not_sealed_again_with_a_flipped_bit(root, undamaged):
    """An hour that was sealed early, and goes on: its files are input of the next seal."""
    seal(root.path, include_current=True)
    rows = sealed_rows(root.path)
    assert rows == undamaged
    retire(root, 4e9, None)
    assert write_down(root, [("clock_stepped", "made up")]) == OPEN
    flip(root.sealed(TABLES["level2"], OPEN, "BTC-USD"), 0.3)
    seal(root.path, include_current=True)
    again = sealed_rows(root.path)
    again["faults"] = [row for row in again["faults"] if row["kind"] != "clock_stepped"]
    assert without_notes(again) == undamaged
    assert notes(again)
    assert verify(root.path, deep=True).whole


def test_a_sound_directory_is_left_alone(root):
    """No note, nothing in quarantine."""
    sealing.mend_all(root)
    assert not (root.path / "quarantine").exists()
