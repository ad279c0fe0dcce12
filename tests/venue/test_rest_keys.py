"""The venue's own check of signatures, against what a hostile client could send.

That good ones are taken, and those of other requests are not, is in tests/feed/test_auth.py, where
the recorder signs and the venue checks.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from recorder.venue.rest_keys import KeyRing, NotSignedError, SignedRequest, new_key

NOW_S = 1_700_000_000.0
CLAIMS = {"iss": "cdp", "nbf": 1_700_000_000, "exp": 1_700_000_120, "uri": "GET h/p"}


def encoded(part: Any) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def ring(kind: str = "EdDSA") -> tuple[KeyRing, Any, Any]:
    """A key, with what signs for it."""
    known, secret = new_key(kind)
    return KeyRing((known,)), known, secret


def token(known: Any, secret: str, header: Any = None, claims: Any = None) -> str:
    """A token of an Ed25519 key, made by hand."""
    head = {"alg": "EdDSA", "kid": known.name, "typ": "JWT", "nonce": "0" * 32} | (header or {})
    body = {"sub": known.name} | CLAIMS | (claims or {})
    signed = f"{encoded(head)}.{encoded(body)}"
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[:32])
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


def check(keys: KeyRing, text: str) -> Any:
    headers = {"Authorization": f"Bearer {text}"}
    return keys.check(SignedRequest("GET", "h", "/p?q=1", headers, b""), NOW_S, exchange=False)


def test_a_token_is_taken_once():
    keys, known, secret = ring()
    made = token(known, secret)
    assert check(keys, made) is known
    with pytest.raises(NotSignedError, match="used before"):
        check(keys, made)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "none"}, {}),
        ({"alg": "HS256"}, {}),
        ({"kid": "other"}, {}),
        ({"kid": None}, {}),
        ({"typ": "jwt"}, {}),
        ({"nonce": ""}, {}),
        ({"nonce": "short"}, {}),
        ({}, {"iss": "coinbase-cloud"}),
        ({}, {"sub": "other"}),
        ({}, {"uri": "GET h/p?q=1"}),
        ({}, {"uri": "POST h/p"}),
        ({}, {"uri": None}),
        ({}, {"nbf": 1_700_000_001}),
        ({}, {"exp": 1_700_000_000}),
        ({}, {"exp": 1_700_000_121}),
        ({}, {"nbf": "1700000000"}),
        ({}, {"exp": None}),
    ],
)
def test_a_token_that_is_off_in_one_thing_is_refused(header, claims):
    keys, known, secret = ring()
    with pytest.raises(NotSignedError):
        check(keys, token(known, secret, header, claims))


def test_a_token_whose_bytes_were_touched_is_refused():
    keys, known, secret = ring()
    first, second, third = token(known, secret).split(".")
    for made in (
        f"{first}.{second}.",
        f"{first}.{second}.{encoded(b'0' * 64)}",
        f"{first}.{encoded(CLAIMS | {'sub': known.name, 'x': 1})}.{third}",
        f"{first}.{second}",
        f"{first}.{second}.{third}.x",
        "..",
        "a.b.c",
        "!.!.!",
        f"{encoded([])}.{encoded([])}.{third}",
        "",
    ):
        with pytest.raises(NotSignedError):
            check(keys, made)


def test_an_es256_signature_in_der_is_refused():
    """JOSE wants r and s as they are, 64 bytes (coinbase.md §1.12)."""
    keys, known, secret = ring("ES256")
    key: Any = load_pem_private_key(secret.encode(), None)
    head = {"alg": "ES256", "kid": known.name, "typ": "JWT", "nonce": "0" * 32}
    signed = f"{encoded(head)}.{encoded({'sub': known.name} | CLAIMS)}"
    der = key.sign(signed.encode(), ec.ECDSA(SHA256()))
    with pytest.raises(NotSignedError, match="wrong signature"):
        check(keys, f"{signed}.{encoded(der)}")
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(32) + s.to_bytes(32)
    assert check(keys, f"{signed}.{encoded(raw)}") is known


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        *((f"CB-ACCESS-{name}", "", f"CB-ACCESS-{name} header is required")
          for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")),
        ("CB-ACCESS-KEY", "other", "Invalid API Key"),
        ("CB-ACCESS-PASSPHRASE", "other", "invalid Passphrase"),
        ("CB-ACCESS-SIGN", "other", "invalid signature"),
        ("CB-ACCESS-SIGN", "hex", "invalid signature"),
        ("CB-ACCESS-TIMESTAMP", "1700000031", "request timestamp expired"),
        ("CB-ACCESS-TIMESTAMP", "x", "request timestamp expired"),
        ("CB-ACCESS-TIMESTAMP", "1700000001", "invalid signature"),
        ("", "", None),
    ],
)  # fmt: skip
def test_exchange_says_what_is_wrong(header, value, words):
    keys, known, secret = ring("exchange")
    signed = b"1700000000GET/p?q=1"
    mac = hmac.new(base64.b64decode(secret), signed, hashlib.sha256)
    headers = {
        "CB-ACCESS-KEY": known.name,
        "CB-ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
        "CB-ACCESS-TIMESTAMP": "1700000000",
        "CB-ACCESS-PASSPHRASE": known.passphrase,
    }
    if header:
        headers[header] = mac.hexdigest() if value == "hex" else value
    request = SignedRequest("GET", "h", "/p?q=1", headers, b"")
    if words is None:
        assert keys.check(request, NOW_S, exchange=True) is known
        return
    with pytest.raises(NotSignedError, match=words):
        keys.check(request, NOW_S, exchange=True)
