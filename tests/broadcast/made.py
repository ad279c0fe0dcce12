"""A client in a test: subscribes, keeps every frame, and a book the way any client would."""

import contextlib
import json

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class Client:
    """One connection; ``frames`` are all that came, decoded, ``raw`` as they came."""

    def __init__(self, socket: ClientConnection):
        self.socket = socket
        self.raw: list[bytes] = []
        self.frames: list[dict] = []
        self.books: dict[str, dict[str, dict[str, str]]] = {}

    async def subscribe(self, channel, products=None, kind="subscribe"):
        body = {"type": kind, "channel": channel}
        if products is not None:
            body["product_ids"] = list(products)
        await self.socket.send(json.dumps(body))

    async def read(self, until=lambda _frame: False) -> dict | None:
        """Read until a frame is what is wanted, or to the end."""
        with contextlib.suppress(ConnectionClosed):
            return await self._read(until)
        return None

    async def _read(self, until):
        async for raw in self.socket:
            text = raw.encode() if isinstance(raw, str) else raw
            frame = json.loads(text)
            self.raw.append(text)
            self.frames.append(frame)
            self._follow(frame)
            if until(frame):
                return frame
        return None

    def _follow(self, frame):
        if frame.get("channel") != "l2_data":
            return
        for event in frame["events"]:
            if event["type"] == "snapshot":
                self.books[event["product_id"]] = {"bid": {}, "offer": {}}
            book = self.books.setdefault(event["product_id"], {"bid": {}, "offer": {}})
            for each in event["updates"]:
                side, price = book[each["side"]], float(each["price_level"])
                if float(each["new_quantity"]):
                    side[price] = float(each["new_quantity"])
                else:
                    side.pop(price, None)

    def numbers(self):
        return [frame["sequence_num"] for frame in self.frames if "sequence_num" in frame]

    def sides(self, product):
        """Bids and asks, best first."""
        book = self.books[product]
        return sorted(book["bid"].items(), reverse=True), sorted(book["offer"].items())


def dial(url):
    return connect(url, max_size=None, compression=None)


def acknowledged(frame):
    return frame.get("channel") == "subscriptions"
