"""Signed subscriptions: what is added to a request on a socket, and what an error may mean.

Every request is signed afresh: a token is good for two minutes, an HMAC for half a minute around
its time (`coinbase.md` §1.12, §2.8). The time is the venue's, as far as it is known how far this
machine's clock is from it.

The venue's errors name neither a request nor a channel, and Advanced Trade calls a channel that it
does not know an authentication failure, too (§1.10). So an error is held against what was asked
for just before it.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from recorder.credentials import Secret
from recorder.errors import RecorderError
from recorder.feed.rest_errors import clock_fault

CLOCK_S_FINE = 2.0  # a clock that is off by less is not put right
COMPARE_S_MAX = 5.0
COMPARE_EVERY_S = 600.0  # a clock that drifts by a second within that is broken
ANSWER_S_MAX = 10.0  # an error that comes later is about something else (`coinbase.md` §1.10)

_REFUSAL = re.compile(r"authenticat|api.?key|passphrase|signature|timestamp", re.IGNORECASE)


class _Signer(Protocol):
    """What a signer of `recorder.feed.auth` has for sockets."""

    @property
    def scheme(self) -> str:
        """How it signs."""

    def members(self, channel: str, products: Sequence[str]) -> Secret[Mapping[str, str]]:
        """The members that are added to a request."""


class _Clock(Protocol):
    @property
    def ahead_s(self) -> float:
        """By how much our clock is ahead of the venue's."""


class VenueClock:
    """The venue's time: this machine's, put right by ``ahead_s`` where that is known.

    ``ask`` asks the venue for its time; without it the clocks are not compared.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.ahead_s: float | None = None
        self.ask: Callable[[], Awaitable[_Clock]] | None = None
        self._wall = wall

    def now(self) -> float:
        """Seconds since 1970."""
        ahead_s = self.ahead_s or 0.0
        return self._wall() - (ahead_s if abs(ahead_s) > CLOCK_S_FINE else 0.0)

    async def compare(self) -> None:
        """Ask the venue for its time; where it does not answer, what is known holds."""
        if self.ask is None:
            return
        with suppress(RecorderError, TimeoutError):
            async with asyncio.timeout(COMPARE_S_MAX):
                self.ahead_s = (await self.ask()).ahead_s

    async def watch(self) -> None:
        """Compare now and then; ends at once where nobody can be asked."""
        while self.ask is not None:
            await self.compare()
            await asyncio.sleep(COMPARE_EVERY_S)


class Signing:
    """Signs requests on a socket, with one key."""

    def __init__(self, signer: _Signer, key: str, source: str, clock: VenueClock) -> None:
        """``key`` names the key and is no secret, ``source`` is where it was found."""
        self.clock = clock
        self._signer = signer
        self._key = key
        self._source = source

    def sign(self, text: bytes, channel: str, products: Sequence[str]) -> Secret[str]:
        """Add the members of a fresh signature to a request."""
        members = self._signer.members(channel, products)
        return Secret(json.dumps(json.loads(text) | dict(members.reveal()), separators=(",", ":")))

    def refused(self) -> str:
        """Say what a person can do about a signature that was refused twice."""
        ahead_s = self.clock.ahead_s
        if ahead_s is None:
            clock = "how far this machine's clock is from the venue's is not known"
        elif abs(ahead_s) <= CLOCK_S_FINE:
            clock = "this machine's clock is right"
        else:
            where = "ahead of" if ahead_s > 0 else "behind"
            clock = (
                f"this machine's clock is {abs(ahead_s):.0f} s {where} the venue's, which was "
                "reckoned with"
            )
            clock += ", and should be set" if clock_fault(self._signer.scheme, ahead_s) else ""
        return (
            f"the key {self._key} from {self._source} was refused, and again with a fresh "
            f"signature; {clock}. `recorder auth check` says more"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was sent; ``again``: its signature is the second one."""

    channel: str
    products: tuple[str, ...]
    at_s: float
    again: bool


class Refusals:
    """What errors of one session say of the signatures of its requests.

    A refused signature is made anew once: the clock may have been set, the token been too old when
    it came. What is refused again is told once, as is a refusal of what was not signed.
    """

    def __init__(self) -> None:
        self.waiting = False  # to ask again: errors that come meanwhile are about the first time
        self._signed: list[Asked] = []
        self._told: set[str] = set()

    @property
    def refused(self) -> bool:
        """Whether a signature was refused twice."""
        return "signed" in self._told

    def sent(self, channel: str, products: tuple[str, ...], now_s: float, *, again: bool) -> None:
        """Note a signed subscription."""
        others = (
            each
            for each in self._recent(now_s)
            if (each.channel, each.products) != (channel, products)
        )
        self._signed = [*others, Asked(channel, products, now_s, again)]

    def _recent(self, now_s: float) -> list[Asked]:
        return [each for each in self._signed if now_s - each.at_s <= ANSWER_S_MAX]

    def heard(self, text: str, signing: Signing | None, now_s: float) -> "list[Asked] | str":
        """Take an error: what to ask for again, or what to tell of it; empty for neither."""
        if self.waiting or _REFUSAL.search(text) is None:
            return ""
        recent = self._recent(now_s)
        if signing is None or not recent:
            return self._once("unsigned", _UNSIGNED)
        if first := [each for each in recent if not each.again]:
            return first
        return self._once("signed", signing.refused())

    def _once(self, about: str, what: str) -> str:
        if about in self._told:
            return ""
        self._told.add(about)
        return what


_UNSIGNED = (
    "nothing was signed just before, so it is no key that is refused: the venue does not know a "
    "channel of feed.channels, or gives it to signed requests alone"
)
