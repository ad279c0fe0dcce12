"""A store, and directories to publish: two days that can be packed, and a newest hour."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder import pack
from recorder.bucket import connecting
from recorder.publishing import Options, PublishReport, publish
from recorder.store.paths import Root
from tests.objectstore import Store, object_store
from tests.packs import LATER_S, not_waiting_for_the_disk, record_packable
from tests.publishers import set_keys, to


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        not_waiting_for_the_disk(patch)
        yield


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, no_waiting_for_the_disk: None) -> Path:
    """The directory before anything is packed or published; nothing changes it."""
    path = tmp_path_factory.mktemp("publishing") / "data"
    record_packable(path)
    return path


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Root:
    path = tmp_path / "data"
    shutil.copytree(recorded, path)
    return Root(path)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    set_keys(monkeypatch)
    real, made = connecting._client, {}

    def client(session: Any, endpoint: str | None, *more: Any) -> Any:
        """One a test: the library takes longer to make it than to use it."""
        if endpoint not in made:
            made[endpoint] = real(session, endpoint, *more)
        return made[endpoint]

    monkeypatch.setattr(connecting, "_client", client)
    with object_store() as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that a pack believes it to be; seconds since 1970."""
    now = [LATER_S]
    monkeypatch.setattr(pack.time, "time", lambda: now[0])
    return now


@pytest.fixture
def publishing(root: Root, store: Store) -> Callable[..., PublishReport]:
    """Publish the directory below ``x``, or elsewhere."""

    def run(prefix: str = "x", path: Path | None = None, **options: Any) -> PublishReport:
        named = Options(endpoint=store.endpoint, **options)
        return publish(path or root.path, to(prefix), named)

    return run
