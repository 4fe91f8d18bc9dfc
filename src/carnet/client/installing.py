"""
Keeping a signed license key on this device, and forgetting it, where no server is named (users-ask 51).

The key stands in the state like one that was activated with, sealed for this device; it grants because it verifies at
every check, never because it is stored (design.md §2 rule 3). Nothing here opens a socket.
"""

from __future__ import annotations

from carnet.client.clock import observe
from carnet.client.device import Device, View, remembered, with_problem
from carnet.client.evidence import is_signed_key
from carnet.client.fingerprint import with_volume_id
from carnet.client.operations import Outcome
from carnet.client.state import Loaded
from carnet.client.state_file import DeviceState
from carnet.core._base import replace
from carnet.core.errors import StateError
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.fingerprint import native_fingerprint
from carnet.formats.signed_key import canonical_signed_key


def install(device: Device, license_key: str) -> Outcome:
    """
    Keep *license_key*, if it grants anything here and now.

    Args:
        device: This device.
        license_key: A signed license key as typed.

    Returns:
        The decision for this key; one that grants nothing is not kept, and what is stored stays as it was.
    """
    view = device.look()
    evidence = device.evidence_of_key(view, license_key)
    alone = decide(evidence, view.wall, device.config.host())
    if not alone:
        return Outcome(decision=alone)
    try:
        # When the key was issued that time had come: the clock is guarded from there on, as from a server's answer.
        _keep(device, view, canonical_signed_key(license_key), evidence.grants[0])
    except StateError as problem:
        return Outcome(decision=with_problem(alone, problem), problem=problem)
    return Outcome(decision=device.judge(device.look()))


def forget(device: Device) -> Outcome | None:
    """Forget a signed license key that is kept without a seat; None where there is none, perhaps a seat to return."""
    view = device.look()
    state = view.state
    if state.license_key is None or not is_signed_key(state.license_key) or state.token is not None:
        return None
    try:
        _keep(device, view, None)
    except StateError as problem:
        return Outcome(decision=with_problem(device.judge(view), problem), problem=problem)
    return Outcome(decision=device.judge(device.look()))


def _keep(device: Device, view: View, license_key: str | None, grant: Grant | None = None) -> None:
    """
    Write *license_key* into the state in place of what was activated; clock, device key and refusals stay.

    Raises:
        StateError: ``state_not_writable``, ``state_busy``, ``state_too_new``.
    """
    identity = with_volume_id(view.identity, device.config.state_directory())
    fingerprint = view.fingerprint or native_fingerprint(device.config.product_id(), identity.anchors[0].value)

    def change(found: Loaded) -> DeviceState | None:
        old = found.state
        return replace(
            old,
            license_key=license_key,
            fingerprint=old.fingerprint or fingerprint,
            token=None,
            machine_file=None,
            stamp=None,
            prepared_until=None,
            clock=observe(
                remembered(old, view.root),
                device.clock.uptime(),
                device.clock.now(),
                None if grant is None else grant.issued_at,
                None if grant is None else grant.kid,
            ),
        )

    device.store.update(identity.anchors, change)
