"""The command that tells what was recorded and what was not: coverage."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from recorder.cli import heatmap, terminal
from recorder.cli.record import DATA_HELP, JSON_HELP
from recorder.cli.times import instant
from recorder.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from recorder.dataset import CoverageMap, DayCondition

PNG_HELP = "Draw it into this file (needs the extra `plots`)."
_TABLE_CHANNELS = {"trades": "market_trades"}


def coverage(
    data: Annotated[Path, typer.Option(help=DATA_HELP)] = Path("data"),
    product: Annotated[
        list[str] | None, typer.Option(help="Only this product; repeat for more.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="The begin. Default: the first thing recorded."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TIME", help="The end, exclusive. Default: the newest.")
    ] = None,
    days: Annotated[bool, typer.Option("--days", help="The condition of each day.")] = False,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Every stretch of time, with the reason.")
    ] = False,
    gaps: Annotated[bool, typer.Option("--gaps", help="Only the stretches that are gaps.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help=PNG_HELP)] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help=PNG_HELP)] = None,
) -> None:
    """Show what was recorded and what is missing, by product and hour, and how each day is.

    Every hour of every product is a cell: recorded, a bar where it was so for a part of the hour
    and nothing was lost, or the percent that was recorded where something was lost. In the margin
    stands the condition of the day: available, degraded, missing, or pending while it is not
    closed. --days has the reasons; --intervals every stretch of time of every channel, and --gaps
    those that are missing. Ranges are rounded outwards to whole hours, but for --intervals and
    --gaps.

    Examples:
        recorder coverage                                   a map on the terminal
        recorder coverage --product BTC-USD --from 2026-11-01 --png november.png
        recorder coverage --days --json                     may I use this day?
        recorder coverage --gaps                            what is missing, and why?
    """
    start_ns, end_ns = (None if each is None else instant(each) for each in (from_, to))
    if (gaps or intervals) + days > 1 or ((gaps or intervals or days) and (png or svg)):
        raise UsageError(
            "one thing at a time: --days, --intervals and --gaps are lists; the picture is of the "
            "map alone. Leave one of them out"
        )
    from recorder import dataset  # noqa: PLC0415  heavy

    db = dataset.open_dataset(data)
    if gaps or intervals:
        named = _TABLE_CHANNELS.get(channel or "", channel)
        rows = [
            row
            for row in db.coverage(start=start_ns, end=end_ns).to_pylist()
            if (not product or row["product_id"] in {*product, None})
            and (named is None or row["channel"] == named)
        ]
        wanted = [row for row in rows if row["state"] == "gap"] if gaps else rows
        if as_json:
            terminal.print_json(wanted)
        else:
            show_coverage(wanted, rows)
        return
    found = db.coverage_map(product or None, channel, start_ns, end_ns)
    _draw(found, png, svg)
    conditions = [day for each in found.products for day in each.days]
    if as_json:
        terminal.print_json(days_json(conditions) if days else map_json(found))
    elif days:
        show_days(conditions)
    elif not (png or svg):
        heatmap.show(found)


def _draw(found: "CoverageMap", png: Path | None, svg: Path | None) -> None:
    files = [path for path in (png, svg) if path is not None]
    if not files:
        return
    from recorder import plots  # noqa: PLC0415  heavy

    for path, kind in ((png, "png"), (svg, "svg")):
        if path is not None:
            plots.draw_coverage(found, path, kind)
    names = " and ".join(terminal.plain(path) for path in files)
    terminal.messages().print(f"Drawn: {names}.", soft_wrap=True)


# --- as JSON -------------------------------------------------------------------------------------


def map_json(found: "CoverageMap") -> dict[str, Any]:
    """Give the map as the JSON that other programs read."""
    return {
        "start": found.start,
        "end": found.end,
        "products": [
            {
                "product_id": each.product_id,
                "hours": [
                    {
                        "start": hour.start,
                        "state": hour.state,
                        **_share(hour.share),
                        "channels": {name: _share(one) for name, one in hour.channels.items()},
                    }
                    for hour in each.hours
                ],
                "days": days_json(each.days),
            }
            for each in found.products
        ],
    }


def days_json(days: "list[DayCondition] | tuple[DayCondition, ...]") -> list[dict[str, Any]]:
    """Give conditions as the JSON that other programs read."""
    return [
        {
            "product_id": day.product_id,
            "day": day.day,
            "condition": day.condition,
            **_share(day.share),
            "reasons": day.reasons,
            "channels": {name: _share(one) for name, one in day.channels.items()},
        }
        for day in days
    ]


def _share(share: Any) -> dict[str, Any]:
    return {
        "recorded_s": share.recorded_s,
        "unverified_s": share.unverified_s,
        "gap_s": share.gap_s,
        "missing_s": share.missing_s,
        "ahead_s": share.ahead_s,
        "gaps": share.gaps,
    }


# --- as tables -----------------------------------------------------------------------------------


def show_days(days: "list[DayCondition]") -> None:
    """Print a line for each product and day."""
    out = terminal.output()
    if not days:
        out.print("Nothing was recorded.")
        return
    rows = terminal.table("product", "day (UTC)", "condition", "#recorded", "#gaps", "why")
    for day in days:
        rows.add_row(
            terminal.plain(day.product_id),
            f"{day.day}",
            Text(day.condition, heatmap.CONDITION_STYLES[day.condition]),
            day.share.percent,
            f"{day.share.gaps:,}",
            why(day.reasons),
        )
    out.print(rows)
    counts = {name: sum(day.condition == name for day in days) for name in heatmap.CONDITION_STYLES}
    out.print(", ".join(f"{count:,} {name}" for name, count in counts.items() if count) + ".")


def why(reasons: dict[str, float]) -> str:
    """Give reasons with their times; what several channels miss at once counts once."""
    return ", ".join(f"{terminal.plain(name)} {lasted(s)}" for name, s in reasons.items())


def lasted(seconds: float) -> str:
    """Give a length of time for reading: ``0.250 s``, ``3:20``, ``14:00:00``."""
    return f"{seconds:.3f} s" if seconds < 60 else terminal.clock(seconds)


def show_coverage(rows: list[dict[str, Any]], every: list[dict[str, Any]]) -> None:
    """Print intervals, and the recorded share of each channel and product of `every`."""
    out = terminal.output()
    if not every:
        out.print("Nothing was recorded.")
        return
    intervals = terminal.table(
        "channel", "product", "from (UTC)", "to (UTC)", "state", "#missing", "why"
    )
    for row in rows:
        missing = row["messages_missing"]
        intervals.add_row(
            terminal.plain(row["channel"]),
            terminal.plain(row["product_id"] or ""),
            terminal.moment(row["start_time"]),
            terminal.moment(row["end_time"]),
            Text(terminal.plain(row["state"]), "bold red" if row["state"] == "gap" else ""),
            "" if missing is None else f"{missing:,}",
            terminal.plain(": ".join(filter(None, (row["reason"], row["detail"])))),
        )
    out.print(intervals if rows else "No gaps.")
    show_shares(every)


def show_shares(rows: list[dict[str, Any]]) -> None:
    """Print the recorded share of each channel and product."""
    shares = terminal.table("channel", "product", "#recorded", title="Recorded share")
    for (channel, product), share in recorded_shares(rows).items():
        # Rounded down, so that 100 % means all of it.
        percent = "100 %" if share >= 1 else f"{int(share * 100_000) / 1000:.3f} %"
        shares.add_row(terminal.plain(channel), terminal.plain(product or ""), percent)
    terminal.show(shares)


def recorded_shares(rows: list[dict[str, Any]]) -> dict[tuple[str, str | None], float]:
    """Give the recorded part, 0 to 1, of the time that each channel and product spans.

    Overlapping stretches (two connections at once) count once; one without an end lasts to the
    latest time of all rows.
    """
    latest = max(row["end_time"] or row["start_time"] for row in rows)
    spans: dict[tuple[str, str | None], list[tuple[datetime, datetime, bool]]] = {}
    for row in rows:
        span = (row["start_time"], row["end_time"] or latest, row["state"] != "gap")
        spans.setdefault((row["channel"], row["product_id"]), []).append(span)
    shares = {}
    for key, stretches in spans.items():
        first, last = min(s[0] for s in stretches), max(s[1] for s in stretches)
        covered_s, until = 0.0, first
        for start, end, recorded in sorted(stretches):
            if recorded and end > until:
                covered_s += (end - max(start, until)).total_seconds()
                until = end
        whole_s = (last - first).total_seconds()
        recorded_only = all(recorded for *_, recorded in stretches)
        shares[key] = covered_s / whole_s if whole_s > 0 else float(recorded_only)
    return shares
