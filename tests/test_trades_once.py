"""A trade is stored once, whoever brings it: a recording, an import of another's, or REST.

What one of them brings into an hour, in whatever order of the hours, the others know.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder import recovery, replay
from recorder.before import look_before
from recorder.core.frames import Arrival, Frame, Sent
from recorder.feed import rest as feed_rest
from recorder.finishing import seal
from recorder.replay import import_captures
from recorder.store.paths import Root
from recorder.store.seal import sealed_before
from tests.core.scripts import answer, frame
from tests.rest_service import serving
from tests.roots import live_rows, sealed_bytes, sealed_rows
from tests.test_filling import BTC, HOUR_NS, There
from tests.test_replay import lines_of, write

KEY = ("market_trades", BTC)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    monkeypatch.setattr(feed_rest, "TRADES_MAX", 100)
    with serving() as service:
        yield There(service, tmp_path / "data")


def capture(there: There, path: Path, at_ns: int, *spans: tuple[int, int]) -> Path:
    """What another recorder kept of the trades between places of the tape, from a time on."""
    ask = {"type": "subscribe", "channel": "market_trades", "product_ids": [BTC]}
    lines: list[Arrival] = [Sent(at_ns, "ws9", json.dumps(ask).encode())]
    frames = [answer(0, market_trades=[BTC])]
    for number, (first, end) in enumerate(spans):
        trades = list(there.tapes[BTC].trades)[first:end]
        rows = [there.row(BTC, trade) for trade in reversed(trades)]
        kind = "update" if number else "snapshot"
        frames.append(frame("market_trades", 1 + number, {"type": kind, "trades": rows}))
    lines += [Frame(at_ns + number * 1_000_000, "ws9", raw) for number, raw in enumerate(frames, 1)]
    return write(path, lines_of(lines))


def check(there: There, scratch: Path, end: int) -> list[str]:
    """Every trade up to a place of the tape is there once; returns of what kinds they are.

    What comes next knows all of them, and the capture gives the same files again.
    """
    seal(there.root, include_current=True)
    rows = there.check(BTC, 0, end)
    known = look_before(Root(there.root)).trades[BTC]
    first = there.first[BTC]
    assert (known.first, known.last, known.holes) == (first, first + end - 1, [])
    recovery.rebuild(Root(there.root), Root(scratch))
    assert sealed_bytes(scratch) == sealed_bytes(there.root)
    return [row["kind"] for row in rows["trades"]]


def test_an_import_into_a_hole_that_was_filled(there, tmp_path):
    """REST was first: nothing of the import is taken but its frames."""
    began_ns = there.now_ns
    there.record((0, 100))
    there.now_ns += 2 * HOUR_NS
    there.record((300, 400))
    assert there.fill().filled == 200
    report = import_captures(
        [capture(there, tmp_path / "b.gz", began_ns + HOUR_NS, (100, 200), (200, 300))], there.root
    )
    assert report.messages["market_trades/in later hours"] == 200
    assert report.faults == 0
    kinds = check(there, tmp_path / "again", 400)
    assert (kinds.count("snapshot"), kinds.count("backfill")) == (200, 200)


def test_a_hole_that_was_filled_by_an_import(there, tmp_path):
    """The import was first: nobody asks REST for them, neither by hand nor while recording."""
    began_ns = there.now_ns
    there.record((0, 100))
    there.now_ns += 2 * HOUR_NS
    there.record((300, 400))
    assert look_before(Root(there.root)).trades[BTC].holes
    seal(there.root, include_current=True)
    before = sealed_bytes(there.root)
    import_captures(
        [capture(there, tmp_path / "b.gz", began_ns + HOUR_NS, (100, 200), (200, 300))], there.root
    )
    assert before.items() <= sealed_bytes(there.root).items()
    there.now_ns = time.time_ns()
    recording = there.record((350, 400), (400, 450))
    assert recording.pipeline.trades[BTC].holes == []
    assert there.fill().missing == 0
    assert there.asked() == []
    assert "backfill" not in check(there, tmp_path / "again", 450)


def test_hours_that_are_imported_backwards(there, tmp_path):
    """The first snapshot of the later hour repeats trades of the earlier one."""
    began_ns = there.now_ns
    for number, spans in ((2, [(350, 450), (450, 500)]), (1, [(100, 200), (200, 400)]),
                          (0, [(0, 100), (100, 150)])):  # fmt: skip
        file = capture(there, tmp_path / f"{number}.gz", began_ns + number * HOUR_NS, *spans)
        import_captures([file], there.root)
    check(there, tmp_path / "again", 500)


def test_one_import_around_hours_that_are_there(there, tmp_path):
    """Before and behind an hour that is there; what was fetched of both is known."""
    began_ns = there.now_ns
    import_captures([capture(there, tmp_path / "0.gz", began_ns, (0, 100))], there.root)
    import_captures(
        [capture(there, tmp_path / "2.gz", began_ns + 2 * HOUR_NS, (200, 300))], there.root
    )
    there.now_ns += 2 * HOUR_NS + HOUR_NS // 2
    there.record((390, 400))
    assert there.fill(start_ns=began_ns).filled == 190
    files = [
        capture(there, tmp_path / "1.gz", began_ns + HOUR_NS, (80, 180), (180, 210)),
        capture(there, tmp_path / "-1.gz", began_ns - 2 * HOUR_NS, (0, 50)),
    ]
    import_captures(files, there.root)
    check(there, tmp_path / "again", 400)


def test_what_an_import_brings_into_an_open_hour_s_past_hides_nothing(there, tmp_path):
    """The hour that is open stays open, and is told of the import all the same."""
    began_ns = there.now_ns
    there.now_ns += 3 * HOUR_NS
    there.record((100, 200))
    before = live_rows(there.root)["trades"]
    import_captures([capture(there, tmp_path / "a.gz", began_ns, (0, 150))], there.root)
    held = live_rows(there.root)["trades"]
    assert [row for row in held if row["trade_id"] >= before[0]["trade_id"]] == before
    assert sealed_before(Root(there.root)) <= Root(there.root).captured_hours()[-1]
    assert len(sealed_rows(there.root)["trades"]) == 100
    check(there, tmp_path / "again", 200)


def test_an_import_that_dies_when_it_tells_of_itself(there, tmp_path, monkeypatch):
    """It is taken back whole, and done again."""
    began_ns = there.now_ns
    there.now_ns += HOUR_NS
    there.record((100, 200))
    seal(there.root, include_current=True)
    file = capture(there, tmp_path / "a.gz", began_ns, (0, 150))
    remember = replay.remember

    def die(*arguments):
        remember(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(replay, "remember", die)
        patch.setattr(replay, "take_back", lambda _root: [])  # it died: nobody did
        with pytest.raises(KeyboardInterrupt):
            import_captures([file], there.root)
    assert there.root.joinpath("importing.json").exists()
    seal(there.root, include_current=True)
    assert len(sealed_rows(there.root)["trades"]) == 100
    import_captures([file], there.root)
    check(there, tmp_path / "again", 200)
