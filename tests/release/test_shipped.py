"""What is shipped works with what is shipped: requirements.lock alone, and none of our tools.

The environment of the tests has more than that; here a process of its own cannot see the rest.
"""

import json
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from release import lock

SAMPLE = lock.PROJECT / "data/sample"
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
absent = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
"""
IMPORT_ALL = """
import importlib, json, pkgutil, recorder
failed = {}
for each in pkgutil.walk_packages(recorder.__path__, "recorder."):
    if not each.name.endswith("__main__"):
        try:
            importlib.import_module(each.name)
        except ModuleNotFoundError as error:
            failed[each.name] = error.name
print(json.dumps(failed))
"""
# Imported only by who asks for what they are for, who is told which extra is missing.
EXTRAS = {"boto3": ("recorder.bucket.", "recorder.publishing"), "matplotlib": ("recorder.plots",)}
EXTRAS["botocore"] = EXTRAS["boto3"]
EXTRAS["picows"] = ("recorder.feed.by_picows",)
READ_ALL = """
import contextlib, io
from recorder.cli import main
for line in sys.argv[2:]:
    with contextlib.redirect_stdout(io.StringIO()):
        code = main([*line.split(), "--data", sys.argv[1]])
    assert code in {0, 1}, (line, code)
"""
COMMANDS = ("coverage", "describe BTC-USD", "products", "book BTC-USD", "verify", "status")


def absent() -> str:
    """The modules that the tests have, and that no package of ours brings."""
    shipped = {each.name for each in lock.pins(lock.SHIPPED)}
    locked = {each.name for each in lock.pins(lock.DEVELOPMENT)} - shipped
    found = [
        module
        for module, names in packages_distributions().items()
        if {name.lower().replace("_", "-").replace(".", "-") for name in names} <= locked
    ]
    assert {"boto3", "botocore", "pandas", "pytest", "matplotlib"} <= set(found)
    return ",".join(found)


def alone(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program, absent(), *arguments],
        cwd=lock.PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_module_but_those_of_extras_is_imported() -> None:
    ran = alone(IMPORT_ALL)
    assert ran.returncode == 0, ran.stderr
    failed = json.loads(ran.stdout)
    assert not {
        name: missing
        for name, missing in failed.items()
        if not name.startswith(EXTRAS.get(missing, ()))
    }


def test_commands_read_without_extras() -> None:
    ran = alone(READ_ALL, str(SAMPLE), *COMMANDS)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import recorder; recorder.open('s3://nowhere/at-all')",
        "from recorder.cli import main; main(['publish', '--to', 's3://nowhere/at-all'])",
    ],
)
def test_what_needs_an_extra_names_it(program: str) -> None:
    ran = alone(program)
    assert "pip install 'recorder[s3]'" in ran.stderr, ran.stderr
