"""Getting a machine ready to record: a configuration, a data directory, a key where it belongs.

As root it is for the service of systemd, otherwise for the user who asks: where things go is in
`Places`. Doing it again changes nothing; what somebody has written is never written over, unless
that is asked for, and then it is kept beside.
"""

import grp
import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from recorder import config as settings
from recorder import credentials
from recorder.errors import RecorderError, StorageError, UsageError
from recorder.masking import names_key, no_path

USER = "recorder"
UNIT = "recorder.service"
UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"))
DONE, THERE, WOULD = "done", "there", "would"
_CONFIG = "recorder.toml"
_BEFORE = ".before"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things go. ``owner`` is whose the data is, None: of whoever asks.

    ``credential`` is where the service's key lies, None where the settings name its file.
    """

    config: Path
    data: Path
    owner: str | None = None
    credential: Path | None = None
    writable: Path | None = None  # all that the service may write to

    @property
    def system(self) -> bool:
        """Whether it is for the service of systemd."""
        return self.credential is not None


SYSTEM = Places(
    Path("/etc/recorder") / _CONFIG,
    Path("/var/lib/recorder"),
    USER,
    Path("/etc/credstore/recorder.coinbase"),
    Path("/var/lib/recorder"),
)


def places(*, user: bool, getenv: Callable[[str], str | None] = os.getenv) -> Places:
    """Where things go: for root the service's, else those of the XDG base directories."""
    if os.geteuid() == 0 and not user:
        return SYSTEM
    home = Path.home()
    config = _xdg(getenv("XDG_CONFIG_HOME"), home / ".config")
    data = _xdg(getenv("XDG_DATA_HOME"), home / ".local/share")
    return Places(config / "recorder" / _CONFIG, data / "recorder")


def _xdg(given: str | None, otherwise: Path) -> Path:
    """A base directory; one that is not absolute is to be ignored."""
    return Path(given) if given and Path(given).is_absolute() else otherwise


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; None: nothing, so that it is the default, or as it is already."""

    products: Sequence[str] | None = None
    data: Path | None = None
    venue: str | None = None
    url: str | None = None
    key_file: Path | None = None

    @property
    def anything(self) -> bool:
        """Whether anything of the settings was asked for."""
        return any(
            each is not None
            for each in (self.products, self.data, self.venue, self.url, self.key_file)
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done, was there already, or would be done."""

    what: str
    path: str
    state: str


@dataclass(slots=True)
class Prepared:
    """How the machine is now: what was done for it, and what comes next."""

    config: str
    data: str
    steps: list[Step] = field(default_factory=list)
    next: list[str] = field(default_factory=list)


def prepare(asked: Asked, where: Places, *, force: bool = False, dry_run: bool = False) -> Prepared:
    """Write what is not there yet.

    Raises:
        UsageError: an option is wrong, or there is another configuration and no ``force``.
        ConfigError: the configuration that is there is wrong, and nothing else was asked for.
        NoInputError, PermissionRefusedError, DataError: the key file cannot be used.
        StorageError: something cannot be written.
    """
    data = (asked.data or where.data).expanduser().absolute()
    for option, path in (("--data", data), ("--config", where.config)):
        if names_key(str(path)):
            raise UsageError(f"{option}: {no_path(path)}")
    if where.config.exists() and not asked.anything and not force:
        config, text = settings.load(where.config), None
        data = config.data.expanduser()
        data = data if data.is_absolute() or where.writable is None else where.writable / data
    else:
        text = text_of(asked, where, data)
    prepared = Prepared(str(where.config), str(data))
    course = _Course(where, prepared.steps, dry_run=dry_run)
    try:
        course.config(text, force=force)
        course.directory(data)
        if asked.key_file is not None and where.credential is not None:
            course.key(asked.key_file, where.credential, force=force)
    except OSError as error:
        raise StorageError(
            f"{error.filename or where.config} cannot be written: {error.strerror}. Run this as "
            "root for the service, or as yourself with --user"
        ) from None
    prepared.next = list(_next(where, data))
    return prepared


def text_of(asked: Asked, where: Places, data: Path) -> str:
    """The configuration's text, checked. Raises as `prepare` does for wrong options."""
    options: dict[str, tuple[str, object]] = {"data": ("--data", str(data))}
    if asked.venue is not None:
        options["feed.venue"] = ("--venue", asked.venue)
    if asked.products is not None:
        options["feed.products"] = ("--product", list(asked.products))
    if asked.url is not None:
        options["feed.url"] = ("--url", asked.url)
    if asked.key_file is not None:
        options["feed.key_file"] = ("--key-file", str(asked.key_file.expanduser().absolute()))
    settings.override(settings.load(None), options)  # refuses with the options' names
    if asked.key_file is not None:
        credentials.load(asked.key_file)
    chosen = _chosen(options, at_service=where.credential is not None)
    text = settings.example(chosen)
    settings.parse(text, where.config)
    return text


