"""The command line: traces a session, prints what was checked, exits 1 at a breach.

Exits 0, with the reason, where system calls cannot be traced.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from tests.order import trace
from tests.order.rules import RULES, Judge

SHOWN = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Trace and judge."""
    parser = argparse.ArgumentParser("python -m tests.order", description=__doc__)
    parser.add_argument("--plant", help="with a bug of tests.planted in it")
    asked = parser.parse_args(arguments)
    if reason := trace.why_not():
        print(f"skipped: {reason}")
        return 0
    began_s = time.monotonic()
    judge, output = judge_session(asked.plant)
    print(_table(judge, time.monotonic() - began_s))
    for rule, what in judge.breaches[:SHOWN]:
        print(f"BROKEN {rule}: {what}")
    if output:
        print(f"the session failed:\n{output}")
    return 1 if judge.breaches or output else 0


def judge_session(plant: str | None = None) -> tuple[Judge, str]:
    """Trace a session; what was found, and what the session says where it failed."""
    with tempfile.TemporaryDirectory(prefix="order-") as folder:
        root, log = Path(folder).resolve() / "data", Path(folder) / "trace"
        command = [sys.executable, "-m", "tests.order.session", str(root)]
        done = trace.run([*command, plant] if plant else command, log)
        with log.open(encoding="utf-8", errors="replace") as lines:
            judge = judge_lines(lines, root)
    return judge, done.stderr[-2000:] if done.returncode else ""


def judge_lines(lines: Iterable[str], root: PurePosixPath) -> Judge:
    """Judge a trace of a data directory."""
    judge = Judge(PurePosixPath(root))
    for ended, call in trace.read(lines):
        judge.take(ended, call)
    judge.finish()
    return judge


def _table(judge: Judge, seconds: float) -> str:
    broken = [rule for rule, _ in judge.breaches]
    rows = [(rule, str(judge.checked[rule]), str(broken.count(rule)), text)
            for rule, text in RULES.items()]  # fmt: skip
    lines = [f"{'rule':8} {'checked':>7} {'broken':>6}"]
    lines += [f"{rule:8} {checked:>7} {count:>6}  {text}" for rule, checked, count, text in rows]
    return "\n".join([*lines, f"seconds {seconds:.1f}"])


if __name__ == "__main__":
    sys.exit(main())
