"""SQL as one of the reader's ways in: a question, asked of one moment of a data directory."""

import errno

import pyarrow as pa

from recorder.dataset.files import Files, View, sealed_before
from recorder.dataset.readable import Answer
from recorder.errors import UsageError


def asked(files: Files, query: object) -> Answer:
    """What a query gives, read when it is wanted. Raises UsageError for what is no text."""
    if not isinstance(query, str) or not query.strip():
        raise UsageError(
            f'{query!r:.60} is no SQL. Write such as db.sql("FROM trades LIMIT 5"), in one text.'
        )
    text = query
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"

    def answer(view: View) -> pa.Table:
        from recorder.queries import Queries  # noqa: PLC0415  heavy, and not all ask in SQL

        with Queries(files.path) as session:
            rows: pa.Table = session.table(text, *view.newest())
        if sealed_before(view.root) != view.switched:
            # Of an hour that was sealed meanwhile there are more rows than at the view's moment.
            what = "readers were switched meanwhile"
            raise FileNotFoundError(errno.ENOENT, what, str(view.root.current))
        return rows

    return Answer(f"SQL: {shown}", files, answer, live=True)
