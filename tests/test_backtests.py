"""Packages that others wrote read our exports, and have the books and trades that we have.

They are not among our dependencies: `make backtests` installs each in an environment of its own and
sets RECORDER_BACKTESTS to the folder of these. Without it only what needs none of them runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import recorder
from recorder.export import export
from tests.dataset.made import SECOND_NS, Recorded
from tests.sample import PLACE

ENVIRONMENTS = os.environ.get("RECORDER_BACKTESTS")
PROGRAMS = Path(__file__).parent / "backtests"
EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
PRODUCT = "BTC-USD"
TICK = 0.01
INSTANTS = 300
NOISE_MAX = 3000

with_packages = pytest.mark.skipif(
    not ENVIRONMENTS, reason="packages of others are not installed: run `make backtests`"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The end of an hour and the begin of the next one: two gaps, and then seconds without any."""
    path = tmp_path_factory.mktemp("backtests") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        recorded = Recorded(path, seed=21, rate=20)
        recorded.connect()
        recorded.run(5)
        recorded.skip()
        recorded.run(2)
        recorded.lose()
        recorded.made.wait(3)
        recorded.connect()
        recorded.run(2)
        recorded.turn()
        recorded.run(40)
        yield path
        recorded.recording.capture.close()


@pytest.fixture(scope="module")
def exports(root, tmp_path_factory):
    """All of it in every format."""
    folder = tmp_path_factory.mktemp("exports")
    for kind in ("tardis", "hftbacktest", "nautilus"):
        assert export(root, kind, [PRODUCT], folder / kind, allow_gaps=True).same
    return folder


@pytest.fixture(scope="module")
def whole_hour(root, tmp_path_factory):
    """The hour without a gap."""
    folder = tmp_path_factory.mktemp("hour")
    start = recorder.open(root).hours()[-1].start
    for kind in ("tardis", "hftbacktest"):
        assert export(root, kind, [PRODUCT], folder / kind, start=start).same
    return folder


