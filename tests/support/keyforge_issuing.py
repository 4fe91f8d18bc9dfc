"""Vectors of issuing in the Keyforge profile (specs/token-profiles.md §4); part of the generator's work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from carnet.core.instant import DAY
from carnet.formats.profiles.verdicts import MAX_PROFILE_LIFETIME_SECONDS
from support.keyforge_scenarios import AROUND, NOW
from support.profile_tokens import KEYFORGE_FACTS, KEYFORGE_LICENSE
from support.profile_vectors import Scenario, facts_to_json, scenario

PRIVATE_HEX: Final = "144c66ff85a44613fc2f2e4f609de8416e7f488b9b330081d4c706b067279590"
"""contracts/keyforge.md §10: the `d` of its test key."""

_LICENSE: Final[dict[str, Any]] = facts_to_json(KEYFORGE_LICENSE)
_DEVICE: Final[dict[str, Any]] = facts_to_json(KEYFORGE_FACTS.device)
_ENDING: Final[dict[str, Any]] = {**_LICENSE, "type": "timed", "expires_at": "2026-02-09T00:00:00Z"}
_LAST: Final = 1770595200


def _issue(name: str, section: str, catches: str, license_: dict[str, Any], now: int = NOW, **more: Any) -> Scenario:
    settings = {"validity_seconds": 14 * DAY, "fallback_expires_at": "real", "include_email": False}
    given = {
        "function": "issue-keyforge",
        "license": license_,
        "device": _DEVICE,
        "is_revoked": False,
        "fallback_enabled": False,
        "settings": {**settings, **more.pop("settings", {})},
        "signing_key": {"alg": "ES256", "kid": "kf-test-1", "private_hex": PRIVATE_HEX},
        **more,
    }
    return scenario(f"keyforge-issue-{name}", section, catches, given, now=now)


def issued() -> Iterator[Scenario]:
    contract: dict[str, Any] = {"settings": {"validity_seconds": 4102444800 - 1768003140}}
    yield _issue("contract", "4", "Making other claims than the contract's from its facts.", _LICENSE, **contract)
    yield _issue("id", "4.1", "Losing the token's own id.", _LICENSE, id="t-1")
    ed25519 = {"alg": "Ed25519", "kid": "kf-ed", "private_hex": "01" * 32}
    yield _issue(
        "ed25519", "2", "Naming an algorithm after the product instead of the key.", _LICENSE, signing_key=ed25519
    )
    with_email = {**_LICENSE, "email": "kim@example.com"}
    yield _issue("email-off", "4.1", "Telling an address that nobody switched on.", with_email)
    yield _issue(
        "email-on", "4.1", "Losing an address that was switched on.", with_email, settings={"include_email": True}
    )
    for seconds, word in AROUND:
        validity = {"validity_seconds": _LAST + seconds - (NOW - 60)}
        yield _issue(
            f"validity-{word}", "4.2", "Letting a token outlive its timed license.", _ENDING, settings=validity
        )
        yield _issue(f"end-{word}", "4.2", "Making a token for a license that ended.", _ENDING, _LAST + seconds)
        more: dict[str, Any] = {"fallback_enabled": True}
        yield _issue(
            f"fallback-{word}", "4.2", "A status that is a second early or late.", _ENDING, _LAST + seconds, **more
        )
    hidden: dict[str, Any] = {"fallback_enabled": True, "settings": {"fallback_expires_at": "null"}}
    yield _issue("fallback-null", "4.2", "Showing an end that old clients stop at.", _ENDING, _LAST + DAY, **hidden)
    yield _issue("fallback-null-active", "4.2", "Hiding the end of a license that has not ended.", _ENDING, **hidden)
    yield _issue(
        "at-1970", "4.2", "Dating back before the first second.", {**_LICENSE, "created_at": "1970-01-01T00:00:01Z"}, 30
    )
    for seconds in (61, MAX_PROFILE_LIFETIME_SECONDS):
        name = "shortest" if seconds == 61 else "longest"
        yield _issue(
            f"validity-{name}",
            "4.2",
            "Refusing a setting within its bounds.",
            _LICENSE,
            settings={"validity_seconds": seconds},
        )


def not_issued() -> Iterator[Scenario]:
    catches = "Making a token for a license that is revoked: clients do not look at its status."
    yield _issue("revoked", "4.2", catches, _LICENSE, is_revoked=True)
    yield _issue("revoked-and-fallback", "4.2", catches, _ENDING, _LAST + DAY, is_revoked=True, fallback_enabled=True)
    for validity in (60, MAX_PROFILE_LIFETIME_SECONDS + 1):
        name = "validity-too-short" if validity == 60 else "validity-too-long"
        yield _issue(
            name,
            "4.2",
            "A token that is over when it is made, or hardly ever.",
            _LICENSE,
            settings={"validity_seconds": validity},
        )
    yield _issue(
        "fallback-setting",
        "4.2",
        "Taking an unknown setting for one of the two.",
        _ENDING,
        settings={"fallback_expires_at": "none"},
    )
    yield _issue("timed-no-end", "4.2", "A timed license that never ends.", {**_LICENSE, "type": "timed"})
    yield _issue("perpetual-end", "4.2", "A perpetual license that ends.", {**_ENDING, "type": "perpetual"})
    yield _issue("no-devices", "8", "Signing what the verifier refuses.", {**_LICENSE, "max_devices": 0})
    yield _issue(
        "identifier-97", "8", "Signing what the verifier refuses.", _LICENSE, device={**_DEVICE, "identifier": "x" * 97}
    )
