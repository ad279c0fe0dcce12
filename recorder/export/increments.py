"""The smallest steps of a product's price and size, as the venue's rules say them."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from recorder.dataset import Dataset
from recorder.errors import UsageError


@dataclass(frozen=True, slots=True)
class Increments:
    """Steps as text, such as ``0.01``; None where the venue's rules were not recorded."""

    price: str | None = None
    size: str | None = None


def increments_of(db: Dataset, product_id: str, start_ns: int, end_ns: int) -> Increments:
    """The finest steps among the rules that held in a range; else the newest known before or after.

    A price's step is that of the list of products where it was fetched (`price_increment`), else
    `quote_increment`; a size's is `base_increment` (docs/format.md).
    """
    names = ["price_increment", "quote_increment", "base_increment", "kind"]
    for span in ((start_ns, end_ns), (None, end_ns), (None, None)):
        rows = db.status(product_id, *span, columns=names, allow_gaps=True).to_arrow()
        known = {name: _steps(rows.column(name).to_pylist()) for name in names[:3]}
        price = known["price_increment"] or known["quote_increment"]
        size = known["base_increment"]
        if price and size:
            if span[0] is None:
                return Increments(_text(price[-1]), _text(size[-1]))
            return Increments(_text(min(price)), _text(min(size)))
    return Increments()


def step_of(text: str, option: str) -> str:
    """A step as a person writes it. Raises UsageError where it is none."""
    found = _steps([text])
    if not found:
        raise UsageError(f"{text[:40]!r} is no step for {option}; write such as 0.01")
    return _text(found[0])


def decimals_of(step: str) -> int:
    """How many digits a number of such steps has behind the point.

    >>> decimals_of("0.01"), decimals_of("0.00000001"), decimals_of("5")
    (2, 8, 0)
    """
    return max(0, -int(Decimal(step).normalize().as_tuple().exponent))


def _steps(texts: list[str | None]) -> list[Decimal]:
    found = []
    for text in texts:
        try:
            step = Decimal(text or "0")
        except InvalidOperation:
            continue
        if step.is_finite() and step > 0:
            found.append(step)
    return found


def _text(step: Decimal) -> str:
    return format(step.normalize(), "f")
