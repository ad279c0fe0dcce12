"""What is recorded now, and how that changes while recording.

The list of products comes or comes anew, the configuration is read again (SIGHUP), the venue says
that a product is delisted: each gives a selection, the selection a plan, and the switchboard
changes the lines concerned. What was asked for and is not recorded is written down once.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from recorder import logs
from recorder.config import KEYS, Config, describe, unchangeable
from recorder.errors import RecorderError
from recorder.feed.selection import DELISTED, Selection, is_pattern
from recorder.feed.switchboard import Switchboard
from recorder.listing import Listing, choose

REFRESH_S = 86_400.0
RETRY_S = 600.0  # while the venue's list was not had yet

Note = Callable[[str, str], None]


class Lineup:
    """Keeps the plan in step with the configuration, the list of products and the venue.

    ``note(kind, detail)`` writes a fault down, ``held`` gives the products that are being
    recorded, ``configured`` takes settings over that are not of the feed. ``listed`` takes what a
    list that came says of the products that are recorded. ``read`` reads the configuration again;
    None where that is not wanted; ``followed`` is called when it was, whatever came of it.
    ``refused``: the configuration that was read last is wrong, and an older one holds.
    """

    def __init__(
        self,
        config: Config,
        listing: Listing,
        switchboard: Switchboard,
        *,
        note: Note,
        held: Callable[[], Iterable[str]],
        now_ns: Callable[[], int],
        configured: Callable[[Config], None],
        listed: Callable[[list[dict[str, str | None]]], None],
        read: Callable[[], Config] | None,
        followed: Callable[[], None] = lambda: None,
    ) -> None:
        """Choose what to record and plan it; see `choose` for what it raises."""
        self.config = config
        self.selection = choose(config.feed, listing)
        self._listing = listing
        self._switchboard = switchboard
        self._note = note
        self._held = held
        self._now_ns = now_ns
        self._configured = configured
        self._listed = listed
        self._read = read
        self._followed = followed
        self.refused = False
        self._log = logs.log()
        self._noted: set[tuple[str, str]] = set()
        self._delisted: set[str] = set()  # by the venue, while we record
        self._asked_again = asyncio.Event()
        switchboard.carry(self.products, config.feed.channels)

    @property
    def products(self) -> tuple[str, ...]:
        """What is recorded, the most traded first."""
        return tuple(each for each in self.selection.products if each not in self._delisted)

    # --- services -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow what changes; until cancelled."""
        self._log.info("products_selected", **told(self.selection), products=len(self.products))
        self._write_down()
        if self._listing.fresh:  # it was waited for before the start
            self._tell_rules()
            await self._keep()
        else:
            await self._follow_list()
        while True:
            asked = await self._wait(REFRESH_S if self._listing.fresh else RETRY_S)
            if asked:
                self.refused = not await self._follow_config()
                self._followed()
            else:
                await self._follow_list()

    def ask_again(self) -> None:
        """Read the configuration and the list again; returns at once."""
        self._asked_again.set()

    async def _wait(self, seconds: float) -> bool:
        """Wait; returns whether it was asked for rather than due."""
        try:
            async with asyncio.timeout(seconds):
                await self._asked_again.wait()
        except TimeoutError:
            return False
        self._asked_again.clear()
        return True

    async def _follow_list(self) -> None:
        """Have the venue's list, and record what it says."""
        if await self._refresh():
            self._change(self.config, "the list of products")
            self._tell_rules()

    async def _follow_config(self) -> bool:
        """Read the configuration again; one that is wrong changes nothing, and gives False."""
        assert self._read is not None
        try:
            config = await asyncio.to_thread(self._read)
        except RecorderError as error:
            self._log.error("config_refused", error=str(error))
            return False
        fixed = unchangeable(self.config, config)
        if fixed:
            self._log.warning("restart_needed", keys=fixed)
        before = self.config.feed
        if config.feed.venue != before.venue:
            feed = before  # the other venue's channels and products are not this one's
        else:
            fixed_here = [key for key in KEYS if key.fixed and key.table == "feed"]
            here = {key.word: getattr(before, key.word) for key in fixed_here}
            feed = replace(config.feed, **here)
        came = await self._refresh()
        right = self._change(replace(config, data=self.config.data, feed=feed), "the configuration")
        if came:
            self._tell_rules()
        return right

    async def _refresh(self) -> bool:
        """Ask for the list and keep it; returns whether it came."""
        listing = self._listing
        if not listing.can_ask:
            return False
        if not await listing.refresh():
            needed = any(is_pattern(text) for text in self.config.feed.products)
            tell = self._log.warning if needed else self._log.info
            tell("products_not_listed", error=listing.error)
            return False
        self._log.info("products_listed", products=len(listing.products or ()))
        # What trades again after it was delisted is in the list as such.
        known = {each.product_id: each for each in listing.products or ()}
        self._delisted = {each for each in self._delisted if each in known and known[each].delisted}
        await self._keep()
        return True

    async def _keep(self) -> None:
        """Keep the list for the next start; a disk that refuses is tried again with the next."""
        try:
            await asyncio.to_thread(self._listing.keep, self._now_ns())
        except OSError as error:
            self._log.error("work_failed", what="products", error=str(error))

    def _change(self, config: Config, why: str) -> bool:
        """Record what a configuration and the list come to now; False where it is refused."""
        try:
            selection = choose(config.feed, self._listing, self._held())
        except RecorderError as error:
            self._log.error("config_refused", error=str(error))
            return False
        old, new = describe(self.config), describe(config)
        changed = {name: new[name] for name in new if new[name] != old[name]}
        if changed:
            self._log.info("config_changed", **changed)
            self._configured(config)
        self.config, self.selection = config, selection
        self._carry(why, anyway=bool(changed))
        self._write_down()
        return True

    def _carry(self, why: str, *, anyway: bool = False) -> None:
        """Plan what is recorded now; logged where anything changes."""
        before = {each for line in self._switchboard.lines for each in line.products}
        after = set(self.products)
        self._switchboard.carry(self.products, self.config.feed.channels)
        if before != after or anyway:
            self._log.info(
                "plan_changed",
                why=why,
                added=sorted(after - before),
                removed=sorted(before - after),
                connections=len(self._switchboard.lines),
            )

    # --- the venue ------------------------------------------------------------------------------

    def status_changed(self, product_id: str, status: str) -> None:
        """The venue says that a product's status is another; returns at once.

        One that is delisted is not asked for any more; one that is offline may come back. The
        core writes either down.
        """
        if status == DELISTED and product_id in self.products:
            self._delisted.add(product_id)
            self._carry("a product was delisted")

    # --- what is told ---------------------------------------------------------------------------

    def _write_down(self) -> None:
        """Write down, once, what is not recorded as it was asked for."""
        for product_id in self.selection.unknown:
            self._note_once("product_unknown", product_id, "it is not in the venue's list")
        for product_id in self.selection.delisted:
            self._note_once("product_delisted", product_id, "it is not subscribed")
        for product_id in self.selection.offline:
            self._note_once("product_offline", product_id, "it does not trade now; subscribed")

    def _tell_rules(self) -> None:
        """Hand on what the list that just came says of the products that are recorded."""
        known = {each.product_id: each.rules for each in self._listing.products or ()}
        found = [
            {"product_id": product_id, **rules}
            for product_id in self.products
            if (rules := known.get(product_id))
        ]
        if found:
            self._listed(found)

    def _note_once(self, kind: str, product_id: str, detail: str) -> None:
        if (kind, product_id) not in self._noted:
            self._noted.add((kind, product_id))
            self._note(kind, f"{product_id}: {detail}")


def told(selection: Selection) -> dict[str, Any]:
    """What became of what was asked for, without what is empty."""
    names = ("unknown", "delisted", "offline", "excluded", "unmatched")
    found: dict[str, Any] = {name: list(getattr(selection, name)) for name in names}
    found["aliases"] = dict(selection.aliases)
    return {name: value for name, value in found.items() if value}
