"""Run it: exit code 0 where every expression comes to something, or a known reason why not."""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from recorder.http.metrics import METRICS, PREFIX
from recorder.venue import Venue
from tests.observe.server import Prometheus, free_port
from tests.simulate.daemon import Daemon
from tests.test_alerts import expressions, rules, used

SETTLE_S = 25.0  # of recording before the expressions are run
HANG_S = 300.0
WINDOW = "15s"  # what Grafana's $__rate_interval comes to here

# What comes to nothing here, and why. Nothing else may.
EMPTY = {
    "clock_offset_seconds": "it is compared where there is a key, and there is none",
    "http_certificate_expiry_timestamp_seconds": "HTTP is served without TLS here",
    "work_failing": "nothing fails",
    "trades_backfilled_total": "there is no REST service to fetch missing trades from",
    "seal_seconds": "no hour ends",
}
NOT_FIRING = "an alert that does not fire"


async def run() -> int:
    """Record, scrape, ask; returns the exit code."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="recorder-observe-") as name:
        folder, port = Path(name), free_port()
        async with Venue(seed=7, rate=5, depth=0.02) as venue:
            config = folder / "recorder.toml"
            config.write_text(
                f"data = {json.dumps(str(folder / 'data'))}\n"
                f"[feed]\nurl = {json.dumps(venue.url)}\n"
                f'[http]\nlisten = "127.0.0.1:{port}"\n[store]\npart_seconds = 1\n'
                'free_space_min = "1MB"\n',
                encoding="utf-8",
            )
            daemon = Daemon(config, folder / "log")
            prometheus = Prometheus(folder / "prometheus", port)
            try:
                problems = await look(venue, port, prometheus, folder / "data")
                *_, code = await daemon.end(signal.SIGTERM)
                if code:
                    problems.append(f"the recorder ended with {code}")
            finally:
                prometheus.close()
                daemon.clear()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


async def look(venue: Venue, port: int, prometheus: Prometheus, data: Path) -> list[str]:
    """Make things happen, and ask for everything."""
    up = f'up{{instance="127.0.0.1:{port}"}} == 1'
    await until(lambda: prometheus.result(up), "it is scraped")
    await until(lambda: prometheus.result("recorder_ready == 1"), "it records")
    await until(lambda: checked(data), "it is verified")
    venue.skip(3)
    await until(lambda: prometheus.result("recorder_gap_messages_total == 3"), "a gap")
    await venue.drop(1001)
    await until(lambda: prometheus.result("recorder_disconnects_total"), "a close")
    await asyncio.sleep(SETTLE_S)
    await until(lambda: prometheus.result("recorder_verify_last_success_timestamp_seconds > 0"),
                "the note is read")  # fmt: skip
    problems = await names(prometheus)
    problems += await asked(prometheus)
    problems += await evaluated(prometheus)
    return problems


async def checked(data: Path) -> bool:
    """Verify the directory as the timer does."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "recorder", "verify", "--note", "--data", str(data),
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await done.wait() == 0


async def names(prometheus: Prometheus) -> list[str]:
    """What was scraped is what the catalogue says, with its types."""
    told = await prometheus.ask("metadata")
    known = {f"{PREFIX}{metric.name}" for metric in METRICS}
    ours = [name for name in told if name.startswith(PREFIX)]
    # OpenMetrics names families, without what their samples end with.
    ends = ("", "_total", "_info")
    seen = {next((name + end for end in ends if name + end in known), name) for name in ours}
    print(f"{len(seen)} metrics scraped, {len(known)} in the catalogue")
    return [f"{name}: scraped, and not in the catalogue" for name in sorted(seen - known)] + [
        f"{name}: in the catalogue, and not scraped" for name in sorted(known - seen)
    ]


async def asked(prometheus: Prometheus) -> list[str]:
    """Run every expression."""
    problems, empty, counts = [], [], dict[str, int]()
    alerts = rules("alert")
    for where, text in expressions().items():
        query = text.replace("$__rate_interval", WINDOW).replace("$instance", ".*")
        try:
            found = await prometheus.result(query)
        except ValueError as error:
            problems.append(f"{where}: {error}: {query}")
            continue
        kind = where.partition(" ")[0]
        counts[kind] = counts.get(kind, 0) + 1
        if found:
            continue
        reasons = [EMPTY[name] for name in used(text) if EMPTY.get(name)]
        name = where.partition(" ")[2]
        if not reasons and (name in alerts or where.startswith("annotation")):
            reasons = [NOT_FIRING]
            problems += [
                f"{where}: recorder_{each} comes to nothing"
                for each in sorted(used(text))
                if not await anything(prometheus, each)
            ]
        empty.append(f"  {where}: {reasons[0] if reasons else '?'}")
        if not reasons:
            problems.append(f"{where}: comes to nothing: {query}")
    print(", ".join(f"{count} of each {kind}" for kind, count in counts.items()), "were run")
    told = [line for line in empty if not line.endswith(NOT_FIRING)]
    print(f"{len(empty) - len(told)} alerts that do not fire; empty otherwise: {len(told)}")
    print("\n".join(told))
    return problems


async def anything(prometheus: Prometheus, metric: str) -> bool:
    """Whether there is any series of a metric."""
    names = (f"{PREFIX}{metric}", f"{PREFIX}{metric}_bucket")
    return any([bool(await prometheus.result(name)) for name in names])


async def evaluated(prometheus: Prometheus) -> list[str]:
    """Prometheus has all rules, and none failed; who fires should."""
    problems, firing, count = [], [], 0
    for group in (await prometheus.ask("rules"))["groups"]:
        for rule in group["rules"]:
            count += 1
            if rule["health"] != "ok":
                problems.append(f"rule {rule['name']}: {rule['health']}: {rule.get('lastError')}")
            if rule.get("state") == "firing":
                firing.append(rule["name"])
    print(f"{count} rules evaluated; firing: {', '.join(firing) or 'none'}")
    if count != len(rules("alert")) + len(rules("record")):
        problems.append(f"{count} rules are there")
    if set(firing) != {"Gaps"}:  # frames were lost and a connection closed, and nothing else
        problems.append(f"firing: {firing}")
    return problems


async def until(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait until something is so."""
    end_s = time.monotonic() + HANG_S
    while True:
        try:
            if await condition():
                return
        except OSError:
            pass  # it is not up yet
        if time.monotonic() > end_s:
            raise SystemExit(f"not within {HANG_S:g} s: {what}")
        await asyncio.sleep(0.2)


def main() -> int:
    """The command line."""
    argparse.ArgumentParser(prog="tests.observe", description=__doc__).parse_args()
    lacking = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if lacking:
        print(f"skipped: {' and '.join(lacking)} cannot be found (Debian: apt install prometheus)")
        return 0
    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
