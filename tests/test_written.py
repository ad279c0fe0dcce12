"""Requests as people write them, and what cannot be sent."""

import pytest

from recorder.errors import UsageError
from recorder.written import ask

ACCOUNTS = "/api/v3/brokerage/accounts"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("TRACE", "x"), "no method; allowed are GET, POST"),
        (("GET", "https://evil.com/x"), "is no path"),
        (("GET", "a\nb"), "is no path"),
        (("GET", "a", ["b"]), "'b' is no key=value"),
        (("GET", "a?b"), "'b' is no key=value"),
        (("GET", "a", None, "{}"), "a GET has no body"),
        (("POST", "a", None, "{"), "the body is not JSON"),
        (("POST", "a", None, '{"a":NaN}'), "not JSON: NaN is no number"),
        (("POST", "a", None, "[-Infinity]"), "not JSON: -Infinity is no number"),
        (("POST", "a", None, '[{"a":1,"b":2,"a":3}]'), "not JSON: 'a' is there twice"),
        (("GET", "//accounts"), "two slashes in a row"),
        (("GET", "products//book"), "two slashes in a row"),
        (("GET", "../accounts"), "has . or .. in it"),
        (("GET", "/a/%2E%2e/b"), "has . or .. in it"),
        (("GET", "accounts#x"), "nothing after a # is ever sent"),
        (("GET", "accounts?a=b#c"), "nothing after a # is ever sent"),
        (("POST", "a", None, '"\udcff"'), "bytes that are not UTF-8"),
        (("GET", "a", ["b=\udcff"]), "bytes that are not UTF-8"),
        (("GET", "a?b=c d"), "' ' cannot stand in a query: write %20 for it, or give"),
        (("GET", "a?b=ü"), "write %C3%BC for it"),
    ],
)
def test_what_cannot_be_sent_is_refused(arguments, why):
    with pytest.raises(UsageError, match=why):
        ask("advanced", *arguments)


def test_paths_and_queries_as_people_write_them():
    assert ask("advanced", "get", "accounts").path == ACCOUNTS
    assert ask("advanced", "GET", ACCOUNTS).path == ACCOUNTS
    assert ask("exchange", "GET", "accounts").path == "/accounts"
    asked = ask("exchange", "GET", "/orders?status=done&a=", ["b=c=d/ü"])
    assert asked.query == "status=done&a=&b=c%3Dd%2F%C3%BC"
    assert not asked.changes
    assert ask("exchange", "delete", "orders/1").changes
