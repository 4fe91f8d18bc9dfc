"""
A decision as something to draw: badge, dialog, buttons, in a person's language. Pure: values in, values out (R-41).
"""

from __future__ import annotations

from collections.abc import Sequence

from carnet.core._base import Struct
from carnet.core.attention import Tone, badge_for, deadline, is_modal
from carnet.core.decision import Decision
from carnet.ui.texts.catalog import Button, Catalog, Phrase

NEEDS_PAGE: tuple[Button, ...] = ("renew", "contact", "update_app")
"""Actions that open a page, which only the app's vendor knows."""

_SIGNS: dict[Tone, Phrase] = {
    "good": "icon_good",
    "info": "icon_info",
    "warning": "icon_warning",
    "grace": "icon_grace",
    "error": "icon_error",
}


class BadgeView(Struct):
    """The badge: its colour's meaning, its words, and what a screen reader says of it."""

    tone: Tone
    text: str
    spoken: str


class ButtonView(Struct):
    """A button: what it does, what it says, and whether Enter presses it."""

    action: Button
    label: str
    is_main: bool = False


class DialogView(Struct):
    """
    A dialog to draw.

    Attributes:
        code: The notice's code; ``active`` where somebody asked and all is well.
        tone: Which sign and colour; never the only carrier of a meaning: `sign` says it too.
        sign: What the sign means, for screen readers.
        title: The heading, also of the window.
        paragraphs: The text.
        until: The deadline as a line of its own, or None.
        buttons: In reading order, at least one.
        is_modal: Whether it may stand in the way: only where the app may not run anyway.
    """

    code: str
    tone: Tone
    sign: str
    title: str
    paragraphs: tuple[str, ...]
    until: str | None
    buttons: tuple[ButtonView, ...]
    is_modal: bool


def unknown_badge(texts: Catalog) -> BadgeView:
    """The badge where nothing can be told, because a setting of the app is wrong."""
    return _badge("info", texts.say("badge_unknown"), texts)


def badge_view(decision: Decision, texts: Catalog) -> BadgeView:
    """The badge of *decision*."""
    return _badge(badge_for(decision).tone, texts.badge(decision), texts)


def _badge(tone: Tone, text: str, texts: Catalog) -> BadgeView:
    return BadgeView(tone=tone, text=text, spoken=texts.say("badge_for_readers", badge=text))


def dialog_view(
    decision: Decision, texts: Catalog, *, offers: frozenset[Button] = frozenset(), utc_offset_seconds: int = 0
) -> DialogView:
    """
    The dialog of *decision*: its notice, or how things stand where it has none.

    Args:
        decision: What holds.
        texts: In whose words.
        offers: What the app can do beyond the SDK: pages it knows (`NEEDS_PAGE`), and ``save_request``.
        utc_offset_seconds: Of local time, for dates.
    """
    notice = texts.notice(decision)
    if notice is None:
        return _status(decision, texts, utc_offset_seconds)
    tone: Tone = "grace" if decision.state == "grace" else notice.severity
    end = deadline(decision)
    return DialogView(
        code=notice.code,
        tone=tone,
        sign=texts.say(_SIGNS[tone]),
        title=notice.title,
        paragraphs=tuple(notice.text.split("\n\n")),
        until=None if end is None else texts.say(_until(decision), date=texts.day(end, utc_offset_seconds)),
        buttons=_buttons(notice.actions, notice.code, texts, offers),
        is_modal=is_modal(decision),
    )


def _until(decision: Decision) -> Phrase:
    if decision.state == "grace":
        return "until_grace"
    is_term = decision.notice is not None and decision.notice.code == "license_term_ending"
    return "until_term" if is_term else "until_offline"


def _status(decision: Decision, texts: Catalog, utc_offset_seconds: int) -> DialogView:
    """What somebody is told who asks while all is well."""
    ends = []
    if decision.offline_until is not None:
        ends.append(texts.say("status_offline_until", date=texts.day(decision.offline_until, utc_offset_seconds)))
    if decision.license_expires_at is None:
        ends.append(texts.say("status_no_end"))
    else:
        ends.append(texts.say("status_term_until", date=texts.day(decision.license_expires_at, utc_offset_seconds)))
    return DialogView(
        code="active",
        tone="good",
        sign=texts.say("icon_good"),
        title=texts.say("status_title"),
        paragraphs=(texts.say("status_active"), " ".join(ends)),
        until=None,
        buttons=labelled(("check_now", "close"), texts, main="close"),
        is_modal=False,
    )


def _buttons(actions: Sequence[Button], code: str, texts: Catalog, offers: frozenset[Button]) -> tuple[ButtonView, ...]:
    """The notice's own actions, without those that the app has no page for, each thing once, and never none."""
    shown = [each for each in actions if each not in NEEDS_PAGE or each in offers]
    if "connect" in shown:
        shown = [each for each in shown if each != "try_again"]
    if "activate" in shown:  # both ask for a license key
        shown = [each for each in shown if each != "enter_key"]
    if code == "not_activated":
        shown = ["enter_first_key" if each == "enter_key" else each for each in shown]
    if "save_request" in offers:
        shown.append("save_request")
    shown = shown or ["close"]
    main = next((each for each in shown if each != "remind_later"), shown[0])
    return labelled(shown, texts, main=main)


def labelled(actions: Sequence[Button], texts: Catalog, *, main: Button) -> tuple[ButtonView, ...]:
    """Buttons in reading order: the one that Enter presses comes last, where dialogs have it."""
    ordered = [*(each for each in actions if each != main), main]
    return tuple([ButtonView(action=each, label=texts.buttons[each], is_main=each == main) for each in ordered])
