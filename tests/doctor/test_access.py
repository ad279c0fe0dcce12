"""The key: none, a good one, one that may too much, one that others may read."""

import json

import pytest

from recorder.doctor import access
from recorder.venue.rest import Failure, RestRules
from recorder.venue.rest_keys import new_key
from tests.doctor.cases import case
from tests.rest_service import FAST, serving

SIGNED = "sign_all = true\n"


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch):
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.delenv(f"COINBASE_API_{name}", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def key_file(folder, mode=0o600, **rights):
    known, secret = new_key("ES256", **rights)
    path = folder / "cdp.json"
    path.write_text(json.dumps({"name": known.name, "privateKey": secret}))
    path.chmod(mode)
    return known, path, secret


def test_without_a_key_there_is_nothing_to_say_unless_one_is_needed(tmp_path):
    assert access.key(case(tmp_path)).state == "skip"
    found = access.key(case(tmp_path, f"[feed]\n{SIGNED}"))
    assert (found.state, "feed.sign_all" in found.found) == ("fail", True)


@pytest.mark.parametrize(
    ("rights", "more", "state"),
    [
        ({}, "", "ok"),
        ({"can_trade": True}, "", "warn"),
        ({"can_transfer": True}, "require_view_only = true\n", "fail"),
    ],
)
def test_a_key_is_tried(rights, more, state, tmp_path):
    """What it may do is asked of the venue; the key itself is never shown."""
    known, path, secret = key_file(tmp_path, **rights)
    with serving(RestRules(keys=(known,), **FAST)) as service:
        text = f'[feed]\nkey_file = "{path}"\nrest_url = "{service.url}"\n{more}'
        found = access.key(case(tmp_path, text))
        assert found.state == state, found
        assert known.name in found.found
        assert access.key(case(tmp_path, text, offline=True)).found.endswith("not tried")
    assert secret[40:60] not in repr(found)


def test_a_key_that_is_refused_is_told(tmp_path):
    _, path, _ = key_file(tmp_path)
    with serving(RestRules(keys=(), **FAST)) as service:
        text = f'[feed]\nkey_file = "{path}"\nrest_url = "{service.url}"\n'
        assert access.key(case(tmp_path, text)).state == "warn"
        assert access.key(case(tmp_path, text + SIGNED)).state == "fail"
        service.fail(50, Failure(403, b"{}"))
        assert access.key(case(tmp_path, text + SIGNED)).state == "fail"


def test_a_venue_that_does_not_answer_leaves_it_open(tmp_path):
    _, path, _ = key_file(tmp_path)
    text = f'[feed]\nkey_file = "{path}"\nrest_url = "https://127.0.0.1:9"\n{SIGNED}'
    found = access.key(case(tmp_path, text))
    assert (found.state, "could not be tried" in found.found) == ("warn", True)


def test_a_key_file_that_must_not_be_used_says_how_to_mend_it(tmp_path):
    _, path, _ = key_file(tmp_path, 0o644)
    found = access.key(case(tmp_path, f'[feed]\nkey_file = "{path}"\n'))
    assert found.state == "fail"
    assert "chmod 600" in found.fix
    path.chmod(0o600)
    path.write_text("{}")
    assert access.key(case(tmp_path, f'[feed]\nkey_file = "{path}"\n')).state == "fail"
