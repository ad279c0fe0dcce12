"""A way to call the command line in this process, and stand-ins for what is behind it.

The commands are tested against the rooms behind them in their own tests; here it is about what
the command line hands on, what it shows, and its exit codes.
"""

import logging
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import structlog

import recorder
from recorder.cli import main


class Called(NamedTuple):
    """What one call of the command line gave."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Called]]:
    """Call `recorder` with arguments, as from a script: nothing is a terminal."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(*arguments: object) -> Called:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Called(code, out, err)

    yield run
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put functions in the place of a module of the product."""

    def put(module: str, **members: Any) -> None:
        made = types.ModuleType(f"recorder.{module}")
        for name, member in members.items():
            setattr(made, name, member)
        monkeypatch.setitem(sys.modules, f"recorder.{module}", made)
        monkeypatch.setattr(recorder, module, made, raising=False)

    return put
