"""
What to show of a license, without any toolkit: the object behind the terminal, Tk and Qt, and for any other UI (R-41).

`Notices.look` says what is so and whether a dialog may come; `act` does what a button says. Both may wait for a disk or
the network and belong on a worker thread; `carnet.ui.presenter` does that for toolkits. Nothing here raises into a host
for anything that the license, the disk, the network or a text from outside may bring.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from carnet.client.reminders import Reminders
from carnet.core._base import Struct
from carnet.core.attention import (
    Occasion,
    QuietHours,
    Shown,
    Tone,
    due_at,
    may_show,
    quiet_hours,
    remember,
    snooze_choices,
)
from carnet.core.decision import Decision
from carnet.core.errors import CarnetError, TransportError, UsageError
from carnet.core.instant import HOUR, MAX_INSTANT, MINUTE, Instant
from carnet.ui.texts import Catalog, catalog_for, language_of
from carnet.ui.texts.catalog import Button
from carnet.ui.views import NEEDS_PAGE, BadgeView, DialogView, badge_view, dialog_view, unknown_badge

if TYPE_CHECKING:
    from carnet.client.events import Listener
    from carnet.client.info import Info

_SCHEMES = ("https://", "http://", "mailto:")


class Licensed(Protocol):
    """What this room needs of `carnet.Carnet`."""

    last_problem: CarnetError | None

    def start(self) -> Decision:
        """As `carnet.Carnet.start`."""
        ...

    def check(self) -> Decision:
        """As `carnet.Carnet.check`."""
        ...

    def refresh(self) -> Decision:
        """As `carnet.Carnet.refresh`."""
        ...

    def activate(self, license_key: str, /) -> Decision:
        """As `carnet.Carnet.activate`."""
        ...

    def info(self) -> Info:
        """As `carnet.Carnet.info`."""
        ...

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        """As `carnet.Carnet.subscribe`."""
        ...


class Sight(Struct):
    """
    What a look brought.

    Attributes:
        decision: What holds now; None where it cannot be told, because a setting of the app is wrong.
        badge: The badge to show.
        dialog: The dialog for it, if there is anything to say or somebody asked.
        is_due: Whether the dialog may come up by itself now.
        look_again_seconds: When to look again, at most an hour.
    """

    decision: Decision | None
    badge: BadgeView
    dialog: DialogView | None
    is_due: bool
    look_again_seconds: int


class Reply(Struct):
    """
    What an action brought: a sentence and its tone, and what may be the license key that was meant.

    Attributes:
        tone: Good or not.
        text: For the person.
        sight: What is so now, where the license may have changed.
        proposal: A license key without the typing error, to be confirmed, never used silently (R-80).
    """

    tone: Tone
    text: str
    sight: Sight | None = None
    proposal: str | None = None


class Notices:
    """What people see of one product's license."""

    def __init__(
        self,
        carnet: Licensed,
        *,
        language: str | None = None,
        quiet: str | QuietHours | None = None,
        renewal_url: str | None = None,
        contact_url: str | None = None,
        update_url: str | None = None,
        offline_request: Callable[[], str] | None = None,
        is_busy: Callable[[], bool] | None = None,
    ) -> None:
        """
        Take the settings; touches nothing.

        Args:
            carnet: The app's `Carnet`.
            language: ``en``, ``de``, ``fr`` or a locale name; else the process's own.
            quiet: Hours without notices, in local time, for example ``22:00-07:30``.
            renewal_url: Where a license is renewed: https, http or mailto. Without it there is no such button.
            contact_url: Where help is.
            update_url: Where new versions are.
            offline_request: Writes a request file for a device without a network and returns where it is.
            is_busy: Says that the person must not be disturbed now: on a stage, in a presentation.

        Raises:
            UsageError: ``bad_quiet_hours``, ``bad_url``.
        """
        self.carnet = carnet
        self.texts: Catalog = catalog_for(language or language_of(dict(os.environ), _system_language()))
        self._quiet = quiet_hours(quiet) if isinstance(quiet, str) else quiet
        self._pages: dict[Button, str | None] = {
            "renew": _page(renewal_url),
            "contact": _page(contact_url),
            "update_app": _page(update_url),
        }
        self._offline_request = offline_request
        offers = [action for action, address in self._pages.items() if address is not None]
        self._offers = frozenset(offers if offline_request is None else [*offers, "save_request"])
        self._is_busy = is_busy
        self._reminders: Reminders | None = None

    def look(self, occasion: Occasion = "running") -> Sight:
        """What is so now. At the start it asks the SDK's `start()`, which waits for the network only without access."""
        try:
            return self._sight(self.carnet.start() if occasion == "start" else self.carnet.check(), occasion)
        except CarnetError:
            return self._unknown()

    def shown(self, sight: Sight) -> None:
        """Remember that the dialog of *sight* was seen, so that it does not come again before its time."""
        self._remember(sight, None)

    def snooze(self, sight: Sight, seconds: int | None = None) -> None:
        """
        Put the notice of *sight* off, as the person asked.

        Args:
            sight: What was shown.
            seconds: For how long, at most the longest of `carnet.core.attention.snooze_choices`; None is the pause that
                the rules make anyway (`carnet.core.attention.pause_seconds`).
        """
        decision = sight.decision
        if decision is not None and decision.notice is not None:
            memory = remember((), decision)
            longest = max(snooze_choices(decision), default=0)
            until = memory[0].not_before if seconds is None else decision.checked_at + min(max(0, seconds), longest)
            self._remember(sight, Instant(min(until, MAX_INSTANT)))

    def act(self, action: Button, sight: Sight | None = None) -> Reply | None:
        """
        Do what a button says. None where there is nothing to tell: the dialog closes, or asks for a license key.

        Args:
            action: The button.
            sight: The sight whose dialog has it.
        """
        if action == "remind_later" and sight is not None:
            self.snooze(sight)
        if action in {"connect", "try_again", "check_now"}:
            return self._refresh()
        if action in NEEDS_PAGE:
            return self._open(self._pages.get(action))
        if action == "save_request" and self._offline_request is not None:
            return self._save_request(self._offline_request)
        return None

    def enter_key(self, text: str) -> Reply:
        """Activate with a license key as it was typed; a typing error is proposed, not corrected."""
        if not text.strip():
            return Reply(tone="warning", text=self.texts.say("key_missing"))
        try:
            decision = self.carnet.activate(text)
            sight = self._sight(decision, "asked")
        except CarnetError as error:
            return self._failed(error)
        if decision:
            return Reply(tone="good", text=self.texts.say("up_to_date"), sight=sight)
        if self.carnet.last_problem is not None:
            return self._failed(self.carnet.last_problem)
        from carnet.formats.license_key import heal_license_key

        healing = heal_license_key(text) if decision.reasons[0].code == "license_not_found" else None
        if healing is not None and not healing.exact:
            words = self.texts.say("did_you_mean", key=healing.key)
            return Reply(tone="warning", text=words, sight=sight, proposal=healing.key)
        notice = self.texts.notice(decision)
        text = "" if notice is None else notice.text.split("\n\n", maxsplit=1)[0]
        return Reply(tone="error", text=text, sight=sight)

    def _refresh(self) -> Reply:
        try:
            decision = self.carnet.refresh()
            problem = self.carnet.last_problem
            if problem is not None:
                return self._failed(problem)
            sight = self._sight(decision, "asked")
        except CarnetError as error:
            return self._failed(error)
        tone: Tone = "good" if decision.access == "full" else "warning"
        return Reply(tone=tone, text=self.texts.say("up_to_date") if tone == "good" else "", sight=sight)

    def _failed(self, problem: CarnetError) -> Reply:
        if isinstance(problem, TransportError):
            return Reply(tone="warning", text=self.texts.say("no_connection"))
        return Reply(tone="warning", text=self.texts.say("not_done", code=problem.code))

    def _open(self, address: str | None) -> Reply | None:
        if address is None:
            return None
        import webbrowser

        try:
            is_open = webbrowser.open(address)
        except (webbrowser.Error, OSError):
            is_open = False
        return Reply(
            tone="info" if is_open else "warning",
            text=self.texts.say("opening" if is_open else "not_opened", address=address),
        )

    def _save_request(self, save: Callable[[], str]) -> Reply:
        try:
            return Reply(tone="good", text=self.texts.say("request_saved", path=save()))
        except (CarnetError, OSError):
            return Reply(tone="warning", text=self.texts.say("request_not_saved"))

    def _remember(self, sight: Sight, snoozed_until: Instant | None) -> None:
        decision = sight.decision
        if decision is None or decision.notice is None:
            return
        try:
            reminders = self._memory()
        except CarnetError:
            return
        now = decision.checked_at
        reminders.save(remember(reminders.load(now), decision, snoozed_until=snoozed_until), now)

    def _memory(self) -> Reminders:
        if self._reminders is None:
            self._reminders = Reminders(self.carnet.info().state_directory)
        return self._reminders

    def _sight(self, decision: Decision, occasion: Occasion) -> Sight:
        now, offset = decision.checked_at, _utc_offset(decision.checked_at)
        memory: tuple[Shown, ...] = () if decision.notice is None else self._memory().load(now)
        is_busy = self._is_busy is not None and self._is_busy()
        is_due = may_show(
            decision, memory, occasion=occasion, quiet=self._quiet, utc_offset_seconds=offset, is_busy=is_busy
        )
        due = due_at(decision, memory, quiet=self._quiet, utc_offset_seconds=offset)
        again = HOUR if due is None or due <= now else min(HOUR, due - now)
        return Sight(
            decision=decision,
            badge=badge_view(decision, self.texts),
            dialog=dialog_view(decision, self.texts, offers=self._offers, utc_offset_seconds=offset),
            is_due=is_due or occasion == "asked",
            look_again_seconds=max(MINUTE, again),
        )

    def _unknown(self) -> Sight:
        return Sight(decision=None, badge=unknown_badge(self.texts), dialog=None, is_due=False, look_again_seconds=HOUR)


def _page(address: str | None) -> str | None:
    """
    *address*, if a browser or a mail program may be given it.

    Raises:
        UsageError: ``bad_url``.
    """
    if address is None:
        return None
    if not address.isprintable() or not address.lower().startswith(_SCHEMES):
        raise UsageError(
            "bad_url", f"{address[:100]!r} is not the address of a page.", "Give an https:// or mailto: address."
        )
    return address


def _system_language() -> str | None:
    import locale

    try:
        return locale.getlocale()[0]
    except ValueError:
        return None


def _utc_offset(at: Instant) -> int:
    """How far local time is ahead of UTC at *at*, by this system's own rules."""
    try:
        return time.localtime(at).tm_gmtoff
    except (OverflowError, OSError, ValueError):
        return 0
