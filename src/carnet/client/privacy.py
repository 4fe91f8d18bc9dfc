"""
What the SDK keeps on a device, and what it sends, as a table (R-43, R-67). `docs/reference/privacy.md` is made from it.

Nothing at run time reads this. A test plays the life of a device at a real server, writes down every byte that leaves
it and every file that stays, and compares both with this table, in both directions: what is not here is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_WITH_ARTIFACTS = "refresh; activation where artifacts are stored"

SENT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "license_key": (
            "The license key. Not with a refresh or a return whose activation is known.",
            "always where a license is named",
        ),
        "product": ("The product id.", "always"),
        "nonce": ("A fresh random number, by which the answer is known to be one.", "always"),
        "root_version": ("The number of the newest root file that the device knows.", "always but for floating seats"),
        "status_versions": (
            "The addresses of the status lists that the device has, and their versions; many devices have the same.",
            "activation, refresh; where the license asks for checks or a list is there",
        ),
        "activation_id": ("The seat's id, which the server gave.", "refresh, return"),
        "held[].kind": ("What kind of artifact the device holds: `token` or `machine-file`.", _WITH_ARTIFACTS),
        "held[].jti": ("Its id, which the server gave.", _WITH_ARTIFACTS),
        "held[].kid": ("The id of the vendor's key that signed it.", _WITH_ARTIFACTS),
        "held[].issued_at": ("When it was issued.", _WITH_ARTIFACTS),
        "held[].expires_at": ("When it ends.", _WITH_ARTIFACTS),
        "stamp": (
            "What the server's newest answer gave to be shown, a number and random characters: it tells copies apart.",
            "refresh",
        ),
        "ttl_seconds": ("For how long the app wants to be offline, or to hold a floating seat.", "if the app asks"),
        "user": ("Who uses the device, as the app calls them.", "only if the app gives one"),
        "domain": ("The host name that the installation serves.", "only if the app gives one"),
        "app_version": ("The app's version.", "only if the app gives one"),
        "device.fingerprint": (
            "A keyed hash of what identifies the device; other for each product (specs/fingerprint.md §1).",
            "always but for floating seats",
        ),
        "device.name": ("What people shall see the device as.", "only if the app gives one"),
        "device.platform": ("`linux`, `macos` or `windows`.", "activation"),
        "device.public_key": ("The public half of a key that was made for this device and product.", "activation"),
        "device.components[].kind": (
            "Which part a digest is of, for example `disk-serial` (specs/fingerprint.md §7).",
            "activation, refresh",
        ),
        "device.components[].digest": (
            "A hash of what identifies the part, keyed with the license key; other for each license.",
            "activation, refresh",
        ),
        "holder.kind": ("What holds a floating seat: `device`, `process` or `user`.", "floating seats"),
        "holder.id": ("The fingerprint, one made from it for a process, or the user's id.", "floating seats"),
        "holder.name": ("What people shall see the holder as.", "only if the app gives one"),
        "borrow": ("That a floating seat is taken along.", "only if the app borrows"),
    }
)
"""Member of a request -> what it is, and when it is sent."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "host": "The server's address.",
        "accept": "Always the same.",
        "accept-encoding": "Always the same.",
        "content-type": "Always the same.",
        "content-length": "How long the request is; not where a status list is fetched.",
        "connection": "Always the same.",
        "user-agent": "`carnet-python/` and the version of Carnet.",
        "idempotency-key": "A random number, the same for each attempt at one question.",
        "carnet-device-proof": "A signature by the device's key over this very request.",
    }
)
"""Header of a request -> what it holds."""

FILES: Mapping[str, str] = MappingProxyType(
    {
        "state.0, state.1": "What the device remembers of the product, twice, encrypted for this device (below).",
        "lock, lock.marker": "Empty; one process at a time writes.",
        "attempts.json": (
            "When the server was last asked in vain, and what came of it: numbers, times, codes,"
            " and a digest of the addresses that the device sent from, to tell that the network has changed."
        ),
        "notices.json": "Which notices were shown, and until when they were put off.",
        "device-key.tpm": "The device's key, sealed by its TPM; only where the app asks for that.",
        "lease.jwt": "A floating seat that was taken along for travel.",
        "log.jsonl": "At most 64 KiB of what was asked of the server and how that ended (below).",
    }
)
"""File in a product's state directory -> what it holds."""

LOG: Mapping[str, str] = MappingProxyType(
    {
        "at": "When, by the device's clock.",
        "event": "What happened: `activate`, `refresh`, `deactivate`, `status_lists`, `root`, or `clock`.",
        "outcome": (
            "How it ended: `granted`, `refused`, `problem`, `skipped`; of status lists, `kept`; of roots, `followed`;"
            " of the clock, `behind` or `right`."
        ),
        "code": "The code of the reason, if there is one.",
        "why": "Which check an answer did not pass, or what the system said, as one word; only where there is one.",
    }
)
"""Member of a line of the log -> what it is."""

NEVER: tuple[str, ...] = (
    "names of people, accounts, e-mail addresses or files, unless the app gives one as `user`, `name` or `domain`",
    "host names, addresses, locations, time zones or languages",
    "serial numbers, machine ids or network addresses as they are: they leave the device as keyed hashes only",
    "what the app is used for, how often and for how long: there is no telemetry, and nothing to switch off",
    "crashes and errors: they stay in the log on the device",
)
"""What is never sent."""
