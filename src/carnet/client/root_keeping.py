"""
Whom this device believes while it asks, and writing down what it followed at once (SEC-21, SEC-22).

Roots are written between the requests of a contact, each write atomic, so that a contact that is cut anywhere, also by
the end of the process, is gone on with from there. A write that fails costs only that: the roots come again.
"""

from __future__ import annotations

from contextlib import suppress

from carnet.client.device import Device, View
from carnet.client.journal import note
from carnet.client.judging import key_of
from carnet.client.roots import Followed, Trust, stored_after
from carnet.client.state import Loaded
from carnet.client.state_file import DeviceState
from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError

_LOCK_SECONDS = 1.0
"""Less than for an answer, which would be lost: what is not written now is written with the answer."""


def trust_of(device: Device, view: View) -> Trust:
    """The roots of *view*, the keys that this device holds something by, and where to keep what is followed."""

    def keep(followed: Followed) -> None:
        for fork in followed.forks:
            why = "signed_by_root_keys" if fork.is_vouched else "signed_by_others"
            note(device.store.directory, view.wall, "root", "refused", "root_forked", why=why)
        if followed.brought:
            _store(device, view, followed)

    return Trust(
        chain=view.chain,
        wall=view.wall,
        trusted_at=view.trusted_at,
        signed_by=view.clock.signed_by,
        known=known_keys(device, view),
        keep=keep,
    )


def known_keys(device: Device, view: View) -> frozenset[str]:
    """
    The keys by which this device holds something that is genuine now: artifacts, refusals, the signed time.

    An expired root vouches for these and no others (specs/root.md §6).
    """
    kids = {grant.kid for grant in device.stored(view)}
    for proof in view.state.refusals:
        with suppress(CarnetError, KeyError):
            kids.add(key_of(proof))
    if view.state.status_lists:
        from carnet.client.status_lists import kid_of

        for token in view.state.status_lists:
            with suppress(CarnetError):
                kids.add(kid_of(token))
    kids.add(view.clock.signed_by)
    named = {key.kid for key in view.root.keys}
    return frozenset(kid for kid in kids if kid in named)


def _store(device: Device, view: View, followed: Followed) -> None:
    def change(found: Loaded) -> DeviceState | None:
        if found.condition not in {"absent", "open"}:
            return None  # another device's, or damage: only a grant takes its place, and brings the roots with it
        roots = stored_after(found.state.roots, followed.chain)
        return None if roots == found.state.roots else replace(found.state, roots=roots)

    with suppress(StateError):
        device.store.update(view.identity.anchors, change, lock_seconds=_LOCK_SECONDS)
        note(device.store.directory, view.wall, "root", "followed", why=f"version_{followed.chain.root.version}")
