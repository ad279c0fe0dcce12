"""The documents say what is there: no more, no less, and what they show runs.

Reference tables in docs/ are compared with the code; links resolve; commands parse; every block of
SQL and Python in the recipes, the format and the README runs against data recorded here.
"""

import ast
import asyncio
import json
import re
import shlex
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow.parquet as pq
import pytest
import typer

from recorder import config as settings
from recorder import errors, hours
from recorder.cli import app
from recorder.core.frames import HOUR_NS
from recorder.core.tables import TABLES, Kind
from recorder.doctor.course import CHECKS
from recorder.http.metrics import METRICS
from recorder.store.capture import read_blocks
from recorder.store.paths import CUTS, Root
from recorder.venue import Venue
from tests.recorders import all_recorded, config_for, live_rows, recording, wait_for

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "recorder"
PAPERS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *(ROOT / folder / "README.md" for folder in ("data", "deploy", "systemd")),
    ]
)
FORMAT, OPERATING = ROOT / "docs/format.md", ROOT / "docs/operating.md"
RECIPES, README = ROOT / "docs/recipes.md", ROOT / "README.md"
READING = ROOT / "docs/reading.md"
BACKTESTS = ROOT / "docs/backtests.md"
UNIT = ROOT / "systemd/recorder.service"

paper = pytest.mark.parametrize("path", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))


# --- reading Markdown ----------------------------------------------------------------------------


class Fence(NamedTuple):
    """One fenced block; ``words`` is what stands behind the fence."""

    path: Path
    line: int
    words: list[str]
    text: str


def fences(path: Path, language: str) -> list[Fence]:
    """The fenced blocks of a language, in their order."""
    found: list[Fence] = []
    opened: Fence | None = None
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            if opened is None:
                opened, lines = Fence(path, number + 1, line[3:].split(), ""), []
            else:
                found.append(opened._replace(text="\n".join(lines) + "\n"))
                opened = None
        else:
            lines.append(line)
    assert opened is None, f"{path}: a fence is not closed"
    return [fence for fence in found if fence.words[:1] == [language]]


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)


def section(path: Path, title: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n", prose(path), re.MULTILINE)
    assert found, f"{path.name} has no heading {title!r}"
    rest = prose(path)[found.end() :]
    return re.split(rf"^#{{1,{len(found[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str, *header: str) -> list[list[str]]:
    """The rows of the table that begins with these columns."""
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in block.splitlines()
        ]
        if tuple(rows[0][: len(header)]) == header:
            assert all(len(row) == len(rows[0]) for row in rows), f"uneven table: {header}"
            return rows[2:]
    raise AssertionError(f"no table with the columns {', '.join(header)}")


def codes(cell: str) -> list[str]:
    """What stands in back quotes."""
    return re.findall(r"`([^`]+)`", cell)


def names(rows: list[list[str]]) -> list[str]:
    """The names in the first column, each once (asserted)."""
    found = [name for row in rows for name in codes(row[0])]
    assert len(found) == len(set(found)), f"documented twice: {found}"
    return found


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# --- reading the source --------------------------------------------------------------------------


@cache
def modules() -> tuple[ast.Module, ...]:
    """The source, without the venue: it speaks for Coinbase, and logs nothing."""
    files = (path for path in SOURCE.rglob("*.py") if path.parent.name != "venue")
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in files)


