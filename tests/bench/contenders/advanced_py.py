"""coinbase-advanced-py: Coinbase's own client decodes, and has no books."""

import json

from coinbase.websocket.types.websocket_response import WebsocketResponse
from turns import serve


def run(_, updates):
    """What a callback that wants objects does with each text; it insists on a client's id."""
    for raw in updates:
        WebsocketResponse({"client_id": "", **json.loads(raw)})


if __name__ == "__main__":
    serve(lambda _: None, run, lambda _: None)
