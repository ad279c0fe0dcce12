"""What the venue's list says of the products that are recorded: rows of `status`.

The list has more than the channel: the step of a price, whether it is traded, other names
(`coinbase.md` §1.13.1, §2.7.1). It concerns no connection and no coverage.
"""

from itertools import count

import msgspec

from recorder.core.backfill import REST
from recorder.core.frames import Listed
from recorder.core.knowledge import Step
from recorder.core.messages import ProductStatus
from recorder.core.rows import Origin, status_rows

_read = msgspec.json.Decoder(list[dict[str, str | None]]).decode


def listed(mark: Listed, ingest_seq: int, step: Step) -> None:
    """Make a row of each product, in the order of the list."""
    origin = Origin(mark.recv_ns, REST, None, None)
    numbers = count(ingest_seq)
    for rules in _read(mark.products):
        product_id = rules.pop("product_id")
        if product_id:
            message = ProductStatus(product_id, snapshot=False, rules=rules)
            step.rows.append(status_rows(message, origin, next(numbers), "rest"))
