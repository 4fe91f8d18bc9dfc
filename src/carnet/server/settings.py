"""
The server's settings: one frozen value, filled from the environment (design.md §8), never from global state.

Secrets may be given as a file by the same name with `_FILE` appended, so that they appear in no process list and no
`docker inspect`. Nothing here touches the disk except to read those secret files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from carnet.core._base import Struct
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR
from carnet.server.database import Database, PostgresAddress, postgres_address
from carnet.server.domain.limits.addresses import Network, networks_from_text
from carnet.server.domain.limits.rules import RateLimits, rate_limits_from_text
from carnet.server.domain.statistics.flushing import FLUSH_SECONDS
from carnet.server.domain.trust.life import ANNOUNCE_SECONDS
from carnet.server.domain.upkeep import KEEP_EVENTS_DAYS

_T = TypeVar("_T")

DEFAULT_DATA = "./carnet-data"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8787
REPLICA_LAG_SECONDS = 10
UNUSED = ("CARNET_REDIS_URL",)
"""Known names that nothing needs: said when they are set, not passed over (users-ask 5)."""

MAX_SECRET_BYTES = 4096
"""A passphrase or token file larger than this is a mistake, not a secret."""


class BackupSchedule(Struct):
    """Backups by the clock: where to, how often, how many are kept."""

    directory: Path
    every_seconds: int = DAY
    keep: int = 14


class Settings(Struct):
    """
    Everything the server needs to know from outside.

    Attributes:
        data: The data directory: `carnet.db`, `root.json`, `keys/`, `secrets/`.
        host: Address to listen on. Loopback unless somebody says otherwise (SEC-47).
        port: TCP port, 0 … 65535; 0 lets the system choose.
        workers: Server processes; SQLite always runs one (design.md §9).
        public_url: How clients reach this server, no trailing slash; links and status list addresses are built from it
            (SEC-40). None means `http://host:port`.
        postgres: The PostgreSQL database; None is the embedded one.
        passphrase: Opens the sealed signing keys; None where a key file in `secrets/` does.
        admin_token: The first admin token, for set-up without a terminal; None lets `carnet init` make one.
        trusted_proxies: Whose ``X-Forwarded-For`` is believed (SEC-35). None unless somebody says so.
        rate_limits: How often an address, a key or a product may ask (SEC-35).
        flush_seconds: How much of the statistics a crash may lose, 1 … 60.
        replica: A streaming replica of `postgres` that validation may read; None: none.
        replica_lag_seconds: How far behind it may be, 5 … 3,600: so long a revoked license may be called valid.
        jobs: Whether `carnet serve` does the jobs too; False leaves them to `carnet worker`.
        event_log: The file that events are appended to; None: none.
        keep_events_days: How long events that every destination got are kept, 1 … 3,650.
        backups: Backups by the clock; None: none.
        checkpoints: The folder for signed checkpoints; None is `checkpoints/` in the data directory.
        key_announce_seconds: How long a signing key is announced before it may sign, at most 90 days.
        unused: Variables that are set and that nothing needs (docs/decisions/0063).
    """

    data: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    workers: int = 1
    public_url: str | None = None
    postgres: PostgresAddress | None = None
    passphrase: bytes | None = None
    admin_token: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    rate_limits: RateLimits = RateLimits()
    flush_seconds: int = FLUSH_SECONDS
    replica: PostgresAddress | None = None
    replica_lag_seconds: int = REPLICA_LAG_SECONDS
    jobs: bool = True
    event_log: Path | None = None
    keep_events_days: int = KEEP_EVENTS_DAYS
    backups: BackupSchedule | None = None
    checkpoints: Path | None = None
    key_announce_seconds: int = ANNOUNCE_SECONDS
    unused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Settings(data={str(self.data)!r}, host={self.host!r}, port={self.port})"  # never the secrets

    @property
    def base_url(self) -> str:
        """Where clients reach this server: `public_url`, or host and port."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def database_path(self) -> Path:
        """The embedded database."""
        return self.data / "carnet.db"

    @property
    def checkpoint_folder(self) -> Path:
        """Where signed checkpoints are kept."""
        return self.checkpoints or self.data / "checkpoints"

    @property
    def database(self) -> Database:
        """The database in use."""
        return self.postgres or self.database_path


