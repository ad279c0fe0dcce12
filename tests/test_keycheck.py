"""The key of a recording: when one is needed, and which one may be used."""

import json

import pytest
from structlog.testing import capture_logs

from recorder import config as settings
from recorder import keycheck
from recorder.errors import (
    ConfigError,
    KeyRefusedError,
    NoInputError,
    PermissionRefusedError,
    UnavailableError,
)
from recorder.keycheck import Signings, needs_key, reading, signings_for
from recorder.venue.rest import Failure, RestRules
from recorder.venue.rest_keys import new_key
from tests.rest_service import FAST, serving

EXCHANGE = 'venue = "exchange"\nchannels = ["heartbeats", "{}"]\n'


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch):
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.delenv(f"COINBASE_API_{name}", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def feed(text: str, rest_url: str = "http://127.0.0.1:9") -> settings.FeedConfig:
    return settings.parse(f'[feed]\nrest_url = "{rest_url}"\n{text}', None).feed


def in_file(tmp_path, kind="ES256", **may):
    """A key of Advanced Trade, and the line of the settings that names its file."""
    known, secret = new_key(kind, **may)
    path = tmp_path / "cdp.json"
    path.write_text(json.dumps({"name": known.name, "privateKey": secret}))
    path.chmod(0o600)
    return known, f'key_file = "{path}"\n'


def in_environment(monkeypatch, kind="exchange"):
    known, secret = new_key(kind)
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    if known.passphrase:
        monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)
    return known


def test_market_data_looks_for_no_key(tmp_path):
    """Not even for the file that is named, and the venue is not asked for anything."""
    assert signings_for(feed(f'key_file = "{tmp_path}/none"')) == Signings(clock=_any())
    assert signings_for(feed(EXCHANGE.format("level2_batch"))) == Signings(clock=_any())


def _any():
    class Any:
        def __eq__(self, other):
            return True

        __hash__ = None

    return Any()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("user = true", "feed.user = true"),
        ("sign_all = true", "feed.sign_all = true"),
        (EXCHANGE.format("level2"), '"level2_batch" needs none'),
    ],
)
def test_what_needs_a_key_says_so(text, why):
    """78, before anything is connected to."""
    assert why in needs_key(feed(text))
    with pytest.raises(ConfigError, match="needs a key, and there is no key") as caught:
        signings_for(feed(text))
    assert why in str(caught.value)
    assert caught.value.exit_code == 78


def test_a_key_that_others_may_read_is_refused(tmp_path):
    """77, with the command that puts it right; a file that is not there is 66."""
    _, line = in_file(tmp_path)
    (tmp_path / "cdp.json").chmod(0o644)
    with pytest.raises(PermissionRefusedError, match="chmod 600"):
        signings_for(feed(f"user = true\n{line}"))
    with pytest.raises(NoInputError):
        signings_for(feed(f'user = true\nkey_file = "{tmp_path}/none"'))


@pytest.mark.parametrize(
    ("text", "market", "user"),
    [("user = true", False, True), ("sign_all = true", True, False),
     ("user = true\nsign_all = true", True, True), ("require_view_only = true", False, False)],
)  # fmt: skip
def test_what_is_signed_on_advanced_trade(tmp_path, text, market, user):
    """The account's own orders; market data only where it is wanted."""
    known, line = in_file(tmp_path)
    with serving(RestRules(keys=(known,), **FAST)) as service, capture_logs() as logged:
        found = signings_for(feed(f"{text}\n{line}", service.url))
    assert (found.market is not None, found.user is not None) == (market, user)
    assert found.clock.ahead_s == pytest.approx(0, abs=1)
    (told,) = logged
    assert (told["event"], told["trade"], told["key"]) == ("key_checked", False, known.name)


@pytest.mark.parametrize("channel", ["level2", "level2_batch"])
def test_on_the_exchange_a_key_that_is_there_signs_everything(monkeypatch, channel):
    """Needed or not."""
    known = in_environment(monkeypatch)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        found = signings_for(feed(EXCHANGE.format(channel), service.url))
    assert found.market is not None
    assert found.user is None


def test_a_key_of_the_other_venue(monkeypatch):
    """It is left alone where none is needed, and named for what it is where one is."""
    in_environment(monkeypatch, "ES256")
    assert signings_for(feed(EXCHANGE.format("level2_batch"))).market is None
    with pytest.raises(ConfigError, match="do not work there"):
        signings_for(feed(EXCHANGE.format("level2")))
    in_environment(monkeypatch)
    with pytest.raises(ConfigError, match="it is one of Exchange"):
        signings_for(feed("user = true"))


