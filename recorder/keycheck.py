"""The key of a recording: whether one is needed, where it is, and whether it may be used.

    feed.user                        a CDP key, for the account's own orders
    feed.sign_all (Advanced Trade)   the same key, for market data
    "level2" on the Exchange         a key of the Exchange, for everything
    a key of the Exchange is there   everything is signed with it

It is loaded and tried once, at the start, before anything is recorded: a key that the venue refuses
would only show as a channel that stays silent. Where none of these hold, no key is looked for, and
`feed.require_view_only` alone makes one that is there be checked.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recorder import credentials, logs
from recorder.config import Config, FeedConfig
from recorder.credentials import Credentials
from recorder.errors import ConfigError, KeyRefusedError, UnavailableError
from recorder.feed.signing import Signing, VenueClock
from recorder.listing import why_not_asked

if TYPE_CHECKING:
    from recorder.api import KeyReport
    from recorder.feed.auth import Signer

CHECK_S_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Signings:
    """Who signs: subscriptions of market data, and those of own orders; None: nobody does.

    ``clock`` is what they have in common.
    """

    market: Signing | None = None
    user: Signing | None = None
    clock: VenueClock = field(default_factory=VenueClock)


def needs_key(feed: FeedConfig) -> str:
    """Say what of the settings cannot be done without a key; empty where all can."""
    if feed.user:
        return "feed.user = true"
    if feed.venue == "exchange" and "level2" in feed.channels:
        return 'the channel "level2" of the Exchange ("level2_batch" needs none)'
    if feed.venue == "advanced" and feed.sign_all:
        return "feed.sign_all = true"
    return ""


def signings_for(feed: FeedConfig) -> Signings:
    """Find the key, try it, and say what is signed with it. Blocks; asks the venue by REST.

    Raises:
        ConfigError: a key is needed and there is none, or it is not one of this venue.
        NoInputError, PermissionRefusedError, DataError: its file cannot be used.
        KeyRefusedError: the venue refuses it, or it may do more than `feed.require_view_only` lets.
        UnavailableError: that could not be found out.
    """
    why = needs_key(feed)
    if not why and feed.venue == "advanced" and not feed.require_view_only:
        return Signings()
    from recorder import api  # noqa: PLC0415  heavy, and for who has a key only
    from recorder.feed.auth import signer_for  # noqa: PLC0415  the same

    found = credentials.load(feed.key_file)
    if found is None:
        if why:
            raise ConfigError(f"{why} needs a key, and {api.NO_KEY}")
        return Signings()
    if not why and feed.venue == "exchange" and found.passphrase is None:
        return Signings()  # a key of Advanced Trade, that is there for something else
    clock = VenueClock()
    signer = signer_for(found, feed.venue, None, clock.now)
    if not _try(feed, found, signer, clock, needed=bool(why)):
        return Signings()
    signing = Signing(signer, found.key, found.source, clock)
    signs_market = feed.venue == "exchange" or feed.sign_all
    return Signings(signing if signs_market else None, signing if feed.user else None, clock)


def _try(
    feed: FeedConfig, found: Credentials, signer: "Signer", clock: VenueClock, *, needed: bool
) -> bool:
    """Sign a real request with a key; returns whether it is to be used."""
    from recorder import api  # noqa: PLC0415  as above

    service = api.Service(feed.venue, feed.rest_url, feed.key_file, None)

    async def ask() -> "KeyReport":
        if why := why_not_asked(feed):
            raise UnavailableError(why)
        try:
            async with asyncio.timeout(CHECK_S_MAX):
                return await api.examine(service, signer, found, clock)
        except TimeoutError:
            raise UnavailableError(
                f"{feed.rest_url} did not answer within {CHECK_S_MAX:g} s"
            ) from None

    log = logs.log(key=found.key, source=found.source)
    try:
        report = asyncio.run(ask())
        if feed.require_view_only:
            api.refuse_too_much(report)
    except UnavailableError as error:
        if feed.require_view_only:
            raise UnavailableError(
                f"feed.require_view_only wants to know what the key may do: {error}"
            ) from None
        log.warning("key_unchecked", error=str(error))
        return True
    except KeyRefusedError as error:
        if needed or feed.require_view_only:
            raise
        log.warning("key_refused", error=str(error))
        return False
    log.info(
        "key_checked",
        view=report.can_view,
        trade=report.can_trade,
        transfer=report.can_transfer,
        clock_ahead_s=report.clock_ahead_s,
    )
    for warning in report.warnings:
        log.warning("key_doubted", warning=warning)
    return True


def reading(read: Callable[[], Config] | None, signings: Signings) -> Callable[[], Config] | None:
    """Read settings as ``read`` does, and refuse those that need a key where none was loaded."""
    if read is None:
        return None

    def checked() -> Config:
        config = read()
        feed = config.feed
        if feed.venue == "exchange" and "level2" in feed.channels and signings.market is None:
            raise ConfigError(
                f"{needs_key(feed)} needs a key, which is loaded at a start only: restart"
            )
        return config

    return checked
