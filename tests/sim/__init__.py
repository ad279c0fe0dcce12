"""Deterministic simulation: the real recorder and the real venue, one seed a run.

The code that runs is the product's: `recorder.live.Recorder` with the `websockets` client, and
`recorder.venue.Venue` with its server. What is made up is time, which passes only while everybody
waits, and the network between them, which is memory. A seed decides all of it: the market, the
faults and their times, the latencies and the sizes of what arrives at once. After a minute of
faults the world heals, and the promises are checked.

    python -m tests.sim --seeds 200         play seeds 0 … 199
    python -m tests.sim --seed 7 --verbose  play one again and tell what happened
"""
