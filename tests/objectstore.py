"""A small store that speaks S3, on loopback and in memory: it tells what it was asked, and fails.

It knows what `recorder.bucket` asks of a store, keeps every object, and can be told to refuse, to
ask for a pause, to cut connections, before or after it has done what was asked.
"""

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "market-data"
WHEN = "2026-11-21T19:00:00.000Z"
HTTP_WHEN = "Sat, 21 Nov 2026 19:00:00 GMT"
MODIFIED_S = 1795287600.0  # the same

# What may happen to a request. The first is done and its answer is lost.
LOST, CUT, HALF, FAIL, SLOW, SKEWED = "lost", "cut", "half", "500", "503", "skewed"
SPOILT = "spoilt"  # what arrives is not what was sent
HOLD = "hold"  # it is done, and the answer waits until `release`; `held` says that it does


class Asked(NamedTuple):
    """One request: its method, key, query, range, and how many bytes its answer had."""

    method: str
    key: str
    query: dict[str, str]
    range: str | None
    sent: int


@dataclass
class Object:
    body: bytes
    etag: str
    kind: str
    sha256: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class Store:
    """What lies in the one bucket, and how the store behaves.

    ``fault`` is asked for each request (number, method, key). ``conditions``: ``kept``,
    ``ignored`` or ``unknown`` (501). ``checksums``: it compares and keeps SHA-256. ``page``: keys
    of a listing.
    """

    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, tuple[str, dict[int, bytes], dict[str, str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    fault: Callable[[int, str, str], str | None] = lambda _number, _method, _key: None
    conditions: str = "kept"
    checksums: bool = True
    tags: bool = True
    page: int = 1000
    endpoint: str = ""
    lock: Any = field(default_factory=threading.RLock)
    count: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def below(self, prefix: str) -> dict[str, bytes]:
        """The objects below a prefix, by their paths there."""
        with self.lock:
            start = f"{prefix}/"
            return {
                key.removeprefix(start): each.body
                for key, each in sorted(self.objects.items())
                if key.startswith(start)
            }

    def put(self, key: str, body: bytes, **more: Any) -> Object:
        """Put an object there by hand."""
        tag = hashlib.md5(body).hexdigest() if self.tags else hashlib.sha1(body).hexdigest()
        self.objects[key] = Object(body, f'"{tag}"', more.pop("kind", "x"), **more)
        return self.objects[key]


class _Refused(Exception):  # noqa: N818  it is an answer
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: nobody waits for the other's acknowledgement
    disable_nagle_algorithm = True
    store: Store

    def log_message(self, *_: Any) -> None:
        pass

    def handle_expect_100(self) -> bool:
        """The body is sent when this is answered, or a second later."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        bucket, _, self.key = unquote(url.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store = self.store
        with store.lock:
            number = store.count = store.count + 1
        fault = store.fault(number, self.command, self.key)
        try:
            if fault == CUT:
                self._hang_up()
                return
            if fault in {FAIL, SLOW}:
                raise _Refused(int(fault), {FAIL: "InternalError", SLOW: "SlowDown"}[fault])
            if fault == SKEWED:
                raise _Refused(403, "RequestTimeTooSkewed")
            if bucket != BUCKET:
                raise _Refused(404, "NoSuchBucket")
            with store.lock:
                arrived = body[:-1] + b"?" if fault == SPOILT else body
                status, headers, content = self._do(arrived)
        except _Refused as refused:
            text = f"<Error><Code>{refused.code}</Code><Message>made</Message></Error>"
            status, headers, content = refused.status, {}, text.encode()
        if fault == HOLD:
            self.store.held.set()
            self.store.release.wait()
        if fault in {LOST, HOLD}:
            self._hang_up()
        else:
            self._send(status, headers, content, half=fault == HALF)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815  as they are called

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)  # at once, whoever else holds it

    def _send(self, status: int, headers: dict[str, str], content: bytes, *, half: bool) -> None:
        head = self.command == "HEAD"
        sent = 0 if head else len(content)
        what = Asked(self.command, self.key, self.query, self.headers.get("Range"), sent)
        self.store.asked.append(what)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if head:
            return
        self.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self._hang_up()

    # --- operations ------------------------------------------------------------------------------

    def _do(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        do = {"GET": self._read, "HEAD": self._get, "POST": self._in_parts, "DELETE": self._drop}
        return self._write(body) if self.command == "PUT" else do[self.command]()

    def _read(self) -> tuple[int, dict[str, str], bytes]:
        if "uploads" in self.query:
            return 200, {}, self._list_uploads()
        if "uploadId" in self.query:
            return 200, {}, self._list_parts()
        return self._get() if self.key else (200, {}, self._list())

    def _write(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if "uploadId" not in self.query:
            return self._put(body)
        self._check(body)
        self._upload()[1][int(self.query["partNumber"])] = body
        return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""

    def _in_parts(self) -> tuple[int, dict[str, str], bytes]:
        if "uploads" not in self.query:
            return self._complete()
        upload = f"upload-{self.store.count}"
        self.store.uploads[upload] = (self.key, {}, self._metadata())
        return 200, {}, _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")

    def _drop(self) -> tuple[int, dict[str, str], bytes]:
        if "uploadId" in self.query:
            del self.store.uploads[self._upload_id()]
        else:
            self.store.objects.pop(self.key, None)
        return 204, {}, b""

    def _metadata(self) -> dict[str, str]:
        start = "x-amz-meta-"
        named = {name.lower(): value for name, value in self.headers.items()}
        return {name: value for name, value in named.items() if name.startswith(start)}

    def _check(self, body: bytes) -> str | None:
        told = self.headers.get("x-amz-checksum-sha256")
        if not self.store.checksums or told is None:
            return None
        if base64.b64encode(hashlib.sha256(body).digest()).decode() != told:
            raise _Refused(400, "BadDigest")
        return told

    def _meets_conditions(self) -> None:
        """Raise where what is there is not what the request says."""
        absent, same = self.headers.get("If-None-Match"), self.headers.get("If-Match")
        if (absent or same) and self.store.conditions == "unknown":
            raise _Refused(501, "NotImplemented")
        if self.store.conditions != "kept":
            return
        found = self.store.objects.get(self.key)
        if absent == "*" and found is not None:
            raise _Refused(412, "PreconditionFailed")
        if same is not None and found is None:
            raise _Refused(404, "NoSuchKey")
        if same is not None and found is not None and found.etag != same:
            raise _Refused(412, "PreconditionFailed")

    def _put(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        digest = self._check(body)
        self._meets_conditions()
        made = self.store.put(
            self.key,
            body,
            kind=self.headers.get("Content-Type", ""),
            sha256=digest,
            metadata=self._metadata(),
        )
        return 200, {"ETag": made.etag}, b""

    def _get(self) -> tuple[int, dict[str, str], bytes]:
        found = self.store.objects.get(self.key)
        if found is None:
            raise _Refused(404, "NoSuchKey")
        headers = {"ETag": found.etag, "Last-Modified": HTTP_WHEN, **found.metadata}
        headers["Content-Type"] = found.kind
        if found.sha256 is not None and self.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers["x-amz-checksum-sha256"] = found.sha256
        if self.command == "HEAD":
            return 200, {**headers, "Content-Length": str(len(found.body))}, b""
        wanted = self.headers.get("Range")
        if wanted is None:
            return 200, headers, found.body
        begin, end = map(int, wanted.removeprefix("bytes=").split("-"))
        if begin >= len(found.body):
            raise _Refused(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {begin}-{end}/{len(found.body)}"
        return 206, headers, found.body[begin : end + 1]

    def _list(self) -> bytes:
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        after = self.query.get("continuation-token") or self.query.get("start-after", "")
        size = min(int(self.query.get("max-keys", "1000")), self.store.page)
        found: dict[str, str] = {}
        for key, each in sorted(self.store.objects.items()):
            if not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                if folder <= after:
                    continue
                found[folder] = (
                    f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
                )
            else:
                found[key] = (
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(each.body)}</Size>"
                    f"<ETag>{escape(each.etag)}</ETag><LastModified>{WHEN}</LastModified></Contents>"
                )
        names = sorted(found)
        shown, more = names[:size], len(names) > size
        text = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            # Behind a folder come the keys behind all that lie in it.
            last = shown[-1] + "\U0010ffff" if shown[-1].endswith("/") else shown[-1]
            text += f"<NextContinuationToken>{escape(last)}</NextContinuationToken>"
        return _xml("ListBucketResult", text + "".join(found[name] for name in shown))

    # --- in parts --------------------------------------------------------------------------------

    def _upload_id(self) -> str:
        if self.query["uploadId"] not in self.store.uploads:
            raise _Refused(404, "NoSuchUpload")
        return self.query["uploadId"]

    def _upload(self) -> tuple[str, dict[int, bytes], dict[str, str]]:
        return self.store.uploads[self._upload_id()]

    def _list_uploads(self) -> bytes:
        text = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId></Upload>"
            for upload, (key, _, _) in self.store.uploads.items()
            if key.startswith(self.query.get("prefix", ""))
        )
        return _xml("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{text}")

    def _list_parts(self) -> bytes:
        text = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(body)}</Size>"
            f'<ETag>"{hashlib.md5(body).hexdigest()}"</ETag></Part>'
            for number, body in sorted(self._upload()[1].items())
        )
        return _xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{text}")

    def _complete(self) -> tuple[int, dict[str, str], bytes]:
        key, parts, metadata = self._upload()
        self._meets_conditions()
        del self.store.uploads[self._upload_id()]
        bodies = [body for _, body in sorted(parts.items())]
        tags = b"".join(hashlib.md5(body).digest() for body in bodies)
        made = self.store.put(key, b"".join(bodies), kind="parquet", metadata=metadata)
        made.etag = f'"{hashlib.md5(tags).hexdigest()}-{len(bodies)}"'
        return 200, {}, _xml("CompleteMultipartUploadResult", f"<ETag>{made.etag}</ETag>")


def _xml(name: str, text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{text}</{name}>'.encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that was killed, or a connection that we cut."""


@contextmanager
def object_store(**behaviour: Any) -> Iterator[Store]:
    """Run a store; its ``endpoint`` is an address on loopback."""
    store = Store(**behaviour)
    handler = type("_Told", (_Handler,), {"store": store})
    with _Server(("127.0.0.1", 0), handler) as server:
        store.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        running.start()
        try:
            yield store
        finally:
            store.release.set()
            server.shutdown()
            running.join()
