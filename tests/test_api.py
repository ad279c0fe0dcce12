"""Requests by hand, over real HTTP and TLS, to a venue that knows a few keys."""

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from recorder import api, config
from recorder.errors import (
    ConfigError,
    KeyRefusedError,
    RecorderError,
    UsageError,
    VenueRefusedError,
    VenueUnavailableError,
)
from recorder.venue.rest import Failure, RestRules, RestVenue
from recorder.venue.rest_keys import KnownKey, new_key
from tests.authorities import DAY, NOW, Authority
from tests.rest_service import FAST, serving

KINDS = ("ES256", "EdDSA", "exchange", "legacy", "bearer")
ACCOUNTS = "/api/v3/brokerage/accounts"


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch):
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.delenv(f"COINBASE_API_{name}", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def use(monkeypatch: pytest.MonkeyPatch, known: KnownKey, secret: str) -> None:
    """Put a key into the environment."""
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    if known.passphrase:
        monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)


def asked_of(service: RestVenue, known: KnownKey | None = None) -> api.Service:
    """The service as a command would choose it for a key."""
    venue = "exchange" if known and known.exchange else "advanced"
    scheme = known.kind if known and known.kind in ("legacy", "bearer") else None
    return api.service(config.load(None), venue, service.url, None, scheme)


def rules(*keys: KnownKey, **more: Any) -> RestRules:
    return RestRules(**(FAST | {"keys": keys} | more))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_every_kind_reads_its_accounts(kind, monkeypatch):
    known, secret = new_key(kind)
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "get", "accounts", ["limit=2"]))
    assert reply.error is None
    accounts = reply.body if known.exchange else reply.body["accounts"]
    assert [each["currency"] for each in accounts][:2] == ["USD", "BTC"]


@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize(
    ("skew_s", "why"), [(200.0, "s behind the venue's"), (-200.0, "s ahead of the venue's")]
)
def test_a_wrong_clock_is_named(kind, skew_s, why, monkeypatch):
    """Not as a wrong key: by how much, in which direction, and how to set it."""
    known, secret = new_key(kind)
    use(monkeypatch, known, secret)
    with serving(rules(known, skew_s=skew_s)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts"))
    assert reply.status == 401
    assert isinstance(reply.error, KeyRefusedError)
    assert re.search(rf"This machine's clock is (199|200|201) {why}", str(reply.error))
    assert "timedatectl set-ntp true" in str(reply.error)


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("ES256", {}, "its secret is not its own"),
        ("EdDSA", {}, "its secret is not its own"),
        ("exchange", {}, "COINBASE_API_SECRET is not the secret of this key"),
        ("exchange", {"COINBASE_API_PASSPHRASE": "x"}, "COINBASE_API_PASSPHRASE is not the one"),
        ("exchange", {"COINBASE_API_KEY": "x"}, "The venue does not know the key"),
        ("legacy", {}, "its secret is not its own"),
        ("bearer", {}, "its secret is not its own"),
    ],
)
def test_a_wrong_signature_is_explained(kind, change, why, monkeypatch):
    known, _ = new_key(kind)
    _, other = new_key(kind)
    use(monkeypatch, known, other)
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts"))
        assert [each.status for each in service.asked] == [401]
    assert isinstance(reply.error, KeyRefusedError)
    assert why in str(reply.error)


@pytest.mark.parametrize("kind", ["ES256", "exchange"])
def test_what_a_key_may_not_do_is_explained(kind, monkeypatch):
    known, secret = new_key(kind)
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "POST", "orders", body='{"client_order_id":"1"}'))
    assert reply.status == 403
    assert isinstance(reply.error, KeyRefusedError)
    assert "The key may not do this" in str(reply.error)


@pytest.mark.parametrize("kind", ["ES256", "exchange"])
def test_a_body_arrives_as_it_was_written(kind, monkeypatch):
    """To the byte, since that is what is signed."""
    known, secret = new_key(kind, can_trade=True)
    use(monkeypatch, known, secret)
    body = '{ "client_order_id": "1",\n "product_id":"BTC-USD", "x": 1.10 }'
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "POST", "orders", body=body))
    assert reply.error is None
    assert "BTC-USD" in str(reply.body)


