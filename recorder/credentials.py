"""Keys of a Coinbase account: where they come from, and a type that never shows them.

Market data needs none. Whoever has one puts it in one of these places; the first that has
something is taken, and nothing is mixed:

1. the CDP key file that the configuration or an option names (JSON as the portal gives it);
2. systemd's credentials (``$CREDENTIALS_DIRECTORY``): files of the three names below, or a CDP key
   file named ``coinbase``;
3. the environment: ``COINBASE_API_KEY``, ``COINBASE_API_SECRET``, ``COINBASE_API_PASSPHRASE``.

Functions here that hold a key as plain text raise nothing and call nothing that may: whoever prints
the local variables of a traceback must not find it. They answer with what is wrong instead.
"""

import base64
import html
import json
import os
import pwd
import re
import resource
import shlex
import stat
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NoReturn, Self, TypeVar
from urllib.parse import quote

from recorder.errors import ConfigError, DataError, NoInputError, PermissionRefusedError, UsageError
from recorder.masking import REDACTED, in_base64, is_path_like, no_path, unescaped, without_keys

T = TypeVar("T")
KEY, SECRET, PASSPHRASE = "COINBASE_API_KEY", "COINBASE_API_SECRET", "COINBASE_API_PASSPHRASE"
KEY_FILE_CREDENTIAL = "coinbase"
FILE_BYTES_MAX = 64 * 1024
_HIDDEN = "***"
_FORM_CHARACTERS_MIN = 6
_UNBROKEN_MIN = 8
_ESCAPED_CHARACTERS_MAX = 64 * 1024
_FORMS_MAX = 400  # of the last 40 signatures or so
_UNPRINTABLE = "a line break, or a character that cannot be shown, in it: copy it again"
_KEY_ITSELF = re.compile(r".*(?:-----BEGIN|\{.*privateKey).*", re.DOTALL)
# As CDP and the Exchange name their keys.
_NAME = re.compile(
    r"(?:(?:organizations|projects)/[\w-]{1,64}/apiKeys/)?[0-9a-f-]{36}|[0-9a-f]{32}", re.IGNORECASE
)
# What may be a word of the protocol, and is not looked for in what the venue sends.
_WORD = re.compile(r"[a-z_ -]{,16}|[A-Z0-9 -]{,12}|[0-9.]*")
_HOW = (
    "Key files are checked as ssh does it: they belong to whoever uses them, and nobody else may "
    "read them"
)


class Secret(Generic[T]):
    """Something that must not be seen: it shows as ``***`` however it is looked at.

    The value is held by a function, so that nothing that walks over attributes meets it. Take it
    out with `reveal`, in the expression that needs it: a name that holds it would be shown by
    whoever prints the local variables of a traceback.
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], T]

    def __init__(self, value: T) -> None:
        self.reveal = lambda: value

    def __repr__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret cannot be pickled; hand over where it comes from")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


_IN_USE: dict[str, list[Secret[str]]] = {"name": [], "key": []}
_IN_FRAMES: list[Secret[bytes]] = []
_OF_SIGNATURES: deque[Secret[str]] = deque(maxlen=_FORMS_MAX)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key as it was found. ``key`` names it and is no secret; ``source`` is where it was."""

    key: str
    secret: Secret[str]
    passphrase: Secret[str] | None
    source: str


def load(
    key_file: Path | None, getenv: Callable[[str], str | None] = os.getenv
) -> Credentials | None:
    """Find a key; None where there is none anywhere. A process that has one leaves no core file.

    Args:
        key_file: a CDP key file that was named; then nothing else is looked at.
        getenv: gives a variable of the environment. (Not the environment itself, which would be
            shown with all that is in it.)

    Raises:
        UsageError: it is no path of a file that was named, and may be a key.
        NoInputError: the key file is not there.
        PermissionRefusedError: others may read it, it is somebody else's, or its folder cannot be
            entered.
        DataError: it is no CDP key file.
        ConfigError: of a key and its secret there is only one, or they are swapped.
    """
    found = _find(key_file, getenv)
    if found is not None:
        note_in_use(Secret((found.key,)), "name")
        secrets = (found.secret, found.passphrase)
        note_in_use(Secret(tuple(each.reveal() for each in secrets if each is not None)), "key")
        # What crashes may be examined by others; systemd's collector keeps to the limit, too.
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    return found


def _find(key_file: Path | None, getenv: Callable[[str], str | None]) -> Credentials | None:
    if key_file is not None:
        if not is_path_like(str(key_file)):
            raise UsageError(f"--key-file: {no_path(key_file)}")
        return _from_key_file(key_file.expanduser(), systemd=False)
    if directory := getenv("CREDENTIALS_DIRECTORY"):
        folder = Path(directory)
        if _exists(folder / KEY_FILE_CREDENTIAL):
            return _from_key_file(folder / KEY_FILE_CREDENTIAL, systemd=True)
        found = {
            name: _read(folder / name, systemd=True)
            for name in (KEY, SECRET, PASSPHRASE)
            if _exists(folder / name)
        }
        if found:
            return _of_three(found, f"the credentials in {directory}")
    found = {name: Secret(getenv(name) or "") for name in (KEY, SECRET, PASSPHRASE)}
    return _of_three(found, "the environment")


