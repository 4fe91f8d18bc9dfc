"""
What support asks first, answered by the app itself: `support_code(carnet)`, twelve characters to read over the phone.

For an app's "About" or "Help" page, frozen or not; `carnet doctor` prints the same on the device, and
`carnet doctor --explain CODE` says what it means. Reads what a check reads; writes nothing, asks nobody.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from carnet.core.errors import CarnetError
from carnet.core.instant import DAY
from carnet.formats.support_code import Symptoms, contact_of, days_of, write_support_code

if TYPE_CHECKING:
    from carnet.client.base import Client
    from carnet.client.device import View
    from carnet.core.decision import Decision

_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
_AHEAD_SECONDS = DAY


def support_code(client: Client, *, integrity: str = "not checked") -> str:
    """
    The support code of this app on this device (specs/support-code.md). It names no license, device or person.

    Args:
        client: The app's `Carnet` or `AsyncCarnet`.
        integrity: What `carnet.client.integrity` found, if the app checks its files.

    Raises:
        UsageError: A setting is missing or wrong.
        MalformedError, NotGenuineError: The embedded root is no root file.
    """
    return write_support_code(symptoms_of(client, integrity=integrity))


def symptoms_of(client: Client, *, integrity: str = "not checked") -> Symptoms:
    """As `support_code`, before it is written as twelve characters."""
    device = client._device  # noqa: SLF001 - one part in two modules, so that no start loads this one
    view = device.look()
    decision = device.judge(view)
    state, identity = view.state, view.identity
    problem = client.last_problem
    copies = view.loaded.copies
    return Symptoms(
        state=decision.state,
        access=decision.access,
        condition=view.loaded.condition,
        one_copy_damaged=view.loaded.condition == "open" and "damaged" in copies,
        has_key=(state.license_key or device.config.activation_key()) is not None,
        strength=identity.anchors[0].strength if identity.anchors else "none",
        in_container=identity.container is not None,
        system=_SYSTEMS.get(device.machine.system, "other"),
        frozen=is_frozen(),
        clock=_clock(view),
        contact=contact_of(None if state.server_time is None else max(0, view.now - state.server_time)),
        days_left=days_of(_days(decision)),
        problem="none" if problem is None else problem.code,
        has_server=_has_server(client),
        root_version=view.root.version,
        integrity=integrity,
    )


def is_frozen() -> bool:
    """Whether the app was put together by PyInstaller (`sys.frozen`) or compiled by Nuitka (`__compiled__`)."""
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in globals()


def _clock(view: View) -> str:
    """The wall clock against what is proven; *ahead* only as far as the last contact can tell."""
    if view.trusted_at is None:
        return "unknown"
    if view.wall < view.trusted_at - DAY:
        return "behind"
    newest = view.state.server_time
    # Nobody proves that time has not passed: a clock that is years ahead of the last contact is worth a question.
    return "ahead" if newest is not None and view.wall > newest + 400 * _AHEAD_SECONDS else "right"


def _days(decision: Decision) -> int | None:
    if decision.access == "none":
        return 0
    return decision.days_left


def _has_server(client: Client) -> bool:
    try:
        client._config.server_address()  # noqa: SLF001 - as above
    except CarnetError:
        return False
    return True
