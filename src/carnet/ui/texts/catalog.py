"""What a catalogue of texts is, and how a decision is put into its words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from carnet.core._base import Struct
from carnet.core.attention import badge_for, days_to_tell
from carnet.core.decision import Action, Decision, Notice, Reason
from carnet.core.instant import Instant, parse_instant
from carnet.core.notices import IN_GRACE

Text = str | tuple[str, ...]
"""A text, or its plural forms, of which `Catalog.plural` chooses one; ``{n}`` is the number."""

Button = Literal[Action, "close", "back", "enter_first_key", "save_request", "activate_now", "check_now"]
Phrase = Literal[
    "limited_mode",
    "left_to_connect",
    "left_to_renew",
    "starts",
    "badge_licensed",
    "badge_licensed_days",
    "badge_offline_days",
    "badge_ending_days",
    "badge_grace_days",
    "badge_limited",
    "badge_limited_days",
    "badge_stopped",
    "badge_inactive",
    "badge_unknown",
    "badge_for_readers",
    "until_offline",
    "until_term",
    "until_grace",
    "status_title",
    "status_active",
    "status_offline_until",
    "status_term_until",
    "status_no_end",
    "checking",
    "up_to_date",
    "no_connection",
    "not_done",
    "key_title",
    "key_label",
    "key_help",
    "did_you_mean",
    "key_missing",
    "opening",
    "not_opened",
    "request_saved",
    "request_not_saved",
    "icon_good",
    "icon_info",
    "icon_warning",
    "icon_grace",
    "icon_error",
]

_START = re.compile(r"; it starts on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC\.")


class Catalog(Struct):
    """
    All texts of one language.

    Attributes:
        language: Its tag.
        plural: Number -> which of the plural forms.
        forms: How many there are.
        date: Year, month, day -> a date as people write it.
        notices: Notice code -> title and text. ``{message}`` is the decision's own English sentence; other languages
            have ``{starts}`` in its place.
        buttons: What buttons say.
        phrases: Everything else.
    """

    language: str
    plural: Callable[[int], int]
    forms: int
    date: Callable[[int, int, int], str]
    notices: dict[str, tuple[Text, Text]]
    buttons: dict[Button, str]
    phrases: dict[Phrase, Text]

    def say(self, phrase: Phrase, *, n: int = 0, **values: str) -> str:
        """*phrase* with its number and its values."""
        return self._fill(self.phrases[phrase], n, values)

    def notice(self, decision: Decision) -> Notice | None:
        """The decision's notice in this language; code, severity and actions are the same. None where there is none."""
        notice = decision.notice
        if notice is None:
            return None
        found = self.notices.get(notice.code) or self.notices.get(decision.state)
        if found is None:  # of a newer core
            return notice
        title, text = found
        days = days_to_tell(decision)
        main = decision.reasons[0] if decision.reasons else Reason(code=notice.code, message="", fix="")
        values = {"message": main.message, "starts": self._starts(main.message)}
        paragraphs = [self._fill(text, days, values)]
        if decision.access == "limited":
            paragraphs.append(self.say("limited_mode"))
        if notice.code in IN_GRACE.values():
            phrase: Phrase = "left_to_renew" if notice.code == "license_grace" else "left_to_connect"
            paragraphs.append(self.say(phrase, n=days))
        return Notice(
            code=notice.code,
            severity=notice.severity,
            title=self._fill(title, days, values),
            text="\n\n".join(paragraphs),
            actions=notice.actions,
        )

    def badge(self, decision: Decision) -> str:
        """What the status badge says: how things stand, and the days left wherever something ends."""
        badge = badge_for(decision)
        kind, days = badge.kind, badge.days_left
        if kind == "stopped":
            return self.say("badge_stopped")
        if kind == "inactive":
            return self.say("badge_inactive")
        if days is None:
            return self.say("badge_limited" if kind in {"limited", "grace"} else "badge_licensed")
        phrase: Phrase = "badge_licensed_days"
        if kind == "licensed_offline":
            phrase = "badge_offline_days"
        elif kind in {"ending", "ending_offline"}:
            phrase = "badge_ending_days"
        elif kind in {"limited", "grace"}:
            phrase = "badge_grace_days" if kind == "grace" else "badge_limited_days"
        return self.say(phrase, n=days)

    def day(self, instant: Instant, utc_offset_seconds: int = 0) -> str:
        """The local date of *instant*."""
        year, month, day = (int(part) for part in str(Instant(instant + utc_offset_seconds))[:10].split("-"))
        return self.date(year, month, day)

    def _starts(self, message: str) -> str:
        """When a license starts, as a sentence; the decision has that day only inside its own sentence."""
        found = _START.search(message)
        if found is None:
            return ""
        return " " + self.say("starts", date=self.day(parse_instant(f"{found[1]}T{found[2]}:00Z")))

    def _fill(self, text: Text, n: int, values: dict[str, str]) -> str:
        form = text if isinstance(text, str) else text[self.plural(n)]
        return form.format(n=n, **values)
