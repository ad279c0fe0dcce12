"""What `recorder.config` promises about a whole configuration file."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recorder import config
from recorder.errors import ConfigError, NoInputError, UsageError

SOURCE = Path("recorder.toml")

# (TOML text, then for each mistake in order: line, key, and words that its message must hold)
MISTAKES: list[tuple[str, list[tuple[int, str, str]]]] = [
    ("dta = 1", [(1, "dta", 'did you mean "data"?')]),
    ("venue = 'x'", [(1, "venue", 'did you mean "feed.venue"?')]),
    ("[feed]\npart_secs = 1", [(2, "feed.part_secs", 'did you mean "store.part_seconds"?')]),
    (
        "[feed]\nzzz = 1",
        [(2, "feed.zzz", "venue, url, rest_url, trades_url, products, exclude, channels")],
    ),
    ("\n[stor]\nx = 1\ny = 2", [(2, "stor", 'did you mean "store"?')]),
    ("feed = 3", [(1, "feed", "a table is wanted: [feed]")]),
    ("[[feed]]\nvenue = 'advanced'", [(1, "feed", "is a list; a table is wanted")]),
    ("data = 3", [(1, "data", "is a whole number, 3")]),
    ("data = ''", [(1, "data", "cannot be a directory")]),
    ('data = "a\\u001bb"', [(1, "data", "\\x1b")]),
    ("[store]\npart_seconds = true", [(2, "store.part_seconds", "is true or false")]),
    ("[store]\n\npart_seconds = 0", [(3, "store.part_seconds", "allowed is 1 to 600")]),
    ("store.free_space_min = '512'", [(1, "store.free_space_min", "GB or TB")]),
    ("store.keep_capture = 48", [(1, "store.keep_capture", '"48h", or "forever"')]),
    ("store = {part_seconds = 9.5}", [(1, "store.part_seconds", "is a number, 9.5")]),
    ("store = {\n}", [(1, "", "not valid TOML")]),
    (
        "[feed]\nproducts = [\n 'BTC-USD', # one\n\n 'btc-usd',\n 'BTC-USD', 7 ]",
        [
            (5, "feed.products", 'did you mean "BTC-USD"?'),
            (6, "feed.products", "is there twice"),
            (6, "feed.products", "holds a whole number, 7"),
        ],
    ),
    (
        "[feed]\nchannels = ['level3', 'heartbeats', 'l2_data']",
        [
            (2, "feed.channels", 'did you mean "level2"?'),
            (2, "feed.channels", 'did you mean "level2"?'),
        ],
    ),
    (
        "[feed]\nvenue = 'exchange'\nchannels = [\n'heartbeats',\n'candles']",
        [(5, "feed.channels", 'is not a channel of feed.venue "exchange"')],
    ),
    ("feed.channels = ['heartbeats', 'level2_batch']", [(1, "feed.channels", '"level2"')]),
    ("[feed]\nvenue = 'exchange'\nuser = true", [(3, "feed.user", "advanced")]),
    ("[feed]\nchannels = ['heartbeats', 'user']", [(2, "feed.channels", "feed.user = true")]),
    ("[feed]\nurl = wss://x", [(2, "", "a text needs quotes")]),
    ("a = 1\na = 2", [(1, "a", "not a known key"), (2, "", "overwrite")]),
    ("x = [1,\n2", [(2, "", "not valid TOML")]),
    ("[feed\nvenue = 'no such'", [(1, "", "not valid TOML")]),
    ("x = " + "9" * 5000, [(1, "", "not valid TOML")]),
    ("data = 0x" + "f" * 5000, [(1, "data", "too large to be shown")]),
    ("x = " + "[" * 5000, [(1, "", "nested too deeply")]),
    ('"a\\nb" = 1', [(1, '"a\\nb"', "not a known key")]),
]


def test_without_a_file_there_are_the_defaults_of_the_readme() -> None:
    """No configuration records BTC-USD and ETH-USD from Advanced Trade into ./data."""
    found = config.load(None)
    assert found == config.Config(
        data=Path("data"),
        feed=config.FeedConfig(
            venue="advanced",
            url="wss://advanced-trade-ws.coinbase.com",
            rest_url="https://api.coinbase.com",
            products=("BTC-USD", "ETH-USD"),
            exclude=(),
            channels=("level2", "ticker", "market_trades", "heartbeats", "status"),
            compression=True,
        ),
        store=config.StoreConfig(
            part_seconds=10, keep_capture_s=48 * 3600, free_bytes_min=512_000_000
        ),
        source=None,
    )


def test_every_key_of_a_file_is_read() -> None:
    """A file can change every setting."""
    text = """
    data = "/srv/md"
    [feed]
    venue = "advanced"
    url = "ws://127.0.0.1:8765"
    rest_url = "http://localhost:8766/x"
    products = ["SOL-USD", "*-EUR"]
    exclude = ["BTC-EUR"]
    channels = ["heartbeats", "candles"]
    compression = false
    [store]
    part_seconds = 600
    keep_capture = "forever"
    free_space_min = "2GB"
    """
    found = config.parse(text, SOURCE)
    assert found == config.Config(
        data=Path("/srv/md"),
        feed=config.FeedConfig(
            venue="advanced",
            url="ws://127.0.0.1:8765",
            rest_url="http://localhost:8766/x",
            products=("SOL-USD", "*-EUR"),
            exclude=("BTC-EUR",),
            channels=("heartbeats", "candles"),
            compression=False,
        ),
        store=config.StoreConfig(
            part_seconds=600, keep_capture_s=None, free_bytes_min=2_000_000_000
        ),
        source=SOURCE,
    )


def test_the_exchange_has_defaults_of_its_own() -> None:
    """To name the venue is enough; what is set all the same is kept."""
    found = config.parse("feed.venue = 'exchange'\nfeed.rest_url = 'https://x.example'", SOURCE)
    assert found.feed.url == "wss://ws-feed.exchange.coinbase.com"
    assert found.feed.rest_url == "https://x.example"
    assert found.feed.channels[0] == "level2_batch"
    assert found.store == config.load(None).store


def test_what_cannot_be_changed_while_recording_is_named() -> None:
    """Products, channels and how long to keep can; where from and where to cannot."""
    before = config.parse("feed.products = ['A-USD']", SOURCE)
    after = config.parse("feed.products = ['B-USD']\nstore.keep_capture = '1h'", SOURCE)
    assert config.unchangeable(before, after) == []
    elsewhere = config.parse("data = 'x'\nfeed.venue = 'exchange'", SOURCE)
    found = config.unchangeable(before, elsewhere)
    assert found == ["data", "feed.venue", "feed.url", "feed.rest_url"]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_shown_with_its_line_its_key_and_a_way_out(
    text: str, expected: list[tuple[int, str, str]]
) -> None:
    """Each mistake is one line ``file:line: key: …`` that says what is allowed."""
    with pytest.raises(ConfigError) as caught:
        config.parse(text, SOURCE)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(expected)
    for line, (number, key, words) in zip(lines, expected, strict=True):
        assert line.startswith(
            f"recorder.toml:{number}: {key}: " if key else f"recorder.toml:{number}: "
        )
        assert words in line
        assert line.isprintable()


def test_all_mistakes_of_a_file_are_reported_at_once() -> None:
    """One run of check-config is enough to know everything that is wrong."""
    text = """dta = "x"
