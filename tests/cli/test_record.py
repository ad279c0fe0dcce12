"""What run, check-config, import and seal promise."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recorder import config as settings
from recorder.feed.selection import Selection


@dataclass
class Summary:
    data: Path
    frames: int = 10
    rows: dict[str, int] = field(default_factory=lambda: {"level2": 30, "trades": 4})
    gaps: int = 0
    faults: int = 0
    sealed: list[str] = field(default_factory=lambda: ["2026112119"])


@dataclass
class Side:
    bids: int
    asks: int
    best_bid: tuple[str, str] | None
    best_ask: tuple[str, str] | None
    sha256: str
    valid: bool


@dataclass
class Trades:
    trades: int
    distinct: int
    first_id: int
    last_id: int


@dataclass
class Report:
    files: int
    frames_in: int
    frames_out: int
    connections: int
    rows: dict[str, int]
    messages: dict[str, int]
    gaps: int
    faults: int
    hours: list[str]
    books: dict[str, Side]
    trades: dict[str, Trades]


REPORT = Report(
    files=1,
    frames_in=694,
    frames_out=5,
    connections=1,
    rows={"level2": 80_000},
    messages={"l2_data/update": 515},
    gaps=0,
    faults=0,
    hours=["2026080921"],
    books={"BTC-USD": Side(2, 1, ("1.5", "2"), None, "00", valid=False)},
    trades={"BTC-USD": Trades(3, 3, 7, 9)},
)


def test_run_is_a_service_where_nobody_watches(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """JSON logs on stdout, no status line, the hour stays open."""
    seen: list[Any] = []

    def record(config: settings.Config, **options: Any) -> Summary:
        seen.extend((config, options))
        return Summary(config.data)

    stand_in("live", record=record)
    file = tmp_path / "r.toml"
    file.write_text("[store]\npart_seconds = 5\n")
    found = call(
        "run", "--config", file, "--data", tmp_path, "--product", "A-B", "--product", "C-D",
        "--exclude", "*-E", "--url", "ws://127.0.0.1:9",
    )  # fmt: skip
    assert (found.code, found.err) == (0, "")
    (line,) = found.out.splitlines()
    logged = json.loads(line)
    assert logged["event"] == "config_loaded"
    assert logged["store.part_seconds"] == 5
    assert logged["feed.products"] == ["A-B", "C-D"]
    config, options = seen
    assert config.data == tmp_path
    assert config.feed.products == ("A-B", "C-D")
    assert config.feed.exclude == ("*-E",)
    assert config.feed.url == "ws://127.0.0.1:9"
    # SIGHUP reads the file again; what the options say still holds.
    file.write_text("[store]\npart_seconds = 9\n")
    again = options.pop("read")()
    assert (again.store.part_seconds, again.feed.products) == (9, ("A-B", "C-D"))
    assert options == {"seal_on_exit": False, "watch": None}


@pytest.mark.parametrize("watched", [True, False])
def test_where_a_terminal_is_attached_sighup_stops(
    watched: bool,
    call: Callable[..., Any],
    stand_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes when the terminal is closed; nothing is read again then."""
    seen: dict[str, Any] = {}

    def record(config: settings.Config, **options: Any) -> Summary:
        seen.update(options)
        return Summary(config.data)

    stand_in("live", record=record)
    monkeypatch.setattr("recorder.cli.terminal.on_terminal", lambda: watched)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    assert call("run").code == 0
    assert seen["read"] is None


