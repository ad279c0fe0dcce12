"""What to record, of what the venue has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.selection import (
    Listed,
    Selection,
    canonical,
    explain,
    is_pattern,
    matches,
    select,
)

LIST = (
    Listed("BTC-USD", volume=9e8),
    Listed("BTC-USDC", alias="BTC-USD", volume=9e8),
    Listed("ETH-USD", volume=5e8),
    Listed("ETH-EUR", volume=7e6),
    Listed("SOL-USD", volume=6e8),
    Listed("NEW-USD"),
    Listed("OFF-USD", "offline", volume=1.0),
    Listed("HALT-USD", trading_disabled=True, volume=2.0),
    Listed("GONE-USD", "delisted"),
    Listed("EURC-USDC", volume=3e5),
    Listed("BIT-28NOV26-CDE", ""),
)


@pytest.mark.parametrize(
    ("pattern", "product_id", "expected"),
    [
        ("BTC-USD", "BTC-USD", True),
        ("BTC-USD", "BTC-USDC", False),
        ("*-USD", "BTC-USD", True),
        ("*-USD", "BTC-USDC", False),
        ("BTC-*", "BTC-USDC", True),
        ("B*-*D", "BTC-USD", True),
        ("*", "BIT-28NOV26-CDE", True),
        ("all", "BIT-28NOV26-CDE", True),
        ("A.C-USD", "ABC-USD", False),
    ],
)
def test_what_a_pattern_means(pattern, product_id, expected):
    """Only the star is special, and the whole id must fit."""
    assert matches(pattern, product_id) is expected
    assert is_pattern(pattern) is ("*" in pattern or pattern == "all")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("BTC-USDC", "BTC-USD"),
        ("BTC-USD", "BTC-USD"),
        ("USDC-USD", "USDC-USD"),
        *((f"{base}-USDC", f"{base}-USDC") for base in ("USDT", "EURC", "XSGD", "AUDD", "TGBP")),
    ],
)
def test_aliases_by_the_rule(name, own):
    """Without a list, a USDC product is the USD book, but for those documented."""
    assert canonical(name) == own
    found = select([name])
    assert found == Selection((own,), {} if own == name else {name: own})


def test_exact_ids_need_no_list():
    """What is named is recorded, each once, under its own name."""
    found = select(["ETH-USD", "BTC-USDC", "BTC-USD"])
    assert found.products == ("BTC-USD", "ETH-USD")
    assert found.aliases == {"BTC-USDC": "BTC-USD"}
    assert select(["*-USD"]).unmatched == ("*-USD",)


def test_the_most_traded_come_first_then_the_others_by_name():
    """The order decides which products are on different connections."""
    found = select(["*-USD"], (), LIST)
    assert found.products == ("BTC-USD", "SOL-USD", "ETH-USD", "HALT-USD", "OFF-USD", "NEW-USD")
    assert found.offline == ("HALT-USD", "OFF-USD")


def test_all_is_everything_but_the_delisted():
    """A delisted product is passed over in silence unless it was asked for by its name."""
    found = select(["all"], (), LIST)
    assert set(found.products) == {each.product_id for each in LIST} - {"GONE-USD", "BTC-USDC"}
    assert (found.delisted, found.unknown, dict(found.aliases)) == ((), (), {})
    assert select(["all", "GONE-USD"], (), LIST).delisted == ("GONE-USD",)


def test_what_is_excluded_goes_by_either_name():
    """A pattern, an id, an alias of it."""
    assert select(["BTC-*", "ETH-*"], ["*-EUR"], LIST).products == ("BTC-USD", "ETH-USD")
    found = select(["*-USD"], ["BTC-USD", "SOL-*"], LIST)
    assert found.products[0] == "ETH-USD"
    assert found.excluded == ("BTC-USD", "SOL-USD")
    # The USDC names go; the USD names were asked for as well, and stay.
    found = select(["BTC-*"], ["*-USDC"], LIST)
    assert found.products == ("BTC-USD",)
    assert found.excluded == ("BTC-USDC",)
    assert select(["BTC-USDC"], ["BTC-USD"], LIST).products == ()


def test_what_is_not_there_is_told_apart():
    """Unknown by name, matched by nothing, delisted."""
    asked = ["BTC-USD", "NOPE-USD", "*-JPY", "GONE-USD"]
    found = select(asked, (), LIST)
    assert found.products == ("BTC-USD",)
    assert found.unknown == ("NOPE-USD",)
    assert found.unmatched == ("*-JPY",)
    assert found.delisted == ("GONE-USD",)


def test_an_old_list_does_not_say_that_a_product_is_unknown():
    """What was listed since then is recorded when it is asked for by its name."""
    found = select(["NOPE-USD", "BTC-USD"], (), LIST, fresh=False)
    assert found.products == ("BTC-USD", "NOPE-USD")
    assert found.unknown == ()


def test_the_list_is_right_where_it_differs_from_the_rule():
    """A USDC book of its own may come, or go."""
    own_book = (*LIST, Listed("ETH-USDC"))
    assert select(["ETH-USDC"], (), own_book).products == ("ETH-USDC",)
    merged = (Listed("EURC-USDC", alias="EURC-USD"), Listed("EURC-USD"))
    assert select(["EURC-USDC"], (), merged).products == ("EURC-USD",)


def test_the_exchange_has_no_aliases():
    """A name there is a name."""
    assert select(["BTC-USDC"], (), None, aliased=False).products == ("BTC-USDC",)


def test_every_product_has_a_reason():
    """What `recorder plan` shows: what is recorded and as what, and why the rest is not."""
    asked, exclude = ["*-USD", "BTC-USDC", "NOPE-USD", "GONE-USD"], ["ETH-*"]
    verdicts = {
        each.product_id: each
        for each in explain(asked, exclude, LIST, select(asked, exclude, LIST))
    }
    assert set(verdicts) == {each.product_id for each in LIST} | {"NOPE-USD"}
    told = {name: (each.recorded_as, each.asked, each.why) for name, each in verdicts.items()}
    assert told["BTC-USD"] == ("BTC-USD", True, "asked for by *-USD")
    assert told["BTC-USDC"] == ("BTC-USD", True, "another name of BTC-USD")
    assert told["ETH-USD"] == (None, True, "excluded by ETH-*")
    assert told["ETH-EUR"] == (None, False, "not asked for")
    assert told["NOPE-USD"] == (None, True, "not a product of the venue")
    assert told["GONE-USD"] == (None, True, "delisted")
    assert told["OFF-USD"] == ("OFF-USD", True, "asked for by *-USD; does not trade now")
    assert [*verdicts][:3] == ["BTC-USD", "BTC-USDC", "SOL-USD"]
    (alone,) = explain(["ABC-USD"], (), (), select(["ABC-USD"]))
    assert (alone.status, alone.why) == ("not listed", "asked for by ABC-USD")
    asked = ["BTC-USDC"]
    (first, *_) = explain(asked, (), LIST, select(asked, (), LIST))
    assert (first.product_id, first.why) == ("BTC-USD", "asked for under another name")


NAMES = st.sampled_from([each.product_id for each in LIST] + ["NOPE-USD", "*-USD", "BTC-*", "all"])


@given(st.lists(NAMES, max_size=5), st.lists(NAMES, max_size=3), st.randoms())
def test_a_selection_is_what_was_asked_for_and_nothing_else(asked, exclude, random):
    """Deterministic, whatever the order of the list; nothing excluded or delisted is in it."""
    shuffled = list(LIST)
    random.shuffle(shuffled)
    found = select(asked, exclude, LIST)
    assert select(asked, exclude, shuffled).products == found.products
    assert len(set(found.products)) == len(found.products)
    for product_id in found.products:
        names = [product_id, *(each.product_id for each in LIST if each.alias == product_id)]
        assert any(matches(text, name) for text in asked for name in names)
        assert not any(matches(text, product_id) for text in exclude)
        assert product_id not in {"GONE-USD", "NOPE-USD", "BTC-USDC"}
