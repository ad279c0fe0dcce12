"""What the rows of the share of a processor are made of."""

from tests.bench.living import Life
from tests.bench.sharing import middle
from tests.bench.timing import fixed_ms


def life(processor_s: float, seconds: float = 10.0) -> Life:
    """A life of a share; nothing else of it counts."""
    return Life(1, seconds, processor_s, 0.0, 0.0, 0.0)


def test_the_median_life_is_that_of_the_share() -> None:
    """Not that of the processor time, which grows with the time of the clock; the lower of two."""
    few, much, long = life(1.0), life(3.0), life(4.0, 20.0)
    assert middle([much, few, long]) is long
    assert middle([much, few]) is few
    assert middle([much]) is much


def test_the_fixed_work_takes_time() -> None:
    """As much as a processor can: it is never nothing."""
    assert fixed_ms() > 0.1
