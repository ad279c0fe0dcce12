"""What the contenders in Python have in common: frames in, a turn for each line, seconds out."""

import gc
import json
import sys
import time
from pathlib import Path


def serve(prepare, run, tops):
    """Take turns until standard input ends.

    ``prepare(snapshots)`` gives what ``run(state, updates)`` changes, best bid and ask read after
    each message; ``tops(state)`` gives {product: [best bid, best ask]}, or None without books.
    """
    with Path(sys.argv[1]).open("rb") as file:
        count = int(file.readline())
        frames = file.read().splitlines()
    snapshots, updates = frames[:count], frames[count:]
    for _ in sys.stdin:
        state = prepare(snapshots)
        gc.collect()
        began_s = time.process_time()
        run(state, updates)
        seconds = time.process_time() - began_s
        print(json.dumps({"seconds": seconds, "tops": tops(state)}), flush=True)
