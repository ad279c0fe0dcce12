"""The shape of the product: which room may import which."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "recorder"


class Room(NamedTuple):
    """What a module (or all below it) may import of ours and of others, and why."""

    name: str
    ours: str
    others: str
    reason: str


# The longest name that fits a module is its row; a module may always import its own room. The
# standard library is free, but for what is said of `core` below.
ROOMS = [
    Room("errors", "", "", "what went wrong is said by everybody, and knows nobody"),
    Room("masking", "", "", "what may be shown of a text that may hold a key; by its form alone"),
    Room("clock", "", "", "the one place that reads the time, for the shell only"),
    Room("histogram", "", "", "counts in buckets; pure"),
    Room("latency", "histogram", "", "how long frames take and how late the loop turns"),
    Room("times", "errors", "numpy", "times as people write them, in every spelling; pure"),
    Room("core.frames", "", "msgspec", "vocabulary in"),
    Room("core.messages", "", "msgspec", "vocabulary out"),
    Room("core.numbers", "", "msgspec", "pure: the number grammar"),
    Room("core.times", "", "numpy", "pure: the venue's spellings of time"),
    Room("core.trades", "", "", "pure: ids of one product"),
    Room("core.coverage", "", "", "pure: intervals of one track"),
    Room("core.tables", "", "", "pure: declarations"),
    Room("core.flow", "", "", "pure: silences of one channel of a product"),
    Room("core.lag", "", "", "pure: trades that were named and did not come"),
    Room("core.audit", "", "", "pure: tickers against one book's tops"),
    Room(
        "core.tallies", "core.audit core.coverage core.frames", "", "pure: counts of what is told"
    ),
    Room("core.asking", "core.messages", "", "what was asked for, not what it says"),
    Room(
        "core.session",
        "core.asking core.frames core.lag core.messages",
        "",
        "order is checked without knowing what is in a frame",
    ),
    Room("core.levels", "", "numpy", "pure: one side of a book"),
    Room("core.book", "core.levels core.messages", "numpy", "levels, and nothing else"),
    Room(
        "core.rows",
        "core.messages core.tables core.coverage core.audit",
        "msgspec numpy",
        "messages and intervals as rows",
    ),
    Room(
        "core.state",
        "core.asking core.book core.coverage core.flow core.lag core.session core.trades",
        "msgspec",
        "what is known, as text",
    ),
    Room(
        "core.wire",
        "core.messages core.numbers core.times masking",
        "msgspec",
        "text to messages: knows the venue and no state",
    ),
    Room(
        "core.wire.advanced_many",
        "core.messages core.numbers core.times core.wire",
        "numpy",
        "the same for many frames at once",
    ),
    Room("core.many", "core", "", "many arrivals at once"),
    Room("core.collected", "core", "numpy", "their rows, as columns"),
    Room("core.knowledge", "core", "msgspec", "all that is known; how a doubt is written down"),
    Room("core.content", "core", "", "what the messages of a frame come to"),
    Room("core.overdue", "core", "", "what did not come"),
    Room("core.backfill", "core", "msgspec", "trades that were fetched, as rows"),
    Room("core.listed", "core", "msgspec", "the list of products, as rows"),
    Room("core.marks", "core", "", "what opens, closes, starts and ends"),
    Room("core.pipeline", "core errors", "", "joins the core"),
    Room("core", "", "", "a new module of the core gets a row of its own"),
    Room(
        "api",
        "config credentials errors feed.auth feed.products feed.rest feed.rest_errors "
        "feed.signing feed.transport written",
        "",
        "requests by hand: joins settings, key and REST",
    ),
    Room(
        "written",
        "errors feed.products feed.transport",
        "",
        "a request as a person writes it; how a query is encoded is the transport's",
    ),
    Room(
        "keycheck",
        "api config credentials errors feed.auth feed.signing listing logs",
        "",
        "the key of a recording: joins settings, key and REST before it begins",
    ),
    Room(
        "credentials",
        "errors masking",
        "",
        "where keys come from, and a type that never shows them",
    ),
    Room(
        "feed",
        "core.frames core.wire credentials errors histogram",
        "",
        "how frames arrive; what is signed is carried as a secret",
    ),
    Room("feed.selection", "", "", "pure: what to record, of what there is"),
    Room("feed.plan", "", "", "which connection carries what, and how fast we speak"),
    Room(
        "feed.switchboard",
        "core.frames core.messages core.wire feed.connection feed.dial feed.plan feed.shell "
        "feed.signing",
        "",
        "all connections: does what the core and the lineup want",
    ),
    Room("feed.tally", "histogram", "", "counts of one line"),
    Room(
        "feed.shell",
        "core.frames core.messages",
        "",
        "what the feed is given: arrivals, and what a long one says",
    ),
    Room("feed.sockets", "", "", "what both transports are for a connection: neither library"),
    Room("feed.by_websockets", "feed.sockets", "websockets", "the one place that knows it"),
    Room("feed.by_picows", "feed.sockets", "picows", "the one place that knows it"),
    Room(
        "feed.auth",
        "credentials errors feed.auth_keys feed.products",
        "cryptography jwt",
        "how each kind of key signs",
    ),
    Room(
        "feed.signing",
        "credentials errors feed.rest_errors",
        "",
        "what is added to a request on a socket, and what its refusal means",
    ),
    Room("feed.auth_keys", "credentials", "cryptography", "what a secret is"),
    Room(
        "feed.products",
        "core.numbers",
        "",
        "what the venue lists, its numbers in the one grammar",
    ),
    Room(
        "feed.rest",
        "credentials errors feed.products feed.rest_answers feed.rest_errors feed.transport",
        "",
        "what is asked by REST; how it is asked is the transport's",
    ),
    Room("feed.rest_answers", "core.numbers", "", "what REST answers hold, in the one grammar"),
    Room("feed.rest_errors", "errors masking", "aiohttp", "what a failure means for a person"),
    Room(
        "feed.transport",
        "credentials errors feed.rest_errors",
        "aiohttp msgspec yarl",
        "how a request goes and its answer comes",
    ),
    Room(
        "store",
        "core.frames core.tables core.rows errors",
        "pyarrow msgspec numpy",
        "where rows rest: it knows their form and not their meaning",
    ),
    Room("config", "errors masking", "", "settings, read once"),
    Room(
        "setup",
        "config credentials errors masking",
        "",
        "what is written before anything is recorded",
    ),
    Room("machine", "", "", "what the system, its limits and its disks are"),
    Room(
        "doctor",
        "api config credentials errors feed.dial feed.products feed.rest feed.rest_errors "
        "feed.sockets http.asking http.door keycheck listing machine masking store.commits "
        "store.paths",
        "",
        "looks into every room by the door that a recording takes, and changes nothing",
    ),
    Room(
        "bundle",
        "config core.tables credentials dataset doctor errors http.asking http.metrics logs "
        "machine masking store.paths verify.quick",
        "",
        "what is told of a recorder to others; it knows how everybody is asked, and of no key",
    ),
    Room("bundle.shown", "config logs", "", "what may be shown, by the words of the source"),
    Room("verify.quick", "errors store", "", "records and lengths, nothing that is in a file"),
    Room("logs", "credentials errors masking service.journal", "structlog", "only the shell logs"),
    Room("service", "", "", "what systemd is told, and how: its protocols and nothing of ours"),
    Room("service.vitals", "", "", "pure: what gets on, of signs that somebody took"),
    Room(
        "service.unit",
        "logs progress service.notifier service.vitals",
        "",
        "when a manager is told what",
    ),
    Room(
        "service.outlook",
        "core.session disk feed.connection lineup progress service.vitals",
        "",
        "reads how a recording goes off its parts, so that they know nothing of a manager",
    ),
    Room(
        "worker",
        "credentials logs errors",
        "",
        "runs a function in a process of its own, which gets no key",
    ),
    Room(
        "hours",
        "core.frames histogram store errors recovery sealing verify.books worker logs",
        "",
        "when hours are sealed and retired",
    ),
    Room("backfill", "core.frames core.trades errors logs", "msgspec", "trades that are missing"),
    Room(
        "missing",
        "core.tables store.days store.parts store.paths store.seal errors",
        "pyarrow numpy",
        "trades of which no file has a row",
    ),
    Room(
        "filling",
        "backfill before clock config core.frames core.tables core.trades errors feed.rest "
        "finishing hours missing recording recovery store",
        "",
        "joins files, REST and recording: missing trades by hand",
    ),
    Room("summaries", "core", "", "what an import tells of books and trades"),
    Room(
        "disk",
        "histogram store hours recording logs",
        "",
        "writes what is recorded, waits for the disk",
    ),
    Room("before", "core store errors", "msgspec", "what a start has to know, read from the disk"),
    Room("recording", "before core store errors", "", "joins core and store: what is recorded"),
    Room("checkpoints", "core store errors", "pyarrow", "the books that an hour begins with"),
    Room(
        "losses",
        "core store checkpoints",
        "msgspec pyarrow",
        "what the tables know around capture that is lost",
    ),
    Room(
        "lost_rows",
        "core store losses",
        "msgspec pyarrow",
        "joins core and store: what no capture can give again",
    ),
    Room(
        "sealing",
        "core.frames core.tables store errors recording checkpoints lost_rows recovery",
        "",
        "what is damaged is made again before it is sealed",
    ),
    Room(
        "recovery",
        "beside core store errors recording checkpoints losses",
        "msgspec pyarrow",
        "joins core and store: what was",
    ),
    Room("beside", "", "", "a thread, and what it is given to do"),
    Room("progress", "", "", "what a recording tells of itself"),
    Room(
        "listing",
        "config errors feed logs store.paths store.products",
        "",
        "joins REST, the kept list and the settings: what there is to record",
    ),
    Room(
        "lineup",
        "config errors feed.selection feed.switchboard listing logs",
        "",
        "what is recorded, and how that changes while recording",
    ),
    Room(
        "daemon",
        "backfill before core feed store recording recovery hours disk worker clock config "
        "inside keycheck latency logs lineup listing meter progress service stopping",
        "",
        "it joins all rooms, and nothing of replay",
    ),
    Room("stopping", "service.unit", "", "when and how a recording ends; it knows no recording"),
    Room(
        "meter", "core histogram", "numpy", "what is measured of every frame, for those who look on"
    ),
    Room(
        "inside",
        "disk feed.signing feed.switchboard hours lineup recording",
        "",
        "the parts of the daemon, for those who look on",
    ),
    Room(
        "http",
        "config core credentials daemon dataset disk errors feed.connection feed.plan feed.sockets "
        "histogram inside logs meter store.paths store.verified times worker",
        "aiohttp cryptography msgspec prometheus_client pyarrow",
        "looks at the daemon while it runs and changes nothing; the daemon knows nothing of it",
    ),
    Room(
        "http.asking",
        "config errors http.door http.place store.lock store.paths",
        "",
        "another process asks; it needs nothing of the daemon",
    ),
    Room(
        "live",
        "config daemon errors feed.selection http keycheck listing progress recovery sealing "
        "service store.lock store.paths",
        "",
        "the daemon with what must hold before it begins",
    ),
    Room(
        "finishing",
        "errors recording recovery sealing store",
        "",
        "the open hours of a recording that is over",
    ),
    Room(
        "replay",
        "before core finishing store errors recording recovery summaries",
        "",
        "captures through the same core, without a feed and nothing of live",
    ),
    Room(
        "verify",
        "core.coverage core.frames core.tables core.messages store errors checkpoints recovery",
        "pyarrow numpy",
        "what is on disk against itself, and against what recovery makes again",
    ),
    Room(
        "repair",
        "core.tables store errors apart checkpoints finishing recording recovery verify",
        "",
        "what verify finds, made again by recovery",
    ),
    Room("apart", "store errors verify", "", "damaged days as files of their hours again"),
    Room(
        "pack",
        "core.coverage core.tables finishing store errors recovery verify.sealed",
        "pyarrow",
        "which days are closed, and that they become one file a product",
    ),
    Room(
        "bucket",
        "errors masking",
        "boto3 botocore",
        "objects by path, whoever asks; the one place that knows a store's library",
    ),
    Room("bucket.address", "errors masking", "", "addresses need no library"),
    Room(
        "publishing",
        "bucket core.tables store errors",
        "",
        "joins store and bucket: sealed hours as objects",
    ),
    Room(
        "dataset",
        "bucket store.days store.orphans store.paths store.parts store.records core.frames "
        "core.tables core.numbers core.coverage core.book core.messages errors times queries",
        "pyarrow duckdb numpy pandas polars",
        "the reader's API sees files, not the writers; a replay keeps the books that we keep",
    ),
    Room(
        "rebuild",
        "core.frames core.tables store dataset.files errors recovery",
        "pyarrow numpy",
        "tables made again, and held against what readers have",
    ),
    Room(
        "broadcast",
        "core store checkpoints dataset errors venue.door venue.wire",
        "websockets msgspec",
        "joins capture, tables and the venue's door: a recording told again",
    ),
    Room(
        "export",
        "dataset core.tables core.book core.numbers errors times",
        "pyarrow numpy",
        "what readers have, in the formats of others, and none of their packages",
    ),
    Room(
        "plots",
        "dataset errors",
        "matplotlib numpy",
        "pictures of what the reader's API tells; matplotlib only when one is drawn",
    ),
    Room(
        "queries",
        "store.paths store.parts store.views errors",
        "duckdb",
        "SQL over the files, which DuckDB reads by itself",
    ),
    Room(
        "venue",
        "store.capture store.ndjson store.paths errors",
        "websockets aiohttp msgspec cryptography",
        "nothing of core: the two must not share a mistake",
    ),
    Room(
        "cli",
        "config logs live listing replay dataset queries venue verify repair pack errors api "
        "filling finishing http.asking missing broadcast rebuild written export plots publishing "
        "bundle doctor setup worker masking credentials",
        "msgspec typer rich structlog duckdb",
        "the front door never reaches behind the rooms' doors",
    ),
    Room("cli.embedded", "cli credentials errors", "", "a process of its own, which gets no key"),
    Room("__main__", "cli", "", "the front door"),
    Room("", "dataset errors", "", "the package gives the reader's API"),
]

# The core waits for nothing, asks for no clock, touches no file, says nothing; the same twice.
IMPURE = {
    *("asyncio", "concurrent", "threading", "multiprocessing", "subprocess", "signal", "socket"),
    *("time", "sched", "os", "io", "pathlib", "shutil", "tempfile", "glob", "sys", "random"),
    *("secrets", "uuid", "logging", "warnings", "ssl", "urllib", "http", "gzip", "zlib"),
}
IMPURE_CALLS = {"open", "print", "input", "now", "today", "utcnow", "eval", "exec", "__import__"}


def modules() -> dict[str, Path]:
    """Every module of the package by its name below `recorder`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def inside(module: str, room: str) -> bool:
    """Whether a module is a room or in it."""
    return module == room or module.startswith(f"{room}.")


