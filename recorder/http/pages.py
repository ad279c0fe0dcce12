"""What a browser is shown: files that come with the package, by a fixed list of paths.

A path of a request is looked up in this list and never in the file system.
"""

from dataclasses import dataclass

HTML = "text/html; charset=utf-8"
CSS = "text/css; charset=utf-8"

_ENDPOINTS = (
    ("/v1/status", "the recorder: versions, connections, disk, sealing, lag"),
    ("/v1/products", "every product: its channels, rates, best prices, gaps today"),
    ("/v1/books/{product}?depth=", "a book, at most 500 levels a side"),
    (
        "/v1/coverage?product=&amp;channel=&amp;start=&amp;end=&amp;gaps=",
        "what was recorded and what is missing",
    ),
    ("/v1/stream?product=&amp;events=", "best prices, trades and gaps as they happen (SSE)"),
    ("/livez", "whether it is alive"),
    ("/readyz", "whether it records as it should, or why not"),
    ("/metrics", "metrics for Prometheus"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it is served."""

    content_type: str
    content: bytes


def _index() -> bytes:
    rows = "\n".join(
        f"<dt>{f'<a href={path}>{path}</a>' if path.isascii() and '?' not in path else path}</dt>"
        f"<dd>{meaning}</dd>"
        for path, meaning in _ENDPOINTS
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>recorder</title>
<link rel="stylesheet" href="/recorder.css">
<h1>recorder</h1>
<p>Everything here is read only.</p>
<dl>
{rows}
</dl>
</html>
""".encode()


_STYLE = b"""\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
dt { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
dd { margin: 0 0 .75rem 1rem; }
"""

PAGES = {"/": Page(HTML, _index()), "/recorder.css": Page(CSS, _STYLE)}
"""Path → what is served there."""
