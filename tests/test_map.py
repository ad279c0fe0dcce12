"""Each module earns its coverage from a test file of its own.

The map is by name: `recorder/store/seal.py` is tested by `tests/store/test_seal.py`. Modules that
are tested elsewhere, or have nothing of their own to test, are named here with the reason.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "recorder"

ELSEWHERE = {
    "__init__.py": "tests/dataset/test_dataset.py opens data directories by it",
    "__main__.py": "tests/cli/test_cli.py runs it as a process",
    "errors.py": "each is tested where it is raised; exit codes in tests/cli/test_cli.py",
    "daemon.py": "tests/test_live.py runs it; tests/sim in a world of faults",
    "progress.py": "values without code; tests/test_live.py reads them",
    "checkpoints.py": "tests/test_recovery.py and test_repair.py begin hours with it",
    "lost_rows.py": "tests/test_sealing.py loses rows of every table with and without capture",
    "store/sound.py": "tests/test_sealing.py damages parts in every way, with and without digests",
    "summaries.py": "tests/test_replay.py compares every figure of it with expected.json",
    "broadcast/tabled.py": "tests/broadcast/test_server.py and test_rerecorded.py tell from tables",
    "broadcast/tape.py": "tests/broadcast/test_server.py tells tapes of every kind",
    **{
        f"bundle/{name}.py": "tests/bundle/test_course.py makes bundles of it"
        for name in ("held", "machine", "running")
    },
    "core/messages.py": "vocabulary without code; tests/core/wire/test_advanced.py builds all",
    "cli/terminal.py": "what it prints is seen in tests/cli/test_look.py and test_record.py",
    "cli/tour.py": "tests/cli/test_demo.py takes the tour",
    "cli/venue.py": "tests/cli/test_embedded.py runs the command as a process",
    "inside.py": "values without code; tests/http reads them",
    **{
        f"http/{name}.py": "tests/http/test_http.py asks a server of it over sockets"
        for name in ("answers", "look", "server", "site", "views", "watch")
    },
    "feed/by_websockets.py": "tests/feed/test_sockets.py opens sockets by both transports",
    "doctor/findings.py": "values; tests/doctor has findings of every check",
    "feed/shell.py": "a protocol without code; tests/feed/test_connection.py implements it",
    "venue/__init__.py": "tests/cli/test_embedded.py serves by it in a process",
    "venue/door.py": "tests/venue/test_server.py and test_playback.py open it",
    "venue/kept.py": "tests/venue/test_stage.py compares what is kept with what came",
    "venue/kinds.py": "tests/venue/test_stage.py plays every kind",
    "venue/ladder.py": "tests/venue/test_market.py climbs it",
    "venue/opening.py": "tests/venue/test_market.py opens with it",
    "venue/steps.py": "tests/venue/test_market.py counts them",
    "venue/rest_accounts.py": "tests/test_api.py and tests/cli/test_api.py have an account there",
    "venue/rest_market.py": "tests/venue/test_rest.py and tests/feed/test_rest.py read it",
    "venue/rest_products.py": "tests/venue/test_rest.py and tests/feed/test_rest.py list them",
    "venue/specs.py": "tests/venue/test_market.py measures the market against it",
    "venue/tape.py": "tests/venue/test_playback.py plays it",
    **{
        f"verify/{name}.py": "tests/test_verify.py plants what it has to find"
        for name in (
            *("again", "books", "coverage", "days", "directory", "findings", "hours"),
            *("noted", "parts", "raw", "reading", "sealed"),
        )
    },
    "verify/quick.py": "tests/bundle/test_course.py looks with it",
}


def modules() -> list[str]:
    found = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    # A package's own file counts only where it has code of its own.
    return [
        name
        for name in found
        if not name.endswith("/__init__.py") or "def " in (PACKAGE / name).read_text("utf-8")
    ]


def own_test(module: str) -> Path:
    """Where the tests of a module belong."""
    path = Path(module)
    if path.name == "__init__.py":
        return ROOT / "tests" / path.parent / f"test_{path.parent.name}.py"
    return ROOT / "tests" / path.parent / f"test_{path.name}"


@pytest.mark.parametrize("module", modules())
def test_a_module_has_a_test_file_of_its_own(module):
    """Nothing is untested by oversight: a module has its file, or a reason why not."""
    if module in ELSEWHERE:
        assert not own_test(module).exists(), f"{module} has tests now: take it out of ELSEWHERE"
    else:
        assert own_test(module).exists(), f"{own_test(module).relative_to(ROOT)} is missing"


def test_the_map_names_only_what_exists():
    """A reason for a module that is gone is gone too."""
    assert set(ELSEWHERE) <= set(modules())
