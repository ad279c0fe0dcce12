"""Endpoints and keys."""

import pytest

from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.bucket.connecting import check_endpoint, is_amazon
from recorder.errors import ConfigError, RecorderError, UsageError
from tests.publishers import set_keys

HERE = Address("market-data")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://s3.example.com", "https://10.0.0.1:9000", "http://127.0.0.1:9000"),
        *("http://localhost:8333", "http://[::1]:8333", "http://127.1.2.3"),
    ],
)
def test_endpoints(endpoint):
    """TLS anywhere, http on this machine."""
    check_endpoint(endpoint, allow_http=False)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://s3.example.com", "plain http"),
        ("http://10.0.0.1:9000", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("ftp://s3.example.com", "write https://"),
        ("s3.example.com:9000", "write https://"),
        ("https://", "write https://"),
        ("https://host:port", "no address"),
        ("https://[::1", "no address"),
        ("https://key:hunter2@s3.example.com", "no user or password"),
    ],
)
def test_endpoints_that_are_refused(endpoint, said):
    """Plain http elsewhere, what is no address, and keys in an address, which are not repeated."""
    with pytest.raises(UsageError, match=said) as refused:
        check_endpoint(endpoint, allow_http=False)
    assert "hunter2" not in str(refused.value)


def test_plain_http_can_be_allowed():
    check_endpoint("http://s3.example.com", allow_http=True)


def test_the_endpoint_of_the_environment(monkeypatch):
    """It is taken where none is named, held to the same rules, and asked by paths."""
    set_keys(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example.com")
    found = open_bucket(HERE)
    assert found.endpoint == "https://store.example.com"
    assert found._client.meta.config.s3["addressing_style"] == "path"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://store.example.com")
    with pytest.raises(UsageError, match="plain http"):
        open_bucket(HERE)
    assert open_bucket(HERE, allow_http=True).endpoint == "http://store.example.com"
    assert open_bucket(HERE, endpoint="https://other.example.com").endpoint.startswith(
        "https://other"
    )


def test_amazon_s_own(monkeypatch):
    """Without an endpoint it is Amazon's, of the region that is set."""
    set_keys(monkeypatch)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert is_amazon(open_bucket(HERE).endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert open_bucket(HERE).endpoint == "https://s3.eu-central-1.amazonaws.com"
    assert not is_amazon("https://amazonaws.com.example.com")


def test_a_profile_that_is_not_there(monkeypatch):
    """The mistake is named, as one of the configuration."""
    set_keys(monkeypatch)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="nobody"):
        open_bucket(HERE)


@pytest.mark.parametrize("rest", ["?k=PLANTED", "#PLANTED", "/p?PLANTED", "u:PLANTED@host"])
def test_an_endpoint_with_a_secret_is_not_repeated(rest, monkeypatch):
    """Whoever named it: an option or the environment."""
    endpoint = f"http://{rest}" if "@" in rest else f"http://127.0.0.1:1{rest}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    for named in (endpoint, None):
        with pytest.raises(RecorderError) as refused:
            open_bucket(HERE, endpoint=named)
        assert "PLANTED" not in str(refused.value)
