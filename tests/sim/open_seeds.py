"""Seeds that break a promise today, each a fault of ours that is still to be found.

They are played and told like all others, and do not end a run as a failure. Whoever mends one takes
it out; nothing is put in here to let a change pass.
"""

OPEN = {
    1443: "a silent connection is kept open for 5.9 s (exchange)",
}