def constants(module: ast.Module) -> dict[str, str]:
    """The texts that a module gives names to."""
    return {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


@cache
def calls() -> dict[str, list[tuple[dict[str, str], ast.Call]]]:
    """Every call of the source by the name of what is called, with the constants of its module."""
    found: dict[str, list[tuple[dict[str, str], ast.Call]]] = defaultdict(list)
    for module in modules():
        known = constants(module)
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
                found[called or ""].append((known, node))
    return found


def texts_given(places: dict[str, int | None]) -> set[str]:
    """The constant texts given to functions: name → position of the argument, None for any."""
    found = set()
    for called, position in places.items():
        for known, node in calls()[called]:
            given = node.args if position is None else node.args[position : position + 1]
            for each in given:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    found.add(each.value)
                elif isinstance(each, ast.Name) and each.id in known:
                    found.add(known[each.id])
    return found


def kinds_in_code() -> set[str]:
    """Every fault kind that the source writes."""
    return texts_given(
        {"fault": 0, "fault_rows": 0, "Problem": 0, "Noted": 1, "_note": 0, "_note_once": 0}
    )


def reasons_in_code() -> set[str]:
    """Every coverage reason that the source writes as a constant."""
    places = {"Missing": 1, "expect": 2, "lose_books": 1, "_lose_books": 1, "_with_reason": 1}
    return texts_given(places) | (texts_given({"Interval": None}) - {"gap", "recorded"})


def commands() -> dict[str, Any]:
    """Every command by its words: ``run``, ``auth check``."""
    group: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= (
            {f"{name} {word}": each for word, each in inner.items()} if inner else {name: command}
        )
    return found


def first_words() -> set[str]:
    """What stands behind `recorder`."""
    return {name.partition(" ")[0] for name in commands()}


# --- the data that snippets run on ---------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some seconds of BTC-USD and ETH-USD around the turn of an hour, with a gap in it."""
    root = tmp_path_factory.mktemp("docs") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hours, "SWITCH_DELAY_S", 0.1)
        asyncio.run(record(root))
    return root


async def record(root: Path) -> None:
    hour_ns = time.time_ns() // HOUR_NS * HOUR_NS + HOUR_NS
    ahead_ns = hour_ns - time.time_ns() - 3 * 10**9  # the clock stands 3 s before the hour
    async with (
        Venue(seed=11, rate=5, depth=0.02) as venue,
        recording(config_for(root, venue.url), lambda: time.time_ns() + ahead_ns) as running,
    ):
        await wait_for(lambda: all_recorded(running), "every channel")
        venue.skip(3)
        await wait_for(lambda: running.progress().sequence_gaps == 1, "the gap")
        await wait_for(lambda: running.progress().books_live == 2, "both books again")
        await wait_for((root / "current.json").exists, "the switch")
        for kind in ("level2", "trades"):
            await wait_for(
                lambda kind=kind: {
                    row[0] for row in live_rows(root, kind, "product_id") if row
                } == {"BTC-USD", "ETH-USD"}
                and max(row[0] for row in live_rows(root, kind, "recv_ns")) > hour_ns,
                f"{kind} of the new hour",
            )  # fmt: skip


# --- settings, commands, exit codes --------------------------------------------------------------


def test_every_setting_is_documented():
    rows = table(section(OPERATING, "Configuration"), "key", "default")
    assert names(rows) == [key.name for key in settings.KEYS]
    assert [codes(row[1]) for row in rows] == [[key.default] for key in settings.KEYS]


def test_every_channel_and_bound_is_documented():
    rows = {codes(row[0])[0]: row[2] for row in table(section(OPERATING, "Configuration"), "key")}
    assert set(codes(rows["feed.channels"])) == set(settings.checks.CHANNELS)


@paper
def test_configurations_shown_are_right(path):
    for fence in fences(path, "toml"):
        settings.parse(fence.text, path)


def test_the_example_and_the_service_s_configuration_are_right():
    assert settings.parse(settings.example(), None) == settings.load(None)
    assert settings.load(ROOT / "systemd/recorder.toml").data == Path("/var/lib/recorder")


def test_every_command_and_option_is_documented():
    documented = {
        title.removeprefix("recorder ")
        for title in headings(OPERATING)
        if title.startswith("recorder ")
    }
    assert documented == set(commands())
    for name, command in commands().items():
        options = {
            option
            for param in command.params
            if param.param_type_name == "option" and not getattr(param, "hidden", False)
            for option in param.opts
            if option.startswith("--")
        } - {"--help"}
        assert set(names(table(section(OPERATING, f"recorder {name}"), "option"))) == options, name


