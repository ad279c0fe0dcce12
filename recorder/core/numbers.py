"""Numbers as the venue writes them, and whether a float64 gives them back.

A strict ASCII decimal grammar stands before every conversion: ``Decimal`` and ``float`` accept
full-width digits, underscores, white space, ``NaN`` and exponents, and
``int(Decimal("1e9999999"))`` runs for minutes. Prices and sizes of Coinbase have at most 8 digits
after the point (`coinbase.md` §4); the grammar allows 18 and 18.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

NUMBER = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"
_one = re.compile(NUMBER).fullmatch
# A JSON array of numbers of the grammar; possessive, because nothing is gained by trying again.
_AMOUNT = r"(?:0|[1-9][0-9]{0,17}+)(?:\.[0-9]{1,18}+)?+"
_array = re.compile(rf"\[{_AMOUNT}(?:,{_AMOUNT})*+\]").fullmatch
# Numbers of at most 15 digits, so that floats give them back (below).
_SHORT = r"(?:0|[1-9][0-9]{0,6}+)(?:\.[0-9]{1,8}+)?+"
_short_array = re.compile(rf"\[{_SHORT}(?:,{_SHORT})*+\]").fullmatch
_floats = msgspec.json.Decoder(list[float]).decode  # rounds as float() does, and is faster
_count = re.compile(r"0|[1-9][0-9]{0,17}").fullmatch

# 15 significant digits always survive the way through a float64; 16 need not (2^53 + 1).
_DIGITS_EXACT = 15


def number(text: str) -> float:
    """Convert one number, possibly negative. Raises ValueError where it breaks the grammar."""
    if _one(text) is None:
        raise ValueError(f"not a plain decimal number: {text[:40]!r}")
    return float(text)


def amounts(texts: Sequence[str]) -> list[float]:
    """Convert many numbers that cannot be negative (prices, sizes), checked in one go.

    Raises ValueError naming the first that breaks the grammar.
    """
    if not texts:
        return []
    array = f"[{','.join(texts)}]"
    # The count refuses a comma inside a text, which would pass as two numbers.
    if _array(array) is None or array.count(",") != len(texts) - 1:
        for text in texts:
            if _one(text) is None or text.startswith("-"):
                raise ValueError(f"not a plain decimal number of 0 or more: {text[:40]!r}")
    return _floats(array)


def exact_amounts(texts: Sequence[str]) -> list[float] | None:
    """Convert as `amounts` does, if all are of at most 7 digits before the point and 8 after it.

    None where one is longer or breaks the grammar. Most are so short, and no text needs keeping.
    """
    array = f"[{','.join(texts)}]"
    if _short_array(array) is None:
        return None
    numbers = _floats(array)
    return numbers if len(numbers) == len(texts) else None  # a comma inside a text makes two


def count(text: str) -> int:
    """Convert a whole number of 0 or more (a trade id). Raises ValueError otherwise."""
    if _count(text) is None:
        raise ValueError(f"not a whole number: {text[:40]!r}")
    return int(text)


def is_exact(text: str) -> bool:
    """Whether the float64 of a number that passed the grammar has the same value as its text."""
    if len(text) <= _DIGITS_EXACT:
        return True
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    if "." in text:
        digits = digits.rstrip("0")
    if len(digits) <= _DIGITS_EXACT:
        return True
    return Decimal(text) == Decimal(repr(float(text)))


def inexact(texts: Sequence[str]) -> list[str | None] | None:
    """The texts that a float64 does not give back, in their places; None if all are exact."""
    if max(map(len, texts), default=0) <= _DIGITS_EXACT:
        return None
    found = [None if is_exact(text) else text for text in texts]
    return found if any(found) else None


def plain(value: float, text: str | None = None) -> str:
    """Write a number plainly: no exponent, no trailing zeros (``65083.66``, ``8040``, ``0.1``).

    ``text`` is the wire text where the float does not give the value back.
    """
    written = format(Decimal(text if text is not None else repr(value)), "f")
    return written.rstrip("0").rstrip(".") if "." in written else written
