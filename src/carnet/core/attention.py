"""
Whether a notice may draw attention to itself now, how urgently, and what a status badge says: pure rules (R-32, R-41).

`notices.py` has the words; this module has the manners: nothing while all is well, a warning less often the more time
is left, never a snoozed one before its time unless the matter gets worse, silence at night (users-ask 57), and never
anything that blocks an app that may run. The moment is always the decision's own, `checked_at`: no clock is read here.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.decision import Access, Decision, Severity
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR, MINUTE, Instant

Occasion = Literal["start", "running", "asked"]
"""Why somebody looks: the app starts, it has been running, or a person asked (clicked the badge)."""

Tone = Literal["good", "info", "warning", "grace", "error"]
BadgeKind = Literal[
    "licensed", "licensed_offline", "ending", "ending_offline", "grace", "limited", "stopped", "inactive"
]

PAUSE_WITHOUT_END = 7 * DAY
GAP = HOUR
"""Between two different notices of the same urgency, and between two of an app that runs on without access."""
REMEMBERED = 16

_ACCESS: dict[Access, int] = {"full": 0, "limited": 1, "none": 2}
_SEVERITY: dict[Severity, int] = {"info": 0, "warning": 1, "error": 2}
_MINUTES_A_DAY = DAY // MINUTE


class QuietHours(Struct):
    """
    When a person wants to be left alone, by the clock on their wall. Where both ends are equal it is never quiet.

    Attributes:
        from_minute: First quiet minute of the local day, 0 … 1439.
        until_minute: First minute that is not quiet any more, 0 … 1439; before `from_minute` it is the next morning.
    """

    from_minute: int
    until_minute: int

    def minutes_left(self, at: Instant, utc_offset_seconds: int) -> int:
        """
        How many minutes of quiet are left at *at*, the started one included; 0 where it is not quiet.

        Args:
            at: The moment.
            utc_offset_seconds: How far local time is ahead of UTC then; whole minutes anywhere on earth today, and
                any other number of seconds is borne.
        """
        minute = (at + utc_offset_seconds) // MINUTE % _MINUTES_A_DAY
        since = (minute - self.from_minute) % _MINUTES_A_DAY
        length = (self.until_minute - self.from_minute) % _MINUTES_A_DAY
        return max(0, length - since)


class Shown(Struct):
    """
    What is remembered of one notice.

    Attributes:
        code: The notice's code.
        urgency: How urgent it was; `urgency`.
        shown_at: When a person saw it last.
        not_before: When it may come again by itself.
        snoozed_until: When it may come again because a person said so; None where nobody did.
    """

    code: str
    urgency: int
    shown_at: Instant
    not_before: Instant
    snoozed_until: Instant | None = None


class Badge(Struct):
    """
    The status that is always visible, as a picture and a number; the words are a catalogue's.

    Attributes:
        tone: Its colour's meaning.
        kind: Which words.
        days_left: Whole days, a started one included, to the end that comes first; None where nothing ends.
    """

    tone: Tone
    kind: BadgeKind
    days_left: int | None


def quiet_hours(text: str) -> QuietHours:
    """
    Read quiet hours as people write them: ``22:00-07:30``.

    Raises:
        UsageError: ``bad_quiet_hours``.
    """
    ends = [part.strip().split(":") for part in text.split("-")]
    if len(ends) == 2 and all(len(end) == 2 and all(_is_two_digits(part) for part in end) for end in ends):
        (from_hour, from_rest), (until_hour, until_rest) = ((int(hour), int(rest)) for hour, rest in ends)
        if max(from_hour, until_hour) < 24 and max(from_rest, until_rest) < 60:
            return QuietHours(from_minute=from_hour * 60 + from_rest, until_minute=until_hour * 60 + until_rest)
    raise UsageError(
        "bad_quiet_hours", "These quiet hours cannot be read.", "Write them in local time, for example 22:00-07:30."
    )


def _is_two_digits(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isdigit()


def urgency(decision: Decision) -> int:
    """How urgent the decision's notice is: by access first, then by severity; -1 where there is none."""
    if decision.notice is None:
        return -1
    return _ACCESS[decision.access] * len(_SEVERITY) + _SEVERITY[decision.notice.severity]


def is_modal(decision: Decision) -> bool:
    """Whether its dialog may stand in the way: only where the app may not run anyway."""
    return decision.access == "none"


def deadline(decision: Decision) -> Instant | None:
    """When the matter of the notice gets worse by itself; None where it does not."""
    if decision.notice is None or decision.access == "none":
        return None
    if decision.notice.code == "license_term_ending":
        return decision.license_expires_at
    if decision.notice.code == "offline_window_ending":
        return decision.offline_until
    return decision.grace_until if decision.state == "grace" else None


