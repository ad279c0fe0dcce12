"""What `recorder.http.guard` promises of single headers; tests/http/test_http.py asks a server."""

import pytest
from aiohttp.test_utils import make_mocked_request

from recorder.credentials import Secret
from recorder.http.guard import Guard, _credential, _host_in


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost:80", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]:9464", "::1"),
        ("[::1]", "::1"),
        ("127.0.0.1:9464", "127.0.0.1"),
        ("", None),
        (":9464", None),
        ("localhost:x", None),
        ("localhost:99999", None),
        ("user@localhost", None),
        ("localhost/x", None),
        ("local host", None),
        ("[::1", None),
    ],
)
def test_the_host_of_a_header(header, host):
    assert _host_in(header) == host


@pytest.mark.parametrize(
    ("header", "found"),
    [("Bearer abc", b"abc"), ("BEARER  abc ", b"abc"), ("Basic dTphYmM=", b"abc"),
     ("Basic dTphOmI=", b"a:b"), ("Basic !", b""), ("Basic", b""), ("Digest abc", b""), ("", b"")],
)  # fmt: skip
def test_the_credential_of_a_header(header, found):
    assert _credential(header) == found


def test_names_of_the_settings_are_ours():
    guard = Guard(["recorder.lan"], None)
    mine = make_mocked_request("GET", "/", {"Host": "Recorder.LAN:9464"})
    other = make_mocked_request("GET", "/", {"Host": "other.lan"})
    assert guard.refuse(mine) is None
    assert guard.refuse(other).status == 421


def test_the_guard_does_not_keep_the_token():
    """What is held is a digest: nothing that walks over attributes meets the token."""
    guard = Guard([], Secret("a-token-of-mine-123"))
    assert "a-token-of-mine" not in repr(vars(guard))
    shown = make_mocked_request(
        "GET", "/", {"Host": "localhost", "Authorization": "Bearer a-token-of-mine-123"}
    )
    assert guard.refuse(shown) is None
