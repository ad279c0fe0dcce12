"""`recorder auth`: what it signs, what it says of a key, and its exit codes."""

import json
import shlex
import socket
import subprocess
import sys
import urllib.request

import pytest

from recorder.venue.rest import RestRules
from recorder.venue.rest_keys import new_key
from tests.rest_service import FAST, serving

ACCOUNTS = "/api/v3/brokerage/accounts"


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch):
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET", "COINBASE_API_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def write_key(folder, **may):
    """A key file, and the key as the venue knows it."""
    known, secret = new_key("ES256", **may)
    path = folder / "cdp_api_key.json"
    path.write_text(json.dumps({"name": known.name, "privateKey": secret}))
    path.chmod(0o600)
    return path, known


def opened(request):
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def test_a_token_for_a_shell(tmp_path, call):
    """The line can be evaluated, and the token is taken."""
    path, known = write_key(tmp_path)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        options = ("--key-file", path, "--url", service.url)
        found = call("auth", "jwt", "--rest", "GET", "accounts", *options)
        assert found.code == 0
        shell = subprocess.run(
            ["sh", "-c", f'{found.out}printf %s "$JWT"'], capture_output=True, text=True, check=True
        )
        headers = {"Authorization": f"Bearer {shell.stdout}"}
        request = urllib.request.Request(f"{service.url}{ACCOUNTS}?limit=1", headers=headers)
        assert opened(request)["accounts"]
        found = call("auth", "jwt", *options)
        assert found.out.startswith("export JWT=eyJ")
        assert shlex.split(found.out)[0] == "export"


def test_headers_for_others(tmp_path, call):
    path, known = write_key(tmp_path, can_trade=True)
    body = '{"client_order_id": "1"}'
    with serving(RestRules(keys=(known,), **FAST)) as service:
        arguments = (
            "auth", "headers", "POST", "orders", "--body", body, "--key-file", path,
            "--url", service.url,
        )  # fmt: skip
        lines = call(*arguments).out.splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        assert set(headers) == {"Authorization", "Content-Type"}
        request = urllib.request.Request(
            f"{service.url}/api/v3/brokerage/orders", body.encode(), headers
        )
        assert opened(request)["success"]
        assert set(json.loads(call(*arguments, "--json").out)) == set(headers)


def test_headers_of_exchange(call, monkeypatch):
    known, secret = new_key("exchange")
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        found = call(
            "auth", "headers", "GET", "/orders?status=done", "--query", "limit=2",
            "--venue", "exchange", "--url", service.url, "--json",
        )  # fmt: skip
        headers = json.loads(found.out)
        url = f"{service.url}/orders?status=done&limit=2"
        assert len(opened(urllib.request.Request(url, headers=headers))) == 2


def test_check_says_what_a_key_may_do(tmp_path, call):
    path, known = write_key(tmp_path)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        found = call("auth", "check", "--key-file", path, "--url", service.url)
        assert (found.code, found.err) == (0, "")
        for words in (known.name, str(path), "jwt, taken by", "give or take"):
            assert words in found.out
        shown = {line.split("  ")[0]: line.split()[-1] for line in found.out.splitlines()}
        assert (shown["may view"], shown["may trade"], shown["may transfer"]) == ("yes", "no", "no")
        options = ("--key-file", path, "--url", service.url, "--require-view-only", "--json")
        found = call("auth", "check", *options)
        assert json.loads(found.out)["can_trade"] is False


def test_check_warns_of_a_key_that_may_too_much_or_refuses_it(tmp_path, call):
    path, known = write_key(tmp_path, can_trade=True, can_transfer=True)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        options = ("--key-file", path, "--url", service.url)
        found = call("auth", "check", *options)
        assert found.code == 0
        assert "Warning: the key may trade and transfer" in found.err
        found = call("auth", "check", "--require-view-only", *options)
        assert (found.code, found.out) == (77, "")
        assert "only a key that may view and nothing else is wanted" in found.err
        settings = tmp_path / "recorder.toml"
        settings.write_text(
            f"[feed]\nkey_file='{path}'\nrest_url='{service.url}'\nrequire_view_only=true\n"
        )
        assert call("auth", "check", "--config", settings).code == 77


def test_check_names_a_clock_that_is_wrong(tmp_path, call):
    path, known = write_key(tmp_path)
    with serving(RestRules(keys=(known,), skew_s=600.0, **FAST)) as service:
        found = call("auth", "check", "--key-file", path, "--url", service.url)
    assert found.code == 77
    assert "s behind the venue's, too far for a signature" in found.err


@pytest.mark.parametrize("command", ["check", "headers", "jwt"])
def test_a_key_file_that_others_may_read(command, tmp_path, call):
    path, _ = write_key(tmp_path)
    path.chmod(0o644)
    more = ("GET", "accounts") if command == "headers" else ()
    found = call("auth", command, *more, "--key-file", path)
    assert found.code == 77
    assert f"chmod 600 {path}" in found.err


@pytest.mark.parametrize("command", ["check", "headers", "jwt"])
def test_help_of_every_command_teaches(command, call):
    found = call("auth", command, "--help")
    assert found.code == 0
    assert f"recorder auth {command}" in found.out.partition("Examples")[2]


def test_a_command_is_needed(call):
    found = call("auth")
    assert (found.code, found.out) == (64, "")
    assert "recorder auth --help" in found.err


def test_the_embedded_venue_has_rest_and_a_key_to_try(tmp_path, call):
    """The commands of the documentation, without an account."""
    path = tmp_path / "trial-key.json"
    command = [sys.executable, "-m", "recorder", "venue", "--port", "0", "--rest-port", "0"]
    venue = subprocess.Popen([*command, "--rest-key", str(path)], stdout=subprocess.PIPE, text=True)
    try:
        url = venue.stdout.readline().removeprefix("REST on ").strip()
        assert venue.stdout.readline().startswith("venue ready on ws://127.0.0.1:")
        options = ("--url", url, "--key-file", path)
        assert call("auth", "check", "--require-view-only", *options).code == 0
        assert json.loads(call("api", "GET", "accounts", *options).out)["accounts"]
        assert call("api", "POST", "orders", "--allow-write", *options).code == 77
        found = call(
            "api", "GET", "products/BTC-USD/trades?limit=2", "--venue", "exchange", *options
        )
        assert len(json.loads(found.out)) == 2
    finally:
        venue.terminate()
        venue.stdout.close()
        assert venue.wait(10) == 0
    again = call("venue", "--port", "0", "--rest-port", "0", "--rest-key", path)
    assert again.code == 64
    assert "Name a file that is not there" in again.err
    assert call("venue", "--rest-port", "0", "--play", path).code == 64


def test_a_venue_tells_nothing_before_all_of_it_is_served(call, tmp_path):
    """A port that is taken, a file to play that is not there: one message, and no address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = call("venue", "--port", port, "--rest-port", "0")
        assert (found.code, found.out) == (64, "")
    found = call("venue", "--port", "0", "--play", tmp_path / "no.ndjson.gz")
    assert (found.code, found.out) == (66, "")
    assert "no such file" in found.err
