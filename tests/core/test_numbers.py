"""The number grammar, and what a float64 gives back."""

# ruff: noqa: RUF001  look-alikes are what is tested

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core import numbers

REFUSED = [
    "１２",
    "١٢٣",
    "1_000",
    " 12 ",
    "12 ",
    "NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "1e9999999",
    "1e5",
    "1E5",
    "+1",
    ".5",
    "5.",
    "00",
    "01",
    "-01",
    "--1",
    "",
    "-",
    ".",
    "0x10",
    "1,5",
    "1,",
    ",1",
    "[1",
    "1]",
    "1\n",
    "1\n2",
    "\n1",
    "1\x00",
    "9" * 5000,
    "0." + "1" * 5000,
    "1" * 19,
    "0." + "1" * 19,
    "0.-10000",  # seen on the Exchange feed
    "\ud800",
]
TAKEN = ["0", "1", "0.0", "0.00000000", "65083.66", "8040", "0.1", "9" * 18, "0." + "0" * 17 + "1"]

plain_numbers = st.from_regex(re.compile(numbers.NUMBER, re.ASCII), fullmatch=True)
amounts = plain_numbers.filter(lambda text: not text.startswith("-"))


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    """Whatever breaks the grammar raises ValueError before any conversion."""
    with pytest.raises(ValueError, match="not a plain decimal"):
        numbers.number(text)
    for place in ([text], ["1", text], [text, "1"]):
        with pytest.raises(ValueError, match="not a plain decimal"):
            numbers.amounts(place)


@pytest.mark.parametrize("text", TAKEN)
def test_a_plain_decimal_is_taken(text: str) -> None:
    """A number is the float of its text."""
    assert numbers.number(text) == float(text)
    assert numbers.amounts([text, text]) == [float(text)] * 2


@pytest.mark.parametrize("text", ["-1", "-0", "-0.5"])
def test_a_negative_number_is_no_amount(text: str) -> None:
    """Prices and sizes are never negative; other numbers may be."""
    assert numbers.number(text) == float(text)
    with pytest.raises(ValueError, match="0 or more"):
        numbers.amounts([text])


def test_no_amounts() -> None:
    """Nothing in, nothing out."""
    assert numbers.amounts([]) == []
    assert numbers.inexact([]) is None


def test_a_refusal_does_not_repeat_a_huge_text() -> None:
    """The reason of a fault stays short, whatever the text was."""
    with pytest.raises(ValueError, match="not a plain decimal") as raised:
        numbers.number("9" * 1_000_000)
    assert len(str(raised.value)) < 100


@pytest.mark.parametrize("text", ["0", "7", "1068571991", "9" * 18])
def test_a_count(text: str) -> None:
    """A whole number of 0 or more that fits an int64."""
    assert numbers.count(text) == int(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "00", "007", "１", "1_0", "9" * 19, "1\n"])
def test_what_is_no_count(text: str) -> None:
    """An id is written in one way only, and fits an int64."""
    with pytest.raises(ValueError, match="not a whole number"):
        numbers.count(text)


@given(plain_numbers)
def test_any_number_is_the_float_of_its_text(text: str) -> None:
    """Passing the grammar means the value of `float`."""
    assert numbers.number(text) == float(text)


@given(st.lists(amounts, max_size=8))
def test_any_amounts_are_the_floats_of_their_texts(texts: list[str]) -> None:
    """Checking in one go is checking one by one."""
    assert numbers.amounts(texts) == [float(text) for text in texts]


@given(st.text(max_size=6) | st.text("0123456789.-+eE \n_", max_size=8))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    """There is no third outcome, and both functions draw the same line."""
    is_number = re.fullmatch(numbers.NUMBER, text, re.ASCII) is not None
    try:
        value = numbers.number(text)
    except ValueError:
        assert not is_number
    else:
        assert is_number
        assert value == float(text)
    try:
        numbers.amounts([text])
    except ValueError:
        assert not is_number or text.startswith("-")
    else:
        assert is_number
        assert not text.startswith("-")


