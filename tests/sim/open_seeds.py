"""Seeds that break a promise today, each a fault of ours that is still to be found.

They are played and told like all others, and do not end a run as a failure. Whoever mends one takes
it out; nothing is put in here to let a change pass.
"""

OPEN = {
    537: "a trade that was not heard is in no gap (advanced, changing plans)",
    1145: "a gap of a few frames is not told around a change of the plan (advanced)",
    1240: "a book is not recorded again 45 s after the healing (advanced)",
    1758: "after snapshots of wrong products two books are not the market's (advanced)",
}
