"""What a failure is called. That it is raised is tested in test_transport.py and test_api.py."""

import pytest

from recorder.errors import KeyRefusedError, VenueRefusedError, VenueUnavailableError
from recorder.feed.rest_errors import Asked, clock_fault, explain, not_done, said

FREE = Asked("api.coinbase.com", "GET", "/x", None)
SIGNED = FREE._replace(scheme="jwt")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "NotFound"}, "NotFound"),
        ({"error": "A", "error_details": "b", "message": "b"}, "A: b"),
        ({"errors": [{"id": "x", "message": "Too many"}]}, "Too many"),
        ({"errors": []}, "{'errors': []}"),
        ("Unauthorized\n", "Unauthorized"),
        ("<!DOCTYPE html>…", "a page of HTML"),
        ("no, " * 250, "no, " * 75),
        ("you sent Bearer 5d57c51d00ab1f29e7c04f5d", "you sent Bearer [redacted]"),
        ({"message": "a Dz8WVKYh3Nf8TVctA2f7vvWRwDb4McEI b"}, "a … b"),
        ({"message": 7}, "{'message': 7}"),
        (None, "None"),
    ],
)
def test_the_venue_s_own_words(body, words):
    assert said(body) == words


@pytest.mark.parametrize(
    ("asked", "status", "body", "error", "why"),
    [
        (FREE, 401, "", KeyRefusedError, "This needs a key: see `recorder auth check --help`"),
        (SIGNED, 401, "Unauthorized", KeyRefusedError, "is not on its allow-list"),
        (SIGNED, 401, {"message": "invalid signature"}, KeyRefusedError, "copy both again"),
        (SIGNED, 401, {"message": "Invalid API Key"}, KeyRefusedError, "does not know the key"),
        (SIGNED, 401, {"message": "invalid Passphrase"}, KeyRefusedError, "PASSPHRASE is not the"),
        (
            SIGNED,
            401,
            {"message": "request timestamp expired"},
            KeyRefusedError,
            "good for 30 s around its time",
        ),
        (FREE, 403, {"message": "Forbidden"}, KeyRefusedError, "This needs a key"),
        (SIGNED, 403, {"error_details": "Missing required scopes"}, KeyRefusedError, "may not do"),
        (SIGNED, 403, {"message": "no"}, KeyRefusedError, "allow-list"),
        (SIGNED, 403, "<html>", VenueUnavailableError, "content network blocks this address"),
        (FREE, 404, {}, VenueRefusedError, "ids: they are in capitals"),
        (FREE, 400, {}, VenueRefusedError, "its path, its query or its body"),
        (FREE, 429, {}, VenueUnavailableError, "Wait a minute, then ask less often"),
        (FREE, 302, "", VenueUnavailableError, "Redirects are not followed"),
        (FREE, 503, "", VenueUnavailableError, "The venue failed; try later"),
        (FREE, 799, "", VenueUnavailableError, "answered GET /x with 799."),
        (FREE, 408, "", VenueUnavailableError, "The venue failed; try later"),
    ],
)
def test_every_status_has_its_error_and_its_advice(asked, status, body, error, why):
    found = explain(asked, status, body, 0.0, 0.0)
    assert type(found) is error
    assert why in str(found)
    assert str(found).startswith(f"api.coinbase.com answered GET /x with {status}")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_change_that_the_venue_failed_over_may_have_been_made(status):
    """Who is told to try later sends an order twice."""
    asked = Asked("api.coinbase.com", "POST", "/orders", "jwt")
    told = str(explain(asked, status, "", 0.0, 0.0))
    assert "Whether the POST was carried out is not known: look before you send it again" in told
    assert "try later" not in told


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, None),
        ({"success": True, "results": []}, None),
        ({"results": [{"success": True}]}, None),
        ({"results": 7}, None),
        ({"success": False, "error_response": {"error": "NO"}}, "that it was not done: NO. Cor"),
        (
            {"results": [{"success": True}, {"success": False, "failure_reason": "UNKNOWN"}]},
            "that 1 of 2 were not done: UNKNOWN. Correct",
        ),
        ({"results": [{"success": False}, None]}, "that 1 of 2 were not done: ?. Correct"),
    ],
)
def test_a_200_may_say_that_nothing_was_done(body, why):
    found = not_done("api.coinbase.com", "POST", "/orders", body)
    assert (found is None) == (why is None)
    assert why is None or why in str(found)


@pytest.mark.parametrize(
    ("scheme", "ahead_s", "fault"),
    [
        ("jwt", 4.0, False),
        ("jwt", 6.0, True),
        ("jwt", -110.0, False),
        ("jwt", -116.0, True),
        ("exchange", 29.0, False),
        ("exchange", 31.0, True),
        ("exchange", -31.0, True),
        ("legacy", 31.0, True),
        ("bearer", 1e6, False),
        ("jwt", None, False),
    ],
)
def test_how_wrong_a_clock_may_be(scheme, ahead_s, fault):
    assert bool(clock_fault(scheme, ahead_s)) == fault
