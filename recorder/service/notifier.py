"""Messages to the service manager: the protocol of sd_notify(3), without a library.

Outside of systemd there is nobody to tell, and nothing is sent. A message that cannot be sent is
no reason to stop recording: nothing in here raises.
"""

import os
import socket
import time
from collections.abc import Callable

EXTEND_S = 20.0  # so much more time is asked for at once, and again before it is over


class Notifier:
    """Sends messages to the manager that started us. ``watchdog_s`` is its WatchdogSec, 0 for none.

    ``active``: there is somebody to tell.
    """

    def __init__(self, getenv: Callable[[str], str | None] = os.getenv) -> None:
        """``getenv`` gives a variable of the environment."""
        address = getenv("NOTIFY_SOCKET") or ""
        # A path, or a name in the abstract namespace; VSOCK is for machines, not for services.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.active = address[:1] in {"/", "@"}
        self.watchdog_s = _watchdog_s(getenv) if self.active else 0.0

    def send(self, **fields: object) -> bool:
        """Send assignments, of which none may have a line break; returns whether it went out."""
        if not self.active:
            return False
        text = "\n".join(f"{name}={_one_line(value)}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a manager that is busy does not hold us up
                sender.sendto(text.encode(errors="replace"), self._address)
        except OSError:
            return False
        return True

    def extend(self) -> bool:
        """Ask for more time to start or to stop."""
        return self.send(EXTEND_TIMEOUT_USEC=int(EXTEND_S * 1e6))

    def reloading(self) -> bool:
        """Tell that the configuration is read again; READY=1 ends that."""
        return self.send(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)


def _watchdog_s(getenv: Callable[[str], str | None]) -> float:
    """How often we must be heard; what is meant for another process is not for us."""
    usec, pid = getenv("WATCHDOG_USEC") or "", getenv("WATCHDOG_PID") or ""
    if not (usec.isascii() and usec.isdigit()) or pid not in {"", str(os.getpid())}:
        return 0.0
    return int(usec) / 1e6


def _one_line(value: object) -> str:
    return "".join(each if each.isprintable() else " " for each in str(value))
