"""Items of a course by hand; times are nanoseconds behind the begin of a second."""

from datetime import date

from recorder.export.course import Changes, Day, Deal, Lost, Whole

BASE_NS = 1_795_289_400_000_000_000
DAY = Day(date(2026, 11, 21))
NEXT_DAY = Day(date(2026, 11, 22))


def levels(bids, asks, *, held=False):
    return [
        *((True, price, size, held) for price, size in bids),
        *((False, price, size, held) for price, size in asks),
    ]


def whole(at_ns, bids=((100.0, 1.0),), asks=((101.0, 2.0),), *, gone=(), exch_ns=None, texts=None):
    exch_ns = at_ns if exch_ns is None else exch_ns
    return Whole(BASE_NS + at_ns, BASE_NS + exch_ns, levels(bids, asks), list(gone), texts)


def changes(at_ns, bids=(), asks=(), *, held=True, exch_ns=None, texts=None):
    exch_ns = at_ns if exch_ns is None else exch_ns
    return Changes(BASE_NS + at_ns, BASE_NS + exch_ns, levels(bids, asks, held=held), texts, 7)


def deal(at_ns, trade_id=1, *, exch_ns=None, buy=True, price=101.0, size=0.5):
    exch_ns = at_ns if exch_ns is None else exch_ns
    return Deal(BASE_NS + at_ns, BASE_NS + exch_ns, trade_id, buy, price, size, None, None)


def lost(at_ns, gone=()):
    return Lost(BASE_NS + at_ns, BASE_NS + at_ns, list(gone))


def written(writer, *items):
    """The paths of what a writer makes of items."""
    for item in items:
        writer.take(item)
    return writer.finish()
