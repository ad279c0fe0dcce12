"""Keys: where they come from, who may read them, and that nothing ever shows them."""

import copy
import dataclasses
import io
import json
import os
import pickle
import pwd
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import rich
from rich.console import Console
from rich.pretty import pretty_repr

from recorder import credentials
from recorder.credentials import Secret, load, note_in_use, without_secrets, without_secrets_in
from recorder.errors import (
    ConfigError,
    DataError,
    NoInputError,
    PermissionRefusedError,
    UsageError,
)

PLANTED = "PlAnTeD-cAnArY-0123456789abcdef"
NAMES = ("COINBASE_API_KEY", "COINBASE_API_SECRET", "COINBASE_API_PASSPHRASE")


def getenv(**values: str):
    return values.get


@pytest.fixture(autouse=True)
def _nothing_in_use(monkeypatch):
    """What a test notes as a secret is none to the others."""
    monkeypatch.setattr(credentials, "_IN_USE", {"name": [], "key": []})
    monkeypatch.setattr(credentials, "_IN_FRAMES", [])
    monkeypatch.setattr(credentials, "_OF_SIGNATURES", deque())


# --- the type ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Holder:
    name: str
    secret: Secret[str]


SECRET = Secret(PLANTED)
HOLDER = Holder("x", SECRET)
LOOKS = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "format": lambda: f"{SECRET} {SECRET!r} {SECRET:>40} {'%s' % SECRET}",  # noqa: UP031
    "list": lambda: repr([SECRET, {"a": SECRET}]),
    "dataclass": lambda: repr(HOLDER),
    "asdict": lambda: repr(dataclasses.asdict(HOLDER)),
    "astuple": lambda: repr(dataclasses.astuple(HOLDER)),
    "copies": lambda: repr([copy.copy(SECRET), copy.deepcopy(HOLDER)]),
    "replace": lambda: repr(dataclasses.replace(HOLDER, name="y")),
    "rich": lambda: pretty_repr(HOLDER),
    "state": lambda: repr(SECRET.__getstate__()),
    "members": lambda: repr({name: getattr(SECRET, name, None) for name in dir(SECRET)}),
    "inside of another": lambda: repr(Secret({"a": Secret(PLANTED)}).reveal()),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_secret_is_not_shown(look):
    assert PLANTED not in look()


@pytest.mark.parametrize(
    "dump",
    [pickle.dumps, json.dumps, msgspec.json.encode, msgspec.to_builtins, lambda each: each + ""],
)
def test_a_secret_is_not_written(dump):
    """Where it cannot be hidden, it is refused."""
    with pytest.raises(TypeError) as caught:
        dump(SECRET)
    assert PLANTED not in str(caught.value)


def test_a_secret_is_inspected_in_vain():
    out = io.StringIO()
    rich.inspect(SECRET, console=Console(file=out, width=200), all=True)
    rich.inspect(HOLDER, console=Console(file=out, width=200), all=True)
    assert PLANTED not in out.getvalue()


def test_a_secret_is_what_it_was():
    assert SECRET.reveal() == PLANTED
    assert copy.deepcopy(SECRET).reveal() == PLANTED


# --- where keys come from ------------------------------------------------------------------------


def key_file(folder: Path, file: str = "key.json", mode: int = 0o600, **members: Any) -> Path:
    path = folder / file
    path.write_text(json.dumps({"name": "organizations/1/apiKeys/2", "privateKey": "k"} | members))
    path.chmod(mode)
    return path


def test_a_key_file(tmp_path):
    found = load(key_file(tmp_path), getenv())
    assert found is not None
    assert (found.key, found.secret.reveal(), found.passphrase) == (
        "organizations/1/apiKeys/2", "k", None,
    )  # fmt: skip
    assert found.source == str(tmp_path / "key.json")
    newer = load(_newer(tmp_path))
    assert newer is not None
    assert newer.key == "3"


def _newer(folder: Path) -> Path:
    """The form of newer portals has an id in place of the name."""
    path = folder / "newer.json"
    path.write_text('\ufeff{"id":"3","privateKey":"k"}', encoding="utf-8")
    path.chmod(0o400)
    return path


