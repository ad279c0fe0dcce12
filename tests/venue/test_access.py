"""Who is let in, over a socket and without: what Coinbase refuses is refused here."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recorder.venue import Venue
from recorder.venue.access import VERIFIED_PATH, Access, Signatures
from recorder.venue.rest_keys import new_key
from tests.venue.dialling import SMALL, dial, take, take_for, take_until
from tests.venue.test_rest_keys import encoded

NOW_NS = 1_700_000_000 * 10**9
NOW_S = NOW_NS // 10**9


def token(known: Any, secret: str, nonce: str = "0" * 32, **claims: Any) -> str:
    """A token for a socket, of an Ed25519 key, made by hand."""
    head = {"alg": "EdDSA", "kid": known.name, "typ": "JWT", "nonce": nonce}
    body = {"sub": known.name, "iss": "cdp", "nbf": NOW_S, "exp": NOW_S + 120} | claims
    signed = f"{encoded(head)}.{encoded(body)}"
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[:32])
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


def members(known: Any, secret: str, at_s: float = NOW_S) -> dict[str, str]:
    """What signs a request to Exchange, made by hand."""
    signed = f"{at_s}GET{VERIFIED_PATH}".encode()
    mac = hmac.new(base64.b64decode(secret), signed, hashlib.sha256).digest()
    return {
        "signature": base64.b64encode(mac).decode(), "key": known.name,
        "passphrase": known.passphrase, "timestamp": str(at_s),
    }  # fmt: skip


def test_a_token_is_taken_once_and_while_it_is_good():
    """No token, a used, an expired, an early one, one for REST: none of them."""
    known, secret = new_key("EdDSA")
    at = Signatures(Access((known,)))
    assert at.token_refused(token(known, secret), NOW_NS) == ""
    assert at.token_refused(token(known, secret), NOW_NS) == "used before"
    for text in (None, "", "a.b", "a.b.c.d"):
        assert at.token_refused(text, NOW_NS) == "no token"
    for text in ("a.b.c", "!.!.!", "e30.e30.e30"):
        assert at.token_refused(text, NOW_NS)
    for after_s in (120, -1):
        made = token(known, secret, nonce="1" * 32)
        assert "expired" in at.token_refused(made, NOW_NS + after_s * 10**9)
    made = token(known, secret, "2" * 32, uri="GET api.coinbase.com/api/v3/brokerage/accounts")
    assert at.token_refused(made, NOW_NS) == "made for something else"
    assert Signatures().token_refused(token(known, secret), NOW_NS) == "unknown key or algorithm"


def test_the_venue_s_clock_is_its_own():
    """A token is good by the venue's time, wherever ours is."""
    known, secret = new_key("EdDSA")
    made = token(known, secret)
    assert Signatures(Access((known,), skew_s=119)).token_refused(made, NOW_NS) == ""
    assert Signatures(Access((known,), skew_s=121)).token_refused(made, NOW_NS)


def test_a_key_that_may_not_view_sees_nothing():
    """Of either venue."""
    known, secret = new_key("EdDSA", can_view=False)
    at = Signatures()
    at.add(known)
    assert at.token_refused(token(known, secret), NOW_NS) == "the key may not view"
    known, secret = new_key("exchange", can_view=False)
    at.add(known)
    assert at.members_refused(members(known, secret), NOW_NS) == "the key may not view"


def test_the_members_of_the_exchange():
    """All four, of one key, half a minute around their time."""
    known, secret = new_key("exchange")
    at, good = Signatures(Access((known,))), members(known, secret)
    assert at.members_refused(good, NOW_NS) == ""
    for name in good:
        assert at.members_refused({**good, name: ""}, NOW_NS)
        assert at.members_refused({**good, name: "x"}, NOW_NS)
    assert at.members_refused(good, NOW_NS + 31 * 10**9) == "request timestamp expired"
    assert at.members_refused(good, NOW_NS - 31 * 10**9) == "request timestamp expired"
    assert at.members_refused(members(*new_key("exchange")), NOW_NS) == "Invalid API Key"


