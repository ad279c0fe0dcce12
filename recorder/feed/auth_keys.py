"""What a secret is: a private key to sign tokens with, or bytes to key an HMAC with.

The forms that Coinbase has given out, and what became of them on the way through an environment
variable (`coinbase.md` §1.12): PEM of an elliptic curve key (SEC1 or PKCS8) with real newlines,
with a backslash and an n or with spaces in their place; Ed25519 as base64 of the seed, of the
seed and the public key, or as PKCS8 PEM.

Nothing here raises with a key at hand: a function answers with the key, or with what is wrong.
"""

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from recorder.credentials import Secret

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
_SEED_BYTES = 32
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
# `openssl ecparam -genkey` puts a block of the curve's parameters before the key.
_KEY = re.compile(r"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
_LINE_BREAKS = re.compile(r"\\[nr]|\s")


def private_key(secret: Secret[str]) -> PrivateKey | str:
    """Load the private key of a CDP key, or say what is wrong with it."""
    if "-----BEGIN" in secret.reveal():
        return _from_pem(secret)
    return _from_base64(secret)


def _from_pem(secret: Secret[str]) -> PrivateKey | str:
    found = (_KEY if "PRIVATE KEY-----" in secret.reveal() else _PEM).search(secret.reveal())
    if found is None or "ENCRYPTED" in found[0]:
        return (
            "its PEM block has no end: copy all lines of it"
            if found is None
            else "its PEM block is encrypted: store it without a password, in a file of mode 0600"
        )
    body = _LINE_BREAKS.sub("", found[2])
    try:
        key = load_pem_private_key(
            f"-----BEGIN {found[1]}-----\n{body}\n-----END {found[1]}-----\n".encode(), None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "its PEM block holds no private key that can be read: copy all of it"
    match key:
        case Ed25519PrivateKey():
            return key
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            return key
    curve = f" of the curve {key.curve.name}" if isinstance(key, EllipticCurvePrivateKey) else ""
    return f"it is a {type(key).__name__}{curve}; Coinbase takes P-256 and Ed25519"


def _from_base64(secret: Secret[str]) -> PrivateKey | str:
    seed = decoded(secret)
    if seed is None or len(seed.reveal()) not in {_SEED_BYTES, 2 * _SEED_BYTES}:
        return (
            "it is neither a PEM block nor base64 of 32 or 64 bytes. A key of two short words is a "
            "client key, which cannot sign, or a legacy key, which expired in February 2025: make "
            "a secret API key"
        )
    key = Ed25519PrivateKey.from_private_bytes(seed.reveal()[:_SEED_BYTES])
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if seed.reveal()[_SEED_BYTES:] not in {b"", public}:
        return (
            "the second half of it does not belong to the first: it was not copied whole, or it is "
            "the secret of an Exchange key, which has a passphrase"
        )
    return key


def decoded(secret: Secret[str]) -> Secret[bytes] | None:
    """Decode strict base64, white space aside; None where it is none, or empty."""
    try:
        content = base64.b64decode(re.sub(r"\s", "", secret.reveal()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return Secret(content) if content else None
