"""Checks of the data directory: may we write, how fast, how long, and what is left undone."""

import os
import pwd
import statistics
import tempfile
import time
from pathlib import Path

from recorder import machine
from recorder.config.checks import size_text
from recorder.doctor.findings import Case, Verdict, bad, doubtful, good, skipped
from recorder.errors import DataError
from recorder.store.commits import read_commit
from recorder.store.paths import Root, iso

# Files of others' machines, and of memory: a sync there does not mean what it means on a disk.
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"})
_PASSING = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})
SYNCS, SYNC_BYTES = 16, 64 * 1024
SYNC_GOOD_S, SYNC_BAD_S = 0.1, 1.0  # capture is synced once a second
DAYS_GOOD = 7.0
INODES_SHARE_MIN, INODES_MIN = 0.05, 10_000
_HOURS_MIN, _HOURS_MAX = 2, 24  # of which a rate is told
_HOUR_S = 3600
_LATE_HOURS = 2


def rights(case: Case) -> Verdict:
    """The user who records may write there, and others may not."""
    me = pwd_name(os.geteuid())
    if not case.data.is_dir():
        return _rights_to_make(case.data, me)
    status = case.data.stat()
    owner = pwd_name(status.st_uid)
    if not may_write(case.data):
        fix = (
            f"run this as {owner}: `sudo -u {owner} recorder doctor …`; only where {me} is to "
            f"record there from now on: `sudo chown -R {me} {case.data}`"
        )
        return bad(f"{me} may not write to {case.data}, which belongs to {owner}", fix)
    if status.st_mode & 0o002:
        return doubtful(f"anybody may write to {case.data}", f"chmod o-w {case.data}")
    if status.st_uid != os.geteuid() and os.geteuid() != 0 and case.pid is None:
        fix = f"record as {owner}, whose it is: files made by others cannot be removed by it"
        return doubtful(f"{case.data} belongs to {owner}, and this is {me}", fix)
    return good(f"{case.data} belongs to {owner}, mode {status.st_mode & 0o7777:04o}")


def _rights_to_make(data: Path, me: str) -> Verdict:
    here = machine.existing(data)
    if not here.is_dir():
        return bad(f"{here} is no directory", "name another, or move it away")
    if not may_write(here):
        make = f"install -d -o {me} -m 0750 {data}"
        return bad(f"{data} is not there, and {me} may not make it in {here}", make)
    return good(f"{data} is not there yet; {me} may make it")


def file_system(case: Case) -> Verdict:
    """It is a file system that keeps what was synced, and can be written to."""
    mount = machine.mount_of(case.data)
    if mount is None:
        return skipped("the system does not say")
    found = f"{mount.kind} at {mount.point}"
    if "ro" in mount.options:
        return bad(f"{found} is read-only", f"mount -o remount,rw {mount.point}")
    local = "use a disk of this machine with ext4 or xfs"
    if mount.kind in _REMOTE or mount.kind.startswith("fuse"):
        return doubtful(f"{found}: locks and syncs depend on another machine or program", local)
    if mount.kind in _PASSING:
        return doubtful(f"{found}: what is in there goes with the machine or container", local)
    return good(found)


def speed(case: Case) -> Verdict:
    """The disk syncs quickly enough; measured in a file that has no name."""
    try:
        took_s = measure(machine.existing(case.data))
    except OSError as error:
        return skipped(f"cannot be measured here: {error.strerror}")
    middle, slowest = statistics.median(took_s), max(took_s)
    found = f"a sync of {SYNC_BYTES // 1024} KiB takes {middle * 1000:.1f} ms, at most "
    found += f"{slowest * 1000:.1f} ms of {len(took_s)}"
    fix = "use a faster disk, or one that others do not keep busy"
    if middle > SYNC_BAD_S:
        return bad(found, fix)
    return doubtful(found, fix) if middle > SYNC_GOOD_S or slowest > SYNC_BAD_S else good(found)


def measure(folder: Path) -> list[float]:
    """Write and sync some blocks; the seconds that each took. Leaves nothing."""
    block, took_s = os.urandom(SYNC_BYTES), []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            begun_s = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            took_s.append(time.perf_counter() - begun_s)
    return took_s


