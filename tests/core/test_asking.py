"""What was asked for, and what of it came."""

from recorder.core.asking import (
    ANSWER_NS_MAX,
    CALM_NS,
    DATA_NS_MAX,
    DOUBTED_NS_MAX,
    REST_NS,
    RESYNC_NS_MIN,
    SNAPSHOT_NS_MAX,
    TRIES_MAX,
    Asking,
)

TICKER = ("ticker", "BTC-USD")


def test_an_answer_is_due_until_it_or_data_comes() -> None:
    for answer in (True, False):
        asking = Asking()
        asking.ask("subscribe", "ticker", ("BTC-USD", "ETH-USD"), 100)
        if answer:
            asking.served({"ticker": ["BTC-USD"]}, 200)
        else:
            asking.came(TICKER, 200)
        assert asking.unanswered(99 + ANSWER_NS_MAX) == []
        assert asking.unanswered(100 + ANSWER_NS_MAX) == [(("ticker", "ETH-USD"), True)]
        # What begins with data must come, too.
        assert asking.unanswered(199 + DATA_NS_MAX) == []
        assert asking.unanswered(200 + DATA_NS_MAX) == ([(TICKER, True)] if answer else [])


def test_data_answers_what_is_awaited() -> None:
    """By its own name or its alias; others may go on waiting."""
    asking = Asking()
    asking.ask("subscribe", "ticker", ("BTC-USD", "ETH-USDC"), 100)
    alias = ("ticker", "ETH-USD")
    assert asking.awaits(TICKER)
    assert asking.awaits(alias)
    asking.came(TICKER, 200)
    assert (asking.awaits(TICKER), asking.awaits(alias)) == (False, True)
    asking.came(alias, 300)
    assert not asking.awaits(alias)


def test_an_alias_is_served_by_its_own_name() -> None:
    """``-USDC`` comes back as ``-USD`` (`coinbase.md` §1.7)."""
    asking = Asking()
    asking.ask("subscribe", "ticker", ("BTC-USDC", "ETH-USDC"), 100)
    asking.served({"ticker": ["BTC-USD"]}, 200)
    asking.came(("ticker", "ETH-USD"), 200)
    assert asking.unanswered(199 + DATA_NS_MAX) == []


def test_tries_become_seldom_and_data_begins_anew() -> None:
    """The fifth in vain is followed by a rest; of what does not trade it has no end."""
    asking, now_ns = Asking(), 0
    answers = []
    for _ in range(TRIES_MAX):
        asking.ask("subscribe", *(TICKER[0], (TICKER[1],)), now_ns)
        now_ns += 10**12
        answers += asking.unanswered(now_ns)
    assert [again for _, again in answers] == [True] * (TRIES_MAX - 1) + [False]
    asking.served({}, now_ns)
    assert asking.unanswered(now_ns + REST_NS - 1) == []
    now_ns += REST_NS
    assert asking.unanswered(now_ns, {TICKER[1]}) == []
    now_ns += REST_NS
    assert asking.unanswered(now_ns) == [(TICKER, True)]
    asking.ask("subscribe", *(TICKER[0], (TICKER[1],)), now_ns)
    assert asking.unanswered(now_ns + REST_NS - 1) == []
    assert asking.unanswered(now_ns + REST_NS) == [(TICKER, True)]
    asking.came(TICKER, now_ns)
    asking.served({}, now_ns)
    assert asking.unanswered(10**18) == [(TICKER, True)]


def test_a_channel_of_which_nothing_is_wanted_now_is_not_due() -> None:
    """Between unsubscribing and subscribing the venue lists it no more, and rightly."""
    asking = Asking()
    asking.ask("subscribe", "level2", ("BTC-USD",), 0)
    asking.ask("unsubscribe", "level2", ("BTC-USD",), 10)
    asking.served({"ticker": []}, 20)
    asking.ask("subscribe", "level2", ("BTC-USD",), 30)
    asking.came(("level2", "BTC-USD"), 40)
    assert asking.unanswered(10**18) == []


def test_silence_is_known_between_data_only() -> None:
    """An answer is no data; a new subscription begins anew."""
    asking = Asking()
    asking.ask("subscribe", "ticker", ("BTC-USD",), 100)
    asking.served({"ticker": ["BTC-USD"]}, 200)
    assert asking.came(TICKER, 300) is None
    assert asking.came(TICKER, 450) == 150
    asking.ask("unsubscribe", "ticker", ("BTC-USD",), 500)
    asking.ask("subscribe", "ticker", ("BTC-USD",), 500)
    assert asking.came(TICKER, 900) is None
    assert asking.came(TICKER, 901) == 1


