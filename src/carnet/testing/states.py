"""
Canned states: how a device comes to be in each state of a decision (design.md §6), with genuine artifacts.

Each function brings a fresh `Lab` there and returns the settings that the app needs to be seen so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from carnet.core._base import replace
from carnet.core.instant import DAY, Instant

if TYPE_CHECKING:
    from carnet.core.decision import State
    from carnet.core.model import Policy
    from carnet.testing.lab import Lab

Settings = dict[str, Any]


def _not_activated(lab: Lab) -> Settings:
    del lab
    return {}


def _active(lab: Lab) -> Settings:
    lab.activate()
    return {}


def _expiring(lab: Lab) -> Settings:
    """A day before the offline window ends."""
    lab.activate()
    lab.pass_time(seconds=_policy(lab).offline_ttl_seconds - DAY)
    return {}


def _grace(lab: Lab) -> Settings:
    """The offline window is over, halfway through its grace."""
    lab.activate()
    policy = _policy(lab)
    lab.pass_time(seconds=policy.offline_ttl_seconds + policy.grace_seconds // 2)
    return {}


def _expired(lab: Lab) -> Settings:
    """The offline window and its grace are over."""
    lab.activate()
    policy = _policy(lab)
    lab.pass_time(seconds=policy.offline_ttl_seconds + policy.grace_seconds + DAY)
    return {}


def _revoked(lab: Lab) -> Settings:
    lab.activate()
    lab.server.licenses[-1].revoke()
    lab.app().refresh()
    return {}


def _suspended(lab: Lab) -> Settings:
    lab.activate()
    lab.server.licenses[-1].suspend()
    lab.app().refresh()
    return {}


def _not_started(lab: Lab) -> Settings:
    """A signed license key whose term begins in a week."""
    return {"license_key": lab.server.signed_key(starts_at=Instant(lab.now + 7 * DAY))}


def _clock_suspect(lab: Lab) -> Settings:
    """The policy asks for a right clock; this one stays a month behind for more than 72 hours."""
    lab.activate(lab.server.license(policy=replace(_policy(lab), clock_strictness="countdown")))
    lab.clock.set_wall(lab.now - 30 * DAY)
    lab.app().check()  # the app runs, and notices
    lab.pass_time(days=4)
    return {}


def _needs_refresh(lab: Lab) -> Settings:
    """The policy bounds how old the knowledge of revocations may be."""
    lab.activate(lab.server.license(policy=replace(_policy(lab), max_revocation_age_seconds=5 * DAY)))
    lab.pass_time(days=6)
    return {}


def _edition_mismatch(lab: Lab) -> Settings:
    lab.activate(lab.server.license(policy=replace(_policy(lab), edition="another-edition")))
    return {"edition": "this-edition"}


def _wrong_device(lab: Lab) -> Settings:
    """The state directory was copied to another computer."""
    lab.activate()
    return {"device_id": "another-computer"}


def _wrong_product(lab: Lab) -> Settings:
    return {"license_key": lab.server.signed_key(product="another-product")}


def _wrong_domain(lab: Lab) -> Settings:
    policy = replace(_policy(lab), domains=("app.example.com",))
    lab.app(domain="app.example.com").activate(lab.server.license(policy=policy).key)
    return {"domain": "app.example.org"}


def _not_genuine(lab: Lab) -> Settings:
    """A license key that somebody else signed."""
    from carnet.testing.server import FakeServer

    return {"license_key": FakeServer(lab.server.product, lambda: lab.now).signed_key()}


def _revoked_by_list(lab: Lab) -> Settings:
    lab.activate()
    lab.server.licenses[-1].revoke()
    return _updated(lab)


def _suspended_by_list(lab: Lab) -> Settings:
    lab.activate()
    lab.server.licenses[-1].suspend()
    return _updated(lab)


def _deactivated_by_list(lab: Lab) -> Settings:
    """The vendor took the seat back."""
    lab.activate()
    lab.server.licenses[-1].free_seats()
    return _updated(lab)


def _updated(lab: Lab) -> Settings:
    """The device is cut off; a day later its app is updated."""
    lab.go_offline()
    lab.pass_time(days=1)
    lab.update_app()
    return {}


def _policy(lab: Lab) -> Policy:
    return lab.server.policy


STATES: dict[State, Callable[[Lab], Settings]] = {
    "not_activated": _not_activated,
    "active": _active,
    "expiring": _expiring,
    "grace": _grace,
    "expired": _expired,
    "revoked": _revoked,
    "suspended": _suspended,
    "not_started": _not_started,
    "clock_suspect": _clock_suspect,
    "needs_refresh": _needs_refresh,
    "edition_mismatch": _edition_mismatch,
    "wrong_device": _wrong_device,
    "wrong_product": _wrong_product,
    "wrong_domain": _wrong_domain,
    "not_genuine": _not_genuine,
}
"""State to what brings a device there."""

BY_LIST: dict[State, Callable[[Lab], Settings]] = {
    "revoked": _revoked_by_list,
    "suspended": _suspended_by_list,
    "not_activated": _deactivated_by_list,
}
"""The same for a device that heard of it from a status list, without a network."""
