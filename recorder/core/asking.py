"""What was asked of the venue on one connection, and what of it came.

A venue that half-delivers looks like a quiet market (`coinbase.md` §1.10): a product can be missing
from the answer, or be listed there and never deliver, and a snapshot that is lost is not repeated.
So everything that is asked for has a time by which it must have come:

    an answer that lists it, or data     `ANSWER_NS_MAX`
    data of what begins with data        `DATA_NS_MAX` (`BEATS_NS_MAX`) after the answer
    a book's snapshot                    `SNAPSHOT_NS_MAX`
    an answer without what we left       `ANSWER_NS_MAX`

What begins with data is recorded from its first data on, because an answer promises nothing. What
is overdue is asked for again, each time after twice the wait, and seldom in the end: every
`REST_NS`, a book's snapshot at its longest wait. A connection may live for weeks, and what the
venue does not serve now it may serve later; what does not trade is not asked for then. Books are
asked for again when they are in doubt, too, each not too often.
"""

from collections.abc import Container, Iterable, Mapping

from recorder.core.messages import (
    CANDLES,
    HEARTBEATS,
    LEVEL2,
    STATUS,
    TICKER,
    TICKER_BATCH,
    TRADES,
)

ANSWER_NS_MAX = 10_000_000_000  # `coinbase.md` §1.6.2
SNAPSHOT_NS_MAX = 30_000_000_000  # 20 books took 17 s to come (`coinbase.md` §1.5)
SNAPSHOT_DOUBLINGS_MAX = 4
DOUBTED_NS_MAX = 10_000_000_000  # of a snapshot that may have been lost or unreadable
# What begins with data at once: listed and not delivered, it is overdue.
# Heartbeats come every second, the others send a snapshot (`coinbase.md` §1.6, §2.3); a lost one is
# missed as soon as a book's is, for of a product's status nothing else may come for days.
BEGIN_WITH_DATA = frozenset({CANDLES, HEARTBEATS, STATUS, TICKER, TICKER_BATCH, TRADES})
DATA_NS_MAX = 30_000_000_000
BEATS_NS_MAX = 10_000_000_000
TRIES_MAX = 5  # of an answer, or first data; then there is one every
REST_NS = 1_800_000_000_000
DOUBLINGS_MAX = 5
RESYNC_NS_MIN = 10_000_000_000  # a BTC-USD snapshot is 5 MB: not more often than this
CALM_NS = 60_000_000_000  # a book that held that long begins anew with the shortest wait

WHOLE = ""  # in the place of a product: a channel whose subscription names none

Key = tuple[str, str | None]  # channel by its subscribe name, product or None for all