def read_secret(path: Path, getenv: Callable[[str], str | None] = os.getenv) -> Secret[str]:
    """Read a file that holds a secret of another kind; checked as key files are.

    A file among systemd's credentials is checked as those are.

    Raises:
        UsageError, NoInputError, PermissionRefusedError, DataError: as `load`.
    """
    if not is_path_like(str(path)):
        raise UsageError(no_path(path))
    directory = getenv("CREDENTIALS_DIRECTORY")
    systemd = bool(directory) and path.is_relative_to(directory or "")
    return _read(path, systemd=systemd)


def _is_key_itself(text: str) -> bool:
    """Whether a text is a secret, where the name of a key belongs."""
    text = text.strip()
    if _KEY_ITSELF.fullmatch(text) is not None:
        return True
    return _NAME.fullmatch(text) is None and without_keys(text) != text


def note_in_use(texts: Secret[tuple[str, ...]], kept: Literal["name", "key"] | None = None) -> None:
    """Note what is not to be shown where a server repeats it: see `without_secrets`.

    What is not ``kept`` is forgotten when much more was signed.
    """
    held = _OF_SIGNATURES if kept is None else _IN_USE[kept]
    for each in texts.reveal():
        for form in _forms(each):
            if not any(form == one.reveal() for one in held):
                held.append(Secret(form))
                if kept == "key" and not _WORD.fullmatch(form):
                    _IN_FRAMES.append(Secret(form.encode(errors="replace")))


def without_secrets(text: str, *, names: bool = False) -> str:
    """Give a text without the secrets that this process used: keys, and what was signed last.

    In plain, base64 and hex; what has one escaped or broken into lines is left out as a whole.
    With ``names`` also without the names of keys.
    """
    return _without(text, lambda _: True, names=names)


def _not_words(form: str) -> bool:
    return _WORD.fullmatch(form) is None


def _without(text: str, wanted: Callable[[str], bool], *, names: bool = False) -> str:
    held = [
        form
        for form in (*_IN_USE["key"], *_OF_SIGNATURES, *(_IN_USE["name"] if names else ()))
        if wanted(form.reveal())
    ]
    for form in held:
        if form.reveal() in text:
            text = text.replace(form.reveal(), REDACTED)
    if held and len(text) <= _ESCAPED_CHARACTERS_MAX:
        bare = unescaped(text)
        if any(each in bare for each in map(_unbroken, held) if len(each) >= _UNBROKEN_MIN):
            return f"[hidden: {len(text)} characters that repeat a key]"
    return text


def without_secrets_in(frame: bytes, *, is_data: bool) -> bytes:
    """Give a frame as `without_secrets` gives a text; a secret that is a plain word stays.

    In data only keys are looked for, and no escapes.
    """
    if is_data and not any(form.reveal() in frame for form in _IN_FRAMES):
        return frame
    text = frame.decode(errors="surrogateescape")
    return _without(text, _not_words).encode(errors="surrogateescape")


def _unbroken(secret: Secret[str]) -> str:
    return "".join(secret.reveal().split())


def _forms(text: str) -> Iterator[str]:
    """A secret as a server may repeat it; nothing that is found everywhere."""
    text = text.strip()
    raw = text.encode(errors="replace")
    found = [text, json.dumps(text)[1:-1], quote(raw, safe=""), raw.hex(), raw.hex().upper()]
    found += in_base64(raw)
    found.append(unescaped(text))  # as it is found in a text without escapes
    found += [line for line in text.splitlines() if not line.startswith("-----")]
    found += [text.upper(), text.lower(), html.escape(text), text.replace("=", "&#x3D;")]
    with suppress(ValueError):  # of a signature or a key the bytes may be repeated, too
        bare = base64.b64decode(text, validate=True).hex()
        found += [bare, bare.upper()]
    yield from (form for form in found if len(form) >= _FORM_CHARACTERS_MIN)


def environment_without() -> dict[str, str]:
    """Give the environment as a process that needs no key is to have it."""
    kept = os.environ.keys() - {KEY, SECRET, PASSPHRASE}
    return {name: os.environ[name] for name in kept}


