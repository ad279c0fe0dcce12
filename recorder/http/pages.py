"""What a browser is shown: files that come with the package, by a fixed list of paths.

A path of a request is looked up in this list and never in the file system. The dashboard asks the
same paths that anybody else may ask; `/endpoints` lists these.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import hdrs, web

from recorder.http.answers import text
from recorder.http.guard import HEADERS

HTML = "text/html; charset=utf-8"
TYPES = {
    "html": HTML,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain; charset=utf-8",
}

_ENDPOINTS = (
    ("/v1/status", "the recorder: versions, connections, disk, sealing, lag"),
    ("/v1/products", "every product: its channels, rates, best prices, last trade, gaps today"),
    ("/v1/books/{product}?depth=", "a book, at most 500 levels a side"),
    (
        "/v1/coverage?product=&amp;channel=&amp;start=&amp;end=&amp;gaps=",
        "what was recorded and what is missing",
    ),
    ("/v1/coverage/hours", "how much of each hour was recorded, the last day of all products"),
    ("/v1/history", "rates and delays of the last half hour"),
    (
        "/v1/stream?product=&amp;events=&amp;depth=&amp;gaps=",
        "best prices, trades, gaps and books as they happen (SSE)",
    ),
    ("/livez", "whether it is alive"),
    ("/readyz", "whether it records as it should, or why not"),
    ("/metrics", "metrics for Prometheus"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it is served, plain and packed; ``digest`` is of the plain one."""

    content_type: str
    content: bytes
    packed: bytes
    digest: str


def page(content_type: str, content: bytes) -> Page:
    """Make a page; the same content is the same bytes, packed too."""
    digest = hashlib.sha256(content).hexdigest()
    return Page(content_type, content, gzip.compress(content, 9, mtime=0), digest)


def answer_page(request: web.BaseRequest, found: Page) -> web.Response:
    """Answer with a page, packed for who takes that; or with nothing, to who has it already.

    Browsers ask each time whether what they have is still it, so that none runs the dashboard of
    one version against another.
    """
    packed = _takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    tag = f'"{found.digest[:32]}{"-gzip" if packed else ""}"'
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    known = request.headers.get(hdrs.IF_NONE_MATCH, "")
    if tag in {each.strip().removeprefix("W/") for each in known.split(",")}:
        return web.Response(status=304, headers=headers)
    answer = text(found.packed if packed else found.content, found.content_type)
    answer.headers.update(headers)
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _listed() -> bytes:
    rows = "\n".join(
        f"<dt>{f'<a href={path}>{path}</a>' if path.isascii() and '?' not in path else path}</dt>"
        f"<dd>{meaning}</dd>"
        for path, meaning in _ENDPOINTS
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>recorder: what is served</title>
<link rel="stylesheet" href="/dashboard.css">
<script src="/theme.js"></script>
<main class="plain">
<h1>What is served</h1>
<p>Everything here is read only. <a href="/">The dashboard</a> asks it, too.</p>
<dl>
{rows}
</dl>
</main>
</html>
""".encode()


def _pages() -> dict[str, Page]:
    folder = files("recorder.http") / "dashboard"
    found = {"/endpoints": page(HTML, _listed())}
    for each in (*folder.iterdir(), *(folder / "vendor").iterdir()):
        kind = TYPES.get(each.name.rpartition(".")[2])
        if each.is_file() and kind is not None:
            path = "/" if each.name == "index.html" else f"/{each.name}"
            found[path] = page(kind, each.read_bytes())
    return found


PAGES = _pages()
"""Path → what is served there."""
