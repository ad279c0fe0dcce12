"""Work beside the caller: in order, to its end, and no error is lost."""

import threading

import pytest

from recorder.beside import Beside


def test_one_after_another_and_all_of_it() -> None:
    """In the order in which it was given, by another thread, and done when the block is left."""
    done: list[tuple[int, bool]] = []
    caller = threading.current_thread()
    with Beside() as beside:
        for number in range(20):
            beside.do(lambda n=number: done.append((n, threading.current_thread() is caller)))
    assert done == [(number, False) for number in range(20)]


def test_waiting_sees_everything_done() -> None:
    """Whoever reads what was written waits first."""
    begun, done = threading.Event(), []

    def work() -> None:
        begun.wait(5)
        done.append(1)

    with Beside() as beside:
        beside.wait()  # for nothing
        beside.do(work)
        begun.set()
        beside.wait()
        assert done == [1]


@pytest.mark.parametrize("when", ["the next", "waiting", "the end"])
def test_what_went_wrong_is_raised(when: str) -> None:
    """At the next piece, where it is waited for, or at the end; nothing is begun behind it."""
    begun: list[int] = []

    def fail() -> None:
        raise OSError("the disk refused")

    with pytest.raises(OSError, match="the disk refused"), Beside() as beside:  # noqa: PT012
        beside.do(fail)
        if when == "the next":
            beside.do(lambda: begun.append(1))
        elif when == "waiting":
            beside.wait()
    assert begun == []


def test_an_error_of_the_caller_waits_for_the_work() -> None:
    """What the caller raises goes on up, when nothing is written any more."""
    done: list[int] = []
    began = threading.Event()

    def work() -> None:
        began.set()
        done.append(1)

    with pytest.raises(KeyError), Beside() as beside:  # noqa: PT012
        beside.do(work)
        began.wait(5)
        raise KeyError("mine")
    assert done == [1]
