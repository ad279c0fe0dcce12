"""Secrets in every form that Coinbase gave out, and in those that were damaged on the way."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from recorder.credentials import Secret
from recorder.feed.auth_keys import decoded, private_key

# Throwaway keys of coinbase.md §5.3 and §5.4; they grant nothing.
EC_PEM = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIBbAR98DhkUmKdRcYShzuZai4wzo+ArJk/8sf74bMv20oAoGCCqGSM49
AwEHoUQDQgAE82m9u4f2CuEnEnYogROLadFePFnT4up+TC8StWYGcDYUagljnSdh
03m6gCyqdeWfquzfdT6UMC+zOHh8isBtRw==
-----END EC PRIVATE KEY-----
"""
EC_PUBLIC = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE82m9u4f2CuEnEnYogROLadFePFnT4up+TC8StWYGcDYUagljnSdh"
    "03m6gCyqdeWfquzfdT6UMC+zOHh8isBtRw=="
)
ED_64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="
ED_32 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ED_PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n"
)
ED_PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"


def pkcs8(key, encryption=None) -> str:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    ).decode()


# As `openssl ecparam -name prime256v1 -genkey` writes it before the key.
PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
EC_KEY = load_pem_private_key(EC_PEM.encode(), None)
EC_FORMS = {
    "as it is": EC_PEM,
    "with a backslash and an n": EC_PEM.replace("\n", "\\n"),
    "with \\r\\n": EC_PEM.replace("\n", "\\r\\n"),
    "with Windows's line ends": EC_PEM.replace("\n", "\r\n"),
    "on one line": EC_PEM.replace("\n", " "),
    "without line ends": EC_PEM.replace("\n", ""),
    "in quotes": f'"{EC_PEM}"',
    "with something around it": f"  key:\n{EC_PEM}\n\n",
    "after the curve's parameters": PARAMETERS + EC_PEM,
    "after the parameters, on one line": (PARAMETERS + EC_PEM).replace("\n", "\\n"),
    "PKCS8": pkcs8(EC_KEY),
    "PKCS8 with a backslash and an n": pkcs8(EC_KEY).replace("\n", "\\n"),
}
ED_FORMS = {
    "seed and public key": ED_64,
    "seed": ED_32,
    "PKCS8": ED_PEM,
    "PKCS8 with a backslash and an n": ED_PEM.replace("\n", "\\n"),
    "with white space": f" {ED_64[:40]}\n{ED_64[40:]}\n",
}


@pytest.mark.parametrize("text", EC_FORMS.values(), ids=EC_FORMS)
def test_every_form_of_an_elliptic_curve_key_is_the_same_key(text):
    key = private_key(Secret(text))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64encode(public).decode() == EC_PUBLIC


@pytest.mark.parametrize("text", ED_FORMS.values(), ids=ED_FORMS)
def test_every_form_of_an_ed25519_key_is_the_same_key(text):
    key = private_key(Secret(text))
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    assert key.public_key().public_bytes_raw().hex() == ED_PUBLIC


SECP384 = pkcs8(ec.generate_private_key(ec.SECP384R1()))
RSA = pkcs8(rsa.generate_private_key(65537, 2048))
ED448 = pkcs8(ed448.Ed448PrivateKey.generate())
EXCHANGE_64 = base64.b64encode(bytes(range(64))).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (EC_PEM[:120], "has no end: copy all lines"),
        (PARAMETERS + EC_PEM[:120], "has no end: copy all lines"),
        (PARAMETERS, "holds no private key that can be read"),
        (EC_PEM[:60] + EC_PEM[90:], "holds no private key that can be read"),
        (EC_PEM.replace("MHcC", "!!!!"), "holds no private key that can be read"),
        (pkcs8(EC_KEY, BestAvailableEncryption(b"x")), "encrypted: store it without a password"),
        (SECP384, "curve secp384r1; Coinbase takes P-256 and Ed25519"),
        (RSA, "RSAPrivateKey; Coinbase takes P-256"),
        (ED448, "Ed448PrivateKey; Coinbase takes P-256"),
        ("", "neither a PEM block nor base64"),
        ("hunter2", "neither a PEM block nor base64"),
        ("abcdefghijklmnopqrstuvwxyz012345", "legacy key, which expired in February 2025"),
        (ED_32[:-2], "neither a PEM block nor base64"),
        (ED_64[:-8] + "AAAAuA==", "not copied whole"),
        (EXCHANGE_64, "secret of an Exchange key"),
        ("\ud800", "neither"),
    ],
)
def test_what_is_no_key_is_named_for_what_it_seems(text, why):
    """And none of it is in the words."""
    problem = private_key(Secret(text))
    assert isinstance(problem, str)
    assert why in problem
    assert not text or text[:20] not in problem or text.startswith("-----BEGIN")


def test_base64_is_strict():
    assert decoded(Secret("AAEC\n")).reveal() == b"\0\1\2"
    for text in ("", "AAE", "AA-_", "AAEC*", "\xff", "QUFB QUFB\x00"):
        assert decoded(Secret(text)) is None
