"""
A decision and its notice as a person at a terminal sees them: the dialog boxes of the LicenseSeat seed, and the facts.

The texts are the core's (`carnet.core.notices`); only their drawing is decided here. Pure: text in, text out.
"""

from __future__ import annotations

from textwrap import wrap
from unicodedata import combining, east_asian_width

from carnet.cli.output import Style, facts, plain, when
from carnet.core.decision import Access, Action, Decision, Notice, Severity
from carnet.core.instant import Instant

WIDTH = 65
"""Inner width of a box, as the seed draws it."""

BUTTONS: dict[Action, str] = {
    "connect": "Connect Now",
    "remind_later": "Remind Me Later",
    "try_again": "Try Again",
    "enter_key": "Enter New Key",
    "renew": "Renew",
    "activate": "Activate",
    "update_app": "Update App",
    "contact": "Contact Support",
}

_ICONS: dict[str, tuple[str, str]] = {
    "info": ("ℹ", "(i)"),  # noqa: RUF001 - the sign is meant
    "warning": ("⚠", "(!)"),
    "grace": ("⏰", "(!)"),
    "error": ("🔒", "(x)"),
}
"""The seed's signs, and what stands for them where they cannot be shown."""

_GRACE_CODES = frozenset({"offline_grace", "license_grace"})
_ACCESS_STYLE: dict[Access, Style] = {"full": "green", "limited": "yellow", "none": "red"}
_SEVERITY_STYLE: dict[Severity, Style] = {"info": "cyan", "warning": "yellow", "error": "red"}


def access_style(decision: Decision) -> Style:
    """Green, yellow or red, by access; a warning makes green yellow."""
    return "yellow" if decision.state == "expiring" else _ACCESS_STYLE[decision.access]


def severity_style(notice: Notice) -> Style:
    """The colour of a box."""
    return _SEVERITY_STYLE[notice.severity]


def cells(text: str) -> int:
    """How many terminal columns *text* takes: wide East Asian characters and emoji take two, combining marks none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def box(notice: Notice, *, unicode: bool = True) -> str:
    """
    The dialog that *notice* stands for: title, text, buttons.

    Args:
        notice: What to show.
        unicode: Draw with lines and signs; False uses ASCII, for streams that cannot carry them.
    """
    icon = _ICONS["grace" if notice.code in _GRACE_CODES else notice.severity][not unicode]
    buttons = " ".join(f"[{BUTTONS[action]}]" for action in notice.actions)
    content = [f"{icon} {plain(notice.title)}", ""]
    for paragraph in plain(notice.text).split("\n"):
        content += wrap(paragraph, WIDTH - 2) or [""]
    if buttons:
        content += ["", *wrap(buttons, WIDTH - 2)]
    top, side, bottom = ("┌─┐", "│", "└─┘") if unicode else ("+-+", "|", "+-+")
    lines = [f"{top[0]}{top[1] * WIDTH}{top[2]}"]
    lines += [f"{side} {line}{' ' * max(0, WIDTH - 1 - cells(line))}{side}" for line in content]
    lines.append(f"{bottom[0]}{bottom[1] * WIDTH}{bottom[2]}")
    return "\n".join(lines)


def headline(state: str, access: str) -> str:
    """A decision in one line: `active · full access`."""
    return f"{state} · {'no' if access == 'none' else access} access"


def explain(decision: Decision) -> str:
    """Everything a person asks of a decision: until when, what works, and why (users-ask 53, 65)."""
    features = ", ".join(
        entitlement.key + ("" if entitlement.expires_at is None else f" (until {when(entitlement.expires_at)})")
        for entitlement in decision.entitlements
    )
    rows: list[tuple[str, object]] = [
        ("Product", decision.product),
        ("License", decision.license_id),
        ("Valid until", _term(decision)),
        ("Works offline until", _offline(decision)),
        ("Refreshes after", None if decision.renew_after is None or not decision else when(decision.renew_after)),
        ("Features", features or None),
        ("Device", f"{decision.device[:16]}…" if decision.device else None),
        ("Judged at", when(decision.checked_at)),
    ]
    lines = [facts(rows)]
    for reason in decision.reasons:
        lines += ["", f"Why: {plain(reason.message)} ({reason.code})"]
        if reason.fix:
            lines.append(f"     {plain(reason.fix)}")
    return "\n".join(lines)


def _term(decision: Decision) -> str | None:
    if decision.license_id is None:
        return None
    return when(decision.license_expires_at, "no end")


def _offline(decision: Decision) -> str | None:
    if decision.offline_until is None:
        return None
    parts = [when(decision.offline_until)]
    if decision.grace_until is not None and decision.grace_until > decision.offline_until:
        parts.append(f"then grace until {when(decision.grace_until)}")
    if decision.days_left is not None and decision:
        parts.append("1 day left" if decision.days_left == 1 else f"{decision.days_left} days left")
    return ", ".join(parts)


def day(instant: Instant) -> str:
    """The date alone, for stories that count in days."""
    return str(instant)[:10]