def instants(root, *, start_ns=0):
    """Moments of all that was recorded, and our best bid and ask then, as the reader has them."""
    tops = recorder.open(root).top_of_book(PRODUCT, allow_gaps=True).to_arrow()
    changed = tops.column("recv_ns").to_numpy()
    # The last nanosecond of a microsecond: some formats have no smaller unit.
    at = np.unique(changed // 1000 * 1000 + 999)
    at = at[(at > max(start_ns, int(changed[0]) + 1_000_000)) & (at < changed[-1])]
    at = np.sort(np.random.default_rng(4).choice(at, INSTANTS, replace=False))
    rows = np.searchsorted(changed, at, side="right") - 1
    best = [tops.column(name).to_pylist() for name in ("best_bid", "best_ask")]
    return at.tolist(), [(best[0][row], best[1][row]) for row in rows.tolist()]


def lost_moments(root):
    """A moment in each stretch without a book, and what is known then: nothing."""
    tops = recorder.open(root).top_of_book(PRODUCT, allow_gaps=True).to_arrow()
    changed = tops.column("recv_ns").to_pylist()
    bids = tops.column("best_bid").to_pylist()
    lost = [row for row in range(1, len(bids) - 1) if bids[row] is None]
    assert lost
    return [(changed[row] + changed[row + 1]) // 2 for row in lost], [(None, None)] * len(lost)


def ask(name, program, given=None, *arguments):
    """Run a program in the environment of a package; what it printed."""
    python = Path(ENVIRONMENTS) / name / "bin" / "python"
    ran = subprocess.run(
        [python, program, *map(str, arguments)],
        input=json.dumps(given, default=str),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-NOISE_MAX:]
    return json.loads(ran.stdout.splitlines()[-1])


def in_ticks(tops):
    nothing = -(2**63), 2**63 - 1
    return [
        [nothing[side] if price is None else round(price / TICK) for side, price in enumerate(top)]
        for top in tops
    ]


@with_packages
def test_hftbacktest_has_our_books(root, exports):
    """Its own check passes, its own ordering agrees; best bid and ask are ours at 300 moments."""
    at, tops = instants(root)
    said = ask(
        "hftbacktest",
        PROGRAMS / "ask_hftbacktest.py",
        {"export": exports / "hftbacktest", "tardis": None, "at": at},
    )
    assert said["same_dtype"]
    assert said["events"] == said["of_exchange"] == said["of_exchange_by_its_own"]
    assert said["tops"] == in_ticks(tops)
    at, tops = lost_moments(root)
    said = ask(
        "hftbacktest",
        PROGRAMS / "ask_hftbacktest.py",
        {"export": exports / "hftbacktest", "tardis": None, "at": at},
    )
    assert said["tops"] == in_ticks(tops) == [[-(2**63), 2**63 - 1]] * len(at)


@with_packages
def test_hftbacktest_s_converter_takes_tardis_files(root, whole_hour):
    """What it makes of the CSV files has our books, too."""
    start_ns = int(recorder.open(root).hours()[-1].start.timestamp()) * SECOND_NS
    at, tops = instants(root, start_ns=start_ns + SECOND_NS)
    folders = {"export": whole_hour / "hftbacktest", "tardis": whole_hour / "tardis"}
    said = ask("hftbacktest", PROGRAMS / "ask_hftbacktest.py", {**folders, "at": at})
    assert said["converted"] > 1000
    assert said["tops"] == said["converted_tops"] == in_ticks(tops)


@with_packages
def test_a_strategy_on_hftbacktest(exports, tmp_path):
    """The example places orders and cancels them, on our books and on the sample."""
    export(PLACE, "hftbacktest", [PRODUCT], tmp_path / "sample", allow_gaps=True)
    for folder in (exports / "hftbacktest", tmp_path / "sample"):
        said = ask("hftbacktest", EXAMPLES / "quotes_hftbacktest.py", None, folder)
        assert said["product"] == PRODUCT
        assert said["submitted"] > said["cancelled"] > 0
        assert said["seconds"] > 30


@with_packages
def test_nautilus_reads_what_was_written(root, exports):
    """The instrument, every delta, every trade; its own book is ours at 300 moments."""
    at, tops = instants(root)
    folder = exports / "nautilus"
    said = ask("nautilus", PROGRAMS / "ask_nautilus.py", {"export": folder, "at": at})
    instrument = said["instrument"]
    assert (instrument["id"], instrument["raw_symbol"]) == ("BTC-USD.COINBASE", PRODUCT)
    assert (instrument["price_increment"], instrument["size_increment"]) == ("0.01", "0.00000001")
    assert [tuple(map(number, top)) for top in said["tops"]] == [
        tuple(map(number, top)) for top in tops
    ]
    (path,) = folder.glob("data/order_book_delta/*/*.parquet")
    rows = pq.read_table(path).to_pylist()
    names = ("action", "side", "price", "size", "flags", "sequence", "ts_event", "ts_init")
    ours = []
    for row in rows:
        row["price"], row["size"] = (
            None if row["action"] == 4 else int.from_bytes(row[name], "little") / 10**16
            for name in ("price", "size")
        )
        ours.append([row[name] for name in names])
    assert [
        [*each[:2], number(each[2]), number(each[3]), *each[4:]] for each in said["deltas"]
    ] == ours
    db = recorder.open(root)
    book = db.book(PRODUCT)
    for side, levels in (("bids", book.bids), ("asks", book.asks)):
        found = [(number(price), size) for price, size in said[side]]
        assert found == [(float(price), float(size)) for price, size in levels]
    (told,) = json.loads((folder / "export.json").read_text())["products"]
    trades = db.trades(PRODUCT, told["start"], told["end"], allow_gaps=True).to_arrow()
    expected = [
        (row["trade_id"], row["price"], row["size"], 1 if row["taker_side"] == "BUY" else 2)
        for row in trades.select(["trade_id", "price", "size", "taker_side"]).to_pylist()
    ]
    assert sorted((row[0], number(row[1]), number(row[2]), row[3]) for row in said["trades"]) == (
        sorted(expected)
    )


def number(text):
    return None if text in {"None", None} else float(text)


@with_packages
def test_a_strategy_on_nautilus(tmp_path):
    """The example sees every delta and trade of the sample, places orders and cancels them."""
    made = export(PLACE, "nautilus", [PRODUCT], tmp_path / "sample", allow_gaps=True)
    said = ask("nautilus", EXAMPLES / "spread_nautilus.py", None, tmp_path / "sample")
    (product,) = made.products
    assert (said["deltas"], said["trades"]) == (product.book_rows, product.trades)
    assert said["placed"] > said["cancelled"] > 60


def test_the_notebook(tmp_path):
    """It runs as it stands, on the sample."""
    ran = subprocess.run(
        [sys.executable, EXAMPLES / "notebook.py", PLACE],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(EXAMPLES.parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-NOISE_MAX:]
    assert ran.stdout.count("same: True") == 3
    assert "median spread" in ran.stdout
