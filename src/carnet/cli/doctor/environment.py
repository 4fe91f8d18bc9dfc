"""Mistakes in how the program is started: variables, user, limits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from carnet.cli.doctor.finding import Finding, ok, problem, warning

KNOWN: Final = frozenset(
    {
        "CARNET_ADMIN_TOKEN",
        "CARNET_BACKUP_DIRECTORY",
        "CARNET_BACKUP_HOURS",
        "CARNET_BACKUP_KEEP",
        "CARNET_CA_FILE",
        "CARNET_CHECKPOINTS",
        "CARNET_DATA",
        "CARNET_DATABASE_REPLICA_URL",
        "CARNET_DATABASE_URL",
        "CARNET_DEBUG",
        "CARNET_DEVICE_ID",
        "CARNET_EVENT_LOG",
        "CARNET_FLUSH_SECONDS",
        "CARNET_GOOGLE_KMS_URL",
        "CARNET_HOST",
        "CARNET_JOBS",
        "CARNET_KEEP_EVENTS_DAYS",
        "CARNET_KEY_ANNOUNCE_SECONDS",
        "CARNET_LICENSE_KEY",
        "CARNET_PASSPHRASE",
        "CARNET_PKCS11_MODULE",
        "CARNET_PKCS11_PIN",
        "CARNET_PORT",
        "CARNET_PRODUCT",
        "CARNET_PROXY",
        "CARNET_PUBLIC_URL",
        "CARNET_RATE_LIMITS",
        "CARNET_REDIS_URL",
        "CARNET_REPLICA_LAG_SECONDS",
        "CARNET_ROOT",
        "CARNET_SERVER",
        "CARNET_STATE",
        "CARNET_STATUS_LISTS",
        "CARNET_STATUS_MIRROR",
        "CARNET_TRUSTED_PROXIES",
        "CARNET_WORKERS",
    }
)
"""Every variable that some part of Carnet knows; each secret also with `_FILE` behind it."""

SECRETS: Final = (
    "CARNET_ADMIN_TOKEN",
    "CARNET_DATABASE_REPLICA_URL",
    "CARNET_DATABASE_URL",
    "CARNET_PASSPHRASE",
    "CARNET_PKCS11_PIN",
)
_ADDRESSES: Final = frozenset({"CARNET_DATABASE_REPLICA_URL", "CARNET_DATABASE_URL"})
"""Secret where they hold a password."""

NOT_NEEDED: Final = {
    "CARNET_REDIS_URL": "Unset it, and stop that Redis if nothing else uses it: rate limits, jobs and events are in the"
    " database (docs/decisions/0063).",
}
"""Names that are known and that nothing needs, and what to do about them."""

MIN_OPEN_FILES: Final = 1024


def look_at_environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that nobody reads, and secrets where others can see them."""
    known = KNOWN | {f"{name}_FILE" for name in SECRETS}
    unknown = sorted(name for name in environ if name.startswith("CARNET_") and name not in known)
    for name in unknown:
        near = get_close_matches(name, sorted(known), n=1, cutoff=0.7)
        fix = f"Did you mean {near[0]}?" if near else "Unset it, or look its name up in docs/reference/cli.md."
        yield warning("variables", f"{name} is set, and nothing reads it.", fix)
    idle = [name for name in NOT_NEEDED if environ.get(name)]
    for name in idle:
        yield warning("variables", f"{name} is set, and Carnet needs no such service.", NOT_NEEDED[name])
    shown = [name for name in SECRETS if environ.get(name) and (name not in _ADDRESSES or "@" in environ[name])]
    for name in shown:
        fix = f"Put it into a file that only this user can read, and set {name}_FILE to its path."
        yield warning("variables", f"{name} is a secret in the environment, which other programs may read.", fix)
    if not unknown and not shown and not idle:
        yield ok("variables", "every CARNET_ variable is known, and none holds a secret")


def look_at_process() -> Iterator[Finding]:
    """Who runs it, and how many files it may open."""
    if os.name == "nt":
        return
    import resource

    if os.geteuid() == 0:
        fix = "Make a user for it: useradd --system carnet; chown -R carnet the data directory; run it as that user."
        yield warning("user", "This runs as root; a mistake in it could touch the whole machine.", fix)
    else:
        yield ok("user", f"runs as user {os.geteuid()}, not as root")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MIN_OPEN_FILES:
        fix = "Raise it: ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit."
        yield problem("open files", f"Only {soft} files and connections may be open at once.", fix)
    else:
        yield ok("open files", f"{'any number of' if soft == resource.RLIM_INFINITY else soft} files may be open")
