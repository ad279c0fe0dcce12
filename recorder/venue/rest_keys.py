"""Keys that the venue knows, and whether a request was really signed with one of them.

Written from Coinbase's documentation and from signatures that were seen to verify, and not from
`recorder.feed.auth`: what one of them gets wrong, the tests between them find. A token is taken
apart by hand here, where the recorder makes it with a library.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from recorder.errors import UsageError

TOKEN_S_MAX = 120
TIMESTAMP_S_MAX = 30
_NONCES_KEPT = 10_000

Kind = Literal["ES256", "EdDSA", "exchange", "legacy", "bearer"]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as the venue has it. ``verifier`` is a public key, or the bytes of a shared secret."""

    name: str
    kind: Kind
    verifier: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | bytes
    passphrase: str = ""
    can_view: bool = True
    can_trade: bool = False
    can_transfer: bool = False

    @property
    def exchange(self) -> bool:
        """Whether it is a key of Exchange; the others are Advanced Trade's."""
        return self.kind == "exchange"


def new_key(
    kind: Kind, *, can_view: bool = True, can_trade: bool = False, can_transfer: bool = False
) -> tuple[KnownKey, str]:
    """Make a throwaway key: as the venue knows it, and the secret as the portal would show it."""
    name, passphrase = f"organizations/{uuid.uuid4()}/apiKeys/{uuid.uuid4()}", ""
    verifier: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | bytes
    if kind == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
        verifier = private.public_key()
        form = PrivateFormat.TraditionalOpenSSL
        text = private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    elif kind == "EdDSA":
        signing, name = ed25519.Ed25519PrivateKey.generate(), str(uuid.uuid4())
        verifier = signing.public_key()
        both = signing.private_bytes_raw() + verifier.public_bytes_raw()
        text = base64.b64encode(both).decode()
    elif kind == "exchange":
        verifier, name, passphrase = secrets.token_bytes(64), *map(secrets.token_hex, (16, 6))
        text = base64.b64encode(verifier).decode()
    else:
        text, name = secrets.token_hex(16), secrets.token_hex(8)
        verifier = text.encode()
    return KnownKey(name, kind, verifier, passphrase, can_view, can_trade, can_transfer), text


def write_new_key(path: Path) -> KnownKey:
    """Make a key that may view, and write its file as the portal gives it, for its owner alone.

    Raises:
        UsageError: the file is there already, or cannot be made.
    """
    known, secret = new_key("ES256")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(
            f"The key file {path} cannot be made: {error.strerror}. Name a file that is not there."
        ) from None
    with os.fdopen(descriptor, "w") as file:
        json.dump({"name": known.name, "privateKey": secret}, file)
    return known


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature is about. ``target`` has the query; ``headers`` are in any case."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class NotSignedError(Exception):
    """A request is not signed as it should be; the text is Exchange's word for it."""


class KeyRing:
    """All keys, and the tokens that were used."""

    def __init__(self, keys: tuple[KnownKey, ...]) -> None:
        self._keys = {key.name: key for key in keys}
        self._bearers = [key for key in keys if key.kind == "bearer"]
        self._nonces: OrderedDict[str, None] = OrderedDict()

    def add(self, key: KnownKey) -> None:
        """Know one key more."""
        self._keys[key.name] = key
        if key.kind == "bearer":
            self._bearers.append(key)

    def check(self, request: SignedRequest, now_s: float, *, exchange: bool) -> KnownKey:
        """Find whose request it is. Raises NotSignedError where that is not proven."""
        if exchange:
            return self._check_exchange(request, now_s)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and token.count(".") == 2:
            return self._check_token(token, f"{request.method} {request.host}{request.path}", now_s)
        if scheme == "Bearer":
            for key in self._bearers:
                assert isinstance(key.verifier, bytes)
                if hmac.compare_digest(key.verifier, token.encode()):
                    return key
            raise NotSignedError("unknown token")
        return self._check_legacy(request, now_s)

    def check_socket(self, token: str, now_s: float) -> KnownKey:
        """Check the token of a subscription, which must have no uri."""
        return self._check_token(token, None, now_s)

    def _check_token(self, token: str, uri: str | None, now_s: float) -> KnownKey:
        first, second, third = token.split(".")
        header, claims = _json(first), _json(second)
        key = self._keys.get(str(header.get("kid")))
        if key is None or header.get("alg") != key.kind or header.get("typ") != "JWT":
            raise NotSignedError("unknown key or algorithm")
        if not _verifies(key, f"{first}.{second}".encode(), _unpadded(third)):
            raise NotSignedError("wrong signature")
        begin, end = claims.get("nbf"), claims.get("exp")
        if not isinstance(begin, int) or not isinstance(end, int):
            raise NotSignedError("no times")
        if not begin <= now_s < end or end - begin > TOKEN_S_MAX:
            raise NotSignedError("expired, or not valid yet")
        if claims.get("sub") != key.name or claims.get("iss") != "cdp" or claims.get("uri") != uri:
            raise NotSignedError("made for something else")
        nonce = str(header.get("nonce") or "")
        if len(nonce) < 16 or nonce in self._nonces:
            raise NotSignedError("used before")
        self._nonces[nonce] = None
        if len(self._nonces) > _NONCES_KEPT:
            self._nonces.popitem(last=False)
        return key

    def _check_exchange(self, request: SignedRequest, now_s: float) -> KnownKey:
        names = ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")
        given = {name: request.headers.get(f"CB-ACCESS-{name}", "") for name in names}
        for name, value in given.items():
            if not value:
                raise NotSignedError(f"CB-ACCESS-{name} header is required")
        if abs(_number(given["TIMESTAMP"]) - now_s) > TIMESTAMP_S_MAX:
            raise NotSignedError("request timestamp expired")
        key = self._keys.get(given["KEY"])
        if key is None or not key.exchange:
            raise NotSignedError("Invalid API Key")
        if not hmac.compare_digest(key.passphrase, given["PASSPHRASE"]):
            raise NotSignedError("invalid Passphrase")
        assert isinstance(key.verifier, bytes)
        signed = f"{given['TIMESTAMP']}{request.method}{request.target}".encode() + request.body
        right = base64.b64encode(hmac.digest(key.verifier, signed, "sha256")).decode()
        if not hmac.compare_digest(right, given["SIGN"]):
            raise NotSignedError("invalid signature")
        return key

    def _check_legacy(self, request: SignedRequest, now_s: float) -> KnownKey:
        key = self._keys.get(request.headers.get("CB-ACCESS-KEY", ""))
        timestamp = request.headers.get("CB-ACCESS-TIMESTAMP", "")
        if key is None or key.kind != "legacy":
            raise NotSignedError("no signature")
        if abs(_number(timestamp) - now_s) > TIMESTAMP_S_MAX:
            raise NotSignedError("request timestamp expired")
        assert isinstance(key.verifier, bytes)
        signed = f"{timestamp}{request.method}{request.path}".encode() + request.body
        right = hmac.new(key.verifier, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, request.headers.get("CB-ACCESS-SIGN", "")):
            raise NotSignedError("invalid signature")
        return key


def _verifies(key: KnownKey, signed: bytes, signature: bytes) -> bool:
    try:
        match key.verifier:
            case ec.EllipticCurvePublicKey():
                if len(signature) != 64:  # JOSE's form: r and s, 32 bytes each, and not DER
                    return False
                r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
                key.verifier.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verifier.verify(signature, signed)
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def _unpadded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise NotSignedError("not base64") from None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_unpadded(text))
    except ValueError:
        raise NotSignedError("not JSON") from None
    return found if isinstance(found, dict) else {}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