def days_to_tell(decision: Decision) -> int:
    """The days that the notice's own words count: to its own end, not to another that may come first."""
    if decision.notice is not None and decision.notice.code == "license_term_ending":
        end = decision.license_expires_at
        if end is not None:
            return max(0, -((decision.checked_at - end) // DAY))
    return decision.days_left or 0


def pause_seconds(decision: Decision) -> int:
    """
    How long a notice that was shown keeps still.

    With full access half of the time that is left, at least a day: of ten days it is seen on the tenth, fifth, third
    and second last, then daily. In limited mode a day. With no access there is nothing to be kept from: an hour.
    """
    if decision.access == "none":
        return GAP
    if decision.access == "limited":
        return DAY
    end = deadline(decision)
    return PAUSE_WITHOUT_END if end is None else max(DAY, (end - decision.checked_at) // 2)


def may_show(
    decision: Decision,
    memory: tuple[Shown, ...],
    *,
    occasion: Occasion,
    quiet: QuietHours | None = None,
    utc_offset_seconds: int = 0,
    is_busy: bool = False,
) -> bool:
    """
    Whether the decision's notice may be shown now.

    Args:
        decision: What was just decided.
        memory: What was shown before, of this product on this device.
        occasion: Why somebody looks. A person who asks is always answered; a start without access always explains.
        quiet: The person's quiet hours. On the last day before a deadline, and without access, they hold nothing back.
        utc_offset_seconds: Of local time, for the quiet hours.
        is_busy: The app says: not now (on a stage, in a presentation). Holds back everything but a lack of access.
    """
    if decision.notice is None:
        return False
    if occasion == "asked" or (occasion == "start" and decision.access == "none"):
        return True
    due = due_at(decision, memory, quiet=quiet, utc_offset_seconds=utc_offset_seconds)
    return due is not None and due <= decision.checked_at and not (is_busy and decision.access != "none")


def due_at(
    decision: Decision,
    memory: tuple[Shown, ...],
    *,
    quiet: QuietHours | None = None,
    utc_offset_seconds: int = 0,
) -> Instant | None:
    """
    When the decision's notice may next come by itself, as things are; `checked_at` means now, None that there is none.

    The arguments are those of `may_show`.
    """
    if decision.notice is None:
        return None
    now = decision.checked_at
    due = max((_due_after(shown, decision) for shown in memory if not is_from_another_clock(shown, now)), default=now)
    due = max(due, now)
    if quiet is not None and decision.access != "none":
        end = deadline(decision)
        minutes = quiet.minutes_left(Instant(due), utc_offset_seconds)
        if minutes:
            wakes = due - (due + utc_offset_seconds) % MINUTE + minutes * MINUTE
            due = wakes if end is None else max(due, min(wakes, end - DAY))  # not through the last day
    return Instant(due)


def _due_after(shown: Shown, decision: Decision) -> int:
    """When the notice of *decision* may come, as far as one that was shown says."""
    now, how_urgent = decision.checked_at, urgency(decision)
    if shown.urgency < how_urgent:
        return now  # the matter got worse: no snooze of the lesser one holds
    if decision.notice is None or shown.code != decision.notice.code:
        return now if decision.access == "none" else shown.shown_at + GAP
    if decision.access == "none":
        return shown.shown_at + GAP
    end = deadline(decision)
    due = int(shown.not_before)
    if end is not None:  # an end that came nearer meanwhile is told of a day before it
        due = min(due, max(shown.shown_at + DAY, end - DAY))
    return due if shown.snoozed_until is None else max(due, shown.snoozed_until)


def is_from_another_clock(shown: Shown, now: Instant) -> bool:
    """Whether it was written under a clock that ran ahead; such a record would silence everything for years."""
    return shown.shown_at > now + DAY


def remember(
    memory: tuple[Shown, ...], decision: Decision, *, snoozed_until: Instant | None = None
) -> tuple[Shown, ...]:
    """
    *memory* after the decision's notice was shown, or put off; the newest `REMEMBERED` notices of different codes.

    Args:
        memory: What was remembered before.
        decision: Whose notice was shown at `checked_at`.
        snoozed_until: Until when a person put it off. Not kept where there is no access: there is nothing to put off.
    """
    if decision.notice is None:
        return memory
    now = decision.checked_at
    shown = Shown(
        code=decision.notice.code,
        urgency=urgency(decision),
        shown_at=now,
        not_before=Instant(now + pause_seconds(decision)),
        snoozed_until=None if decision.access == "none" else snoozed_until,
    )
    others = sorted((each for each in memory if each.code != shown.code), key=lambda each: each.shown_at, reverse=True)
    return (shown, *others[: REMEMBERED - 1])


def snooze_choices(decision: Decision) -> tuple[int, ...]:
    """
    For how long a notice may be put off, in seconds, shortest first; empty where it may not be.

    Only what still has full access can be put off, and only to where the person can still act: a day before the end.
    """
    if decision.notice is None or decision.access != "full":
        return ()
    end = deadline(decision)
    longest = PAUSE_WITHOUT_END if end is None else end - DAY - decision.checked_at
    return tuple(seconds for seconds in (DAY, 3 * DAY, 7 * DAY) if seconds <= max(longest, DAY))


def badge_for(decision: Decision) -> Badge:
    """What the status badge says: the access, its tone, and the days left to whichever end comes first."""
    days = decision.days_left
    if decision.access == "none":
        is_fresh = decision.state in {"not_activated", "not_started"}
        return Badge(tone="info" if is_fresh else "error", kind="inactive" if is_fresh else "stopped", days_left=None)
    if decision.state == "grace":
        return Badge(tone="grace", kind="grace", days_left=days)
    if decision.access == "limited":
        return Badge(tone="warning", kind="limited", days_left=days)
    by_window = decision.offline_until is not None and (
        decision.license_expires_at is None or decision.offline_until < decision.license_expires_at
    )
    if decision.state == "expiring":
        return Badge(tone="warning", kind="ending_offline" if by_window else "ending", days_left=days)
    return Badge(tone="good", kind="licensed_offline" if by_window else "licensed", days_left=days)
