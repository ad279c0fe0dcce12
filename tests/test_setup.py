"""Getting ready: for the service and for a user, once and again, over nothing that is there."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from recorder import config, setup
from recorder.errors import (
    ConfigError,
    NoInputError,
    PermissionRefusedError,
    StorageError,
    UsageError,
)
from recorder.setup import Asked, Places, Prepared, prepare
from recorder.venue.rest_keys import new_key


@pytest.fixture
def user(tmp_path) -> Places:
    return Places(tmp_path / "config/recorder/recorder.toml", tmp_path / "share/recorder")


@pytest.fixture
def service(tmp_path) -> Places:
    """The service's places, below a folder of ours."""
    return Places(
        tmp_path / "etc/recorder/recorder.toml", tmp_path / "lib/recorder", "no-such-user",
        tmp_path / "credstore/recorder.coinbase", tmp_path / "lib/recorder",
    )  # fmt: skip


def states(prepared: Prepared) -> list[tuple[str, str]]:
    return [(each.what, each.state) for each in prepared.steps]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_user_gets_a_configuration_and_a_directory(user):
    """Nobody else may read the one or enter the other; the file is right, and explains itself."""
    found = prepare(Asked(), user)
    assert states(found) == [("configuration", "done"), ("data directory", "done")]
    assert found.next == [f"recorder run --config {user.config}"]
    assert (mode(user.config), mode(user.data)) == (0o600, 0o750)
    chosen = config.load(user.config)
    assert chosen.data == user.data
    assert chosen.feed == config.load(None).feed
    text = user.config.read_text()
    assert text.count("# ") > len(config.KEYS)
    assert "#part_seconds = 10" in text
    assert 'products = ["BTC-USD", "ETH-USD"]' in text.splitlines()
    assert [path.name for path in user.config.parent.iterdir()] == ["recorder.toml"]


def test_doing_it_again_changes_nothing(user):
    """Nor does it after somebody edited the file; what else is asked for is refused."""
    asked = Asked(["SOL-USD"], None, "exchange")
    prepare(asked, user)
    before = user.config.stat()
    for again in (asked, Asked()):
        found = prepare(again, user)
        assert states(found) == [("configuration", "there"), ("data directory", "there")]
    user.config.write_text(user.config.read_text().replace("SOL", "ADA"))
    assert config.load(user.config).feed.products == ("ADA-USD",)
    assert prepare(Asked(), user).data == str(user.data)
    with pytest.raises(UsageError, match="--force writes it anew, and keeps that one as recorder"):
        prepare(asked, user)
    assert user.config.stat().st_ino == before.st_ino


def test_force_keeps_what_was_there(user):
    user.config.parent.mkdir(parents=True)
    user.config.write_text("# mine\n")
    prepare(Asked(["SOL-USD"]), user, force=True)
    assert (user.config.parent / "recorder.toml.before").read_text() == "# mine\n"
    assert config.load(user.config).feed.products == ("SOL-USD",)


def test_a_dry_run_does_nothing(user, tmp_path):
    found = prepare(Asked(["SOL-USD"]), user, dry_run=True)
    assert states(found) == [("configuration", "would"), ("data directory", "would")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Asked(["sol"]), "--product"), (Asked(venue="binance"), "--venue"),
        (Asked(url="http://x"), "--url"), (Asked(data=Path("a\nb")), "--data"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_before_anything_is_written(asked, why, user, tmp_path):
    with pytest.raises(UsageError, match=why):
        prepare(asked, user)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["97ZZ5AkRqKq/UANLOSIskmz+MSoBi/Ymb8BCKUUeXKo=", "0a1b" * 8])
def test_a_key_in_the_place_of_a_directory_or_a_file_makes_neither(key, user, tmp_path):
    for asked, where in (
        (Asked(data=tmp_path / key), user),
        (Asked(), replace(user, config=tmp_path / key / "x.toml")),
    ):
        with pytest.raises(UsageError) as refused:
            prepare(asked, where)
        assert key[:12] not in str(refused.value)
        assert not (tmp_path / key.split("/")[0]).exists()


def test_each_venue_has_its_own_defaults(user):
    """They stand there as comments, so that a later version may have others."""
    prepare(Asked(venue="exchange"), user)
    assert '#url = "wss://ws-feed.exchange.coinbase.com"' in user.config.read_text()
    assert "level2_batch" in config.load(user.config).feed.channels


def test_odd_texts_come_back_as_they_were(user, tmp_path):
    odd = tmp_path / 'with "quotes" \\ and ä'
    prepare(Asked(data=odd, url="ws://127.0.0.1:8765"), user)
    chosen = config.load(user.config)
    assert (chosen.data, chosen.feed.url) == (odd, "ws://127.0.0.1:8765")
    assert odd.is_dir()


