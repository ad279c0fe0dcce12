"""Receipt to book, at multiples of Coinbase's real rate, with a snapshot of 5 MB and a seal inside.

The recorder runs in this process, as it does alone: two connections, one a product, capture and
parts on. Another process sends the recorded frames, numbered anew, at a rate; in the middle the
first product's whole book comes again, and an hour is sealed beside it. Every frame is measured,
from when it came out of its socket until it was kept, understood and its book changed.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from contextlib import suppress
from itertools import chain, count, cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from recorder import config as settings
from recorder import logs
from recorder.daemon import Recorder
from recorder.feed import plan
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from recorder.venue import wire
from tests.bench.crowd import Halves, split
from tests.bench.figures import Figure
from tests.bench.resting import record
from tests.bench.sending import Line
from tests.bench.traffic import PRODUCTS, SECOND_NS, Traffic, made

TIMES = (1, 10, 100)
SECONDS = 6.0
LONG_BYTES = 1_000_000
TRADES = b'"channel":"market_trades"'
GOALS_US = {"p50": 50.0, "p99": 300.0, "p99.9": 2000.0, "max": 25_000.0}


def measure(traffic: Traffic, folder: Path, transport: str) -> list[Figure]:
    """Figures at each multiple of the recording's rate."""
    logs.configure(service=False, level="warning")  # doubts, and nothing else, beside the table
    sealed = Root(folder / f"sealed-{transport}")
    record(made(30_000), sealed)
    span_s = (traffic.frames[-1][0] - traffic.frames[0][0]) / 1e9
    rate = len(traffic.frames) / span_s if span_s > 0 else 70.0
    figures: list[Figure] = []
    for times in TIMES:
        root = folder / f"latency-{transport}-{times}"
        root.mkdir()
        others, long, lag_us = _run(traffic, root, sealed if times == TIMES[-1] else None,
                                    rate * times, transport)  # fmt: skip
        name = f"{transport}, {times}x the recorded rate, {len(others) / SECONDS:,.0f} frames/s"
        figures += [
            Figure(f"receipt to book, {name}: {share}", _share(others, share), "us",
                   ("goal", goal))
            for share, goal in GOALS_US.items()
        ]  # fmt: skip
        figures.append(Figure("  the snapshots themselves, longest", max(long, default=0), "us"))
        figures.append(Figure("  loop lag, longest", lag_us, "us"))
    return figures


def _share(values: list[float], share: str) -> float:
    if not values:
        return float("nan")
    ordered = sorted(values)
    if share == "max":
        return ordered[-1]
    return ordered[min(len(ordered) - 1, int(len(ordered) * float(share[1:]) / 100))]