def space(case: Case) -> Verdict:
    """There is room above the floor, and for a while at the present rate."""
    mount, floor = machine.mount_of(case.data), case.config.store.free_bytes_min
    if mount is None:
        return skipped("the system does not say")
    found = f"{amount(mount.free_bytes)} free, the floor is {size_text(floor)}"
    fix = "make room: `recorder prune --older-than`, `recorder publish`, or a larger disk"
    room = mount.free_bytes - floor
    if room <= 0:
        return bad(f"{found}: nothing is recorded", fix)
    rate = bytes_a_day(case)
    if not rate:
        return good(f"{found}; how fast it fills is not known yet")
    days = room / rate
    found += f"; {amount(rate)} a day, enough for {days:,.0f} days"
    return doubtful(found, fix) if days < DAYS_GOOD else good(found)


def bytes_a_day(case: Case) -> float | None:
    """How much is kept of a day, by the newest sealed hours; None where that is not known."""
    root = Root(case.data)
    hours = root.committed_hours()[-_HOURS_MAX:]
    if len(hours) < _HOURS_MIN:
        return None
    size = 0
    for hour in hours:
        try:
            commit = read_commit(root, hour)
        except DataError:
            continue
        size += 0 if commit is None else commit.bytes
        if case.config.store.keep_capture_s is None:
            size += sum(segment.path.stat().st_size for segment in root.segments(hour))
    return size / len(hours) * 24


def inodes(case: Case) -> Verdict:
    """There is room for more files."""
    mount = machine.mount_of(case.data)
    if mount is None or not mount.inodes:
        return skipped("this file system does not count files")
    found = f"{mount.inodes_free:,} of {mount.inodes:,} files may be made"
    fix = "`recorder pack` makes fewer files of old days; or a file system with more inodes"
    if mount.inodes_free < INODES_MIN:
        return bad(found, fix)
    few = mount.inodes_free < INODES_SHARE_MIN * mount.inodes
    return doubtful(found, fix) if few else good(found)


def writers(case: Case) -> Verdict:
    """Nobody else writes there: who holds the lock is a recorder."""
    if case.pid is None:
        return good("nobody writes to it now")
    command = _command(case.pid)
    if command is not None and "recorder" not in command:
        return doubtful(
            f"process {case.pid} holds the lock, and is no recorder: {command[:60]}",
            f"see what it does (`ps {case.pid}`); it keeps a recorder from starting",
        )
    return good(f"process {case.pid} records into it; a second one would be refused")


def recovery(case: Case) -> Verdict:
    """Nothing waits to be finished that an earlier process left."""
    if not case.data.is_dir():
        return skipped("there is no data yet")
    waiting = unfinished(Root(case.data))
    if case.pid is not None:
        return good("the recorder that runs finishes what there is")
    if not waiting:
        return good("nothing is left to be finished")
    hours = f"{len(waiting)} hour{'s' * (len(waiting) > 1)} from {iso(waiting[0])} on"
    fix = f"start the recorder, or `recorder seal --data {case.data}`"
    return doubtful(f"{hours} wait to be recovered and sealed", fix)


def unfinished(root: Root) -> list[int]:
    """The hours that are over, have capture or parts, and no commit record."""
    now = int(time.time()) // _HOUR_S
    held = {*root.captured_hours(), *root.part_hours()} - set(root.committed_hours())
    return sorted(hour for hour in held if hour < now)


def last_seal(case: Case) -> Verdict:
    """Hours are sealed when they are over."""
    root = Root(case.data)
    sealed = root.committed_hours()
    late = [hour for hour in unfinished(root) if hour < time.time() // _HOUR_S - _LATE_HOURS]
    newest = f"the newest sealed hour is {iso(sealed[-1])}" if sealed else "no hour is sealed yet"
    if case.pid is not None and late:
        fix = "see the log for `work_failed`; `recorder verify` says what is damaged"
        return bad(f"{newest}, and {len(late)} before now are not", fix)
    return good(newest) if sealed else skipped(newest)


def may_write(folder: Path) -> bool:
    """Whether this user may make files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def pwd_name(uid: int) -> str:
    """The name of a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def amount(size: float) -> str:
    """Bytes for reading, in powers of 1000 as the settings have them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _command(pid: int) -> str | None:
    try:
        raw = (machine.PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return raw.replace(b"\0", b" ").decode("utf-8", "replace").strip() or None
