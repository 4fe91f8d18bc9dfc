"""
A decision and its notice as a person at a terminal sees them: the dialog boxes of the LicenseSeat seed, and the facts.

The texts are the core's (`carnet.core.notices`), the boxes those of `carnet.ui.terminal`. Pure: text in, text out.
"""

from __future__ import annotations

from carnet.cli.output import Style, facts, plain, when
from carnet.core.attention import Tone
from carnet.core.decision import Access, Decision, Notice, Severity
from carnet.core.instant import Instant
from carnet.core.notices import IN_GRACE
from carnet.ui.terminal import WIDTH, cells, draw
from carnet.ui.texts.english import ENGLISH

__all__ = ["WIDTH", "access_style", "box", "cells", "day", "explain", "headline", "severity_style"]

_ACCESS_STYLE: dict[Access, Style] = {"full": "green", "limited": "yellow", "none": "red"}
_SEVERITY_STYLE: dict[Severity, Style] = {"info": "cyan", "warning": "yellow", "error": "red"}


def access_style(decision: Decision) -> Style:
    """Green, yellow or red, by access; a warning makes green yellow."""
    return "yellow" if decision.state == "expiring" else _ACCESS_STYLE[decision.access]


def severity_style(notice: Notice) -> Style:
    """The colour of a box."""
    return _SEVERITY_STYLE[notice.severity]


def box(notice: Notice, *, unicode: bool = True) -> str:
    """
    The dialog that *notice* stands for: title, text, buttons.

    Args:
        notice: What to show.
        unicode: Draw with lines and signs; False uses ASCII, for streams that cannot carry them.
    """
    tone: Tone = "grace" if notice.code in IN_GRACE.values() else notice.severity
    buttons = [ENGLISH.buttons[action] for action in notice.actions]
    return draw(tone, notice.title, notice.text, buttons, unicode=unicode)


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
