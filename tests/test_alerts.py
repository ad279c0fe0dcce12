"""Rules for Prometheus and the dashboard go by the metrics that there are, and lead to what to do.

`make observe` runs their expressions against a real Prometheus.
"""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from recorder.http.metrics import METRICS, PREFIX
from tests.test_docs import OPERATING, headings, section, slug

ROOT = Path(__file__).resolve().parents[1]
PROMETHEUS = ROOT / "deploy/prometheus"
RULES = PROMETHEUS / "recorder.rules.yml"
TESTS = [PROMETHEUS / "recorder.test.yml", PROMETHEUS / "recorder.days.test.yml"]
DASHBOARD = ROOT / "deploy/grafana/recorder.json"

OF_TARGETS = {"job", "instance"}
# What neither an alert nor the dashboard shows, and why.
UNSHOWN = {
    "wal_bytes": "the same as the queue of the capture",
    "frames_received_total": "messages and bytes tell more",
    "sequence_last": "to look a number up by hand",
    "reconnect_seconds": "connects and gaps tell what it costs",
    "verify_last_timestamp_seconds": "the last success tells more",
    "config_reload_success_timestamp_seconds": "to look up by hand",
    "http_connections_refused_total": "a matter of who asks",
    "stream_events_total": "a matter of who listens",
    "stream_events_dropped_total": "a matter of who listens",
}


def rules(kind: str) -> dict[str, str]:
    """The rules of a kind (``alert`` or ``record``): name → expression."""
    text = RULES.read_text(encoding="utf-8")
    found = re.findall(rf"^      - {kind}: (\S+)\n        expr: (.+)$", text, re.MULTILINE)
    assert len(found) == text.count(f"- {kind}: ")
    assert len(dict(found)) == len(found), "a name is there twice"
    return dict(found)


def runbooks() -> dict[str, str]:
    """The annotation of each alert that says what to do."""
    text = RULES.read_text(encoding="utf-8")
    return {
        each.split()[0]: re.findall(r"runbook_url: (\S+)", each)[0]
        for each in text.split("- alert: ")[1:]
    }


def panels() -> list[dict]:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]


def expressions() -> dict[str, str]:
    """Every expression: where it stands → what it is."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    found = {
        f"rule {name}": text for kind in ("alert", "record") for name, text in rules(kind).items()
    }
    found |= {
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }
    for each in dashboard["annotations"]["list"]:
        found[f"annotation {each['name']}"] = each["expr"]
    return found


def used(expression: str) -> set[str]:
    """The metrics of ours that an expression names, without what histograms add."""
    bare = set()
    kinds = {metric.name: metric.kind for metric in METRICS}
    for name in re.findall(rf"\b{PREFIX}(\w+)", expression):
        base = re.sub(r"_(?:bucket|sum|count)$", "", name)
        bare.add(base if kinds.get(base) == "histogram" and name != base else name)
    return bare


@pytest.mark.parametrize("where", expressions())
def test_metrics_that_are_named_exist_with_their_labels(where: str) -> None:
    expression = expressions()[where]
    known = {metric.name: metric for metric in METRICS}
    assert used(expression) <= known.keys()
    labels = (
        OF_TARGETS | {"le"} | {label for name in used(expression) for label in known[name].labels}
    )
    named = re.findall(r'(\w+)=~?"', expression)
    for group in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
        named += re.findall(r"\w+", group)
    assert set(named) <= labels
    derived = set(re.findall(r"\brecorder:[\w:]+", expression))
    assert derived <= rules("record").keys()
    if where.startswith("panel"):
        assert expression.count(f"{PREFIX}") == expression.count('{instance=~"$instance"')


def test_every_metric_is_shown_or_need_not_be() -> None:
    shown = set[str]().union(*map(used, expressions().values()))
    assert {metric.name for metric in METRICS} - shown == UNSHOWN.keys()


def test_every_derived_series_is_used_or_for_people() -> None:
    """Those that no alert needs are for graphs of one's own."""
    assert all(re.fullmatch(r"recorder:[a-z_]+:[a-z0-9_]+", name) for name in rules("record"))


def test_every_alert_leads_to_what_to_do() -> None:
    """A heading of its own, with a text; and no heading is left of an alert that is gone."""
    written = re.findall(r"^#### (\w+)$", section(OPERATING, "Alerts"), re.MULTILINE)
    assert written == list(rules("alert"))
    for name, link in runbooks().items():
        assert link == f"docs/operating.md#{slug(name)}"
        assert headings(OPERATING).count(name) == 1
        text = section(OPERATING, name).strip()
        assert text.startswith(("*Critical.* ", "*Warning.* ")), name
    severities = re.findall(r"severity: (\w+)", RULES.read_text(encoding="utf-8"))
    told = [section(OPERATING, name).strip()[1:].partition(".")[0].lower() for name in written]
    assert severities == told


def test_every_alert_is_seen_to_fire_and_not_to() -> None:
    """In the unit tests for promtool, by a recorder that is bad beside one that is good."""
    text = "".join(path.read_text(encoding="utf-8") for path in TESTS)
    quiet = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", text))
    fires = set(re.findall(r"alertname: (\w+)\n        exp_alerts:\n", text))
    assert quiet == fires == rules("alert").keys()


def test_the_dashboard_is_laid_out() -> None:
    """Ids once, a title each, no panel over another, nothing beyond the 24 columns, no host."""
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    assert all(panel["title"] for panel in found)
    boxes = [panel["gridPos"] for panel in found]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in combinations(boxes, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    for panel in found:
        ids = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(ids)) == len(ids) or panel["type"] == "row"
    assert "://" not in DASHBOARD.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
def test_promtool_agrees() -> None:
    """Rules are right, and each alert fires when it should."""
    tests = [path.name for path in TESTS]
    for words in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", RULES.name],
        ["test", "rules", *tests],
    ):
        done = subprocess.run(
            ["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
