"""The time of receipt never goes back, whatever is done to the system's clock."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.clock import Clock

S = 1_000_000_000


class Hands:
    """A wall clock and a monotonic clock that a test sets."""

    def __init__(self, wall_ns: int = 1_000 * S) -> None:
        self.wall_ns = wall_ns
        self.mono_ns = 7 * S

    def pass_(self, nanoseconds: int, step_ns: int = 0) -> None:
        self.wall_ns += nanoseconds + step_ns
        self.mono_ns += nanoseconds

    def clock(self, after_ns: int = 0) -> Clock:
        return Clock(lambda: self.wall_ns, lambda: self.mono_ns, after_ns)


def test_in_ordinary_running_it_is_the_wall_clock():
    """Without steps the time is the system's."""
    hands = Hands()
    clock = hands.clock()
    hands.pass_(3 * S)
    assert clock.now_ns() == hands.wall_ns
    assert clock.take_step() == 0


def test_a_step_forward_is_followed_and_told():
    """A clock set forward is believed, and the step can be written down."""
    hands = Hands()
    clock = hands.clock()
    hands.pass_(S, step_ns=3600 * S)
    assert clock.now_ns() == hands.wall_ns
    assert clock.take_step() == 3600 * S
    assert clock.take_step() == 0


def test_after_a_step_back_time_goes_on_slower_until_caught_up():
    """A clock set back does not stop time, and in the end it is believed."""
    hands = Hands()
    clock = hands.clock()
    before_ns = clock.now_ns()
    hands.pass_(S, step_ns=-3600 * S)
    assert clock.now_ns() == before_ns + S // 2
    assert clock.take_step() == -3600 * S
    for _ in range(7300):
        hands.pass_(S)
        clock.now_ns()
    assert clock.now_ns() == hands.wall_ns


def test_it_begins_after_what_is_recorded():
    """A start with a clock behind the newest record goes on from the record."""
    hands = Hands()
    clock = hands.clock(after_ns=hands.wall_ns + 60 * S)
    first_ns = clock.now_ns()
    assert first_ns >= hands.wall_ns + 60 * S
    hands.pass_(S)
    assert clock.now_ns() == first_ns + S // 2


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=100 * S),
            st.integers(min_value=-5000 * S, max_value=5000 * S),
        )
    )
)
def test_time_never_goes_back(moves):
    """Whatever the steps, later calls give later or equal times, and time passes."""
    hands = Hands(10**9 * S)
    clock = hands.clock()
    last_ns = clock.now_ns()
    for nanoseconds, step_ns in moves:
        hands.pass_(nanoseconds, step_ns)
        now_ns = clock.now_ns()
        assert now_ns >= last_ns
        assert now_ns >= hands.wall_ns
        last_ns = now_ns