def fits(room: Room, module: str) -> bool:
    """Whether a row speaks of a module; the package's own row is for itself alone."""
    return room.name == module or (room.name != "" and inside(module, room.name))


def room_of(module: str) -> Room:
    """The row of a module."""
    rows = [each for each in ROOMS if fits(each, module)]
    assert rows, f"recorder.{module} has no row in the table of imports"
    return max(rows, key=lambda room: len(room.name))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every imported module with its line, those inside of functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                is_module = deeper.removeprefix("recorder.") in MODULES
                yield (deeper if is_module else node.module), node.lineno


@pytest.mark.parametrize("module", sorted(MODULES), ids=lambda name: name or "recorder")
def test_a_module_imports_what_its_room_may(module: str) -> None:
    """The table above holds, for ours and for others'."""
    room = room_of(module)
    for imported, line in imports(MODULES[module]):
        where = f"{MODULES[module]}:{line}: {imported} ({room.name or 'recorder'}: {room.reason})"
        top, _, ours = imported.partition(".")
        if top == "recorder":
            allowed = [*room.ours.split(), room.name] if room.name else room.ours.split()
            assert any(inside(ours, each) for each in allowed), where
        elif top not in sys.stdlib_module_names:
            assert top in room.others.split(), where


@pytest.mark.parametrize("module", [name for name in sorted(MODULES) if inside(name, "core")])
def test_the_core_is_pure(module: str) -> None:
    """Nothing that waits, reads a clock, touches a file, logs, or differs the second time."""
    for imported, line in imports(MODULES[module]):
        assert imported.partition(".")[0] not in IMPURE, f"{MODULES[module]}:{line}: {imported}"
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await)
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            assert name not in IMPURE_CALLS, f"{MODULES[module]}:{node.lineno}: {name}()"


def test_the_table_has_no_row_for_nobody() -> None:
    """A room that is gone has no row, and no row allows what is not there."""
    for room in ROOMS:
        assert room.name in MODULES, room
        for each in room.ours.split():
            assert each in MODULES, f"{room.name} may import {each}, which is not there"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("feed", "store"),
        ("store", "feed"),
        ("live", "replay"),
        ("replay", "live"),
        ("daemon", "replay"),
        ("replay", "daemon"),
        ("venue", "core"),
        ("cli", "core"),
        ("cli", "feed"),
        ("cli", "store"),
        ("dataset", "feed"),
        ("dataset", "live"),
        ("dataset", "daemon"),
        ("core", "feed"),
        ("core", "store"),
    ],
)
def test_two_rooms_that_never_meet(one: str, other: str) -> None:
    """The walls that carry the house, whatever the table says."""
    for module, path in MODULES.items():
        if inside(module, one):
            for imported, line in imports(path):
                assert not inside(imported.removeprefix("recorder."), other), f"{path}:{line}"
