"""The lock files are read whole, and everything in them has hashes."""

from pathlib import Path

import pytest

from recorder import __version__
from release import lock

LOCKS = sorted(lock.PROJECT.glob("requirements*.lock"))
LINES = """# made by something
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{one} \\
    --hash=sha256:{other}
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:{one}
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{one}
""".format(one="1" * 64, other="2" * 64)


def test_a_pin_holds_where_its_marker_says(tmp_path: Path) -> None:
    (path := tmp_path / "some.lock").write_text(LINES)
    assert [(each.name, each.version) for each in lock.pins(path, "3.11")] == [("numpy", "2.4.6")]
    assert [(each.name, each.version) for each in lock.pins(path, "3.13")] == [("numpy", "2.5.5")]
    assert len(lock.pins(path)) == 3
    assert lock.pins(path, "3.11")[0].requirement == (
        f"numpy==2.4.6 --hash=sha256:{'1' * 64} --hash=sha256:{'2' * 64}"
    )


@pytest.mark.parametrize(
    "text",
    ["numpy>=2\n    --hash=sha256:" + "1" * 64, "numpy==2.4.6", "-e .\n", "numpy @ file:x\n"],
)
def test_what_is_not_pinned_by_a_hash_is_refused(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "some.lock").write_text(text)
    with pytest.raises(ValueError, match="not a version with hashes"):
        lock.pins(path)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_dependency_is_locked_by_hashes(path: Path) -> None:
    """As pip reads them: nothing without, whatever the Python."""
    found = lock.pins(path)
    assert len(found) == path.read_text(encoding="utf-8").count("==") - sum(
        each.marker.count("==") for each in found
    )


def test_what_is_shipped_is_what_was_tested() -> None:
    """The two locks agree in every version."""
    tested = {(each.name, each.version, each.marker) for each in lock.pins(lock.DEVELOPMENT)}
    shipped = {(each.name, each.version) for each in lock.pins(lock.SHIPPED)}
    assert shipped <= {(name, version) for name, version, _ in tested}


def test_the_version_is_told_once() -> None:
    assert lock.version() == __version__
