"""What tests of publishing share: keys, short retries, and what a bucket must be like."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import botocore.endpoint
import pytest

from recorder.bucket import connecting
from recorder.store.paths import Root, day_in_name, hour_from_iso, hour_named
from tests.objectstore import BUCKET


def set_keys(patch: pytest.MonkeyPatch, key: str = "key", secret: str = "secret") -> None:
    """Keys of the environment alone, whatever this machine has; and failures that do not wait."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        patch.setenv(name, "/nowhere")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_ACCESS_KEY_ID", key)
    patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    patch.setattr(connecting, "_ATTEMPTS", 3)
    patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))


def to(prefix: str) -> str:
    """An address in the tests' bucket."""
    return f"s3://{BUCKET}/{prefix}"


def check_published(objects: Mapping[str, bytes], *, whole: bool) -> set[int]:
    """What readers would take is there and as its records say; gives the hours.

    ``whole``: also that nothing else is there, so no row is there twice.
    """
    records = {
        name.removeprefix("commits/").removesuffix(".json"): json.loads(body)
        for name, body in objects.items()
        if name.startswith("commits/")
    }
    days = {day: records[name] for name in records if (day := day_in_name(name)) is not None}
    hours = {hour: records[name] for name in records if (hour := hour_named(name)) is not None}
    packed = {hour_from_iso(each["hour"]) for record in days.values() for each in record["hours"]}
    forced = [record for record in days.values() if record["hours"]]
    forced += [record for hour, record in hours.items() if hour not in packed]
    named = {file["path"]: file["sha256"] for record in forced for file in record["files"]}
    for path, sha256 in named.items():
        assert path in objects, f"{path} is named, and not there"
        assert hashlib.sha256(objects[path]).hexdigest() == sha256, path
    if "current.json" in objects:
        switched = hour_from_iso(json.loads(objects["current.json"])["sealed_before"])
        if whole:
            assert switched == max(hours) + 1
    if whole:
        strange = {path for path in objects if path.endswith(".parquet")} - set(named)
        assert strange == set()
    return set(hours)


def local_objects(root: Path) -> dict[str, bytes]:
    """What a bucket must have of a directory of which everything is published, by hours."""
    here = Root(root)
    wanted = {}
    for hour in here.committed_hours():
        path = here.commit(hour)
        wanted[f"commits/{path.name}"] = path.read_bytes()
        for file in json.loads(path.read_text())["files"]:
            wanted[file["path"]] = (root / file["path"]).read_bytes()
    return wanted
