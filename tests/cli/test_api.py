"""`recorder api`: what it sends, what it prints, and what it will not send."""

import json
import sys

import pytest

from recorder.venue.rest import Failure, RestRules
from recorder.venue.rest_keys import new_key
from tests.rest_service import FAST, serving


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """A key in the environment that may trade, and is the only one."""
    known, secret = new_key("EdDSA", can_trade=True)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("COINBASE_API_PASSPHRASE", raising=False)
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    return known


@pytest.fixture
def service(key):
    with serving(RestRules(keys=(key,), **FAST)) as made:
        yield made


def test_the_answer_is_json_on_stdout(service, call):
    found = call("api", "GET", "accounts", "--url", service.url, "--query", "limit=1")
    assert (found.code, found.err) == (0, "")
    assert json.loads(found.out)["accounts"][0]["currency"] == "USD"
    assert service.asked[0].target == "/api/v3/brokerage/accounts?limit=1"


def test_numbers_and_text_are_printed_as_they_were_said(service, call):
    said = '{"price":1.00,"tiny":0.10,"many":123456789012345678901234567890,"name":"a\u009b2J"}'
    service.failures.append(Failure(200, said.encode()))
    found = call("api", "GET", "accounts", "--url", service.url)
    assert found.out.strip() == said.replace("\u009b", "\\u009b")


def test_all_pages(service, call):
    found = call("api", "GET", "accounts?limit=2", "--paginate", "--url", service.url)
    assert len(json.loads(found.out)["accounts"]) == 5
    assert call("api", "POST", "x", "--paginate", "--allow-write", "--url", service.url).code == 64


def test_market_data_of_exchange_needs_nothing(service, call, monkeypatch):
    monkeypatch.delenv("COINBASE_API_KEY")
    monkeypatch.delenv("COINBASE_API_SECRET")
    found = call("api", "GET", "products/BTC-USD/book", "--venue", "exchange", "--url", service.url)
    assert found.code == 0
    assert json.loads(found.out)["bids"]
    found = call("api", "GET", "accounts", "--url", service.url)
    assert found.code == 78
    assert "there is no key" in found.err


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_may_change_something_is_shown_and_not_sent(method, service, call):
    found = call("api", method, "orders/1", "--json", '{"a":[1]}', "--url", service.url)
    assert found.code == 64
    assert found.err.startswith(f"Not sent: {method} {service.url}/api/v3/brokerage/orders/1\n")
    assert '{"a":[1]}\n' in found.err
    assert "mistakes" not in found.err
    assert "Add --allow-write to send it." in found.err
    assert not service.asked


def test_what_is_allowed_is_shown_and_sent_once(service, call, tmp_path):
    body = tmp_path / "order.json"
    body.write_text('{"client_order_id":"7", "product_id":"BTC-USD"}')
    arguments = ("api", "POST", "orders", "--json", f"@{body}", "--url", service.url)
    found = call(*arguments, "--allow-write")
    assert found.code == 0
    assert json.loads(found.out)["success"] is True
    assert f"Sending POST {service.url}/api/v3/brokerage/orders" in found.err
    assert '{"client_order_id":"7", "product_id":"BTC-USD"}\n' in found.err
    service.asked.clear()
    service.fail(5, Failure(503, b"<html>"))
    found = call(*arguments, "--allow-write")
    assert found.code == 69
    assert len(service.asked) == 1


def test_an_error_has_its_body_on_stdout_and_its_meaning_on_stderr(service, call):
    found = call("api", "GET", "no/such", "--url", service.url)
    assert found.code == 64
    assert json.loads(found.out)["error"] == "NOT_FOUND"
    assert "404 Not Found: NOT_FOUND: not found. Check the path" in found.err
    found = call("api", "GET", "accounts", "--url", service.url, "--no-auth")
    assert (found.code, found.out) == (77, "Unauthorized\n")
    service.fail(1, Failure(404, b"a\x1b[2Jb\nc"))
    found = call("api", "GET", "x", "--url", service.url)
    assert found.out == "a\\x1b[2Jb\nc\n"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("GET", "x", "--json", "@no-such-file", "--allow-write"), 66, "cannot read no-such-file"),
        (("POST", "x", "--json", "{", "--allow-write"), 64, "the body is not JSON"),
        (("POST", "x", "--json", "@/dev/zero", "--allow-write"), 64, "/dev/zero is longer than"),
        (("POST", "x", "--json", f"@{sys.executable}", "--allow-write"), 66, "it is not UTF-8"),
        (("GET", "http://x/y"), 64, "is no path"),
        (("GET", "x", "--venue", "binance"), 64, "--venue: 'binance' is none; allowed are adv"),
        (("GET", "x", "--url", "http://api.coinbase.com"), 64, "--url: "),
        (("GET", "x", "--key-file", "no-such.json"), 66, "the key file no-such.json does not"),
        (("GET", "x", "--key-file", "no-such-file-2"), 64, "is no path of a file"),
        (("GET", "x", "--key-file", "no-such-file"), 66, "the key file no-such-file does not"),
    ],
)
def test_mistakes(arguments, code, why, call):
    found = call("api", *arguments)
    assert (found.code, found.out) == (code, "")
    assert why in found.err


def test_a_body_from_stdin(service, call, monkeypatch):
    monkeypatch.setattr("sys.stdin.read", lambda _: '{"order_ids":["a"]}', raising=False)
    found = call(
        "api", "POST", "orders/batch_cancel", "--json", "-", "--allow-write", "--url", service.url
    )
    assert json.loads(found.out)["results"][0]["order_id"] == "a"
