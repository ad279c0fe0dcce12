"""A recorder that is served, in a test: over real sockets, with a client that can be rude."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from recorder import live
from recorder.config import HttpConfig
from recorder.config.listening import Address
from recorder.http import open_door, serving
from recorder.http.server import Server
from recorder.venue import Venue
from tests.recorders import config_for, recording

HANG_S = 600.0  # no promise: a machine may be busy


class Reply(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served(NamedTuple):
    """A venue, the recorder that records it, and where that is served."""

    venue: Venue
    recorder: live.Recorder
    server: Server
    port: int
    tls: ssl.SSLContext | None = None

    async def get(self, target: str, *headers: str, method: str = "GET") -> Reply:
        """Ask as a client does that closes afterwards; ``headers`` are whole lines."""
        named = [] if any(each.lower().startswith("host:") for each in headers) else [
            f"Host: 127.0.0.1:{self.port}"
        ]  # fmt: skip
        lines = [f"{method} {target} HTTP/1.1", *named, *headers, "Connection: close", "", ""]
        return parse(await self.raw("\r\n".join(lines).encode()))

    async def coverage(self, query: str) -> Any:
        """Ask for coverage until it is there: a process must start for it."""
        while (found := await self.get(f"/v1/coverage?{query}")).status == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return found.json

    async def raw(self, content: bytes) -> bytes:
        """Send bytes, and read until the other side closes."""
        reader, writer = await self.open()
        writer.write(content)
        try:
            return await asyncio.wait_for(reader.read(), HANG_S)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def open(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls, **options)


def parse(content: bytes) -> Reply:
    """Take an answer apart."""
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        whole = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            whole += rest[: int(size, 16)]
            body = rest[int(size, 16) + 2 :]
        body = whole
    return Reply(int(first.split()[1]), headers, body)


@asynccontextmanager
async def served(
    root: Path,
    http: HttpConfig | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    products: tuple[str, ...] = ("BTC-USD", "ETH-USD"),
    rate: float = 3,
) -> AsyncIterator[Served]:
    """A recorder of a venue on loopback, served at a port that is free."""
    http = http or HttpConfig(listen=Address("127.0.0.1", 0))
    async with (
        Venue(seed=7, rate=rate, depth=0.02, products=products) as venue,
        recording(config_for(root, venue.url, products)) as running,
        serving(open_door(http, lambda _: None), running) as server,
    ):
        assert server is not None
        assert server.url, "not served"
        yield Served(venue, running, server, int(server.url.rpartition(":")[2]), tls)
