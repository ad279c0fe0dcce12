"""Scripted input without a socket: what a recorder would be handed, deterministic from a seed.

A `Made` is a Coinbase of loopback's making (`recorder.venue`) with a clock that the script moves.
"""

import pickle
from collections.abc import Iterator
from functools import lru_cache

from recorder.core.frames import HOUR_NS, Arrival, Closed, Frame, Opened, Sent
from recorder.venue import wire
from recorder.venue.market import Market, Step
from recorder.venue.session import Session

SECOND_NS = 1_000_000_000
PRODUCTS = ("BTC-USD", "ETH-USD")
CHANNELS = ("heartbeats", "level2", "ticker", "market_trades", "status")
HOUR = 498_427  # 2026-11-10T19 UTC
HOUR_START_NS = HOUR * HOUR_NS
WANTED = [("heartbeats", None), *((channel, name) for channel in CHANNELS[1:] for name in PRODUCTS)]


@lru_cache(maxsize=64)
def _opened(
    seed: int, start_ns: int, rate: float, depth: float, products: tuple[str, ...]
) -> bytes:
    """A market as it opens; making one takes longer than most of what is done with it."""
    return pickle.dumps(Market(seed, products, start_ns, rate=rate, depth=depth))


class Made:
    """A venue and the connections to it. Times of arrivals never go back."""

    def __init__(
        self,
        seed: int,
        start_ns: int,
        *,
        rate: float = 1.0,
        depth: float = 0.001,
        products: tuple[str, ...] = PRODUCTS,
    ):
        self.now_ns = start_ns
        self._seed = seed
        self._products = products
        self._market: Market = pickle.loads(_opened(seed, start_ns, rate, depth, products))
        self._sessions: dict[str, Session] = {}
        self._opened = 0
        self._beat_ns = start_ns // SECOND_NS * SECOND_NS

    def open(self, connection_id: str) -> Iterator[Arrival]:
        """Dial, and ask for everything; all that begins with data begins."""
        self._opened += 1
        session = Session(self._market, seed=self._seed * 1000 + self._opened)
        self._sessions[connection_id] = session
        yield Opened(self._tick(), connection_id, "ws://made")
        for channel in CHANNELS:
            names = ",".join(f'"{name}"' for name in self._products)
            text = f'{{"type":"subscribe","channel":"{channel}","product_ids":[{names}]}}'
            yield Sent(self._tick(), connection_id, text.encode())
            assert session.receive(text, self.now_ns) == []
            while session.owes():
                for raw in session.turn(self.now_ns):
                    yield Frame(self._tick(), connection_id, raw)
        yield self._beat_on(connection_id)

    def close(self, connection_id: str, code: int = 1006) -> Iterator[Arrival]:
        """Lose a connection."""
        del self._sessions[connection_id]
        yield Closed(self._tick(), connection_id, code, "made")

    def skip(self, connection_id: str, frames: int = 1) -> None:
        """Lose frames on their way."""
        self._sessions[connection_id].sequence += frames

    def cut_off(self) -> None:
        """The recorder died: its connections are gone, and nobody was told."""
        self._sessions.clear()

    def wait(self, seconds: float) -> None:
        """Let time pass in which nothing happens at all."""
        by_ns = int(seconds * SECOND_NS)
        self.now_ns += by_ns
        self._beat_ns = self.now_ns // SECOND_NS * SECOND_NS
        self._market.delay(by_ns)

    def run(self, seconds: float) -> Iterator[Arrival]:
        """What arrives on all connections in the next seconds."""
        end_ns = self.now_ns + int(seconds * SECOND_NS)
        while min(self._market.due_ns, self._beat_ns + SECOND_NS) < end_ns:
            if self._market.due_ns >= self._beat_ns + SECOND_NS:
                self._beat_ns += SECOND_NS
                self.now_ns = max(self.now_ns, self._beat_ns)
                yield from self._beat()
            else:
                step = self._market.step()
                self.now_ns = max(self.now_ns, step.due_ns)
                yield from self._step(step)
        self.now_ns = max(self.now_ns, end_ns)

    def _step(self, step: Step) -> Iterator[Arrival]:
        name, spec = step.spec.product_id, step.spec
        for connection_id, session in self._sessions.items():
            if session.wants("level2", name):
                yield self._frame(connection_id, "l2_data", wire.book_update(step))
            if step.trades and session.wants("market_trades", name):
                event = wire.trades(spec, "update", step.trades)
                yield self._frame(connection_id, "market_trades", event)
            if step.touch and session.wants("ticker", name):
                event = wire.ticker(spec, "update", step.touch)
                yield self._frame(connection_id, "ticker", event)

    def _beat(self) -> Iterator[Arrival]:
        for connection_id, session in self._sessions.items():
            if session.wants_heartbeats():
                yield self._beat_on(connection_id)

    def _beat_on(self, connection_id: str) -> Frame:
        event = wire.heartbeat(self.now_ns, 1000 * SECOND_NS)
        return self._frame(connection_id, "heartbeats", event)

    def _frame(self, connection_id: str, channel: str, event: str) -> Frame:
        raw = self._sessions[connection_id].number(channel, event, self.now_ns)
        return Frame(self._tick(), connection_id, raw)

    def _tick(self) -> int:
        self.now_ns += 1_000
        return self.now_ns
