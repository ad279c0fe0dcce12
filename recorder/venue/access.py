"""Who may subscribe to what: keys that the venue knows, and its own clock to check them by.

What Coinbase does, as far as it is known: Advanced Trade takes a token without ``uri`` in each
request and calls everything that is wrong with it an authentication failure; Exchange takes four
members that sign ``GET/users/self/verify``. The words of Exchange's refusals are those of its REST.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from recorder.venue.rest_keys import KeyRing, KnownKey, NotSignedError, SignedRequest

VERIFIED_PATH = "/users/self/verify"
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Access:
    """``everything``: market data is for signed requests alone, too.

    ``skew_s`` is by how much the venue's clock is ahead of this machine's.
    """

    keys: tuple[KnownKey, ...] = ()
    everything: bool = False
    skew_s: float = 0.0


class Signatures:
    """Checks the signatures of all connections, so that no token works twice."""

    def __init__(self, access: Access | None = None) -> None:
        """Without any access nobody is known, and market data is free."""
        access = access or Access()
        self.everything = access.everything
        self._skew_ns = int(access.skew_s * SECOND_NS)
        self._keys = KeyRing(access.keys)

    def add(self, key: KnownKey) -> None:
        """Know one key more."""
        self._keys.add(key)

    def _now_s(self, now_ns: int) -> float:
        return (now_ns + self._skew_ns) / SECOND_NS

    def token_refused(self, token: str | None, now_ns: int) -> str:
        """Say why a token of Advanced Trade is not taken; empty where it is."""
        if token is None or token.count(".") != 2:
            return "no token"
        try:
            key = self._keys.check_socket(token, self._now_s(now_ns))
        except NotSignedError as wrong:
            return str(wrong)
        return "" if key.can_view else "the key may not view"

    def members_refused(self, members: Mapping[str, str], now_ns: int) -> str:
        """Say why the members of a request to Exchange sign nothing; empty where they do."""
        given = {"KEY": "key", "SIGN": "signature", "TIMESTAMP": "timestamp"}
        headers = {
            f"CB-ACCESS-{name}": members.get(member, "")
            for name, member in (given | {"PASSPHRASE": "passphrase"}).items()
        }
        request = SignedRequest("GET", "", VERIFIED_PATH, headers, b"")
        try:
            key = self._keys.check(request, self._now_s(now_ns), exchange=True)
        except NotSignedError as wrong:
            return str(wrong)
        return "" if key.can_view else "the key may not view"