def settings_from_environment(environ: Mapping[str, str]) -> Settings:
    """
    Read the `CARNET_…` variables of design.md §8.

    Args:
        environ: Usually `os.environ`. An empty value counts as not given.

    Raises:
        UsageError: ``bad_setting``: a value is out of its bounds, or a secret file cannot be read. The message names
            the variable, never its value if it is a secret.
    """
    return Settings(
        data=Path(environ.get("CARNET_DATA") or DEFAULT_DATA),
        host=environ.get("CARNET_HOST") or DEFAULT_HOST,
        port=_whole(environ, "CARNET_PORT", DEFAULT_PORT, 0, 65535),
        workers=_whole(environ, "CARNET_WORKERS", 1, 1, 256),
        public_url=_base_url(environ),
        postgres=_postgres(environ),
        passphrase=_secret(environ, "CARNET_PASSPHRASE"),
        admin_token=_secret_text(environ, "CARNET_ADMIN_TOKEN"),
        trusted_proxies=_explained("CARNET_TRUSTED_PROXIES", networks_from_text, environ, ()),
        rate_limits=_explained("CARNET_RATE_LIMITS", rate_limits_from_text, environ, RateLimits()),
        flush_seconds=_whole(environ, "CARNET_FLUSH_SECONDS", FLUSH_SECONDS, 1, 60),
        replica=_replica(environ),
        replica_lag_seconds=_whole(environ, "CARNET_REPLICA_LAG_SECONDS", REPLICA_LAG_SECONDS, 5, 3600),
        jobs=_choice(environ, "CARNET_JOBS", {"on": True, "off": False}, default=True),
        event_log=_path(environ, "CARNET_EVENT_LOG"),
        keep_events_days=_whole(environ, "CARNET_KEEP_EVENTS_DAYS", KEEP_EVENTS_DAYS, 1, 3650),
        backups=_backups(environ),
        checkpoints=_path(environ, "CARNET_CHECKPOINTS"),
        key_announce_seconds=_whole(environ, "CARNET_KEY_ANNOUNCE_SECONDS", ANNOUNCE_SECONDS, 0, 90 * DAY),
        unused=tuple(name for name in UNUSED if environ.get(name)),
    )


def _bad(name: str, problem: str, fix: str) -> UsageError:
    return UsageError("bad_setting", f"{name} {problem}.", fix)


def _explained(name: str, read: Callable[[str], _T], environ: Mapping[str, str], default: _T) -> _T:
    """A setting that a function of its own reads; what it says of a bad one, under the setting's name."""
    text = environ.get(name)
    if not text:
        return default
    try:
        return read(text)
    except UsageError as error:
        raise UsageError("bad_setting", f"{name}: {error.message}", error.fix) from error


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise _bad(
            name, f"is not a whole number from {low} to {high}", f"Set it to a number, or unset it for {default}."
        )
    return int(text)


def _base_url(environ: Mapping[str, str]) -> str | None:
    text = environ.get("CARNET_PUBLIC_URL")
    if not text:
        return None
    if not text.startswith(("https://", "http://")) or any(c in text for c in "?#@ ") or not text.isprintable():
        raise _bad(
            "CARNET_PUBLIC_URL",
            "is not a plain http or https address",
            "Write it as https://license.example.com, without query, fragment or user.",
        )
    return text.rstrip("/")


def _postgres(environ: Mapping[str, str]) -> PostgresAddress | None:
    text = _secret_text(environ, "CARNET_DATABASE_URL")
    return None if text is None or text == "sqlite" else postgres_address(text)


def _replica(environ: Mapping[str, str]) -> PostgresAddress | None:
    text = _secret_text(environ, "CARNET_DATABASE_REPLICA_URL")
    if text is None:
        return None
    if _postgres(environ) is None:
        raise _bad(
            "CARNET_DATABASE_REPLICA_URL",
            "is set, and the database is the embedded one, which has no replica",
            "Unset it, or keep the data in PostgreSQL with CARNET_DATABASE_URL.",
        )
    return postgres_address(text, name="CARNET_DATABASE_REPLICA_URL")


def _backups(environ: Mapping[str, str]) -> BackupSchedule | None:
    directory = _path(environ, "CARNET_BACKUP_DIRECTORY")
    if directory is None:
        return None
    return BackupSchedule(
        directory=directory,
        every_seconds=_whole(environ, "CARNET_BACKUP_HOURS", 24, 1, 8760) * HOUR,
        keep=_whole(environ, "CARNET_BACKUP_KEEP", 14, 1, 10_000),
    )


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None


def _choice(environ: Mapping[str, str], name: str, choices: Mapping[str, bool], *, default: bool) -> bool:
    text = environ.get(name)
    if not text:
        return default
    if text not in choices:
        raise _bad(name, f"is neither of: {', '.join(choices)}", f"Set it to one of them: {', '.join(choices)}.")
    return choices[text]


def _secret(environ: Mapping[str, str], name: str) -> bytes | None:
    given = environ.get(name)
    path = environ.get(f"{name}_FILE")
    if given and path:
        raise _bad(name, "and its _FILE variant are both set", "Keep one of them.")
    if given:
        return given.encode()
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise _bad(
            f"{name}_FILE", f"cannot be read ({error.strerror})", "Check the path and that this user may read it."
        ) from error
    secret = content.removesuffix(b"\n").removesuffix(b"\r")
    if not secret or len(content) > MAX_SECRET_BYTES:
        raise _bad(f"{name}_FILE", "is empty or too large", f"Put 1 to {MAX_SECRET_BYTES} bytes into it.")
    return secret


def _secret_text(environ: Mapping[str, str], name: str) -> str | None:
    secret = _secret(environ, name)
    if secret is None:
        return None
    try:
        return secret.decode()
    except UnicodeDecodeError as error:
        raise _bad(name, "is not UTF-8 text", "Write it as plain text.") from error
