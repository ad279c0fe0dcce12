"""What `recorder.config.listening` promises: who may be served is decided before anything runs."""

import pytest

from recorder import config
from recorder.config import listening
from recorder.config.checks import WrongValueError
from recorder.config.listening import Address
from recorder.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "found", "loopback"),
    [
        ("127.0.0.1:9464", Address("127.0.0.1", 9464), True),
        ("127.9.9.9:1", Address("127.9.9.9", 1), True),
        ("localhost:0", Address("127.0.0.1", 0), True),
        ("[::1]:9464", Address("::1", 9464), True),
        ("0.0.0.0:9464", Address("0.0.0.0", 9464), False),
        ("[::]:9464", Address("::", 9464), False),
        ("192.168.1.2:80", Address("192.168.1.2", 80), False),
    ],
)
def test_an_address_is_read_and_written_alike(text, found, loopback):
    assert listening.listen(text) == found
    assert found.loopback == loopback
    assert listening.listen(listening.listen_text(found)) == found


def test_an_address_of_the_old_kind_in_the_new_one_is_what_it_was():
    """However a version of Python writes it."""
    assert listening.is_loopback("::ffff:127.0.0.1")
    assert not listening.is_loopback("::ffff:10.0.0.1")


def test_nothing_is_served_where_it_is_off():
    assert listening.listen("off") is None
    assert listening.listen_text(None) == "off"


@pytest.mark.parametrize(
    "value",
    ["", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:9464",
     "recorder.lan:9464", "http://127.0.0.1:9464", "256.0.0.1:1", "On", 9464, None, True,
     "127.0.0.1:٣", "[::ffff:127.0.0.1]:9464"],
)  # fmt: skip
def test_what_is_no_address_is_refused(value):
    with pytest.raises(WrongValueError, match=r"wanted|allowed"):
        listening.listen(value)


@pytest.mark.parametrize(
    "value", ["x", [1], ["A.B"], ["a b"], ["http://a"], ["a:1"], ["*"], ["x"] * 40, [""]]
)
def test_what_is_no_host_is_refused(value):
    with pytest.raises(WrongValueError):
        listening.hosts(value)


def test_hosts_are_names_and_addresses():
    assert listening.hosts(["recorder.lan", "10.0.0.1", "a_b"]) == (
        "recorder.lan",
        "10.0.0.1",
        "a_b",
    )


OPEN = '[http]\nlisten = "0.0.0.0:9464"\n'
TOKEN, TLS = 'token_file = "/t"\n', 'tls_cert = "/c"\ntls_key = "/k"\n'


@pytest.mark.parametrize(
    ("more", "lacking"),
    [
        ("", ["a token (http.token_file)", "TLS (http.tls_cert, http.tls_key)"]),
        (TOKEN, ["TLS (http.tls_cert, http.tls_key)"]),
        (TLS, ["a token (http.token_file)"]),
    ],
)
def test_an_address_that_others_reach_needs_a_token_and_tls(more, lacking):
    """One message with the line, which says what lacks and what else could be done; exit 78."""
    with pytest.raises(ConfigError) as caught:
        config.parse(OPEN + more, None)
    text = str(caught.value)
    assert text.startswith('configuration:2: http.listen: "0.0.0.0:9464" can be reached')
    assert "\n" not in text
    for each in lacking:
        assert each in text
    assert "http.insecure" in text
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("more", [TOKEN + TLS, "insecure = true\n"])
def test_what_is_guarded_may_be_reached(more):
    assert config.parse(OPEN + more, None).http.listen == Address("0.0.0.0", 9464)


@pytest.mark.parametrize("key", ["tls_cert", "tls_key"])
def test_a_certificate_needs_its_key(key):
    with pytest.raises(ConfigError, match=f"http.{key}: needs http.tls_"):
        config.parse(f'[http]\n{key} = "/x"\n', None)
