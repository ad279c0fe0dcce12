"""A function in a forked child, so that it can be killed, and starts without its imports.

The parent must not have used threads (pyarrow's among them): it only forks and waits.
"""

import ctypes
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1


class ChildError(Exception):
    """The child raised; the text is its traceback, or how it died."""


class Child:
    """A function that runs in a child; `result` waits for what it returns."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        sys.stdout.flush()
        self._answer, theirs = os.pipe()
        self.pid = os.fork()
        self._ended = False
        if self.pid == 0:
            _serve(theirs, function, arguments)
        os.close(theirs)

    @property
    def ended(self) -> bool:
        """Whether it has ended, or has an answer."""
        return bool(select.select([self._answer], [], [], 0)[0])

    def kill(self) -> None:
        """End it now."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> int:
        self._ended = True
        os.close(self._answer)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def result(self, timeout_s: float = 60.0) -> Any:
        """Wait for what the function returns. Raises ChildError where it raised or takes longer."""
        end_s, answer = time.monotonic() + timeout_s, b""
        while select.select([self._answer], [], [], max(0.0, end_s - time.monotonic()))[0]:
            piece = os.read(self._answer, 1 << 20)
            if not piece:
                code = self._reap()
                if not answer:
                    raise ChildError(f"it died with exit code {code}")
                failed, value = pickle.loads(answer)
                if failed:
                    raise ChildError(value)
                return value
            answer += piece
        self.kill()
        raise ChildError(f"it did not end within {timeout_s:g} s")


def call(function: Callable[..., Any], *arguments: Any, timeout_s: float = 60.0) -> Any:
    """Call a function in a child and return its result. Raises ChildError."""
    return Child(function, *arguments).result(timeout_s)


def leave_in_order(number: int, _frame: object) -> None:
    """For SIGTERM: end what was started. A second signal must not cut that off."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _serve(pipe: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # not to outlive a killed parent
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answer = (False, function(*arguments))
    except BaseException:  # noqa: BLE001  whatever it is, the parent must hear of it
        answer = (True, traceback.format_exc())
    content = pickle.dumps(answer)
    while content:
        content = content[os.write(pipe, content) :]
    os._exit(0)
