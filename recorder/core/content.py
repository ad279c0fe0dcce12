"""What the messages of a frame come to: rows, books, trades, coverage, and doubts about them."""

from recorder.core.asking import BEGIN_WITH_DATA, Key
from recorder.core.audit import Audit
from recorder.core.book import Book, BookState
from recorder.core.coverage import Missing
from recorder.core.flow import Flow
from recorder.core.frames import ADVANCED
from recorder.core.knowledge import Knowledge, Place
from recorder.core.lag import Lag
from recorder.core.messages import (
    HEARTBEATS,
    LEVEL2,
    STATUS,
    TRADES,
    USER,
    Candle,
    Fact,
    Heartbeat,
    Level2,
    Message,
    ProductStatus,
    Subscriptions,
    Ticker,
    Trade,
    Trades,
    UserOrders,
)
from recorder.core.rows import (
    candle_rows,
    heartbeat_rows,
    level2_rows,
    status_rows,
    ticker_rows,
    trades_rows,
    user_order_rows,
)
from recorder.core.session import Kinship
from recorder.core.trades import TradeIds
from recorder.core.wire.venues import wire_of

ONLINE = ("", "online")


def take(known: Knowledge, message: Message, channel: str, place: Place) -> None:
    """Take one message of a frame that came in order."""
    if isinstance(message, Subscriptions):
        _served(known, message, place)
        return
    product_id = message.product_id
    is_asked = product_id in place.session.asked.get(channel, ())  # nearly always
    if not (is_asked and (channel, product_id) in known.coverage.tracks) and not _admits(
        known, channel, product_id, place
    ):
        return
    match message:
        case Level2():
            _level2(known, message, place)
        case Trades():
            _trades(known, message, place)
        case Ticker():
            first = _sees(known, channel, message.product_id, 1, place)
            place.step.rows.append(ticker_rows(message, place.origin, first))
            _audit(known, message, place)
        case Heartbeat():
            _heartbeat(known, message, place)
        case ProductStatus():
            _status(known, message, place)
        case Candle():
            first = _sees(known, channel, message.product_id, 1, place)
            place.step.rows.append(candle_rows(message, place.origin, first))
        case UserOrders():
            _orders(known, message, place)


def _admits(known: Knowledge, channel: str, product_id: str | None, place: Place) -> bool:
    """Whether data becomes rows: strangers do too, with a fault once, but not without end."""
    kin = Kinship.OWN
    if product_id is not None:
        kin = place.session.kinship(channel, product_id)
    admitted = kin is not Kinship.REFUSED and known.coverage.admits((channel, product_id))
    if admitted and kin is not Kinship.NEW:
        return True
    detail = f"{channel} of {product_id} came, which was not asked for; " + (
        "kept" if admitted else "one of too many, so it is in the capture only"
    )
    known.fault("unexpected_product", detail, place, channel=channel, product_id=product_id)
    return admitted


def _sees(known: Knowledge, channel: str, product_id: str | None, rows: int, place: Place) -> int:
    """Reserve the numbers of rows of a channel and product, and note the coverage."""
    session, now_ns = place.session, place.origin.recv_ns
    key: Key = (channel, product_id)
    is_product = channel != LEVEL2 and product_id is not None
    if is_product and channel in wire_of(session.venue).UNFILTERED:
        key = (channel, None)
    silence_ns = session.came(key, now_ns) if session.promises(key) else None
    if silence_ns is not None:
        flow = known.flows.get(key)
        if flow is None:
            flow = known.flows[key] = Flow()
        flow.take(silence_ns)
    if channel != LEVEL2:
        known.begin(key, place)
    if not rows:
        return place.ingest_seq
    first = place.take(rows)
    known.coverage.saw(key, session.connection_id, first, first + rows - 1)
    return first


