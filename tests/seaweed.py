"""A real store that speaks S3, on loopback: SeaweedFS, as its package for Python has it."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

KEY, SECRET = "publisher", "a-key-for-tests-only"
READER, READER_SECRET = "reader", "another-key-for-tests-only"
BUCKET = "market-data"
_UP_S = 120  # on a machine that is busy; it takes two or three


def program() -> str | None:
    """The server, of this environment or of the machine; None where it is not installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.is_file() else shutil.which("weed")


needs_seaweed = pytest.mark.skipif(
    program() is None, reason="SeaweedFS is not installed (no wheel for this system)"
)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def client_of(endpoint: str, key: str = KEY, secret: str = SECRET):
    """Another client than ours: to look at what is there, and to spoil it."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """Run a server with one bucket; gives its endpoint. A key may write, another one only read."""
    server = program()
    assert server is not None
    ports = free_ports(9)
    identities = [
        {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for name, key, secret, actions in (
            ("publisher", KEY, SECRET, ["Admin", "Read", "Write", "List"]),
            ("reader", READER, READER_SECRET, ["Read", "List"]),
        )
    ]
    config = folder / "s3.json"
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({"identities": identities}))
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
    names += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc", "s3.port.iceberg")
    options = [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
    options += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.config={config}"]
    options += ["-master.volumeSizeLimitMB=64", "-volume.max=20", "-s3.port.lance=0"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [server, "server", f"-dir={folder}", *options], stdout=log, stderr=log, cwd=folder
        )
    try:
        endpoint = f"http://127.0.0.1:{ports[6]}"
        _wait(running, endpoint, folder / "log")
        yield endpoint
    finally:
        running.kill()
        running.wait()


def _wait(running: subprocess.Popen, endpoint: str, log: Path) -> None:
    """Until an object can be written: the bucket is there before there is room for anything."""
    client, end_s = client_of(endpoint), time.monotonic() + _UP_S
    while True:
        try:
            if BUCKET not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="up", Body=b"up")
            client.delete_object(Bucket=BUCKET, Key="up")
        except (BotoCoreError, ClientError):
            assert running.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < end_s, log.read_text(errors="replace")[-2000:]
            time.sleep(0.2)
        else:
            return
