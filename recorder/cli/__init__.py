"""The command line: `main` runs it, `app` is what it is made of.

Commands are thin: they read options, call one function of the product, and show what it returned.
Whatever is heavy to import is imported inside the command that needs it, so that help is quick.

Exit codes are those of sysexits(3): 0 done, 64 the command was called wrongly, the others as in
`recorder.errors`; 130 stopped by Ctrl-C, 141 the reader of our output went away.
"""

import errno
import inspect
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated, get_type_hints

import typer
from rich.markup import escape

from recorder.cli import api, auth, care, demo, look, record, running, venue
from recorder.cli import backfill as backfilling
from recorder.cli import bundle as bundling
from recorder.cli import coverage as covering
from recorder.cli import describe as describing
from recorder.cli import doctor as doctoring
from recorder.cli import export as exporting
from recorder.cli import plan as planning
from recorder.cli import publish as publishing
from recorder.cli import replay as replaying
from recorder.cli import setup as setting_up
from recorder.cli import sql as querying
from recorder.cli import top as watching
from recorder.cli.terminal import plain
from recorder.credentials import without_secrets
from recorder.errors import (
    ConfigError,
    PermissionRefusedError,
    RecorderError,
    UsageError,
    WrongOptionsError,
)
from recorder.masking import without_keys

SUMMARY = """Record Coinbase market data: every frame, in order, with every gap written down.

`recorder demo` shows it all in half a minute, without a network: it starts a small Coinbase on
this machine, records it, and reads back what was written.

`recorder run` records BTC-USD and ETH-USD from Coinbase into ./data until Ctrl-C.
"""
_INTERRUPTED = 130
_PIPE_CLOSED = 141
_NO_HOME = "Could not determine home directory."  # what Path.expanduser says, as a RuntimeError
# Typer has no public name for the class of all usage errors, only for this child of it.
_TYPER_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def help_text(docstring: str) -> str:
    """Give a docstring as Typer shows it well: paragraphs flow, indented examples stand."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    shown = []
    for paragraph in paragraphs:
        text = escape(paragraph)
        if text.startswith("Examples:\n"):
            shown += ["[bold]Examples[/bold]", textwrap.dedent(text.partition("\n")[2])]
        else:
            shown.append(" ".join(text.split()))
    return "\n\n".join(shown)


app = typer.Typer(
    name="recorder",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command explains itself with examples: [bold]recorder run --help[/bold]",
)

_PANELS: tuple[tuple[str, dict[str, Callable[..., None]]], ...] = (
    ("Try it", {"demo": demo.demo, "venue": venue.venue}),
    (
        "Record",
        {
            "setup": setting_up.setup,
            "run": record.run,
            "check-config": record.check_config,
            "plan": planning.plan,
            "import": record.import_,
            "seal": record.seal,
        },
    ),
    (
        "Look",
        {
            "status": running.status,
            "doctor": doctoring.doctor,
            "top": watching.top,
            "book": look.book,
            "coverage": covering.coverage,
            "describe": describing.describe,
            "products": look.products,
            "sql": querying.sql,
            "export": exporting.export,
        },
    ),
    (
        "Care",
        {
            "verify": care.verify,
            "repair": care.repair,
            "replay": replaying.replay,
            "backfill": backfilling.backfill,
            "prune": care.prune,
            "pack": care.pack,
            "publish": publishing.publish,
            "support-bundle": bundling.support_bundle,
        },
    ),
    ("Ask", {"api": api.api}),
)


def _unlooked(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose paths nobody looks at before it does.

    Typer would call it a wrong use (64) where this user may not read one; to us it is a permission
    (77), told with what to do, and `doctor` looks on.
    """
    for hint in get_type_hints(command, include_extras=True).values():
        for said in getattr(hint, "__metadata__", ()):
            if getattr(said, "readable", False):
                said.readable = False
    return command


for _panel, _commands in _PANELS:
    for _name, _command in _commands.items():
        _unlooked(_command)
        app.command(_name, rich_help_panel=_panel, help=help_text(_command.__doc__ or ""))(_command)

_auth = typer.Typer(
    help=help_text(auth.HELP),
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _signing in auth.COMMANDS.items():
    _unlooked(_signing)
    _auth.command(_name, help=help_text(_signing.__doc__ or ""))(_signing)
app.add_typer(_auth, name="auth", rich_help_panel="Ask")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"recorder {version('recorder')}")
        raise typer.Exit


@app.callback(invoke_without_command=True, help=help_text(SUMMARY))
def _recorder(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    # The help of the whole program is `SUMMARY`.
    if context.invoked_subcommand is None:
        context.get_help()
        raise typer.Exit(UsageError.exit_code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; mistakes become one message on stderr.

    A bug of ours is not caught: its traceback is what somebody has to see.
    """
    if arguments is None and sys.argv[1:2] == ["run"]:
        record.hasten()
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="recorder",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except RecorderError as error:
        return _fail(_told(error), error.exit_code)
    except _TYPER_USAGE_ERROR as error:
        return _fail(_usage(error), UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except (OSError, RuntimeError) as error:
        return _refused(error)
    except SystemExit as stop:
        # Typer meets a closed pipe before we do, and leaves with 1.
        return _pipe_closed() if stop.code == 1 else _exit_code(stop.code)
    return _exit_code(code)


def _fail(message: str, code: int) -> int:
    # Wherever a key was typed by mistake, a message may have it.
    lines = [plain(line) for line in without_keys(without_secrets(message)).split("\n")]
    print("recorder: " + "\n  ".join(lines), file=sys.stderr)
    return code


def _told(error: RecorderError) -> str:
    """An error's text; mistakes of settings, a line each, below their number."""
    count = str(error).count("\n") + 1
    settings = isinstance(error, ConfigError | WrongOptionsError)
    return f"{count} mistakes:\n{error}" if settings and count > 1 else str(error)


def _refused(error: OSError | RuntimeError) -> int:
    """What the system says of a path or a pipe; what else it may be is a bug of ours."""
    if isinstance(error, BrokenPipeError):
        return _pipe_closed()
    if str(error) == _NO_HOME:
        said = "a path begins with ~ and a name that is no user's: write the path in full"
        return _fail(said, UsageError.exit_code)
    if isinstance(error, PermissionError) and error.filename is not None:
        return _fail(
            f"{error.filename}: permission denied: run this as the user that the data or the file "
            "belongs to (`sudo -u recorder …`), or give your own user the right to read it",
            PermissionRefusedError.exit_code,
        )
    if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
        raise error
    return _fail("a path or one of its parts is too long for a file", UsageError.exit_code)


def _exit_code(code: object) -> int:
    return code if isinstance(code, int) else 0


def _pipe_closed() -> int:
    """Leave without a word, and keep the interpreter from flushing into the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _PIPE_CLOSED


def _usage(error: Exception) -> str:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "recorder"
    return f"{without_keys(message).rstrip('.')}. Try `{path} --help`."