def _served(known: Knowledge, message: Subscriptions, place: Place) -> None:
    """What the venue promises is recorded from here; a book, and what begins with data, from that.

    An answer may list what never delivers (`coinbase.md` §1.6.2).
    """
    session = place.session
    session.served(message.channels, place.origin.recv_ns)
    unfiltered = wire_of(session.venue).UNFILTERED
    for channel, product_ids in message.channels.items():
        if channel == LEVEL2:
            continue
        keys: list[Key] = [(channel, None)]
        if channel not in unfiltered:
            keys = [(channel, each) for each in product_ids if session.knows(channel, each)]
        for key in keys:
            if channel not in BEGIN_WITH_DATA or key in session.spoken:
                known.begin(key, place)


# --- books --------------------------------------------------------------------------------------


def _level2(known: Knowledge, message: Level2, place: Place) -> None:
    product_id, connection_id = message.product_id, place.session.connection_id
    rows = len(message.prices)
    if not place.session.promises((LEVEL2, product_id)):
        # Nothing follows it up: what there is of it is no book.
        known.doubt_book(connection_id, product_id, "not_asked_for", place.step)
        first = _sees(known, LEVEL2, product_id, rows, place)
        if rows:
            place.step.rows.append(level2_rows(message, place.origin, first, None))
        return
    book = known.books.get((connection_id, product_id))
    if book is None:
        book = known.books[connection_id, product_id] = Book(product_id)
    if message.snapshot:
        place.session.snapshot_came(product_id)
        known.begin((LEVEL2, product_id), place)
    first = _sees(known, LEVEL2, product_id, rows, place)
    if message.snapshot:
        book.load(message, first)
        fields = {"connection_id": connection_id, "product_id": product_id, "levels": rows}
        place.step.facts.append(Fact("book_live", fields))
    elif book.state is BookState.LIVE:
        book.apply(message)
    elif book.state is BookState.EMPTY:
        _joined_late(known, book, place)
    if book.state is BookState.LIVE:
        look_at_top(known, book, place)
    if rows:
        place.step.rows.append(level2_rows(message, place.origin, first, book.epoch))


def _joined_late(known: Knowledge, book: Book, place: Place) -> None:
    """Changes of a book before its snapshot; said once, for the next ones find it STALE."""
    book.state = BookState.STALE
    key = (LEVEL2, book.product_id)
    known.coverage.expect(key, place.origin.recv_ns, "joined_late", quiet=False)
    known.fault(
        "update_before_snapshot", "kept as rows, not applied to a book", place,
        channel=LEVEL2, product_id=book.product_id, keep_raw=False,
    )  # fmt: skip


def look_at_top(known: Knowledge, book: Book, place: Place) -> None:
    """A book that is crossed, or that tickers disagree with again and again, is wrong."""
    product_id, now_ns = book.product_id, place.origin.recv_ns
    bid, ask = book.best_bid(), book.best_ask()
    if bid is not None and ask is not None and bid >= ask:
        detail = f"best bid {bid} is not below best ask {ask}"
        known.fault("book_crossed", detail, place, channel=LEVEL2, product_id=product_id)
        known.lose_books((product_id,), "book_crossed", place)
        return
    audit = known.audits.get((place.session.connection_id, product_id))
    if audit is not None:
        audit.moved((bid, ask), now_ns)
        if audit.run:
            _judge(known, audit, product_id, place)


def _audit(known: Knowledge, ticker: Ticker, place: Place) -> None:
    bid, ask = ticker.values.get("best_bid"), ticker.values.get("best_ask")
    audit_prices(known, ticker.product_id, bid, ask, place)


def audit_prices(
    known: Knowledge, product_id: str, bid: float | None, ask: float | None, place: Place
) -> None:
    """Hold prices that a ticker named against the book of the same connection."""
    key = (place.connection_id, product_id)
    book = known.books.get(key)
    if bid is None or ask is None or book is None or book.state is not BookState.LIVE:
        return
    now_ns = place.origin.recv_ns
    audit = known.audits.get(key)
    if audit is None:
        audit = known.audits[key] = Audit(now_ns)
    if audit.top == (None, None):
        audit.top = (book.best_bid(), book.best_ask())
    audit.ticked(bid, ask, now_ns)
    _judge(known, audit, product_id, place)


