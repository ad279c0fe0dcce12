"""`recorder setup`: what it asks, shows and hands on."""

import json

import pytest

from recorder import config
from recorder.cli import setup as setting_up
from recorder.doctor import course
from recorder.doctor.findings import Verdict


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """A user whose home is empty, and a machine that is well."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(course, "CHECKS", {"thing": lambda _: Verdict("ok", "well")})


def test_it_says_what_it_did_and_what_comes_next(call, tmp_path):
    """Once more, and everything is there already."""
    made = tmp_path / ".config/recorder/recorder.toml"
    shown = call("setup", "--user", "--products", "SOL-USD,ADA-USD", "--product", "BTC-USD")
    assert shown.code == 0, shown.err
    assert f"Written: configuration {made}" in shown.out
    assert "1 checks: 1 ok." in shown.out
    assert shown.out.endswith(f"Next:\n  recorder run --config {made}\n")
    assert config.load(made).feed.products == ("SOL-USD", "ADA-USD", "BTC-USD")
    again = call("setup", "--user")
    assert again.code == 0
    assert "Written" not in again.out
    assert call("setup", "--user", "--product", "ETH-USD").code == 64


def test_a_check_that_fails_is_shown_and_fails_it(call, tmp_path, monkeypatch):
    monkeypatch.setattr(course, "CHECKS", {"thing": lambda _: Verdict("fail", "ill", "heal it")})
    shown = call("setup", "--user", "--root", tmp_path / "data")
    assert shown.code == 1
    assert "→ heal it" in shown.out
    document = json.loads(call("setup", "--user", "--json").out)
    assert document["doctor"]["ok"] is False
    assert document["prepared"]["data"] == str(tmp_path / "data")


def test_a_dry_run_checks_nothing(call, tmp_path):
    shown = call("setup", "--user", "--dry-run", "--config", tmp_path / "x.toml")
    assert shown.code == 0
    assert "Would be written" in shown.out
    assert "1 checks:" not in shown.out
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks_until_the_answers_are_right(call, tmp_path, monkeypatch):
    """With options, or --yes, or where there is a configuration, it does not."""
    answers = iter(["binance", "sol", "x", "", "exchange", "SOL-USD, *-EUR", "~/md", ""])
    asked = []

    def answer(question, *_, **__):
        asked.append(question)
        return next(answers)

    monkeypatch.setattr(setting_up, "may_ask", lambda *, yes: not yes)
    monkeypatch.setattr(setting_up.typer, "prompt", answer)
    shown = call("setup", "--user")
    assert shown.code == 0, shown.err
    assert len(asked) == 8
    assert "binance" in shown.err
    chosen = config.load(tmp_path / ".config/recorder/recorder.toml")
    assert chosen.feed.venue == "exchange"
    assert chosen.feed.products == ("SOL-USD", "*-EUR")
    assert chosen.data == tmp_path / "md"
    assert call("setup", "--user").code == 0
    assert call("setup", "--user", "--yes", "--config", tmp_path / "y.toml").code == 0
    assert len(asked) == 8


def test_nobody_is_asked_without_a_terminal():
    assert not setting_up.may_ask(yes=False)
