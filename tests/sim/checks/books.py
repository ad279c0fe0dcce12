"""(2) Books on disk: what an hour begins with, and what rows say that they build on."""

from collections.abc import Iterator

import pyarrow.compute as pc

from recorder.core.frames import FIRST_OFFSET, Carried, Frame, hour_base, hour_of
from tests.sim.evidence import Evidence, read_rows
from tests.sim.witness import Truth

Key = tuple[str, str]  # connection, product


def check_checkpoints(evidence: Evidence) -> Iterator[str]:
    """The checkpoint rows of an hour are the truth after the last frame before it."""
    witness = evidence.run.witness
    if not witness.numbered:
        return  # what was lost may be missing, and nobody can tell
    now: dict[Key, Truth] = {}
    for _, arrival in evidence.arrivals:
        if isinstance(arrival, Frame):
            heard = witness.heard[arrival.connection_id]
            truth = witness.truth_of(arrival.raw, heard)
            if truth is None:
                continue
            key = (arrival.connection_id, truth.product_id)
            if key not in now or truth.number > now[key].number:
                now[key] = truth
        elif isinstance(arrival, Carried) and arrival.cause == "hour":
            yield from _check_hour(evidence, hour_of(arrival.recv_ns), now)


def _check_hour(evidence: Evidence, hour: int, now: dict[Key, Truth]) -> Iterator[str]:
    digests: dict[Key, int] = {}
    columns = ("connection_id", "product_id", "kind", "side", "price", "size", "ingest_seq")
    rows = read_rows(evidence.run, "level2", columns)
    base = hour_base(hour)
    begun = pc.and_(
        pc.greater_equal(rows.column("ingest_seq"), base),
        pc.less(rows.column("ingest_seq"), base + FIRST_OFFSET),
    )
    for row in rows.filter(begun).to_pylist():
        key = (row["connection_id"], row["product_id"])
        level = hash((row["side"] == "bid", row["price"], row["size"]))
        digests[key] = digests.get(key, 0) ^ level
    for key, digest in digests.items():
        if key not in now or now[key].digest != digest:
            yield f"the checkpoint of {key[1]} on {key[0]} is not the venue's book"


def check_epochs(evidence: Evidence) -> Iterator[str]:
    """A row's book is built on a snapshot of its own session, and nothing was lost since then."""
    columns = ("connection_id", "product_id", "kind", "book_epoch", "ingest_seq")
    rows = read_rows(evidence.run, "level2", columns)
    if not rows.num_rows:
        return
    first = rows.filter(pc.equal(rows.column("book_epoch"), rows.column("ingest_seq")))
    begins = {
        row["ingest_seq"]: (row["connection_id"], row["product_id"])
        for row in first.filter(pc.not_equal(first.column("kind"), "update")).to_pylist()
    }
    built = rows.filter(pc.is_valid(rows.column("book_epoch")))
    last = built.group_by(["connection_id", "product_id", "book_epoch"]).aggregate(
        [("ingest_seq", "max")]
    )
    for row in last.to_pylist():
        connection_id, product_id = row["connection_id"], row["product_id"]
        epoch, last_seq = row["book_epoch"], row["ingest_seq_max"]
        what = f"rows of {product_id} on {connection_id} up to {last_seq}"
        if begins.get(epoch) != (connection_id, product_id):
            yield f"{what} build on {epoch}, which is no snapshot of theirs"
        for each in evidence.lines[connection_id].breaks:
            if epoch < each.after.ingest_seq <= last_seq:
                yield f"{what} build on {epoch}, and frames before {each.after.number} were lost"
