"""Every setting: its name, its default, what a person has to know, and how it is checked.

`KEYS` is the only list of what can be set. A new setting is one entry there and one field in the
dataclass of its table; a new table is one more dataclass.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as field_
from pathlib import Path
from typing import Any, Literal

from recorder.config import checks, listening
from recorder.masking import is_path_like, shown_path


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """What is recorded, and where it comes from."""

    venue: Literal["advanced", "exchange"]
    url: str
    rest_url: str
    products: tuple[str, ...]
    exclude: tuple[str, ...]
    channels: tuple[str, ...]
    compression: bool
    transport: Literal["websockets", "picows"] = "websockets"
    key_file: Path | None = None
    require_view_only: bool = False
    trades_url: str = "https://api.exchange.coinbase.com"
    sign_all: bool = False
    user: bool = False
    user_url: str = "wss://advanced-trade-ws-user.coinbase.com"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """How it rests on disk. `keep_capture_s` is None for ever."""

    part_seconds: int
    keep_capture_s: int | None
    free_bytes_min: int


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """How the recorder is looked at while it runs. `listen` is None for not at all."""

    listen: listening.Address | None = listening.HERE
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    hosts: tuple[str, ...] = ()
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. `source` is the file they were read from, None for the defaults."""

    data: Path
    feed: FeedConfig
    store: StoreConfig
    source: Path | None
    http: HttpConfig = HttpConfig()


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its dotted name, its default as TOML, and what a person has to know.

    `check` makes the setting of what TOML gives; `as_toml` is the way back where it is not the
    same. `field` is the name in the dataclass where that differs. `defaults` are those of venues
    that have another. `fixed`: it cannot be changed while recording.
    """

    name: str
    default: str
    meaning: str
    allowed: str
    check: checks.Check
    field: str = ""
    as_toml: Callable[[Any], object] | None = None
    defaults: Mapping[str, str] = field_(default_factory=dict)
    fixed: bool = False

    def default_of(self, venue: str) -> object:
        """The setting where nothing is set, for a venue."""
        text = self.defaults.get(venue, self.default)
        return self.check(tomllib.loads(f"value = {text}")["value"])

    @property
    def table(self) -> str:
        """The table that the key is in; empty at the top."""
        return self.name.rpartition(".")[0]

    @property
    def word(self) -> str:
        """The key as it is written inside its table."""
        return self.name.rpartition(".")[2]


def _path_text(path: Path | None) -> str:
    if path is None:
        return ""
    return str(path.absolute()) if is_path_like(str(path)) else shown_path(path)


KEYS = (
    Key(
        name="data",
        default='"data"',
        meaning="The directory that everything is recorded into. One recorder writes to it.",
        allowed="a path: absolute, relative to the current directory, or below ~",
        check=checks.directory,
        as_toml=lambda path: str(path.absolute()),
        fixed=True,
    ),
    Key(
        name="feed.venue",
        default='"advanced"',
        meaning="Whose protocol is spoken.",
        allowed='"advanced" (Coinbase Advanced Trade) or "exchange" (Coinbase Exchange)',
        check=checks.venue,
        fixed=True,
    ),
    Key(
        name="feed.url",
        default='"wss://advanced-trade-ws.coinbase.com"',
        meaning="The WebSocket that is recorded.",
        allowed="wss://…; ws://… when the host is this machine; no user, password or query",
        check=checks.socket_url,
        defaults={"exchange": '"wss://ws-feed.exchange.coinbase.com"'},
        fixed=True,
    ),
    Key(
        name="feed.rest_url",
        default='"https://api.coinbase.com"',
        meaning="The REST service of the same venue: it has the list of products.",
        allowed="https://…; http://… when the host is this machine; no user, password or query",
        check=checks.http_url,
        defaults={"exchange": '"https://api.exchange.coinbase.com"'},
        fixed=True,
    ),
    Key(
        name="feed.trades_url",
        default='"https://api.exchange.coinbase.com"',
        meaning="The Exchange's REST service, of which missing trades are asked: it has those of "
        "both venues, by the same ids, without a key.",
        allowed='as feed.rest_url; or "" to ask for none',
        check=checks.http_url_or_none,
        fixed=True,
    ),
    Key(
        name="feed.products",
        default='["BTC-USD", "ETH-USD"]',
        meaning="The products that are recorded: by their ids, by patterns, or all of them. "
        "Patterns need the venue's list of products; with ids alone recording begins without it.",
        allowed='at least one product id in capitals ("BTC-USD"), pattern with * ("*-USD", '
        '"BTC-*"), or "all"; none twice',
        check=checks.products,
        as_toml=list,
    ),
    Key(
        name="feed.exclude",
        default="[]",
        meaning="The products that are left out of those.",
        allowed="as feed.products, or an empty list",
        check=checks.exclude,
        as_toml=list,
    ),
    Key(
        name="feed.channels",
        default='["level2", "ticker", "market_trades", "heartbeats", "status"]',
        meaning='The channels that are subscribed to. "heartbeats" must be there: it is the only '
        "sign of life on a quiet connection.",
        allowed="; ".join(
            f"{', '.join(names)} ({venue})" for venue, names in checks.CHANNELS_OF.items()
        )
        + "; none twice",
        check=checks.channels,
        as_toml=list,
        defaults={
            "exchange": '["level2_batch", "ticker", "market_trades", "heartbeats", "status"]'
        },
    ),
    Key(
        name="feed.compression",
        default="true",
        meaning="Whether the venue may compress what it sends (permessage-deflate): about a ninth "
        "of the traffic, for some processor time. The capture holds the same frames either way.",
        allowed="true or false",
        check=checks.boolean,
        fixed=True,
    ),
    Key(
        name="feed.transport",
        default='"websockets"',
        meaning="The library that speaks WebSocket. picows takes less processor time and is an "
        "extra: pip install 'recorder[picows]'. What is recorded is the same.",
        allowed='"websockets" or "picows"',
        check=checks.transport,
        fixed=True,
    ),
    Key(
        name="feed.key_file",
        default='""',
        meaning="A CDP key file (the JSON of the portal, mode 0600) to sign requests with. Market "
        "data needs none. Without it the credentials of systemd and the environment are looked at.",
        allowed='a path, or "" for none',
        check=checks.key_file_or_none,
        as_toml=_path_text,
        fixed=True,
    ),
    Key(
        name="feed.require_view_only",
        default="false",
        meaning="Refuse a key that may trade or transfer: a recorder needs to view only.",
        allowed="true or false",
        check=checks.boolean,
        fixed=True,
    ),
    Key(
        name="feed.sign_all",
        default="false",
        meaning="Sign the subscriptions of market data on Advanced Trade, too, which need no key. "
        "On the Exchange everything is signed as soon as there is a key of the Exchange.",
        allowed="true or false",
        check=checks.boolean,
        fixed=True,
    ),
    Key(
        name="feed.user",
        default="false",
        meaning="Record the account's own orders as well, over a connection of their own, into the "
        "table user_orders. Needs a CDP key that may view; files that hold them are for their "
        "owner alone.",
        allowed="true or false (Advanced Trade only)",
        check=checks.boolean,
        fixed=True,
    ),
    Key(
        name="feed.user_url",
        default='"wss://advanced-trade-ws-user.coinbase.com"',
        meaning="The WebSocket that the account's own orders come from.",
        allowed="as feed.url",
        check=checks.socket_url,
        fixed=True,
    ),
    Key(
        name="store.part_seconds",
        default="10",
        meaning="How often the open hour is written for readers: it is at most so far behind.",
        allowed="a whole number of seconds, 1 to 600",
        check=checks.part_seconds,
    ),
    Key(
        name="store.keep_capture",
        default='"48h"',
        meaning="How long the raw frames of a sealed hour are kept.",
        allowed='a whole number with s, m, h or d, such as "90s", "48h", "7d"; or "forever"',
        check=checks.keep,
        field="keep_capture_s",
        as_toml=checks.keep_text,
    ),
    Key(
        name="store.free_space_min",
        default='"512MB"',
        meaning="Nothing more is recorded while less than this is free on the disk.",
        allowed='a whole number with kB, MB, GB or TB (powers of 1000), such as "512MB"; or "0MB"',
        check=checks.size,
        field="free_bytes_min",
        as_toml=checks.size_text,
    ),
    Key(
        name="http.listen",
        default='"127.0.0.1:9464"',
        meaning="Where state, books, metrics and health are served by HTTP, for reading. A socket "
        "that systemd hands over is served in its place.",
        allowed='an IP address of this machine with a port, 0 for any; or "off"',
        check=listening.listen,
        as_toml=listening.listen_text,
        fixed=True,
    ),
    Key(
        name="http.token_file",
        default='""',
        meaning="A file with a token (mode 0600, one line of 16 to 256 characters). Whoever asks "
        "must then show it, as a bearer token or as the password of a browser.",
        allowed='a path, or "" for none',
        check=checks.key_file_or_none,
        as_toml=_path_text,
        fixed=True,
    ),
    Key(
        name="http.tls_cert",
        default='""',
        meaning="The certificate to serve HTTPS with, as PEM, with those between it and the root.",
        allowed='a path, or "" for none',
        check=checks.key_file_or_none,
        as_toml=_path_text,
        fixed=True,
    ),
    Key(
        name="http.tls_key",
        default='""',
        meaning="The private key of that certificate, as PEM without a passphrase, mode 0600.",
        allowed='a path, or "" for none',
        check=checks.key_file_or_none,
        as_toml=_path_text,
        fixed=True,
    ),
    Key(
        name="http.hosts",
        default="[]",
        meaning="Names by which requests may call this machine, besides localhost and the address "
        "that they came to. All others are refused, or a web page could read what is served.",
        allowed='host names in lower case, such as "recorder.lan"',
        check=listening.hosts,
        as_toml=list,
        fixed=True,
    ),
    Key(
        name="http.insecure",
        default="false",
        meaning="Serve on an address that other machines reach without a token or without TLS, "
        "because something else guards it.",
        allowed="true or false",
        check=checks.boolean,
        fixed=True,
    ),
)
