"""The venue's times."""

# ruff: noqa: RUF001  look-alikes are what is tested

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core import times

# Vectors of `coinbase.md` §5.5.
RFC3339 = {
    "2026-09-08T10:00:00Z": 1788861600000000000,
    "2026-09-08T10:00:00.2Z": 1788861600200000000,
    "2026-09-08T10:00:00.39625135Z": 1788861600396251350,
    "2026-09-08T10:00:00.714964855Z": 1788861600714964855,
    "2026-09-08T10:00:00.741872Z": 1788861600741872000,
    "1970-01-01T00:00:00Z": None,
    "0001-01-01T00:00:00Z": None,
}
GO = {
    "2026-09-08 10:00:01.25788961 +0000 UTC m=+52431.507312884": 1788861601257889610,
    "2026-09-08 10:00:01 +0000 UTC": 1788861601000000000,
    "2026-09-08 10:00:01 +0000 UTC m=-1.5": 1788861601000000000,
    "0001-01-01 00:00:00 +0000 UTC": None,
}
REFUSED = [
    "",
    "Z",
    "2026-09-08T10:00:00",
    "2026-09-08T10:00:00.Z",
    "2026-09-08T10:00:00ZZ",
    "2026-09-08T10:00:00.1234567890Z",
    "2026-09-08T10:00:00.１Z",
    "2026-09-08T10:00:00.-1Z",
    "2026-09-08T10:00:00,5Z",
    "2026-09-08T10:00:00+00:00",
    "2026-09-08 10:00:00Z",
    "2026-02-30T10:00:00Z",
    "2026-09-08T24:00:01Z",
    "2026-09-08T10:00:60Z",
    "２０２６-09-08T10:00:00Z",
    "9999-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-06-01T00:00:00Z",
    "2262-01-01T00:00:00Z",
    "2026-09-08T10:00:00Z\n",
    "\ud800",
    "x" * 5000,
]


@pytest.mark.parametrize(("text", "expected"), RFC3339.items())
def test_a_time_in_rfc_3339(text: str, expected: int | None) -> None:
    """To the nanosecond, with trailing zeros cut; the epoch and year 1 are no time."""
    assert times.rfc3339_ns(text) == expected


@pytest.mark.parametrize(("text", "expected"), GO.items())
def test_a_time_as_go_prints_it(text: str, expected: int | None) -> None:
    """The monotonic tail is ignored."""
    assert times.go_time_ns(text) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_time_is_refused(text: str) -> None:
    """ValueError, also where the same second was seen just before."""
    times.rfc3339_ns("2026-09-08T10:00:00Z")
    with pytest.raises(ValueError, match="time"):
        times.rfc3339_ns(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-09-08T10:00:01 +0000 UTC",
        "2026-09-08 10:00:01 +0100 CET",
        "2026-09-08 10:00:01. +0000 UTC",
        "2026-13-08 10:00:01 +0000 UTC",
        "2026-09-08 10:00:01 +0000 UTC m=+1\n",
        "2026-09-08 10:00:01.1234567890 +0000 UTC",
    ],
)
def test_what_go_does_not_print_is_refused(text: str) -> None:
    """ValueError for every other spelling."""
    with pytest.raises(ValueError, match="time"):
        times.go_time_ns(text)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2261, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 999),
)
def test_any_time_comes_back(moment: datetime, nanoseconds: int) -> None:
    """Every nanosecond of three centuries, written as the venue does."""
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    fraction = f"{moment.microsecond:06d}{nanoseconds:03d}".rstrip("0")
    text = f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + "Z"
    assert times.rfc3339_ns(text) == whole * 1000 + nanoseconds
    go = text.replace("T", " ").removesuffix("Z") + " +0000 UTC m=+1.5"
    assert times.go_time_ns(go) == whole * 1000 + nanoseconds


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """Nothing else is raised."""
    for convert in (times.rfc3339_ns, times.go_time_ns):
        with suppress(ValueError):
            assert convert(text) is None or isinstance(convert(text), int)


rfc3339 = st.from_regex(
    r"20[0-9]{2}-0[1-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9][.]?[0-9]{0,10}[Zx]?\Z"
)


@given(st.lists(st.one_of(rfc3339, st.sampled_from(list(RFC3339)), st.text(max_size=31))))
def test_many_are_converted_as_one_is(texts: list[str]) -> None:
    """What is converted together is what each would be; the rest is left to be looked at alone."""
    found, good = times.rfc3339_many_ns(texts)
    for text, value, converted in zip(texts, found.tolist(), good.tolist(), strict=True):
        if converted:
            assert times.rfc3339_ns(text) == value
        else:
            with suppress(ValueError):
                assert "." not in text or times.rfc3339_ns(text) is None