def _chosen(options: Mapping[str, tuple[str, object]], *, at_service: bool) -> dict[str, object]:
    """What is set: venue and products always, so that everybody sees what is recorded."""
    defaults = settings.describe(settings.load(None))
    chosen = {name: defaults[name] for name in ("feed.venue", "feed.products")}
    chosen |= {name: value for name, (_, value) in options.items()}
    if at_service:
        chosen.pop("feed.key_file", None)  # the service gets it by systemd
    return chosen


class _Course:
    """Does the steps, or says what they would be."""

    def __init__(self, where: Places, steps: list[Step], *, dry_run: bool) -> None:
        self._where = where
        self._steps = steps
        self._dry_run = dry_run

    def config(self, text: str | None, *, force: bool) -> None:
        """The configuration; None: it stays as it is."""
        path, what = self._where.config, "configuration"
        if text is None or _content(path) == text.encode():
            return self._tell(what, path, THERE)
        if path.exists() and not force:
            raise UsageError(
                f"{path} is there already, and says something else. Edit it; or --force writes it "
                f"anew, and keeps that one as {path.name}{_BEFORE}"
            )
        if self._write():
            mode = 0o640 if self._where.system else 0o600
            _make_folder(path.parent, 0o755 if self._where.system else 0o700)
            _write_whole(path, text.encode(), mode, self._group())
        return self._tell(what, path)

    def directory(self, data: Path) -> None:
        """The data directory, for its owner; one that has something in it is left alone."""
        if data.is_dir() and (any(data.iterdir()) or not self._is_to_be_given(data)):
            return self._tell("data directory", data, THERE)
        if self._write():
            _make_folder(data, 0o750)
            if (owner := self._owner()) is not None:
                os.chown(data, *owner)
                data.chmod(0o750)
        return self._tell("data directory", data)

    def key(self, given: Path, path: Path, *, force: bool) -> None:
        """A copy of the key, where systemd takes it from: root alone reads it."""
        content = credentials.read_secret(given.expanduser())
        if _content(path) == content.reveal().encode():
            return self._tell("key", path, THERE)
        if path.exists() and not force:
            raise UsageError(f"{path} is there already, and is another key; --force replaces it")
        if self._write():
            _make_folder(path.parent, 0o700)
            _write_whole(path, content.reveal().encode(), 0o600, None, keep=False)
        return self._tell("key", path)

    def _is_to_be_given(self, data: Path) -> bool:
        owner = self._owner()
        return owner is not None and data.stat().st_uid != owner[0]

    def _owner(self) -> tuple[int, int] | None:
        """User and group of the service; None where there is none, or we may not give it."""
        if self._where.owner is None or os.geteuid() != 0:
            return None
        try:
            found = pwd.getpwnam(self._where.owner)
        except KeyError:
            return None
        return found.pw_uid, found.pw_gid

    def _group(self) -> int | None:
        if self._where.owner is not None and os.geteuid() == 0:
            with suppress(KeyError):
                return grp.getgrnam(self._where.owner).gr_gid
        return None

    def _write(self) -> bool:
        return not self._dry_run

    def _tell(self, what: str, path: Path, state: str | None = None) -> None:
        self._steps.append(Step(what, str(path), state or (WOULD if self._dry_run else DONE)))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _make_folder(path: Path, mode: int) -> None:
    """Make a folder and those above it; what is there stays as it is."""
    if not path.is_dir():
        _make_folder(path.parent, 0o755)
        with suppress(FileExistsError):
            path.mkdir(mode)


def _write_whole(
    path: Path, content: bytes, mode: int, group: int | None, *, keep: bool = True
) -> None:
    """Write a file, whole or not at all, in the place of another that is kept beside it."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if group is not None:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if keep and path.exists():
            path.replace(path.with_name(f"{path.name}{_BEFORE}"))
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _next(where: Places, data: Path) -> list[str]:
    """The commands that come next."""
    if not (where.system and any((folder / UNIT).exists() for folder in UNIT_FOLDERS)):
        return [f"recorder run --config {where.config}"]
    found = []
    if where.writable is not None and not data.is_relative_to(where.writable):
        found.append(f"systemctl edit {USER}  # [Service] ReadWritePaths={data}")
    return [
        *found,
        f"systemctl enable --now {USER}",
        f"recorder status --config {where.config}",
    ]


def problem_of(error: RecorderError) -> str:
    """An error in one line, for who is asked again."""
    return str(error).replace("\n", "; ")
