"""What `recorder.http.stream` promises: news to those who listen, and never more than they take."""

import asyncio
import json
import socket

import pytest

from recorder.http import server, site, stream
from recorder.http.stream import Client, event
from tests.http.served import HANG_S, served
from tests.recorders import all_recorded, wait_for


class Listener:
    """Reads events as a browser does."""

    def __init__(self, reader, writer):
        self._reader, self.writer = reader, writer
        self._rest = b""
        self.seen = []

    async def head(self):
        return await self._reader.readuntil(b"\r\n\r\n")

    async def next(self):
        """The next event: (name, content)."""
        while True:
            while b"\n\n" not in self._rest:
                size = int(await self._reader.readline(), 16)
                if not size:
                    raise EOFError
                self._rest += (await self._reader.readexactly(size + 2))[:-2]
            block, _, self._rest = self._rest.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in block.decode().splitlines())
            if "event" in fields:
                self.seen.append((fields["event"], json.loads(fields["data"])))
                return self.seen[-1]

    async def until(self, name):
        """The next event of a name."""
        async with asyncio.timeout(HANG_S):
            while True:
                found, content = await self.next()
                if found == name:
                    return content


async def listen(there, query="", **options):
    reader, writer = await there.open(limit=2**22, **options)
    writer.write(f"GET /v1/stream{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    listener = Listener(reader, writer)
    assert b" 200 " in await listener.head()
    return listener


async def test_a_listener_gets_tops_and_trades_as_they_happen(tmp_path):
    """First the best prices of everything, then what changes; prices as text."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        assert there.recorder.meter.followers == []
        listener = await listen(there)
        first = {(await listener.until("top"))["product_id"] for _ in range(2)}
        assert first == {"BTC-USD", "ETH-USD"}
        trade = await listener.until("trade")
        assert float(trade["price"]) > 0
        assert isinstance(trade["size"], str)
        assert trade["side"] != trade["taker_side"]
        for top in [content for name, content in listener.seen if name == "top"]:
            assert top["valid"]
            assert float(top["bid"][0]) < float(top["ask"][0])
        assert len(there.recorder.meter.followers) == 1
        listener.writer.close()
        await wait_for(lambda: there.recorder.meter.followers == [], "nobody to tell")


async def test_a_listener_hears_of_its_products_alone(tmp_path):
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        listener = await listen(there, "?product=ETH-USD&events=top,trade")
        for _ in range(10):
            _, content = await asyncio.wait_for(listener.next(), HANG_S)
            assert content["product_id"] == "ETH-USD"
        listener.writer.close()


async def test_books_are_told_to_who_asks_for_them(tmp_path):
    """As /v1/books has them, of the products that are named, and gaps of all if that is wanted."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        listener = await listen(there, "?product=ETH-USD&events=book,gap&depth=3&gaps=all")
        for _ in range(3):
            book = await listener.until("book")
            assert (book["product_id"], book["valid"]) == ("ETH-USD", True)
            assert len(book["bids"]) == len(book["asks"]) == 3
        there.venue.skip(3)
        seen = await listener.until("gap")
        while seen.get("product_id") != "BTC-USD":
            seen = await listener.until("gap")
        assert {name for name, _ in listener.seen} == {"book", "gap"}
        listener.writer.close()


async def test_a_gap_and_its_end_are_told(tmp_path, monkeypatch):
    """At once, with the numbers; the books are not valid until their snapshots."""
    monkeypatch.setattr(stream, "PACE_S", 0.0)
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        listener = await listen(there, "?events=gap,top")
        there.venue.skip(3)
        found = await listener.until("gap")
        begun: dict[str, str] = {}
        while found["state"] != "found":
            begun[found["product_id"]] = found["start_time"]
            found = await listener.until("gap")
        assert found["seq_to"] - found["seq_from"] == 2
        assert list(begun.values()) <= [found["recv_time"]] * 2
        while found["state"] != "ended" or found["channel"] != "level2":
            found = await listener.until("gap")
        assert found["reason"] == "sequence_gap"
        assert found["start_time"] == begun[found["product_id"]] < found["end_time"]
        assert any(name == "top" and not top["valid"] for name, top in listener.seen)
        top = await listener.until("top")
        while not top["valid"]:
            top = await listener.until("top")
        listener.writer.close()


async def test_who_does_not_read_gets_the_newest_and_is_told_what_it_missed(tmp_path, monkeypatch):
    """The recorder waits for nobody; what waits for a client is bounded."""
    monkeypatch.setattr(server, "SEND_BYTES", 4096)
    monkeypatch.setattr(site, "WRITE_S_MAX", HANG_S)
    monkeypatch.setattr(stream, "TRADES_MAX", 5)
    monkeypatch.setattr(stream, "PACE_S", 0.0)
    monkeypatch.setattr(Client, "__init__", bounded(Client.__init__, 5))
    async with served(tmp_path, rate=4) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", there.port))
            sock.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            sock.setblocking(False)
            hub = there.server._site.hub
            await wait_for(lambda: hub.clients, "the client")
            (client,) = hub.clients
            await wait_for(lambda: client.missed["trades"] > 10, "trades that are left out")
            assert len(client.trades) <= 5
            assert len(client.moved) <= 2
            frames = there.recorder.progress().frames
            await wait_for(lambda: there.recorder.progress().frames > frames + 20, "frames go on")
            missed = client.missed["trades"]
            reader, writer = await asyncio.open_connection(sock=sock.dup(), limit=2**22)
            listener = Listener(reader, writer)
            await listener.head()
            # What was on its way before it stopped to read may have missed some, too.
            while (await listener.until("dropped"))["trades"] < missed:
                pass
            top = await listener.until("top")
            assert top["valid"]
            writer.close()
        await wait_for(lambda: hub.dropped >= missed, "the count")


def bounded(make, most):
    def init(self, *args, **options):
        make(self, *args, **options)
        self.trades = type(self.trades)(maxlen=most)

    return init


async def test_who_takes_nothing_for_long_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "SEND_BYTES", 4096)
    monkeypatch.setattr(site, "WRITE_S_MAX", 0.5)
    async with served(tmp_path, rate=4) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", there.port))
            sock.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            hub = there.server._site.hub
            await wait_for(lambda: hub.sent, "the client")
            await wait_for(lambda: not hub.clients, "its end")