@pytest.mark.parametrize(
    ("kind", "path", "many"),
    [("EdDSA", "accounts", "accounts"), ("exchange", "orders?status=done", None)],
)
def test_pages_are_joined(kind, path, many, monkeypatch):
    known, secret = new_key(kind)
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "GET", path, ["limit=2"]), every_page=True)
        assert len(service.asked) >= 3
        assert all(each.status == 200 for each in service.asked)
    assert reply.error is None
    assert len(reply.body[many] if many else reply.body) == 5
    if many:
        assert reply.body["has_next"] is False


def test_more_pages_than_anybody_wants_are_told_of(monkeypatch):
    """What came is given, and that it is not all is an error."""
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    monkeypatch.setattr(api, "_PAGES_MAX", 2)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts?limit=1"), every_page=True)
    assert len(reply.body["accounts"]) == 3
    assert isinstance(reply.error, UsageError)
    assert "more than 2 pages" in str(reply.error)


def test_a_200_that_is_none_is_an_error(monkeypatch):
    """Orders are refused so: a script must not take it for done."""
    known, secret = new_key("EdDSA", can_trade=True)
    use(monkeypatch, known, secret)
    refused = (
        b'{"success":false,"error_response":{"error":"INSUFFICIENT_FUND","message":"too little"}}'
    )
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        service.failures.extend([Failure(200, refused), Failure(200, b'{"success":false}')])
        reply, other = (
            api.send(chosen, api.ask(chosen, "POST", "orders", body="{}")) for _ in range(2)
        )
    assert isinstance(reply.error, VenueRefusedError)
    assert "that it was not done: INSUFFICIENT_FUND: too little. Correct" in str(reply.error)
    assert reply.body["success"] is False
    assert isinstance(other.error, VenueRefusedError)


def test_an_error_on_a_later_page_is_an_error(monkeypatch):
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        first = b'{"accounts":[1],"cursor":"a","has_next":true}'
        service.failures.extend([Failure(200, first), Failure(404, b"{}")])
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts"), every_page=True)
        assert reply.status == 404
        assert isinstance(reply.error, VenueRefusedError)
        assert reply.body["accounts"] == [1]
        service.failures.extend([Failure(200, first), Failure(403, b"<html>Cloudflare")])
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts"), every_page=True)
        assert isinstance(reply.error, VenueUnavailableError)
        assert reply.body["accounts"] == [1]
        service.failures.append(Failure(200, first))
        service.fail(9, Failure(0))
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts"), every_page=True)
        assert isinstance(reply.error, VenueUnavailableError)
        assert reply.body["accounts"] == [1]


def test_a_cursor_that_goes_in_circles_ends(monkeypatch):
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        service.fail(9, Failure(200, b'{"accounts":[1],"cursor":"a"}'))
        reply = api.send(chosen, api.ask(chosen, "GET", "accounts"), every_page=True)
    assert reply.body["accounts"] == [1, 1]


def test_an_empty_cursor_is_the_end(monkeypatch):
    """Fills come without has_next: the first page is not asked for, and given, a second time."""
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        pages = (b'{"fills":[1],"cursor":"a"}', b'{"fills":[2],"cursor":""}')
        service.failures.extend(Failure(200, page) for page in (*pages, *pages))
        path = "orders/historical/fills"
        reply = api.send(chosen, api.ask(chosen, "GET", path), every_page=True)
        assert len(service.asked) == 2
    assert reply.error is None
    assert reply.body == {"fills": [1, 2], "cursor": ""}


def test_a_cancel_that_was_refused_is_an_error(monkeypatch):
    known, secret = new_key("EdDSA", can_trade=True)
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        body = '{"order_ids":["11111111"]}'
        reply = api.send(chosen, api.ask(chosen, "POST", "orders/batch_cancel", body=body))
    assert isinstance(reply.error, VenueRefusedError)
    assert "1 of 1 were not done: UNKNOWN_CANCEL_ORDER" in str(reply.error)
    assert reply.body["results"][0]["order_id"] == "11111111"


def test_market_data_needs_no_key():
    """And takes none along."""
    with serving() as service:
        for venue, path in (("advanced", "market/products/BTC-USD"), ("exchange", "products")):
            chosen = api.service(config.load(None), venue, service.url)
            reply = api.send(chosen, api.ask(chosen, "GET", path))
            assert reply.status == 200
        assert not any("Authorization" in each.headers for each in service.asked)


