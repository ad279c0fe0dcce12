"""What `recorder.config.checks` promises about single values."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from recorder.config import checks
from recorder.config.checks import WrongValueError


@pytest.mark.parametrize(
    "url",
    [
        "wss://advanced-trade-ws.coinbase.com",
        "wss://x.example:8443/path",
        "ws://127.0.0.1:8765",
        "ws://127.9.9.9",
        "ws://localhost:1/x",
        "ws://[::1]:65535",
    ],
)
def test_an_address_that_is_safe_is_taken_as_it_is(url: str) -> None:
    """Encrypted it goes anywhere, in the clear only to this machine."""
    assert checks.socket_url(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://example.com", "in the clear"),
        ("ws://10.0.0.1", "in the clear"),
        ("ws://127.0.0.1.example.com", "in the clear"),
        ("ws://localhost.example.com", "in the clear"),
        ("ws://[::ffff:127.0.0.1]", "in the clear"),
        ("ws://[::2]", "in the clear"),
        ("https://example.com", "is not a wss address"),
        ("example.com", "is not a wss address"),
        ("", "characters"),
        ("wss://", "no valid host"),
        ("wss://x:0", "no valid host"),
        ("wss://x:", "no valid host"),
        ("wss://x:99999", "is not an address"),
        ("wss://[::1", "is not an address"),
        ("wss://a b", "characters"),
        ("wss://a\nb", "characters"),
        ("wss://é.com", "characters"),
        ("wss://-x.com", "no valid host"),
        ("wss://a..b", "no valid host"),
        ("wss://me@x.com", "user name or password"),
        ("wss://me:pw@x.com", "user name or password"),
        ("wss://x.com/?a=b", '"?"'),
        ("wss://x.com/#a", '"?"'),
        ("wss://x.com/?", '"?"'),
        (7, "a whole number"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: object, words: str) -> None:
    """Nothing is sent in the clear, nothing secret stands in an address."""
    with pytest.raises(WrongValueError) as caught:
        checks.socket_url(url)
    assert words in str(caught.value)


def test_rest_has_the_same_rules() -> None:
    """Encrypted anywhere, in the clear only to this machine."""
    assert checks.http_url("https://api.coinbase.com") == "https://api.coinbase.com"
    assert checks.http_url("http://127.0.0.1:1") == "http://127.0.0.1:1"
    with pytest.raises(WrongValueError):
        checks.http_url("http://api.coinbase.com")
    with pytest.raises(WrongValueError):
        checks.http_url("wss://api.coinbase.com")


@pytest.mark.parametrize(
    ("url", "expected"), [("ws://127.0.0.1", True), ("ws://1.1.1.1", False), ("ws://h", False)]
)
def test_loopback(url: str, expected: bool) -> None:
    """Only an address that must be this machine counts as this machine."""
    assert checks.is_loopback(urlsplit(url)) is expected


@pytest.mark.parametrize("name", ["BTC-USD", "1INCH-USD", "BIT-28NOV26-CDE", "A-B-C-D"])
def test_a_product_id_in_coinbase_s_spelling_is_taken(name: str) -> None:
    """Spot and dated products are taken."""
    assert checks.products([name]) == (name,)


@pytest.mark.parametrize("name", ["*-USD", "BTC-*", "*", "B*-*D", "all", "BIT-*-CDE"])
def test_patterns_and_all_are_taken(name: str) -> None:
    """Products can be named by what their ids have in common."""
    assert checks.products([name]) == (name,)
    assert checks.exclude([name]) == (name,)


def test_nothing_need_be_excluded() -> None:
    """An empty list is one, there; products must be named."""
    assert checks.exclude([]) == ()
    with pytest.raises(WrongValueError, match="is there twice"):
        checks.exclude(["*-EUR", "*-EUR"])


@pytest.mark.parametrize(
    "name",
    [
        "BTC",
        "BTC-?SD",
        "*/USD",
        "All-*x",
        "**" * 20,
        "BTC/USD",
        "-USD",
        "A-B-C-D-E",
        "BTC-USD\n",
        "../../x",
        "\u0412\u0422\u0421-USD",
        "\uff11-USD",
        "",
    ],
)
def test_anything_else_is_no_product_id(name: str) -> None:
    """Product ids become names of directories: nothing but capitals, digits and dashes."""
    with pytest.raises(WrongValueError, match="is not a product id"):
        checks.products([name])


@pytest.mark.parametrize(
    ("name", "better"),
    [("btc-usd", "BTC-USD"), ("btc/usd", "BTC-USD"), ("*-usd", r"\*-USD"), ("ALL", "all")],
)
def test_a_near_miss_of_a_product_id_is_put_right(name: str, better: str) -> None:
    """The message has the id to write."""
    with pytest.raises(WrongValueError, match=f'did you mean "{better}"') as caught:
        checks.products([name])
    assert caught.value.mistakes[0].position == 0


@pytest.mark.parametrize("value", [[], "BTC-USD", {}, 3, None])
def test_products_are_a_list_that_is_not_empty(value: object) -> None:
    """A single text is not taken for a list of its letters."""
    with pytest.raises(WrongValueError, match="a list of product ids"):
        checks.products(value)


def test_heartbeats_must_be_there() -> None:
    """The message says why."""
    with pytest.raises(WrongValueError, match="the only sign of life"):
        checks.channels(["level2"])
    assert checks.channels(["heartbeats"]) == ("heartbeats",)
    assert checks.channels(list(checks.CHANNELS)) == checks.CHANNELS


def test_both_venues_are_known_and_no_other() -> None:
    """Advanced Trade and the Exchange."""
    assert [checks.venue(name) for name in ("advanced", "exchange")] == ["advanced", "exchange"]
    with pytest.raises(WrongValueError, match='allowed are "advanced" and "exchange"'):
        checks.venue("binance")


@pytest.mark.parametrize(
    ("venue", "names", "words"),
    [
        ("advanced", ("level2", "heartbeats", "candles"), None),
        ("exchange", ("level2_batch", "heartbeats", "status"), None),
        ("advanced", ("heartbeats", "level2_batch"), 'on Advanced Trade it is "level2"'),
        ("exchange", ("heartbeats", "level2"), None),
        ("exchange", ("level2", "level2_batch"), "cannot be told apart"),
        ("exchange", ("heartbeats", "candles"), 'is not a channel of feed.venue "exchange"'),
        ("exchange", ("ticker", "ticker_batch"), "cannot be told apart"),
    ],
)
def test_each_venue_has_channels_of_its_own(venue: str, names: tuple, words: str | None) -> None:
    """A channel that the venue does not have is told with those that it has."""
    found = checks.channels_at(venue, names)
    assert [words in mistake.text for mistake in found] == ([] if words is None else [True])
    assert [mistake.position for mistake in found] == ([] if words is None else [1])


def test_own_orders_are_of_advanced_trade() -> None:
    """The Exchange has its own, by other keys, which are not recorded."""
    assert checks.user_at("advanced", user=True) == checks.user_at("exchange", user=False) == []
    assert "advanced" in checks.user_at("exchange", user=True)[0].text


@pytest.mark.parametrize("value", [0, 1, "true", None, []])
def test_a_switch_is_true_or_false(value: object) -> None:
    """Nothing else is taken for one of them."""
    assert checks.boolean(True) is True
    with pytest.raises(WrongValueError, match="true or false is wanted"):
        checks.boolean(value)


@pytest.mark.parametrize("value", [True, False, 0, 601, -1, 1.0, "10", None])
def test_part_seconds_is_a_whole_number_from_1_to_600(value: object) -> None:
    """Neither true nor 1.0 is taken for 1."""
    with pytest.raises(WrongValueError):
        checks.part_seconds(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("48h", 172_800), ("7d", 604_800), ("forever", None)],
)
def test_how_long_to_keep(text: str, seconds: int | None) -> None:
    """A length of time is a number and a unit, and `keep_text` gives one that reads the same."""
    assert checks.keep(text) == seconds
    assert checks.keep(checks.keep_text(seconds)) == seconds


@pytest.mark.parametrize(
    "value", ["48", "0s", "-1h", "1.5h", "1 h", "h", "", "Forever", "٣h", "999999999d", 48, True]
)
def test_anything_else_is_no_length_of_time(value: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(WrongValueError):
        checks.keep(value)


def test_a_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """~ is the home of who runs it; a home that does not exist is a mistake."""
    monkeypatch.setenv("HOME", "/home/me")
    assert checks.directory("~/md") == Path("/home/me/md")
    assert checks.directory("md") == Path("md")
    with pytest.raises(WrongValueError, match="names no home directory"):
        checks.directory("~nobody-of-that-name/md")


def test_a_key_where_its_file_belongs_is_not_shown() -> None:
    for key in (
        "-----BEGIN EC PRIVATE KEY-----\\nPLANTED\\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nPLANTED",
        '{"name":"x","privateKey":"PLANTED"}',
        "PLANTED".ljust(86, "A") + "==",
        "PLANTED".ljust(43, "A") + "=",
    ):
        with pytest.raises(WrongValueError, match="is no path of a file") as caught:
            checks.key_file_or_none(key)
        assert "PLANTED" not in str(caught.value.mistakes)
    for halves in (["PLANTED half"], {"k": "PLANTED"}):
        with pytest.raises(WrongValueError, match="is a ") as caught:
            checks.key_file_or_none(halves)
        assert "PLANTED" not in str(caught.value.mistakes)
    assert checks.key_file_or_none("") is None
    for path in ("/etc/cdp_api_key.json", "/etc/PRIVATE KEY/privateKey.json"):
        assert checks.key_file_or_none(path) == Path(path)


def test_what_is_shown_is_short_and_plain() -> None:
    """A value in a message can neither flood nor steer a terminal."""
    assert checks.shown("it's") == '"it\'s"'
    assert checks.shown(True) == "true"
    assert checks.shown("\x1b\n") == '"\\x1b\\n"'
    assert len(checks.shown("x" * 1_000_000)) < 70


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("512MB", 512_000_000), ("0MB", 0), ("1kB", 1000), ("2TB", 2 * 10**12), ("1500kB", 1_500_000)],
)
def test_amounts_of_space(text: str, size_bytes: int) -> None:
    """An amount is a number and a unit of 1000s, and `size_text` gives one that reads the same."""
    assert checks.size(text) == size_bytes
    assert checks.size(checks.size_text(size_bytes)) == size_bytes


@pytest.mark.parametrize("value", ["512", "1.5GB", "-1MB", "1GiB", "", 512, True, "\uff11MB"])
def test_what_is_no_amount_of_space(value: object) -> None:
    """Anything else is told with what is allowed."""
    with pytest.raises(checks.WrongValueError, match="kB, MB, GB or TB"):
        checks.size(value)
