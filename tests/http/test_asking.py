"""What `recorder.http.asking` promises: the answer of the one who records, or why there is none."""

import asyncio
import os

import pytest

from recorder.config import HttpConfig
from recorder.config.listening import Address
from recorder.errors import NoInputError, PermissionRefusedError, UnavailableError
from recorder.http import asking, place
from recorder.http.asking import ask, recording_pid
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
from recorder.venue import Venue
from tests.authorities import Authority
from tests.http.served import served
from tests.recorders import all_recorded, config_for, recording, wait_for

TOKEN = "0123456789abcdef-a-token"
HERE = Address("127.0.0.1", 0)


async def test_who_records_is_asked(tmp_path):
    async with served(tmp_path) as there:
        found = await asyncio.to_thread(ask, tmp_path, HttpConfig())
        assert found["products"] == 2
        assert recording_pid(tmp_path) == os.getpid()
        assert there.server.url
    assert ask(tmp_path, HttpConfig()) is None
    assert recording_pid(tmp_path) is None


async def test_with_a_token_and_tls(tmp_path):
    """The certificate of the settings is trusted, whatever its names; without the token, not."""
    token, file = tmp_path / "token", Authority(tmp_path).issue("recorder.lan")
    token.write_text(TOKEN)
    token.chmod(0o600)
    http = HttpConfig(listen=HERE, token_file=token, tls_cert=file, tls_key=file)
    data = tmp_path / "data"
    async with served(data, http):
        assert (await asyncio.to_thread(ask, data, http))["venue"] == "advanced"
        with pytest.raises(UnavailableError, match="--config"):
            ask(data, HttpConfig())
        token.write_text(TOKEN[::-1])
        with pytest.raises(UnavailableError, match="refused: 401") as caught:
            await asyncio.to_thread(ask, data, http)
        assert TOKEN[::-1] not in str(caught.value)


def test_who_does_not_answer_is_told(tmp_path):
    place.write(tmp_path, "http://127.0.0.1:9", token=False)
    with WriterLock(Root(tmp_path)), pytest.raises(UnavailableError, match="does not answer"):
        ask(tmp_path, HttpConfig())
    assert asking.TIMEOUT_S > 1


async def test_who_is_ready_is_told_without_a_token(tmp_path):
    """By the certificate of the settings; the token is not needed for health."""
    token, file = tmp_path / "token", Authority(tmp_path).issue("recorder.lan")
    token.write_text(TOKEN)
    token.chmod(0o600)
    http = HttpConfig(listen=HERE, token_file=token, tls_cert=file, tls_key=file)
    data = tmp_path / "data"
    assert asking.ready(data, http) == f"nobody records into {data}"
    async with served(data, http) as there:
        known = HttpConfig(listen=HERE, tls_cert=file, tls_key=file)
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        assert await asyncio.to_thread(asking.ready, data, known) is None
        with pytest.raises(UnavailableError, match=r"not trusted .*--config"):
            await asyncio.to_thread(asking.ready, data, HttpConfig())


async def test_who_serves_nothing_is_ready_while_it_runs(tmp_path):
    async with (
        Venue(seed=7, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)),
    ):
        assert asking.ready(tmp_path, HttpConfig(listen=None)) is None


def test_who_should_serve_and_does_not_is_not_ready(tmp_path):
    """It only begins, or its address is taken; or it is no recorder at all, but `recorder seal`."""
    with WriterLock(Root(tmp_path)):
        assert asking.ready(tmp_path, HttpConfig(), configured=False) is None
        why = asking.ready(tmp_path, HttpConfig(), configured=True)
        assert why is not None
        assert "not served at 127.0.0.1:9464" in why
        assert asking.ready(tmp_path, HttpConfig(listen=None), configured=True) is None


def test_what_a_process_left_that_died_is_not_believed(tmp_path):
    """Its number is that of another process by now, and its address that of another recorder."""
    place.write(tmp_path, "http://127.0.0.1:9", token=False)
    Root(tmp_path).lock.write_text(f"{os.getpid()}\n")
    assert recording_pid(tmp_path) is None
    assert ask(tmp_path, HttpConfig()) is None
    assert asking.ready(tmp_path, HttpConfig()) == f"nobody records into {tmp_path}"


def test_a_directory_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(asking, "holder", refuse)
    with pytest.raises(PermissionRefusedError, match=r"\.lock: permission denied: run this as"):
        asking.ready(tmp_path, HttpConfig())
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(NoInputError, match=r"Not a directory.*--data"):
        asking.ready(tmp_path / "file", HttpConfig())


def test_why_somebody_is_not_ready_is_told(tmp_path, monkeypatch):
    place.write(tmp_path, "http://127.0.0.1:9", token=False)
    monkeypatch.setattr(asking, "recording_pid", lambda _: os.getpid())
    for content, told in (
        (b'{"status": "not ready", "reasons": [{"kind": "a", "detail": "no connection"}]}',
         "no connection"),
        (b'{"status": "not ready"}', f"process {os.getpid()} says that it is not ready (503)"),
        (b"<html>", f"process {os.getpid()} says that it is not ready (503)"),
    ):  # fmt: skip
        monkeypatch.setattr(asking, "_get", lambda *_, content=content: (503, content))
        assert asking.ready(tmp_path, HttpConfig()) == told