def test_every_check_of_the_doctor_is_documented():
    rows = table(section(OPERATING, "What doctor looks at"), "check", "what", "warn", "fail")
    assert names(rows) == list(CHECKS)


def test_every_exit_code_is_documented():
    tree = [errors.RecorderError]
    for each in tree:
        tree += each.__subclasses__()
    known = {0, 1, 130, 141} | {each.exit_code for each in tree}
    rows = table(section(OPERATING, "Exit codes"), "code")
    assert [int(row[0]) for row in rows] == sorted(known)


def test_every_metric_is_documented():
    """Name, type, labels and meaning are those of the code, in its order."""
    rows = table(section(OPERATING, "Metrics"), "metric", "type", "labels", "what")
    assert names(rows) == [metric.name for metric in METRICS]
    for row, metric in zip(rows, METRICS, strict=True):
        assert (row[1], tuple(codes(row[2]))) == (metric.kind, metric.labels), metric.name
        assert f"{row[3]}." == metric.meaning


def test_every_path_is_documented():
    """What the server answers, and nothing else."""
    documented = set(names(table(section(OPERATING, "HTTP"), "path", "what")))
    served = set(re.findall(r'"(/[a-z0-9/]*)"', (SOURCE / "http/site.py").read_text()))
    assert documented == (served - {"/v1/books"}) | {"/v1/books/{product}", "/", "/endpoints"}


# --- events, faults, reasons ---------------------------------------------------------------------


def test_every_fault_is_documented():
    used = kinds_in_code()
    assert len(used) > 10
    assert set(names(table(section(OPERATING, "Faults"), "kind"))) == used


def test_every_coverage_reason_is_documented():
    constant, documented = reasons_in_code(), names(table(section(OPERATING, "Coverage"), "reason"))
    assert len(constant) > 5
    assert set(documented) >= constant
    # A fault that hurts a book is the reason of its gap.
    assert set(documented) <= constant | kinds_in_code()


@paper
def test_commands_named_in_the_text_exist(path):
    named = set(re.findall(r"`recorder ([a-z][a-z-]*)", prose(path)))
    assert named <= first_words()


def test_what_is_not_built_is_not_there():
    assert set(codes(section(OPERATING, "Not built yet"))) & set(commands()) == set()


def test_commands_named_by_the_product_exist():
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    named = set(re.findall(r"(?<!`)`recorder ([a-z][a-z-]*)", text))
    assert named <= first_words()


# --- format --------------------------------------------------------------------------------------

TYPES = {
    Kind.INT: "int64",
    Kind.FLOAT: "float64",
    Kind.WORD: "text (dictionary)",
    Kind.TEXT: "text",
    Kind.TIME: "timestamp[us, UTC]",
}


