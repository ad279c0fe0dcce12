"""What is examined in these tests: settings with a few of them given."""

from pathlib import Path
from typing import Any

from recorder import config
from recorder.doctor.findings import Case
from recorder.errors import ConfigError


def case(data: Path, text: str = "", **more: Any) -> Case:
    """A case of a configuration's text; a wrong one is told of as the doctor does."""
    source = more.pop("source", None)
    try:
        return Case(config.parse(text, source), data, source, **more)
    except ConfigError as error:
        return Case(config.load(None), data, source, error, **more)
