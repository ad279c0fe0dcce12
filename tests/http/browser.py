"""A real Chromium in a test, driven over its own debugging protocol; no library between.

Chromium is Debian's package. It is told to look for nothing outside, and to take two names for
this machine, so that rebinding and another site can be played.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = shutil.which(os.environ.get("RECORDER_CHROMIUM", "chromium"))
REBOUND, OTHER_SITE = "rebind.example", "evil.example"
DEADLINE_S = 600.0  # no promise: a machine may be busy
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--hide-scrollbars", "--mute-audio",
    "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-port=0",
    "--disable-features=HttpsUpgrades,LocalNetworkAccessChecks,PrivateNetworkAccessChecks",
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP {OTHER_SITE} 127.0.0.1",
)  # fmt: skip


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """Run Chromium on an empty profile; gives the address that it is driven at."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            said = profile / "DevToolsActivePort"
            end_s = time.monotonic() + DEADLINE_S
            while not said.exists() or not said.read_text().strip():
                assert running.poll() is None, "Chromium ended"
                assert time.monotonic() < end_s, "Chromium does not say where it is"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{said.read_text().split()[0]}"
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


class Page:
    """A tab. ``complaints`` are errors of scripts, of the policy, and of what did not load.

    ``fetched`` has the address of everything that was asked for, ``bytes`` what came over the wire
    for it.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future] = {}
        self.complaints: list[str] = []
        self.fetched: list[str] = []
        self.bytes: dict[str, int] = {}
        self._addresses: dict[str, str] = {}

    async def read(self) -> None:
        """Take what the browser says, until the tab is closed."""
        async for text in self._socket:
            said = json.loads(text)
            if "id" in said:
                future = self._asked.pop(said["id"])
                if "error" in said:
                    future.set_exception(AssertionError(said["error"]["message"]))
                else:
                    future.set_result(said["result"])
            else:
                self._note(said["method"], said["params"])

    def _note(self, method: str, found: dict) -> None:
        match method:
            case "Runtime.exceptionThrown":
                details = found["exceptionDetails"]
                thrown = details.get("exception", {}).get("description", "")
                self.complaints.append(f"{details['text']} {thrown}")
            case "Log.entryAdded" if found["entry"]["level"] == "error":
                self.complaints.append(found["entry"]["text"])
            case "Runtime.consoleAPICalled" if found["type"] == "error":
                self.complaints.append(str([each.get("value") for each in found["args"]]))
            case "Network.requestWillBeSent":
                self._addresses[found["requestId"]] = found["request"]["url"]
                self.fetched.append(found["request"]["url"])
            case "Network.loadingFinished":
                address = self._addresses[found["requestId"]]
                self.bytes[address] = int(found["encodedDataLength"])

    async def send(self, method: str, **parameters):
        """Give an order; its result."""
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return await asyncio.wait_for(self._asked[number], DEADLINE_S)

    async def go(self, address: str) -> None:
        await self.send("Page.navigate", url=address)

    async def run(self, script: str):
        """The value of an expression; a promise is waited for."""
        found = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script: str):
        """Wait until an expression is true; gives its value."""
        end_s = time.monotonic() + DEADLINE_S
        tried = f"(() => {{ try {{ return {script} }} catch {{}} }})()"
        while not (value := await self.run(tried)):
            assert time.monotonic() < end_s, f"never: {script}; {self.complaints}"
            await asyncio.sleep(0.05)
        return value

    async def text(self, selector: str) -> str:
        return await self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    async def press(self, key: str, text: str = "") -> None:
        """Press a key; ``text`` is what it types."""
        code = {"Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9, "Escape": 27}.get(key, 0)
        typed = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                **(typed if kind == "keyDown" else {}),
            )  # fmt: skip

    async def size(self, width: int, height: int) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    async def prefer(self, theme: str) -> None:
        """Be a system that is light, or dark."""
        wanted = [{"name": "prefers-color-scheme", "value": theme}]
        await self.send("Emulation.setEmulatedMedia", features=wanted)

    async def shot(self, path: Path, *, whole: bool = False) -> None:
        """Take a picture of the window, or of the whole page."""
        found = await self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))  # noqa: ASYNC240  a test's own


def _new_tab(debugger: str) -> dict:
    request = Request(f"{debugger}/json/new?about:blank", method="PUT")
    with urlopen(request, timeout=DEADLINE_S) as answer:
        return json.load(answer)


@asynccontextmanager
async def tab(debugger: str) -> AsyncIterator[Page]:
    """A new tab, watched from before it loads anything."""
    found = await asyncio.to_thread(_new_tab, debugger)
    async with connect(found["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
        page = Page(socket)
        reading = asyncio.create_task(page.read())
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.send(f"{domain}.enable")
        try:
            yield page
        finally:
            await page.send("Page.close")
            await asyncio.gather(reading, return_exceptions=True)
