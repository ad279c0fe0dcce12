"""The examples in the docstrings of the reader run, and print what they say."""

import doctest
import importlib
import os
import pkgutil
from pathlib import Path

import pytest

import recorder
import recorder.dataset
from tests.dataset.scripted import Scripted

MODULES = [each.name for each in pkgutil.iter_modules(recorder.dataset.__path__)]
NAMES = ["recorder", "recorder.dataset", *(f"recorder.dataset.{name}" for name in MODULES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`: half a minute of one product, a gap in it, the hour open."""
    path = tmp_path_factory.mktemp("doctests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        script = Scripted(path / "data")
        record(script)
        script.recording.capture.close()
    return path


def record(script: Scripted) -> None:
    script.connect(0, "ws1")
    ticker = {"type": "ticker", "product_id": "BTC-USD", "price": "65000.5"}
    script.frame(0.25, "ticker", [{"type": "snapshot", "tickers": [ticker]}])
    script.book(0.5, "snapshot", [("bid", "65000", "0.5"), ("offer", "65001", "0.25")])
    script.trades(1, "snapshot", [(101, 0.2, "65000.5", "0.1")])
    script.book(10.5, "update", [("bid", "65000", "0.75")])
    script.trades(11, "update", [(102, 11, "65001", "0.1"), (103, 11, "65000.25", "0.2")])
    script.book(11.25, "update", [("offer", "65001", "0"), ("offer", "65000.75", "1.5")])
    script.book(20, "update", [("bid", "64999", "2")])
    script.number += 1
    script.book(21, "update", [("bid", "64999", "3")])
    script.book(25, "snapshot", [("bid", "64990", "1"), ("offer", "64991", "1")])
    script.trades(30, "update", [(104, 30, "64990.5", "0.4")])
    script.publish()


def test_there_are_examples():
    found = doctest.DocTestFinder(exclude_empty=True).find(recorder.dataset, globs={})
    assert len([each for each in found if each.examples]) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_run(name, folder, monkeypatch):
    """Each docstring by itself, with `db` open."""
    monkeypatch.chdir(folder)
    module = importlib.import_module(name)
    names = {**vars(recorder.dataset), **vars(module)}
    names |= {"recorder": recorder, "db": recorder.open("data")}
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner = doctest.DocTestRunner(optionflags=flags)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, globs=names):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
