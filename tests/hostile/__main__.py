"""The command line: spoils frames, prints figures, exits 1 where a promise is broken."""

import argparse
import sys
import time

from tests.hostile.attack import run


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000, help="how many (1000000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--processes", type=int, default=2, help="side by side (2)")
    options = parser.parse_args()
    began_s = time.monotonic()
    found = run(options.frames, options.seed, options.processes)
    unreadable = found.labels["malformed"] + found.labels["unknown"]
    for name, value in (
        ("frames", f"{found.frames:,}"),
        ("counted", f"{found.counted:,}"),
        ("read back from a capture, byte for byte", f"{found.kept:,}"),
        ("not understood", f"{unreadable:,}"),
        ("rows", f"{found.rows:,}"),
        ("faults written down", f"{found.faults:,}"),
        ("longest stall by one frame", f"{found.longest_s * 1000:.1f} ms of processor"),
        ("seconds", f"{time.monotonic() - began_s:.0f}"),
    ):
        print(f"{name:<42}{value}")
    for each in found.broken:
        print(f"BROKEN {each}")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
