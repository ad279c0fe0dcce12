"""A Prometheus on loopback, with the rules of `deploy`, that scrapes one recorder."""

import asyncio
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

RULES = Path(__file__).resolve().parents[2] / "deploy/prometheus/recorder.rules.yml"
EVERY_S = 1


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Prometheus:
    """One that runs; `close` ends it."""

    def __init__(self, folder: Path, target: int) -> None:
        """Start it in a folder of its own; ``target`` is the port of the recorder."""
        folder.mkdir()
        shutil.copy(RULES, folder)
        config = folder / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: {EVERY_S}s, evaluation_interval: {EVERY_S}s}}\n"
            f"rule_files: [{RULES.name}]\n"
            "scrape_configs:\n- job_name: recorder\n"
            f'  static_configs: [{{targets: ["127.0.0.1:{target}"]}}]\n',
            encoding="utf-8",
        )
        self._port = free_port()
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"],
            cwd=folder, stdout=self._log, stderr=self._log,
        )  # fmt: skip

    async def ask(self, path: str, **query: str) -> Any:
        """Ask its API; raises OSError where it does not answer, ValueError where it refuses."""
        return await asyncio.to_thread(self._ask, path, query)

    def _ask(self, path: str, query: dict[str, str]) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                content = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                raise  # an OSError: it is starting
            raise ValueError(json.load(error)["error"]) from None
        return content["data"]

    async def result(self, expression: str) -> list[Any]:
        """The series that an expression comes to now; those without a number are none."""
        found = await self.ask("query", query=expression)
        assert found["resultType"] == "vector"
        return [series for series in found["result"] if series["value"][1] != "NaN"]

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._log.close()
