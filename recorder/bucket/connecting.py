"""How a store is reached: endpoint, keys, retries. Nothing is asked of it here."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from recorder.bucket.address import Address
from recorder.bucket.objects import Bucket
from recorder.bucket.refusals import told
from recorder.errors import UsageError
from recorder.masking import shown_address

_ATTEMPTS = 6  # of a request: with the library's waits about half a minute of failures
_CONNECT_S, _READ_S = 10, 60
_REGION = "us-east-1"  # what a store without regions is signed for


def connect(
    address: Address, endpoint: str | None, *, allow_http: bool, connections: int
) -> Bucket:
    """A bucket at an endpoint: the one that is named, else the environment's, else Amazon's.

    Raises UsageError where the endpoint cannot be, or is plain http elsewhere than on this machine.
    """
    if endpoint is not None:
        check_endpoint(endpoint, allow_http=allow_http)
    try:
        session = boto3.session.Session()
        client = _client(session, endpoint, "auto" if endpoint is None else "path", connections)
        reached = str(client.meta.endpoint_url)
        if endpoint is None:
            check_endpoint(reached, allow_http=allow_http)
            if not is_amazon(reached):  # of the environment or the profile
                client = _client(session, reached, "path", connections)
    except (BotoCoreError, ValueError) as error:
        raise told(error, str(address), address.bucket, shown_address(endpoint or "S3")) from error
    return Bucket(address, client, reached)


def _client(session: Any, endpoint: str | None, style: str, connections: int) -> Any:
    return session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=session.region_name or _REGION,
        config=Config(
            # The newer modes have a quota a client: after about a hundred retries of a long run one
            # more failure would end it. What bounds ours is that each request is tried so often.
            retries={"mode": "legacy", "total_max_attempts": _ATTEMPTS},
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            max_pool_connections=connections,
            # A bucket's name before the host's is Amazon's way; others need not have such names.
            s3={"addressing_style": style},
            # Checksums are ours, of content that is known; stores that know no others refuse them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def is_amazon(endpoint: str) -> bool:
    """Whether an endpoint is of Amazon's own S3."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def check_endpoint(endpoint: str, *, allow_http: bool) -> None:
    """Raise UsageError where an endpoint cannot be, or would show what is sent to others."""
    shown = shown_address(endpoint)[:80]
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        raise UsageError(
            f"the endpoint {shown!r} is no address; write https://HOST[:PORT]"
        ) from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise UsageError("an endpoint has no user or password in it; keys are set elsewhere")
    if parts.query or parts.fragment or endpoint[-1:] in {"?", "#"}:
        # Not shown: a query is where tokens travel.
        raise UsageError('an endpoint has no "?" and no "#" in it: it ends with its path')
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise UsageError(f"the endpoint {shown!r} is none; write https://HOST[:PORT]")
    if parts.scheme == "http" and not allow_http and not _is_here(parts.hostname):
        raise UsageError(
            f"the endpoint {shown!r} is plain http: everybody on the way can read and "
            "change what is sent. Use https, or allow it (--allow-http, allow_http=True) where "
            "the network is your own."
        )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
