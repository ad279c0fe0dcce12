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


@pytest.mark.parametrize(
    ("came_to", "header", "ours"),
    [
        ("10.1.2.3", "10.1.2.3:9464", True),
        ("::ffff:10.1.2.3", "10.1.2.3:9464", True),  # a socket of IPv6 that takes IPv4 too
        ("::ffff:10.1.2.3", "10.1.2.4", False),
        ("fd00::1", "[fd00::1]:9464", True),
        ("fe80::1%eth0", "[fe80::1]:9464", True),
    ],
)
def test_the_address_that_was_asked_is_ours(came_to, header, ours):
    request = make_mocked_request("GET", "/", {"Host": header}, transport=_At(came_to))
    refusal = Guard([], None).refuse(request)
    assert (refusal is None) == ours


class _At:
    """A transport, as far as the guard looks at it."""

    def __init__(self, address):
        self._address = address

    def get_extra_info(self, name):
        return (self._address, 9464) if name == "sockname" else None