def _of_three(found: Mapping[str, Secret[str]], source: str) -> Credentials | None:
    """Make credentials of the three names; an empty value is none."""
    given = {name: value for name, value in found.items() if value.reveal().strip()}
    if not given:
        return None
    if SECRET not in given:
        raise ConfigError(f"{source} has no {SECRET}, only {' and '.join(given)}; give both")
    if KEY in given and _is_key_itself(given[KEY].reveal()):
        raise ConfigError(f"{source} has a secret in {KEY}: give the key's name there")
    for name in (KEY, PASSPHRASE):
        if name in given and not given[name].reveal().strip().isprintable():
            raise ConfigError(f"{source} has a {name} with {_UNPRINTABLE}")
    key = given[KEY].reveal().strip() if KEY in given else ""
    return Credentials(key, given[SECRET], given.get(PASSPHRASE), source)


def _from_key_file(path: Path, *, systemd: bool) -> Credentials:
    found = _members(_read(path, systemd=systemd))
    if isinstance(found, str):
        raise DataError(
            f"{path} {found}; a CDP key file is the JSON that portal.cdp.coinbase.com gives, with "
            '"name" or "id", and "privateKey"'
        )
    return Credentials(*found, passphrase=None, source=str(path))


def _members(content: Secret[str]) -> tuple[str, Secret[str]] | str:
    """The name and the private key of a CDP key file, or what is wrong with it."""
    try:
        document = json.loads(content.reveal())
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(document, dict):
        return "is not a JSON object"
    name = document.get("name") or document.get("id")
    wrong = _wrong_name(name)
    if wrong:
        return wrong
    if not isinstance(document.get("privateKey"), str) or not document["privateKey"].strip():
        return 'has no "privateKey"'
    return str(name).strip(), Secret(document["privateKey"])


def _wrong_name(name: object) -> str:
    if not isinstance(name, str):
        return 'has no "name" or "id"'
    if not name.strip().isprintable():
        return f'has a "name" with {_UNPRINTABLE}'
    return 'has a "name" that looks like a key itself' if _is_key_itself(name) else ""


def _exists(path: Path) -> bool:
    """Whether there is a credential. Raises PermissionRefusedError where nobody can tell."""
    try:
        path.stat()
    except PermissionError:
        raise PermissionRefusedError(_barred(path)) from None
    except OSError:
        return False
    return True


def _barred(path: Path) -> str:
    """Say what keeps us from a file: a folder on the way to it, or the file itself."""
    shown, me = shlex.quote(str(path)), _user(os.geteuid())
    # Where a folder cannot be entered, nothing can be said of what is in it: the first one counts.
    for folder in reversed(Path(os.path.realpath(path)).parents):
        if not os.access(folder, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return (
                f"the folder {folder} cannot be entered by {me}, so no key is found in it: run "
                f"this as its owner, {_owner(folder)}, or put it into a folder of {me}'s own"
            )
    return f"the key file {path} cannot be read by {me}: chown {me} {shown} && chmod 600 {shown}"


def _owner(path: Path) -> str:
    try:
        return _user(path.stat().st_uid)
    except OSError:
        return "who is not known"


def _read(path: Path, *, systemd: bool) -> Secret[str]:
    """Read a file that holds a key, after looking at whose it is and who may read it."""
    try:
        # Not blocking: a FIFO in the place of a file must not stop us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NoInputError(f"the key file {path} does not exist") from None
    except PermissionError:
        raise PermissionRefusedError(_barred(path)) from None
    except OSError as error:
        raise NoInputError(f"the key file {path} cannot be read: {error.strerror}") from None
    try:
        _check_access(os.fstat(descriptor), path, systemd=systemd)
        content = Secret(os.read(descriptor, FILE_BYTES_MAX + 1))
    finally:
        os.close(descriptor)
    if len(content.reveal()) > FILE_BYTES_MAX:
        raise DataError(f"{path} is longer than {FILE_BYTES_MAX // 1024} KiB: it is no key file")
    text = _text(content)
    if text is None:
        raise DataError(f"{path} is not UTF-8 text: it is no key file")
    return text


def _text(content: Secret[bytes]) -> Secret[str] | None:
    try:
        return Secret(content.reveal().decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None


def _check_access(status: os.stat_result, path: Path, *, systemd: bool) -> None:
    """Refuse a file that others may read, or may have written.

    systemd keeps credentials in memory below a directory that only the service enters; their group
    bits are those of an access list and say nothing.
    """
    shown, me = shlex.quote(str(path)), os.geteuid()
    if not stat.S_ISREG(status.st_mode):
        raise NoInputError(f"{path} is not a file")
    if status.st_uid not in ({me, 0} if systemd else {me}):
        raise PermissionRefusedError(
            f"the key file {path} belongs to {_user(status.st_uid)}, not to {_user(me)}. {_HOW}: "
            f"chown {_user(me)} {shown} && chmod 600 {shown}"
        )
    if status.st_mode & (0o007 if systemd else 0o077):
        raise PermissionRefusedError(
            f"the key file {path} has mode {status.st_mode & 0o777:04o}: others may read or change "
            f"it. {_HOW}: chmod 600 {shown}"
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
