"""What is due goes, what is needed stays."""

import shutil
from datetime import datetime

import pytest

from recorder.before import look_before
from recorder.core.tables import TABLES
from recorder.store.paths import CUTS, SCHEMA_MARK, Root, hour_text
from recorder.store.retire import GRACE_S, retire
from recorder.store.seal import read_commit, seal_hour, switch
from tests.frames_made import HOUR
from tests.roots import sealed_bytes
from tests.store.scripts import an_hour, record

ARRIVALS = an_hour()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    path = tmp_path_factory.mktemp("sealed")
    record(path, ARRIVALS, {100})
    seal_hour(Root(path), HOUR)
    return path


@pytest.fixture
def root(sealed, tmp_path):
    """A sealed and switched hour with its parts and capture."""
    path = tmp_path / "root"
    shutil.copytree(sealed, path)
    switch(Root(path), HOUR + 1)
    return Root(path)


def sealed_at_s(root: Root) -> float:
    return datetime.fromisoformat(read_commit(root, HOUR).sealed_at).timestamp()


def parts(root: Root) -> int:
    return sum(len(root.parts(table, HOUR)) for table in (*TABLES, CUTS))


def now_s(root: Root, after_s: float) -> float:
    return max(sealed_at_s(root), (HOUR + 1) * 3600) + after_s


def test_nothing_goes_before_its_time(root):
    """Readers that listed the parts before the switch may still be reading them."""
    assert retire(root, sealed_at_s(root) + GRACE_S - 1, 0) == []
    assert parts(root)


def test_parts_go_after_the_grace_and_the_capture_after_its_own_time(root):
    """The empty files of `live` and the sealed files stay."""
    files = sealed_bytes(root.path)
    removed = retire(root, now_s(root, GRACE_S), 48 * 3600)
    assert any("parts of level2" in line for line in removed)
    assert parts(root) == 0
    assert root.captured_hours() == [HOUR]
    assert retire(root, now_s(root, 48 * 3600 - 1), 48 * 3600) == []
    assert retire(root, now_s(root, 48 * 3600), 48 * 3600) == [f"capture of {hour_text(HOUR)}"]
    assert root.captured_hours() == []
    assert list(root.staging.iterdir()) == []
    assert sealed_bytes(root.path) == files
    assert all((root.live / table / SCHEMA_MARK).exists() for table in TABLES)


def test_for_ever_is_for_ever(root):
    """`keep_capture = "forever"`."""
    retire(root, now_s(root, 10**9), None)
    assert root.captured_hours() == [HOUR]


@pytest.mark.parametrize("why", ["not switched", "not committed", "not over", "went on"])
def test_an_hour_that_is_needed_stays(root, why):
    """While readers take its parts, while it is not sealed, not over, or sealed only in part."""
    at_s = now_s(root, 10**6)
    if why == "not switched":
        switch(root, HOUR)
    elif why == "not committed":
        root.commit(HOUR).unlink()
    elif why == "not over":
        at_s = (HOUR + 1) * 3600 - 1
    else:
        record(root.path, ARRIVALS[-1:])
    held = parts(root)
    assert retire(root, at_s, 0) == []
    assert parts(root) == held
    assert root.captured_hours() == [HOUR]


def test_what_a_later_start_must_know_is_still_known(root):
    """When the hour ended and which trades it has, with nothing but the commit record left."""
    before = look_before(root)
    retire(root, now_s(root, 10**6), 0)
    after = look_before(root)
    assert (after.last_ns, after.hour, after.offset) == (before.last_ns, HOUR, before.offset)
    assert after.orderly
    known = {name: (ids.first, ids.last, ids.holes) for name, ids in before.trades.items()}
    assert {name: (ids.first, ids.last, ids.holes) for name, ids in after.trades.items()} == known
    assert known