def test_the_places_are_looked_at_in_their_order(tmp_path):
    """Key file, then systemd's credentials, then the environment; nothing is mixed."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    environment = {name: f"env {name}" for name in NAMES}
    with_systemd = environment | {"CREDENTIALS_DIRECTORY": str(folder)}
    assert load(None, getenv()) is None
    assert load(None, getenv(CREDENTIALS_DIRECTORY=str(folder))) is None
    found = load(None, getenv(**with_systemd))
    assert found is not None
    assert found.source == "the environment"
    assert found.passphrase is not None
    assert found.passphrase.reveal() == "env COINBASE_API_PASSPHRASE"
    for name in NAMES[:2]:
        (folder / name).write_text(f"systemd {name}\n")
        (folder / name).chmod(0o440)  # as its access list shows
    found = load(None, getenv(**with_systemd))
    assert found is not None
    assert found.key == "systemd COINBASE_API_KEY"
    assert found.passphrase is None
    key_file(folder, "coinbase", 0o440, name="the file's")
    found = load(None, getenv(**with_systemd))
    assert found is not None
    assert found.key == "the file's"
    found = load(key_file(tmp_path, name="named"), getenv(**with_systemd))
    assert found is not None
    assert found.key == "named"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"COINBASE_API_KEY": "k"}, "the environment has no COINBASE_API_SECRET, only COINBASE_"),
        ({"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": " "}, "has no COINBASE_API_SECRET"),
        ({"COINBASE_API_PASSPHRASE": "p"}, "has no COINBASE_API_SECRET"),
    ],
)
def test_half_a_key_is_told(values, why):
    with pytest.raises(ConfigError, match=why):
        load(None, getenv(**values))


def test_a_secret_where_a_name_belongs_is_not_shown():
    """A key's name is shown wherever something is said of it."""
    pem = f"-----BEGIN EC PRIVATE KEY-----\\n{PLANTED}\\n-----END EC PRIVATE KEY-----"
    for secret in (pem, "PLANTED".ljust(86, "A") + "==", "PLANTED".ljust(43, "A") + "="):
        swapped = {"COINBASE_API_KEY": secret, "COINBASE_API_SECRET": "name"}
        with pytest.raises(ConfigError, match="has a secret in COINBASE_API_KEY") as caught:
            load(None, getenv(**swapped))
        assert secret not in str(caught.value)
        with pytest.raises(UsageError, match="is no path of a file") as other:
            load(Path(secret))
        assert secret not in str(other.value)


@pytest.mark.parametrize("name", ["COINBASE_API_KEY", "COINBASE_API_PASSPHRASE"])
@pytest.mark.parametrize("value", ["a\nb", "a\x01b", "a\udcffb", "a\x00"])
def test_what_cannot_stand_in_a_header_is_told_without_being_shown(name, value):
    values = dict.fromkeys(NAMES, "x") | {name: value}
    with pytest.raises(ConfigError, match=f"the environment has a {name} with a line break") as no:
        load(None, getenv(**values))
    assert value not in str(no.value)


def test_a_key_file_with_a_name_that_is_none(tmp_path):
    with pytest.raises(DataError, match='has a "name" with a line break'):
        load(key_file(tmp_path, name="a\nb"), getenv())


def test_who_has_a_key_leaves_no_core_file():
    """Only who has one: of all others a crash may be looked into."""
    script = (
        "import resource; from recorder.credentials import load; load(None); "
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    command = ["sh", "-c", 'ulimit -c 4096 && exec "$0" -c "$1"', sys.executable, script]
    bare = {name: value for name, value in os.environ.items() if name not in NAMES}
    key = {"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": PLANTED}
    shown = [
        subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()
        for env in (bare, bare | key)
    ]
    assert shown[0] != "0"
    assert shown[1] == "0"


def test_empty_variables_are_no_key():
    assert load(None, getenv(**dict.fromkeys(NAMES, ""))) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o777, 0o610])
def test_a_key_file_that_others_may_read_is_refused_with_the_way_out(mode, tmp_path):
    path = key_file(tmp_path, "a key.json", mode)
    with pytest.raises(PermissionRefusedError, match=rf"mode {mode:04o}.*: chmod 600 '") as caught:
        load(path)
    assert caught.value.exit_code == 77
    command = str(caught.value).rpartition(": ")[2]
    subprocess.run(command, shell=True, check=True)
    assert load(path) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_key_file_of_somebody_else_is_refused_with_the_way_out(tmp_path):
    path = key_file(tmp_path)
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(path, nobody, -1)
    with pytest.raises(PermissionRefusedError, match="belongs to nobody, not to root") as caught:
        load(path)
    subprocess.run(str(caught.value).rpartition(": ")[2], shell=True, check=True)
    assert load(path) is not None


