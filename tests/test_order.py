"""The order of system calls: of one whole session, and that each rule can be broken."""

from itertools import chain
from pathlib import PurePosixPath

import pytest

from tests.order import trace
from tests.order.__main__ import judge_lines, judge_session
from tests.order.rules import RULES

ROOT = "/r"
HEAD = r'"P*M\30 \0\0\0RCB1\0\0\0\1\0\0\0\0\1\0\0\0d\0\0\0\1\0\0\0"'  # offsets 2^24 … + 100
SEGMENT = f"{ROOT}/capture/2026111019/0000000016777216.cap"
PART = f"{ROOT}/live/level2/2026111019-000016777216-000016777316.parquet"
CUT = f"{ROOT}/live/cuts/2026111019-000016777216-000016777316.json"
FILE = f"{ROOT}/status/date=2026-11-10/hour=19/status-20261110T19.parquet"
COMMIT = f"{ROOT}/commits/2026111019.json"
CURRENT = f"{ROOT}/current.json"
DAY_FILE = f"{ROOT}/packed/status/date=2026-11-10/status-20261110.parquet"
DAY = f"{ROOT}/commits/20261110.json"


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def create(path: str) -> list[str]:
    return [f'9 openat(AT_FDCWD</>, "{path}", O_WRONLY|O_CREAT, 0640) = 3<{path}>']


def write(path: str, text: str = '"x"') -> list[str]:
    return [f"9 write(3<{path}>, {text}, 40) = 40"]


def sync(path: str) -> list[str]:
    return [f"9 fsync(3<{path}>) = 0"]


def rename(path: str) -> list[str]:
    return [f'9 rename("{ROOT}/staging/x", "{path}") = 0']


def unlink(path: str) -> list[str]:
    return [f'9 unlink("{path}") = 0']


def publish(path: str, text: str = '"x"') -> list[str]:
    """How a file should appear."""
    staged = f"{ROOT}/staging/x"
    steps = create(staged), write(staged, text), sync(staged), rename(path), sync(folder_of(path))
    return [*chain(*steps)]


CAPTURE = [
    *create(SEGMENT),
    *sync(folder_of(SEGMENT)),
    *write(SEGMENT, HEAD),
    *sync(SEGMENT),
]
SWITCH = publish(CURRENT, r'"{\"hour\": \"2026111020\"}"')
WHOLE = [
    *CAPTURE,
    *publish(PART),
    *publish(CUT),
    *publish(FILE),
    *publish(COMMIT),
    *SWITCH,
    *unlink(PART),
    *publish(DAY_FILE),
    *publish(DAY),
    *unlink(FILE),
]


def broken(lines: list[str]) -> set[str]:
    return {rule for rule, _ in judge_lines(lines, PurePosixPath(ROOT)).breaches}


def without(lines: list[str], line: str) -> list[str]:
    assert line in lines
    return [each for each in lines if each != line]


def before(lines: list[str], first: list[str], then: list[str]) -> list[str]:
    """The same with one publication moved before another."""
    rest = "\n".join(lines).replace("\n".join(first), "", 1)
    return rest.replace("\n".join(then), "\n".join([*first, *then]), 1).splitlines()


def test_the_store_keeps_the_order():
    """Recording, dying, recovery, sealing twice, import, removal, and the daemon itself."""
    if reason := trace.why_not():
        pytest.skip(reason)
    judge, output = judge_session()
    assert output == ""
    assert judge.breaches == []
    assert all(judge.checked[rule] >= 5 for rule in RULES), judge.checked


def test_the_right_order_breaks_nothing():
    assert broken(WHOLE) == set()


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("content", without(publish(PART), *sync(f"{ROOT}/staging/x"))),
        ("content", [*publish(FILE)[:3], *write(f"{ROOT}/staging/x"), *publish(FILE)[3:]]),
        ("folder", publish(COMMIT)[:-1]),
        ("folder", [*publish(FILE)[:-1], *rename(COMMIT), *sync(folder_of(FILE))]),
        ("created", without(CAPTURE, *sync(folder_of(SEGMENT)))),
        ("created", [f'9 mkdir("{folder_of(SEGMENT)}", 0750) = 0', *CAPTURE]),
        ("part", [*CAPTURE[:-1], *publish(PART)]),
        ("part", [*CAPTURE[:-1], "9 fsync(3<" + SEGMENT + ">) = -1 EIO", *publish(PART)]),
        ("cut", before(WHOLE, publish(CUT), publish(PART))),
        ("cut", without(WHOLE, *sync(folder_of(PART)))),
        ("commit", before(WHOLE, publish(COMMIT), publish(FILE))),
        ("commit", without(WHOLE, *sync(folder_of(FILE)))),
        ("switch", before(WHOLE, SWITCH, publish(COMMIT))),
        ("switch", without(WHOLE, *sync(folder_of(COMMIT)))),
        ("day", before(WHOLE, publish(DAY), publish(DAY_FILE))),
        ("day", without(WHOLE, *sync(folder_of(DAY_FILE)))),
        ("superseded", before(WHOLE, unlink(FILE), publish(DAY))),
        ("superseded", [*WHOLE[:-2], *unlink(FILE)]),
        ("removal", before(WHOLE, unlink(PART), SWITCH)),
        ("removal", without(WHOLE, *sync(ROOT))),
    ],
)
def test_each_rule_can_be_broken(rule, lines):
    assert rule in broken(lines)


def test_a_sync_covers_what_was_written_before_it_began():
    """Written while another thread syncs: not durable by that."""
    late = [
        *create(SEGMENT),
        *sync(folder_of(SEGMENT)),
        f"9 fdatasync(3<{SEGMENT}> <unfinished ...>",
        f"8 write(3<{SEGMENT}>, {HEAD}, 40) = 40",
        "9 <... fdatasync resumed>) = 0",
        *publish(PART),
    ]
    assert broken(late) == {"part"}
    early = [*late[:2], late[3], late[2], *late[4:]]
    assert broken(early) == set()
