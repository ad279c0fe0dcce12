"""What `recorder.http.pages` promises: a fixed list, and pages that need nothing from elsewhere."""

import re

import pytest

from recorder.http.pages import PAGES


@pytest.mark.parametrize("path", PAGES)
def test_a_page_names_nothing_of_others(path):
    """Nothing inline that the policy of the server forbids, and no other host."""
    page = PAGES[path]
    text = page.content.decode()
    assert "://" not in text
    assert not re.search(r"<script|\sstyle=|\son[a-z]+=", text)
    for linked in re.findall(r'(?:href|src)="([^"]+)"', text):
        assert linked in PAGES or linked.startswith("/v1/"), linked


def test_the_index_names_every_endpoint():
    text = PAGES["/"].content.decode()
    for each in ("/v1/status", "/v1/products", "/v1/books/{product}", "/v1/coverage", "/v1/stream",
                 "/livez", "/readyz", "/metrics"):  # fmt: skip
        assert each in text