def _run(
    traffic: Traffic, data: Path, sealed: Root | None, rate: float, transport: str
) -> tuple[list[float], list[float], float]:
    """Microseconds of the frames after the books were there, of long ones, the longest lag."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    sender = multiprocessing.get_context("spawn").Process(
        target=_send, args=(there, traffic, rate), daemon=True
    )
    sender.start()
    try:
        return asyncio.run(_record(here.recv(), here, data, sealed, transport))
    finally:
        sender.terminate()
        sender.join()


async def _record(
    port: int, sender: Any, data: Path, sealed: Root | None, transport: str
) -> tuple[list[float], list[float], float]:
    config = settings.parse(
        f'data = "{data}"\n[feed]\nurl = "ws://127.0.0.1:{port}"\n'
        f"products = {json.dumps(PRODUCTS)}\n"
        f'compression = false\ntransport = "{transport}"\n'
        'channels = ["level2", "ticker", "market_trades", "heartbeats"]\n[http]\nlisten = "off"\n',
        None,
    )
    others: list[float] = []
    long: list[float] = []
    lags: list[float] = []
    root = Root(data)
    with WriterLock(root), patch.object(plan, "PRODUCTS_MAX", 1):
        recorder = Recorder(root, config)
        deliver = recorder.deliver

        def measured(arrival: Any, came_ns: int | None = None) -> None:
            deliver(arrival, came_ns)
            if came_ns is not None:
                kept = long if len(arrival.raw) > LONG_BYTES else others
                kept.append((time.perf_counter_ns() - came_ns) / 1000)

        recorder.deliver = measured  # type: ignore[method-assign]
        running = asyncio.create_task(recorder.run())
        while recorder.progress().books_live < len(PRODUCTS):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        others.clear()
        watching = asyncio.create_task(_lags(lags))
        await asyncio.to_thread(sender.send, "go")
        await asyncio.sleep(SECONDS / 2)
        sealing = None
        if sealed is not None:
            arguments = ("-m", "recorder", "seal", "--data", str(sealed.path), "--all")
            sealing = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL
            )
        await asyncio.sleep(SECONDS / 2)
        found = list(others)
        watching.cancel()
        if sealing is not None:
            await sealing.wait()
        recorder.stop()
        await running
    return found, long, max(lags, default=0.0)


async def _lags(lags: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + 0.005
        await asyncio.sleep(0.005)
        lags.append((loop.time() - due_s) * 1e6)


# --- the other process ----------------------------------------------------------------------------


def _send(pipe: Any, traffic: Traffic, rate: float) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(pipe, traffic, rate))


async def _serve(pipe: Any, traffic: Traffic, rate: float) -> None:
    go = asyncio.Event()
    streams = {each: _of(traffic, each) for each in PRODUCTS}

    async def client(socket: Any) -> None:
        line = Line(socket)
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    _answer(line, asked, {each: streams[each][0] for each in streams})
                )
                tasks.create_task(_beat(line))
                product_id = await asked
                await go.wait()
                await _stream(line, *streams[product_id], rate, product_id == PRODUCTS[0])
        except* ConnectionClosed:
            pass  # the recorder is done

    async with serve(client, "127.0.0.1", 0, compression=None, max_queue=None) as server:
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        go.set()
        await asyncio.sleep(3600)


async def _answer(line: Line, asked: asyncio.Future[str], books: dict[str, Halves]) -> None:
    """Acknowledges what is asked for, and sends the book; tells the line's product once."""
    async for text in line.socket:
        message = json.loads(text)
        channel, products = message["channel"], message.get("product_ids") or ["heartbeats"]
        line.channels[channel] = products
        if channel == "level2":
            await line.send(books[products[0]])
        told = wire.frame("subscriptions", time.time_ns(), 0, wire.subscriptions(line.channels))
        await line.send(split(told))
        if channel == "level2":
            asked.set_result(products[0])


async def _beat(line: Line) -> None:
    for second in count(1):
        await asyncio.sleep(1.0)
        now_ns = time.time_ns()
        beat = wire.frame("heartbeats", now_ns, 0, wire.heartbeat(now_ns, second * SECOND_NS))
        await line.send(split(beat))


async def _stream(
    line: Line, book: Halves, frames: list[Halves], rate: float, snapshot: bool
) -> None:
    """The frames at a rate, round by round; the book again in the middle where ``snapshot``."""
    # Trades come once, for the same again would be a fault each.
    coming = chain(frames, cycle([each for each in frames if TRADES not in each[0]]))
    began_s, sent = time.monotonic(), 0
    while True:
        await asyncio.sleep(0.001)
        now_s = time.monotonic() - began_s
        if snapshot and now_s > SECONDS / 2:
            snapshot = False
            await line.send(book)
        while sent < now_s * rate / len(PRODUCTS):
            await line.send(next(coming))
            sent += 1


def _of(traffic: Traffic, product_id: str) -> tuple[Halves, list[Halves]]:
    """A product's book and the frames after it, each without its number."""
    name = f'"product_id":"{product_id}"'.encode()
    mine = [raw for _, raw in traffic.frames if name in raw]
    books = [raw for _, raw in traffic.snapshots() if name in raw[:400]]
    after = mine[mine.index(books[0]) + 1 :]
    return split(books[0]), [split(raw) for raw in after if len(raw) < LONG_BYTES]
