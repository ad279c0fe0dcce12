"""Seals one hour and says what it took, as one JSON line: a process of its own, for its memory."""

import json
import sys
import time
from pathlib import Path

from recorder.store.paths import Root
from recorder.store.seal import seal_hour


def main(path: str, hour: str) -> None:
    """Seal an hour (since 1970) of a data directory."""
    before_mb = _peak_mb()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    commit = seal_hour(Root(Path(path)), int(hour))
    content = {
        "seconds": time.perf_counter() - began_s,
        "cpu_s": time.process_time() - began_cpu_s,
        "rows": commit.rows,
        "bytes": commit.bytes,
        "rss_mb": _peak_mb(),
        "rss_before_mb": before_mb,
    }
    print(json.dumps(content))


def _peak_mb() -> float:
    """This process's own peak; `getrusage` would begin with that of the process which forked it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main(*sys.argv[1:])