def test_every_table_is_documented():
    subsections = re.findall(r"^### (\S+)$", section(FORMAT, "Tables"), re.MULTILINE)
    assert subsections == list(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_documented(name):
    rows = table(section(FORMAT, name), "column", "type", "null", "unit", "meaning")
    documented = [(codes(row[0])[0], row[1], row[2]) for row in rows]
    assert documented == [
        (column.name, TYPES[column.kind], "yes" if column.nullable else "no")
        for column in TABLES[name].columns
    ]
    assert all(row[4] for row in rows)


def test_types_are_as_the_files_have_them(data):
    """What the document says of Arrow and DuckDB is what they say of a file."""
    said = {codes(row[0])[0]: row[2:] for row in table(section(FORMAT, "Sealed files"), "here")}
    assert set(said) == set(TYPES.values())
    for name, declared in TABLES.items():
        live_file = data / "live" / name / "0-empty.parquet"
        schema = pq.read_schema(live_file)
        relation = duckdb.sql(f"FROM read_parquet('{live_file}')")
        in_duckdb = dict(zip(relation.columns, map(str, relation.types), strict=True))
        for column in declared.columns:
            arrow, sql = said[TYPES[column.kind]]
            seen = str(schema.field(column.name).type)
            seen = "dictionary of string" if seen.startswith("dictionary<values=string") else seen
            assert (seen, in_duckdb[column.name]) == (arrow, sql), column.name


def test_footers_have_the_documented_keys(data):
    sealed = sorted(data.glob("*/**/hour=*/*.parquet"))
    parts = [path for path in data.glob("live/*/*.parquet") if path.name[0] != "0"]
    assert sealed
    assert parts

    def keys(paths: list[Path]) -> set[str]:
        footers = [pq.read_schema(path).metadata for path in paths]
        return {
            key.decode() for footer in footers for key in footer if key.startswith(b"recorder.")
        }

    rows = table(section(FORMAT, "Sealed files"), "key", "where")
    assert set(names(rows)) == keys(sealed)
    everywhere = {name for row in rows if row[1] == "every file" for name in codes(row[0])}
    assert everywhere == keys(parts)


def test_records_have_the_documented_fields(data):
    def fields(title: str, number: int = 0) -> list[str]:
        blocks = section(FORMAT, title).split("Each of `files`")
        return names(table(blocks[number], "field", "type"))

    (commit,) = (json.loads(path.read_text()) for path in data.glob("commits/*.json"))
    assert sorted(fields("Commit record")) == sorted(commit)
    assert sorted(fields("Commit record", 1)) == sorted(commit["files"][0])
    assert set(codes(section(FORMAT, "Recorded trade ids"))[:3]) == set(commit["trades"]["BTC-USD"])
    assert sorted(fields("current.json")) == sorted(json.loads((data / "current.json").read_text()))
    cut = next((data / "live" / CUTS).iterdir())
    assert sorted(fields("Live parts")) == sorted(json.loads(cut.read_text()))


def test_paths_are_documented(data):
    """Every kind of path in a data directory is in the table of the directory, with its mode."""
    rows = table(section(FORMAT, "Directory"), "path", "what", "mode")
    patterns = {re.sub(r"\d+", "0", codes(row[0])[0]): row[2] for row in rows}
    for path in data.rglob("*"):
        if path.is_dir():
            continue
        shape = re.sub("ETH-USD", "BTC-USD", str(path.relative_to(data)))
        for name, declared in TABLES.items():
            for_all = declared.per_product or shape.startswith("live/")
            shape = re.sub(rf"\b{name}\b", "level2" if for_all else "heartbeats", shape)
        shape = re.sub(r"\d+", "0", shape)
        assert shape in patterns, path
        assert f"{path.stat().st_mode & 0o777:04o}" == patterns[shape], path


def test_the_reader_in_the_format_reads_what_ours_reads(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    namespace = run(FORMAT)
    root = Root(data)
    for hour in root.captured_hours():
        for segment in root.segments(hour):
            ours, theirs = b"", list(namespace["lines"](segment.path))
            for block in read_blocks(segment.path):
                ours += block.payload
            assert b"".join(line + b"\n" for _, line in theirs) == ours
            assert theirs[0][0] == segment.first
            torn = data.parent / "torn.cap"
            torn.write_bytes(segment.path.read_bytes()[:-1])
            kept = list(namespace["lines"](torn))
            assert kept == theirs[: len(kept)]
            assert len(kept) < len(theirs)


# --- snippets ------------------------------------------------------------------------------------


def run(path: Path, place: str = "data") -> dict[str, Any]:
    """Run the blocks of Python and SQL of a document in order; returns the Python namespace.

    ``place`` is the directory that is put for `data`.
    """
    blocks = sorted([*fences(path, "python"), *fences(path, "sql")], key=lambda each: each.line)
    # What is marked for an engine of others is run with it: tests/test_engines.py.
    blocks = [fence for fence in blocks if not fence.words[1:]]
    namespace: dict[str, Any] = {"__name__": path.stem}
    with duckdb.connect() as con:
        if path == READING:
            con.execute(Path(f"{place}/recorder.sql").read_text(encoding="utf-8"))
        for fence in blocks:
            where = f"{path.name}:{fence.line}"
            text = put_for_data(place, fence.text)
            if fence.words[0] == "python":
                code = "\n" * (fence.line - 1) + text
                exec(compile(code, str(path), "exec"), namespace)
                continue
            answer = con.execute(text)
            if re.match(r"(--.*\n)*(SELECT|WITH|FROM)\b", fence.text):
                assert answer.fetchall(), f"{where} finds nothing"
        if path == RECIPES:
            check_recipes(con, namespace)
    return namespace


def put_for_data(place: str, text: str) -> str:
    """Name another directory wherever a text names `data`."""
    return re.sub(r"""(?<=["' ])data(?=["'/ ]|$)""", place, text, flags=re.MULTILINE)


def check_recipes(con: duckdb.DuckDBPyConnection, namespace: dict[str, Any]) -> None:
    """The recipes' answers agree with each other and with the reader."""
    db = namespace["db"]
    for name in ("level2", "trades"):
        found = con.execute(f"SELECT ingest_seq FROM {name} ORDER BY ALL").fetchall()
        ours = [
            number
            for product in ("BTC-USD", "ETH-USD")
            for number in db.select(name, product, allow_gaps=True)
            .to_arrow()
            .column("ingest_seq")
            .to_pylist()
        ]
        assert [row[0] for row in found] == sorted(ours)
    assert con.execute("SELECT count(*) FROM coverage").fetchall() == [(db.coverage().num_rows,)]
    (moment,) = con.execute("SELECT getvariable('moment')").fetchall()
    book = db.book("BTC-USD", at=moment[0])
    for side, levels in (("bid", book.bids), ("ask", book.asks)):
        order = "DESC" if side == "bid" else "ASC"
        rows = con.execute(
            f"SELECT price, size FROM book WHERE side = '{side}' ORDER BY price {order}"
        )
        assert rows.fetchall() == [(float(price), float(size)) for price, size in levels]
    assert namespace["gaps"]
    assert len(namespace["frames"]) > 100
    trades = db.trades("BTC-USD", live=False, allow_gaps=True)
    assert namespace["sealed_trades"] == [str(path.resolve()) for path in trades.files()]


@pytest.mark.parametrize("path", [README, RECIPES, READING, BACKTESTS], ids=lambda path: path.name)
def test_snippets_run(path, data, monkeypatch):
    monkeypatch.chdir(data.parent)
    for made in ("again", "csv"):
        shutil.rmtree(data.parent / made, ignore_errors=True)
    run(path)


def test_the_recipes_have_snippets():
    assert len(fences(RECIPES, "sql")) >= 10
    assert len(fences(RECIPES, "python")) >= 6


# --- commands in fences --------------------------------------------------------------------------

TOOLS = {"cd", "git", "make", "recorder", "zstdcat", "less", "grep", "duckdb", "python3", "."}
TOOLS |= {"apt", "podman", "kubectl"}
AS_ROOT = {
    "install",
    "systemctl",
    "journalctl",
    "rm",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "usermod",
}
OPERATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<"}


def shell_commands(fence: Fence) -> Iterator[list[str]]:
    """The simple commands of a block, in words."""
    lexer = shlex.shlex(
        "\n".join(re.sub(r"(^|\s)#.*", "", line) + " ;" for line in joined(fence.text)),
        posix=True,
        punctuation_chars=True,
    )
    lexer.whitespace_split = True
    command: list[str] = []
    skip = False
    for word in lexer:
        if word in OPERATORS:
            if word in {">", ">>", "<"}:
                skip = True
                continue
            if command:
                yield command
            command = []
        elif skip:
            skip = False
        else:
            command.append(word)
    if command:
        yield command


def joined(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def targets() -> set[str]:
    return set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


@paper
def test_shell_commands_exist(path, data, monkeypatch):
    """Make targets and our own commands with their options; anything else is a tool we expect."""
    monkeypatch.chdir(data.parent)
    for fence in [*fences(path, "bash"), *fences(path, "sh"), *fences(path, "console")]:
        for command in shell_commands(fence):
            where = f"{path.name}:{fence.line}: {shlex.join(command)}"
            tool, arguments = Path(command[0]).name, command[1:]
            for_root = path.parent.name == "systemd" or path == OPERATING
            allowed = TOOLS | (AS_ROOT if for_root else set())
            if tool == "python" and "venv/bin" in command[0]:
                assert arguments[:1] == ["-m"], where
                continue
            assert tool in allowed, where
            if tool == "make":
                wanted = {word for word in arguments if "=" not in word}
                assert wanted <= targets(), where
            elif tool == "recorder":
                check_own_command(arguments, where)
            elif tool == "duckdb" and "-c" in arguments:
                assert duckdb.sql(arguments[arguments.index("-c") + 1]).fetchall(), where


def check_own_command(arguments: list[str], where: str) -> None:
    """A command of ours parses, with all its options; it is not run."""
    if arguments == ["--version"]:
        return
    assert arguments, where
    known = commands()
    count = 1 if arguments[0] in known else 2
    name = " ".join(arguments[:count])
    command = known.get(name)
    assert command is not None, where
    wanted = [word for word in arguments[count:] if word not in {"--help", "-h"}]
    if wanted or len(arguments) == count:
        command.make_context(name, wanted)


def test_make_targets_in_the_text_exist():
    for path in PAPERS:
        named = set(re.findall(r"`make ([a-z]+)", prose(path)))
        assert named <= targets(), path


# --- links, addresses, licence -------------------------------------------------------------------


@paper
def test_links_resolve(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{path.name}: {target}"
        assert linked.is_relative_to(ROOT), f"{path.name}: {target} leaves the project"
        if anchor:
            assert anchor in map(slug, headings(linked)), f"{path.name}: {target}"


def tracked() -> list[Path]:
    """The files of the project, those not committed yet included."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return [*PAPERS, *SOURCE.rglob("*.py")]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    files = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in files if path.is_file() and path != Path(__file__)]


def test_no_file_names_a_machine_or_a_registry():
    """No absolute path of somebody's machine, no address of a package index."""
    machine = re.compile(
        r"/(?:home|Users)/(?!me/)[a-z]\w*/|(?<![\w.*)])/(?:root|work|workspace)/\w"
    )
    registry = re.compile(
        r"pypi\.org|pythonhosted|artifactory|devpi"
        r"|https?://\S*/simple\b|^\s*--(?:extra-)?index-url",
        re.MULTILINE,
    )
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT)
        found = [*machine.finditer(text), *registry.finditer(text)]
        assert [match[0] for match in found] == [], name


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for part in (
        "Version 2.0, January 2004",
        "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
        "9. Accepting Warranty or Additional Liability.",
        "END OF TERMS AND CONDITIONS",
        "Copyright [yyyy] [name of copyright owner]",
    ):
        assert part in text
    assert len(text.split()) == 1581


# --- the service ---------------------------------------------------------------------------------


def unit_values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_unit_runs_a_command_that_exists():
    (line,) = unit_values("ExecStart")
    words = shlex.split(line)
    assert words[1:7] == ["-I", "-B", "-u", "-X", "faulthandler", "-m"]
    check_own_command(words[8:], line)
    assert words[-1] == unit_values("ConditionPathExists")[0]


def test_the_image_asks_by_a_command_that_exists():
    text = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
    (asked,) = re.findall(r"^HEALTHCHECK .*\n +CMD (.*)$", text, re.MULTILINE)
    words = json.loads(asked)
    assert words[1:4] == ["-I", "-m", "recorder"]
    check_own_command(words[4:], asked)
    (run,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    assert words[-1] == json.loads(run)[-1], "asked by another configuration"


def test_the_unit_gives_up_only_where_a_person_must_act():
    assert unit_values("Restart") == ["always"]
    kinds = (errors.UsageError, errors.NoInputError, errors.PermissionRefusedError)
    stays = {str(each.exit_code) for each in (*kinds, errors.ConfigError)}
    assert set(unit_values("RestartPreventExitStatus")[0].split()) == stays
