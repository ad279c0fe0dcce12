"""Files on their way into a bucket: each whole and as its record says, or not there at all.

What is sent is held against the SHA-256 of the record here, and by the store against the digest
that goes with it. Large files go in parts; parts that an earlier attempt left are taken, and the
object appears when the last one is told.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.bucket import refusals
from recorder.bucket.objects import PARQUET, Bucket
from recorder.errors import DataError

PART_BYTES = 16 * 2**20  # in memory at once, of each thread; of 10,000 parts at most
_SUM_AGAIN = re.compile(r'"?[0-9a-f]{32}"?')


@dataclass(frozen=True, slots=True)
class Content:
    """What a file must be, by its record; ``sha256`` in hexadecimal."""

    source: Path
    size: int
    sha256: str


class DamagedError(DataError):
    """A file is not what its record says, so it is not sent."""

    def __init__(self, source: Path, problem: str) -> None:
        super().__init__(
            f"{source}: {problem}. It is not published. `recorder verify` tells what else is "
            "damaged; `recorder repair` makes it again where the capture of its hour is kept."
        )


def send(
    bucket: Bucket, path: str, content: Content, *, part_bytes: int = PART_BYTES
) -> bool | None:
    """Put a file where nothing is. True: it was sent; False: it is there; None: another one is.

    Raises:
        DamagedError: the file is not what its record says.
        FileNotFoundError: it has gone.
    """
    if content.size > part_bytes:
        if bucket.head(path) is None and _send_parts(bucket, path, content, part_bytes):
            return True
    else:
        body = content.source.read_bytes()
        if len(body) != content.size or hashlib.sha256(body).hexdigest() != content.sha256:
            raise DamagedError(content.source, "it is not the file that its record names")
        if bucket.put_absent(path, body, PARQUET):
            return True
    return False if holds(bucket, path, content, part_bytes) else None


def holds(bucket: Bucket, path: str, content: Content, part_bytes: int = PART_BYTES) -> bool:
    """Whether an object is there and is this file; read whole where nothing else tells.

    One that came in parts has no digest of the whole: an upload that goes on with parts of an
    earlier one cannot promise what the earlier one was of. Its tag is one over those of the parts.
    """
    found = bucket.head(path)
    if found is None or found.size != content.size:
        return False
    if found.sha256 is not None:
        return found.sha256 == content.sha256
    if "-" in found.etag and found.etag.strip('"') == _tag_in_parts(content, part_bytes):
        return True
    digest = hashlib.sha256()
    for begin in range(0, content.size, PART_BYTES):
        piece = bucket.get_range(path, begin, min(begin + PART_BYTES, content.size))
        if piece is None:
            return False
        digest.update(piece)
    return digest.hexdigest() == content.sha256


def _tag_in_parts(content: Content, part_bytes: int) -> str:
    """The tag that most stores give an object in such parts: MD5 over the MD5 of each."""
    tags = []
    with content.source.open("rb") as file:
        while piece := file.read(part_bytes):
            tags.append(hashlib.md5(piece, usedforsecurity=False).digest())
    return f"{hashlib.md5(b''.join(tags), usedforsecurity=False).hexdigest()}-{len(tags)}"


# --- in parts ------------------------------------------------------------------------------------


def _send_parts(bucket: Bucket, path: str, content: Content, part_bytes: int) -> bool:
    """Send a large file; False where an object came there meanwhile.

    The digest of the whole is known behind the last part: before that the object is not there.
    """
    upload, known = _begun(bucket, path)
    whole = hashlib.sha256()
    parts = []
    with content.source.open("rb") as file:
        for number, begin in enumerate(range(0, content.size, part_bytes), 1):
            piece = file.read(min(part_bytes, content.size - begin))
            whole.update(piece)
            tag = known.get(
                (number, len(piece), hashlib.md5(piece, usedforsecurity=False).digest())
            )
            parts.append(_part(bucket, path, upload, number, piece, tag))
        longer = bool(file.read(1))
    if longer or whole.hexdigest() != content.sha256:
        bucket.ask("abort_multipart_upload", path, UploadId=upload)
        raise DamagedError(content.source, "it is not the file that its record names")
    condition = {"IfNoneMatch": "*"} if bucket.conditions.absent else {}
    if not condition and bucket.head(path) is not None:
        return False
    done = bucket.ask(
        "complete_multipart_upload",
        path,
        _is_over,
        UploadId=upload,
        MultipartUpload={"Parts": parts},
        **condition,
    )
    if done is None:
        bucket.ask("abort_multipart_upload", path, _is_gone, UploadId=upload)
    return done is not None


def _part(
    bucket: Bucket, path: str, upload: str, number: int, piece: bytes, tag: str | None
) -> dict[str, Any]:
    """Send a part unless it is there (``tag``); what the end of the upload says of it."""
    digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
    if tag is None:
        told = bucket.ask(
            "upload_part",
            path,
            UploadId=upload,
            PartNumber=number,
            Body=piece,
            ChecksumSHA256=digest,
        )
        tag = told["ETag"]
    return {"PartNumber": number, "ETag": tag, "ChecksumSHA256": digest}


def _begun(bucket: Bucket, path: str) -> tuple[str, dict[tuple[int, int, bytes], str]]:
    """An upload: one that was cut off, with the parts that it has, or a new one.

    Parts are known by number, length and MD5, where their tag is that.
    """
    key = bucket.address.key(path)
    listed = bucket.ask_all("list_multipart_uploads", "Uploads", Prefix=key)
    begun = [each["UploadId"] for each in listed if each["Key"] == key]
    for upload in begun[1:]:
        bucket.ask("abort_multipart_upload", path, _is_gone, UploadId=upload)
    if begun:
        parts = bucket.ask_all("list_parts", "Parts", Key=key, UploadId=begun[0])
        known = {
            (each["PartNumber"], each["Size"], bytes.fromhex(each["ETag"].strip('"'))): each["ETag"]
            for each in parts
            if _SUM_AGAIN.fullmatch(each["ETag"])
        }
        return begun[0], known
    told = bucket.ask(
        "create_multipart_upload",
        path,
        ContentType=PARQUET,
        ChecksumAlgorithm="SHA256",
    )
    return told["UploadId"], {}


def _is_gone(error: Any) -> bool:
    return refusals.is_absent(error) or refusals.code_of(error) == "NoSuchUpload"


def _is_over(error: Any) -> bool:
    """Something is there by now; a request that was repeated may find its own upload ended."""
    return refusals.is_unmet(error) or _is_gone(error)
