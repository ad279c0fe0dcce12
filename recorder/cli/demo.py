"""The command that shows everything at once: demo."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder import config as settings
from recorder.cli import terminal, tour
from recorder.cli.embedded import embedded_venue
from recorder.cli.summary import counted
from recorder.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recorder.live import Progress

DEFAULT_ROOT = Path("data/demo")
PART_SECONDS = 2


def demo(
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long to record.")] = 20,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Record into this directory, which must be new or empty. Default: data/demo, or "
            "data/demo-2 and so on when that is there."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.01, help="How busy the market is: 1 is like Coinbase.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 1,
) -> None:
    """Record a small Coinbase on this machine and look at what was written.

    It starts the venue (see recorder venue), records it for a while, seals the files, and shows
    them: the tables, an order book, what is covered, and DuckDB queries. It needs no network and
    no key, and touches nothing but its own directory.

    Examples:
        recorder demo
        recorder demo --seconds 60 --rate 5 --data /tmp/demo
    """
    root = new_root(data)
    from recorder import live, logs  # noqa: PLC0415  heavy

    logs.configure(service=False, level="warning")
    out = terminal.output()
    with embedded_venue(rate=rate, seed=seed) as venue:
        chosen = settings.override(
            settings.load(None),
            {
                "data": ("--data", str(root)),
                "feed.url": ("--url", venue.url),
                "feed.rest_url": ("--url", venue.rest_url),
                "feed.trades_url": ("--url", venue.rest_url),
                "http.listen": ("--listen", "off"),
                "store.part_seconds": ("--part-seconds", PART_SECONDS),
            },
        )
        out.print(f"A Coinbase of our own runs at {venue.url}.")
        products = ", ".join(chosen.feed.products)
        out.print(f"Recording {products} for {seconds:g} s into {terminal.plain(root)} …\n")
        with _watch(seconds) as watch:
            summary = live.record(chosen, seal_on_exit=True, watch=watch, stop_after_s=seconds)
    if not summary.frames:
        raise UnavailableError("nothing was recorded: the embedded venue sent no frame; try again")
    out.print(f"{counted(summary)}\n")
    tour.show(summary.data, chosen.feed.products[0])


def new_root(wanted: Path | None) -> Path:
    """Give a directory that holds nothing yet; made-up data must not mix with real data.

    Raises:
        UsageError: The one that was asked for holds something.
    """
    if wanted is not None:
        if wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
            raise UsageError(
                f"{str(wanted)!r} is not an empty directory, and the data of a demo must not mix "
                "with other data; name a new one with --data, or leave it out"
            )
        return wanted
    root, number = DEFAULT_ROOT, 1
    while root.exists():
        number += 1
        root = DEFAULT_ROOT.with_name(f"{DEFAULT_ROOT.name}-{number}")
    return root


@contextmanager
def _watch(seconds: float) -> "Iterator[Callable[[Progress], None] | None]":
    with terminal.progress("Recording") as bar:
        if bar is None:
            yield None
        else:
            show = bar
            yield lambda now: show(
                min(int(now.elapsed_s * 10), int(seconds * 10)), int(seconds * 10)
            )
