"""A real store: what it does of its own, and that a directory published there answers the same."""

import base64
import hashlib

import pytest

import recorder
from recorder import pack
from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.bucket.objects import JSON, Conditions
from recorder.bucket.sending import Content, holds, send
from recorder.errors import NoInputError, PermissionRefusedError
from recorder.export import export
from recorder.publishing import Options, publish
from tests.publishers import check_published, set_keys, to
from tests.seaweed import (
    BUCKET,
    KEY,
    READER,
    READER_SECRET,
    SECRET,
    client_of,
    needs_seaweed,
    seaweed,
)

pytestmark = needs_seaweed
PART = 5 * 2**20  # the least that a part may have


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(server, monkeypatch):
    set_keys(monkeypatch, KEY, SECRET)
    return server


def objects(endpoint: str, prefix: str) -> dict[str, bytes]:
    """What lies there, by another client than ours."""
    client = client_of(endpoint)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return {
        key.removeprefix(f"{prefix}/"): client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }


def test_a_directory_and_its_packed_days(root, endpoint, clock):
    """Published twice it is there once; hours and packed days answer as they do here."""
    here = recorder.open(root.path)
    for prefix in ("hours", "days"):
        if prefix == "days":
            pack.pack(root.path)
        for number in range(2):
            report = publish(root.path, to(prefix), Options(endpoint=endpoint))
            assert (report.whole, report.conditional) == (True, True)
            assert bool(report.published) == (number == 0)
        check_published(objects(endpoint, prefix), whole=True)
        there = recorder.open(to(prefix), endpoint=endpoint)
        assert there.coverage("BTC-USD").equals(here.coverage("BTC-USD"))
        for table in ("level2", "trades"):
            ours = here.select(table, "BTC-USD", allow_gaps=True).to_arrow()
            assert there.select(table, "BTC-USD", allow_gaps=True).to_arrow().equals(ours)
        assert there.book("ETH-USD") == here.book("ETH-USD")


def test_what_is_computed_and_exported(root, endpoint, clock, tmp_path):
    """Books at a moment, tops, events, and an export's files are those of the directory."""
    publish(root.path, to("computed"), Options(endpoint=endpoint))
    here, there = recorder.open(root.path), recorder.open(to("computed"), endpoint=endpoint)
    for each in here.products():
        product, named = each.product_id, {"allow_gaps": True, "live": False}
        for at in (each.first, each.first + (each.last - each.first) / 2, each.last):
            assert there.book(product, at=at) == here.book(product, at=at)
        tops = there.top_of_book(product, **named).to_arrow()
        assert tops.num_rows
        assert tops.equals(here.top_of_book(product, **named).to_arrow())
    events = list(map(repr, there.replay(allow_gaps=True)))
    assert events == list(map(repr, here.replay(allow_gaps=True, live=False)))
    steps = {"price_increment": "0.01", "size_increment": "0.00000001"}
    ours, theirs = (
        export(path, "tardis", ["BTC-USD"], tmp_path / name, allow_gaps=True, **steps, **named)
        for path, name, named in (
            (root.path, "here", {}),
            (to("computed"), "there", {"endpoint": endpoint}),
        )
    )
    assert theirs.source == to("computed")
    assert theirs.same
    assert theirs.products == ours.products


def test_its_conditions_and_digests(endpoint):
    """It refuses to overwrite, and what arrives otherwise than it was sent."""
    bucket = open_bucket(Address(BUCKET, "c"), endpoint=endpoint)
    assert bucket.put_absent("x", b"one", JSON)
    assert bucket.find_conditions("x", b"one") == Conditions(absent=True, same=True)
    assert not bucket.put_absent("x", b"two", JSON)
    assert bucket.head("x").sha256 == hashlib.sha256(b"one").hexdigest()
    client = client_of(endpoint)
    with pytest.raises(client.exceptions.ClientError, match="BadDigest"):
        client.put_object(Bucket=BUCKET, Key="y", Body=b"y", ChecksumSHA256="A" * 43 + "=")


def test_a_file_in_parts(endpoint, tmp_path):
    """It goes on with parts that are there, and is read by ranges."""
    body = bytes(range(256)) * 4096 * 11
    (tmp_path / "file").write_bytes(body)
    content = Content(tmp_path / "file", len(body), hashlib.sha256(body).hexdigest())
    client, key = client_of(endpoint), "p/x"
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")
    named = {"Bucket": BUCKET, "Key": key, "UploadId": upload["UploadId"]}
    digest = base64.b64encode(hashlib.sha256(body[:PART]).digest()).decode()
    client.upload_part(**named, PartNumber=1, Body=body[:PART], ChecksumSHA256=digest)
    bucket = open_bucket(Address(BUCKET, "p"), endpoint=endpoint)
    assert send(bucket, "x", content, part_bytes=PART) is True
    assert send(bucket, "x", content, part_bytes=PART) is False
    assert holds(bucket, "x", content, PART)
    assert bucket.get_range("x", PART - 3, PART + 3) == body[PART - 3 : PART + 3]


def test_keys_that_may_not(root, endpoint, monkeypatch):
    """One that only reads reads, and publishes nothing; one that is wrong does neither."""
    publish(root.path, to("k"), Options(endpoint=endpoint))
    set_keys(monkeypatch, READER, READER_SECRET)
    assert recorder.open(to("k"), endpoint=endpoint).product_ids() == ["BTC-USD", "ETH-USD"]
    with pytest.raises(PermissionRefusedError, match="access denied"):
        publish(root.path, to("other"), Options(endpoint=endpoint))
    set_keys(monkeypatch, KEY, "wrong")
    with pytest.raises(PermissionRefusedError, match="SignatureDoesNotMatch"):
        recorder.open(to("k"), endpoint=endpoint)
    set_keys(monkeypatch, KEY, SECRET)
    with pytest.raises(NoInputError, match="no bucket"):
        recorder.open("s3://nothing-here/k", endpoint=endpoint)
