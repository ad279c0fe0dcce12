"""The file: one compressed tar, for its owner alone, whole or not at all, never over another.

Before anything is written it is searched for the keys that this machine has. What holds one, in
whatever form, is left out; that this should never happen is no reason not to look.
"""

import gzip
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recorder import credentials
from recorder.credentials import Credentials, Secret
from recorder.errors import RecorderError, StorageError, UsageError
from recorder.masking import in_base64

FOLDER = "recorder-support"
FORM_CHARACTERS_MIN = 8
_LINE_CHARACTERS_MIN = 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle: its name, what it is, and its content."""

    name: str
    what: str
    content: bytes


def secrets_here(key_file: Path | None, token_file: Path | None) -> list[Secret[str]]:
    """The secrets that this machine has, as far as we may read them: keys, and HTTP's token."""
    found: list[Secret[str]] = []
    for file in {key_file, None}:
        try:
            found += _of_key(credentials.load(file))
        except RecorderError:  # what we may not use, nobody gave us to show
            continue
    if token_file is not None:
        try:
            found.append(credentials.read_secret(token_file))
        except RecorderError:
            return found
    return found


def _of_key(key: Credentials | None) -> list[Secret[str]]:
    if key is None:
        return []
    return [key.secret] if key.passphrase is None else [key.secret, key.passphrase]


def holds(content: bytes, secrets: Sequence[Secret[str]]) -> bool:
    """Whether a secret is in there: plain, as in JSON, line by line, in base64 or hex."""
    folded = content.lower()
    return any(
        form in content or form.lower() in folded for secret in secrets for form in _forms(secret)
    )


def _forms(secret: Secret[str]) -> Iterator[bytes]:
    for each in (secret.reveal().strip(), repr(secret.reveal().strip())[1:-1]):
        raw = each.encode()
        found = [raw, json.dumps(each)[1:-1].encode(), raw.hex().encode()]
        found += [form.encode() for form in in_base64(raw)]
        found += [
            line.encode()
            for line in each.splitlines()
            if len(line) > _LINE_CHARACTERS_MIN and not line.startswith("-----")
        ]
        # What is shorter would be found in everything.
        yield from (form for form in found if len(form) >= FORM_CHARACTERS_MIN)


def refuse_existing(path: Path) -> None:
    """Raise UsageError where there is something of that name."""
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already, and is left as it is; name another")


def write(path: Path, members: Sequence[Member]) -> int:
    """Write the file, mode 0600; returns its bytes.

    Raises:
        UsageError: there is something of that name.
        StorageError: the disk refuses, or there is no such folder.
    """
    content = _packed(members)
    try:
        # O_EXCL follows no link, so nobody else chooses where this goes.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        refuse_existing(path)
        raise UsageError(f"{path} came and went; try again") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    return len(content)


def _packed(members: Sequence[Member]) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member in members:
            # Names of the user and the machine are not in it: a TarInfo has none by itself.
            info = tarfile.TarInfo(f"{FOLDER}/{member.name}")
            info.size, info.mode, info.mtime = len(member.content), 0o600, int(time.time())
            archive.addfile(info, io.BytesIO(member.content))
    return out.getvalue()
