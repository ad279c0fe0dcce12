"""Signatures: the published vectors, and what must never be produced."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from recorder.credentials import Credentials, Secret
from recorder.errors import ConfigError
from recorder.feed.auth import JwtSigner, Signer, signer_for
from recorder.venue.rest_keys import KeyRing, NotSignedError, SignedRequest, new_key
from tests.feed.test_auth_keys import EC_FORMS, EC_PEM, EC_PUBLIC, ED_32, ED_64, ED_FORMS

NOW_S = 1700000000.0
EC_NAME = (
    "organizations/11111111-1111-4111-8111-111111111111"
    "/apiKeys/22222222-2222-4222-8222-222222222222"
)
ED_NAME = "33333333-3333-4333-8333-333333333333"
NONCE = "00112233445566778899aabbccddeeff"
HOST = "api.coinbase.com"

# The vectors of coinbase.md §5; none of them grants anything.
EXCHANGE_SECRET = (
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
)
ORDER = (
    b'{"client_oid":"00000000-0000-4000-8000-000000000001","price":"1.0","product_id":"BTC-USD"'
    b',"side":"buy","size":"1.0"}'
)
EXCHANGE = [
    ("GET", "/users/self/verify", b"", "4w5N81jN+R8BEl+8gu26Lel0jalXF5uTezix+T8v9eY="),
    ("GET", "/accounts", b"", "rGG1JqXQ+E6pZei33vupSfjDznqIYp7EiYs3JKWtKIw="),
    ("GET", "/orders?status=done", b"", "wgTxznY0R27d7H2KgDSX7JEIf0yzqPEIDDNGNQAGkVs="),
    ("GET", "/products/BTC-USD/book?level=3", b"", "syc5qY6ulK3cscGJpb/U+OXSHlO1dW9ATiwx0jdE9bo="),
    ("POST", "/orders", ORDER, "wP9Bdmnagpdjup5FWiWme1JBw8wwV3x+LCKBTxmVMk4="),
]
EXCHANGE_MISTAKES = [
    "5ffaeddb129a32606849e1402534855711525bcc8f01729db7dc55924401f3f9",
    "X/rt2xKaMmBoSeFAJTSFVxFSW8yPAXKdt9xVkkQB8/k=",
    "ac61b526a5d0f84ea965e8b7defba949f8c3ce7a88629ec4898b3724a5ad288c",
    "eTi7RnfxN6WkFiMTkxJqc3WeBcnV841J6L+suzL0ijE=",
]
LEGACY_SECRET = "abcdefghijklmnopqrstuvwxyz012345"
BROKERAGE = "/api/v3/brokerage"
LEGACY = [
    (
        "GET",
        f"{BROKERAGE}/accounts",
        b"",
        "6590ab521c205e91dae6d00fef3587f9bd39b10c2bbeb506092969b2238ea8f5",
    ),
    (
        "GET",
        f"{BROKERAGE}/products/BTC-USD/ticker?limit=3",
        b"",
        "c3d9a03ea91a71045d7ba619b10dcde14344afd448fdc7d9e3539f00cb403afe",
    ),
    (
        "POST",
        f"{BROKERAGE}/orders/batch_cancel",
        b'{"order_ids":["a"]}',
        "de2658635519dc3f9212acaa9891d54423500096f2bf3e9a2cf2f5da6a28dc4b",
    ),
]
LEGACY_WITH_QUERY = "19d52a1bcdf59176e32ddc182e4de49e706a17fdc5f4279c803b51fe318131f2"
ED_SOCKET_TOKEN = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6IjMzMzMzMzMzLTMzMzMtNDMzMy04MzMzLTMzMzMzMzMzMzMzMyIsIm5vbmNlIjoi"
    "MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmYiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIzMzMzMzMzMy0zMzMz"
    "LTQzMzMtODMzMy0zMzMzMzMzMzMzMzMiLCJpc3MiOiJjZHAiLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDEy"
    "MH0.1XhxUAjfzjt02kjjsrSr62dOuu_Qqnm1lBoDlCWUHThd7vMvamFSPY9t_4R4C3QCfJEoCRjNSWH9KC04hQ_0Bg"
)
ED_REST_TOKEN = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6IjMzMzMzMzMzLTMzMzMtNDMzMy04MzMzLTMzMzMzMzMzMzMzMyIsIm5vbmNlIjoi"
    "MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmYiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIzMzMzMzMzMy0zMzMz"
    "LTQzMzMtODMzMy0zMzMzMzMzMzMzMzMiLCJpc3MiOiJjZHAiLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDEy"
    "MCwidXJpIjoiR0VUIGFwaS5jb2luYmFzZS5jb20vYXBpL3YzL2Jyb2tlcmFnZS9rZXlfcGVybWlzc2lvbnMifQ.fyvF"
    "Bv8FD9Wk33NeilL-_ft9YT9NjDiKhVn13NyuWDeN3bzXEeBp94tbkGbzrZ5dgdQDPkiaHU3aeelAp7mSCg"
)
EC_SOCKET_TOKEN = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6Im9yZ2FuaXphdGlvbnMvMTExMTExMTEtMTExMS00MTExLTgxMTEtMTExMTExMTEx"
    "MTExL2FwaUtleXMvMjIyMjIyMjItMjIyMi00MjIyLTgyMjItMjIyMjIyMjIyMjIyIiwibm9uY2UiOiIwMDExMjIzMzQ0"
    "NTU2Njc3ODg5OWFhYmJjY2RkZWVmZiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcmdhbml6YXRpb25zLzExMTExMTExLTEx"
    "MTEtNDExMS04MTExLTExMTExMTExMTExMS9hcGlLZXlzLzIyMjIyMjIyLTIyMjItNDIyMi04MjIyLTIyMjIyMjIyMjIy"
    "MiIsImlzcyI6ImNkcCIsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAwMTIwfQ.QrgkzxnFsvAiPMzsduvYbS5cM7"
    "JSV7qu6Hsr22b2UrGryf9Ixq-V_9LLCF597ov3DMDAHXiyuvzQinA1fduasg"
)
EC_REST_TOKEN = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6Im9yZ2FuaXphdGlvbnMvMTExMTExMTEtMTExMS00MTExLTgxMTEtMTExMTExMTEx"
    "MTExL2FwaUtleXMvMjIyMjIyMjItMjIyMi00MjIyLTgyMjItMjIyMjIyMjIyMjIyIiwibm9uY2UiOiIwMDExMjIzMzQ0"
    "NTU2Njc3ODg5OWFhYmJjY2RkZWVmZiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcmdhbml6YXRpb25zLzExMTExMTExLTE"
    "xMTEtNDExMS04MTExLTExMTExMTExMTExMS9hcGlLZXlzLzIyMjIyMjIyLTIyMjItNDIyMi04MjIyLTIyMjIyMjIyMjI"
    "yMiIsImlzcyI6ImNkcCIsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAwMTIwLCJ1cmkiOiJHRVQgYXBpLmNvaW5"
    "iYXNlLmNvbS9hcGkvdjMvYnJva2VyYWdlL2FjY291bnRzIn0.Dhg-N4S22U05uAfMn_bCIbAeyh0_SaoPi1Y-tXgwhdj"
    "DDqooW78kTTZK6B7RfgssKxkYx-6RLxfpkVGjw1QnhQ"
)


def credentials(key: str, secret: str, passphrase: str | None = None) -> Credentials:
    hidden = None if passphrase is None else Secret(passphrase)
    return Credentials(key, Secret(secret), hidden, "the test")


def exchange_signer(now_s: float = NOW_S, secret: str = EXCHANGE_SECRET) -> Signer:
    return signer_for(credentials("key", secret, " words \n"), "exchange", now=lambda: now_s)


def jwt_signer(name: str, secret: str, now_s: float = NOW_S + 5) -> JwtSigner:
    """Signs as in the vectors, whose tokens begin 5 s before this clock."""
    signer = signer_for(credentials(name, secret), "advanced", now=lambda: now_s)
    assert isinstance(signer, JwtSigner)
    signer._nonce = lambda: NONCE
    return signer


def parts(token: str) -> list[Any]:
    """Header and claims of a token, with the order of their members."""
    return [
        list(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).items())
        for part in token.split(".")[:2]
    ]


# --- Exchange ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "target", "body", "sign"), EXCHANGE)
def test_exchange_vectors(method, target, body, sign):
    headers = exchange_signer().headers(method, "api.exchange.coinbase.com", target, body).reveal()
    assert headers == {
        "CB-ACCESS-KEY": "key",
        "CB-ACCESS-SIGN": sign,
        "CB-ACCESS-TIMESTAMP": "1700000000",
        "CB-ACCESS-PASSPHRASE": "words",
    }
    assert exchange_signer().headers(method.lower(), "", target, body).reveal() == headers


def test_the_exchange_vector_with_a_fraction_of_a_second():
    signer: Any = exchange_signer()
    assert signer._sign("1700000000.123", "GET", "/users/self/verify", b"") == (
        "maXKiSsLPYaOmwbHMYPOnAk9dnfBM1tLuI8FmCJJfqM="
    )


def test_what_published_material_gets_wrong_is_not_produced():
    """Hex, a secret that is not decoded, a method in small letters."""
    made = exchange_signer().headers("GET", "", "/accounts", b"").reveal()
    assert made["CB-ACCESS-SIGN"] not in EXCHANGE_MISTAKES
    lower = exchange_signer().headers("get", "", "/accounts", b"").reveal()
    assert lower["CB-ACCESS-SIGN"] not in EXCHANGE_MISTAKES


def test_the_subscription_of_exchange_s_socket():
    made = exchange_signer().members("full", ["BTC-USD"]).reveal()
    assert made == {
        "signature": EXCHANGE[0][3],
        "key": "key",
        "passphrase": "words",
        "timestamp": "1700000000",
    }


# --- legacy --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "target", "body", "sign"), LEGACY)
def test_legacy_vectors(method, target, body, sign):
    signer = signer_for(credentials("k", LEGACY_SECRET), "advanced", "legacy", lambda: NOW_S)
    made = signer.headers(method, HOST, target, body).reveal()
    assert made == {
        "CB-ACCESS-KEY": "k",
        "CB-ACCESS-SIGN": sign,
        "CB-ACCESS-TIMESTAMP": "1700000000",
    }
    assert made["CB-ACCESS-SIGN"] != LEGACY_WITH_QUERY


@pytest.mark.parametrize(
    ("channel", "products", "sign"),
    [
        (
            "level2",
            ["BTC-USD", "ETH-USD"],
            "fdf56aa3fdea16a2af30313097c71d2d170f278aea1e6df24489e6c2ace5dc85",
        ),
        ("heartbeats", [], "809c6d5ece5e78d67967cbf466c2dfd941048a73d9e08168bd86798cbdbbc9bd"),
    ],
)
def test_legacy_vectors_of_the_socket(channel, products, sign):
    signer = signer_for(credentials("k", LEGACY_SECRET), "advanced", "legacy", lambda: NOW_S)
    assert signer.members(channel, products).reveal() == {
        "api_key": "k",
        "timestamp": "1700000000",
        "signature": sign,
    }


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ED_FORMS.values(), ids=ED_FORMS)
def test_ed25519_vectors_byte_for_byte(text):
    signer = jwt_signer(ED_NAME, text)
    assert signer.members("user", ["BTC-USD"]).reveal() == {"jwt": ED_SOCKET_TOKEN}
    made = signer.headers("get", HOST, f"{BROKERAGE}/key_permissions?limit=3", b"").reveal()
    assert made == {"Authorization": f"Bearer {ED_REST_TOKEN}"}


@pytest.mark.parametrize("text", EC_FORMS.values(), ids=EC_FORMS)
def test_es256_vectors(text):
    """Signatures differ each time; header and claims are those of the vector, in their order."""
    signer = jwt_signer(EC_NAME, text)
    public = load_der_public_key(base64.b64decode(EC_PUBLIC))
    for vector, token in (
        (EC_SOCKET_TOKEN, signer.token(None).reveal()),
        (EC_REST_TOKEN, signer.token(f"GET {HOST}{BROKERAGE}/accounts").reveal()),
    ):
        for each in (vector, token):
            jwt.decode(each, public, ["ES256"], options={"verify_exp": False})
        assert token.rpartition(".")[0] == vector.rpartition(".")[0]
        assert parts(token) == parts(vector)
        assert len(base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")) == 64


def test_the_path_is_in_the_token_and_the_query_is_not():
    signer = jwt_signer(ED_NAME, ED_64)
    token = signer.headers("POST", HOST, "/a%20b?c=d", b"{}").reveal()["Authorization"]
    assert dict(parts(token.removeprefix("Bearer "))[1])["uri"] == f"POST {HOST}/a%20b"


def test_every_request_has_a_token_of_its_own():
    """Nonces do not repeat, and are 16 random bytes in hex."""
    signer = signer_for(credentials(ED_NAME, ED_64), "advanced")
    tokens = [signer.members("user", []).reveal()["jwt"] for _ in range(50)]
    nonces = {dict(parts(token)[0])["nonce"] for token in tokens}
    assert len(nonces) == 50
    assert all(len(bytes.fromhex(nonce)) == 16 for nonce in nonces)


def test_an_access_token_is_sent_as_it_is():
    signer = signer_for(credentials("", "abc.def \n"), "advanced", "bearer")
    made = signer.headers("GET", HOST, "/", b"").reveal()
    assert made == {"Authorization": "Bearer abc.def"}
    with pytest.raises(ConfigError, match="cannot sign a socket's"):
        signer.members("user", [])


# --- which key is for what -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "venue", "scheme", "why"),
    [
        (("k", "hunter2"), "advanced", None, "the key from the test cannot sign: it is neither"),
        (("", ED_64), "advanced", None, "has no name: set COINBASE_API_KEY"),
        (("k", EXCHANGE_SECRET, "p"), "advanced", None, "one of Exchange: use it with --venue"),
        (("k", EXCHANGE_SECRET), "exchange", None, "has no passphrase"),
        (("k", EC_PEM), "exchange", None, r"Keys of Advanced Trade \(CDP\) do not work there"),
        (("k", EC_PEM, "p"), "exchange", None, "COINBASE_API_SECRET of an Exchange key is base64"),
    ],
)
def test_a_key_of_the_wrong_kind_is_named(given, venue, scheme, why):
    with pytest.raises(ConfigError, match=why) as caught:
        signer_for(credentials(*given), venue, scheme)
    assert given[1][:12] not in str(caught.value)


# --- the venue takes them, and nothing near them -------------------------------------------------


def signed(kind: str, **changes: Any) -> tuple[KeyRing, SignedRequest, bool]:
    """A request of a new key, as it comes to a venue that knows the key."""
    known, secret = new_key(kind)
    exchange, clock_s = kind == "exchange", changes.pop("clock_s", 0.0)
    scheme: Any = {"legacy": "legacy", "bearer": "bearer"}.get(kind)
    signer = signer_for(
        credentials(known.name, secret, known.passphrase or None),
        "exchange" if exchange else "advanced",
        scheme,
        now=lambda: NOW_S + clock_s,
    )
    asked = {"method": "POST", "host": HOST, "target": "/a?b=c", "body": b"{}"}
    headers = dict(signer.headers(*asked.values()).reveal())
    request = SignedRequest(**(asked | {"headers": headers} | changes))
    return KeyRing((known,)), request, exchange


KINDS = ("ES256", "EdDSA", "exchange", "legacy", "bearer")


@pytest.mark.parametrize("scheme", ["legacy", "bearer"])
@pytest.mark.parametrize("secret", ["a\nb", "a b", "a\x01", "\udcff", "ä"])
def test_a_secret_that_is_no_word_is_refused(scheme, secret):
    """It could be no header, or be signed with; told without being shown."""
    with pytest.raises(ConfigError, match="is one word of plain characters") as caught:
        signer_for(credentials("k", secret), "advanced", scheme)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clock_s", [0.0, 4.0, -29.0])
def test_the_venue_takes_a_good_signature(kind, clock_s):
    keys, request, exchange = signed(kind, clock_s=clock_s)
    assert keys.check(request, NOW_S, exchange=exchange).kind == kind


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *((kind, {"method": "GET"}) for kind in KINDS[:4]),
        *((kind, {"target": "/b?b=c"}) for kind in KINDS[:4]),
        ("exchange", {"target": "/a?b=d"}),
        ("exchange", {"body": b"{ }"}),
        ("legacy", {"body": b"{ }"}),
        ("ES256", {"host": "evil.com"}),
        *((kind, {"clock_s": 31.0}) for kind in KINDS[:4]),
        *((kind, {"clock_s": -130.0}) for kind in KINDS[:4]),
        *((kind, {"headers": {}}) for kind in KINDS),
    ],
)
def test_the_venue_refuses_what_was_signed_for_something_else(kind, changes):
    keys, request, exchange = signed(kind, **changes)
    with pytest.raises(NotSignedError):
        keys.check(request, NOW_S, exchange=exchange)


@pytest.mark.parametrize("kind", KINDS)
def test_the_venue_knows_only_its_own_keys(kind):
    _, request, exchange = signed(kind)
    keys, _, _ = signed(kind)
    with pytest.raises(NotSignedError):
        keys.check(request, NOW_S, exchange=exchange)


def test_a_socket_s_token_is_none_for_rest():
    """It has no uri, and a token of REST is none for a socket."""
    known, secret = new_key("EdDSA")
    signer = signer_for(credentials(known.name, secret), "advanced", now=lambda: NOW_S)
    keys = KeyRing((known,))
    assert keys.check_socket(signer.members("user", []).reveal()["jwt"], NOW_S) is known
    token = signer.members("user", []).reveal()["jwt"]
    headers = {"Authorization": f"Bearer {token}"}
    with pytest.raises(NotSignedError):
        keys.check(SignedRequest("GET", HOST, "/", headers, b""), NOW_S, exchange=False)
    bearer = signer.headers("GET", HOST, "/", b"").reveal()["Authorization"]
    with pytest.raises(NotSignedError):
        keys.check_socket(bearer.removeprefix("Bearer "), NOW_S)


def test_ed_32_and_64_sign_the_same():
    assert jwt_signer(ED_NAME, ED_32).token(None).reveal() == ED_SOCKET_TOKEN