async def test_own_orders_over_a_socket():
    """An error and then silence for who may not; heartbeats go on. In batches for who may."""
    known, secret = new_key("EdDSA")
    async with Venue(**SMALL, access=Access((known,))) as venue, dial(venue) as client:
        now_s = venue._start_ns // 10**9

        def made(nonce: str, **claims: Any) -> str:
            times = {"nbf": now_s - 5, "exp": now_s + 115}
            return token(known, secret, nonce * 32, **times | claims)

        for text in (None, "x.y.z", made("a", nbf=now_s - 500, exp=now_s - 380)):
            request = {"type": "subscribe", "channel": "user"} | ({"jwt": text} if text else {})
            await client.send(json.dumps(request))
            (error,) = await take(client, 1)
            assert error == {"type": "error", "message": "authentication failure"}
        await client.send('{"type":"subscribe","channel":"heartbeats"}')
        frames = await take_for(client, 1.2)
        assert {frame["channel"] for frame in frames} == {"subscriptions", "heartbeats"}
        request = {"type": "subscribe", "channel": "user", "jwt": made("b")}
        await client.send(json.dumps(request))
        frames = await take_until(client, lambda frame: "user" in frame["channel"])
        while frames[-1]["events"][0].get("type") != "update":
            frames += await take(client, 1)
        told = [frame["events"][0] for frame in frames if frame["channel"] == "user"]
        assert [len(event["orders"]) for event in told] == [50, 3, 1]
        (answer,) = [frame for frame in frames if frame["channel"] == "subscriptions"]
        listed = answer["events"][0]["subscriptions"]
        assert listed["user"] == [venue.orders.user_id]
        request = {"type": "unsubscribe", "channel": "user", "jwt": made("c")}
        await client.send(json.dumps(request))
        await take_until(client, lambda frame: frame["channel"] == "subscriptions")
        assert "user" not in {frame["channel"] for frame in await take_for(client, 1.2)}


async def test_a_strict_venue_gives_nothing_for_nothing():
    """Market data is for signed requests, too; a wrong signature spoils what would be free."""
    known, _ = new_key("EdDSA")
    access = Access((known,), everything=True)
    async with Venue(**SMALL, access=access) as venue, dial(venue) as client:
        await client.send('{"type":"subscribe","channel":"heartbeats"}')
        assert (await take(client, 1))[0]["message"] == "authentication failure"
    async with Venue(**SMALL) as venue, dial(venue) as client:
        await client.send('{"type":"subscribe","channel":"heartbeats","jwt":"a.b.c"}')
        assert (await take(client, 1))[0]["message"] == "authentication failure"


@pytest.mark.parametrize("strict", [False, True])
async def test_books_at_the_full_rate_over_a_socket(strict):
    """For a key of Exchange alone; the answer has the name that was asked for."""
    known, secret = new_key("exchange")
    access = Access((known,), everything=strict)
    venue_of = {**SMALL, "protocol": "exchange", "access": access}
    async with Venue(**venue_of) as venue, dial(venue) as client:
        request = {"type": "subscribe", "channels": ["level2"], "product_ids": ["BTC-USD"]}
        await client.send(json.dumps(request))
        (error,) = await take(client, 1)
        assert "require authentication" in error["reason"]
        await client.send(json.dumps(request | members(known, "c2VjcmV0", NOW_S)))
        (error,) = await take(client, 1)
        assert error["message"] == "authentication failed"
        at_s = venue._start_ns // 10**9
        await client.send(json.dumps(request | members(known, secret, at_s)))
        frames = await take_until(client, lambda frame: frame["type"] == "l2update")
        kinds = [frame["type"] for frame in frames]
        assert {"snapshot", "subscriptions"} <= set(kinds)
        answer = frames[kinds.index("subscriptions")]["channels"]
        assert [each["name"] for each in answer] == ["level2"]
        request["channels"] = ["level2_batch"]
        await client.send(json.dumps(request | members(known, secret, at_s)))
        frames = await take_until(client, lambda frame: frame["type"] == "error")
        assert "another channel of books" in frames[-1]["reason"]
