"""The units as text: systemd takes them, they expose little, and what belongs together agrees.

What they do is tried in machines: `make service`.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recorder import errors
from recorder.service.unit import READY_S_MAX
from recorder.service.vitals import LOOK_S_MAX
from tests.systemd import roots
from tests.systemd.__main__ import main

FOLDER = roots.PROJECT / "systemd"
UNITS = sorted(path for path in FOLDER.iterdir() if path.suffix in
               {".service", ".socket", ".target", ".timer"})  # fmt: skip
SERVICE, SHARD = FOLDER / "recorder.service", FOLDER / "recorder@.service"
MAINTENANCE = sorted(FOLDER.glob("recorder-*@.service"))
EXPOSURE_MAX = {"recorder": 1.1, "recorder-verify": 0.2, "recorder-pack": 0.2,
                "recorder-prune": 0.2, "recorder-alert": 1.5}  # fmt: skip

analyzed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here"
)


def values(path: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def seconds(path: Path, key: str) -> float:
    (text,) = values(path, key)
    number, unit = re.fullmatch(r"([\d.]+)(ms|s)", text).groups()
    return float(number) / (1000 if unit == "ms" else 1)


@pytest.fixture
def runnable(tmp_path: Path) -> Path:
    """The units with a Python that is there, and a hook for alerts."""
    for path in UNITS:
        text = path.read_text(encoding="utf-8")
        text = text.replace(f"{roots.VENV}/bin/python", sys.executable)
        (tmp_path / path.name).write_text(text.replace("/etc/recorder/alert %i", sys.executable))
    return tmp_path


def analyze(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *command], cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )  # fmt: skip


@analyzed
def test_systemd_takes_the_units(runnable: Path) -> None:
    """No unknown key, no program that is missing, in no unit and in none that they name."""
    units = [f"./{path.name}" for path in UNITS]
    ran = analyze(runnable, "verify", "--man=no", "--recursive-errors=yes", *units)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr


@analyzed
@pytest.mark.parametrize("path", [SERVICE, SHARD, *MAINTENANCE], ids=lambda path: path.name)
def test_no_more_exposure_than_is_told(path: Path, runnable: Path) -> None:
    """By the word of systemd itself; 10 is a service that may do everything."""
    highest = EXPOSURE_MAX[re.split(r"[@.]", path.name)[0]]
    limit = f"--threshold={round(highest * 10)}"
    ran = analyze(runnable, "security", "--offline=true", limit, "--no-pager", f"./{path.name}")
    assert ran.returncode == 0, ran.stdout[-400:] + ran.stderr


def test_a_shard_is_the_service_with_its_name() -> None:
    """The two differ in names alone."""
    shard = SHARD.read_text(encoding="utf-8").replace("recorder-%i", "recorder")
    shard = shard.replace("/%i.toml", "/recorder.toml").replace(" (%i)", "")
    shard = shard.replace("DefaultInstance=main\n", "").partition("\n")[2]
    assert shard == SERVICE.read_text(encoding="utf-8").partition("\n")[2]


def test_the_maintenance_units_are_closed_alike() -> None:
    """What they may do differs in the folders that they write to, and in nothing else."""
    closed = {path.read_text(encoding="utf-8").partition("NoNewPrivileges")[2]
              for path in MAINTENANCE if "alert" not in path.name}  # fmt: skip
    assert len(closed) == 1
    assert values(FOLDER / "recorder-verify@.service", "ReadWritePaths") == ["-%S/%i/.verified"]
    for path in MAINTENANCE:
        if "alert" not in path.name:
            assert values(path, "PrivateNetwork") == ["yes"]
            assert (FOLDER / path.name.replace(".service", ".timer")).exists()


def test_the_times_fit_together() -> None:
    """Ready, looked at and stopped before systemd would lose patience."""
    assert values(SERVICE, "Type") == ["notify"], "notify-reload would be simple on systemd 252"
    assert seconds(SERVICE, "TimeoutStartSec") / 2 > READY_S_MAX
    assert seconds(SERVICE, "WatchdogSec") / 2 > LOOK_S_MAX
    assert seconds(SERVICE, "RestartSec") <= 0.5


def test_it_gives_up_only_where_a_person_must_act() -> None:
    for path in (SERVICE, SHARD):
        assert values(path, "Restart") == ["always"]
        stays = {str(each.exit_code) for each in (errors.UsageError, errors.NoInputError,
                                                  errors.PermissionRefusedError,
                                                  errors.ConfigError)}  # fmt: skip
        assert set(values(path, "RestartPreventExitStatus")[0].split()) == stays
        assert values(path, "OnFailure") == ["recorder-alert@%n.service"]
        assert values(path, "ExecStartPre") == [], "its exit code 78 would be tried again"


def test_every_unit_is_told_of() -> None:
    """README.md beside them has each by its name."""
    told = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in UNITS if f"`{path.name}`" not in told] == []


@pytest.mark.skipif(not roots.why_not(), reason="machines can be booted here: make service")
def test_where_no_machine_can_be_booted_it_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """No harness fails where it cannot run."""
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("skipped: needs ")