def _judge(known: Knowledge, audit: Audit, product_id: str, place: Place) -> None:
    if not audit.doubtful(place.origin.recv_ns):
        return
    detail = f"{audit.run} tickers in a row named prices that were not the book's best"
    known.fault(
        "book_disagrees", detail, place, channel=LEVEL2, product_id=product_id, keep_raw=False
    )
    known.lose_books((product_id,), "book_disagrees", place)


# --- trades -------------------------------------------------------------------------------------


def _trades(known: Knowledge, message: Trades, place: Place) -> None:
    """Keep the trades that are new; a snapshot repeats the last 100 after every reconnect."""
    product_id = message.product_id
    new, repeated, holes = _taken(known, message, place)
    if repeated and not message.snapshot:
        detail = f"trades recorded before came again in an update: {repeated[:20]}"
        known.fault("trade_repeated", detail, place, channel=TRADES, product_id=product_id)
    if holes:
        _miss_trades(known, product_id, holes, place)
    if not message.trades:
        return  # none of them can be read: nothing is recorded by this
    first = _sees(known, TRADES, product_id, len(new), place)
    if new:
        # A snapshot has the last hundred of the quietest product, too.
        count = 0 if message.snapshot else len(new)
        place.session.trades(product_id, count, place.origin.recv_ns)
        kind = "snapshot" if message.snapshot else "update"
        rows = trades_rows(product_id, kind, new, place.origin, first)
        place.step.rows.append(rows)


def _taken(known: Knowledge, message: Trades, place: Place) -> tuple[list[Trade], list[int], int]:
    """Take the ids; returns the new trades, those recorded before, and how many are missing."""
    product_id = message.product_id
    ids = known.trades.get(product_id)
    if ids is None:
        ids = known.trades[product_id] = TradeIds()
    elsewhere = known.elsewhere.get(product_id)
    new: list[Trade] = []
    repeated: list[int] = []
    holes = 0
    for trade in message.trades:
        if ids.is_far(trade.trade_id):
            holes += _jumped(known, ids, trade, place)
        is_new, missing = ids.take(trade.trade_id)
        if not is_new:
            repeated.append(trade.trade_id)
        elif elsewhere is not None and elsewhere.holds(trade.trade_id):
            known.messages["market_trades/in later hours"] += 1
        else:
            new.append(trade)
        holes += _tell_hole(known, product_id, missing, trade.trade_id - 1, place)
    for trade_id in message.unread:
        holes += _tell_hole(known, product_id, ids.miss(trade_id), trade_id, place)
    return new, repeated, holes


def _tell_hole(known: Knowledge, product_id: str, count: int, last: int, place: Place) -> int:
    """Write down that so many ids up to ``last`` are missing, if any are; returns how many."""
    if count:
        detail = f"trade ids {last - count + 1} … {last} are missing"
        known.fault(
            "trade_id_gap", detail, place, channel=TRADES, product_id=product_id, keep_raw=False
        )
    return count


def _jumped(known: Knowledge, ids: TradeIds, trade: Trade, place: Place) -> int:
    """An id is far from the recorded ones; returns how many are missing in between, if it counts.

    One alone may be wrong, and a hole up to it would never be filled.
    """
    recorded = f"{ids.first} … {ids.last}, which are recorded"
    count = 0
    if ids.odd is not None and ids.last is not None and ids.goes_on(trade.trade_id):
        count = max(0, ids.odd - ids.last - 1)
        detail = f"trade ids go on from {ids.odd}, far from {recorded}; nothing between is fetched"
    else:
        detail = f"trade id {trade.trade_id} is far from {recorded}; kept, and not relied on"
    known.fault("trade_id_jump", detail, place, channel=TRADES, product_id=trade.product_id)
    return count


