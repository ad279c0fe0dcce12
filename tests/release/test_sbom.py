"""The bill has all that is locked, with hashes, licences, and who needs whom."""

import json

from release import lock, sbom

PYTHON = "3.11"
SHIPPED = lock.pins(lock.SHIPPED, PYTHON)
INSTALLED = [each for each in SHIPPED if each.name in {"aiohttp", "yarl", "multidict", "pyarrow"}]


def test_the_bill_has_what_is_locked() -> None:
    bill = sbom.bill(INSTALLED, PYTHON, 0)
    for pin, component in zip(INSTALLED, bill["components"], strict=True):
        assert component["purl"] == f"pkg:pypi/{pin.name}@{pin.version}"
        (reference,) = component["externalReferences"]
        assert {each["content"] for each in reference["hashes"]} == set(pin.hashes)
        assert component["licenses"][0]["expression"]
    assert bill["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"


def test_the_bill_tells_who_needs_whom() -> None:
    bill = sbom.bill(INSTALLED, PYTHON, 0)
    needs = {each["ref"].partition("@")[0]: each["dependsOn"] for each in bill["dependencies"]}
    refs = {each["bom-ref"] for each in bill["components"]}
    assert {each.partition("@")[0] for each in needs["pkg:pypi/yarl"]} == {"pkg:pypi/multidict"}
    assert all(refs.issuperset(each) for each in needs.values())
    assert {each.partition("@")[0] for each in needs["pkg:pypi/recorder"]} == {
        "pkg:pypi/aiohttp", "pkg:pypi/pyarrow", "pkg:pypi/yarl",
    }  # fmt: skip


def test_the_same_lock_gives_the_same_bytes() -> None:
    one, other = (sbom.as_text(sbom.bill(INSTALLED, PYTHON, 5)) for _ in range(2))
    assert one == other
    changed = json.loads(sbom.as_text(sbom.bill(INSTALLED[1:], PYTHON, 5)))
    assert changed["serialNumber"] != json.loads(one)["serialNumber"]


def test_nothing_that_is_needed_is_missing() -> None:
    """The lock is closed: what a locked package needs is locked."""
    names = {each.name for each in SHIPPED}
    assert sbom.declared(PYTHON) <= names
    for name in ("aiohttp", "typer", "pydantic", "duckdb"):
        assert sbom.needs(name, PYTHON) <= names, name
