"""The manual page and the completions have every command and option, and shells take them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from release import manual

FOUND = manual.commands()
PAGE = manual.manual(0)


def completed(*words: str) -> set[str]:
    """What bash offers for the last word."""
    script = (
        f"{manual.bash_completion()}\nCOMP_WORDS=({' '.join(words)}); "
        f'COMP_CWORD={len(words) - 1}; _recorder; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_every_command_and_option_is_there() -> None:
    for command in FOUND:
        assert f".SS recorder {manual._roff(command.name)}\n" in PAGE, command.name
        assert command.summary
        for option in command.options:
            assert all(f"\\fB{manual._roff(name)}\\fR" in PAGE for name in option.names), option
    assert {"run", "auth check", "coverage"} <= {each.name for each in FOUND}


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_troff_takes_the_page() -> None:
    ran = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=PAGE, capture_output=True,
                         text=True, check=True)  # fmt: skip
    assert not ran.stderr


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (".TH x", r"\&.TH x"),
        ("'x", r"\&'x"),
        (r"a\b", r"a\eb"),
        ("--a", r"\-\-a"),
        ("…", r"\[u2026]"),
    ],
)
def test_text_is_no_request(text: str, written: str) -> None:
    assert manual._roff(text) == written


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("recorder", "cov"), {"coverage"}),
        (("recorder", "auth", "ch"), {"check"}),
        (("recorder", "run", "--prod"), {"--product"}),
        (("recorder", "nothing", "--"), set()),
    ],
)
def test_bash_completes(words: tuple[str, ...], offered: set[str]) -> None:
    assert completed(*words) == offered


def test_fish_has_every_option() -> None:
    lines = manual.fish_completion().splitlines()
    assert sum(" -l json " in line for line in lines) > 5
    assert all(line.startswith(("#", "complete -c recorder -n ")) for line in lines)
    quotes = [line.replace("\\'", "").count("'") % 2 for line in lines]
    assert not any(quotes)


def test_what_a_shell_reads_has_no_quotes_left_open(tmp_path: Path) -> None:
    assert manual._quoted("it's a \\ thing") == "'it\\'s a \\\\ thing'"