[feed]
venue = "nasdaq"
url = wss://unquoted
rest_url = "http://example.com"
products = []
channels = ["level2"]
[store]
part_seconds = 601
keep_capture = "48"
"""
    with pytest.raises(ConfigError) as caught:
        config.parse(text, SOURCE)
    found = [line.split(":")[1] for line in str(caught.value).split("\n")]
    assert found == ["1", "3", "4", "5", "6", "7", "9", "10"]


def test_a_broken_header_hides_nothing_behind_false_mistakes() -> None:
    """When TOML cannot be read on, keys that may be misread are not complained about."""
    with pytest.raises(ConfigError) as caught:
        config.parse("[feed\nurl = 'wss://x'\nproducts = ['BTC-USD']", SOURCE)
    assert str(caught.value).count("\n") == 0


def test_secrets_in_an_address_are_not_repeated() -> None:
    """A password in a URL is refused without showing it."""
    text = "[feed]\nurl = 'wss://me:hunter2@x.com'\nrest_url = 'https://x.com/?token=hunter2'"
    with pytest.raises(ConfigError) as caught:
        config.parse(text, SOURCE)
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).count("\n") == 1


# Hypothesis builds its table of all characters once, which its health check takes for our doing.
ANY_TEXT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@ANY_TEXT
@given(st.text() | st.text(alphabet="[]{}=.,'\"\\#\n ab1-_:tf"))
@example("data = '\ud800'")
@example('"\\ud800" = 1')
@example("=")
@example("[" * 3000)
@example("a." * 3000 + "a = 1")
@example("feed = " + "{a=" * 400 + "1" + "}" * 400)
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever the text, there is a Config or a ConfigError whose lines can be printed."""
    assert all(line.isprintable() for line in _mistakes(text))


@ANY_TEXT
@given(
    st.dictionaries(st.sampled_from([key.name for key in config.KEYS]), st.integers() | st.text())
)
def test_no_value_of_a_known_key_is_too_strange(values: dict[str, int | str]) -> None:
    """Whatever the value, there is a Config or a ConfigError."""
    rows = []
    for name, value in values.items():
        escaped = "".join(f"\\U{ord(c):08x}" for c in value) if isinstance(value, str) else value
        rows.append(f'{name} = "{escaped}"' if isinstance(value, str) else f"{name} = {value}")
    assert all(line.startswith("recorder.toml:") for line in _mistakes("\n".join(rows)))


