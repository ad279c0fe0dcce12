"""The venue's list of products: asked for, kept in the data directory, and chosen from.

A recorder whose products are named by their ids begins without any list; one with patterns begins
with the list that was kept, and waits for the venue's only where there is none. Either is put
right when the venue's present list comes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from recorder import logs
from recorder.config import Config, FeedConfig
from recorder.config.checks import is_loopback
from recorder.errors import ConfigError, DataError, RecorderError, UnavailableError
from recorder.feed.plan import Line, spread
from recorder.feed.products import PRODUCT_ID, Product
from recorder.feed.rest import Rest
from recorder.feed.selection import Listed, Selection, Verdict, explain, is_pattern, select
from recorder.store.paths import Root
from recorder.store.products import KeptProduct, keep_products, kept_products

__all__ = [
    "Fetch",
    "Line",
    "Listing",
    "Planned",
    "Selection",
    "Verdict",
    "choose",
    "plan_of",
    "rest_services",
    "why_not_asked",
]

FETCH_S_MAX = 15.0
_NAMED_MAX = 20  # names in one message

Fetch = Callable[[], Awaitable[Sequence[Listed]]]


@asynccontextmanager
async def rest_services(feed: FeedConfig) -> AsyncIterator[tuple[Rest | None, Rest | None]]:
    """The venue's REST service, and the one that missing trades are asked of; None: nobody is.

    A feed on this machine is a market of its own, whose products the real venue does not know and
    whose holes real trades must not fill: services elsewhere are not asked. The log says so.
    """
    made_up = [word for word in ("rest_url", "trades_url") if why_not_asked(feed, word)]
    if made_up:
        keys = [f"feed.{word}" for word in made_up]
        logs.log().info("rest_not_asked", keys=keys, why=why_not_asked(feed, made_up[0]))
    async with AsyncExitStack() as services:
        rest = trades = None
        if "rest_url" not in made_up:
            rest = await services.enter_async_context(Rest(feed.venue, feed.rest_url))
        if feed.trades_url and "trades_url" not in made_up:
            if rest is not None and (rest.venue, feed.rest_url) == ("exchange", feed.trades_url):
                trades = rest  # the limits are those of the address
            else:
                trades = await services.enter_async_context(Rest("exchange", feed.trades_url))
        yield rest, trades


def why_not_asked(feed: FeedConfig, word: str = "rest_url") -> str:
    """Why a REST service of the settings is not asked; empty where it is, or there is none."""
    url: str = getattr(feed, word)
    if not url or not is_loopback(urlsplit(feed.url)) or is_loopback(urlsplit(url)):
        return ""
    return (
        f"feed.url is on this machine and feed.{word} is not: a market of its own has nothing to "
        f"do with {url}. Where there is a REST service of the same market, set feed.{word} to it"
    )


def fetch_from(rest: Rest | None) -> Fetch | None:
    """How the venue is asked for its products, in the form that a selection needs."""
    if rest is None:
        return None

    async def fetch() -> Sequence[Listed]:
        return [listed(each) for each in await rest.products()]

    return fetch


def listed(product: Product) -> Listed:
    """A product of the venue's answer, as far as a selection needs it."""
    return Listed(
        product.product_id,
        product.status,
        product.alias or "",
        product.trading_disabled,
        product.quote_volume_24h,
        rules_of(product),
    )


def rules_of(product: Product) -> dict[str, str | None]:
    """All that the list says of a product, as texts by the names of columns of `status`."""
    flags = ("trading_disabled", "cancel_only", "limit_only", "post_only", "auction_mode")
    return {
        "product_type": product.product_type,
        "base_currency": product.base,
        "quote_currency": product.quote,
        "base_increment": product.base_increment,
        "quote_increment": product.quote_increment,
        "price_increment": product.price_increment,
        "status": product.status,
        "alias": product.alias,
        "aliases": " ".join(product.aliases) or None,
        **{name: "true" if getattr(product, name) else "false" for name in (*flags, "view_only")},
    }


