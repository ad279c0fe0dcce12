"""What is shown of texts that may be keys: paths and words are, keys are not."""

import string
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha512
from random import Random
from urllib.parse import quote

import pytest

from recorder.masking import (
    is_path_like,
    no_path,
    redact,
    shown_address,
    shown_path,
    without_keys,
)

PATHS = (
    "cdp_api_key.json",
    "/etc/credstore/recorder.coinbase",
    "/run/credentials/recorder.service/coinbase",
    "~/keys/coinbase",
    "./token",
    "../token",
    "keys/coinbase",
    "/keys/9f1c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f.json",
    "/etc/PRIVATE KEY/privateKey.json",
    "/home/Me/Projects2026/recorder-keys/coinbase-trading-api-key.json",
    "coinbase_cloud_api_key-2026-11.json",
    "coinbase",
    "http-token",
)
EC_BODY = "MHcCAQEEIJx4o1c6Zq9T0kWm3uYb8nVf5sRz7Lh2pXgD1eAaQ0KoAoGCCqGSM49AwEHoUQDQgAE"


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_shown(path):
    assert is_path_like(path)
    assert shown_path(path) == path


def made(seed: int) -> list[str]:
    raw = sha512(bytes([seed])).digest()[: 32 + seed]
    return [b64encode(raw).decode(), urlsafe_b64encode(raw).decode(), raw.hex(), raw.hex().upper()]


LEGACY = ("Dz8WVKYh3Nf8TVctA2f7vvWRwDb4McEI", "a968966cb059908fbf12890be2513616")
KEYS = [EC_BODY, "PassPhraseCanary99", *LEGACY, *(key for seed in range(5) for key in made(seed))]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_what_is_no_path_is_not_shown(key):
    assert not is_path_like(key)
    assert shown_path(key) == f"[hidden: {len(key)} characters]"
    assert key[:8] not in no_path(key)
    assert "mode 0600" in no_path(key)


FORMS: dict[str, Callable[[Random], str]] = {
    "base64 of 32 bytes": lambda by: b64encode(by.randbytes(32)).decode(),
    "base64 of 48 bytes": lambda by: b64encode(by.randbytes(48)).decode(),
    "base64 of 64 bytes": lambda by: b64encode(by.randbytes(64)).decode(),
    "base64 without its padding": lambda by: b64encode(by.randbytes(32)).decode().rstrip("="),
    "base64url": lambda by: urlsafe_b64encode(by.randbytes(32)).decode().rstrip("="),
    "hex of 16 bytes": lambda by: by.randbytes(16).hex(),
    "hex of 32 bytes": lambda by: by.randbytes(32).hex(),
    "upper-case hex": lambda by: by.randbytes(16).hex().upper(),
    "base32": lambda by: b32encode(by.randbytes(20)).decode(),
    "letters and digits": lambda by: "".join(
        by.choices(string.ascii_letters + string.digits, k=48)
    ),
}
MADE = 2_000


@pytest.mark.parametrize("form", FORMS)
def test_no_random_key_is_shown_whatever_its_slashes(form):
    by = Random(form)
    for _ in range(MADE):
        key = FORMS[form](by)
        assert not is_path_like(key), key
        for text in (
            key,
            f"No such command '{key}'.",
            f"/srv/keys/{key}: no such file",
            f"{key}/x",
        ):
            assert key[:12] not in without_keys(text), text
            assert key[-12:] not in without_keys(text), text


SLASHED = "97ZZ5AkRqKq/UANLOSIskmz+MSoBi/Ymb8BCKUUeXKo="


@pytest.mark.parametrize("start", ["", "./", "/", "keys/", "/srv/keys/"])
def test_a_key_in_base64_with_slashes_is_no_path(start):
    assert not is_path_like(start + SLASHED)
    assert SLASHED[:11] not in shown_path(start + SLASHED)


def test_a_key_below_a_folder_or_with_a_suffix_is_no_path():
    for text in (f"/{EC_BODY}", f"{EC_BODY}.pem", f"./{EC_BODY}", f"/keys/{'0a1b' * 8}"):
        assert not is_path_like(text)
    assert not is_path_like('{"name": "organizations/a/apiKeys/b"}')


def test_a_file_that_is_there_is_shown_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "0a1b" * 8
    assert not is_path_like(name)
    (tmp_path / name).touch()
    assert shown_path(name) == name


@pytest.mark.parametrize("key", [key for key in KEYS if len(key) > 24], ids=str)
def test_a_key_among_words_is_left_out(key):
    shown = without_keys(f"No such command '{key}'. Try `recorder --help`.")
    assert "…" in shown
    assert all(key[at : at + 12] not in shown for at in range(len(key) - 12))
    assert shown.endswith("'. Try `recorder --help`.")


@pytest.mark.parametrize(
    "words",
    [
        "keep_capture_for_a_very_long_time_please",
        "BTC-USD-20261225-PERPETUAL-INTX",
        "recorder-that-is-mentioned-in-the-documentation",
        "keepCaptureOfEverythingForEver",
        "/usr/lib/x86_64-linux-gnu/perl5/5.36/IO/Socket/UNIX.pm",
        "/srv/recorder/level2/product=BTC-USD/date=2026-11-06/hour=12/level2-BTC-USD-20261106T12.parquet",
        "live/cuts/2026111020-000000000000-000016794494.json",
        "/opt/recorder/venv/lib/python3.11/site-packages/numpy/distutils/tests/test_mingw32ccompiler.py",
        "/nonexistent/library/include/c++/12/experimental/bits",
    ],
)
def test_words_are_shown(words):
    assert without_keys(words) == words


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://market-data/coinbase", "s3://market-data/coinbase"),
        ("s3://u:PLANTED@b/p", "s3://b/p"),
        ("s3://u:PLA/NTED@b/p", "s3://…@b/p"),
        ("http://127.0.0.1:1/?k=PLANTED", "http://127.0.0.1:1/"),
        ("https://h/p?k=PLANTED#PLANTED", "https://h/p"),
        ("https://[PLANTED", "[hidden: 16 characters]"),
        ("data", "data"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address, shown):
    assert shown_address(address) == shown


def test_a_header_that_is_repeated_is_cleaned():
    said = redact("CB-ACCESS-SIGN: abc= CB-ACCESS-PASSPHRASE: PassPhraseCanary99")
    assert "abc" not in said
    assert "PassPhraseCanary99" not in said


def test_what_is_quoted_for_urls_hides_no_key():
    for key in ("QDFHqrjX16jLXg5j8aCo/vVSnoLwjk3cNjN5cp+N/oSkE1pXaaQ", SLASHED):
        for text in (f"GET /x?k={quote(key, safe='')}", f"wss://h/{quote(key, safe='')}"):
            assert key[:12] not in without_keys(text)
            assert key[-8:-1] not in without_keys(text)
    assert without_keys("GET /x?at=2026-11-06%2012%3A00") == "GET /x?at=2026-11-06%2012%3A00"