async def test_streams_have_a_bound_of_their_own(tmp_path, monkeypatch):
    """So that there is room left for whoever scrapes."""
    monkeypatch.setattr(site, "CLIENTS_MAX", 2)
    async with served(tmp_path) as there:
        held = [await listen(there) for _ in range(2)]
        found = await there.get("/v1/stream")
        assert (found.status, found.headers["retry-after"]) == (503, "30")
        assert (await there.get("/metrics")).status == 200
        for each in held:
            each.writer.close()


async def test_a_stop_ends_streams_in_order(tmp_path):
    async with served(tmp_path) as there:
        listener = await listen(there)
    with pytest.raises((EOFError, asyncio.IncompleteReadError, ValueError)):
        await listener.until("nothing")
    listener.writer.close()


def test_an_event_is_one_block():
    """Whatever is in a text, it ends no line."""
    found = event("gap", {"reason": "a\n\nevent: top\ndata: {}"})
    assert found.count(b"\n") == 3
    assert found.endswith(b"\n\n")


def test_a_client_is_told_of_what_it_wants():
    client = Client(["BTC-USD"], ["top", "gap"])
    client.move("ETH-USD")
    client.traded({"product_id": "BTC-USD"})
    assert not client.news.is_set()
    client.gapped({"state": "found"})  # of a connection: for everybody
    client.move("BTC-USD")
    assert (list(client.moved), len(client.gaps), len(client.trades)) == (["BTC-USD"], 1, 0)


def test_a_client_of_one_book_may_hear_of_all_gaps():
    client = Client(["BTC-USD"], ["book", "gap"], depth=5, all_gaps=True)
    client.move("ETH-USD")
    client.gapped({"product_id": "ETH-USD"})
    client.move("BTC-USD")
    assert (list(client.changed), list(client.moved), len(client.gaps)) == (["BTC-USD"], [], 1)


def test_what_is_too_much_is_counted():
    client = Client(None, ["gap"])
    for number in range(stream.GAPS_MAX + 7):
        client.gapped({"number": number})
    assert (len(client.gaps), client.missed["gaps"]) == (stream.GAPS_MAX, 7)
    assert client.gaps[0] == {"number": 7}


async def test_who_has_left_keeps_no_place(tmp_path, monkeypatch):
    """Though nothing happens of what it wanted, so that nothing is written to it."""
    monkeypatch.setattr(stream, "LOOK_S", 0.01)
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        listener = await listen(there, "?events=gap")
        assert len(there.recorder.meter.followers) == 1
        listener.writer.close()
        await wait_for(lambda: there.recorder.meter.followers == [], "nobody to tell")
