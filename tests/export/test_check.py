"""What was written is followed row by row, and compared where it must be."""

import numpy as np

from recorder.export.check import (
    Checked,
    Expected,
    Levels,
    Misread,
    check_books,
    check_trades,
)
from recorder.export.digests import Sum, digest_of

ROWS = [  # clears, bid, price, size
    (True, False, 0.0, 0.0),
    (False, True, 100.0, 1.0),
    (False, False, 101.0, 2.0),
    (False, True, 100.0, 0.0),
    (True, True, 99.0, 3.0),
    (False, False, 102.0, 4.0),
    (True, False, 0.0, 0.0),
]
STATES = [
    Expected(3, 10, digest_of({100.0: 1.0}, {101.0: 2.0})),
    Expected(4, 20, digest_of({}, {101.0: 2.0})),
    Expected(4, 21, digest_of({}, {101.0: 2.0})),
    Expected(6, 30, digest_of({99.0: 3.0}, {102.0: 4.0})),
    Expected(7, 40, digest_of({}, {})),
]


def pieces(*sizes):
    columns = [np.array(column) for column in zip(*ROWS, strict=True)]
    at = 0
    for size in sizes:
        yield Levels(*(column[at : at + size] for column in columns))
        at += size


def test_checkpoints_between_any_rows():
    """However the rows are cut."""
    for sizes in ([7], [3, 4], [1] * 7, [4, 0, 2, 1]):
        found, told = Checked(), []
        check_books(pieces(*sizes), STATES, found, told.append)
        assert (found.checkpoints, found.differing, found.same) == (5, 0, True)
        assert told == [10, 20, 21, 30, 40]


def test_differences():
    """The first is named; rows that are missing are a difference, too."""
    found = Checked()
    wrong = [STATES[0], STATES[1]._replace(digest=b"x"), STATES[3]._replace(digest=b"y")]
    check_books(pieces(7), wrong, found)
    assert (found.checkpoints, found.differing) == (3, 2)
    assert found.first_difference == "the book at 1970-01-01T00:00:00Z is another"
    found = Checked()
    check_books(pieces(3), STATES, found)
    assert (found.checkpoints, found.differing, found.same) == (5, 4, False)
    assert "the files end before" in found.first_difference


def test_rules_that_are_broken():
    """What a format says of its own files is a difference, with its words."""

    def broken():
        yield from pieces(3)
        raise Misread("times go back")

    found = Checked()
    check_books(broken(), STATES, found)
    assert (found.same, found.first_difference) == (False, "times go back")


def test_trades():
    """As many, and the same."""
    ours = Sum()
    ours.add(np.array([1, 2]), np.array([0.5, 0.6]))
    for rows, words in (
        ([(2, 0.6), (1, 0.5)], None),
        ([(2, 0.6)], "1 trades were written, and 2 are recorded"),
        ([(2, 0.6), (1, 0.7)], "others than those recorded"),
    ):
        found = Checked()
        columns = tuple(np.array(column) for column in zip(*rows, strict=True))
        check_trades([columns], ours, found)
        assert found.same == (words is None)
        assert (words or "") in (found.first_difference or "")
