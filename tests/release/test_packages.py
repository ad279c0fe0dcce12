"""A package's tree is what the units expect; what builds it is tried by `make packages`.

Installed, upgraded and removed in machines by `make service`.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from release import packages
from release.packages import Target
from tests.systemd.roots import VENV

UNITS = packages.PROJECT / "systemd"
SCRIPTS = sorted(packages.FOLDER.glob("*.sh"))
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

INFO = "recorder-9.9.9.dist-info"
WHEEL = {
    "recorder/__init__.py": "",
    "recorder/cli.py": "def main():\n    print('it runs')\n    return 3\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: recorder\nVersion: 9.9.9\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\nrecorder = recorder.cli:main\n",
    f"{INFO}/RECORD": "",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is packed of a wheel that needs no other, for the Python that runs this."""
    folder = tmp_path_factory.mktemp("package")
    (dist := folder / "dist").mkdir()
    with zipfile.ZipFile(dist / "recorder-9.9.9-py3-none-any.whl", "w") as wheel:
        for name, text in WHEEL.items():
            wheel.writestr(name, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1600000000")
        patch.setattr(packages, "pins", lambda *_: [])
        packages.fill(folder / "tree", Target("deb", HERE, "1"), dist, None)
    packages.date(folder / "tree", 1600000000)
    return folder / "tree"


def test_everything_is_where_the_units_look_for_it(tree: Path) -> None:
    assert f"/{packages.VENV}" == VENV
    shipped = {path.name for path in (tree / "usr/lib/systemd/system").iterdir()}
    assert shipped == {
        path.name for path in UNITS.iterdir() if path.suffix not in {".md", ".toml", ".conf"}
    }
    for name in ("sysusers.d/recorder.conf", "tmpfiles.d/recorder.conf"):
        assert (tree / "usr/lib" / name).is_file()
    assert str((tree / packages.VENV / "bin/python").readlink()) == f"/usr/bin/python{HERE}"
    assert not list(tree.rglob("__pycache__")), "it is compiled where it runs"


def test_nothing_names_the_machine_that_built_it(tree: Path) -> None:
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if str(tree.parent).encode() in path.read_bytes()]
    assert not list(tree.rglob("direct_url.json"))
    site = tree / packages.VENV / f"lib/python{HERE}/site-packages"
    assert not (site / "bin").exists()
    assert "bin/" not in next(site.glob("recorder-*/RECORD")).read_text()


def test_times_and_modes_are_of_the_commit(tree: Path) -> None:
    assert {int(path.lstat().st_mtime) for path in tree.rglob("*")} == {1600000000}
    modes = {oct(path.stat().st_mode & 0o7777) for path in tree.rglob("*") if path.is_file()
             and not path.is_symlink()}  # fmt: skip
    assert modes == {"0o644", "0o755"}


def test_the_environment_runs(tree: Path, tmp_path: Path) -> None:
    """It is one to Python, wherever it lies, and sees nothing but what is in it."""
    moved = shutil.copytree(tree / packages.VENV, tmp_path / "venv", symlinks=True)
    binaries = moved / "bin"
    (binaries / "python").unlink()
    (binaries / "python").symlink_to(Path(sys.executable).resolve())
    ran = subprocess.run([binaries / "python", "-I", binaries / "recorder"], capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert (ran.returncode, ran.stdout) == (3, "it runs\n"), ran.stderr


def test_without_one_wheel_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make wheel"):
        packages.environment(tmp_path / "venv", HERE, tmp_path, None)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_reads_the_scripts(path: Path) -> None:
    subprocess.run(["sh", "-n", path], check=True)
    assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")


def test_no_script_touches_the_data() -> None:
    """Removing, even purging, is never the end of a recording."""
    for path in SCRIPTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [
            line for line in lines if "/var/lib" in line and ("rm " in line or "delete" in line)
        ]


def test_the_targets_have_the_python_of_their_system() -> None:
    service = (UNITS / "recorder.service").read_text(encoding="utf-8")
    for target in packages.TARGETS.values():
        assert f"-/usr/bin/python{target.python}" in service, "the unit may not run it"
    names = [target.name("1.2.3") for target in packages.TARGETS.values()]
    assert names == ["recorder_1.2.3-1~deb12_amd64.deb", "recorder_1.2.3-1~deb13_amd64.deb",
                     "recorder-1.2.3-1.el.x86_64.rpm"]  # fmt: skip
