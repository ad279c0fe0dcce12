"""What `recorder.http.door` promises: sockets, tokens, certificates, and what is refused."""

import os
import socket
import ssl
import subprocess
import sys
import time

import pytest

from recorder.config import HttpConfig
from recorder.config.listening import Address
from recorder.errors import ConfigError, NoInputError, PermissionRefusedError
from recorder.http import door
from recorder.http.door import bound, handed_over, holds_until_s, open_door, tls_of, token_of
from tests.authorities import Authority

GOOD = "0123456789abcdef"


def none(_):
    return None


def secret(folder, content, mode=0o600):
    path = folder / "secret"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_where_it_is_off_there_is_no_door():
    assert open_door(HttpConfig(listen=None), none) is None
    assert open_door(HttpConfig(), none).address == Address("127.0.0.1", 9464)


@pytest.mark.parametrize("content", [GOOD, f"  {GOOD}\n", "x" * 256])
def test_a_token_is_one_line(tmp_path, content):
    found = token_of(secret(tmp_path, content), none)
    assert found.reveal() == content.strip()
    assert content.strip() not in f"{found} {found!r}"


@pytest.mark.parametrize(
    "content", ["", "\n", "short", "x" * 257, f"{GOOD}\n{GOOD}", f"{GOOD} x", f"{GOOD}ü"]
)
def test_what_is_no_token_is_refused_without_being_shown(tmp_path, content):
    with pytest.raises(ConfigError, match="openssl rand") as caught:
        token_of(secret(tmp_path, content), none)
    assert not content.strip() or content.strip() not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_that_others_may_read_is_refused(tmp_path, mode):
    with pytest.raises(PermissionRefusedError, match="chmod 600"):
        token_of(secret(tmp_path, GOOD, mode), none)


def test_a_credential_of_systemd_may_have_its_mode(tmp_path):
    """Its group bits are those of an access list."""
    path = secret(tmp_path, GOOD, 0o440)
    assert token_of(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}.get).reveal() == GOOD


def test_a_token_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NoInputError):
        token_of(tmp_path / "no", none)


def test_a_certificate_and_its_key_make_tls(tmp_path):
    file = Authority(tmp_path).issue()
    assert tls_of(file, file, none).minimum_version == ssl.TLSVersion.TLSv1_2
    assert holds_until_s(file) > time.time()
    assert holds_until_s(tmp_path / "no") is None
    file.chmod(0o644)
    with pytest.raises(PermissionRefusedError):
        tls_of(file, file, none)


@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_certificate_is_refused(tmp_path, content):
    path = secret(tmp_path, content)
    with pytest.raises(ConfigError, match="TLS cannot be served"):
        tls_of(path, path, none)


def test_a_key_of_another_certificate_is_refused(tmp_path):
    one, other = Authority(tmp_path).issue(), Authority(tmp_path, "other").issue()
    with pytest.raises(ConfigError, match="MISMATCH"):
        tls_of(one, other, none)


def test_an_address_can_be_listened_on_once():
    with bound(Address("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bound(Address("127.0.0.1", port))
    bound(Address("127.0.0.1", port)).close()


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
     {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())},
     {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())}],
)  # fmt: skip
def test_what_is_meant_for_another_process_is_left_alone(environment):
    assert handed_over(environment.get) == ()


CHILD = """
import os, sys
from recorder.config import HttpConfig
from recorder.errors import ConfigError
from recorder.http.door import open_door
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    door = open_door(HttpConfig(listen=None, insecure=sys.argv[1] == "insecure"))
except ConfigError as error:
    sys.exit(f"{error.exit_code}: {error}")
for each in door.handed:
    print(each.getsockname(), os.get_inheritable(each.fileno()))
print(door.address)
"""


def child(*sockets, how="secure"):
    """Hand sockets over as systemd does: from 3 on."""

    def hand_over():
        copies = [os.dup(each.fileno()) for each in sockets]
        for number, copy in enumerate(copies):
            os.dup2(os.dup(copy), 3 + number)
        for number in range(3, 3 + len(sockets)):
            os.set_inheritable(number, True)

    return subprocess.run(
        [sys.executable, "-c", CHILD, how],
        env={**os.environ, "LISTEN_FDS": str(len(sockets))},
        preexec_fn=hand_over, close_fds=False, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_sockets_that_are_handed_over_are_served(tmp_path):
    """TCP and in the file system, from 3 on; processes of ours do not inherit them."""
    with bound(Address("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        found = child(tcp, unix)
        assert found.stderr == ""
        assert found.stdout.splitlines() == [
            f"{tcp.getsockname()} False", f"{tmp_path / 's'} False", "None",
        ]  # fmt: skip


def test_a_socket_that_others_reach_is_refused_too():
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", 0))
        everywhere.listen()
        found = child(everywhere)
        assert found.returncode == 1
        assert found.stderr.startswith("78: 0.0.0.0:")
        assert "http.insecure" in found.stderr
        assert child(everywhere, how="insecure").returncode == 0


def test_what_is_no_listening_socket_is_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as silent:
        for each in (datagrams, silent):
            found = child(each)
            assert found.stderr.startswith("78: ")
            assert "ListenStream=" in found.stderr
    assert door.HANDED_MAX >= 2