class Listing:
    """The list of products as far as it is known.

    ``products`` is None where no list is known. ``fresh``: this process had it from the venue;
    otherwise it was kept by an earlier one, at ``fetched``. ``error`` is why the venue's
    list could not be had the last time, empty where it could.
    """

    def __init__(self, root: Root, venue: str, fetch: Fetch | None) -> None:
        self._root = root
        self._venue = venue
        self._fetch = fetch
        self.products: tuple[Listed, ...] | None = None
        self.fetched: datetime | None = None
        self.fresh = False
        self.error = ""
        try:
            kept = kept_products(root, venue)
        except DataError as error:  # a reader's case: a recorder puts the file aside before
            self.error, kept = str(error), None
        if kept is not None:
            self.fetched = kept.fetched
            self.products = tuple(
                Listed(each.product_id, each.status, each.alias, each.trading_disabled, each.volume)
                for each in kept.products
                if PRODUCT_ID.fullmatch(each.product_id)
            )

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to ask for the list."""
        return self._fetch is not None

    async def refresh(self) -> bool:
        """Ask the venue, for a while; returns whether its list came. What is known stays."""
        if self._fetch is None:
            self.error = "there is nobody to ask"
            return False
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                products = await self._fetch()
        except TimeoutError:
            self.error = f"no answer within {FETCH_S_MAX:g} s"
            return False
        except RecorderError as error:
            self.error = str(error)
            return False
        if not products:
            self.error = "the venue's list is empty"
            return False
        self.products, self.fresh, self.error = tuple(products), True, ""
        return True

    def keep(self, now_ns: int) -> None:
        """Keep what the venue gave for the next start (blocking). Raises OSError."""
        assert self.fresh
        assert self.products is not None
        kept = [
            KeptProduct(
                each.product_id, each.status, each.alias, each.trading_disabled, each.volume
            )
            for each in self.products
        ]
        keep_products(self._root, self._venue, now_ns, kept)

    def known(self, held: Iterable[str] = ()) -> tuple[Listed, ...] | None:
        """The list, and what is being recorded though it is not in it.

        A list with a hole in it must not end the recording of what the venue does send.
        """
        if self.products is None:
            return None
        there = {each.product_id for each in self.products}
        return (*self.products, *(Listed(each) for each in sorted(set(held) - there)))


def choose(feed: FeedConfig, listing: Listing, held: Iterable[str] = ()) -> Selection:
    """Choose what to record. ``held`` are the products that are being recorded now.

    Raises:
        UnavailableError: there are patterns, and no list is known.
        ConfigError: nothing is left to record.
    """
    patterns = [text for text in feed.products if is_pattern(text)]
    products = listing.known(held)
    if patterns and products is None:
        error = why_not_asked(feed) or listing.error
        why = f" ({error})" if error else ""
        raise UnavailableError(
            f"feed.products has patterns ({_names(patterns)}), which need the venue's list of "
            f"products, and it could not be had from {feed.rest_url}{why}. See that the address "
            "can be reached, or name products by their ids; once the list came, it is kept in the "
            "data directory and a start needs no answer"
        )
    aliased = feed.venue == "advanced"
    selection = select(feed.products, feed.exclude, products, fresh=listing.fresh, aliased=aliased)
    if not selection.products:
        raise ConfigError(
            f"feed.products names nothing that can be recorded: {why_none(selection)}"
        )
    return selection


def why_none(selection: Selection) -> str:
    """What became of everything that was asked for, in one line."""
    told = {
        "match no product of the venue": selection.unmatched,
        "are not products of the venue": selection.unknown,
        "are delisted": selection.delisted,
        "are left out by feed.exclude": selection.excluded,
    }
    return "; ".join(f"{_names(names)} {what}" for what, names in told.items() if names)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED_MAX])
    return f"{shown} and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else shown


@dataclass(frozen=True, slots=True)
class Planned:
    """What a configuration would record.

    ``error`` is empty where the list is the venue's present one; else it was kept at ``fetched``,
    None where no list is known.
    """

    venue: str
    listed: int
    fetched: datetime | None
    error: str
    selection: Selection
    lines: list[Line]
    verdicts: list[Verdict]


def plan_of(config: Config) -> Planned:
    """Ask the venue and say what a configuration would record; blocks, writes nothing.

    The list that was kept in the data directory is taken where the venue does not answer.

    Raises:
        UnavailableError: there are patterns, and no list is known.
        ConfigError: nothing is left to record.
    """
    feed = config.feed

    async def ask() -> Listing:
        async with rest_services(feed) as (rest, _):
            listing = Listing(Root(config.data), feed.venue, fetch_from(rest))
            await listing.refresh()
            return listing

    listing = asyncio.run(ask())
    selection = choose(feed, listing)
    known = listing.known() or ()
    return Planned(
        feed.venue,
        len(known),
        None if listing.fresh else listing.fetched,
        "" if listing.fresh else why_not_asked(feed) or listing.error,
        selection,
        spread(selection.products, feed.channels),
        explain(feed.products, feed.exclude, known, selection),
    )
