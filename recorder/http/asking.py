"""Asking a recorder that runs how it is, from another process on the same machine."""

import http.client
import json
import socket
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorder.config import HttpConfig
from recorder.errors import NoInputError, PermissionRefusedError, UnavailableError
from recorder.http import place
from recorder.http.door import token_of
from recorder.store.lock import holder
from recorder.store.paths import Root

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 16 * 2**20


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def ask(data: Path, config: HttpConfig, target: str = "/v1/status") -> dict[str, Any] | None:
    """What a path says of who records into a directory; None where nobody serves it.

    Raises:
        UnavailableError: it is served, and cannot be asked.
        ConfigError, PermissionRefusedError, NoInputError: the token of the settings is no good.
    """
    answer = fetch(data, config, target)
    if answer is None:
        return None
    found, code, content = answer
    try:
        told: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise _unanswered(found, error) from None
    if code != 200:
        raise UnavailableError(
            f"{found.url} refused: {code} {told.get('detail', '')}; the settings given "
            "with --config must be those of the recorder"
        )
    return told


def ready(data: Path, config: HttpConfig, *, configured: bool = False) -> str | None:
    """Why nobody records into a directory as they should; None: somebody does.

    Quick, for health checks: a recorder that serves HTTP is asked for `/readyz`, whatever its
    address, certificate and token; of one that serves none it is known only that it runs.
    ``configured``: the settings are those of the recorder, so one that should serve and does not
    (it just begins, its address is taken, or it is no recorder) is not ready.
    """
    pid = recording_pid(data)
    if pid is None:
        return f"nobody records into {data}"
    # Health needs no token; without one the reasons stay unsaid.
    found = _place(data)
    if found is None:
        served = configured and config.listen is not None
        return _unserved(pid, data, config) if served else None
    token_file = config.token_file if found.token else None
    code, content = _get(found, config, "/readyz", token_file)
    if code == HTTPStatus.OK:
        return None
    try:
        reasons = [each["detail"] for each in json.loads(content).get("reasons", ())]
    except (ValueError, TypeError, KeyError):
        reasons = []
    return "; ".join(reasons) or f"process {pid} says that it is not ready ({code})"


def fetch(data: Path, config: HttpConfig, target: str) -> tuple[place.Place, int, bytes] | None:
    """Ask for a path: where that was, the status and the body; None where nobody serves it.

    Raises as `ask` does.
    """
    found = _place(data)
    if found is None:
        return None
    if found.token and config.token_file is None:
        raise UnavailableError(
            f"{found.url} wants a token: name the configuration with --config, which has "
            "http.token_file"
        )
    return found, *_get(found, config, target, config.token_file if found.token else None)


def _place(data: Path) -> place.Place | None:
    """Where the one who records is served; the note of one that is gone is not believed."""
    found = place.read(data)
    return found if found is not None and found.pid == recording_pid(data) else None


def _unserved(pid: int, data: Path, config: HttpConfig) -> str:
    return (
        f"process {pid} writes to {data} and is not served at {config.listen}: it only begins, is "
        "no recorder, or the address is taken, which its log calls http_not_served"
    )


def _get(
    found: place.Place, config: HttpConfig, target: str, token_file: Path | None
) -> tuple[int, bytes]:
    """The status and the body of an answer. Raises as `ask` does."""
    headers = {}
    if token_file is not None:
        # Taken out here, in the expression that needs it.
        headers["Authorization"] = f"Bearer {token_of(token_file).reveal()}"
    try:
        connection = _connection(found.url, config)
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        content = answer.read(ANSWER_BYTES_MAX)
        connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _unanswered(found, error) from None
    return answer.status, content


def _unanswered(found: place.Place, error: Exception) -> UnavailableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return UnavailableError(
            f"the certificate of {found.url} is not trusted ({error.verify_message}): name the "
            "configuration with --config, which has http.tls_cert"
        )
    reason = f"{type(error).__name__}: {error}"
    return UnavailableError(
        f"process {found.pid} should be served at {found.url}, and does not answer ({reason}); "
        "see its log"
    )


def _connection(url: str, config: HttpConfig) -> http.client.HTTPConnection:
    scheme, _, path = url.partition("+unix:")
    if path:
        return _UnixConnection(path)
    parts = urlsplit(url)
    assert parts.hostname is not None
    if scheme.startswith("https"):
        context = ssl.create_default_context(cafile=_certificate(config))
        if config.tls_cert is not None:
            # It is this very certificate that is trusted, whoever signed it and whatever its names.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = False
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=TIMEOUT_S, context=context
        )
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)


def _certificate(config: HttpConfig) -> str | None:
    return None if config.tls_cert is None else str(config.tls_cert)


def recording_pid(data: Path) -> int | None:
    """The process that holds a data directory for writing; None where none does.

    Raises:
        PermissionRefusedError: this user may not read there.
        NoInputError: it cannot be read for another reason.
    """
    try:
        return holder(Root(data).lock)
    except PermissionError as error:
        raise PermissionRefusedError(
            f"{error.filename}: permission denied: run this as the user that the data belongs to "
            "(`sudo -u recorder …`), or give your own user the right to read it"
        ) from None
    except OSError as error:
        raise NoInputError(
            f"{data} cannot be read ({error.strerror}): name the data directory with --data"
        ) from None
