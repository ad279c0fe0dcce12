"""The command that is a Coinbase: venue."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

READY = "venue ready on "
REST_READY = "REST on "


def venue(
    host: Annotated[str, typer.Option(help="Listen on this address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 1,
    product: Annotated[
        list[str] | None,
        typer.Option(help="Trade this product; repeat for more. Default: BTC-USD and ETH-USD."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="advanced|exchange", help="Which feed of Coinbase to speak.")
    ] = "advanced",
    rate: Annotated[float, typer.Option(min=0.01, help="How busy: 1 is like Coinbase.")] = 1.0,
    depth: Annotated[float, typer.Option(min=0.001, help="How deep: 1 is like Coinbase.")] = 1.0,
    play: Annotated[
        list[Path] | None,
        typer.Option(help="Play this capture file instead of a market; repeat for its parts."),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="FACTOR|max", help="How fast a capture is played.")
    ] = "1",
    rest_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve REST of both venues too. 0: any port."),
    ] = None,
    rest_key: Annotated[
        Path | None,
        typer.Option(help="With --rest-port: make a key that REST knows, and write its file here."),
    ] = None,
    while_stdin: Annotated[
        bool, typer.Option("--while-stdin", hidden=True, help="Stop when stdin ends.")
    ] = False,
) -> None:
    """Serve a Coinbase on this machine, to record and to test against.

    It speaks the WebSocket protocol of Advanced Trade or of Exchange with a seeded market made
    after real recordings, or plays a recorded capture back. It prints its address when it is
    ready, and runs until Ctrl-C. It needs no network and no key.

    Examples:
        recorder venue
        recorder run --url ws://127.0.0.1:8765      in another terminal
        recorder venue --product BTC-USD --rate 10  one product, ten times as busy
        recorder venue --protocol exchange          the other feed, with the same market
        recorder venue --play capture.ndjson.gz --speed max
        recorder venue --rest-port 8766 --rest-key trial-key.json
        recorder auth check --url http://127.0.0.1:8766 --key-file trial-key.json
    """
    from recorder import venue as market  # noqa: PLC0415  heavy

    if while_stdin:
        threading.Thread(target=_stop_when_stdin_ends, daemon=True).start()
    market.run(
        host=host,
        port=port,
        seed=seed,
        products=product or ["BTC-USD", "ETH-USD"],
        protocol=protocol,
        rate=rate,
        depth=depth,
        play=play or [],
        speed=speed,
        on_ready=lambda url: print(f"{READY}{url}", flush=True),
        rest_port=rest_port,
        rest_key=rest_key,
        on_rest=lambda url: print(f"{REST_READY}{url}", flush=True),
    )


def _stop_when_stdin_ends() -> None:
    """Stop when the process that started us has gone, however it went: its pipe to us closes."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
