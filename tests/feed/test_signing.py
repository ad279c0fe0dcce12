"""What is added to a request on a socket, and what an error is taken to mean."""

import asyncio
import json
from itertools import count

import pytest

from recorder.credentials import Secret
from recorder.errors import VenueUnavailableError
from recorder.feed.rest_answers import Clock
from recorder.feed.signing import ANSWER_S_MAX, Asked, Refusals, Signing, VenueClock

REFUSED = "authentication failure"


class Signer:
    scheme = "jwt"

    def members(self, channel, products) -> Secret:
        return Secret({"jwt": f"{channel} {list(products)}"})


def signing(clock: VenueClock | None = None) -> Signing:
    return Signing(Signer(), "organizations/1/apiKeys/2", "a file", clock or VenueClock())


def test_members_are_added_and_the_rest_stays():
    """What is signed is a secret as a whole."""
    signed = signing().sign(b'{"type":"subscribe","channel":"user"}', "user", ())
    assert repr(signed) == "***"
    assert json.loads(signed.reveal()) == {
        "type": "subscribe", "channel": "user", "jwt": "user []"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ahead_s", "now_s"), [(None, 1000.0), (1.9, 1000.0), (-1.9, 1000.0), (90.0, 910.0), (-3, 1003)]
)
def test_the_time_of_a_signature_is_the_venue_s(ahead_s, now_s):
    """As far as it is known, and where ours is off by more than the way may take."""
    clock = VenueClock(lambda: 1000.0)
    clock.ahead_s = ahead_s
    assert clock.now() == now_s


async def test_a_venue_that_tells_no_time_changes_nothing():
    """What was known of the clock holds."""
    clock = VenueClock()
    await clock.compare()
    assert clock.ahead_s is None

    async def refuse():
        raise VenueUnavailableError("it is down")

    async def tell():
        return Clock(100.0, 150.0, 152.0)

    clock.ask = tell
    await clock.compare()
    clock.ask = refuse
    await clock.compare()
    assert clock.ahead_s == 51.0


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (None, "is not known"),
        (0.5, "this machine's clock is right"),
        (3.0, "3 s ahead of the venue's, which was reckoned with."),
        (-200.0, "200 s behind the venue's, which was reckoned with, and should be set"),
    ],
)
def test_a_refusal_names_the_key_and_the_clock(ahead_s, words):
    """And where to ask on."""
    clock = VenueClock()
    clock.ahead_s = ahead_s
    said = signing(clock).refused()
    assert said.startswith("the key organizations/1/apiKeys/2 from a file was refused")
    assert words in said
    assert "recorder auth check" in said


def test_an_error_is_held_against_what_was_signed_just_before():
    """Once it is asked for again, once it is told, then there is silence."""
    refusals, key = Refusals(), signing()
    refusals.sent("heartbeats", (), 0.0, again=False)
    refusals.sent("user", (), 100.0, again=False)
    assert refusals.heard(REFUSED, key, 101.0) == [Asked("user", (), 100.0, again=False)]
    refusals.waiting = True
    assert refusals.heard(REFUSED, key, 101.5) == ""  # of another request of the first time
    refusals.waiting = False
    assert not refusals.refused
    refusals.sent("user", (), 102.0, again=True)
    assert refusals.heard(REFUSED, key, 103.0) == key.refused()
    assert refusals.refused
    assert refusals.heard(REFUSED, key, 103.0) == ""


@pytest.mark.parametrize(
    "text",
    [
        "authentication failed: invalid signature",
        "authentication failed: request timestamp expired",
        "Failed to subscribe: user channel requires authentication",
        "Invalid API Key",
    ],
)
def test_the_words_of_refusals(text):
    """Those of either venue."""
    refusals = Refusals()
    refusals.sent("level2", ("BTC-USD",), 0.0, again=False)
    assert refusals.heard(text, signing(), 1.0) == [Asked("level2", ("BTC-USD",), 0.0, False)]


@pytest.mark.parametrize("text", ["rate limit exceeded", "X-USD is not a valid product", ""])
def test_other_errors_are_none_of_a_signature(text):
    refusals = Refusals()
    refusals.sent("level2", ("BTC-USD",), 0.0, again=False)
    assert refusals.heard(text, signing(), 1.0) == ""


def test_what_is_long_past_is_not_asked_for_again():
    """An error about nothing of the last seconds is about no signature."""
    refusals = Refusals()
    refusals.sent("user", (), 0.0, again=False)
    said = refusals.heard(REFUSED, signing(), ANSWER_S_MAX + 1)
    assert isinstance(said, str)
    assert "no key that is refused" in said
    assert Refusals().heard(REFUSED, None, 0.0) == said


async def test_the_clocks_are_compared_again_and_again(monkeypatch):
    """A clock that drifts is seen while it records; where nobody can be asked it ends at once."""
    monkeypatch.setattr("recorder.feed.signing.COMPARE_EVERY_S", 0.01)
    clock = VenueClock()
    await asyncio.wait_for(clock.watch(), 5)
    assert clock.ahead_s is None
    drifts = count(1)

    async def ask():
        return Clock(100.0, 100.0 + next(drifts), 100.0)

    clock.ask = ask
    watching = asyncio.create_task(clock.watch())
    async with asyncio.timeout(5):
        while (clock.ahead_s or 0) < 1.5:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)
    watching.cancel()
