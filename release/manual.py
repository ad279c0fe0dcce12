"""The manual page and the completions for shells, made of the commands themselves.

Completions are plain text: a shell that asked the program would wait for Python with every TAB.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from recorder.cli import app
from release.lock import version


@dataclass(frozen=True, slots=True)
class Option:
    """An option by all its spellings, or an argument by its name in capitals."""

    names: tuple[str, ...]
    text: str
    is_argument: bool
    has_value: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command by its words; ``text`` is its help, paragraphs with an empty line between them."""

    name: str
    text: str
    options: tuple[Option, ...]

    @property
    def summary(self) -> str:
        """Its first sentence."""
        return self.text.partition("\n")[0].rstrip(".")


def commands() -> list[Command]:
    """Every command, in the order in which the program lists them."""
    return list(_below(typer.main.get_command(app), ""))


def _below(group: Any, words: str) -> Iterator[Command]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _below(command, f"{words}{name} ")
        else:
            options = tuple(_option(each) for each in command.params)
            yield Command(f"{words}{name}", _plain(command.help or ""), options)


def _option(parameter: Any) -> Option:
    text, is_argument = _plain(parameter.help or ""), parameter.param_type_name == "argument"
    if is_argument:
        return Option((parameter.name.upper(),), text, is_argument=True, has_value=True)
    names = (*parameter.opts, *parameter.secondary_opts)
    return Option(names, text, is_argument=False, has_value=not parameter.is_flag)


def _plain(text: str) -> str:
    """Without the marks of rich."""
    return re.sub(r"(?<!\\)\[/?(?:bold|dim|italic|cyan)\]", "", text).replace("\\[", "[").strip()


# --- the manual page -----------------------------------------------------------------------------


def manual(seconds: int) -> str:
    """The page recorder(1), as of a time in seconds since 1970."""
    found = commands()
    day = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    lines = [
        f'.TH RECORDER 1 "{day}" "recorder {version()}" "User Commands"',
        ".SH NAME",
        r"recorder \- market-data recorder and order-book daemon for Coinbase",
        ".SH SYNOPSIS",
        r".B recorder\ \fICOMMAND\fR [\fIOPTION\fR]...",
        ".SH COMMANDS",
    ]
    for command in found:
        lines += [f".SS recorder {_roff(command.name)}", *_paragraphs(command.text)]
        for option in command.options:
            names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in option.names)
            lines += [".TP", names, _roff(" ".join(option.text.split())) or r"\&"]
    lines += [
        ".SH FILES",
        *(".TP\n.I {}\n{}".format(*each) for each in (
            ("/etc/recorder/recorder.toml", "the configuration of the service"),
            ("/etc/recorder/upgrade.conf", "what an upgrade of the package does"),
            ("/var/lib/recorder", "the data"),
            ("/usr/share/doc/recorder", "an example, the changes, what is installed with it"),
        )),
        ".SH SEE ALSO",
        ".BR systemctl (1),",
        ".BR journalctl (1)",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        if re.match(r"recorder .*", paragraph):  # examples, as they stand
            yield from (".PP", ".nf", *map(_roff, paragraph.splitlines()), ".fi")
        else:
            yield from (".PP", _roff(" ".join(paragraph.split())))


def _roff(text: str) -> str:
    r"""Text of which troff takes nothing for a request.

    >>> _roff(".a --b")
    '\\&.a \\-\\-b'
    """
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = re.sub(r"[^\x00-\x7f]", lambda each: f"\\[u{ord(each[0]):04X}]", text)
    return rf"\&{text}" if text[:1] in {".", "'"} else text


# --- completions ---------------------------------------------------------------------------------


def bash_completion() -> str:
    """Commands and their options for bash; files where an option has a value."""
    cases = []
    for first, rest in _first_words().items():
        subs = [each.name.partition(" ")[2] for each in rest]
        words = [*filter(None, subs), *_words(rest), "--help"]
        cases.append(f'    {first}) words="{" ".join(words)}" ;;')
    firsts = " ".join([*_first_words(), "--help", "--version"])
    return "\n".join([
        "# Completion of recorder(1) for bash; made of its commands.",
        "_recorder() {",
        '  local word="${COMP_WORDS[COMP_CWORD]}" words',
        '  case "${COMP_CWORD}:${COMP_WORDS[1]}" in',
        f'    1:*) words="{firsts}" ;;',
        *(line.replace("    ", "    *:", 1) for line in cases),
        "  esac",
        '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")',
        "}",
        "complete -o default -F _recorder recorder",
    ]) + "\n"  # fmt: skip


def fish_completion() -> str:
    """The same for fish, with what each is for."""
    lines = ["# Completion of recorder(1) for fish; made of its commands."]
    for first, rest in _first_words().items():
        inner = [each for each in rest if " " in each.name]
        lines.append(_fish("-n __fish_use_subcommand", first, "" if inner else rest[0].summary))
        seen = f"-n '__fish_seen_subcommand_from {first}'"
        lines += [_fish(seen, each.name.partition(" ")[2], each.summary) for each in inner]
        told: dict[tuple[str, ...], Option] = {}
        for option in (option for each in rest for option in each.options):
            if not option.is_argument:
                told.setdefault(option.names, option)
        lines += [_fish_option(seen, option) for option in told.values()]
    return "\n".join(lines) + "\n"


def _fish(where: str, word: str, text: str) -> str:
    return f"complete -c recorder {where} -f -a {word} -d {_quoted(text)}"


def _fish_option(where: str, option: Option) -> str:
    names = [f"-l {name[2:]}" if name[:2] == "--" else f"-s {name[1:]}" for name in option.names]
    value = " -r" if option.has_value else ""
    return f"complete -c recorder {where} {' '.join(names)}{value} -d {_quoted(option.text)}"


def _first_words() -> dict[str, list[Command]]:
    found: dict[str, list[Command]] = {}
    for command in commands():
        found.setdefault(command.name.partition(" ")[0], []).append(command)
    return found


def _words(found: list[Command]) -> list[str]:
    names = [name for each in found for option in each.options if not option.is_argument
             for name in option.names]  # fmt: skip
    return list(dict.fromkeys(names))


def _quoted(text: str) -> str:
    first = " ".join(text.split())
    return "'" + first.replace("\\", "\\\\").replace("'", "\\'") + "'"