@pytest.mark.parametrize("path", ["accounts", "products", "best_bid_ask"])
def test_without_a_key_it_is_said_how_to_give_one(path):
    with serving() as service:
        chosen = asked_of(service)
        with pytest.raises(ConfigError, match=r"there is no key\. Name a CDP key file"):
            api.send(chosen, api.ask(chosen, "GET", path))
        assert not service.asked
        reply = api.send(chosen, api.ask(chosen, "GET", path), signed=False)
    assert reply.status == 401
    assert "This needs a key" in str(reply.error)


@pytest.mark.parametrize(
    ("failure", "error", "why"),
    [
        (Failure(429, headers=(("Retry-After", "90"),)), VenueUnavailableError, "Wait 90 s"),
        (Failure(400, b'{"error":"BAD","message":"limit"}'), VenueRefusedError, ": BAD: limit."),
        (Failure(403, b"<html>Cloudflare"), VenueUnavailableError, "blocks this address"),
        (Failure(302), VenueUnavailableError, "Redirects are not followed"),
        (Failure(418, b"tea\x1b[2J"), VenueRefusedError, "Correct the request"),
        (Failure(599, b""), VenueUnavailableError, "The venue failed"),
        (Failure(404, b"[]"), VenueRefusedError, "Check the path"),
    ],
)  # fmt: skip
def test_every_refusal_says_what_to_do(failure, error, why):
    with serving() as service:
        service.fail(9, failure)
        chosen = asked_of(service)
        reply = api.send(chosen, api.ask(chosen, "GET", "market/products"))
    assert type(reply.error) is error
    assert why in str(reply.error)


def test_options_replace_settings():
    settings = config.parse(
        "[feed]\nrest_url='http://localhost:1'\nkey_file='/k'\nrequire_view_only=true", None
    )
    assert api.service(settings).url == "http://localhost:1"
    assert api.service(settings).key_file == Path("/k")
    assert api.service(settings, "exchange").url == "https://api.exchange.coinbase.com"
    assert api.service(settings, key_file=Path("/l")).key_file == Path("/l")
    for options in ({"venue": "x"}, {"scheme": "x"}, {"url": "http://evil.com"}):
        with pytest.raises(UsageError, match=r"^--(venue|scheme|url): "):
            api.service(settings, **options)


# --- what a key may do ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("may", "warns"),
    [
        ({}, None),
        ({"can_trade": True}, "the key may trade: a recorder needs to view only"),
        ({"can_transfer": True}, "the key may transfer:"),
        ({"can_trade": True, "can_transfer": True}, "the key may trade and transfer:"),
    ],
)
def test_a_key_that_may_too_much_is_warned_of_or_refused(may, warns, monkeypatch):
    known, secret = new_key("EdDSA", **may)
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service)
        report = api.check(chosen, require_view_only=False)
        assert report.can_view is True
        assert report.can_trade is bool(may.get("can_trade"))
        assert report.source == "the environment"
        assert [text.partition(":")[0] for text in report.warnings] == (
            [warns.partition(":")[0]] if warns else []
        )
        if warns is None:
            assert api.check(chosen, require_view_only=True) is not None
        else:
            with pytest.raises(KeyRefusedError, match="a key that may view and nothing else"):
                api.check(chosen, require_view_only=True)


def test_exchange_does_not_say_what_a_key_may_do(monkeypatch):
    known, secret = new_key("exchange", can_trade=True)
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        report = api.check(chosen, require_view_only=False)
        assert (report.can_view, report.can_trade, report.can_transfer) == (True, None, None)
        with pytest.raises(KeyRefusedError, match="the venue does not say what the key may do"):
            api.check(chosen, require_view_only=True)


def test_an_answer_that_says_nothing_of_permissions_is_no_permission(monkeypatch):
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service)
        time_answer = b'{"epochMillis":"1700000000000"}'
        service.failures.extend(
            [Failure(200, time_answer)] * 2 + [Failure(200, b'{"can_trade":"no"}')]
        )
        with pytest.raises(KeyRefusedError, match="does not say"):
            api.check(chosen, require_view_only=True)


