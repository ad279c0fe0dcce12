"""What is told to the formats, in which order and how simplified."""

import recorder
from recorder.dataset.files import Files
from recorder.export.course import (
    Changes,
    Course,
    Day,
    Deal,
    Whole,
    engine_ns,
)
from recorder.export.scope import scope_of
from tests.dataset.scripted import at

PRODUCT = "BTC-USD"


def told(scripted, start=None, end=None, late=()):
    """The items of a course, and its counts."""
    scripted.publish()
    scope = scope_of(Files(scripted.path), PRODUCT, start, end, allow_gaps=True)
    course = Course(recorder.open(scripted.path), PRODUCT, scope.start_ns, scope.end_ns, late)
    return list(course), course.counts


def kinds(items):
    return [type(item).__name__ for item in items]


def test_a_book_from_its_snapshot_on(scripted):
    """A day, the whole book, what changes, trades as they came; checkpoints at both ends."""
    scripted.book(4, "update", [("bid", "65000", "0"), ("bid", "64999", "1")])
    scripted.trades(5, "update", [(91, 4.5, "65001", "0.1")])
    items, counts = told(scripted)
    assert kinds(items) == ["Day", "Whole", "Checkpoint", "Changes", "Deal", "Checkpoint"]
    assert items[1] == Whole(
        at(3), at(3), [(True, 65000.0, 0.5, False), (False, 65001.0, 0.25, False)], [], None
    )
    assert items[3].levels == [(True, 65000.0, 0.0, True), (True, 64999.0, 1.0, False)]
    assert items[4][:4] == (at(5), at(4.5), 91, False)
    assert items[2].digest != items[5].digest
    assert (counts.snapshots, counts.losses, counts.changes, counts.trades) == (1, 0, 2, 1)


def test_a_message_is_put_so_that_nothing_is_crossed(scripted):
    """Removals first; of several changes of a level the last."""
    scripted.book(
        4,
        "update",
        [
            ("bid", "65001", "1"),
            ("bid", "65001", "2"),
            ("offer", "65001", "0"),
            ("offer", "65002", "1"),
            ("bid", "60000", "0"),
        ],
    )
    items, _ = told(scripted)
    (changes,) = (item for item in items if isinstance(item, Changes))
    assert changes.levels == [
        (False, 65001.0, 0.0, True),
        (True, 60000.0, 0.0, False),
        (True, 65001.0, 2.0, False),
        (False, 65002.0, 1.0, False),
    ]


def test_a_book_is_lost_and_found(scripted):
    """With its connection; nothing of it is told until the next whole one."""
    scripted.book(4, "update", [("bid", "64999", "1")])
    scripted.close(5)
    scripted.connect(8, "c1")
    scripted.book(9, "snapshot", [("bid", "64000", "1")])
    items, counts = told(scripted)
    assert kinds(items)[3:] == [
        "Changes",
        "Checkpoint",
        "Lost",
        "Whole",
        "Checkpoint",
        "Checkpoint",
    ]
    lost = items[5]
    assert at(4) <= lost.local_ns <= at(5)
    assert sorted(lost.gone) == [
        (False, 65001.0, 0.0, True),
        (True, 64999.0, 0.0, True),
        (True, 65000.0, 0.0, True),
    ]
    assert (items[6].levels, items[6].gone) == ([(True, 64000.0, 1.0, False)], [])
    assert (counts.snapshots, counts.losses) == (2, 1)


def test_changes_of_a_book_that_is_not_trusted(scripted):
    """They are not told."""
    scripted.number += 1  # a frame is lost
    scripted.book(4, "update", [("bid", "64999", "1")])
    scripted.book(5, "update", [("bid", "64998", "1")])
    items, _ = told(scripted)
    assert kinds(items) == ["Day", "Whole", "Checkpoint", "Checkpoint", "Lost"]


def test_a_snapshot_over_a_book(scripted):
    """What the new one has not is named."""
    scripted.book(4, "snapshot", [("bid", "64000", "1"), ("offer", "65001", "3")])
    items, counts = told(scripted)
    second = [item for item in items if isinstance(item, Whole)][1]
    assert second.gone == [(True, 65000.0, 0.0, True)]
    assert counts.snapshots == 2


def test_two_connections(scripted):
    """One is followed, the one whose book is shown; the other one's changes are not told."""
    scripted.connect(4, "c1")
    scripted.book(5, "snapshot", [("bid", "65000", "0.5"), ("offer", "65001", "0.25")])
    number, scripted.number, scripted.line = scripted.number, 3, "c0"
    scripted.book(6, "update", [("bid", "64000", "9")])
    scripted.number, scripted.line = number, "c1"
    scripted.book(7, "update", [("bid", "64001", "8")])
    items, counts = told(scripted)
    changes = [item for item in items if isinstance(item, Changes)]
    assert [each.levels[0][1] for each in changes] == [64001.0]
    assert counts.snapshots == 1  # the second has the same levels


def test_a_range_within_an_hour(scripted):
    """It begins with the book as it was, at its start."""
    scripted.book(4, "update", [("bid", "64999", "1")])
    scripted.book(8, "update", [("bid", "64998", "1")])
    items, _ = told(scripted, at(6), at(8) + 1)
    assert kinds(items) == ["Day", "Whole", "Checkpoint", "Changes", "Checkpoint"]
    assert items[1].local_ns == at(6)
    assert len(items[1].levels) == 3


def test_a_range_that_begins_on_a_day_without_anything(scripted):
    """A gap is no day."""
    items, _ = told(scripted, at(3) - 3 * 86_400 * 10**9, at(4))
    assert kinds(items) == ["Day", "Whole", "Checkpoint", "Checkpoint"]
    assert items[0].day.isoformat() == "2026-11-10"


def test_late_trades_and_days(scripted):
    """They stand at their own time; a day that begins with one begins with the book, too."""
    day_ns = 86_400 * 10**9
    late = [
        Deal(time, time, number, None, 1.0, 1.0, None, None)
        for number, time in enumerate((at(2), at(3) + 1, at(3) + day_ns))
    ]
    scripted.book(4, "update", [("bid", "64999", "1")])
    items, counts = told(scripted, late=late)
    assert kinds(items) == [
        *("Day", "Deal", "Whole", "Checkpoint", "Deal", "Changes"),
        *("Day", "Whole", "Deal", "Checkpoint"),
    ]
    days = [item.day.isoformat() for item in items if isinstance(item, Day)]
    assert days == ["2026-11-10", "2026-11-11"]
    assert len(items[7].levels) == 3
    assert counts.late_trades == counts.trades == 3


def test_wire_texts_go_along(scripted):
    """Of changes, and of a whole book that holds some."""
    long = "0.12345678901234567"
    scripted.book(4, "update", [("bid", "64999", long), ("bid", "64998", "1")])
    scripted.book(20, "update", [("bid", "64997", "1")])
    items, _ = told(scripted)
    (first, second) = (item for item in items if isinstance(item, Changes))
    assert first.texts == {(True, 64999.0): (None, long), (True, 64998.0): (None, None)}
    assert second.texts is None
    items, _ = told(scripted, at(6), at(21))
    (whole,) = (item for item in items if isinstance(item, Whole))
    assert whole.texts[True, 64999.0] == (None, long)
    assert whole.texts[True, 65000.0] == (None, None)


def test_when_it_happened():
    """The engine's time, else the message's, else the receipt."""
    assert [engine_ns(5, 6, 7), engine_ns(None, 6, 7), engine_ns(None, None, 7)] == [5000, 6, 7]
