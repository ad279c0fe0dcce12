"""(e) After a frozen market and an orderly end, the recorded book is the venue's."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import recorder
from recorder.core.frames import Carried, Closed, Ended, Frame, Noted, Opened, Sent
from tests.simulate.evidence import Captured
from tests.simulate.trial import Book, Life

SHOWN = 5
OUR_CLOSE = (1000, "recorder stopped")


def check_books(root: Path, captured: Captured, lives: Sequence[Life]) -> Iterator[str]:
    """After a frozen market and an orderly end, the recorded book is the venue's."""
    for product, at_ns, truth in comparable(captured, lives):
        yield from _check_book(root, product, at_ns, truth)


def comparable(captured: Captured, lives: Sequence[Life]) -> Iterator[tuple[str, int, Book]]:
    """Books that must be the venue's: (product, time of the last frame, the venue's book)."""
    for life in lives:
        if life.ended_hard or not life.books:
            continue
        segment = [
            arrival
            for _, arrival in captured.arrivals
            if life.spawned_ns <= arrival.recv_ns <= life.ended_ns
        ]
        times = [arrival.recv_ns for arrival in segment if isinstance(arrival, Frame)]
        for product, truth in life.books.items():
            if live_at_end(segment, product):
                yield product, max(times), truth


def _check_book(root: Path, product: str, at_ns: int, truth: Book) -> Iterator[str]:
    view = recorder.open(str(root)).book(product, at=at_ns)
    if not view.valid:
        yield f"(e) {product} at {at_ns}: the book is not valid ({view.reason}); it was whole"
    for side, mine, theirs in zip(("bid", "ask"), (view.bids, view.asks), truth, strict=True):
        got, wanted = _levels(mine), _levels(theirs)
        if got != wanted:
            yield (
                f"(e) {product} {side} at {at_ns}: {len(got)} levels, the venue has {len(wanted)}; "
                f"only here {sorted(set(got) - set(wanted))[:SHOWN]}, "
                f"only there {sorted(set(wanted) - set(got))[:SHOWN]}"
            )


def _levels(levels: Sequence[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]


def live_at_end(segment: Sequence[Any], product: str) -> bool:
    """Whether a product's book was whole at the end of a stretch, by the venue's own rules.

    It is after a snapshot, until its connection closes, a number is missing, or we unsubscribe.
    Only the close that we asked for at the end does not count: the market was frozen before.
    """
    live, due = False, 0
    for arrival in segment:
        match arrival:
            case Opened() | Carried():
                live, due = False, 0
            case Sent(raw=raw):
                request = json.loads(raw)
                if (request["type"], request["channel"]) == ("unsubscribe", "level2"):
                    live = live and product not in request.get("product_ids", [])
            case Frame(raw=raw):
                message = json.loads(raw)
                sequence = message.get("sequence_num")
                if sequence is None or sequence < due:
                    continue
                live = live and sequence == due
                due = sequence + 1
                if message["channel"] == "l2_data":
                    live = live or any(
                        event["type"] == "snapshot" and event["product_id"] == product
                        for event in message["events"]
                    )
            case Closed(code=code, reason=reason):
                live = live and (code, reason) == OUR_CLOSE
            case Ended() | Noted():
                pass
    return live
