"""Clients that others wrote listen to a replay, and have the books that we have.

They are not among our dependencies: `make clients` installs each in an environment of its own and
sets RECORDER_CLIENTS to the folder of these. Without it nothing here runs.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

import recorder
from recorder.broadcast.server import Broadcast
from recorder.broadcast.tape import Tape
from recorder.venue.wire import instant
from tests.dataset.made import SECOND_NS, Recorded
from tests.recorders import wait_for

ENVIRONMENTS = os.environ.get("RECORDER_CLIENTS")
PROGRAMS = Path(__file__).parent / "clients"
PRODUCT = "BTC-USD"
NOISE_MAX = 2000

pytestmark = pytest.mark.skipif(
    not ENVIRONMENTS, reason="clients of others are not installed: run `make clients`"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A sealed hour and an open one, seconds of each, without a gap."""
    path = tmp_path_factory.mktemp("clients") / "data"
    path.mkdir()
    recorded = Recorded(path, seed=12, rate=3)
    recorded.connect()
    recorded.run(4)
    recorded.turn()
    recorded.run(4)
    recorded.publish()
    yield path
    recorded.recording.capture.close()


@pytest.fixture(params=["capture", "tables"])
def served(root, request):
    if request.param == "capture":
        yield root
        return
    (root / "capture").rename(root / "elsewhere")
    yield root
    (root / "elsewhere").rename(root / "capture")


async def listen(name, url):
    """Run a client's program in its environment; what it printed."""
    python = Path(ENVIRONMENTS) / name / "bin" / "python"
    running = await asyncio.create_subprocess_exec(
        python, PROGRAMS / f"{name}.py", url, PRODUCT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(120):
            out, noise = await running.communicate()
    except TimeoutError:
        running.kill()
        raise
    assert running.returncode == 0, noise.decode()[-NOISE_MAX:]
    return json.loads(out)


def expected(root):
    """Best bid and ask behind every frame of the book, and its last state, as we have them."""
    db = recorder.open(root)
    run = db.replay(PRODUCT, channels="level2", books=True, allow_gaps=True)
    tops = []
    for event in run:
        if getattr(event, "kind", "checkpoint") == "checkpoint":
            continue
        book = run.books[PRODUCT]
        tops.append([instant(event.exchange_ns), book.best_bid(), book.best_ask()])
    book = run.books[PRODUCT]
    sides = [[list(level) for level in book.levels(side)] for side in ("bid", "ask")]
    return tops, sides


@pytest.mark.parametrize("speed", [None, 4.0], ids=["max", "4"])
async def test_coinbase_s_own_client(served, speed):
    """Every frame's best bid and ask, the last book, every trade once, numbers without a hole."""
    tops, sides = expected(served)
    async with Broadcast(Tape(served), speed) as door:
        said = await listen("advanced_py", door.url)
        assert door.error is None
    assert said["tops"] == tops
    assert [said["bids"], said["asks"]] == sides
    assert said["numbers"] == list(range(len(said["numbers"])))
    trades = recorder.open(served).trades(PRODUCT, allow_gaps=True).to_arrow()
    assert said["trades"] == sorted(trades.column("trade_id").to_pylist())
    assert said["beats"] == sorted(said["beats"])


@pytest.mark.parametrize("speed", [None, 4.0], ids=["max", "4"])
async def test_the_pro_client_of_ccxt(served, speed):
    """What `watch_order_book` gives is the book at that frame; the last one is the last book."""
    tops, sides = expected(served)
    async with Broadcast(Tape(served), speed) as door:
        said = await listen("ccxt_pro", door.url)
        assert door.error is None
    assert [said["bids"], said["asks"]] == sides
    # It gives a book when it is asked, which may be after several frames.
    assert said["tops"]
    missing = [each for each in said["tops"] if each not in tops]
    assert missing == []


async def test_both_at_once_and_one_of_them_late(root):
    """They are told by one clock; who comes late has the book all the same."""
    _, sides = expected(root)
    async with Broadcast(Tape(root), 1.0) as door:
        first = asyncio.create_task(listen("advanced_py", door.url))
        begun = door.summary
        await wait_for(lambda: begun.now_ns > begun.start_ns + SECOND_NS > SECOND_NS, "a second")
        other = await listen("ccxt_pro", door.url)
        one = await first
    assert [one["bids"], one["asks"]] == [other["bids"], other["asks"]] == sides
