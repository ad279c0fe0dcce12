"""What to record, of what the venue has: patterns and a list of products in, product ids out.

The configuration names products exactly (``BTC-USD``), by a pattern in which ``*`` stands for any
characters (``*-USD``, ``BTC-*``), or as ``all``; what is excluded is named the same way. On
Advanced Trade most ``X-USDC`` products are other names of the ``X-USD`` book and come back under
that name, so aliases are replaced before anything is subscribed (`coinbase.md` §1.7).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

ALL = "all"
DELISTED = "delisted"
OWN_USDC_BOOKS = frozenset({"USDT", "EURC", "XSGD", "AUDD", "TGBP"})
"""Bases whose ``-USDC`` product has a book of its own (`coinbase.md` §1.7)."""

NOT_LISTED = "not listed"  # in place of a status
# Futures have no status (`coinbase.md` §1.6.8).
_TRADED = frozenset({"online", "", NOT_LISTED})
_ALIAS_QUOTE = "USDC"


@dataclass(frozen=True, slots=True)
class Listed:
    """One product of the venue's list.

    ``status`` is the venue's word: ``online``, ``offline``, ``internal``, ``delisted``, or empty.
    ``alias`` is the product that this one is another name of, or empty. ``volume`` is what was
    traded in 24 hours, in quote currency, None where it is not known. ``rules`` is all that the
    venue's list says of it, by the names of columns of the table `status`; nothing is chosen by it.
    """

    product_id: str
    status: str = "online"
    alias: str = ""
    trading_disabled: bool = False
    volume: float | None = None
    rules: Mapping[str, str | None] | None = field(default=None, compare=False, repr=False)

    @property
    def delisted(self) -> bool:
        """Whether it will never trade again: nothing is subscribed."""
        return self.status == DELISTED

    @property
    def offline(self) -> bool:
        """Whether it does not trade now; its book may come back, so it is subscribed."""
        return not self.delisted and (self.status not in _TRADED or self.trading_disabled)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is recorded, and what became of everything that was asked for.

    ``products`` are canonical ids, each once, the most traded first. ``aliases`` maps a name that
    was asked for to the product that is recorded under another name. ``unknown``: asked for
    exactly, and not in the list. ``delisted``: asked for exactly, and not recorded. ``offline``:
    recorded, though they do not trade now. ``excluded``: matched, and taken out by name.
    ``unmatched``: patterns that match nothing.
    """

    products: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    delisted: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


def is_pattern(text: str) -> bool:
    """Whether a text stands for products that only the venue's list can name."""
    return text == ALL or "*" in text


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = "*" if pattern == ALL else pattern
    return re.compile(".*".join(re.escape(part) for part in text.split("*")))


def matches(pattern: str, product_id: str) -> bool:
    """Whether a product id is meant by an exact id, a pattern, or ``all``."""
    return _compiled(pattern).fullmatch(product_id) is not None


def canonical(product_id: str) -> str:
    """The name that a product's data comes under on Advanced Trade, where no list is known."""
    base, _, quote = product_id.rpartition("-")
    is_alias = quote == _ALIAS_QUOTE and base and base not in OWN_USDC_BOOKS
    return f"{base}-USD" if is_alias else product_id