@given(plain_numbers)
def test_exact_means_that_the_float_writes_the_same_value(text: str) -> None:
    """`is_exact` is what the decimals say, on the fast path too."""
    assert numbers.is_exact(text) == (Decimal(text) == Decimal(repr(float(text))))


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("9007199254740993", False),  # 2^53 + 1: 16 characters, and no float
        ("9007199254740992", True),
        ("123456789.123456789012", False),
        ("0.1234567890123456", True),
        ("0.12345678901234567", False),
        ("0.123456789012345678", False),
        ("65083.66", True),
        ("100000000000000000", True),
        ("0.100000000000000000", True),
    ],
)
def test_numbers_at_the_edge_of_float64(text: str, exact: bool) -> None:
    """Sixteen digits may or may not survive; the text is kept where they do not."""
    assert numbers.is_exact(text) is exact
    assert numbers.inexact(["1", text]) == (None if exact else [None, text])


@given(st.lists(plain_numbers, max_size=6))
def test_the_inexact_texts_stand_in_their_places(texts: list[str]) -> None:
    """None for those that the float gives back, nothing at all where it gives back all."""
    kept = [None if numbers.is_exact(text) else text for text in texts]
    assert numbers.inexact(texts) == (kept if any(kept) else None)


@given(plain_numbers)
def test_plain_writes_the_value_without_exponent(text: str) -> None:
    """Plain notation gives back the wire's value, and is the shortest way to write it."""
    kept = None if numbers.is_exact(text) else text
    written = numbers.plain(float(text), kept)
    assert Decimal(written) == Decimal(text)
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", written)


@pytest.mark.parametrize(
    ("value", "written"),
    [(8040.0, "8040"), (1e-8, "0.00000001"), (1e22, "1" + "0" * 22), (0.1, "0.1"), (0.0, "0")],
)
def test_plain_numbers_as_people_write_them(value: float, written: str) -> None:
    """No exponent and no trailing zeros."""
    assert numbers.plain(value) == written


@given(st.lists(amounts, min_size=1, max_size=20))
def test_many_are_converted_as_one_is(texts: list[str]) -> None:
    """The fast way gives what `float` gives."""
    assert numbers.amounts(texts) == [float(text) for text in texts]


@given(st.lists(st.from_regex(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,10})?", fullmatch=True), max_size=4))
def test_short_numbers_are_those_that_floats_hold(texts: list[str]) -> None:
    """What is converted at once is what the longer way gives, and no text of it needs keeping."""
    found = numbers.exact_amounts(texts)
    if found is not None:
        assert found == numbers.amounts(texts)
        assert numbers.inexact(texts) is None
        assert [Decimal(repr(each)) for each in found] == [Decimal(text) for text in texts]


@pytest.mark.parametrize("text", [*REFUSED, "-1", "1234567890123456", "12345678.123456789"])
def test_what_is_not_short(text: str) -> None:
    """It breaks the grammar, or is left to the longer way; a comma inside makes no two numbers."""
    for texts in ([text], ["1", text], [text, "1"]):
        assert numbers.exact_amounts(texts) is None
    assert numbers.exact_amounts(["1234567.12345678", "0"]) == [1234567.12345678, 0.0]


@given(
    st.lists(
        st.from_regex(rf"{numbers.NUMBER}|-?[0-9]{{15,17}}|[-.,0-9]{{1,4}}", fullmatch=True),
        max_size=4,
    )
)
def test_short_numbers_may_be_negative(texts: list[str]) -> None:
    """Those of 15 digits at most are converted, as each is alone; a longer one refuses all."""
    found = numbers.exact_numbers(texts)
    if found is not None:
        assert list(map(repr, found)) == [repr(numbers.number(text)) for text in texts]
        assert numbers.inexact(texts) is None
        return
    assert any(
        numbers._one(text) is None
        or text == "-0"
        or len(text.lstrip("-").replace(".", "")) > numbers.DIGITS_EXACT
        for text in texts
    )


@given(st.lists(st.from_regex(rf"{numbers.NUMBER}|[-.,0-9]{{1,4}}", fullmatch=True), max_size=4))
def test_many_numbers_are_converted_as_one_is(texts: list[str]) -> None:
    """Each is what it is alone, its sign included, and one that breaks the grammar refuses all."""
    found = numbers.numbers(texts)
    if found is not None:
        assert list(map(repr, found)) == [repr(numbers.number(text)) for text in texts]
        return
    with pytest.raises(ValueError, match="number"):
        list(map(numbers.number, texts))