@pytest.mark.parametrize("may", [{"can_trade": True}, {"can_transfer": True}])
def test_a_key_that_may_do_too_much(tmp_path, may):
    """A warning; with require_view_only the recording does not begin, with 77."""
    known, line = in_file(tmp_path, **may)
    with serving(RestRules(keys=(known,), **FAST)) as service, capture_logs() as logged:
        assert signings_for(feed(f"user = true\n{line}", service.url)).user
        assert [each["event"] for each in logged] == ["key_checked", "key_doubted"]
        assert "a recorder needs to view only" in logged[1]["warning"]
        for need in ("user = true\n", ""):
            with pytest.raises(KeyRefusedError, match=r"may (trade|transfer), and only") as caught:
                signings_for(feed(f"{need}require_view_only = true\n{line}", service.url))
            assert caught.value.exit_code == 77


def test_the_exchange_does_not_say_what_a_key_may_do(monkeypatch):
    """So there require_view_only refuses every key, and says why."""
    known = in_environment(monkeypatch)
    text = EXCHANGE.format("level2_batch") + "require_view_only = true"
    with (
        serving(RestRules(keys=(known,), **FAST)) as service,
        pytest.raises(KeyRefusedError, match="does not say what the key may do"),
    ):
        signings_for(feed(text, service.url))


def test_a_key_that_the_venue_refuses(tmp_path, monkeypatch):
    """Needed: 77. Not needed: a warning, and nothing is signed."""
    _, line = in_file(tmp_path)
    with serving(RestRules(**FAST)) as service:
        with pytest.raises(KeyRefusedError, match="401"):
            signings_for(feed(f"user = true\n{line}", service.url))
        in_environment(monkeypatch)
        with capture_logs() as logged:
            found = signings_for(feed(EXCHANGE.format("level2_batch"), service.url))
    assert found.market is None
    assert [each["event"] for each in logged] == ["key_refused"]


def test_a_venue_that_does_not_answer(tmp_path, monkeypatch):
    """Recording begins all the same, but not where the key must be known to be harmless."""
    monkeypatch.setattr(keycheck, "CHECK_S_MAX", 0.2)
    known, line = in_file(tmp_path)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        service.fail(50, Failure(200, b"{}", wait_s=1.0))
        with capture_logs() as logged:
            assert signings_for(feed(f"user = true\n{line}", service.url)).user
        assert [each["event"] for each in logged] == ["key_unchecked"]
        assert "did not answer within 0.2 s" in logged[0]["error"]
        with pytest.raises(UnavailableError, match="require_view_only wants to know") as caught:
            signings_for(feed(f"require_view_only = true\n{line}", service.url))
        assert caught.value.exit_code == 69


def test_a_clock_that_is_wrong_is_measured_before_the_key_is_tried(tmp_path):
    """The request is signed with the venue's time; the warning names by how much ours is off."""
    known, line = in_file(tmp_path)
    with (
        serving(RestRules(keys=(known,), skew_s=-500.0, **FAST)) as service,
        capture_logs() as logged,
    ):
        found = signings_for(feed(f"user = true\n{line}", service.url))
    assert found.clock.ahead_s == pytest.approx(500, abs=2)
    assert "500 s ahead of the venue's" in logged[1]["warning"]


def test_settings_that_are_read_again_do_not_bring_a_key():
    """It is loaded at the start only: a channel that needs one is refused while recording."""
    texts = iter([EXCHANGE.format("level2_batch"), EXCHANGE.format("level2")])
    read = reading(lambda: settings.parse(f"[feed]\n{next(texts)}", None), Signings())
    assert read is not None
    assert read().feed.channels == ("heartbeats", "level2_batch")
    with pytest.raises(ConfigError, match="loaded at a start only: restart"):
        read()
    assert reading(None, Signings()) is None


def test_a_key_is_not_tried_on_the_real_venue_for_a_market_on_this_machine(tmp_path):
    """It is used untried; who wants to know what it may do is told that nobody can say."""
    _, line = in_file(tmp_path)
    text = f'[feed]\nurl = "ws://127.0.0.1:9"\nuser = true\n{line}'
    with capture_logs() as logged:
        assert signings_for(settings.parse(text, None).feed).user is not None
    assert [each["event"] for each in logged] == ["key_unchecked"]
    with pytest.raises(UnavailableError, match=r"feed\.url is on this machine"):
        signings_for(settings.parse(f"{text}require_view_only = true", None).feed)
