"""Whether the recorded trades of a product lag behind the newest one that the venue names.

A heartbeat of the Exchange names the product's newest trade (`coinbase.md` §2.4.1), and `matches`
may be dropped (§2.3). The two come by different ways, so a trade may be named before it comes; one
that was named and has not come some seconds later is lost, or the channel is silent.
"""

from dataclasses import dataclass

LAG_NS_MAX = 5_000_000_000
DOUBLINGS_MAX = 5
CALM_NS = 60_000_000_000  # trades that held that long begin anew with the shortest wait


@dataclass(slots=True)
class Lag:
    """One product: ``trade_id`` was named at ``since_ns`` and had not come by then.

    ``times`` is how often in a row that was too long, ``told_ns`` when it last was.
    """

    trade_id: int = 0
    since_ns: int = 0
    times: int = 0
    told_ns: int = 0

    def takes(self, recorded: int, named: int, now_ns: int) -> bool:
        """Take the newest trade that is recorded and the one that is named; whether that lags.

        It is told once, and again after twice the wait each.
        """
        wait_ns = LAG_NS_MAX << min(self.times, DOUBLINGS_MAX)
        if recorded >= self.trade_id or named < self.trade_id:  # one that was wrong is not kept
            self.trade_id, self.since_ns = named, now_ns
            if self.times and recorded >= named and now_ns >= self.told_ns + wait_ns + CALM_NS:
                self.times = 0
            return False
        if now_ns < self.since_ns + wait_ns:
            return False
        self.trade_id, self.since_ns = named, now_ns
        self.times += 1
        self.told_ns = now_ns
        return True
