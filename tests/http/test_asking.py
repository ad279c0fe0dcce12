"""What `recorder.http.asking` promises: the answer of the one who records, or why there is none."""

import asyncio
import os

import pytest

from recorder.config import HttpConfig
from recorder.config.listening import Address
from recorder.errors import UnavailableError
from recorder.http import asking, place
from recorder.http.asking import ask, recording_pid
from tests.authorities import Authority
from tests.http.served import served

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
    with pytest.raises(UnavailableError, match="does not answer"):
        ask(tmp_path, HttpConfig())
    assert asking.TIMEOUT_S > 1
