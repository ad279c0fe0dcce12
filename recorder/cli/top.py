"""`recorder top`: a recorder that runs, watched on a terminal."""

import json
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from recorder import config as settings
from recorder.cli import terminal
from recorder.cli.screen import ORDERS, Order, Seen, picture, sorted_products
from recorder.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from recorder.config import Config

INTERVAL_S_MIN = 0.5  # asked for more often, a recorder answers the same
_TERMINATED = 128 + signal.SIGTERM
_QUIT = "qQ\x04"
_MOVES = {"\x1b[A": -1, "\x1b[B": 1, "k": -1, "j": 1, "\x1b[5~": -10, "\x1b[6~": 10, " ": 10}
_KEYS_BYTES = 64


def top(
    data: Annotated[
        Path | None, typer.Option(help="The data directory, instead of the configured one.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file: for data, and the token and certificate.")
    ] = None,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", help="Between two looks, 0.5 at least.")
    ] = 2.0,
    sort: Annotated[
        str, typer.Option(metavar="|".join(each.value for each in Order), help="What comes first.")
    ] = Order.NAME.value,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, and print all products.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each look.")
    ] = False,
) -> None:
    """Watch a recorder that runs: its products, connections, delays, disk and sealing.

    Asks the recorder that writes to the directory over HTTP, where it serves that. Keys: q leaves;
    n, s, r, b, u, t, g sort by name, state, rate, spread, update, trade, gaps, and once more turn
    that order round; arrows and Page keys scroll. Where the output is no terminal it looks once.

    Examples:
        recorder top                         of ./data, until q or Ctrl-C
        recorder top --sort rate --once      a picture
        recorder top --json --interval 10 >> seen.ndjson
    """
    if not interval >= INTERVAL_S_MIN:
        raise UsageError(f"--interval {interval:g} is wrong; write {INTERVAL_S_MIN} or more")
    if sort not in {each.value for each in Order}:
        raise UsageError(f'--sort "{sort[:40]}" is none of {", ".join(ORDERS.values())}')
    chosen = settings.load(config)
    root = (data or chosen.data).expanduser()

    def look() -> Seen:
        return seen(root, chosen)

    if as_json:
        _print_lines(look, None if once else interval)
    elif once or not sys.stdout.isatty():
        found = look()
        terminal.output().print(picture(found, Order(sort), width=terminal.output().width))
    else:
        _Watcher(look, interval, Order(sort)).run()


def seen(root: Path, chosen: "Config") -> Seen:
    """Ask a recorder for all that is shown.

    Raises UnavailableError, whose text says what to do, where none answers.
    """
    from recorder.http import asking  # noqa: PLC0415  heavy

    status = asking.ask(root, chosen.http)
    if status is None:
        pid = asking.recording_pid(root)
        if pid is None:
            raise UnavailableError(
                f"nobody records into {root}: start it with `recorder run --data {root}`, or name "
                "the directory with --data"
            )
        raise UnavailableError(
            f"process {pid} writes to {root} and serves no HTTP: give it http.listen "
            "(127.0.0.1:9464 by default) and start it again, or see http_not_served in its log"
        )
    products = asking.ask(root, chosen.http, "/v1/products")
    after_s = time.time() - 30
    lately = asking.ask(root, chosen.http, f"/v1/history?after={after_s:.3f}")
    if products is None or lately is None:
        raise UnavailableError(f"the recorder of {root} went while it was asked")
    columns: dict[str, list[Any]] = lately["columns"]
    newest = {name: values[-1] if values else None for name, values in columns.items()}
    return Seen(status, products["products"], products["gaps_since"], newest)


def _print_lines(look: Callable[[], Seen], interval_s: float | None) -> None:
    """Print a line for each look; once it answered, a recorder that is gone is a line too."""
    answered = False
    while True:
        try:
            found = look()
            document = {
                "at": found.status["at"],
                "status": found.status,
                "lately": found.lately,
                "products": sorted_products(found.products, Order.NAME),
            }
            answered = True
        except UnavailableError as error:
            if not answered:
                raise
            document = {"at": None, "error": str(error)}
        print(json.dumps(document, allow_nan=False), flush=True)
        if interval_s is None:
            return
        time.sleep(interval_s)


class _Watcher:
    """The live picture, until somebody leaves."""

    def __init__(self, look: Callable[[], Seen], interval_s: float, order: Order) -> None:
        self._look = look
        self._interval_s = interval_s
        self._order = order
        self._turned = False
        self._first = 0
        self._wrong: str | None = None

    def run(self) -> None:
        """Show it; the terminal is as it was afterwards, however it ends.

        Raises UnavailableError where no recorder answers from the start.
        """
        found = self._look()
        signal.signal(signal.SIGTERM, _terminated)
        console = terminal.output()
        with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            due_s = time.monotonic() + self._interval_s
            while True:
                shown = picture(
                    found,
                    self._order,
                    turned=self._turned,
                    width=console.width,
                    height=console.height,
                    first=self._first,
                    wrong=self._wrong,
                )
                live.update(shown, refresh=True)
                keys = pressed(max(0.0, due_s - time.monotonic()))
                if self._leaves(keys, len(found.products)):
                    return
                if time.monotonic() >= due_s:
                    found = self._again(found)
                    due_s = time.monotonic() + self._interval_s

    def _again(self, before: Seen) -> Seen:
        """Look again; what is gone is shown as it was, with the reason."""
        try:
            found = self._look()
        except UnavailableError as error:
            self._wrong = str(error)
            return before
        self._wrong = None
        return found

    def _leaves(self, keys: str, products: int) -> bool:
        """Do what was pressed; whether that is to leave."""
        for key, by in _MOVES.items():
            if key in keys:
                self._first = min(max(0, self._first + by), max(0, products - 1))
        if keys.startswith("\x1b"):
            return False
        for key in keys:
            if key in _QUIT:
                return True
            order = ORDERS.get(key)
            if order is not None:
                self._turned = not self._turned if Order(order) is self._order else False
                self._order, self._first = Order(order), 0
        return False


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Give what waits for keys, for at most so many seconds; lines need no Enter meanwhile."""
    number = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    if number is None:
        yield _sleep
        return
    before = termios.tcgetattr(number)

    def pressed(wait_s: float) -> str:
        if not select.select([number], [], [], wait_s)[0]:
            return ""
        return os.read(number, _KEYS_BYTES).decode("ascii", "replace") or _QUIT[0]

    try:
        tty.setcbreak(number)
        yield pressed
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(number, termios.TCSADRAIN, before)


def _sleep(wait_s: float) -> str:
    time.sleep(wait_s)
    return ""
