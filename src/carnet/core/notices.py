"""
What a person is shown: title, text and actions for the main reason of a decision (R-32).

The three notices of the LicenseSeat seed (near expiry, expired in grace, fully expired) have its words; the others
follow their tone. Texts are English and keyed by `Notice.code`, so that a host can show its own. Nothing decides here.
"""

from __future__ import annotations

from carnet.core.decision import Access, Action, Notice, Reason, Severity, State
from carnet.core.reasons import in_days

LIMITED_MODE = "Limited mode: You can still open existing projects."

_Text = tuple[Severity, str, str, tuple[Action, ...]]

NOTICES: dict[str, _Text] = {
    # The seed's three dialogs.
    "offline_window_ending": (
        "warning",
        "Offline license expires in {days}",
        "Connect to the internet to extend your offline access.",
        ("remind_later", "connect"),
    ),
    "offline_grace": (
        "warning",
        "Offline license expired",
        "Your offline access has expired. Please connect to the internet to continue using all features.",
        ("connect",),
    ),
    "offline_window_over": (
        "error",
        "License validation required",
        "Please connect to the internet to validate your license.",
        ("try_again", "enter_key"),
    ),
    # The license term: the same three steps, and only renewing helps.
    "license_term_ending": (
        "warning",
        "License expires in {days}",
        "Renew your license to keep using this software.",
        ("remind_later", "renew"),
    ),
    "license_grace": (
        "warning",
        "License expired",
        "Your license has expired. Please renew it to continue using all features, then connect to the internet.",
        ("renew", "connect"),
    ),
    "license_expired": (
        "error",
        "License expired",
        "Please renew your license, then connect to the internet.",
        ("renew", "try_again", "enter_key"),
    ),
    # Limited for another cause.
    "needs_refresh": (
        "warning",
        "License check required",
        "Your license has not been checked lately. Please connect to the internet to continue using all features.",
        ("connect",),
    ),
    "clock_suspect": (
        "warning",
        "Check this device's clock",
        "The clock of this device has been set back. Please set it right and connect to the internet.",
        ("connect", "try_again"),
    ),
    "clock_countdown": (
        "warning",
        "Check this device's clock",
        "The clock of this device is behind. Please set it right to continue using all features.",
        ("remind_later", "try_again"),
    ),
    "edition_mismatch": (
        "warning",
        "License does not cover this edition",
        "Your license is for another edition of this software. Please renew or upgrade it to use all features.",
        ("renew", "contact"),
    ),
    "version_not_covered": (
        "warning",
        "License does not cover this version",
        "Your license covers earlier versions of this software. Please renew it to use all features of this one.",
        ("renew", "contact"),
    ),
    # Stopped by the vendor, or never for this device.
    "license_revoked": (
        "error",
        "License revoked",
        "The vendor has revoked this license. Please contact the vendor, or enter another license key.",
        ("contact", "enter_key"),
    ),
    "license_suspended": (
        "error",
        "License suspended",
        "The vendor has suspended this license. Please contact the vendor, then connect to the internet.",
        ("contact", "try_again"),
    ),
    "license_not_started": (
        "info",
        "License not valid yet",
        "{message}",
        ("try_again", "enter_key"),
    ),
    "not_yet_valid": (
        "warning",
        "License not valid yet",
        "{message} Please check that the clock of this device is right.",
        ("try_again", "enter_key"),
    ),
    "not_activated": (
        "info",
        "Activate this software",
        "Please enter your license key to activate this software on this device.",
        ("enter_key",),
    ),
    "deactivated": (
        "info",
        "This device was deactivated",
        "Please activate this device again with your license key.",
        ("activate", "enter_key"),
    ),
    "activation_not_found": (
        "info",
        "This device is no longer activated",
        "Please activate this device again with your license key.",
        ("activate", "enter_key"),
    ),
    "license_not_found": (
        "error",
        "License key not recognized",
        "Please check your license key for typing errors, or enter another one.",
        ("enter_key", "contact"),
    ),
    "seat_limit_reached": (
        "error",
        "All seats are in use",
        "Please deactivate a device that you no longer use, or get more seats from the vendor.",
        ("try_again", "contact"),
    ),
    "wrong_device": (
        "error",
        "License of another device",
        "The license stored here was activated on another device. Please activate this device with your license key.",
        ("activate", "enter_key"),
    ),
    "does_not_open": (
        "error",
        "License of another device",
        "This license file is for another device or license key. Please activate this device with your license key.",
        ("activate", "enter_key"),
    ),
    "wrong_product": (
        "error",
        "License of another product",
        "This license is for another product. Please enter a license key for this one.",
        ("enter_key", "contact"),
    ),
    "wrong_domain": (
        "error",
        "License does not cover this domain",
        "Please use this software on a domain that your license covers, or contact the vendor.",
        ("contact", "enter_key"),
    ),
    "not_genuine": (
        "error",
        "License file not accepted",
        "This license file is damaged or not from the vendor. Please activate again, or ask the vendor for a new file.",
        ("activate", "enter_key", "contact"),
    ),
}
"""Notice code -> (severity, title, text, actions)."""

IN_GRACE = {"offline_window_over": "offline_grace", "license_expired": "license_grace"}
_TO_DO = {"offline_grace": "connect", "license_grace": "renew"}


def notice_for(state: State, access: Access, main: Reason, *, days_left: int | None) -> Notice:
    """
    The notice for a decision that has a reason; an active one has none.

    Args:
        state: The decision's state.
        access: The decision's access: limited mode is said where it holds.
        main: The decision's first reason.
        days_left: The decision's days left, for titles and texts.

    Returns:
        A notice whose code is the reason's, or ``offline_grace`` and ``license_grace`` in grace. Codes from elsewhere
        (of faults, of a newer server) get the notice of their state.
    """
    code = IN_GRACE.get(main.code, main.code) if state == "grace" else main.code
    if code not in NOTICES:
        code = state
    severity, title, text, actions = NOTICES[code]
    days = in_days(days_left or 0)
    paragraphs = [text.format(message=main.message)]
    if access == "limited":
        paragraphs.append(LIMITED_MODE)
    if code in _TO_DO:
        paragraphs.append(f"You have {days} left to {_TO_DO[code]}.")
    return Notice(
        code=code, severity=severity, title=title.format(days=days), text="\n\n".join(paragraphs), actions=actions
    )
