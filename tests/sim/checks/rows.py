"""(1) The rows of the tables are what the frames said: each row, once."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pyarrow.compute as pc

from tests.sim.checks.frames import span
from tests.sim.evidence import Evidence, Heard, read_rows
from tests.sim.wirebook import told

# A frame of which a fault says this is no rows, or not all that a lenient decoder reads in it.
DOUBTFUL = ("malformed_frame", "impossible_number", "impossible_product", "impossible_time")
PRICES = ("open", "high", "low", "close")
Said = tuple[object, ...]  # a row as far as it is compared, from its product on


class _Wire(msgspec.Struct):
    product_id: str = ""
    id: str = ""
    price: str = ""
    size: str = ""
    best_bid: str = ""
    best_ask: str = ""
    trade_id: str | int = 0
    heartbeat_counter: int = 0
    start: str = ""
    open: str = ""
    high: str = ""
    low: str = ""
    close: str = ""
    volume: str = ""
    status: str = ""
    base_increment: str | None = None
    quote_increment: str | None = None


class _Event(msgspec.Struct):
    tickers: list[_Wire] = []
    trades: list[_Wire] = []
    candles: list[_Wire] = []
    products: list[_Wire] = []
    heartbeat_counter: int | None = None


class _Frame(_Wire):
    channel: str = ""
    type: str = ""
    events: list[_Event] = []
    products: list[_Wire] = []


_read = msgspec.json.Decoder(_Frame).decode


def _number(text: str) -> float | None:
    return float(text) if text else None


def _changes(raw: bytes) -> Iterator[Said]:
    for each in told(raw):
        for is_bid, price, size in each.levels:
            yield each.product_id, "bid" if is_bid else "ask", price, size


def _tickers(raw: bytes) -> Iterator[Said]:
    frame = _read(raw)
    alone = [frame] if frame.type == "ticker" else []
    for each in (*alone, *(ticker for event in frame.events for ticker in event.tickers)):
        yield each.product_id, *map(_number, (each.price, each.best_bid, each.best_ask))


def _beats(raw: bytes) -> Iterator[Said]:
    frame = _read(raw)
    if frame.type == "heartbeat":
        yield frame.product_id, None
    elif frame.channel == "heartbeats":
        for event in frame.events:
            yield None, event.heartbeat_counter


def _candles(raw: bytes) -> Iterator[Said]:
    for event in _read(raw).events:
        for each in event.candles:
            values = each.open, each.high, each.low, each.close, each.volume
            yield each.product_id, int(each.start) * 1_000_000, *map(float, values)


def _rules(raw: bytes) -> Iterator[Said]:
    frame = _read(raw)
    for each in (*frame.products, *(each for event in frame.events for each in event.products)):
        yield each.id, each.status, each.base_increment, each.quote_increment


def _trades(raw: bytes) -> Iterator[Said]:
    frame = _read(raw)
    alone = [frame] if frame.type in {"match", "last_match"} else []
    for each in (*alone, *(trade for event in frame.events for trade in event.trades)):
        yield each.product_id, int(each.trade_id), _number(each.price), _number(each.size)


# What is compared of each table, and how a frame says the same.
TABLES: dict[str, tuple[tuple[str, ...], Callable[[bytes], Iterator[Said]]]] = {
    "level2": (("product_id", "side", "price", "size"), _changes),
    "ticker": (("product_id", "price", "best_bid", "best_ask"), _tickers),
    "heartbeats": (("product_id", "heartbeat_counter"), _beats),
    "candles": (("product_id", "start_time", *PRICES, "volume"), _candles),
    "status": (("product_id", "status", "base_increment", "quote_increment"), _rules),
}


OWN_KINDS = {"level2": "checkpoint", "status": "rest"}  # of rows that no frame brought


def check_rows(evidence: Evidence) -> Iterator[str]:
    """Every frame that came in order is its rows, in order and at its place, and no other is."""
    for table, (columns, says) in TABLES.items():
        held = _held(evidence, table, columns)
        for name, line in evidence.lines.items():
            rows = sorted(seq for of, seq in held if of == name)
            for frame in line.ordered:
                mine = [held.pop((name, seq)) for seq in _places(rows, frame)]
                if _is_doubtful(evidence, frame):
                    continue
                said = list(says(frame.raw))
                if table == "status" and not evidence.run.witness.numbered:
                    # The Exchange tells the rules of every product: only those asked for are kept.
                    said = [row for row in said if row[0] in {kept[0] for kept in mine}]
                if mine != said:
                    yield f"{table} of {name}: {_other(mine, said)} at {frame.ingest_seq}"
                    return
        if held:
            yield f"{len(held)} rows of {table} are of no frame in order: {sorted(held)[:3]}"


def _held(evidence: Evidence, table: str, columns: tuple[str, ...]) -> dict[tuple[str, int], Said]:
    """The rows of a table by session and ``ingest_seq``, without what the recorder made itself."""
    own = OWN_KINDS.get(table)
    names = ("connection_id", "ingest_seq", *columns, *(("kind",) if own else ()))
    rows = read_rows(evidence.run, table, names)
    if own and rows.num_rows:
        rows = rows.filter(pc.not_equal(rows.column("kind"), own))
    held = [rows.column(name).to_pylist() for name in names[: 2 + len(columns)]]
    return {(line, seq): tuple(rest) for line, seq, *rest in zip(*held, strict=True)}


def _places(rows: Sequence[int], frame: Heard) -> Sequence[int]:
    """Where rows of a frame stand: behind its place, with its faults between them."""
    return rows[bisect_left(rows, frame.ingest_seq) : bisect_left(rows, frame.end_seq)]


def _is_doubtful(evidence: Evidence, frame: Heard) -> bool:
    places = range(frame.ingest_seq, frame.end_seq)
    return any(row["ingest_seq"] in places and row["kind"] in DOUBTFUL for row in evidence.faults)


def _other(mine: list[Said], said: list[Said]) -> str:
    for one, other in zip(mine, said, strict=False):
        if one != other:
            return f"the row {one} is not {other}, which was sent,"
    return f"{len(mine)} rows are not {len(said)}, which were sent,"


def check_trade_rows(evidence: Evidence) -> Iterator[str]:
    """A trade's row has the price and the size that it was sent with."""
    columns = ("product_id", "trade_id", "price", "size", "kind")
    sent: dict[tuple[object, object], set[Said]] = {}
    for line in evidence.lines.values():
        for frame in line.ordered:
            try:
                for each in _trades(frame.raw):
                    sent.setdefault(each[:2], set()).add(each[2:])
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
                continue
    for row in read_rows(evidence.run, "trades", columns).to_pylist():
        said = sent.get((row["product_id"], row["trade_id"]))
        if row["kind"] != "backfill" and said and (row["price"], row["size"]) not in said:
            yield f"trade {row['trade_id']} of {row['product_id']} is not as it was sent: {said}"


def check_built(evidence: Evidence) -> Iterator[str]:
    """What is said to be recorded of a book says which snapshot it builds on."""
    columns = ("connection_id", "product_id", "book_epoch", "ingest_seq", "recv_time")
    rows = read_rows(evidence.run, "level2", columns)
    if not rows.num_rows:
        return
    loose: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows.filter(pc.is_null(rows.column("book_epoch"))).to_pylist():
        at = row["ingest_seq"], row["recv_time"]
        loose.setdefault((row["connection_id"], row["product_id"]), []).append(at)
    for row in evidence.coverage:
        first, last = row["ingest_seq_first"], row["ingest_seq_last"]
        if row["channel"] != "level2" or row["state"] == "gap" or first is None:
            continue
        # A message that shows that the book is wrong is the interval's last, at its very end.
        within = [
            seq
            for seq, at_us in loose.get((row["connection_id"], row["product_id"]), ())
            if first <= seq <= last and at_us < row["end_us"]
        ]
        if within:
            yield f"{span(row)} has rows that build on nothing: {within[:3]}"
