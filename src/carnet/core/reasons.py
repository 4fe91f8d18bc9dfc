"""
Every reason code of the core with its sentence and its fix, in one table (design.md §2 rule 8, R-22, R-82).

Decisions on the device, refusals by the server and refusal proofs all speak these codes. Codes are stable: a retired
one stays reserved with a comment. Nothing here decides; `rules.py` and `seats.py` do. Not imported for an active grant.

A `{name}` in a text is a whole phrase, so every text also reads well without it: an instant becomes " on 2026-11-25 at
09:30 UTC", `days` becomes " in 3 days", a text becomes " (text)", and a missing value becomes nothing.
"""

from __future__ import annotations

from carnet.core.decision import Reason, State
from carnet.core.instant import Instant

REASONS: dict[str, tuple[str, str]] = {
    "not_genuine": (
        "This license file was not made by the vendor, or was changed since.",
        "Get a fresh one: activate again, or ask the vendor for the file.",
    ),
    "wrong_product": (
        "This license is for another product{licensed}.",
        "Enter a license key for this product{product}.",
    ),
    "wrong_device": (
        "This license was activated on another device.",
        "Activate this device with your license key.",
    ),
    "wrong_domain": (
        "This license does not cover this domain{domain}.",
        "Use a domain that it covers{licensed}, or ask the vendor to add this one.",
    ),
    "license_revoked": (
        "The vendor revoked this license{as_of}.",
        "Contact the vendor, or enter another license key.",
    ),
    "license_suspended": (
        "The vendor suspended this license{as_of}.",
        "Contact the vendor; once it is reinstated, connect to the internet.",
    ),
    "deactivated": (
        "This device was deactivated{as_of}.",
        "Activate it again with your license key.",
    ),
    "activation_not_found": (
        "The vendor's server has no activation of this device{as_of}.",
        "Activate it again with your license key.",
    ),
    "license_not_found": (
        "The vendor's server does not know this license key{as_of}.",
        "Check the key for typing errors, or enter another one.",
    ),
    "not_activated": (
        "This device is not activated.",
        "Activate it with your license key.",
    ),
    "seat_limit_reached": (
        "All seats of this license are in use{seats}.",
        "Deactivate a device that is no longer used, or get more seats from the vendor.",
    ),
    "license_not_started": (
        "The license is not valid yet{as_of}{start}.",
        "Wait until then, and check that this device's clock is right.",
    ),
    "not_yet_valid": (
        "This license file is not valid yet{start}.",
        "Check that this device's clock is right; otherwise wait until then.",
    ),
    "clock_suspect": (
        "This device's clock has been set back.",
        "Set the clock right and connect to the internet.",
    ),
    "clock_countdown": (
        "This device's clock is behind; the app will be limited{days}.",
        "Set the clock right.",
    ),
    "license_expired": (
        "The license expired{at}{grace_days}{as_of}.",
        "Renew the license; then connect to the internet, so that this device learns of it.",
    ),
    "offline_window_over": (
        "Offline license expired{at}{grace_days}.",
        "Connect to the internet.",
    ),
    "needs_refresh": (
        "This license has not been checked for revocation{since}.",
        "Connect to the internet.",
    ),
    "edition_mismatch": (
        "This license is for another edition{licensed} of the app than this one{edition}.",
        "Renew or upgrade the license, or use the edition that it covers.",
    ),
    "version_not_covered": (
        "This license does not cover this version{version} of the app, only earlier ones{below}.",
        "Renew or upgrade the license, or use a version that it covers.",
    ),
    "license_term_ending": (
        "The license expires{days}{until}.",
        "Renew the license; then connect to the internet, so that this device learns of it.",
    ),
    "offline_window_ending": (
        "Offline license expires{days}{until}.",
        "Connect to the internet to extend your offline access.",
    ),
}
"""Code -> (what is so, what would change it)."""

UNKNOWN = ("The vendor's server refused this device{code}.", "Contact the vendor.")
"""For the code of a newer server that this table does not know."""

REFUSALS: dict[str, State] = {
    "wrong_product": "wrong_product",
    "wrong_device": "wrong_device",
    "wrong_domain": "wrong_domain",
    "license_revoked": "revoked",
    "license_suspended": "suspended",
    "deactivated": "not_activated",
    "not_activated": "not_activated",
    "license_not_started": "not_started",
    "license_expired": "expired",
}
"""
The refusals that shorten a grant, and to which state (design.md §2 rules 3 and 4).

A server may refuse with other codes (`UNTOUCHING`, or one from the future): they never touch a grant that the device
already holds (users-ask 10, REL-16), and mean `not_activated` on a device that holds none.
"""

UNTOUCHING = frozenset({"seat_limit_reached", "activation_not_found", "license_not_found"})
"""
The refusals that leave a grant as it is, told by their own codes.

No record is ever deleted, so a server that does not know what it once signed for has lost it, and was restored from a
backup perhaps (REL-11): a device that paid is not stopped by that.
"""

LICENSE_REFUSALS = frozenset({"license_revoked", "license_suspended", "license_not_started", "license_expired"})
"""Refusals about the license itself: they hold for each of its activations and devices."""

_SHOWN = 100


def shown(text: str) -> str:
    """*text* from outside, made safe for one line of a message: printable and at most 100 characters (SEC-39)."""
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def in_days(days: int) -> str:
    """``1 day``, ``3 days``."""
    return "1 day" if days == 1 else f"{days} days"


def moment(instant: Instant) -> str:
    """``2026-11-25 at 09:30 UTC``: for people; the machine-readable form is `str(instant)`."""
    text = str(instant)
    return f"{text[:-10]} at {text[-9:-4]} UTC"


class _Phrases(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


_MOMENTS = {"until": ", on {}", "since": " since {}", "as_of": " (as of {})", "start": "; it starts on {}"}


def _phrase(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Instant):
        return _MOMENTS.get(name, " on {}").format(moment(value))
    if isinstance(value, int):
        if name == "grace_days":
            return f"; {in_days(value)} of grace {'is' if value == 1 else 'are'} left"
        return f" in {in_days(value)}"
    if isinstance(value, tuple):
        return _phrase(name, ", ".join(str(item) for item in value)) if value else ""
    return f" ({shown(str(value))})"


def reason(code: str, **values: object) -> Reason:
    """
    The reason *code* with its sentence and its fix.

    Args:
        code: A code of `REASONS`; any other text gives the general sentence of a refusal.
        **values: What the sentence may tell, by the names in the table: an `Instant`, a number of days, a text or a
            tuple of texts. None and missing values are left out; texts may come from outside.
    """
    message, fix = REASONS.get(code, UNKNOWN)
    phrases = _Phrases({name: _phrase(name, value) for name, value in values.items()})
    if code not in REASONS:
        phrases["code"] = _phrase("code", code)
    return Reason(code=code, message=message.format_map(phrases), fix=fix.format_map(phrases))
