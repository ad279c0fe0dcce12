"""What may be shown: what is known to be harmless, and nothing else."""

import string
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder import config
from recorder.bundle.shown import HIDDEN, Shown, mistakes, of_config
from recorder.errors import ConfigError

SHOWN = Shown(["BTC-USD", "WEIRD1-USDZ"])

KEPT = [
    "no answer within 15 s",
    "[Errno 28] No space left on device",
    "HTTP status 429: too many connections from this address",
    "TLS: certificate verify failed: certificate has expired",
    "ws1-20261121T190233.123Z closed with 1006: no close frame",
    "2026-11-21T19:02:33.123456789Z WEIRD1-USDZ BTC-USD, level2.",
    "wss://advanced-trade-ws.coinbase.com",
    "/var/lib/recorder",
    'File "recorder/live.py", line 12, in record',
]
HIDDEN_FROM = [
    ("the token sk3Jx8Qq0Z is wrong", "the token … is wrong"),
    ("/srv/jdoe77/md", "…"),
    ("host pricebox.fund.example refused", "host … refused"),
    ("10.20.30.40", "10.20.30.40"),
    ("passphrase 1234567", "passphrase …"),
    ("Zoë said ключ", "… said …"),
    ("MHcCAQEEIFakeFakeFake+/abc==", "…"),
]


@pytest.mark.parametrize("text", KEPT)
def test_what_the_program_says_is_kept(text):
    assert SHOWN.text(text) == text


@pytest.mark.parametrize(("text", "shown"), HIDDEN_FROM)
def test_what_nobody_knows_is_not(text, shown):
    assert SHOWN.text(text) == shown


@given(st.text(string.ascii_letters + string.digits, min_size=12, max_size=80))
def test_no_key_passes(secret):
    """Whatever it is made of, in whatever it is written: none of it is left."""
    secret = f"q7Zx{secret}"
    for form in (secret, b64encode(secret.encode()).decode(), secret.encode().hex()):
        for text in (form, f"failed: {form}", f"key={form}", f'{{"a": "{form}"}}', f"a\\n{form}"):
            assert form not in SHOWN.text(text)
            assert form not in str(SHOWN.value({"error": [text], form: 1, "n": {"x": text}}))


def test_a_member_named_like_a_secret_loses_its_value():
    """Whatever the value is; and names that nobody knows are counted."""
    found = SHOWN.value({"passphrase": 12345678, "frames": 12, "jdoe77": 1, "zqx9": 2})
    assert found == {"passphrase": HIDDEN, "frames": 12, HIDDEN: 2}


def test_texts_and_lists_are_bounded():
    assert len(SHOWN.text("the " * 10_000)) < 2_100
    assert len(SHOWN.value(list(range(10_000)))) == 5_000
    deep: object = "end"
    for _ in range(100):
        deep = [deep]
    assert len(str(SHOWN.value(deep))) < 300


def test_settings_are_shown_by_what_no_key_fits_into(tmp_path):
    """A name, a path, an address elsewhere is told of, and not shown."""
    chosen = config.parse(
        'data = "/srv/jdoe77"\n[feed]\nproducts = ["BTC-USD", "ABCDEF0123456789-ABCDEF"]\n'
        'exclude = ["*-USD"]\nurl = "wss://gateway.fund.example/secret"\n'
        'rest_url = "https://api.coinbase.com/deadbeef"\nkey_file = "/srv/jdoe77/key"\n'
        '[http]\nhosts = ["box.fund.example"]\nlisten = "127.0.0.1:9999"\n',
        tmp_path / "x.toml",
    )
    found = of_config(chosen, ["BTC-USD"])
    assert found["data"] == "set"
    assert found["feed.products"] == ["BTC-USD", HIDDEN]
    assert found["feed.exclude"] == ["*-USD"]
    assert found["feed.url"] == f"wss://{HIDDEN}"
    assert found["feed.rest_url"] == "https://api.coinbase.com"
    assert (found["feed.key_file"], found["http.listen"]) == ("set", "set")
    assert found["http.hosts"] == "1 of them"
    assert found["store.part_seconds"] == 10
    assert set(found) == {"file", *(key.name for key in config.KEYS)}
    assert not any(word in str(found) for word in ("jdoe77", "fund", "deadbeef", "secret"))


def test_defaults_say_so_without_the_place_where_we_are():
    found = of_config(config.load(None), [])
    assert found["data"] == "the default"
    assert str(Path.cwd()) not in str(found)
    served = config.parse('data = "/var/lib/recorder"', None)
    assert of_config(served, [])["data"] == "/var/lib/recorder"


def test_mistakes_are_told_by_place_alone():
    """What stands in the file may be a key, and so may a name of a key."""
    with pytest.raises(ConfigError) as raised:
        config.parse('sk_live_q7Zx = 1\n[feed]\nproducts = ["q7Zx-secret"]\nkey_file = 3\n', None)
    found = mistakes(raised.value.places)
    assert found == [
        {"line": 1, "key": HIDDEN},
        {"line": 3, "key": "feed.products"},
        {"line": 4, "key": "feed.key_file"},
    ]
    with pytest.raises(ConfigError) as raised:
        config.parse("q7Zx", None)
    assert mistakes(raised.value.places) == [{"line": 1, "key": None}]