def test_run_on_a_terminal_says_what_is_recorded_and_what_is_not(
    call: Callable[..., Any], stand_in: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many products are counted; what is not as it was asked for is named."""

    def record(config: settings.Config, **options: Any) -> Summary:
        products = tuple(f"P{number}-USD" for number in range(30))
        found = Selection(
            products,
            {"P1-USDC": "P1-USD"},
            unknown=("NOPE-USD",),
            delisted=("OLD-USD",),
            offline=("P7-USD",),
            unmatched=("*-JPY",),
        )
        options["planned"](found, 2)
        return Summary(config.data)

    stand_in("live", record=record)
    monkeypatch.setattr("recorder.cli.terminal.on_terminal", lambda: True)
    found = call("run", "--product", "*-USD")
    text = " ".join(found.err.split())
    assert "30 products (P0-USD, P1-USD, P2-USD, P3-USD, P4-USD, …) over 2 connections" in text
    assert "P1-USDC is another name of P1-USD." in text
    assert "Not a product of the venue: NOPE-USD." in text
    assert "Delisted, so not recorded: OLD-USD." in text
    assert "Recorded, and not traded now: P7-USD." in text
    assert "No product matches: *-JPY." in text


@pytest.mark.parametrize(("option", "sealed"), [([], True), (["--no-seal"], False)])
def test_run_on_a_terminal_seals_and_shows_how_to_read(
    option: list[str],
    sealed: bool,
    call: Callable[..., Any],
    stand_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the end there is a line for DuckDB over the files that are there."""
    seen: dict[str, Any] = {}

    def record(config: settings.Config, **options: Any) -> Summary:
        seen.update(options)
        options["planned"](Selection(("BTC-USD", "ETH-USD")), 1)
        rows = {"coverage": 2, "level2": 5}
        return Summary(config.data, rows=rows, sealed=["2026112119"] if sealed else [])

    stand_in("live", record=record)
    monkeypatch.setattr("recorder.cli.terminal.on_terminal", lambda: True)
    found = call("run", "--data", "it's here", *option)
    assert found.code == 0
    assert seen["seal_on_exit"] is sealed
    assert callable(seen["watch"])
    glob = "level2/product=*/date=*/hour=*/*.parquet" if sealed else "live/level2/*.parquet"
    (line,) = [row for row in found.out.splitlines() if "SELECT" in row]
    assert glob in line
    assert "Recording BTC-USD, ETH-USD from wss://" in found.err
    assert "Ctrl-C" in found.err


@pytest.mark.parametrize("command", [["check-config"], ["run", "--config"]])
def test_a_wrong_configuration_is_78(
    command: list[str], call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Every mistake is a line with file and line; nothing is recorded."""
    stand_in("live", record=lambda *_, **__: pytest.fail("it ran"))
    file = tmp_path / "r.toml"
    file.write_text("dta = 1\n[store]\npart_seconds = 0\n")
    found = call(*command, file)
    assert (found.code, found.out) == (78, "")
    assert f"{file}:1: dta: " in found.err
    assert f"{file}:3: store.part_seconds: " in found.err


@pytest.mark.parametrize("command", [["check-config"], ["run", "--config"]])
def test_a_missing_configuration_is_66(
    command: list[str], call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """The defaults are not taken for a file that was named."""
    stand_in("live", record=lambda *_, **__: pytest.fail("it ran"))
    found = call(*command, tmp_path / "none.toml")
    assert (found.code, found.out) == (66, "")
    assert "none.toml" in found.err


def test_check_config_shows_every_setting(call: Callable[..., Any], tmp_path: Path) -> None:
    """What is not in the file is marked as a default."""
    file = tmp_path / "r.toml"
    file.write_text("store.keep_capture = 'forever'\n")
    found = call("check-config", file)
    assert found.code == 0
    rows = {row.split()[0]: row for row in found.out.splitlines() if "." in row.split()[0]}
    assert "forever" in rows["store.keep_capture"]
    assert "default" not in rows["store.keep_capture"]
    assert "default" in rows["feed.url"]
    assert call("check-config").code == 0
    document = json.loads(call("check-config", file, "--json").out)
    assert document["store.keep_capture"] == "forever"


def test_check_config_example_is_right(call: Callable[..., Any], tmp_path: Path) -> None:
    """The example can be put into a file, and is then the defaults."""
    found = call("check-config", "--example")
    file = tmp_path / "r.toml"
    file.write_text(found.out)
    assert (found.code, found.out) == (0, settings.example())
    assert call("check-config", file).code == 0


def test_import_prints_one_json_document(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """The whole report, and nothing else."""
    seen: list[Any] = []

    def import_captures(files: list[Path], root: Path, progress: object) -> Report:
        seen.extend((files, root, progress))
        return REPORT

    stand_in("replay", import_captures=import_captures)
    found = call("import", "a.gz", "b.gz", "--data", tmp_path, "--json")
    assert (found.code, found.err) == (0, "")
    document = json.loads(found.out)
    assert document["messages"] == {"l2_data/update": 515}
    assert document["books"]["BTC-USD"]["best_bid"] == ["1.5", "2"]
    assert document["trades"]["BTC-USD"]["last_id"] == 9
    assert seen == [[Path("a.gz"), Path("b.gz")], tmp_path, None]


def test_import_shows_what_it_found(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Frames, messages, rows, books and trades, for reading."""
    stand_in("replay", import_captures=lambda *_: REPORT)
    found = call("import", "a.gz", "--data", tmp_path)
    assert found.code == 0
    for words in ("694 frames", "2026-08-09 21h", "l2_data/update", "80,000", "not valid"):
        assert words in found.out


@pytest.mark.parametrize(
    ("options", "current"), [([], False), (["--all"], True), (["--all", "--json"], True)]
)
def test_seal(
    options: list[str],
    current: bool,
    call: Callable[..., Any],
    stand_in: Callable[..., None],
    tmp_path: Path,
) -> None:
    """--all takes the current hour too; the report is a line or one JSON document."""

    @dataclass
    class Sealed:
        hours: list[str]
        files: int = 4
        rows: int = 1000
        bytes: int = 2_000_000

    def seal(root: Path, *, include_current: bool, progress: object) -> Sealed:
        assert (root, include_current, progress) == (tmp_path, current, None)
        return Sealed(["2026112119"] if current else [])

    stand_in("finishing", seal=seal)
    found = call("seal", "--data", tmp_path, *options)
    assert (found.code, found.err) == (0, "")
    if "--json" in options:
        assert json.loads(found.out)["hours"] == ["2026112119"]
    else:
        assert ("4 files, 1,000 rows, 2.0 MB" if current else "Nothing to seal") in found.out
