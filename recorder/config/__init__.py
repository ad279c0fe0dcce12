"""Settings: one frozen value, read once from one TOML file, checked whole.

`recorder.config.keys.KEYS` is the only list of what can be set. Parsing, defaults, the messages
about mistakes, the start log and the commented example of ``recorder check-config --example`` are
all made from it, so code and documentation cannot disagree.

All mistakes of a file are reported at once, one a line:
``file:line: key: what is wrong; what is allowed; the nearest valid key``.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.config import checks, listening
from recorder.config.checks import WrongValueError, did_you_mean, kind_of, shown
from recorder.config.keys import KEYS, Config, FeedConfig, HttpConfig, Key, StoreConfig
from recorder.config.lines import KeyPath, lines_of, nearest_line
from recorder.errors import (
    ConfigError,
    NoInputError,
    PermissionRefusedError,
    WrongOptionsError,
)
from recorder.masking import shown_address, without_keys

__all__ = [
    "KEYS", "Config", "FeedConfig", "HttpConfig", "Key", "StoreConfig", "checks",
    "describe", "example", "load", "override", "parse", "unchangeable",
]  # fmt: skip

CONFIG_BYTES_MAX = 256 * 1024


_KEY_OF = {key.name: key for key in KEYS}
_TABLES: dict[str, type[FeedConfig | StoreConfig | HttpConfig]] = {
    "feed": FeedConfig,
    "store": StoreConfig,
    "http": HttpConfig,
}
_SYNTAX_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_ONE_LINE_PAIR = re.compile(r"\s*[A-Za-z0-9_.\"'-]+\s*=(?!.*[\[\]{}])(?!.*(\"{3}|'{3}))")
_SYNTAX_MISTAKES_MAX = 20


@dataclass(frozen=True, slots=True)
class _Found:
    """One mistake and where it is; ordered by where."""

    line: int
    key: str
    text: str


def load(path: Path | None) -> Config:
    """Read the settings from a TOML file; None gives the defaults.

    Raises:
        NoInputError: There is no such file, or it cannot be read.
        PermissionRefusedError: This user may not read it.
        ConfigError: It has mistakes; the message lists all of them.
    """
    if path is None:
        return parse("", None)
    try:
        with path.open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        wrong = PermissionRefusedError if isinstance(error, PermissionError) else NoInputError
        raise wrong(
            f"cannot read the configuration {_shown_path(path)}: {reason}; "
            "`recorder check-config --example` prints one to start from"
        ) from None
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError(
            f"{_place(path, 1)}: is longer than {CONFIG_BYTES_MAX // 1024} KiB; "
            "this does not look like a configuration"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{_place(path, line)}: is not UTF-8; save the file as UTF-8") from None
    return parse(text, path)


def parse(text: str, source: Path | None) -> Config:
    """Make the settings from TOML text. `source` is the file named in messages.

    Raises:
        ConfigError: The text has mistakes; the message lists all of them.
    """
    document, found = _document(text)
    given: dict[str, object] = {}
    lines = lines_of(text)
    found += _check_table(document, "", lines, given)
    venue = str(given.get("feed.venue", "advanced"))
    settings = {key.name: key.default_of(venue) for key in KEYS} | given
    checked = {"feed.venue", "feed.channels", *(key.name for key in KEYS if key.table == "http")}
    if not any(one.key in checked for one in found):
        found += _check_together(settings, lines)
    if found:
        places = sorted((one.line, one.key) for one in found)
        raise ConfigError(_report(found, source), places)
    return _config(settings, source)


def _check_together(settings: Mapping[str, Any], lines: Mapping[KeyPath, int]) -> Iterator[_Found]:
    """Check what one setting allows of another."""
    venue = settings["feed.venue"]
    for word, mistakes in (
        ("channels", checks.channels_at(venue, settings["feed.channels"])),
        ("user", checks.user_at(venue, user=settings["feed.user"])),
    ):
        for mistake in mistakes:
            path: KeyPath = ("feed", word)
            if mistake.position is not None:
                path = (*path, mistake.position)
            yield _Found(nearest_line(lines, path), f"feed.{word}", mistake.text)
    for name, text in listening.together(settings):
        http: KeyPath = ("http", name.removeprefix("http."))
        yield _Found(nearest_line(lines, http), name, text)


def override(config: Config, options: Mapping[str, tuple[str, object]]) -> Config:
    """Give the settings with some replaced from the command line, by the same checks.

    `options` has, for the name of a key, the option's name for messages, and the value as TOML
    would give it.

    Raises:
        WrongOptionsError: A value is refused; the message lists all of them.
    """
    settings = {key.name: _setting(config, key) for key in KEYS}
    mistakes: list[str] = []
    for name, (option, value) in options.items():
        try:
            settings[name] = _KEY_OF[name].check(value)
        except WrongValueError as wrong:
            mistakes += [f"{option}: {mistake.text}" for mistake in wrong.mistakes]
    if mistakes:
        raise WrongOptionsError("\n".join(mistakes))
    return _config(settings, config.source)


def unchangeable(before: Config, after: Config) -> list[str]:
    """The keys that differ between two settings and are taken over by a restart only."""
    return [key.name for key in KEYS if key.fixed and _setting(before, key) != _setting(after, key)]


def describe(config: Config) -> dict[str, object]:
    """Give every setting by its dotted name, as TOML would have it; there are no secrets in it.

    A key that somebody put where an address or a host belongs is not shown.
    """
    described: dict[str, object] = {"source": str(config.source) if config.source else None}
    for key in KEYS:
        value = _setting(config, key)
        told = key.as_toml(value) if key.as_toml else value
        described[key.name] = told if key.name == "data" else _without_keys(told)
    return described


def _without_keys(value: object) -> object:
    if isinstance(value, list):
        return [_without_keys(each) for each in value]
    if not isinstance(value, str):
        return value
    return without_keys(shown_address(value) if "://" in value else value)


def example(chosen: Mapping[str, object] | None = None) -> str:
    """Give a complete configuration, each key with a comment and at its default.

    With ``chosen``, values as TOML has them by the names of their keys, these are set to them and
    all others are commented out.
    """
    blocks = [_comment("Configuration of the recorder. A key that is left out has the value here.")]
    table, set_to = "", chosen or {}
    venue_chosen = str(set_to.get("feed.venue", "advanced"))
    for key in KEYS:
        if key.table != table:
            table = key.table
            blocks.append(f"[{table}]")
        comments = [key.meaning, f"Allowed: {key.allowed}."]
        comments += [f"Default for {venue}: {text}" for venue, text in key.defaults.items()]
        value = key.defaults.get(venue_chosen, key.default)
        mark = "" if chosen is None else "#"
        if key.name in set_to:
            value, mark = _as_toml(set_to[key.name]), ""
        rows = [*map(_comment, comments), f"{mark}{key.word} = {value}"]
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def _as_toml(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    # Numbers, true, false and texts are written as in JSON.
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> str:
    lines: list[str] = ["#"]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > 96:
            lines.append("#")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _setting(config: Config, key: Key) -> object:
    table = getattr(config, key.table) if key.table else config
    value: object = getattr(table, key.field or key.word)
    return value


def _config(settings: Mapping[str, object], source: Path | None) -> Config:
    tables: dict[str, dict[str, Any]] = {name: {} for name in ("", *_TABLES)}
    for key in KEYS:
        tables[key.table][key.field or key.word] = settings[key.name]
    top: dict[str, Any] = {name: table(**tables[name]) for name, table in _TABLES.items()}
    return Config(**tables[""], **top, source=source)


def _document(text: str) -> tuple[dict[str, Any], list[_Found]]:
    """Parse TOML as far as it can be.

    After a mistake in a line that is a key and a value and nothing else, the rest is read without
    that line, so that a forgotten quote hides no other mistake. After any other, only the
    mistakes of syntax are known, and nothing is said about keys that may be misread.
    """
    found: list[_Found] = []
    rows = text.split("\n")
    while True:
        try:
            return tomllib.loads("\n".join(rows)), found
        except RecursionError:
            return {}, [*found, _Found(1, "", "is not valid TOML: it is nested too deeply")]
        except ValueError as error:  # also of int(): a number of thousands of digits
            place = _SYNTAX_LINE.search(str(error))
            line = int(place[1]) if place else len(rows)
            found.append(_Found(line, "", _syntax(error, rows[line - 1], place)))
        if not _ONE_LINE_PAIR.match(rows[line - 1]) or len(found) >= _SYNTAX_MISTAKES_MAX:
            return {}, found
        rows[line - 1] = ""


def _syntax(error: ValueError, row: str, place: re.Match[str] | None) -> str:
    reason = _SYNTAX_LINE.sub("", str(error)).replace("(at end of document)", "at the end").strip()
    reason = "".join(c if c.isprintable() else repr(c)[1:-1] for c in reason)
    column = f" (column {place[2]})" if place else ""
    hint = "; a text needs quotes around it" if reason == "Invalid value" else ""
    if not row.strip():
        hint = "; something before this line is not closed"
    return f"is not valid TOML{column}: {without_keys(reason)[:120]}{hint}"


def _check_table(
    table: Mapping[str, Any],
    prefix: str,
    lines: Mapping[KeyPath, int],
    settings: dict[str, object],
) -> Iterator[_Found]:
    """Check one table and those inside it; put what is right into `settings`."""
    for word, value in table.items():
        name = f"{prefix}.{word}" if prefix else word
        path: KeyPath = (prefix, word) if prefix else (word,)
        line = nearest_line(lines, path)
        if not prefix and word in _TABLES:
            if isinstance(value, dict):
                yield from _check_table(value, word, lines, settings)
            else:
                yield _Found(line, name, f"is {kind_of(value)}; a table is wanted: [{word}]")
        elif name in _KEY_OF and "." not in word:
            try:
                settings[name] = _KEY_OF[name].check(value)
            except WrongValueError as wrong:
                for mistake in wrong.mistakes:
                    inner = path if mistake.position is None else (*path, mistake.position)
                    yield _Found(nearest_line(lines, inner), name, mistake.text)
        else:
            yield _Found(line, _shown_name(prefix, word), _unknown(prefix, word, value))


def _unknown(prefix: str, word: str, value: object) -> str:
    here = [key.word for key in KEYS if key.table == prefix]
    if not prefix:
        here += list(_TABLES)
    elsewhere = {key.word: key.name for key in KEYS if key.table != prefix}
    if word in elsewhere:
        hint = f'did you mean "{elsewhere[word]}"?'
    else:
        near = did_you_mean(word, here) or did_you_mean(word, list(elsewhere))
        hint = re.sub(r'"(\w+)"', lambda m: f'"{_full(prefix, m[1], elsewhere)}"', near)
    what = "table" if isinstance(value, dict) and not prefix else "key"
    where = f"in [{prefix}]" if prefix else "at the top"
    known = f"is not a known {what}; {where} there can be {', '.join(here)}"
    return f"{known}; {hint}" if hint else known


def _full(prefix: str, word: str, elsewhere: Mapping[str, str]) -> str:
    name = f"{prefix}.{word}" if prefix else word
    return name if name in _KEY_OF or word in _TABLES else elsewhere.get(word, word)


def _shown_name(prefix: str, word: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9_-]{1,60}", word) and without_keys(word) == word
    bare = word if plain else shown(word)
    return f"{prefix}.{bare}" if prefix else bare


def _place(source: Path | None, line: int) -> str:
    return f"{_shown_path(source) if source else 'configuration'}:{line}"


def _shown_path(path: Path) -> str:
    name = without_keys(str(path))
    return name if name.isprintable() else shown(name)


def _report(found: list[_Found], source: Path | None) -> str:
    rows = sorted(found, key=lambda one: one.line)
    return "\n".join(
        f"{_place(source, one.line)}: {one.key}: {one.text}"
        if one.key
        else f"{_place(source, one.line)}: {one.text}"
        for one in rows
    )
