"""The one live line while recording on a terminal."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.text import Text

from recorder.cli import terminal

if TYPE_CHECKING:
    from recorder.live import Progress


class StatusLine:
    """Shows the last `Progress`; rates are from the difference to the one before.

    While it is shown, everything else that goes to stderr appears above it.
    """

    def __init__(self) -> None:
        # Drawn when there is news, by the caller: no thread of its own beside the recording.
        self._live = Live(
            Text("connecting …", style="dim"),
            console=terminal.messages(),
            transient=True,
            auto_refresh=False,
        )
        self._before: Progress | None = None

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def leave(self) -> None:
        """Stopped at once: clear the line, and say what is left to do."""
        self._live.stop()
        terminal.messages().print(
            "Stopped at once. What was received is on disk; the next start, or `recorder seal`, "
            "makes tables of what is not published yet."
        )

    def update(self, now: "Progress") -> None:
        """Show `now`; called about once a second, from any thread."""
        self._live.update(status_line(now, self._before), refresh=True)
        self._before = now


def status_line(now: "Progress", before: "Progress | None") -> Text:
    """Give the line for a state of the recording and the one a moment before."""
    since_s = now.elapsed_s - (before.elapsed_s if before else 0.0)
    frames = now.frames - (before.frames if before else 0)
    changes = now.changes - (before.changes if before else 0)
    connected = now.connections_up == now.connections
    parts = [(f"{now.products} products", "")]
    # What is as it should be is not said, so that the line fits into 80 columns.
    if not connected:
        parts.append((f"{now.connections_up}/{now.connections} connected", "bold red"))
    if now.books_live != now.products:
        parts.append((f"{now.books_live}/{now.products} books live", "yellow"))
    parts += [
        (f"{_rate(frames, since_s)} frames/s", ""),
        (f"{_rate(changes, since_s)} changes/s", ""),
        (f"{now.gaps} gaps", "bold red" if now.gaps else ""),
        (terminal.amount(now.capture_bytes), ""),
        (f"seal in {terminal.clock(now.next_seal_s)}", ""),
    ]
    line = Text("● ", style="green" if connected else "red", no_wrap=True, overflow="ellipsis")
    for number, (text, style) in enumerate(parts):
        line.append(" · " if number else "", style="dim not bold")
        line.append(text, style=style or "default")
    return line


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if seconds > 0 else "-"
