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
_floats = msgspec.json.Decoder(list[float]).decode  # rounds as float() does, and is faster
_count = re.compile(r"0|[1-9][0-9]{0,17}").fullmatch

# 15 significant digits always survive the way through a float64; 16 need not (2^53 + 1).
DIGITS_EXACT = 15
# What arrays of them are written with. A bracket inside a text makes no array of numbers.
_AMOUNTS = b"0123456789.,[]"
_NUMBERS = b"-0123456789.,[]"
# With one letter for digits and points, a number that has more is a run of it. So many digits and
# a point are none too many; one more digit and no point is a number that is not below the limit.
_ALIKE = bytes.maketrans(b"123456789.", b"0" * 10)
_EDGE = b"0" * (DIGITS_EXACT + 1)
_LONG = b"0" * (DIGITS_EXACT + 2)
_WHOLE_MAX = 10.0**DIGITS_EXACT


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


def exact_amounts(texts: Sequence[str], _letters: bytes = _AMOUNTS) -> list[float] | None:
    """Convert as `amounts` does, if all are of at most 15 digits, so that no text needs keeping.

    None where one is longer or breaks the grammar. Nearly all are so short.
    """
    try:
        array = f"[{','.join(texts)}]".encode()
        if array.translate(None, _letters):
            return None
        alike = array.translate(_ALIKE)
        may_be_long = _EDGE in alike
        if may_be_long and _LONG in alike:
            return None
        found = _floats(array)  # of these letters JSON makes numbers of the grammar alone
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return None
    if len(found) != len(texts):  # a comma inside a text makes two
        return None
    return None if may_be_long and max(map(abs, found)) >= _WHOLE_MAX else found


def exact_numbers(texts: Sequence[str]) -> list[float] | None:
    """The same of numbers that may be negative."""
    # JSON takes "-0" for a whole number, which has no sign.
    return None if "-0" in texts else exact_amounts(texts, _NUMBERS)


def numbers(texts: Sequence[str]) -> list[float] | None:
    """Convert many as `number` does, in one go; None where one breaks the grammar."""
    if not all(_one(text) for text in texts if len(text) > DIGITS_EXACT):
        return None  # too long; of the others what follows is enough
    if "-0" in texts:  # JSON takes it for a whole number, which has no sign
        return list(map(float, texts)) if all(map(_one, texts)) else None
    try:
        array = f"[{','.join(texts)}]".encode()
        found = None if array.translate(None, _NUMBERS) else _floats(array)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return None
    return found if found is not None and len(found) == len(texts) else None


def count(text: str) -> int:
    """Convert a whole number of 0 or more (a trade id). Raises ValueError otherwise."""
    if _count(text) is None:
        raise ValueError(f"not a whole number: {text[:40]!r}")
    return int(text)


def is_exact(text: str) -> bool:
    """Whether the float64 of a number that passed the grammar has the same value as its text."""
    length = len(text)
    if length <= DIGITS_EXACT or (length == DIGITS_EXACT + 1 and "." in text):
        return True
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    if "." in text:
        digits = digits.rstrip("0")
    if len(digits) <= DIGITS_EXACT:
        return True
    return Decimal(text) == Decimal(repr(float(text)))


def inexact(texts: Sequence[str]) -> list[str | None] | None:
    """The texts that a float64 does not give back, in their places; None if all are exact."""
    if max(map(len, texts), default=0) <= DIGITS_EXACT:
        return None
    found = [None if len(text) <= DIGITS_EXACT or is_exact(text) else text for text in texts]
    return found if any(found) else None


def plain(value: float, text: str | None = None) -> str:
    """Write a number plainly: no exponent, no trailing zeros (``65083.66``, ``8040``, ``0.1``).

    ``text`` is the wire text where the float does not give the value back.
    """
    written = format(Decimal(text if text is not None else repr(value)), "f")
    return written.rstrip("0").rstrip(".") if "." in written else written