def select(
    asked: Sequence[str],
    exclude: Sequence[str] = (),
    listed: Sequence[Listed] | None = None,
    *,
    fresh: bool = True,
    aliased: bool = True,
) -> Selection:
    """Choose what to record.

    Args:
        asked: exact ids, patterns and ``all``.
        exclude: the same; a product goes if the name it was asked by, or its own, is meant.
        listed: the venue's list; None where it is not known, and then patterns match nothing.
        fresh: the list is the venue's present one. In one that was kept from earlier, a product
            that is asked for exactly may be missing because it is new: it is recorded.
        aliased: the venue has aliases (Advanced Trade).
    """
    known = {each.product_id: each for each in listed or ()}
    certain = listed is not None and fresh
    found: dict[str, None] = {}
    aliases: dict[str, str] = {}
    unknown, delisted, excluded, unmatched = (dict[str, None]() for _ in range(4))
    for text in dict.fromkeys(asked):
        exact = not is_pattern(text)
        names = [text] if exact else [name for name in known if matches(text, name)]
        if not names:
            unmatched[text] = None
        for name in names:
            product_id = _canonical(name, known, aliased=aliased)
            product = known.get(product_id) or known.get(name)
            if any(matches(each, name) or matches(each, product_id) for each in exclude):
                excluded[name] = None
            elif product is None and certain:
                unknown[name] = None
            elif product is not None and product.delisted:
                if exact:
                    delisted[name] = None
            else:
                found[product_id] = None
                if exact and name != product_id:
                    aliases[name] = product_id
    products = _ordered(found, known)
    return Selection(
        products,
        aliases,
        unknown=tuple(unknown),
        delisted=tuple(delisted),
        offline=tuple(each for each in products if each in known and known[each].offline),
        excluded=tuple(sorted(set(excluded) - found.keys())),
        unmatched=tuple(unmatched),
    )


def _canonical(name: str, known: Mapping[str, Listed], *, aliased: bool) -> str:
    """The product behind a name: as the list says, else by the rule."""
    if not aliased:
        return name
    product = known.get(name)
    return product.alias or name if product is not None else canonical(name)


def _ordered(found: Iterable[str], known: Mapping[str, Listed]) -> tuple[str, ...]:
    """The most traded first, then those whose volume is not known, by name."""

    def rank(product_id: str) -> tuple[float, str]:
        product = known.get(product_id)
        volume = product.volume if product is not None and product.volume is not None else -1.0
        return -volume, product_id

    return tuple(sorted(found, key=rank))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one product and why.

    ``recorded_as`` is the product that records it, itself or the one it is another name of, and
    None where it is not recorded. ``asked``: the configuration names it, or it is recorded.
    """

    product_id: str
    status: str
    volume: float | None
    recorded_as: str | None
    asked: bool
    why: str


def explain(
    asked: Sequence[str], exclude: Sequence[str], listed: Sequence[Listed], selection: Selection
) -> list[Verdict]:
    """Say of every product that is listed or was asked for exactly what becomes of it.

    In the order of the recording, then by name.
    """
    names = {each.product_id: each for each in listed}
    for text in asked:
        if not is_pattern(text) and text not in names:
            names[text] = Listed(text, NOT_LISTED)
    place = {product_id: number for number, product_id in enumerate(selection.products)}
    verdicts = [_verdict(each, asked, exclude, selection) for each in names.values()]
    return sorted(
        verdicts,
        key=lambda each: (
            place.get(each.recorded_as or "", len(place)),
            each.recorded_as != each.product_id,
            each.product_id,
        ),
    )


def _verdict(
    product: Listed, asked: Sequence[str], exclude: Sequence[str], selection: Selection
) -> Verdict:
    name = product.product_id
    own = selection.aliases.get(name) or product.alias or name
    by = next((text for text in asked if matches(text, name)), None)
    out = next((text for text in exclude if matches(text, name) or matches(text, own)), None)
    recorded_as = None
    if by is None:
        if name in selection.products:
            recorded_as, why = name, "asked for under another name"
        else:
            why = "not asked for"
    elif out is not None:
        why = f"excluded by {out}"
    elif own in selection.products:
        recorded_as = own
        why = f"asked for by {by}" if own == name else f"another name of {own}"
    elif name in selection.unknown:
        why = "not a product of the venue"
    else:
        why = "delisted"
    if recorded_as is not None and product.offline:
        why += "; does not trade now"
    asked_for = by is not None or recorded_as is not None
    return Verdict(name, product.status, product.volume, recorded_as, asked_for, why)