def _miss_trades(known: Knowledge, product_id: str, count: int, place: Place) -> None:
    """Trades are missing: a gap since the last trade of the connection.

    After a gap, or at its begin, since it counts as recording them; what was before is a gap.
    """
    key: Key = (TRADES, product_id)
    session, connection_id = place.session, place.connection_id
    since_ns = known.coverage.recording_since(key, connection_id)
    if since_ns is None:  # nobody records it, or another connection: they lie in the gap that is
        known.coverage.want(key, count)
        return
    if key in session.spoken:
        since_ns = session.heard_ns[key]
    missing = Missing(since_ns, "trade_id_gap", messages_missing=count, connection_id=connection_id)
    known.note(
        known.coverage.end(key, connection_id, since_ns, missing), place.ingest_seq, place.step
    )
    known.begin(key, place)


# --- the rest -----------------------------------------------------------------------------------


def _heartbeat(known: Knowledge, message: Heartbeat, place: Place) -> None:
    first = _sees(known, HEARTBEATS, message.product_id, 1, place)
    place.step.rows.append(heartbeat_rows(message, place.origin, first))
    if message.product_id is not None and message.last_trade_id is not None:
        _named(known, message.product_id, message.last_trade_id, place)
    counter = message.heartbeat_counter
    if counter is None:
        return
    before = place.session.jumped(counter)
    if before is not None:
        known.tallies.beats_missed += max(0, counter - before - 1)
        detail = f"the venue's counter went from {before} to {counter}"
        known.fault("heartbeat_jump", detail, place, channel=HEARTBEATS, keep_raw=False)


def _named(known: Knowledge, product_id: str, trade_id: int, place: Place) -> None:
    """A product's newest trade, as the venue says: it must be recorded, or come soon."""
    key: Key = (TRADES, product_id)
    session, ids, now_ns = place.session, known.trades.get(product_id), place.origin.recv_ns
    if ids is None or ids.last is None or key not in session.spoken or ids.is_far(trade_id):
        return
    lag = session.lags.setdefault(product_id, Lag())
    if not lag.takes(ids.last, trade_id, now_ns):
        return
    silent_s = (now_ns - session.heard_ns[key]) / 1e9
    detail = (
        f"the venue's last trade is {lag.trade_id}, the last one that came is {ids.last}, "
        f"{silent_s:.0f} s ago; asked again"
    )
    known.fault(
        "trades_behind", detail, place, channel=TRADES, product_id=product_id, keep_raw=False
    )
    missing = Missing(now_ns, "trades_behind", connection_id=place.connection_id)
    ended = known.end_trades(session, product_id, missing)
    known.note(ended, place.ingest_seq, place.step)
    known.ask_again(TRADES, (product_id,), "trades_behind", place)


def _orders(known: Knowledge, message: UserOrders, place: Place) -> None:
    """Keep the account's own orders; positions in futures are counted and not kept."""
    known.private = True
    if message.positions:
        known.messages["user/positions"] += message.positions
    first = _sees(known, USER, None, len(message.orders), place)
    if message.orders:
        place.step.rows.append(user_order_rows(message, place.origin, first))


def _status(known: Knowledge, message: ProductStatus, place: Place) -> None:
    """A product's rules. The Exchange tells those of every product: only ours become rows."""
    product_id, session = message.product_id, place.session
    if session.venue != ADVANCED and not session.wants(product_id):
        _sees(known, STATUS, product_id, 0, place)
        return
    first = _sees(known, STATUS, product_id, 1, place)
    place.step.rows.append(status_rows(message, place.origin, first))
    status = message.rules.get("status") or ""
    before = known.statuses.get(product_id)
    known.statuses[product_id] = status
    if status == before or (before is None and status in ONLINE):
        return
    fields = {"product_id": product_id, "status": status, "before": before or ""}
    place.step.facts.append(Fact("product_status_changed", fields))
    detail = f"{status or 'no status'}, {before if before is not None else 'not known'} before"
    known.fault(
        "product_status", detail, place, channel=STATUS, product_id=product_id, keep_raw=False
    )
