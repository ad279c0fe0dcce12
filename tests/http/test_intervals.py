"""What `recorder.http.intervals` promises: bounded ranges, and one reader at a time."""

import asyncio
import json
from dataclasses import replace

import pytest

from recorder.core.frames import HOUR_NS
from recorder.http import intervals
from recorder.http.answers import RefusedError
from recorder.http.intervals import Asked, Intervals, read, span_of

NOW = 1_795_299_928_015_675_844
MINUTE = 60_000_000_000
ALL = Asked(None, None, 0, None, False)


def test_without_a_range_it_is_the_last_day():
    """The same for a minute, so that answers can be kept."""
    start, end = span_of(None, None, NOW)
    assert (end, start % MINUTE) == (None, 0)
    assert 24 * HOUR_NS <= NOW - start < 24 * HOUR_NS + MINUTE
    assert span_of(None, None, NOW + MINUTE // 10)[0] - start in {0, MINUTE}


def test_times_are_text_or_numbers():
    assert span_of("2026-11-21T19:00", "1795294800", NOW) == (
        1_795_287_600_000_000_000,
        1_795_294_800_000_000_000,
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [("x", None), (None, "2026-13-01"), ("2026-11-22", "2026-11-21"), ("2026-01-01", None),
     ("2099-01-01", None), ("9" * 19, None), ("2026-11-21", "2026-11-21"), ("", None)],
)  # fmt: skip
def test_other_ranges_are_refused(start, end):
    with pytest.raises(RefusedError) as caught:
        span_of(start, end, NOW)
    assert caught.value.refusal.status == 400


def test_what_is_read_is_json(tmp_path):
    """Of a directory without anything: no intervals. Of what is no channel: nothing at all."""
    found = json.loads(read(tmp_path, ALL))
    assert (found["intervals"], found["truncated"]) == ([], False)
    assert json.loads(read(tmp_path, replace(ALL, product_id="XYZ-USD")))["intervals"] == []
    assert read(tmp_path, replace(ALL, channel="nothing")) == b""


async def test_answers_are_kept_and_read_one_at_a_time(tmp_path, monkeypatch):
    """Who asks the same gets the same; of too many the last are refused."""
    running, most, done = 0, 0, []

    async def work(_, __, asked):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done.append(asked)
        return b"{}"

    monkeypatch.setattr(intervals, "work", work)
    kept = Intervals(tmp_path)
    others = [Asked(None, None, number, None, False) for number in range(3)]
    assert await asyncio.gather(kept.get(ALL), *map(kept.get, others)) == [b"{}"] * 4
    assert (most, done) == (1, [ALL, *others[1:]])
    many = [kept.get(Asked("X-USD", None, number, None, False)) for number in range(6)]
    found = await asyncio.gather(*many, return_exceptions=True)
    assert [isinstance(each, RefusedError) for each in found] == [False] * 4 + [True] * 2


async def test_what_cannot_be_read_is_told_and_not_kept(tmp_path):
    with pytest.raises(RefusedError) as caught:
        await Intervals(tmp_path / "no").get(ALL)
    assert caught.value.refusal.status == 503
    assert str(tmp_path) not in caught.value.refusal.text
