"""The canary: planted keys are looked for wherever a key could turn up.

In plain, in base64 at each offset and in hex; in errors, logs and output, in arguments and in the
environment, and in tracebacks that show every local variable.
"""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import tarfile
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import rich
import structlog.tracebacks
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from recorder import api, bundle, config, credentials, keycheck, logs, recovery, replay, worker
from recorder.cli.embedded import embedded_venue
from recorder.config.listening import Address
from recorder.core.wire.unreadable import venue_error
from recorder.credentials import Credentials, Secret, load
from recorder.errors import RecorderError
from recorder.feed import connection
from recorder.feed.auth import ExchangeSigner, LegacySigner, signer_for
from recorder.feed.auth_keys import private_key
from recorder.feed.transport import Answer, Transport
from recorder.http import site
from recorder.store.capture import read_blocks
from recorder.store.paths import Root
from recorder.venue import Access, Venue
from recorder.venue.rest import Failure, RestRules, RestVenue
from recorder.venue.rest_keys import new_key
from tests.http.served import served
from tests.recorders import all_recorded, live_rows, recording, wait_for
from tests.rest_service import FAST, serving

PLANTED = "PlAnTeD-cAnArY-0123456789abcdef"


@pytest.fixture(autouse=True)
def put_back(monkeypatch):
    """No key of the machine's before, and no logging of ours afterwards."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def forms(text: str) -> Iterator[str]:
    """A secret as it could turn up: plain, in pieces of lines, base64, hex."""
    raw = text.encode()
    yield text
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield raw.hex()
    for shift in range(3):  # base64 looks different at each offset
        yield b64encode(b"\0" * shift + raw).decode()[4:-4]
    for line in text.splitlines():
        if len(line) > 20 and not line.startswith("-----"):
            yield line


def assert_hidden(shown: str, *secrets: str) -> None:
    for secret in secrets:
        for form in forms(secret):
            assert form not in shown, f"a planted key was shown: …{form[:8]}…"


def shown_by(error: BaseException) -> str:
    """An exception by every means that people print them with, local variables included.

    Not those of the tests themselves, which know the key.
    """
    out = io.StringIO()
    while error.__traceback__ and error.__traceback__.tb_frame.f_code.co_filename == __file__:
        error = error.with_traceback(error.__traceback__.tb_next)
    console = Console(file=out, width=4000, color_system=None)
    made = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True,
        locals_max_length=None, locals_max_string=None,
    )  # fmt: skip
    console.print(made)
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    out.writelines(captured.format())
    dicts = structlog.tracebacks.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_length=10**6,
        locals_max_string=10**6,
    )  # fmt: skip
    out.write(repr(dicts))
    out.write(repr(error) + str(error) + repr(error.__dict__) + repr(error.args))
    return out.getvalue()


KEYS = ("ES256", "EdDSA", "exchange", "legacy", "bearer")
DAMAGES = ("cut", "begun late", "reversed", "added to", "passphrase", "body")


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_key_is_refused_without_being_shown(kind, damage, monkeypatch):
    """However it is damaged, the way that it is told shows none of it."""
    known, secret = new_key(kind)
    passphrase = PLANTED if damage == "passphrase" else known.passphrase
    damages = {
        "cut": secret[:-30], "begun late": secret[30:], "reversed": secret[::-1],
        "body": body_damaged(secret),
    }  # fmt: skip
    damaged = (damages | {"added to": f"{secret}\x01"}).get(damage, secret)
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", damaged or PLANTED)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", passphrase)
    scheme = kind if kind in ("legacy", "bearer") else None
    chosen = api.service(config.load(None), "exchange" if known.exchange else None, scheme=scheme)
    del secret
    try:
        api.signer_of(chosen)
    except RecorderError as error:
        assert_hidden(shown_by(error), *filter(None, (damaged, passphrase)))
    else:
        assert (kind, damage) not in {("ES256", "body"), ("EdDSA", "body"), ("exchange", "body")}


def body_damaged(secret: str) -> str:
    """What is most often done to a key: its first and its last line are there, and some is not."""
    lines = secret.strip().splitlines()
    if len(lines) < 3:
        return f"{secret[:12]}{secret[15:]}"
    return "\n".join([lines[0], lines[1][:12] + lines[1][15:], *lines[2:]])


FAILURES = {
    "refused": Failure(401, b"Unauthorized"),
    "too fast": Failure(429, b"{}", (("Retry-After", "99"),)),
    "broken off": Failure(0),
    "no JSON": Failure(200, b"<html>"),
    "forbidden": Failure(403, b"{}"),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failed_request_does_not_show_the_key(kind, failure, monkeypatch, capsys):
    """Neither the key nor the passphrase nor the signature, in logs and tracebacks with locals."""
    known, secret = new_key(kind)
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)
    hidden = [secret, *filter(None, [known.passphrase])]
    del secret
    scheme = kind if kind in ("legacy", "bearer") else None
    venue = "exchange" if known.exchange else "advanced"
    with serving(RestRules(keys=(known,), **FAST)) as service:
        chosen = api.service(config.load(None), venue, service.url, scheme=scheme)
        service.fail(50, failure)
        shown = ""
        for act in (
            lambda: api.check(chosen, require_view_only=True),
            lambda: api.send(chosen, api.ask(chosen, "GET", "accounts")),
            lambda: api.send(chosen, api.ask(chosen, "DELETE", "orders/1")),
        ):
            try:
                reply = act()
                shown += repr(reply)
                if isinstance(reply, api.Reply) and reply.error is not None:
                    raise reply.error
            except RecorderError as error:
                shown += shown_by(error)
        sent = [each.headers for each in service.asked]
    for headers in sent:
        signatures = ("Authorization", "CB-ACCESS-SIGN", "CB-ACCESS-PASSPHRASE")
        hidden += [headers[name].removeprefix("Bearer ") for name in signatures if name in headers]
    logs.configure(service=True, level="debug")
    log = logs.log()
    found = load(None)
    log.info("config_loaded", found=found, secret=found, value=signer_for(found, venue, scheme))
    logging.getLogger("aiohttp").warning("%s %r", found, found)
    shown += "".join(capsys.readouterr())
    assert_hidden(shown, *hidden)


@pytest.mark.parametrize("kind", KEYS)
def test_signers_and_credentials_do_not_show_the_key(kind):
    """What holds a key can be printed, and walked over."""
    known, secret = new_key(kind)
    passphrase = Secret(known.passphrase) if known.passphrase else None
    found = Credentials(known.name, Secret(secret), passphrase, "the test")
    scheme: Any = kind if kind in ("legacy", "bearer") else None
    signer: Any = signer_for(found, "exchange" if known.exchange else "advanced", scheme)
    out = io.StringIO()
    console = Console(file=out, width=2000)
    for each in (found, signer, private_key(found.secret), signer.__dict__):
        rich.inspect(each, console=console, private=True)
        console.print(repr(each), pretty_repr(each))
    if isinstance(signer, ExchangeSigner | LegacySigner):
        rich.inspect(signer._mac, console=console, all=True)
    headers = signer.headers("GET", "x", "/", b"")
    out.write(f"{headers} {headers!r}")
    shown = out.getvalue()
    for value in headers.reveal().values():
        assert value == known.name or not value or value not in shown or value.isdigit()
    assert_hidden(shown, secret, *([known.passphrase] if known.passphrase else []))


@pytest.mark.parametrize("admitted", [True, False])
@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "exchange"])
async def test_a_signed_recording_leaves_no_trace_of_the_key(
    kind, admitted, tmp_path, monkeypatch, capsys
):
    """Neither of the key nor of what was signed with it: in no file and in no line of the log.

    Whether the venue takes the signatures or refuses them, again and again.
    """
    known, secret = new_key(kind)
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)
    monkeypatch.setattr(connection, "SIGN_AGAIN_S", 0.1)
    monkeypatch.setattr(connection, "REFUSED_S", 0.1)
    protocol = "exchange" if known.exchange else "advanced"
    access = Access((known,) if admitted else (), everything=True)
    async with Venue(
        seed=4, products=("BTC-USD",), depth=0.01, protocol=protocol, keep_sent=True, access=access
    ) as venue:
        rules = RestRules(keys=(known,), **FAST)
        async with RestVenue(lambda: venue.market, rules) as service:
            more = (
                'channels = ["level2", "market_trades", "heartbeats"]'
                if known.exchange
                else f'user = true\nuser_url = "{venue.url}"\nsign_all = true'
            )
            chosen = config.parse(
                f'data = "{tmp_path}/data"\n[feed]\nvenue = "{protocol}"\nurl = "{venue.url}"\n'
                f'rest_url = "{service.url}"\ntrades_url = ""\nproducts = ["BTC-USD"]\n{more}\n'
                "[store]\npart_seconds = 1\n",
                None,
            )
            logs.configure(service=True, level="debug")
            logs.log().info("config_loaded", **config.describe(chosen))
            signings = await asyncio.to_thread(keycheck.signings_for, chosen.feed)
            async with recording(chosen, signings=signings) as running:
                connections = 1 if known.exchange else 2
                if admitted:
                    await wait_for(lambda: all_recorded(running), "every channel")
                    running._feeds.connections[0].resubscribe("level2", ("BTC-USD",))
                await wait_for(
                    lambda: len(venue.records) >= connections + 2 * (not admitted), "the sessions"
                )
                await wait_for(lambda: admitted or live_rows(tmp_path / "data", "faults"), "rows")
            recovery.seal_and_switch(Root(chosen.data), Root(chosen.data).captured_hours())
            asked = [json.loads(each.text) for kept in venue.records for each in kept.requests]
    hidden = [secret, *filter(None, [known.passphrase])]
    for each in asked:
        hidden += [each[name] for name in ("jwt", "signature") if name in each]
    assert len(hidden) > 4
    shown = "".join(capsys.readouterr()) + repr(signings) + repr(running.__dict__)
    files = [path for path in chosen.data.rglob("*") if path.is_file()]
    assert {".cap", ".parquet", ".json"} <= {path.suffix for path in files}
    shown += "".join(map(read, files))
    assert '"type":"subscribe"' in shown
    assert_hidden(shown, *hidden)


def read(path: Path) -> str:
    """All that a file holds, whatever it is packed in."""
    found = path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        found += repr(pq.read_table(path).to_pylist()) + repr(pq.read_schema(path).metadata)
    elif path.suffix == ".cap":
        found += b"".join(block.payload for block in read_blocks(path)).decode()
    return found


def test_a_process_does_not_show_the_key(tmp_path):
    """A key in a file is in no argument, no environment, no output, whatever goes wrong."""
    known, secret = new_key("ES256", can_trade=True)
    path = tmp_path / "cdp.json"
    path.write_text(json.dumps({"name": known.name, "privateKey": secret}))
    path.chmod(0o600)
    settings = tmp_path / "recorder.toml"
    with serving(RestRules(keys=(known,), **FAST)) as service:
        settings.write_text(f"[feed]\nkey_file = '{path}'\nrest_url = '{service.url}'\n")
        shown = ""
        for arguments in (
            ["auth", "check"],
            ["auth", "check", "--require-view-only"],
            ["auth", "check", "--json"],
            ["auth", "check", "--venue", "exchange"],
            ["auth", "headers", "GET", "accounts"],
            ["auth", "jwt"],
            ["api", "GET", "accounts"],
            ["api", "GET", "no/such/path"],
            ["api", "POST", "orders", "--json", "{}", "--allow-write"],
            ["check-config", str(settings)],
        ):
            more = [] if arguments[0] == "check-config" else ["--config", str(settings)]
            ran = subprocess.run(
                [sys.executable, "-X", "dev", "-m", "recorder", *arguments, *more],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert "Traceback" not in ran.stderr, ran.stderr
            shown += ran.stdout + ran.stderr
    assert known.name in shown
    assert_hidden(shown, secret)


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text(errors="replace")


def own_environment() -> str:
    return environment_of(os.getpid())


def children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


async def test_processes_of_ours_do_not_inherit_the_key(monkeypatch):
    """Where a key is in the environment: neither who seals hours nor the venue of the demo."""
    secrets = []
    for name in (credentials.KEY, credentials.SECRET, credentials.PASSPHRASE):
        monkeypatch.setenv(name, f"{PLANTED}-{name}")
        secrets.append(f"{PLANTED}-{name}")
    monkeypatch.setenv("RECORDER_TEST", "inherited")
    shown = await worker.work(own_environment)
    with embedded_venue(rate=1.0, seed=1):
        (pid,) = children()
        shown += environment_of(pid)
    assert shown.count("RECORDER_TEST=inherited") == 2
    assert_hidden(shown, *secrets)


def test_a_running_process_does_not_show_the_key_to_others(tmp_path):
    """Where a key is in a file, neither the arguments nor the environment have it."""
    known, secret = new_key("EdDSA")
    path = tmp_path / "cdp.json"
    path.write_text(json.dumps({"id": known.name, "privateKey": secret}))
    path.chmod(0o600)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        service.fail(1, Failure(200, b"{}", wait_s=10.0))
        command = ["api", "GET", "accounts", "--url", service.url, "--key-file", str(path)]
        with subprocess.Popen([sys.executable, "-m", "recorder", *command]) as process:
            while service.failures and process.poll() is None:  # until it has signed and asked
                time.sleep(0.01)
            seen = "".join(
                Path(f"/proc/{process.pid}/{name}").read_text(errors="replace")
                for name in ("cmdline", "environ")
            )
            process.kill()
    assert str(path) in seen
    assert_hidden(seen, secret)


async def test_what_is_served_shows_no_secret(tmp_path, monkeypatch, capsys):
    """Neither the key of the venue nor the token of HTTP: in no answer, header, log or note.

    Whatever is asked, with the token, without it, and with one that is wrong.
    """
    known, secret = new_key("ES256")
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    token = tmp_path / "token"
    token.write_text(PLANTED)
    token.chmod(0o600)
    logs.configure(service=True, level="debug")
    http = config.HttpConfig(listen=Address("127.0.0.1", 0), token_file=token)
    logs.log().info("config_loaded", **config.describe(replace(config.load(None), http=http)))
    shown = b""
    async with served(tmp_path / "data", http) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        for header in (f"Bearer {PLANTED}", f"Bearer {PLANTED}x", "Bearer wrong", PLANTED):
            for target in (
                *("/", "/livez", "/readyz", "/v1/status", "/v1/products", "/metrics", "/nothing"),
                *("/v1/books/BTC-USD", "/v1/books/SOL-USD", f"/{PLANTED}", f"/v1/books/{PLANTED}"),
                *(f"/v1/products?token={PLANTED}", "/v1/coverage?start=x", "/v1/stream?events=x"),
            ):
                for method in ("GET", "HEAD", "POST"):
                    asked = [
                        f"{method} {target} HTTP/1.1",
                        f"Host: 127.0.0.1:{there.port}",
                        f"Authorization: {header}",
                        "Connection: close", "", "",
                    ]  # fmt: skip
                    shown += await there.raw("\r\n".join(asked).encode())
        broken = f"GET / HTTP/1.1\r\nAuthorization: Bearer {PLANTED}\r\nBad Name: {PLANTED}\r\n\r\n"
        shown += await there.raw(broken.encode())
        monkeypatch.setattr(site, "status_view", lambda _: 1 / 0)
        target = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        shown += await there.raw(f"{target}Authorization: Bearer {PLANTED}\r\n\r\n".encode())
        inside = (there.server, there.server._site, there.server._site._guard, there.server._door)
        shown += "".join(f"{each!r}{getattr(each, '__dict__', '')!r}" for each in inside).encode()
        shown += (tmp_path / "data" / ".http.json").read_bytes()
    text = shown.decode("latin-1") + "".join(capsys.readouterr())
    assert text.count(" 200 OK") > 8
    assert text.count(" 401 ") > 20
    assert "http_failed" in text
    assert "recorder_build_info" in text
    assert_hidden(text, secret, PLANTED)


# --- support bundles -----------------------------------------------------------------------------


def inside(path: Path) -> str:
    """All that a bundle holds, as whoever gets it reads it: names, members, and the file itself."""
    with tarfile.open(path) as found:
        texts = [each.name + found.extractfile(each).read().decode() for each in found]
    return "".join(texts) + path.read_bytes().decode("latin-1")


def with_doubts(root: Path, *secrets: str) -> Path:
    """A data directory whose faults tell what a venue said: it says the secrets."""
    file = root / "capture.ndjson"
    said = [
        {"type": "error", "message": f"bad key {secret} {secret.encode().hex()}"}
        for secret in secrets
    ]
    first = {
        "channel": "subscriptions", "client_id": "", "timestamp": "2026-11-21T19:02:33.1Z",
        "sequence_num": 0, "events": [{"subscriptions": {}}],
    }  # fmt: skip
    lines = [
        {"t": 1795287753.0 + at, "conn": "ws1", "dir": "in", "raw": json.dumps(raw)}
        for at, raw in enumerate([first, *said])
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    replay.import_captures([file], root / "data")
    return root / "data"


def log_with(path: Path, *secrets: str) -> Path:
    """A log into which the secrets got in every way: events, keys, other lines, tracebacks."""
    lines = []
    for secret in secrets:
        for form in forms(secret):
            event = {"ts": "2026-11-21T19:02:33Z", "level": "info", "event": "connect_failed"}
            lines += [
                json.dumps({**event, "error": f"refused: {form}", "reason": form, form: form}),
                json.dumps({**event, "detail": {"deep": [form]}, "url": f"wss://x/{form}"}),
                json.dumps({**event, "event": form}),
                f"Traceback: key = '{form}'",
                f"COINBASE_API_SECRET={form}",
                form,
            ]
    path.write_text("\n".join(lines))
    return path


def journal_with(folder: Path, log: Path) -> None:
    """A stand-in of journalctl that tells the lines of a log as entries."""
    entries = []
    for line in log.read_text().splitlines():
        told = {"MESSAGE": line, "_CMDLINE": line, "EVENT": "connect_failed", "ERROR": line}
        entries += [told, {**told, "EVENT": line}, {**told, line: "x"}]
    (folder / "told").write_text("\n".join(map(json.dumps, entries)))
    (folder / "journalctl").write_text(f"#!/bin/sh\ncat {folder}/told\n")
    (folder / "journalctl").chmod(0o700)


def wrong_settings(data: Path, secret: str, planted: str) -> Iterator[str]:
    """Configurations that have a key where none belongs: some are refused, others pass."""
    text, word = json.dumps(secret), planted.lower()
    yield f'data = "{data}"\n[feed]\nkey_file = {text}\n'
    yield f'data = "{data}"\napi_secret = {text}\n"{planted}" = 1\n'
    yield f'data = "{data}"\n[feed]\nproducts = [{text}, "{planted}"]\nvenue = {text}\n'
    yield f"data = {planted}\n[{planted}\n"
    yield f'data = "{data}/{planted}"\n'
    product = f"{secret.encode().hex().upper()[:20]}-{planted.encode().hex().upper()[:20]}"
    key = data.parent / "key"  # which is there, and so may have any name
    key.touch(mode=0o600)
    yield (
        f'data = "{data}"\n[feed]\nkey_file = "{key}"\nproducts = ["{product}"]\n'
        f'url = "wss://{word}.coinbase.com/{planted}"\nrest_url = "https://{word}.lan/{planted}"\n'
        f'[http]\nhosts = ["{word}"]\ntoken_file = "{key}"\n'
    )


@pytest.mark.parametrize("kind", KEYS)
def test_a_support_bundle_shows_no_key(kind, tmp_path, monkeypatch):
    """Not of the environment, a key file, the settings, the log, the journal, or the data.

    Wherever a person or the venue wrote it, and in whatever form.
    """
    known, secret = new_key(kind)
    secrets = [secret, PLANTED, *filter(None, [known.passphrase])]
    folder = tmp_path / f"machine-{PLANTED}"
    folder.mkdir()
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)
    monkeypatch.setenv("TZ", PLANTED)
    monkeypatch.setenv(PLANTED, PLANTED)
    data = with_doubts(folder, *secrets)
    log = log_with(folder / "log", *secrets)
    journal_with(folder, log)
    settings, shown = folder / "recorder.toml", ""
    for count, text in enumerate(wrong_settings(data, secret, PLANTED)):
        settings.write_text(text)
        monkeypatch.setenv("PATH", "/nowhere" if count % 2 else f"{folder}:/usr/bin:/bin")
        out = tmp_path / f"{count}.tar.gz"
        source = log if count % 2 else None
        made = bundle.make(
            bundle.Asked(out, None if count else data, settings, source, 30, 2_000, offline=True)
        )
        shown += inside(out) + repr(made.parts)
    assert "held a key" not in shown, "it was found only by the last look"
    assert shown.count("connect_failed") > 100
    assert "venue_error" in shown
    assert '"feed.key_file": "set"' in shown
    assert '"COINBASE_API_SECRET"' in shown
    assert_hidden(shown, *secrets)
    assert_hidden(shown.lower(), *(form.lower() for form in forms(PLANTED)))


async def test_a_support_bundle_of_a_recorder_that_runs_shows_no_secret(tmp_path, monkeypatch):
    """Neither the token with which it asks, nor what was in the log of a venue that refused."""
    token = tmp_path / "token"
    token.write_text(PLANTED)
    token.chmod(0o600)
    settings = tmp_path / "recorder.toml"
    settings.write_text(f'data = "{tmp_path}/data"\n[http]\ntoken_file = "{token}"\n')
    http = config.HttpConfig(listen=Address("127.0.0.1", 0), token_file=token)
    async with served(tmp_path / "data", http) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        out = tmp_path / "made.tar.gz"
        made = await asyncio.to_thread(
            bundle.make, bundle.Asked(out, config=settings, offline=True)
        )
    shown = inside(out) + repr(made)
    assert '"status": 200' in shown
    assert "recorder_build_info" in shown
    assert_hidden(shown, PLANTED)


@pytest.mark.parametrize("form", ["body", "hex"])
@pytest.mark.parametrize(
    "way", ["--key-file", "feed.key_file", "http.token_file", "word", "product", "command"]
)
def test_a_key_in_a_wrong_place_is_refused_without_being_shown(form, way, tmp_path):
    """Where a file, a word of the configuration, a product or a command belongs."""
    body = b64encode(bytes(range(7, 200, 3)))[:87].decode() + "="
    text = body if form == "body" else bytes(range(7, 200, 6)).hex()
    settings = tmp_path / "recorder.toml"
    settings.write_text({
        "feed.key_file": f'[feed]\nkey_file = "{text}"\n',
        "http.token_file": f'[http]\ntoken_file = "{text}"\n',
        "word": f'[feed]\n"{text}" = "x"\n',
        "product": f'[feed]\nproducts = ["{text}"]\n',
    }.get(way, ""))  # fmt: skip
    runs = [
        ["check-config", str(settings)],
        ["doctor", "--json", "--offline", "--config", str(settings)],
        ["run", str(settings), "--data", str(tmp_path / "data")],
    ]
    if way in ("--key-file", "command"):
        runs = [["auth", "check", "--key-file", text] if way == "--key-file" else [text]]
    for arguments in runs:
        ran = subprocess.run(
            [sys.executable, "-m", "recorder", *arguments],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        shown = ran.stdout + ran.stderr
        assert "Traceback" not in shown
        assert ran.returncode, arguments
        assert ran.returncode == 78 or arguments[0] != "check-config"
        assert not [at for at in range(len(text) - 12) if text[at : at + 12] in shown], shown


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("status", [200, 401, 403, 500])
@pytest.mark.parametrize("kind", KEYS)
def test_a_request_that_is_repeated_is_shown_without_the_key(kind, status, escaped, monkeypatch):
    """By a server that puts the headers it got into its answer, in plain, base64 and hex."""
    known, secret = new_key(kind)
    monkeypatch.setenv("COINBASE_API_KEY", known.name)
    monkeypatch.setenv("COINBASE_API_SECRET", secret)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", known.passphrase)
    scheme = kind if kind in ("legacy", "bearer") else None
    venue = "exchange" if known.exchange else "advanced"
    sent: list[str] = []

    async def repeat(self: Transport, method: str, target: str, body: bytes, signer: Any) -> Answer:
        headers = signer.headers(method, self.host, target, body).reveal()
        sent.extend(value.removeprefix("Bearer ") for value in headers.values())
        said = " ".join((*sent, *(each.encode().hex() for each in sent)))
        said += " ".join(b64encode(each.encode()).decode() for each in sent)
        answer = json.dumps({"message": said, "id": said, sent[0]: said})
        if escaped:
            answer = answer.replace("/", "\\/").replace("a", "\\u0061").replace("Q", "\\u0051")
        return Answer(status, {}, answer.encode(), None)

    monkeypatch.setattr(Transport, "_once", repeat)
    monkeypatch.setattr("recorder.feed.transport.BACKOFF_S_FIRST", 0.0)
    chosen = api.service(config.load(None), venue, "http://127.0.0.1:1", scheme=scheme)
    reply = api.send(chosen, api.ask(chosen, "GET", "accounts"))
    shown = repr(reply) + str(reply.body) + str(reply.error)
    signed = [each for each in sent if len(each) > 10 and not each.isdigit()]
    assert signed
    assert_hidden(shown, *signed, secret)


async def test_an_error_frame_that_repeats_a_request_leaves_no_trace_in_tables():
    """In the words of both venues; a replay knows no key, and says the same."""
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    signature = b64encode(bytes(range(3, 250, 8))).decode()
    said = json.dumps({"signature": signature, "passphrase": "PassPhraseCanary99", "jwt": token})
    told = venue_error(f"authentication failure: {said}").detail
    assert told.startswith("authentication failure")
    assert_hidden(told, signature, "PassPhraseCanary99", token)


def test_a_log_line_has_no_key_that_a_server_repeated(capsys):
    credentials.note_in_use(Secret(("PassPhraseCanary99",)), "key")
    logs.configure(service=True, level="debug")
    logs.log().warning("library_warned", text="it said PassPhraseCanary99", library="x")
    assert_hidden("".join(capsys.readouterr()), "PassPhraseCanary99")
