"""Coinbase's own client, `coinbase-advanced-py`: subscribe, keep the book, print it as JSON.

Run as `python advanced_py.py URL PRODUCT`, in an environment with the package. It prints the best
bid and ask behind every frame of the book, the trade ids, the books' last state, and the numbers.
"""

import json
import sys
import threading
import time

from coinbase.websocket import WSClient

url, product = sys.argv[1:]
sides = {"bid": {}, "offer": {}}
tops, trades, numbers, beats = [], [], [], []
over = threading.Event()


def take(text: str) -> None:
    """Follow a frame. Their typed response wants a `client_id`, which the venue sends no more."""
    frame = json.loads(text)
    numbers.append(frame["sequence_num"])
    for event in frame["events"]:
        if frame["channel"] == "l2_data":
            if event["type"] == "snapshot":
                sides["bid"].clear()
                sides["offer"].clear()
            for each in event["updates"]:
                side, price = sides[each["side"]], float(each["price_level"])
                size = float(each["new_quantity"])
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
            tops.append([frame["timestamp"], max(sides["bid"]), min(sides["offer"])])
        elif frame["channel"] == "market_trades":
            trades.extend(int(each["trade_id"]) for each in event["trades"])
        elif frame["channel"] == "heartbeats":
            beats.append(event["heartbeat_counter"])


client = WSClient(base_url=url, on_message=take, on_close=over.set, retry=False)
client.open()
client.subscribe([], ["heartbeats"])
client.subscribe([product], ["level2", "market_trades"])
# A normal close ends their reader without a word. It is seen on the socket, while the reader still
# has frames that came before it.
while not over.wait(0.1) and client.websocket is not None and client.websocket.open:
    pass
known = -1
while known != len(numbers):
    known = len(numbers)
    time.sleep(1)
client.loop.call_soon_threadsafe(client.loop.stop)
print(
    json.dumps(
        {
            "bids": sorted(sides["bid"].items(), reverse=True),
            "asks": sorted(sides["offer"].items()),
            "tops": tops,
            "trades": sorted(trades),
            "numbers": numbers,
            "beats": beats,
        }
    )
)