class Asking:
    """What one connection asked for.

    ``asked`` holds what we subscribed to: channel → product ids; ``former`` what we unsubscribed
    from, of which frames may still be on their way; ``leaving`` of these by when an answer must no
    longer list it, and how often we did so in vain. ``answers_due`` says by when a channel of a
    product must have been served, ``tries`` how often it was asked for in vain; ``heard_ns`` is
    when it was last heard of (its answer, or its data), ``spoken`` those whose data has come since
    they were asked for, ``silences`` how often their silence has been told since. ``paused_ns`` is
    how long the whole connection has been silent, ``heard_paused_ns`` how long by then.
    ``snapshots_due`` says when a product's snapshot that was asked for is overdue, ``in_vain`` how
    often it was so in a row, ``resyncs`` when we last asked for another and how often in a row,
    ``resyncs_due`` when to ask for one that was put off.
    """

    __slots__ = (
        "answers_due", "asked", "former", "heard_ns", "heard_paused_ns", "in_vain", "leaving",
        "paused_ns",
        "resyncs", "resyncs_due", "silences", "snapshots_due", "spoken", "tries",
    )  # fmt: skip

    def __init__(self) -> None:
        self.asked: dict[str, set[str]] = {}
        self.former: set[tuple[str, str]] = set()
        self.leaving: dict[Key, tuple[int, int]] = {}
        self.answers_due: dict[Key, int] = {}
        self.tries: dict[Key, int] = {}
        self.heard_ns: dict[Key, int] = {}
        self.heard_paused_ns: dict[Key, int] = {}
        self.paused_ns = 0
        self.spoken: set[Key] = set()
        self.silences: dict[Key, int] = {}
        self.snapshots_due: dict[str, int] = {}
        self.in_vain: dict[str, int] = {}
        self.resyncs: dict[str, tuple[int, int]] = {}
        self.resyncs_due: dict[str, int] = {}

    # --- our requests ---------------------------------------------------------------------------

    def ask(self, kind: str, channel: str, product_ids: tuple[str, ...], at_ns: int) -> None:
        """Note a request of ours. Unsubscribing without products drops the channel."""
        asked = self.asked.setdefault(channel, set())
        if kind == "subscribe":
            asked.update(product_ids)
            for product_id in product_ids or (None,):
                self._await((channel, product_id), at_ns)
            return
        dropped = product_ids or tuple(asked)
        self.former.update((channel, product_id) for product_id in asked.intersection(dropped))
        if not dropped:
            self.former.add((channel, WHOLE))
        asked.difference_update(dropped)
        if not asked:
            del self.asked[channel]  # a channel without products is one that names none
        for product_id in dropped or (None,):
            self._drop((channel, product_id), at_ns)

    def _await(self, key: Key, at_ns: int) -> None:
        self.answers_due[key] = at_ns + _patience_ns(ANSWER_NS_MAX, self.tries.get(key, 0))
        self.leaving.pop(key, None)
        self.heard_ns.pop(key, None)
        self.heard_paused_ns.pop(key, None)
        self.spoken.discard(key)
        channel, product_id = key
        if channel == LEVEL2 and product_id is not None:
            self.snapshots_due[product_id] = at_ns + (
                SNAPSHOT_NS_MAX << self._doublings(product_id)
            )

    def _drop(self, key: Key, at_ns: int) -> None:
        channel, product_id = key
        _, tries = self.leaving.get(key, (0, 0))
        self.leaving[key] = (at_ns + (ANSWER_NS_MAX << min(tries, DOUBLINGS_MAX)), tries)
        self.answers_due.pop(key, None)
        self.heard_ns.pop(key, None)
        self.heard_paused_ns.pop(key, None)
        self.spoken.discard(key)
        if channel == LEVEL2 and product_id is not None:
            self._due_no_more(product_id)  # every try begins so: how many there were is kept

    def knows(self, channel: str, product_id: str) -> bool:
        """Whether a product was asked for, by this name or by its alias.

        ``-USDC`` ids come back as ``-USD`` (`coinbase.md` §1.7). Where nothing is known of the
        channel's subscriptions (a record that begins in the middle), every product is known.
        """
        asked, alias = self.asked.get(channel), f"{product_id}C"
        if asked is not None and (not asked or product_id in asked or alias in asked):
            return True
        left = {each for name, each in self.former if name == channel}
        is_left = not left.isdisjoint({product_id, alias, WHOLE})
        return is_left or (asked is None and not left)

    def wants(self, product_id: str) -> bool:
        """Whether a product was asked for on any channel, or nothing is known of what was."""
        products = [asked for asked in self.asked.values() if asked]
        return not products or any(
            product_id in asked or f"{product_id}C" in asked for asked in products
        )

    def gave_up(self, key: Key) -> bool:
        """Whether we unsubscribed from this and have not asked for it again."""
        channel, product_id = key
        if product_id is None:
            return (channel, WHOLE) in self.former and channel not in self.asked
        asked = self.asked.get(channel, ())
        names = (product_id, f"{product_id}C")
        former = any((channel, each) in self.former for each in names)
        return former and not any(each in asked for each in names)

    def promises(self, key: Key) -> bool:
        """Whether data of this goes on: it is asked for now, or nothing is known of what was.

        Only that is recorded. Of a stranger, or of what was left, nothing says that more comes.
        """
        channel, product_id = key
        if product_id in self.asked.get(channel, ()):
            return True  # nearly always
        return not self.gave_up(key) and (product_id is None or self.knows(channel, product_id))

    # --- answers and data -----------------------------------------------------------------------

    def served(self, channels: Mapping[str, Iterable[str]], now_ns: int) -> None:
        """Take the venue's full set of subscriptions; what it does not list is due again."""
        for key in [key for key in self.leaving if not _is_listed(key, channels)]:
            del self.leaving[key]
        for channel, asked in self.asked.items():
            keys: list[Key] = [(channel, each) for each in sorted(asked)] or [(channel, None)]
            for key in keys:
                if _is_listed(key, channels):
                    self._listed(key, now_ns)
                elif key in self.heard_ns and self.tries.get(key, 0) < TRIES_MAX:
                    due_ns = now_ns + ANSWER_NS_MAX  # it was listed, or spoke, and is no more
                    self.answers_due[key] = min(due_ns, self.answers_due.get(key, due_ns))

    def _listed(self, key: Key, now_ns: int) -> None:
        """The answer has it. It may never deliver all the same (`coinbase.md` §1.6.2)."""
        if key in self.heard_ns:
            if key in self.spoken:
                self.answers_due.pop(key, None)
            return
        self.heard_ns[key] = now_ns
        self.heard_paused_ns[key] = self.paused_ns
        self.answers_due.pop(key, None)
        if key[0] in BEGIN_WITH_DATA:
            wait_ns = BEATS_NS_MAX if key[0] == HEARTBEATS else DATA_NS_MAX
            self.answers_due[key] = now_ns + _patience_ns(wait_ns, self.tries.get(key, 0))

    def came(self, key: Key, now_ns: int) -> int | None:
        """Take data; how long it was silent before, None where that is not known."""
        if self.answers_due or self.tries or self.silences:
            self._answered(key)
        silence_ns = None
        if key in self.spoken:
            silence_ns = self.silent_ns(key, now_ns)
        else:
            self.spoken.add(key)
        self.heard_ns[key] = now_ns
        self.heard_paused_ns[key] = self.paused_ns
        return silence_ns

    def silent_ns(self, key: Key, now_ns: int) -> int:
        """How long a channel has been silent while its connection was not."""
        paused_ns = self.paused_ns - self.heard_paused_ns.get(key, 0)
        return now_ns - self.heard_ns[key] - paused_ns

    def pause(self, by_ns: int) -> None:
        """The whole connection was silent for so long: that is no silence of one channel."""
        self.paused_ns += by_ns

    def awaits(self, key: Key) -> bool:
        """Whether data of this would answer anything, by its own name or its alias."""
        if not (self.answers_due or self.tries or self.silences):
            return False
        names = _names(key)
        return any(
            each in due for due in (self.answers_due, self.tries, self.silences) for each in names
        )

    def _answered(self, key: Key) -> None:
        for each in _names(key):
            self.answers_due.pop(each, None)
            self.tries.pop(each, None)
            self.silences.pop(each, None)

    def unanswered(self, now_ns: int, idle: Container[str | None] = ()) -> list[tuple[Key, bool]]:
        """What was asked for and did not come in time, and whether to ask again at once.

        If not, it is due again after a rest. Then that of ``idle`` products rests on, untold.
        """
        overdue: list[tuple[Key, bool]] = []
        for key in sorted(
            (key for key, due_ns in self.answers_due.items() if due_ns <= now_ns),
            key=lambda key: (key[0], key[1] or ""),
        ):
            del self.answers_due[key]
            tries = self.tries.get(key, 0)
            if tries >= TRIES_MAX and key[1] in idle:
                self.answers_due[key] = now_ns + REST_NS
                continue
            self.tries[key] = tries + 1
            if rests := tries + 1 == TRIES_MAX:
                self.answers_due[key] = now_ns + REST_NS
            overdue.append((key, not rests))
        return overdue

    def not_left(self, now_ns: int) -> list[tuple[Key, bool]]:
        """What we unsubscribed from and no answer says that it is so, and whether to do it again.

        An unsubscription that was refused for being one message too many is not answered at all.
        """
        late: list[tuple[Key, bool]] = []
        for key in sorted(
            (key for key, (due_ns, _) in self.leaving.items() if due_ns <= now_ns),
            key=lambda key: (key[0], key[1] or ""),
        ):
            tries = self.leaving.pop(key)[1] + 1
            if tries < TRIES_MAX:
                self.leaving[key] = (now_ns + (ANSWER_NS_MAX << tries), tries)
            late.append((key, tries < TRIES_MAX))
        return late

    # --- snapshots ------------------------------------------------------------------------------

    def snapshot_came(self, product_id: str) -> None:
        """Note a product's snapshot; it is due no more, and the tries begin anew."""
        self._due_no_more(product_id)
        self.in_vain.pop(product_id, None)

    def snapshots_doubted(self, product_id: str | None, now_ns: int) -> None:
        """What was lost or could not be read may have been a snapshot (None: of any product)."""
        for each in self.snapshots_due if product_id is None else {product_id}:
            due_ns = self.snapshots_due.get(each)
            if due_ns is not None:
                wait_ns = DOUBTED_NS_MAX << self._doublings(each)
                self.snapshots_due[each] = min(due_ns, now_ns + wait_ns)

    def _doublings(self, product_id: str) -> int:
        return min(self.in_vain.get(product_id, 0), SNAPSHOT_DOUBLINGS_MAX)

    def refused(self, now_ns: int) -> None:
        """A request was one too many: snapshots that are due may not have been asked for at all.

        Each is asked for again as any other is, and it was no try in vain.
        """
        for product_id in sorted(self.snapshots_due):
            last_ns, times = self.resyncs.get(product_id, (now_ns, 1))
            del self.snapshots_due[product_id]
            due_ns = max(last_ns + self._wait_ns(times), now_ns + DOUBTED_NS_MAX)
            self.resyncs_due[product_id] = due_ns

    def _due_no_more(self, product_id: str) -> None:
        self.snapshots_due.pop(product_id, None)
        self.resyncs_due.pop(product_id, None)

    def resync(self, product_id: str, now_ns: int) -> bool:
        """Whether to ask for another snapshot now; if it is too soon, it is put off."""
        last = self.resyncs.get(product_id)
        if last is not None:
            due_ns = last[0] + self._wait_ns(last[1])
            if now_ns < due_ns:
                self.resyncs_due[product_id] = due_ns
                return False
        self._due_no_more(product_id)  # for no other cause: it is asked for once
        self._resynced(product_id, now_ns)
        return True

    def _wait_ns(self, times: int) -> int:
        return RESYNC_NS_MIN << min(times - 1, DOUBLINGS_MAX)

    def _resynced(self, product_id: str, now_ns: int) -> None:
        last_ns, times = self.resyncs.get(product_id, (0, 0))
        if times and now_ns > last_ns + self._wait_ns(times) + CALM_NS:
            times = 0
        self.resyncs[product_id] = (now_ns, times + 1)

    def overdue(self, now_ns: int, idle: Container[str] = ()) -> list[str]:
        """Products whose snapshot did not come in time, by name; each is said once.

        Of those that are ``idle`` it rests, untold, once the wait is the longest.
        """
        for product_id, due_ns in self.snapshots_due.items():
            if (
                due_ns <= now_ns
                and product_id in idle
                and self.in_vain.get(product_id, 0) >= (SNAPSHOT_DOUBLINGS_MAX)
            ):
                self.snapshots_due[product_id] = now_ns + REST_NS
        late = self._take_due(self.snapshots_due, now_ns)
        for product_id in late:
            self.in_vain[product_id] = self.in_vain.get(product_id, 0) + 1
        return late

    def put_off(self, now_ns: int) -> list[str]:
        """Products whose snapshot was put off until now, by name; each is said once."""
        return self._take_due(self.resyncs_due, now_ns)

    def _take_due(self, times: dict[str, int], now_ns: int) -> list[str]:
        due = sorted(each for each, due_ns in times.items() if due_ns <= now_ns)
        for product_id in due:
            self._due_no_more(product_id)  # for neither cause
            self._resynced(product_id, now_ns)
        return due


def _names(key: Key) -> tuple[Key, Key]:
    """What data of a channel and product answers: itself, or its alias."""
    channel, product_id = key
    return key, (channel, f"{product_id}C")


def _patience_ns(first_ns: int, tries: int) -> int:
    """How long something is waited for that was asked for in vain so often."""
    return REST_NS if tries >= TRIES_MAX else first_ns << tries


def _is_listed(key: Key, channels: Mapping[str, Iterable[str]]) -> bool:
    """Whether an answer has a channel, and the product in it, by its own name or its alias."""
    channel, product_id = key
    listed = channels.get(channel)
    if listed is None or product_id is None:
        return listed is not None
    names = set(listed)
    return product_id in names or _usd(product_id) in names


def _usd(product_id: str) -> str:
    """The name that an alias is served by: ``-USDC`` as ``-USD``."""
    return product_id.removesuffix("C") if product_id.endswith("-USDC") else product_id