def test_waits_for_snapshots_double_and_calm_begins_anew() -> None:
    asking = Asking()
    assert asking.resync("BTC-USD", 0)
    now_ns, waits = 0, []
    for _ in range(8):
        assert not asking.resync("BTC-USD", now_ns)
        due_ns = asking.resyncs_due["BTC-USD"]
        waits.append((due_ns - now_ns) // RESYNC_NS_MIN)
        now_ns = due_ns
        assert asking.put_off(now_ns) == ["BTC-USD"]
    assert waits == [1, 2, 4, 8, 16, 32, 32, 32]
    now_ns += 33 * RESYNC_NS_MIN + CALM_NS
    assert asking.resync("BTC-USD", now_ns)
    assert not asking.resync("BTC-USD", now_ns)
    assert asking.resyncs_due["BTC-USD"] == now_ns + RESYNC_NS_MIN


def test_what_is_wanted() -> None:
    asking = Asking()
    assert asking.wants("BTC-USD")
    asking.ask("subscribe", "status", (), 1)
    assert asking.wants("BTC-USD")
    asking.ask("subscribe", "ticker", ("BTC-USD", "ETH-USDC"), 1)
    assert asking.wants("BTC-USD")
    assert asking.wants("ETH-USD")
    assert not asking.wants("SOL-USD")


def test_a_snapshot_that_may_have_been_lost_is_not_waited_for_long() -> None:
    """A lost or unreadable frame may have been it, of one product or of any."""
    for product in ("BTC-USD", None):
        asking = Asking()
        asking.ask("subscribe", "level2", ("BTC-USD", "ETH-USD"), 0)
        asking.snapshots_doubted(product, 100)
        asking.snapshots_doubted("SOL-USD", 100)
        due = asking.overdue(100 + DOUBTED_NS_MAX)
        both = ["BTC-USD", "ETH-USD"]
        assert due == (both[:1] if product else both)
        assert due + asking.overdue(SNAPSHOT_NS_MAX) == both


def test_what_goes_on() -> None:
    """What is asked for, by either name, and where nothing is known of it; not what was left."""
    asking = Asking()
    assert asking.promises(TICKER)
    asking.ask("subscribe", "ticker", ("BTC-USD", "ETH-USDC"), 0)
    assert asking.promises(TICKER)
    assert asking.promises(("ticker", "ETH-USD"))
    assert asking.promises(("status", "BTC-USD"))
    assert asking.promises(("heartbeats", None))
    assert not asking.promises(("ticker", "SOL-USD"))
    asking.ask("unsubscribe", "ticker", ("BTC-USD",), 0)
    assert not asking.promises(TICKER)
    asking.ask("unsubscribe", "ticker", ("ETH-USDC",), 0)
    for name, is_known in (("BTC-USD", True), ("ETH-USD", True), ("SOL-USD", False)):
        assert asking.knows("ticker", name) is is_known  # nothing of it is asked for any more
        assert not asking.promises(("ticker", name))
    for _ in range(2):
        asking.ask("subscribe", "status", (), 0)  # of all products
        assert asking.knows("status", "BTC-USD")
        asking.ask("unsubscribe", "status", (), 0)
        assert asking.knows("status", "BTC-USD")
    asking.ask("subscribe", "heartbeats", (), 0)
    asking.ask("unsubscribe", "heartbeats", (), 0)
    assert not asking.promises(("heartbeats", None))


def test_one_request_for_a_snapshot_is_one_for_every_cause() -> None:
    """What is asked for now is neither overdue nor put off, and counts as one try."""
    asking = Asking()
    asking.ask("subscribe", "level2", ("BTC-USD",), 0)
    now_ns = SNAPSHOT_NS_MAX
    assert asking.resync("BTC-USD", now_ns)
    assert asking.overdue(now_ns) == []
    assert not asking.resync("BTC-USD", now_ns + 1)
    assert asking.resync("BTC-USD", now_ns + RESYNC_NS_MIN)
    assert asking.put_off(now_ns + RESYNC_NS_MIN) == []
    assert not asking.resync("BTC-USD", now_ns + 3 * RESYNC_NS_MIN - 1)
    assert asking.resync("BTC-USD", now_ns + 3 * RESYNC_NS_MIN)


def test_a_snapshot_whose_request_was_refused_is_asked_for_soon() -> None:
    """It is no try in vain, and asked for as any other: each time after twice the wait."""
    asking, now_ns, waits = Asking(), 0, []
    for _ in range(2 * TRIES_MAX):
        asking.ask("unsubscribe", "level2", ("BTC-USD",), now_ns)
        asking.ask("subscribe", "level2", ("BTC-USD",), now_ns)
        for _ in range(2):  # both of them
            asking.refused(now_ns)
        due_ns = asking.resyncs_due["BTC-USD"]
        assert asking.overdue(due_ns) == asking.put_off(due_ns - 1) == []
        assert asking.put_off(due_ns) == ["BTC-USD"]
        waits.append((due_ns - now_ns) // 10**9)
        now_ns = due_ns
    assert waits == [10, 10, 20, 40, 80, 160, 320, 320, 320, 320]
    asking.ask("subscribe", "level2", ("BTC-USD",), now_ns)
    asking.refused(now_ns)
    asking.snapshot_came("BTC-USD")  # another request was refused
    asking.refused(now_ns)
    assert asking.put_off(10**18) == asking.overdue(10**18) == []


def test_waits_for_snapshots_in_vain_grow_to_a_longest() -> None:
    """Every try unsubscribes first, and that is no new begin. Nothing else gives a book."""
    asking, now_ns, waits = Asking(), 0, []
    for _ in range(8):
        asking.ask("unsubscribe", "level2", ("BTC-USD",), now_ns)
        asking.ask("subscribe", "level2", ("BTC-USD",), now_ns)
        due_ns = asking.snapshots_due["BTC-USD"]
        waits.append((due_ns - now_ns) // 10**9)
        now_ns = due_ns
        assert asking.overdue(now_ns) == ["BTC-USD"]
    assert waits == [30, 60, 120, 240, 480, 480, 480, 480]
    assert asking.overdue(10**18) == []
    asking.ask("subscribe", "level2", ("BTC-USD",), now_ns)
    asking.snapshot_came("BTC-USD")
    asking.ask("subscribe", "level2", ("BTC-USD",), now_ns)
    assert asking.snapshots_due["BTC-USD"] == now_ns + SNAPSHOT_NS_MAX


def test_snapshots_that_cannot_be_read_are_asked_for_ever_more_slowly() -> None:
    """One of BTC-USD is 5 MB; but they come, so that the next one may be whole."""
    asking, now_ns, waits = Asking(), 0, []
    for _ in range(7):
        asking.ask("unsubscribe", "level2", ("BTC-USD",), now_ns)
        asking.ask("subscribe", "level2", ("BTC-USD",), now_ns)
        asking.snapshots_doubted("BTC-USD", now_ns)
        due_ns = asking.snapshots_due["BTC-USD"]
        waits.append((due_ns - now_ns) // 10**9)
        now_ns = due_ns
        assert asking.overdue(now_ns) == ["BTC-USD"]
    assert waits == [10, 20, 40, 80, 160, 160, 160]


def test_what_was_left_must_be_answered() -> None:
    """An answer without it will do; one that still lists it will not, by either name."""
    asking = Asking()
    asking.ask("subscribe", "ticker", ("BTC-USDC", "ETH-USD"), 0)
    asking.ask("subscribe", "status", (), 0)
    asking.ask("unsubscribe", "ticker", ("BTC-USDC", "ETH-USD"), 100)
    asking.ask("unsubscribe", "status", (), 100)
    asking.served({"ticker": ["BTC-USD"], "status": ["status"]}, 200)
    assert asking.not_left(99 + ANSWER_NS_MAX) == []
    left = [("status", None), ("ticker", "BTC-USDC")]
    assert asking.not_left(100 + ANSWER_NS_MAX) == [(key, True) for key in left]
    asking.served({"heartbeats": ["heartbeats"]}, 300)
    assert asking.leaving == {}


def test_what_is_asked_for_again_is_not_left() -> None:
    asking = Asking()
    asking.ask("subscribe", "level2", ("BTC-USD",), 0)
    asking.ask("unsubscribe", "level2", ("BTC-USD",), 100)
    asking.ask("subscribe", "level2", ("BTC-USD",), 200)
    assert asking.not_left(10**18) == []


def test_leaving_has_an_end() -> None:
    """Each time after twice the wait, and then not before the next connection."""
    asking = Asking()
    asking.ask("subscribe", "ticker", ("BTC-USD",), 0)
    now_ns, told = 0, []
    for _ in range(TRIES_MAX):
        asking.ask("unsubscribe", "ticker", ("BTC-USD",), now_ns)
        assert asking.not_left(now_ns + (ANSWER_NS_MAX << len(told)) - 1) == []
        now_ns += ANSWER_NS_MAX << len(told)
        told += asking.not_left(now_ns)
    assert told == [(TICKER, True)] * (TRIES_MAX - 1) + [(TICKER, False)]
    assert asking.not_left(10**18) == []


def test_a_channel_without_products_is_given_up_as_a_whole() -> None:
    """What is still on its way does not begin it again; another request does."""
    asking = Asking()
    status = ("status", None)
    assert not asking.gave_up(status)  # nothing is known of it
    asking.ask("subscribe", "status", (), 0)
    assert not asking.gave_up(status)
    asking.ask("unsubscribe", "status", (), 0)
    assert asking.gave_up(status)
    asking.ask("subscribe", "status", (), 0)
    assert not asking.gave_up(status)
