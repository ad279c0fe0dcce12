"""A bill of materials (CycloneDX 1.6): what is installed with the recorder, and by which licence.

Made from the lock file and the metadata of what is installed. The same lock gives the same bytes:
its time is the commit's, its number comes from its content.
"""

import argparse
import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from release.commit import epoch
from release.licences import REVIEW, read_review
from release.lock import PROJECT, SHIPPED, Pin, pins, version
from release.wheel import DIST

SPEC = "1.6"
_OWN = "Apache-2.0"
_NAMES = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562: of URLs
_LOCKED = "the wheels that requirements.lock allows, one of which is installed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bill, or check one against the schema; 1 where it does not hold."""
    parser = argparse.ArgumentParser("python -m release.sbom", description=__doc__)
    parser.add_argument("--to", type=Path, default=DIST, help="the folder that gets it")
    parser.add_argument("--check", type=Path, help="check this one; needs cyclonedx-python-lib")
    asked = parser.parse_args(arguments)
    if asked.check:
        return check(asked.check)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = bill(pins(SHIPPED, python), python, epoch())
    asked.to.mkdir(parents=True, exist_ok=True)
    path = asked.to / f"recorder-{version()}.cdx.json"
    path.write_text(as_text(found), encoding="utf-8")
    print(f"{path.name}: {len(found['components'])} components for Python {python}")
    return 0


def bill(shipped: Sequence[Pin], python: str, seconds: int) -> dict[str, Any]:
    """The bill for a Python, of what is installed here, as of a time in seconds since 1970."""
    refs = {each.name: _purl(each.name, each.version) for each in shipped}
    own = {
        "type": "application",
        "bom-ref": _purl("recorder", version()),
        "name": "recorder",
        "version": version(),
        "purl": _purl("recorder", version()),
        "licenses": [{"license": {"id": _OWN}}],
    }
    wanted = {each.name: needs(each.name, python) for each in shipped}
    wanted["recorder"] = declared(python)
    components = [_component(each) for each in shipped]
    dependencies = [
        {
            "ref": refs.get(name, own["bom-ref"]),
            "dependsOn": sorted(refs[each] for each in wanted[name] if each in refs),
        }
        for name in sorted(wanted)
    ]
    content = json.dumps([own, components, dependencies], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMES, content)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
            "properties": [{"name": "recorder:python", "value": python}],
        },
        "components": components,
        "dependencies": dependencies,
    }


def as_text(found: Mapping[str, Any]) -> str:
    """A bill as it is written."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def needs(name: str, python: str) -> set[str]:
    """What an installed package needs, without its extras."""
    return _held(distribution(name).requires or [], python)


def declared(python: str) -> set[str]:
    """What the recorder needs itself."""
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    (block,) = re.findall(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    return _held(re.findall(r'"([^"]+)"', block), python)


def _held(requirements: Sequence[str], python: str) -> set[str]:
    there = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    read = [Requirement(each) for each in requirements]
    return {
        re.sub(r"[-_.]+", "-", each.name).lower()
        for each in read
        if each.marker is None or each.marker.evaluate(there)
    }


def _component(pin: Pin) -> dict[str, Any]:
    said, spdx = read_review(REVIEW).found.get(pin.name, ("", ""))
    licence = [{"expression": spdx}] if spdx else [{"license": {"name": said or "not reviewed"}}]
    purl = _purl(pin.name, pin.version)
    hashes = [{"alg": "SHA-256", "content": each} for each in pin.hashes]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        "licenses": licence,
        "externalReferences": [
            {"type": "distribution", "url": purl, "comment": _LOCKED, "hashes": hashes}
        ],
    }


def _purl(name: str, number: str) -> str:
    return f"pkg:pypi/{name}@{number}"


def check(path: Path) -> int:
    """Hold a bill against the schema, by CycloneDX's own library."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415  of the environment for releases
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text(encoding="utf-8"))
    print(f"{path.name}: {f'not CycloneDX {SPEC}: {wrong}' if wrong else f'CycloneDX {SPEC}'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
