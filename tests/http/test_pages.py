"""What `recorder.http.pages` promises: a fixed list, pages that need nothing from elsewhere."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from recorder.http import pages
from recorder.http.pages import PAGES, page
from tests.http.served import served

FOLDER = Path(pages.__file__).parent / "dashboard"
ARCHITECTURE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"
PACKED_BYTES_MAX = 100_000
VENDORED = ("/uPlot.iife.min.js", "/uPlot.min.css", "/uPlot.LICENSE")
OURS = [path for path in PAGES if path not in VENDORED]


@pytest.mark.parametrize("path", OURS)
def test_a_page_names_nothing_of_others(path):
    """Nothing inline that the policy of the server forbids, and no other host."""
    text = PAGES[path].content.decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "://" not in text
    forbidden = r"<script(?![^>]* src=)|\sstyle=|<style|\son[a-z]+='|innerHTML|eval\("
    assert not re.search(forbidden.replace("'", '"'), text)
    for linked in re.findall(r'(?:href|src|from )="?([^"]+)"', text):
        assert linked in PAGES or linked.startswith(("/v1/", "/metrics", "#")), linked
    for imported in re.findall(r'from "\.(/[^"]+)"', text):
        assert imported in PAGES, imported


def test_every_file_is_served_and_nothing_else():
    there = {path.name for path in FOLDER.rglob("*") if path.is_file()}
    assert {path.removeprefix("/") or "index.html" for path in PAGES} == there | {"endpoints"}


def test_the_whole_dashboard_is_small():
    """What a browser fetches to show it, packed."""
    assert sum(len(each.packed) for each in PAGES.values()) <= PACKED_BYTES_MAX


def test_a_script_is_short():
    """Files as ours are everywhere: about 400 lines at most, none of them endless."""
    for path in FOLDER.glob("*.*"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 400, path.name
        assert max(map(len, lines)) <= 260, path.name


def test_what_is_of_others_is_what_architecture_says():
    """Each file by its digest, and its licence beside it."""
    rows = dict(re.findall(r"`vendor/(\S+)` \| `([0-9a-f]{64})`", ARCHITECTURE.read_text()))
    assert {f"/{name}" for name in rows} == set(VENDORED)
    for name, digest in rows.items():
        assert hashlib.sha256(PAGES[f"/{name}"].content).hexdigest() == digest, name
    assert b"The MIT License" in PAGES["/uPlot.LICENSE"].content


def test_the_list_names_every_endpoint():
    text = PAGES["/endpoints"].content.decode()
    for each in ("/v1/status", "/v1/products", "/v1/books/{product}", "/v1/coverage", "/v1/stream",
                 "/v1/coverage/hours", "/v1/history", "/livez", "/readyz", "/metrics"):  # fmt: skip
        assert each in text


def test_packing_is_the_same_each_time():
    """So that a tag of one process holds for the next."""
    assert page("text/css", b"a {}" * 99) == page("text/css", b"a {}" * 99)


async def test_pages_are_packed_and_kept(tmp_path):
    """With gzip for who takes it; who has it gets 304, and asks again each time."""
    async with served(tmp_path) as there:
        plain = await there.get("/main.js")
        packed = await there.get("/main.js", "Accept-Encoding: deflate, gzip")
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body == PAGES["/main.js"].content
        assert plain.headers["etag"] != packed.headers["etag"]
        for found in (plain, packed):
            assert found.headers["cache-control"] == "no-cache"
            assert found.headers["vary"] == "accept-encoding"
        tag = packed.headers["etag"]
        both = (f'If-None-Match: W/{tag}, "x"', "Accept-Encoding: gzip")
        again = await there.get("/main.js", *both)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        other = await there.get("/main.js", f"If-None-Match: {tag}")
        assert (other.status, other.body) == (200, plain.body)
        none = await there.get("/", "Accept-Encoding: gzip;q=0")
        assert "content-encoding" not in none.headers
