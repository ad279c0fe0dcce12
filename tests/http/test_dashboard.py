"""The dashboard in a real Chromium: live, honest about what is stale, closed to other sites.

`make dashboard` runs it, where Debian's package chromium is; it fetches axe-core from npm for that
and sets RECORDER_AXE to its folder. RECORDER_SHOTS names a folder for pictures.
"""

import json
import os
from pathlib import Path

import pytest
from aiohttp import web

from tests.http.browser import CHROMIUM, OTHER_SITE, REBOUND, chromium, tab
from tests.http.served import served
from tests.recorders import all_recorded, wait_for

AXE = os.environ.get("RECORDER_AXE")
SHOTS = os.environ.get("RECORDER_SHOTS")
WEIGHT_MAX = 100_000
PRODUCTS = ("ADA-USD", "BTC-USD", "DOGE-USD", "ETH-BTC", "ETH-USD", "LTC-USD", "SOL-USD", "XRP-USD")
ROWS = "document.querySelectorAll('#products-table tbody tr')"
BADGES = "[...document.querySelectorAll('#products-table .badge')].map(each => each.textContent)"

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt install chromium"),
    pytest.mark.skipif(not AXE, reason="axe-core is not there: run `make dashboard`"),
]


@pytest.fixture(scope="module")
def debugger(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def there(tmp_path):
    async with served(tmp_path, products=PRODUCTS) as found:
        await wait_for(lambda: all_recorded(found.recorder), "every channel")
        yield found


@pytest.fixture
async def page(debugger, there):
    async with tab(debugger) as found:
        await found.size(1440, 900)
        await found.prefer("light")
        await found.go(f"http://127.0.0.1:{there.port}/")
        await found.until(f"{ROWS}.length === {len(PRODUCTS)}")
        yield found


async def shot(page, name, *, whole=False):
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  a test's own
        await page.shot(Path(SHOTS) / f"{name}.png", whole=whole)


async def test_it_is_live(page, there):
    """Products, ladder, depth, trades, delays: all of it from here, small, without complaint."""
    await page.until(f"{BADGES}.every(each => each === 'live')")
    assert await page.text("#state") == "recording"
    await page.until("document.querySelectorAll('#trades tbody tr').length >= 3")
    await page.until("document.querySelectorAll('#depth canvas').length === 1")
    await page.until("document.querySelectorAll('#curves canvas').length === 4")
    rungs = "document.querySelectorAll('#ladder tr:not(.middle) td:first-child')"
    prices = f"[...{rungs}].map(each => +each.textContent)"
    ladder = await page.until(f"({prices}).every(each => each > 0) && {prices}")
    assert len(ladder) == 20
    assert ladder == sorted(ladder, reverse=True)
    # A spread of 0.0015 basis points is not none.
    assert "0.00" not in (await page.text("[data-product=BTC-USD]")).split()
    before = await page.text("#ladder")
    await page.until(f"document.querySelector('#ladder').innerText !== {json.dumps(before)}")
    assert "8 / 8" in await page.text("#tiles [data-name=live]")
    assert "last 5 s" in await page.text("#tiles [data-name=applied]")
    assert str(there.recorder.inside().recording.root.path) in await page.text("#disk")
    await page.until("document.querySelectorAll('#cover tbody tr').length > 0")
    origin = f"http://127.0.0.1:{there.port}/"
    assert [each for each in page.fetched if not each.startswith(origin)] == []
    shown = {each: size for each, size in page.bytes.items() if "/v1/" not in each}
    assert origin in shown
    assert sum(shown.values()) < WEIGHT_MAX
    assert page.complaints == []


async def test_a_gap_and_a_stale_book_are_seen(page, there):
    """What cannot be trusted says so, with the reason, until it can be again."""
    await page.until(f"{BADGES}.every(each => each === 'live')")
    await page.run("document.querySelector('[data-product=ETH-USD] button').click()")
    await page.until("document.querySelector('#product-title').textContent === 'ETH-USD'")
    there.venue.fault("missing_snapshot", product="ETH-USD", channel="level2")
    there.venue.skip(3)
    await page.until(f"{BADGES}.filter(each => each === 'STALE').length === 1")
    await page.until("!document.querySelector('#product-wrong').hidden")
    assert "STALE" in await page.text("#product-state")
    assert "not to be trusted: sequence gap" in await page.text("#product-wrong")
    assert "3 frames missing" in await page.text("#gaps")
    row = await page.text("[data-product=ETH-USD]")
    assert "STALE" in row
    assert row.count("\N{EN DASH}") >= 3  # no prices of a book that is not to be trusted
    assert "7 / 8" in await page.text("#tiles [data-name=live]")
    await page.until("+document.querySelector('#tiles [data-name=gaps] dd').textContent > 0")
    await page.run("document.querySelector('#which').value = 'trouble'")
    await page.run("document.querySelector('#which').dispatchEvent(new Event('change'))")
    assert await page.run(f"{ROWS}.length") == 1
    await shot(page, "stale")
    there.venue.heal()
    await page.until(f"{ROWS}.length === 0")
    await page.until("document.querySelector('#product-wrong').hidden")
    assert page.complaints == []


async def test_a_recorder_that_does_not_answer_is_told(page, there):
    """Since when; what was known stays, greyed."""
    await page.until("document.querySelector('#ladder td').textContent")
    await there.server.close()
    await page.until("document.body.classList.contains('cold')")
    assert "no answer since" in await page.text("#state")
    assert await page.run(f"{ROWS}.length") == len(PRODUCTS)


# The last products of the heat map, at the right end of their names; the cells slide below them.
NAMES_SEEN = """[...document.querySelectorAll('#cover tbody .name')].slice(-3).every(each => {
  const at = each.getBoundingClientRect();
  return each.contains(document.elementFromPoint(at.left + 30, at.top + at.height / 2));
})"""


@pytest.mark.parametrize(
    ("theme", "width", "height"),
    [("light", 1440, 900), ("dark", 1440, 900), ("light", 360, 740), ("dark", 360, 740)],
)
async def test_there_are_no_barriers(page, theme, width, height):
    """As axe-core finds them; and nothing has to be moved sideways to be read."""
    await page.size(width, height)
    await page.prefer(theme)
    await page.until("document.querySelectorAll('#trades tbody tr').length >= 3")
    await page.until("document.querySelectorAll('#curves canvas').length === 4")
    await page.until("document.querySelectorAll('#cover tbody tr').length > 0")
    await page.run("document.querySelector('#cover').scrollIntoView()")
    await shot(page, f"{theme}-{width}-lower")
    assert await page.run(NAMES_SEEN)
    await page.run("window.scrollTo(0, 0)")
    await shot(page, f"{theme}-{width}", whole=True)
    assert await page.run("document.documentElement.scrollWidth") <= width
    await page.run((Path(AXE) / "axe.min.js").read_text(encoding="utf-8"))
    found = await page.run(
        "axe.run().then(({ violations }) => violations.map(each => [each.id, each.help, "
        "each.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary)]))"
    )
    assert found == []


async def test_it_is_used_by_keyboard(page):
    """Filter, go through products, sort; what is chosen is shown."""
    await page.until("document.querySelector('#product-title').textContent === 'ADA-USD'")
    await page.press("/", "/")
    for letter in "eth":
        await page.press(letter, letter)
    await page.until(f"{ROWS}.length === 2")
    await page.press("ArrowDown")
    await page.until("document.querySelector('#product-title').textContent === 'ETH-BTC'")
    await page.press("ArrowDown")
    await page.until("document.querySelector('#product-title').textContent === 'ETH-USD'")
    assert await page.run("document.activeElement.textContent") == "ETH-USD"
    for _ in range(2):
        await page.press("ArrowUp")
    assert await page.run("document.activeElement.id") == "filter"
    await page.press("Escape")
    await page.until(f"{ROWS}.length === {len(PRODUCTS)}")
    await page.run("document.querySelector('[data-column=rate] button').focus()")
    await page.press("Enter", "\r")
    head = "document.querySelector('[data-column=rate]').getAttribute('aria-sort')"
    assert await page.run(head) == "descending"
    await page.press("Enter", "\r")
    assert await page.run(head) == "ascending"
    await page.run("document.activeElement.blur()")
    await page.press("t", "t")
    assert await page.run("document.documentElement.dataset.theme") == "light"
    await page.press("t", "t")
    assert await page.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"


async def test_another_name_of_this_machine_is_refused(page, there):
    """As in DNS rebinding: a page of theirs whose name means us now."""
    await page.go(f"http://{REBOUND}:{there.port}/")
    await page.until("document.body.innerText.includes('not a name of this machine')")
    assert await page.run("document.title") != "recorder"


ATTEMPTS = (Path(__file__).parent / "another_site.js").read_text(encoding="utf-8")


async def test_another_site_reads_nothing(debugger, there):
    """Whatever a page of theirs tries; and it cannot put ours into a frame."""

    async def theirs(_):
        return web.Response(text="<!doctype html><body>theirs", content_type="text/html")

    site = web.Application()
    site.router.add_get("/", theirs)
    runner = web.AppRunner(site)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    port = runner.addresses[0][1]
    try:
        async with tab(debugger) as page:
            await page.go(f"http://{OTHER_SITE}:{port}/")
            await page.until("document.body.innerText === 'theirs'")
            seen = await page.run(f"({ATTEMPTS})('http://127.0.0.1:{there.port}')")
            assert set(seen.values()) <= {"refused", "opaque0"}, seen
            assert len(seen) == 7
            framed = await page.run("document.querySelector('iframe').contentDocument === null")
            assert framed
            refused = [text for text in page.complaints if "frame" in text.lower()]
            assert refused, page.complaints
    finally:
        await runner.cleanup()
    answers = there.server._site.served.answers
    assert not any(code == 200 for route, code in answers if route.startswith("/v1/"))
