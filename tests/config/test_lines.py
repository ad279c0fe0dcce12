"""What `recorder.config.lines` promises about where keys stand."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.config.lines import KeyPath, lines_of, nearest_line

TEXT = '''# comment with [brackets] and = signs
top = 1
"quoted.key" = """
a = 2
[not.a.table]
""" # still the same
dotted . "k\\u0065y".x = [ # comment ]
  1, "two # ]", [3,
  4], { a = 5, b = [
  6 ] }
]

[table]   # comment
a = '\\'
b = "\\""
[table.inner]
when = 1979-05-27 07:32:00
inline = { x.y = 1, z = "}" }
[[many]]
n = 1
'''


def test_every_form_of_toml_is_followed() -> None:
    """Strings, comments, dotted keys, inline tables and nested arrays do not lead astray."""
    assert tomllib.loads(TEXT)
    assert lines_of(TEXT) == {
        ("top",): 2,
        ("quoted.key",): 3,
        ("dotted",): 7,
        ("dotted", "key"): 7,
        ("dotted", "key", "x"): 7,
        ("dotted", "key", "x", 0): 8,
        ("dotted", "key", "x", 1): 8,
        ("dotted", "key", "x", 2): 8,
        ("dotted", "key", "x", 2, 0): 8,
        ("dotted", "key", "x", 2, 1): 9,
        ("dotted", "key", "x", 3): 9,
        ("dotted", "key", "x", 3, "a"): 9,
        ("dotted", "key", "x", 3, "b"): 9,
        ("dotted", "key", "x", 3, "b", 0): 10,
        ("table",): 13,
        ("table", "a"): 14,
        ("table", "b"): 15,
        ("table", "inner"): 16,
        ("table", "inner", "when"): 17,
        ("table", "inner", "inline"): 18,
        ("table", "inner", "inline", "x"): 18,
        ("table", "inner", "inline", "x", "y"): 18,
        ("table", "inner", "inline", "z"): 18,
        ("many",): 19,
        ("many", "n"): 20,
    }


def test_what_has_no_line_has_that_of_what_is_around_it() -> None:
    """A path that was not found falls back to its table, and to the first line."""
    lines: dict[KeyPath, int] = {("feed",): 4}
    assert nearest_line(lines, ("feed", "products", 3)) == 4
    assert nearest_line(lines, ("other",)) == 1


SCALARS = st.integers(-99, 99) | st.booleans() | st.text(alphabet="ab#=[]{}\"'\\", max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet="ab.#", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_written(item) for item in value)}]"
    if isinstance(value, dict):
        members = (f"{_written(name)} = {_written(item)}" for name, item in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, str):
        return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
    return str(value)


@given(st.dictionaries(st.text(alphabet="abc.", max_size=3), VALUES, max_size=4))
def test_each_key_has_the_line_that_it_was_written_on(document: dict[str, Any]) -> None:
    """Any document written one key a line is found again on those lines."""
    text = "\n".join(f"{_written(name)} = {_written(value)}" for name, value in document.items())
    assert tomllib.loads(text) == document
    lines = lines_of(text)
    assert [lines[(name,)] for name in document] == list(range(1, len(document) + 1))


@given(st.text(alphabet="[]{}=.,'\"\\#\n ab1"))
def test_text_that_is_not_toml_does_no_harm(text: str) -> None:
    """Whatever the text, there is an answer with lines that exist."""
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(text).values())