def test_a_configuration_that_is_wrong_is_told(user):
    user.config.parent.mkdir(parents=True)
    user.config.write_text("[feed]\nproduct = 1\n")
    with pytest.raises(ConfigError, match=r"feed\.product"):
        prepare(Asked(), user)


def test_what_cannot_be_written_says_what_to_do(user):
    user.config.parent.parent.mkdir()
    user.config.parent.touch()  # a file in the place of a folder
    with pytest.raises(StorageError, match="--user"):
        prepare(Asked(["SOL-USD"]), user)


def test_data_that_is_there_is_left_alone(user):
    user.data.mkdir(0o755, parents=True)
    user.data.chmod(0o755)
    (user.data / "x").touch()
    assert states(prepare(Asked(), user))[1] == ("data directory", "there")
    assert mode(user.data) == 0o755


# --- the service ---------------------------------------------------------------------------------


def key_file(folder: Path, mode_: int = 0o600) -> tuple[Path, str]:
    known, secret = new_key("ES256")
    path = folder / "cdp.json"
    path.write_text(json.dumps({"name": known.name, "privateKey": secret}))
    path.chmod(mode_)
    return path, path.read_text()


def test_a_key_goes_where_systemd_takes_it_from(service, tmp_path):
    """The configuration does not name it; another one is not replaced unasked."""
    path, content = key_file(tmp_path)
    found = prepare(Asked(key_file=path), service)
    assert states(found)[2] == ("key", "done")
    assert service.credential.read_text() == content
    assert (mode(service.credential), mode(service.credential.parent)) == (0o600, 0o700)
    assert config.load(service.config).feed.key_file is None
    assert mode(service.config) == 0o640
    assert states(prepare(Asked(key_file=path), service))[2] == ("key", "there")
    other, content = key_file(tmp_path)
    with pytest.raises(UsageError, match="another key"):
        prepare(Asked(key_file=other), service)
    prepare(Asked(key_file=other), service, force=True)
    assert [each.name for each in service.credential.parent.iterdir()] == ["recorder.coinbase"]
    assert service.credential.read_text() == content


def test_a_user_s_key_stays_where_it_is(user, tmp_path):
    path, _ = key_file(tmp_path)
    prepare(Asked(key_file=path), user)
    assert config.load(user.config).feed.key_file == path


def test_a_key_that_must_not_be_used_ends_it_before_anything_is_written(service, tmp_path):
    path, _ = key_file(tmp_path, 0o644)
    with pytest.raises(PermissionRefusedError, match="chmod 600"):
        prepare(Asked(key_file=path), service)
    with pytest.raises(NoInputError):
        prepare(Asked(key_file=tmp_path / "no"), service)
    assert not service.config.exists()


def test_with_the_unit_there_it_is_enabled_next(service, tmp_path, monkeypatch):
    """And where it may not write to the data, that is put right first."""
    monkeypatch.setattr(setup, "UNIT_FOLDERS", (tmp_path,))
    assert prepare(Asked(), service).next == [f"recorder run --config {service.config}"]
    (tmp_path / "recorder.service").touch()
    first, second = prepare(Asked(), service).next
    assert first == "systemctl enable --now recorder"
    assert second == f"recorder status --config {service.config}"
    edit, *_ = prepare(Asked(data=tmp_path / "other"), service, force=True).next
    assert f"ReadWritePaths={tmp_path}/other" in edit


def test_a_relative_path_of_a_service_is_below_its_own(service):
    service.config.parent.mkdir(parents=True)
    service.config.write_text('data = "here"\n')
    assert prepare(Asked(), service).data == str(service.data / "here")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_gives_the_data_to_the_service(service, tmp_path):
    """A new directory, and one that is empty; the configuration is for its group to read."""
    import dataclasses  # noqa: PLC0415

    where = dataclasses.replace(service, owner="daemon")
    prepare(Asked(), where)
    owner = where.data.stat().st_uid
    assert owner == setup.pwd.getpwnam("daemon").pw_uid
    assert where.config.stat().st_gid == setup.grp.getgrnam("daemon").gr_gid
    (tmp_path / "empty").mkdir()
    prepare(Asked(data=tmp_path / "empty"), where, force=True)
    assert (tmp_path / "empty").stat().st_uid == owner
    assert states(prepare(Asked(), where))[1] == ("data directory", "there")


def test_places_are_those_of_who_asks(monkeypatch, tmp_path):
    monkeypatch.setattr(setup.os, "geteuid", lambda: 0)
    assert setup.places(user=False) is setup.SYSTEM
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "relative"}
    found = setup.places(user=True, getenv=given.get)
    assert found.config == Path("/c/recorder/recorder.toml")
    assert found.data == tmp_path / ".local/share/recorder"
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    assert not setup.places(user=False).system
