"""Where each key of a TOML text stands, so that a mistake can be shown with its line.

The standard library parses TOML but keeps no positions. This is a reader of the same text that
keeps nothing else. It is meant for text that `tomllib` has accepted; on any other text its answer
is only less useful: it never fails and never loops.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<text>\"{3}(?:\\[\s\S]|[^\\])*?\"{3,5}|'{3}[\s\S]*?'{3,5}
              |"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[=,.\[\]{}])
    | (?P<word>[^\s=,.\[\]{}"'#]+|.)
    """,
    re.VERBOSE,
)
_LEVELS_MAX = 200


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


@dataclass(slots=True)
class _Reader:
    tokens: list[_Token]
    at: int = 0
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def peek(self) -> _Token:
        return self.tokens[min(self.at, len(self.tokens) - 1)]

    def take(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def mark(self, *marks: str) -> bool:
        token = self.peek()
        return token.kind == "mark" and token.text in marks

    def end(self) -> bool:
        return self.peek().kind == "end"

    def skip_newlines(self) -> None:
        while self.peek().kind == "newline":
            self.at += 1

    def skip_line(self) -> None:
        while self.peek().kind not in {"newline", "end"}:
            self.at += 1


def lines_of(text: str) -> dict[KeyPath, int]:
    """Map every table, key and array element of `text` to the line (from 1) where it begins.

    A path is the names from the top, and the position for an element of an array:
    ``("feed", "products", 1)``.
    """
    reader = _Reader(_tokens(text))
    table: KeyPath = ()
    while not reader.end():
        if reader.peek().kind == "newline":
            reader.take()
        elif reader.mark("["):
            table = _header(reader)
            reader.skip_line()
        else:
            _pair(reader, table, levels=0)
            reader.skip_line()
    return reader.lines


def nearest_line(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Give the line of `path`, or of the nearest thing around it that has one, or 1."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        assert kind is not None
        if kind != "space":
            found.append(_Token(kind, match.group(), line))
        line += match.group().count("\n")
    found.append(_Token("end", "", line))
    return found


def _header(reader: _Reader) -> KeyPath:
    line = reader.peek().line
    while reader.mark("["):
        reader.take()
    table = _key(reader)
    for depth in range(1, len(table) + 1):
        reader.lines.setdefault(table[:depth], line)
    return table


def _pair(reader: _Reader, table: KeyPath, levels: int) -> None:
    line = reader.peek().line
    before = reader.at
    names = _key(reader)
    for depth in range(1, len(names) + 1):
        reader.lines.setdefault(table + names[:depth], line)
    if reader.mark("="):
        reader.take()
        _value(reader, table + names, levels)
    elif reader.at == before:
        reader.take()


def _key(reader: _Reader) -> KeyPath:
    names: list[str | int] = []
    while not reader.end():
        token = reader.peek()
        if token.kind == "word":
            names.append(token.text)
        elif token.kind == "text":
            names.append(_unquoted(token.text))
        elif not reader.mark("."):
            break
        reader.take()
    return tuple(names)


def _value(reader: _Reader, path: KeyPath, levels: int) -> None:
    reader.lines.setdefault(path, reader.peek().line)
    if levels > _LEVELS_MAX:
        return
    if reader.mark("["):
        reader.take()
        _array(reader, path, levels + 1)
    elif reader.mark("{"):
        reader.take()
        _inline_table(reader, path, levels + 1)
    else:
        while not (reader.end() or reader.peek().kind == "newline" or reader.mark(",", "]", "}")):
            reader.take()


def _array(reader: _Reader, path: KeyPath, levels: int) -> None:
    position = 0
    reader.skip_newlines()
    while not (reader.end() or reader.mark("]")):
        before = reader.at
        _value(reader, (*path, position), levels)
        position += 1
        reader.skip_newlines()
        if reader.mark(",") or reader.at == before:
            reader.take()
        reader.skip_newlines()
    reader.take()


def _inline_table(reader: _Reader, path: KeyPath, levels: int) -> None:
    reader.skip_newlines()
    while not (reader.end() or reader.mark("}")):
        before = reader.at
        _pair(reader, path, levels)
        reader.skip_newlines()
        if reader.mark(",") or reader.at == before:
            reader.take()
        reader.skip_newlines()
    reader.take()


def _unquoted(token: str) -> str:
    try:
        value = tomllib.loads(f"key = {token}")["key"]
    except (ValueError, RecursionError):
        return token
    return str(value)
