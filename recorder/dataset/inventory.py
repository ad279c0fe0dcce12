"""What there is: products and hours; and what a product that is not there was meant to be."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import pyarrow.compute as pc

from recorder.core.tables import TABLES
from recorder.dataset.files import HOUR_NS, View
from recorder.dataset.reading import distinct, groups_in, opened
from recorder.errors import DataError, NoInputError, UsageError
from recorder.store.paths import File
from recorder.times import to_datetime

PER_PRODUCT = tuple(name for name, table in TABLES.items() if table.per_product)
_SHOWN = 20
_NAME_MAX = 83  # four words of 20, as the wire has them


@dataclass(frozen=True, slots=True)
class ProductSummary:
    """What is recorded of one product: time range, rows by table, hours, bytes on disk (sealed).

    The bytes of hours that are packed are those that they had before.
    """

    product_id: str
    first: datetime
    last: datetime
    rows: dict[str, int]
    hours: int
    bytes: int


@dataclass(frozen=True, slots=True)
class HourSummary:
    """One hour as readers take it: from sealed files, or, while it is ``open``, from live parts.

    ``rows`` are by table; ``products`` are rows of the tables with a file a product, by product;
    ``bytes`` are those of the files.
    """

    start: datetime
    state: str
    rows: dict[str, int]
    bytes: int
    products: dict[str, int]

    @property
    def sealed(self) -> bool:
        """Whether it is finished: its files never change."""
        return self.state == "sealed"


# --- names ---------------------------------------------------------------------------------------


def product_ids(view: View) -> list[str]:
    """The products that any row is recorded of, in alphabetical order."""
    found: set[str] = set()
    for hour in view.hours():
        found |= set(_products_of(view, hour))
    return sorted(found)


def known_products(view: View) -> set[str]:
    """The products that anything is recorded or told of, without looking into every hour."""
    found = {track["product_id"] for track in view.tracks if track["product_id"] is not None}
    for name in PER_PRODUCT:
        for folder in (view.root.path / name, view.root.packed / name):
            paths = folder.iterdir() if folder.is_dir() else ()
            found |= {path.name[8:] for path in paths if path.name.startswith("product=")}
    for hour in view.live_hours():
        found |= set(_products_of(view, hour))
    return found


def is_product(product_id: object) -> str:
    """A product's id. Raises UsageError for what can be none."""
    if isinstance(product_id, str) and product_id.isprintable():
        letters = len(product_id.strip())
        if letters and len(product_id) <= _NAME_MAX:
            return product_id
    raise UsageError(
        f"{product_id!r} is no product. Give one id as text, such as BTC-USD; `product_ids()` "
        "lists them."
    )


def product_or_all(product_id: str | None) -> str | None:
    """A product's id, or None for all of them."""
    return None if product_id is None else is_product(product_id)


def products_or_all(products: object) -> tuple[str, ...] | None:
    """The ids of one product or of several, each once; None for all of them."""
    if products is None:
        return None
    each = texts(products, "products: one id as text, such as BTC-USD, or a list of them")
    return tuple(dict.fromkeys(map(is_product, each)))