def test_the_example_is_the_defaults_with_every_key() -> None:
    """What check-config --example prints is right, complete, and changes nothing."""
    text = config.example()
    assert config.parse(text, None) == config.load(None)
    written = tomllib.loads(text)
    names = {
        f"{table}.{word}" if isinstance(value, dict) else table
        for table, value in written.items()
        for word in (value if isinstance(value, dict) else [table])
    }
    assert names == {key.name for key in config.KEYS}
    assert all(len(line) <= 100 for line in text.splitlines())


def test_every_setting_has_a_key() -> None:
    """The list of keys and the dataclasses name the same settings."""
    fields = {field.name for field in dataclasses.fields(config.Config)} - {"source"}
    for table, kind in (
        ("feed", config.FeedConfig),
        ("store", config.StoreConfig),
        ("http", config.HttpConfig),
    ):
        fields.remove(table)
        fields |= {f"{table}.{field.name}" for field in dataclasses.fields(kind)}
    keys = {f"{key.table}.{key.field or key.word}".removeprefix(".") for key in config.KEYS}
    assert keys == fields


def test_the_start_log_shows_every_key_as_the_file_would() -> None:
    """`describe` can be read beside the file, and what it says can be put into one."""
    described = config.describe(config.parse("store.keep_capture = '36h'", SOURCE))
    assert described["source"] == "recorder.toml"
    assert described["store.keep_capture"] == "36h"
    assert set(described) == {"source"} | {key.name for key in config.KEYS}
    assert Path(str(described["data"])).is_absolute()


def test_options_of_the_command_line_are_checked_like_the_file() -> None:
    """A wrong option is a usage error that names the option; a right one replaces the setting."""
    base = config.load(None)
    changed = config.override(base, {"feed.products": ("--product", ["SOL-USD"])})
    assert changed.feed.products == ("SOL-USD",)
    assert changed.store == base.store
    with pytest.raises(UsageError) as caught:
        config.override(
            base,
            {"feed.products": ("--product", ["sol-usd"]), "feed.url": ("--url", "ws://x.com")},
        )
    assert '--product: "sol-usd" is not a product id' in str(caught.value)
    assert '--url: "ws://x.com" would send in the clear' in str(caught.value)


@pytest.mark.parametrize("name", ["missing.toml", "", "a\0b"])
def test_a_file_that_cannot_be_read_is_no_input(tmp_path: Path, name: str) -> None:
    """A missing file, a directory and an impossible name say so, and how to get an example."""
    with pytest.raises(NoInputError, match="check-config --example"):
        config.load(tmp_path / name)


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"x = 1\n\xff", ":2: is not UTF-8"), (b"#" * 300_000, ":1: is longer than 256 KiB")],
)
def test_a_file_that_is_not_text_is_a_mistake(tmp_path: Path, raw: bytes, words: str) -> None:
    """Bytes that are no UTF-8 are shown with their line, endless ones are not read to the end."""
    path = tmp_path / "recorder.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert words in str(caught.value)


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    """Editors that write one do not break a file."""
    path = tmp_path / "recorder.toml"
    path.write_bytes(b"\xef\xbb\xbfdata = 'x'\r\n")
    assert config.load(path).data == Path("x")


def _mistakes(text: str) -> list[str]:
    try:
        config.parse(text, SOURCE)
    except ConfigError as error:
        return str(error).split("\n")
    return []


def test_a_transport_that_is_not_installed_is_told_with_what_to_do(monkeypatch):
    """At the line where it stands, before anything is dialled."""
    monkeypatch.setattr("recorder.config.checks.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        config.parse('[feed]\ntransport = "picows"\n', None)
    said = str(caught.value)
    assert "configuration:2: feed.transport: picows is not installed" in said
    assert "pip install 'recorder[picows]'" in said
    assert caught.value.exit_code == 78


def test_an_unknown_transport_is_refused():
    with pytest.raises(ConfigError, match='"uvloop" is no transport; allowed are "websockets"'):
        config.parse('[feed]\ntransport = "uvloop"\n', None)


def test_a_key_in_the_place_of_an_address_is_not_described():
    key = "97ZZ5AkRqKq/UANLOSIskmz+MSoBi/Ymb8BCKUUeXKo="
    chosen = config.parse(
        f'feed.url = "wss://h/{key}"\nfeed.rest_url = "https://h/{key}"\n'
        f'http.hosts = ["{"0a1b" * 8}"]',
        SOURCE,
    )
    told = str(config.describe(chosen))
    assert key[:12] not in told
    assert "0a1b0a1b" not in told
    assert "…" in told
