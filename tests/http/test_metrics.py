"""What `recorder.http.metrics` promises: names and text that Prometheus takes."""

import re
import shutil
import subprocess

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open,
)
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from recorder.histogram import Histogram
from recorder.http.metrics import METRICS, Values, exposition, wants_open
from tests.http.served import served
from tests.recorders import all_recorded, wait_for

UNITS = ("seconds", "bytes", "total", "info", "timestamp_seconds")
NOT_BASE = re.compile(r"_(?:ms|us|ns|millis\w*|minutes|hours|kb|mb|kilobytes|percent)(?:_|$)")


def filled() -> Values:
    """A value of every metric, with labels that need escaping."""
    values = Values()
    for metric in METRICS:
        labels = ['a "quoted"\\text\n' for _ in metric.labels]
        if metric.kind == "histogram":
            found = Histogram([0.1, 1])
            for value in (0.05, 0.5, 5):
                found.observe(value)
            values.observed(metric.name, [found, found], *labels)
        else:
            values.put(metric.name, 2.5, *labels)
    return values


@pytest.mark.parametrize("openly", [True, False])
def test_every_metric_is_read_by_the_parser_of_the_library(openly):
    """Each is there with its type, its help, and its value."""
    text = exposition(filled(), openly=openly).decode()
    families = {each.name: each for each in (parse_open if openly else parse_plain)(text)}
    for metric in METRICS:
        name = f"recorder_{metric.name}"
        bare = name.removesuffix("_total").removesuffix("_info")
        family = families[bare] if bare in families else families[name]
        assert family.documentation == metric.meaning
        if metric.kind == "histogram":
            samples = {(each.name, each.labels.get("le")): each.value for each in family.samples}
            assert samples[f"{name}_bucket", "0.1"] == 2
            assert samples[f"{name}_count", None] == 6
        elif metric.kind != "info":
            assert [each.value for each in family.samples] == [2.5]
        if openly:
            assert family.type == metric.kind
    assert text.endswith("# EOF\n") == openly


def test_names_follow_the_rules_of_prometheus():
    """Base units, counters end with _total and nothing else does, labels are words; once each."""
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not NOT_BASE.search(metric.name), metric.name
        assert not metric.name.endswith(("_count", "_sum", "_bucket"))
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert metric.meaning.endswith(".")
        for label in metric.labels:
            assert re.fullmatch(r"[a-z]+", label)
            assert label not in {"le", "quantile", "job", "instance"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
def test_promtool_finds_nothing():
    text = exposition(filled(), openly=False)
    found = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    remarks = set((found.stdout + found.stderr).decode().splitlines()) - {""}
    # `heartbeat_counter` is the venue's field; promtool takes the word for the type.
    wanted = "recorder_heartbeat_counter_missed_total metric name should not include type 'counter'"
    assert remarks <= {wanted}
    assert found.returncode in {0, 3}  # 3: there are remarks


@pytest.mark.parametrize(
    ("accept", "openly"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", True),
        ("text/plain, application/openmetrics-text", True),
        ("application/openmetrics-text-no", False),
    ],
)
def test_the_format_is_what_is_accepted(accept, openly):
    assert wants_open(accept) == openly


def test_counters_do_not_go_back():
    values = Values()
    values.put("gaps_total", 3, "level2", "BTC-USD", "sequence_gap")
    values.not_below({("level2", "BTC-USD", "sequence_gap"): 5.0, ("x",): 1.0}, "gaps_total")
    assert values.found["gaps_total"] == {
        ("level2", "BTC-USD", "sequence_gap"): 5.0,
        ("x",): 1.0,
    }


async def test_a_scrape_is_read_by_the_parser_and_agrees_with_the_recorder(tmp_path):
    """In both formats; figures of the recorder and of the venue are the same."""
    async with served(tmp_path) as there:
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        there.venue.skip(3)
        await wait_for(lambda: there.recorder.progress().sequence_gaps == 1, "the gap")
        await wait_for(lambda: there.recorder.progress().books_live == 2, "both books again")
        there.venue.freeze()
        accept = "Accept: application/openmetrics-text; version=1.0.0"
        found = await there.get("/metrics", accept)
        assert found.headers["content-type"].startswith("application/openmetrics-text")
        families = {each.name: each for each in parse_open(found.body.decode())}

        def value(name, **labels):
            return sum(
                each.value
                for family in families.values()
                for each in family.samples
                if each.name == f"recorder_{name}" and labels.items() <= each.labels.items()
            )

        inside = there.recorder.inside()
        assert value("gap_messages_total") == 3
        assert value("gaps_total", channel="level2", reason="sequence_gap") == 2
        assert value("gaps_total", product="BTC-USD", reason="sequence_gap") >= 3
        assert value("book_resyncs_total", product="BTC-USD") == 1
        assert value("faults_total", kind="sequence_gap") == 1
        (connection,) = inside.feeds.connections
        frames = value("frames_received_total", connection="ws1")
        assert 0 < frames <= connection.tally.frames
        assert value("sequence_last") == frames + 3 - 1
        assert value("audits_total") > 0
        assert value("messages_received_total", channel="level2") > 10
        assert value("connection_up") == 1
        assert value("resident_memory_bytes") > 10_000_000
        assert value("open_fds") > 3
        assert value("start_time_seconds") > 1_700_000_000
        assert value("build_info", version="0.1.0") == 1
        plain = await there.get("/metrics")
        assert len(list(parse_plain(plain.body.decode()))) >= len(families)
