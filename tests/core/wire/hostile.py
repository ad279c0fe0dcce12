"""Ways to spoil a frame, and values that no wire module may take for good ones."""

# ruff: noqa: RUF001  look-alikes are what is tested

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

EXTRAS: tuple[Any, ...] = (1, "x", None, {"deep": [{}]}, [1.5], True)
WRONG: tuple[Any, ...] = (*(None, True, -1, 1.5, 2**64, "", "NaN", "\x00", [], [[]], {}, {"a": 1}),)
NESTS = {"100 deep": 100, "100,000 deep": 100_000}

BAD_NUMBERS = [
    "1e9999999",
    "NaN",
    "Infinity",
    "１２",
    "-1",
    "+1",
    "",
    " 1 ",
    "1_0",
    "5.",
    "\x00",
    "1\n2",
]

BAD_PRODUCTS = [
    "../../etc",
    "BTC-USD\x00",
    "CON",
    "X" * 300,
    "BTC-USD" * 50,
    "ВТС-USD",  # Cyrillic
    "BTC-USＤ",  # full width
    "btc-usd",
    "BTC_USD",
    "BTC-USD\n",
    "-USD",
    "BTC-",
    "A-B-C-D-E",
    "",
    ".",
    "BTC/USD",
]

NO_FRAMES = [
    b"",
    b" ",
    b"null",
    b"3",
    b'"x"',
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"\x00",
    b"NaN",
    b'{"channel":"\\ud800","sequence_num":3}',
    b'{"channel":"\xed\xa0\x80","sequence_num":3}',
    b'{"type":"error","message":"\\ud800"}',
    b'{"type":"error","message":"\xed\xa0\x80"}',
    b'{"type":"error"}',
    b'{"type":"error","message":[1,{"a":null}]}',
    b'{"type":"error","message":' + b"1" * 5000 + b"}",
    b"\xef\xbb\xbf{}",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value, from outside in."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects_in(each)


def fields_of(body: Any) -> list[tuple[int, str]]:
    """Every field, as (number of its object, key)."""
    return [(at, key) for at, each in enumerate(objects_in(body)) for key in each]


def dump(body: Any) -> bytes:
    """As the wire writes it: text as it is."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def finite(value: Any) -> bool:
    """Whether JSON can write it."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