@pytest.mark.parametrize(("skew_s", "warned"), [(0.0, False), (20.0, True), (-3.5, True)])
def test_a_clock_that_is_off_is_warned_of(skew_s, warned, monkeypatch):
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    with serving(rules(known, skew_s=skew_s)) as service:
        report = api.check(asked_of(service), require_view_only=False)
    assert abs(report.clock_ahead_s + skew_s) < 1.1
    assert any("clock is" in text for text in report.warnings) == warned


# --- tokens and headers for others ---------------------------------------------------------------


def test_a_token_and_headers_that_others_send_are_taken(monkeypatch):
    known, secret = new_key("ES256")
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service)
        token = api.token(chosen, "GET", "accounts?limit=1").reveal()
        made = api.headers(chosen, api.ask(chosen, "GET", "accounts")).reveal()
        for headers in ({"Authorization": f"Bearer {token}"}, made):
            request = urllib.request.Request(f"{service.url}{ACCOUNTS}?limit=1", headers=headers)
            with urllib.request.urlopen(request) as response:
                assert response.status == 200


WRITTEN = (
    "x=a,b",
    "start_date=2026-01-01T00:00:00Z",
    "start_date=2026-01-01T00%3A00%3A00Z&x=%2f",
    "x=a+b&y=(c)/d?e@f&&z=",
)


@pytest.mark.parametrize("kind", ["exchange", "EdDSA"])
@pytest.mark.parametrize("written", WRITTEN)
def test_a_query_is_signed_and_sent_as_it_was_written(kind, written, monkeypatch):
    """By whoever sends it: to the byte, since that is what Exchange signs."""
    known, secret = new_key(kind)
    use(monkeypatch, known, secret)
    path = "/accounts" if known.exchange else ACCOUNTS
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        asked = api.ask(chosen, "GET", f"{path}?{written}", ["q=a b"])
        assert api.send(chosen, asked).status == 200
        target = f"{path}?{written}&q=a%20b"
        request = urllib.request.Request(
            f"{service.url}{target}", headers=api.headers(chosen, asked).reveal()
        )
        with urllib.request.urlopen(request) as response:
            assert response.status == 200
        assert [each.target for each in service.asked] == [target] * 2


def test_pages_keep_the_query_as_it_was_written(monkeypatch):
    """But for the cursor, of which there is one."""
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    with serving(rules(known)) as service:
        chosen = asked_of(service, known)
        service.failures.append(Failure(200, b'{"accounts":[1],"cursor":"a/b","has_next":true}'))
        asked = api.ask(chosen, "GET", "accounts?cursor=x&y=a,%2F")
        api.send(chosen, asked, every_page=True)
        targets = [each.target.partition("?")[2] for each in service.asked]
    assert targets[:2] == ["cursor=x&y=a,%2F", "y=a,%2F&cursor=a%2Fb"]


def test_only_a_cdp_key_makes_tokens(monkeypatch):
    known, secret = new_key("legacy")
    use(monkeypatch, known, secret)
    with pytest.raises(UsageError, match="only a CDP key signs tokens"):
        api.token(api.service(config.load(None), scheme="legacy"))


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (None, None),
        ({}, "an authority that this machine does not trust"),
        ({"host": "api.coinbase.com"}, "its certificate is for another"),
        ({"end": NOW - DAY, "begin": NOW - 2 * DAY}, "its certificate has expired"),
    ],
)
def test_a_signature_goes_only_where_the_certificate_is_right(
    certificate, why, tmp_path, monkeypatch
):
    """With a wrong, an expired and a foreign certificate nothing is sent at all."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    known, secret = new_key("EdDSA")
    use(monkeypatch, known, secret)
    monkeypatch.setenv("SSL_CERT_FILE", ours.ca_file)
    vouching = theirs if certificate == {} else ours
    with serving(rules(known), tls=vouching.server(**(certificate or {}))) as service:
        chosen = asked_of(service)
        if why is None:
            assert api.check(chosen, require_view_only=True).can_view
            return
        with pytest.raises(VenueUnavailableError, match=why) as caught:
            api.check(chosen, require_view_only=True)
        assert not service.asked
    assert isinstance(caught.value, RecorderError)
