"""Trials of HTTP through sockets that systemd holds: who may, and that a restart refuses nobody.

Each plays in a machine of its own, returns its figures, or fails as an assertion.
"""

import json

from tests.systemd.acts import UNIT, begin, start, trial
from tests.systemd.installed import PYTHON, configure, events, serve
from tests.systemd.machine import Machine
from tests.systemd.packaged import DEB_NOW, install

# Asks again and again until it is told to stop, by the address or the path of a socket.
ASKING = """
import http.client, json, pathlib, socket, sys, time
where, path = sys.argv[1], sys.argv[2]
class Door(http.client.HTTPConnection):
    def connect(self):
        if where.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(60)
            self.sock.connect(where)
        else:
            super().connect()
host, _, port = "127.0.0.1:80".partition(":") if where.startswith("/") else where.partition(":")
found, longest = [], 0.0
if len(sys.argv) > 3:
    pathlib.Path("/tmp/asking").touch()
while True:
    began = time.monotonic()
    try:
        door = Door(host, int(port), timeout=60)
        door.request("GET", path)
        found.append(door.getresponse().status)
        door.close()
    except OSError as error:
        found.append(repr(error))
    longest = max(longest, time.monotonic() - began)
    if len(sys.argv) < 4 or not pathlib.Path(sys.argv[3]).exists():
        break
    time.sleep(0.05)
print(json.dumps({"found": found, "longest": longest}))
"""
HERE = "127.0.0.1:9464"


def ask(machine: Machine, where: str, path: str, *user: str) -> object:
    """The status of one answer, or the error as text."""
    told = json.loads(machine.run(*user, PYTHON, "-I", "-c", ASKING, where, path))
    return told["found"][0]


@trial(packaged=True)
def socket(machine: Machine) -> str:
    """Held by systemd, the socket answers through a restart: who asks meanwhile waits."""
    install(machine, DEB_NOW)
    machine.run("systemctl", "enable", "--now", "recorder.socket")
    begin(machine)
    machine.wait(lambda: ask(machine, HERE, "/readyz") == 200, "it is ready")
    machine.write("/tmp/go-on", "")
    asking = machine.start(PYTHON, "-I", "-c", ASKING, HERE, "/livez", "/tmp/go-on")
    machine.wait(lambda: machine.path("/tmp/asking").exists(), "somebody asks")
    pid = machine.main_pid(UNIT)
    machine.run("systemctl", "restart", UNIT)
    machine.wait(lambda: ask(machine, HERE, "/readyz") == 200, "it is ready again")
    assert machine.main_pid(UNIT) != pid
    machine.path("/tmp/go-on").unlink()
    said, error = asking.communicate(timeout=120)
    told = json.loads(said)
    wrong = [each for each in told["found"] if each != 200]
    assert not wrong, (wrong, error)
    return (
        f"{len(told['found'])} of {len(told['found'])} requests were answered during a restart; "
        f"the longest waited {told['longest']:.2f} s"
    )


@trial(packaged=True)
def socket_starts_it(machine: Machine) -> str:
    """Who asks starts what is not running: a stop is one of the socket, too."""
    install(machine, DEB_NOW)
    serve(machine)
    configure(machine)
    machine.run("systemctl", "start", "recorder.socket")
    assert machine.show(UNIT)["ActiveState"] == "inactive"
    assert ask(machine, HERE, "/livez") == 200
    assert machine.show(UNIT)["ActiveState"] in {"active", "activating"}
    machine.run("systemctl", "stop", "recorder.socket", UNIT)
    assert "refused" in str(ask(machine, HERE, "/livez"))
    assert machine.show(UNIT)["ActiveState"] == "inactive"
    return "a request started it; with the socket stopped nobody answers and nothing starts"


@trial(packaged=True)
def socket_of_a_shard(machine: Machine) -> str:
    """A shard's socket is a file, for root and the group of readers alone."""
    install(machine, DEB_NOW)
    serve(machine)
    configure(machine, "one")
    machine.run("systemctl", "enable", "--now", "recorder@one.socket")
    start(machine, "recorder@one")
    machine.wait(lambda: events(machine, "book_live", "recorder@one.service"), "a book")
    door = "/run/recorder-one.sock"
    mode = machine.run("stat", "-c", "%U:%G %a", door).strip()
    assert mode == "root:recorder 660", mode
    reader = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    member = ("setpriv", "--reuid=65534", "--regid=recorder", "--clear-groups")
    assert ask(machine, door, "/v1/status") == 200
    assert ask(machine, door, "/v1/status", *member) == 200
    assert "Permission" in str(ask(machine, door, "/v1/status", *reader))
    status = machine.run("/usr/lib/recorder/venv/bin/recorder", "status", "--json", "--data",
                         "/var/lib/recorder-one")  # fmt: skip
    assert json.loads(status)["live"], status
    return f"{door} {mode}: answers its group, refuses others; recorder status finds it"
