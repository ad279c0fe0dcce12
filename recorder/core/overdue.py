"""What did not come or did not end: answers, snapshots, and channels of a product that fell silent.

Looked for about once a second, as the frames of the connection come: one that is silent altogether
has a deadline of its own (`Session.deadline_ns`). Each is written down and asked for again.
"""

from recorder.core.asking import BEATS_NS_MAX, REST_NS, Key
from recorder.core.coverage import Interval, Missing
from recorder.core.knowledge import Knowledge, Place
from recorder.core.messages import HEARTBEATS, LEVEL2, Unsubscribe

ONLINE = ("", "online")  # a product in another state is silent with good cause
SILENCES_MAX = 6  # doublings of the silence that is allowed
_SELDOM = f"asked again every {REST_NS // 60_000_000_000} minutes only"


def look(known: Knowledge, place: Place) -> None:
    """Find what is overdue on one connection."""
    session, now_ns = place.session, place.origin.recv_ns
    if session.answers_due:
        _look_for_answers(known, place)
    if session.leaving:
        _look_for_what_is_left(known, place)
    if session.snapshots_due:
        _look_for_snapshots(known, place)
    if session.resyncs_due:
        known.ask_again(LEVEL2, session.put_off(now_ns), "put_off", place)
    _look_for_silence(known, place)


def _look_for_answers(known: Knowledge, place: Place) -> None:
    again: dict[str, list[str]] = {}
    session, connection_id = place.session, place.connection_id
    for key, again_now in session.unanswered(place.origin.recv_ns, _idle(known)):
        channel, product_id = key
        listed_ns = session.heard_ns.get(key)
        what = "neither an answer nor data came" if listed_ns is None else "no data came"
        detail = f"asked for, and {what}; " + ("asked again" if again_now else _SELDOM)
        if channel == LEVEL2 and product_id is not None:
            known.doubt_book(connection_id, product_id, "not_served", place.step)
        if listed_ns is not None:  # what does not begin with data was recorded since the answer
            missing = Missing(listed_ns, "not_served", connection_id=connection_id)
            ended = known.coverage.end(key, connection_id, listed_ns, missing)
            known.note(ended, place.ingest_seq, place.step)
        known.coverage.want(key)
        known.fault(
            "not_served", detail, place, channel=channel, product_id=product_id, keep_raw=False
        )
        if again_now:
            products = again.setdefault(channel, [])
            products += [product_id] if product_id is not None else []
    for channel, products in again.items():
        _ask_again(known, channel, products, "not_served", place)


def _idle(known: Knowledge) -> set[str]:
    """The products of which the venue says that they do not trade."""
    return {each for each, status in known.statuses.items() if status not in ONLINE}


def _look_for_what_is_left(known: Knowledge, place: Place) -> None:
    """What we unsubscribed from goes on, and counts to the venue's cap, if that was refused."""
    again: dict[str, list[str]] = {}
    for (channel, product_id), again_now in place.session.not_left(place.origin.recv_ns):
        detail = "unsubscribed, and no answer says so; " + (
            "unsubscribed again" if again_now else "left alone until the next connection"
        )
        known.fault(
            "not_unsubscribed", detail, place,
            channel=channel, product_id=product_id, keep_raw=False,
        )  # fmt: skip
        if again_now:
            products = again.setdefault(channel, [])
            products += [product_id] if product_id is not None else []
    place.step.requests += [
        Unsubscribe(place.connection_id, channel, tuple(products))
        for channel, products in again.items()
    ]


def _look_for_snapshots(known: Knowledge, place: Place) -> None:
    late = place.session.overdue(place.origin.recv_ns, _idle(known))
    for product_id in late:
        known.coverage.want((LEVEL2, product_id))
        known.fault(
            "snapshot_overdue", "a snapshot was asked for and did not come; asked again", place,
            channel=LEVEL2, product_id=product_id, keep_raw=False,
        )  # fmt: skip
    known.ask_again(LEVEL2, late, "snapshot_overdue", place)


def _look_for_silence(known: Knowledge, place: Place) -> None:
    session, now_ns = place.session, place.origin.recv_ns
    silent: list[tuple[Key, int, int]] = []
    for key in session.spoken:
        allowed_ns = _allowed_ns(known, key)
        if allowed_ns is None:
            continue
        allowed_ns <<= min(session.silences.get(key, 0), SILENCES_MAX)
        if session.silent_ns(key, now_ns) > allowed_ns:
            silent.append((key, session.heard_ns[key], allowed_ns))
    for key, last_ns, allowed_ns in sorted(silent, key=lambda each: (each[0][0], each[0][1] or "")):
        _fell_silent(known, key, last_ns, allowed_ns, place)


def _allowed_ns(known: Knowledge, key: Key) -> int | None:
    channel, product_id = key
    if channel == HEARTBEATS:
        return BEATS_NS_MAX
    if product_id is None or known.statuses.get(product_id, "") not in ONLINE:
        return None
    flow = known.flows.get(key)
    return None if flow is None else flow.allowed_ns()


def _fell_silent(known: Knowledge, key: Key, last_ns: int, allowed_ns: int, place: Place) -> None:
    """Nothing came for too long while the connection was alive: doubtful since the last of it."""
    session, connection_id = place.session, place.connection_id
    channel, product_id = key
    seconds = (place.origin.recv_ns - last_ns) / 1e9
    detail = f"nothing for {seconds:.0f} s, where {allowed_ns / 1e9:.0f} s are usual at most"
    known.fault(
        "channel_silent", detail, place, channel=channel, product_id=product_id, keep_raw=False
    )
    if channel == LEVEL2 and product_id is not None:
        known.doubt_book(connection_id, product_id, "channel_silent", place.step)
    missing = Missing(last_ns, "channel_silent", connection_id=connection_id)
    ended: list[Interval] = known.coverage.end(key, connection_id, last_ns, missing)
    known.note(ended, place.ingest_seq, place.step)
    session.silences[key] = session.silences.get(key, 0) + 1
    products = [] if product_id is None else [product_id]
    _ask_again(known, channel, products, "channel_silent", place)


def _ask_again(
    known: Knowledge, channel: str, products: list[str], reason: str, place: Place
) -> None:
    """Ask for a channel anew; for books as for any other reason, each not too often."""
    if channel == LEVEL2:
        known.resync(products, reason, place)
    else:
        known.ask_channel_again(channel, products, reason, place)
