"""Rows of many frames as columns: those that each frame has alone."""

from recorder.core.collected import COLLECTED, Collected, trades_apart
from recorder.core.frames import FIRST_OFFSET, Frame
from recorder.core.knowledge import Step
from recorder.core.messages import Level2, Ticker, Trades
from recorder.core.rows import Columns, Origin, Rows, level2_rows, ticker_rows, trades_rows
from recorder.core.tables import TABLES
from recorder.core.wire import advanced
from recorder.core.wire.advanced_many import CHANGES, TICKER, decode_many
from recorder.store.columns import to_arrow
from tests.bench.traffic import make

EPOCH = 7


def alone(ingest_seq: int, frame: Frame) -> Rows:
    """The rows of one frame, from its own message."""
    decoded = advanced.decode(frame.raw)
    origin = Origin(frame.recv_ns, frame.connection_id, decoded.sequence, decoded.exchange_ns)
    (message,) = decoded.messages
    if isinstance(message, Level2):
        return level2_rows(message, origin, ingest_seq, EPOCH)
    if isinstance(message, Trades):
        return trades_rows(message.product_id, "update", message.trades, origin, ingest_seq)
    assert isinstance(message, Ticker)
    return ticker_rows(message, origin, ingest_seq)


def test_rows_of_many_frames_are_those_of_each() -> None:
    """Columns hold what the blocks of single frames hold, in their order."""
    stamped = [each for each in make(900, 0.01, 3.0) if b'"update"' in each[1]]
    frames = [
        (FIRST_OFFSET + 10_000 * at, Frame(recv_ns, f"ws{at % 2}", raw))
        for at, (recv_ns, raw) in enumerate(stamped)
    ]
    many = decode_many([frame.raw for _, frame in frames])
    rows, told, traded = Collected(frames, many), iter(many.told), iter(many.traded)
    for at, kind in enumerate(many.kinds):
        if kind == CHANGES:
            rows.changes.append(at)
            rows.epochs.append(EPOCH)
        elif kind == TICKER:
            rows.tickers.append(at)
            rows.told.append(next(told))
        else:
            rows.trades.append(at)
            rows.traded.append(next(traded))
    step = Step()
    rows.give(step)
    rows.give(step)  # nothing is left
    blocks = [alone(*each) for each in frames]
    assert {block.table for block in step.rows} == COLLECTED
    for block in step.rows:
        table = TABLES[block.table]
        single = to_arrow(table, [each for each in blocks if each.table == table.name])
        assert to_arrow(table, [block]).equals(single)
    (traded_block,) = [block for block in step.rows if block.table == "trades"]
    assert isinstance(traded_block, Columns)
    apart = trades_apart(traded_block)
    wanted = [each for each in blocks if each.table == "trades"]
    assert len(apart) > 1
    assert [_plain(each) for each in apart] == [_plain(each) for each in wanted]


def _plain(block: Rows) -> tuple[int, list[object]]:
    values = [list(each) if isinstance(each, range) else each for each in block.values]
    return block.count, values


def test_nothing_is_given_of_nothing() -> None:
    """No frames, no rows."""
    step = Step()
    Collected([], decode_many([])).give(step)
    assert step.rows == []
