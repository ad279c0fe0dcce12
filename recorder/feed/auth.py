"""Signers: how each kind of Coinbase key proves who asks.

| scheme | keys | REST | socket |
| --- | --- | --- | --- |
| ``jwt`` | CDP keys of Advanced Trade | a token for method, host and path | a token |
| ``exchange`` | Exchange keys with a passphrase | HMAC in base64, of the query as well | the same |
| ``legacy`` | expired in February 2025 | HMAC in hex, without the query | the same |
| ``bearer`` | OAuth access tokens | the token as it is | none |

Everything is made fresh for every request. Sources: `coinbase.md` §1.12, §2.8, and §6 for where
published material is wrong; docs/auth.md says which is right and why.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from recorder.credentials import KEY, PASSPHRASE, SECRET, Credentials, Secret, note_in_use
from recorder.errors import ConfigError
from recorder.feed.auth_keys import PrivateKey, decoded, private_key
from recorder.feed.products import Venue

Scheme = Literal["jwt", "exchange", "legacy", "bearer"]
Clock = Callable[[], float]

TOKEN_S = 120
# A clock that is a little ahead must not make a token that is not valid yet.
BACKDATED_S = 5
_SHOWN = frozenset(("CB-ACCESS-KEY", "CB-ACCESS-TIMESTAMP", "key", "api_key", "timestamp"))
_SOCKET_PATH = "/users/self/verify"  # what Exchange's socket has signed in place of a request


class JwtSigner:
    """Tokens of a CDP key: ES256 or EdDSA, valid for two minutes."""

    scheme = "jwt"

    def __init__(
        self,
        key: str,
        private: PrivateKey,
        now: Clock = time.time,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._key = key
        self._private = private
        self._algorithm = "ES256" if isinstance(private, EllipticCurvePrivateKey) else "EdDSA"
        self._now = now
        self._nonce = nonce

    def token(self, uri: str | None) -> Secret[str]:
        """Make a token: for a socket (None), or for ``METHOD host/path`` without the query."""
        import jwt  # noqa: PLC0415  only where there is a key

        begin_s = int(self._now()) - BACKDATED_S
        claims: dict[str, str | int] = {
            "sub": self._key, "iss": "cdp", "nbf": begin_s, "exp": begin_s + TOKEN_S,
        }  # fmt: skip
        if uri is not None:
            claims["uri"] = uri
        headers = {"kid": self._key, "nonce": self._nonce()}
        return Secret(jwt.encode(claims, self._private, self._algorithm, headers))

    def headers(
        self, method: str, host: str, target: str, body: bytes
    ) -> Secret[Mapping[str, str]]:
        """Sign one request, ``target`` being the path with the query exactly as it is sent.

        The query and the body are not in the token.
        """
        del body
        token = self.token(f"{method.upper()} {host}{target.partition('?')[0]}")
        return _noted({"Authorization": f"Bearer {token.reveal()}"})

    def members(self, channel: str, products: Sequence[str]) -> Secret[Mapping[str, str]]:
        """Sign a subscribe or unsubscribe request: the members that are added to it.

        The token says nothing of what is subscribed to.
        """
        del channel, products
        return _noted({"jwt": self.token(None).reveal()})


class ExchangeSigner:
    """HMAC-SHA256 keyed with the decoded secret, in base64, over the query and the body too."""

    scheme = "exchange"

    def __init__(
        self, key: str, secret: Secret[bytes], passphrase: Secret[str], now: Clock = time.time
    ) -> None:
        self._key = key
        self._mac = hmac.new(secret.reveal(), digestmod=sha256)
        self._passphrase = passphrase
        self._now = now

    def _sign(self, timestamp: str, method: str, target: str, body: bytes) -> str:
        mac = self._mac.copy()
        mac.update(f"{timestamp}{method.upper()}{target}".encode() + body)
        return base64.b64encode(mac.digest()).decode()

    def headers(
        self, method: str, host: str, target: str, body: bytes
    ) -> Secret[Mapping[str, str]]:
        """Sign time, method, path with query, and the body as it is sent."""
        del host
        timestamp = _seconds(self._now())
        return _noted({
            "CB-ACCESS-KEY": self._key,
            "CB-ACCESS-SIGN": self._sign(timestamp, method, target, body),
            "CB-ACCESS-TIMESTAMP": timestamp,
            "CB-ACCESS-PASSPHRASE": self._passphrase.reveal(),
        })  # fmt: skip

    def members(self, channel: str, products: Sequence[str]) -> Secret[Mapping[str, str]]:
        """Sign ``GET /users/self/verify``: what is subscribed to is not in it."""
        del channel, products
        timestamp = _seconds(self._now())
        return _noted({
            "signature": self._sign(timestamp, "GET", _SOCKET_PATH, b""),
            "key": self._key,
            "passphrase": self._passphrase.reveal(),
            "timestamp": timestamp,
        })  # fmt: skip


class LegacySigner:
    """HMAC-SHA256 keyed with the secret's own characters, in lower-case hex, without the query.

    No key of this kind is valid any more; fixtures and proxies of that time are.
    """

    scheme = "legacy"

    def __init__(self, key: str, secret: Secret[str], now: Clock = time.time) -> None:
        self._key = key
        self._mac = hmac.new(secret.reveal().strip().encode(), digestmod=sha256)
        self._now = now

    def _sign(self, text: str, body: bytes = b"") -> str:
        mac = self._mac.copy()
        mac.update(text.encode() + body)
        return mac.hexdigest()

    def headers(
        self, method: str, host: str, target: str, body: bytes
    ) -> Secret[Mapping[str, str]]:
        """Sign time, method, path and body."""
        del host
        timestamp = _seconds(self._now())
        path = target.partition("?")[0]
        return _noted({
            "CB-ACCESS-KEY": self._key,
            "CB-ACCESS-SIGN": self._sign(f"{timestamp}{method.upper()}{path}", body),
            "CB-ACCESS-TIMESTAMP": timestamp,
        })  # fmt: skip

    def members(self, channel: str, products: Sequence[str]) -> Secret[Mapping[str, str]]:
        """Sign time, channel and products."""
        timestamp = _seconds(self._now())
        return _noted({
            "api_key": self._key,
            "timestamp": timestamp,
            "signature": self._sign(f"{timestamp}{channel}{','.join(products)}"),
        })  # fmt: skip


class BearerSigner:
    """An OAuth access token, for REST of Advanced Trade."""

    scheme = "bearer"

    def __init__(self, token: Secret[str]) -> None:
        self._token = token

    def headers(
        self, method: str, host: str, target: str, body: bytes
    ) -> Secret[Mapping[str, str]]:
        """Give the token, whatever is asked."""
        del method, host, target, body
        return _noted({"Authorization": f"Bearer {self._token.reveal().strip()}"})

    def members(self, channel: str, products: Sequence[str]) -> Secret[Mapping[str, str]]:
        """Refuse: sockets take no access token. Raises ConfigError."""
        del channel, products
        raise ConfigError("an OAuth token cannot sign a socket's subscription: use a CDP key")


Signer = JwtSigner | ExchangeSigner | LegacySigner | BearerSigner


def signer_for(
    credentials: Credentials,
    venue: Venue,
    scheme: Scheme | None = None,
    now: Clock = time.time,
) -> Signer:
    """Make the signer of a key. Without a scheme: Exchange's there, else a CDP key's.

    Raises:
        ConfigError: the key is not one of that scheme; the text says what it seems to be.
    """
    wanted = scheme or ("exchange" if venue == "exchange" else "jwt")
    where = f"the key from {credentials.source}"
    if wanted in ("bearer", "legacy") and not _is_one_word(credentials.secret):
        raise ConfigError(
            f"{where} cannot sign: {SECRET} is one word of plain characters, and this is not: copy "
            "it again"
        )
    if wanted == "bearer":
        return BearerSigner(credentials.secret)
    if not credentials.key:
        raise ConfigError(f"{where} has no name: set {KEY}")
    if wanted == "legacy":
        return LegacySigner(credentials.key, credentials.secret, now)
    if wanted == "exchange":
        return _exchange_signer(credentials, where, now)
    if credentials.passphrase is not None:
        raise ConfigError(
            f"{where} has a passphrase, so it is one of Exchange: use it with --venue exchange, or "
            f"unset {PASSPHRASE}"
        )
    private = private_key(credentials.secret)
    if isinstance(private, str):
        raise ConfigError(f"{where} cannot sign: {private}")
    return JwtSigner(credentials.key, private, now)


def _exchange_signer(credentials: Credentials, where: str, now: Clock) -> ExchangeSigner:
    if credentials.passphrase is None:
        raise ConfigError(
            f"{where} has no passphrase: a key of Exchange has one, in {PASSPHRASE}. Keys of "
            "Advanced Trade (CDP) do not work there"
        )
    secret = decoded(credentials.secret)
    if secret is None:
        raise ConfigError(
            f"{where} cannot sign: {SECRET} of an Exchange key is base64, as it was shown once "
            "when the key was made"
        )
    passphrase = Secret(credentials.passphrase.reveal().strip())
    return ExchangeSigner(credentials.key, secret, passphrase, now)


def _is_one_word(secret: Secret[str]) -> bool:
    text = Secret(secret.reveal().strip())
    return text.reveal().isascii() and text.reveal().isprintable() and " " not in text.reveal()


def _noted(made: dict[str, str]) -> Secret[Mapping[str, str]]:
    """What signs a request, noted for the case that the server repeats it."""
    note_in_use(Secret(tuple(
        text.removeprefix("Bearer ") for name, text in made.items() if name not in _SHOWN
    )))  # fmt: skip
    return Secret(made)


def _seconds(now_s: float) -> str:
    return str(int(now_s))