def texts(given: object, what: str) -> list[Any]:
    """One word, or what gives several, as a list. Raises UsageError for what is neither."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, Iterable):
        return list(given)
    raise UsageError(f"{given!r} cannot be taken for {what}.")


def refuse_unknown(view: View, product_id: str) -> None:
    """Raise NoInputError, with what may be meant, for a product of which nothing is recorded."""
    known = known_products(view)
    if product_id in known:
        return
    if not known:
        raise NoInputError(
            f"Nothing of {product_id} is recorded: {view.root.path} holds no rows yet. Start "
            "`recorder run` or `recorder import` with it, or name another directory."
        )
    names = {name.upper(): name for name in sorted(known)}
    close = get_close_matches(str(product_id).upper(), names, n=3, cutoff=0.6)
    meant = f" Did you mean {' or '.join(names[name] for name in close)}?" if close else ""
    some = ", ".join(sorted(known)[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
    raise NoInputError(f"Nothing of {product_id} is recorded.{meant} Recorded: {some}.")


# --- hours ---------------------------------------------------------------------------------------


def hours(view: View, start_ns: int | None, end_ns: int | None) -> list[HourSummary]:
    """The hours with anything recorded that [start, end) touches, oldest first."""
    return [_hour(view, hour) for hour in view.hours(start_ns, end_ns)]


def _hour(view: View, hour: int) -> HourSummary:
    rows: Counter[str] = Counter()
    size = 0
    if hour < view.switched:
        state = "sealed"
        for file in view.commit(hour)["files"]:
            rows[file["table"]] += file["rows"]
            size += file["bytes"]
    else:
        state = "open"
        for name in TABLES:
            for part in view.parts(name, hour, hour):
                with opened(part.path) as parquet:
                    rows[name] += parquet.metadata.num_rows
                size += part.path.stat().st_size
    products = dict(sorted(_products_of(view, hour).items()))
    return HourSummary(to_datetime(hour * HOUR_NS), state, dict(rows), size, products)


def _products_of(view: View, hour: int) -> Counter[str]:
    """The rows of each product in an hour."""
    return sum((counts for _, counts, _ in _tables_of(view, hour)), Counter[str]())


def _tables_of(view: View, hour: int) -> Iterable[tuple[str, Counter[str], Counter[str]]]:
    """The rows, and the bytes of sealed files, by product, for each table with a file a product."""
    if hour < view.switched:
        files: list[dict[str, Any]] = view.commit(hour)["files"]
        for name in PER_PRODUCT:
            mine = [file for file in files if file["table"] == name]
            yield (
                name,
                Counter({file["product_id"]: file["rows"] for file in mine}),
                Counter({file["product_id"]: file["bytes"] for file in mine}),
            )
        return
    for name in PER_PRODUCT:
        counts = Counter[str]()
        for part in view.parts(name, hour, hour):
            counts.update(distinct(part.path, "product_id"))
        yield name, counts, Counter[str]()


# --- products ------------------------------------------------------------------------------------


def products(view: View) -> list[ProductSummary]:
    """What is recorded of each product; only the first and last files are opened."""
    rows: dict[str, Counter[str]] = {}
    sizes: Counter[str] = Counter()
    found: dict[str, list[int]] = {}
    for hour in view.hours():
        for name, counts, bytes_of in _tables_of(view, hour):
            sizes.update(bytes_of)
            for product_id, count in counts.items():
                rows.setdefault(product_id, Counter())[name] += count
                mine = found.setdefault(product_id, [])
                if mine[-1:] != [hour]:
                    mine.append(hour)
    return [
        ProductSummary(
            product_id,
            to_datetime(_bounds(view, product_id, found[product_id][0])[0]),
            to_datetime(_bounds(view, product_id, found[product_id][-1])[1]),
            dict(counts),
            len(found[product_id]),
            sizes[product_id],
        )
        for product_id, counts in sorted(rows.items())
    ]


def _bounds(view: View, product_id: str, hour: int) -> tuple[int, int]:
    """The first and the last time at which something of a product came in an hour."""
    bounds = [
        each
        for name in PER_PRODUCT
        for path in view.of_hour(name, hour, product_id)
        if (each := _bounds_in(path, product_id)) is not None
    ]
    if not bounds:
        raise DataError(f"{view.root.commit(hour)} and its files differ. Run `recorder verify`.")
    return min(first for first, _ in bounds), max(last for _, last in bounds)


def _bounds_in(path: File, product_id: str) -> tuple[int, int] | None:
    """The range of ``recv_ns`` of a product's rows in a file; None where it has none."""
    with opened(path) as parquet:
        groups = list(groups_in(path, parquet))
        rows = parquet.read_row_groups(groups, columns=["product_id", "recv_ns"])
    mine = rows.filter(pc.field("product_id") == product_id).column("recv_ns")
    if not len(mine):
        return None
    bounds = pc.min_max(mine).as_py()
    return bounds["min"], bounds["max"]
