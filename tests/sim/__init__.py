"""Deterministic simulation: the real recorder and the real venue, one seed a run.

The code that runs is the product's: `recorder.daemon.Recorder` with the `websockets` client, and
`recorder.venue.Venue` with its server. What is made up is time, which passes only while everybody
waits, and the network between them, which is memory. A seed decides all of it: the protocol, the
market, what is to be recorded and when that changes, the faults and their times, stops and starts,
the latencies, and the sizes of what arrives at once. After a minute of faults the world heals, and
these promises are checked:

 1. What the venue sent is in the capture, byte for byte and in order, or lies in an interval that
    says that it was not recorded; no gap names a recorded frame.
 2. A book that is LIVE is the venue's after every frame, in the end, and at the hour; rows build on
    a snapshot of their own session with nothing lost since.
 3. Silence is noticed within 5 s, and after the healing everything is recorded again in time.
 4. Trades are rows once; one that nobody heard is told, and lies in a gap.
 5. The intervals of a track neither overlap nor leave a hole. What is recorded was asked for, what
    was asked for is told until the end, and in the end nothing is served that is not wanted.
 6. Connects, messages, refused connects and asks for snapshots stay within their limits.
 7. Tasks and buffers are bounded, and nothing outlives the end.
 8. The same seed comes to the same bytes (tests/test_sim.py).
 9. The capture, replayed, gives the same files.
10. Nothing of ours fails.
11. What feeds the watchdog of a service moves: neither venue nor disk make the recorder look stuck.

Where frames have no numbers (Exchange), nobody can tell that a book lacks one: there a book must be
what was heard.

    python -m tests.sim --seeds 200         play seeds 0 … 199
    python -m tests.sim --seed 7 --verbose  play one again and tell what happened
    python -m tests.sim.planted             plant bugs; each must be noticed
"""