def as_nobody(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a command as somebody who is not root, who may read what others may read.

    The program is read before the user changes: where it lies may be root's alone.
    """
    program = (
        "import os, sys\nimport recorder.api, recorder.cli.api, recorder.cli.auth\n"
        "import jwt, recorder.cli, encodings.utf_8_sig\n"
        "recorder.cli.main(['auth', 'jwt', '--key-file', 'no-such-file'])\n"
        "sys.stderr.flush(); print('==', file=sys.stderr, flush=True)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(recorder.cli.main(sys.argv[1:]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    ran.stderr = ran.stderr.partition("==\n")[2]
    assert "Traceback" not in ran.stderr
    return ran


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody enters; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@ROOT_ONLY
@pytest.mark.parametrize("configured", [True, False])
def test_a_key_file_that_is_somebody_elses_is_told_by_every_way_to_name_it(configured, open_folder):
    """Not as a wrong option: as a permission, with the command that puts it right."""
    path = key_file(open_folder)
    settings = open_folder / "recorder.toml"
    settings.write_text(f"[feed]\nkey_file = '{path}'\n")
    named = ("--config", str(settings)) if configured else ("--key-file", str(path))
    ran = as_nobody("auth", "jwt", *named)
    assert ran.returncode == 77
    assert f"chown nobody {path} && chmod 600 {path}" in ran.stderr


@ROOT_ONLY
@pytest.mark.parametrize("way", ["credentials", "key file"])
def test_a_folder_that_cannot_be_entered_is_named(way, open_folder):
    """And not the file in it, of which nothing is known."""
    folder = open_folder / "private"
    folder.mkdir(mode=0o700)
    path = key_file(folder, "coinbase")
    os.chown(path, 65534, 65534)
    if way == "credentials":
        ran = as_nobody("auth", "jwt", CREDENTIALS_DIRECTORY=str(folder))
    else:
        ran = as_nobody("auth", "jwt", "--key-file", str(path))
    assert ran.returncode == 77
    assert f"the folder {folder} cannot be entered by nobody" in ran.stderr
    assert "its owner, root" in ran.stderr
    assert f"chmod 600 {path}" not in ran.stderr


@pytest.mark.parametrize("mode", [0o444, 0o404])
def test_a_credential_of_systemd_that_the_world_may_read_is_refused(mode, tmp_path):
    key_file(tmp_path, "coinbase", mode)
    with pytest.raises(PermissionRefusedError, match="others may read or change it"):
        load(None, getenv(CREDENTIALS_DIRECTORY=str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not JSON"),
        (PLANTED.encode(), "is not JSON"),
        (b"[" * 50_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'{"privateKey":"%s"}' % PLANTED.encode(), 'has no "name" or "id"'),
        (b'{"name":7,"privateKey":"x"}', 'has no "name" or "id"'),
        (b'{"name":"x"}', 'has no "privateKey"'),
        (b'{"name":"x","privateKey":" "}', 'has no "privateKey"'),
        (b"\xff" + PLANTED.encode(), "is not UTF-8"),
        (PLANTED.encode() * 10_000, "is longer than 64 KiB"),
    ],
)
def test_a_file_that_is_no_key_file_is_told_without_what_is_in_it(content, why, tmp_path):
    path = tmp_path / "key.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(DataError, match=why) as caught:
        load(path)
    assert PLANTED not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NoInputError, match="does not exist"):
        load(tmp_path / "no")
    with pytest.raises(NoInputError, match="is not a file"):
        load(tmp_path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(NoInputError, match="is not a file"):
        load(tmp_path / "fifo")


def test_what_is_in_use_is_left_out_of_what_a_server_says():
    """Also a text that no encoding takes; what is short would be found everywhere."""
    for text in ("PassPhraseCanary99", "Canary\udcff99", "ab"):
        note_in_use(Secret((text,)), "key")
    said = "PassPhraseCanary99 Canary\udcff99 ab"
    assert without_secrets(said) == "[redacted] [redacted] ab"
    assert without_secrets("organizations/x/apiKeys/y") == "organizations/x/apiKeys/y"


SECRETS = (b64encode(bytes(range(64))).decode(), "Hunter2/Zw+eLf=Q", "a" * 20 + "9Z/+" * 5)


@pytest.mark.parametrize("known", SECRETS)
def test_a_secret_is_left_out_however_it_is_repeated(known):
    """At every offset of base64 with something behind it, and with any escapes."""
    note_in_use(Secret((known,)), "key")
    raw = known.encode()
    escaped = "".join(f"%{each:02x}" for each in raw)
    said = [b64encode(b"x" * before + raw + b", more").decode() for before in range(5)]
    said += [
        escaped,
        quote(escaped),
        known.replace("/", "%2f"),
        known.replace("/", "&#x2F;"),
        "".join(f"&#{each};" for each in raw),
        "".join(f"\\u{each:04x}" for each in raw),
        "".join(f"\\x{each:02x}" for each in raw),
        known.replace("/", "\\\\/"),
        "\n".join(known[at : at + 5] for at in range(0, len(known), 5)),
        raw.hex(" "),
        "\\n".join(known[at : at + 5] for at in range(0, len(known), 5)),
        "\\\\r\\\\n".join(known[at : at + 7] for at in range(0, len(known), 7)),
    ]
    for each in said:
        shown = without_secrets(f"he said {each} and more")
        assert each not in shown
        assert each[4:-8] not in shown


def test_a_text_that_repeats_nothing_stays_as_it_is():
    note_in_use(Secret((SECRETS[0],)), "key")
    text = "100%25 of BTC-USD &amp; more: \\u0041\n  {}"
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "name",
    [
        SECRETS[0],
        "97ZZ5AkRqKq/UANLOSIskmz+MSoBi/Ymb8BCKUUeXKo=",
        "Dz8WVKYh3Nf8TVctA2f7vvWRwDb4McEI",
    ],
)
def test_a_key_in_the_place_of_its_name_is_refused(name, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"name": name, "privateKey": SECRETS[0]}))
    file.chmod(0o600)
    with pytest.raises(DataError, match="looks like a key itself") as refused:
        load(file)
    assert name[:12] not in str(refused.value)
    given = {"COINBASE_API_KEY": name, "COINBASE_API_SECRET": SECRETS[0]}
    with pytest.raises(ConfigError, match="has a secret in COINBASE_API_KEY") as refused:
        load(None, given.get)
    assert name[:12] not in str(refused.value)


@pytest.mark.parametrize("known", ['ab\\cd/ef"gh+12', "a%2Fb/c+defghij", "x&lt;y/abcdefgh"])
def test_a_secret_that_looks_escaped_itself_is_left_out(known):
    note_in_use(Secret((known,)), "key")
    for each in (json.dumps(json.dumps(known)), quote(quote(known, safe=""), safe="")):
        assert each.strip('"')[:-3] not in without_secrets(f"he said {each} and more")


def test_a_frame_of_backslashes_takes_no_time():
    """The time grows as the text does: a hostile frame must not stop the recording."""
    note_in_use(Secret((SECRETS[0],)), "key")
    frame = b"\\" * 60_000
    began_s = time.process_time()
    assert without_secrets_in(frame, is_data=False) == frame
    assert time.process_time() - began_s < 5.0  # it was 85 s


@pytest.mark.parametrize("word", ["channels", "online", "BTC-USD", "65000.12"])
def test_a_passphrase_that_is_a_word_of_the_protocol_spoils_no_frame(word):
    note_in_use(Secret((word,)), "key")
    frame = f'{{"type":"subscriptions","channels":[],"x":"{word}"}}'.encode()
    assert without_secrets_in(frame, is_data=False) == frame
    assert without_secrets_in(frame, is_data=True) == frame


def test_a_key_in_what_looks_like_data_is_left_out():
    note_in_use(Secret((SECRETS[1],)), "key")
    frame = f'{{"type":"ticker","product_id":"{SECRETS[1]}","x":'.encode()
    assert b"Hunter2" not in without_secrets_in(frame, is_data=True)
