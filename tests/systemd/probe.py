"""Runs inside the real unit, in the recorder's place: what it tries must be denied.

Each attempt prints its name and how it ended; `denied` are those that the sandbox has to stop.
"""

import contextlib
import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SYS_KEYCTL, SYS_PTRACE_ME, SYS_MOUNT, SYS_BPF, SYS_UNSHARE = 250, 101, 165, 321, 272  # x86-64
SYS_PERF, SYS_INIT_MODULE, SYS_REBOOT, SYS_SWAPON = 298, 175, 169, 167
LIBC = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: int) -> Callable[[], object]:
    """A system call that fails with its errno."""

    def call() -> object:
        result = LIBC.syscall(number, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    return call


def write_to(path: str) -> Callable[[], object]:
    """Making or changing a file."""
    return lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))


def run(*command: str) -> Callable[[], object]:
    """Another program."""
    return lambda: subprocess.run(command, check=True, capture_output=True)


def set_user_id_bit() -> None:
    """A program that would run as its owner."""
    path = Path("probe-suid")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def code_that_was_written() -> None:
    """Memory that can be written and run."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    mmap.mmap(-1, 4096, flags, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def program_of_ours() -> None:
    """A program that was put into the data directory."""
    path = Path("probe-program")
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    try:
        subprocess.run([path.resolve()], check=True)
    finally:
        path.unlink()


def see_others() -> None:
    """Other processes in /proc."""
    if {each.name for each in Path("/proc").glob("[1-9]*")} <= {str(os.getpid())}:
        raise PermissionError("only our own process is there")


def read_the_configuration_of_root() -> None:
    Path("/etc/shadow").read_text()


def metadata_of_a_cloud() -> None:
    """Where the credentials of the machine are served."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"?", ("169.254.169.254", 80))


DENIED: dict[str, Callable[[], object]] = {
    "write /etc": write_to("/etc/probe"),
    "write /usr": write_to("/usr/lib/recorder/probe"),
    "write its own configuration": write_to("/etc/recorder/recorder.toml"),
    "write /var": write_to("/var/lib/probe"),
    "write another data directory": write_to("/var/lib/recorder-other/probe"),
    "read /root": lambda: list(Path("/root").iterdir()),
    "read /home": lambda: list(Path("/home").iterdir()),
    "read /etc/shadow": read_the_configuration_of_root,
    "read the credential store": lambda: list(Path("/etc/credstore").iterdir()),
    "see other processes": see_others,
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "link-local addresses": metadata_of_a_cloud,
    "memory to write and run": code_that_was_written,
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the name of the host": lambda: socket.sethostname("probe"),
    "run a shell": run("/bin/sh", "-c", "exit 0"),
    "run a program of its own": program_of_ours,
    "set-user-id": set_user_id_bit,
    "become root": lambda: os.setuid(0),
    "real-time scheduling": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "a namespace": syscall(SYS_UNSHARE, 0x10000000),
    "mount": syscall(SYS_MOUNT, 0, 0, 0, 0, 0),
    "load BPF": syscall(SYS_BPF, 0, 0, 0),
    "load a kernel module": syscall(SYS_INIT_MODULE, 0, 0, 0),
    "performance counters": syscall(SYS_PERF, 0, 0, -1, -1, 0),
    "swap": syscall(SYS_SWAPON, 0, 0),
    "reboot": syscall(SYS_REBOOT, 0, 0, 0, 0),
    "a device": lambda: os.close(os.open("/dev/mem", os.O_RDONLY)),
    "make a device": lambda: os.mknod("probe-device", 0o020600, os.makedev(1, 3)),
    "signal the manager": lambda: os.kill(1, signal.SIGTERM),
    "core dumps": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)),
}
ALLOWED: dict[str, Callable[[], object]] = {
    "write the data directory": lambda: Path("probe-file").write_text("x"),
    "a TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "its own Python again": run(sys.executable, "-I", "-c", "pass"),
}


def main() -> None:
    """Try everything, and write what came of it into the data directory."""
    found: dict[str, dict[str, str]] = {"denied": {}, "allowed": {}}
    for kind, attempts in (("denied", DENIED), ("allowed", ALLOWED)):
        for name, attempt in attempts.items():
            try:
                attempt()
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                found[kind][name] = f"{type(error).__name__}: {error}"
            else:
                found[kind][name] = ""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    wanted = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
    report = {**found, "status": {name: status[name].strip() for name in wanted}}
    Path("probe.json").write_text(json.dumps(report))
    with contextlib.suppress(FileNotFoundError):
        Path("probe-file").unlink()


if __name__ == "__main__":
    main()
