"""`recorder status`, of a directory that is recorded into, and of one that is not."""

import asyncio
import json

from recorder import logs
from tests.http.served import served
from tests.recorders import all_recorded, wait_for


async def test_status_shows_a_recorder_that_runs(tmp_path, call):
    """Ready is 0; stopped, or asked before anything is recorded, is 1."""
    data = tmp_path / "data"
    logs.configure(service=False, level="error")
    async with served(data) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        found = await asyncio.to_thread(call, "status", "--data", data, "--json")
        document = json.loads(found.out)
        assert (found.code, document["recording"]) == (0, True)
        assert document["live"]["ready"]
        shown = await asyncio.to_thread(call, "status", "--data", data)
        assert shown.code == 0
        assert "● ready" in shown.out
        assert "1 of 1 open" in shown.out
    found = call("status", "--data", data, "--json")
    document = json.loads(found.out)
    assert (found.code, document["live"], document["recording"]) == (1, None, False)
    assert "Nobody records into" in call("status", "--data", data).out


def test_status_of_no_directory_is_an_error(tmp_path, call):
    assert call("status", "--data", tmp_path / "no").code == 66


async def test_a_health_check_asks_for_no_more_than_it_needs(tmp_path, call):
    data = tmp_path / "data"
    logs.configure(service=False, level="error")
    found = call("status", "--ready", "--data", data)
    assert (found.code, found.out) == (1, f"not ready: nobody records into {data}\n")
    async with served(data) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        found = await asyncio.to_thread(call, "status", "--ready", "--data", data)
        assert (found.code, found.out) == (0, "ready\n")
        found = await asyncio.to_thread(call, "status", "--ready", "--data", data, "--json")
        assert json.loads(found.out) == {"ready": True, "why": None}
