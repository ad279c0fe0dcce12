"""No second counts twice, whatever overlaps."""

import random

import pytest

from recorder.core.frames import HOUR_NS
from recorder.dataset.shares import DAY_NS, Piece, Seen, Share, added, by_hour, length_ns

S = 10**9
DAY = 20_000
BEGIN = DAY * DAY_NS


def piece(start_s: int, end_s: int, seen: Seen) -> Piece:
    return Piece(BEGIN + start_s * S, BEGIN + end_s * S, seen)


def test_the_worst_of_what_overlaps_counts():
    """A gap before what nobody recorded, that before unverified."""
    pieces = [piece(0, 100, Seen.UNVERIFIED), piece(50, 90, Seen.MISSING), piece(60, 70, Seen.GAP)]
    first = by_hour(pieces, DAY, BEGIN + DAY_NS)[0]
    assert first == Share(3500, 60, 10, 30, 0, 1)


def test_every_hour_adds_up():
    """Against a second hand: recorded, unverified, lost, missing and to come make an hour."""
    rng = random.Random(7)
    for _ in range(20):
        pieces = []
        for _ in range(rng.randrange(8)):
            start = rng.randrange(86_000)
            length = rng.choice([0, 5, 400, 20_000])
            pieces.append(piece(start, min(start + length, 86_400), rng.choice(list(Seen)[1:])))
        told_s = rng.choice([86_400, 50_000, 0])
        shares = by_hour(pieces, DAY, BEGIN + told_s * S)
        for at in rng.sample(range(24), 4):
            seconds = [0] * 4
            for second in range(at * 3600, min((at + 1) * 3600, told_s)):
                now = BEGIN + second * S
                seen = [each.seen for each in pieces if each.start_ns <= now < each.end_ns]
                seconds[max(seen, default=Seen.RECORDED)] += 1
            share = shares[at]
            assert [share.recorded_s, share.unverified_s, share.missing_s, share.gap_s] == seconds
            assert sum(seconds) + share.ahead_s == 3600


@pytest.mark.parametrize(
    ("share", "state", "part"),
    [
        (Share(3600), "recorded", 1.0),
        (Share(1800, ahead_s=1800), "recorded", 1.0),
        (Share(1800, 1800), "unverified", 1.0),
        (Share(3600, gaps=1), "gap", 1.0),
        (Share(2700, 0, 900, gaps=1), "gap", 0.75),
        (Share(900, 0, 0, 2700), "partly", 0.25),
        (Share(900, 0, 1, 2699, gaps=1), "gap", 0.25),
        (Share(0, 0, 0, 3600), "missing", 0.0),
        (Share(0, 0, 3600, 0, gaps=1), "gap", 0.0),
        (Share(ahead_s=3600), "ahead", None),
    ],
)
def test_a_share_in_a_word(share, state, part):
    """Whole only where nothing is missing; a gap only where something was lost."""
    assert (share.state, share.part) == (state, part)


def test_shares_add_up():
    """Each of their seconds and gaps."""
    one, other = Share(1, 2, 3, 4, 5, 6), Share(10, 20, 30, 40, 50, 60)
    assert added([one, other]) == Share(11, 22, 33, 44, 55, 66)
    assert added([]) == Share()
    assert HOUR_NS * 24 == DAY_NS


def test_overlaps_count_once_in_a_length():
    """In whatever order, within each other, and without length."""
    assert length_ns([(5, 8), (0, 3), (2, 4), (3, 3), (6, 7)]) == 7
    assert length_ns([]) == 0


def test_percents_are_rounded_down():
    """100 % is all of it, on a terminal and in a picture alike."""
    shares = (Share(8.0), Share(99.9999, gap_s=0.0001), Share(gap_s=2.0), Share(ahead_s=5.0))
    assert [each.percent for each in shares] == ["100 %", "99.999 %", "0.000 %", ""]
