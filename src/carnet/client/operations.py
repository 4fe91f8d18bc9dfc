"""
What the SDK does online, once for both faces: read the state, run a flow, save what is authentic, judge again.

Each operation is a generator of requests that ends with an `Outcome`; `driving.py` brings the network. Files are read
and written between the requests, never while one is under way. A problem (no network, an answer that proves nothing, a
full disk) leaves the stored grant as it was and is told beside the decision (REL-16).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

from carnet.client.base import is_same_key
from carnet.client.clock import observe
from carnet.client.device import Device, View, remembered, with_problem
from carnet.client.fingerprint import with_volume_id
from carnet.client.fingerprint.components import parts_of
from carnet.client.flows import Flow
from carnet.client.flows import activate as ask_to_activate
from carnet.client.flows import deactivate as ask_to_deactivate
from carnet.client.flows import refresh as ask_to_refresh
from carnet.client.journal import note
from carnet.client.judging import Caller, Verdict, key_of
from carnet.client.names import MAX_DOMAIN, MAX_VERSION, check_user, label, told
from carnet.client.root_keeping import trust_of
from carnet.client.roots import stored_after
from carnet.client.schedule import newest_grant
from carnet.client.state import Loaded
from carnet.client.state_file import DeviceState
from carnet.client.wire import HttpAnswer, HttpRequest, Pause
from carnet.core._base import Struct, replace
from carnet.core.decision import Decision, Evidence, Reason
from carnet.core.errors import CarnetError, StateError, TransportError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.core.reasons import REFUSALS
from carnet.core.refresh_stamps import is_newer_stamp
from carnet.core.rules import decide
from carnet.formats.answer import answer_to_refusal
from carnet.formats.fingerprint import native_fingerprint
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_key import heal_license_key

_SEED_BYTES = 32
_MAX_KEY = 512
MAX_REFUSALS = 4
_PLATFORMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


class Outcome(Struct):
    """
    How an operation ended.

    Attributes:
        decision: What may run now.
        problem: Why no authentic answer was taken in, or None.
    """

    decision: Decision
    problem: CarnetError | None = None


Steps = Generator[HttpRequest | Pause, HttpAnswer, Outcome]


def activate(device: Device, license_key: str, *, device_name: str | None = None, user: str | None = None) -> Steps:
    """
    Activate this device with *license_key*, and keep what comes back.

    Args:
        device: This device.
        license_key: As typed; tried as it is first (R-80).
        device_name: For people; what is more than the server takes is left out.
        user: Who uses the device, for licenses whose seats belong to users (R-28).

    Raises:
        UsageError: ``bad_user``.
    """
    check_user(user)
    view = device.look()
    typed = license_key.strip()
    if not 0 < len(typed) <= _MAX_KEY or not typed.isprintable():
        return Outcome(decision=_refused(device, view, "bad_license_key"))
    try:
        view, caller = _prepare(device, view)
    except StateError as problem:
        return _left_as_it_was(device, problem)
    platform = _PLATFORMS.get(sys.platform)
    steps = ask_to_activate(caller, typed, device_name=label(device_name), platform=platform, user=user)
    verdict = yield from _guarded(steps)
    if isinstance(verdict, CarnetError):
        return _left_as_it_was(device, verdict, "activate")
    if verdict.answer.outcome == "refused":
        _note(device, view, "activate", verdict)
        if is_same_key(typed, view.state.license_key):
            return _save(device, view, caller, verdict)
        return Outcome(decision=_proposed(_judge_alone(device, view, caller, verdict), typed))
    return _save(device, view, caller, verdict, is_activation=True)


def refresh(device: Device, *, ttl_seconds: int | None = None) -> Steps:
    """
    Get fresh artifacts for the seat this device holds. Without a seat nothing is asked.

    Args:
        device: This device.
        ttl_seconds: A wanted offline window; without one, the window that was prepared for is kept up.
    """
    view = device.look()
    caller = _caller(device, view)
    if caller is None or view.state.license_key is None:
        return Outcome(decision=device.judge(view))
    grant = newest_grant(device.evidence(view))
    verdict = yield from _guarded(
        ask_to_refresh(
            caller,
            activation_id=None if grant is None else grant.activation_id,
            license_key=view.state.license_key,
            ttl_seconds=ttl_seconds or _prepared_ttl(view, grant),
            stamp=view.state.stamp,
        )
    )
    if isinstance(verdict, CarnetError):
        return _left_as_it_was(device, verdict, "refresh")
    wanted = None if ttl_seconds is None else Instant(verdict.answer.at + ttl_seconds)
    return _save(device, view, caller, verdict, prepared_until=wanted)


def deactivate(device: Device) -> Steps:
    """Give this device's seat back and forget its artifacts. Without a seat nothing is asked."""
    view = device.look()
    caller = _caller(device, view)
    if caller is None or view.state.license_key is None:
        return Outcome(decision=device.judge(view))
    grant = newest_grant(device.evidence(view))
    verdict = yield from _guarded(
        ask_to_deactivate(
            caller,
            activation_id=None if grant is None else grant.activation_id,
            license_key=view.state.license_key,
        )
    )
    if isinstance(verdict, CarnetError):
        return _left_as_it_was(device, verdict, "deactivate")
    return _save(device, view, caller, verdict)


# ── before ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(device: Device, view: View) -> tuple[View, Caller]:
    """
    Make what an activation needs: an identity and a device key.

    The key is written down before it is sent, so that an answer lost on the way does not lose the seat (SEC-45). A
    foreign or damaged state is not touched before there is a grant to put in its place.

    Raises:
        StateError: ``state_not_writable``, ``state_busy``, ``state_too_new``.
    """
    identity = with_volume_id(view.identity, device.config.state_directory())
    product = device.config.product_id()
    fingerprint = view.fingerprint or native_fingerprint(product, identity.anchors[0].value)
    view = replace(view, identity=identity, fingerprint=fingerprint)

    # Kept before the lock is taken: a keychain may ask its user first.
    is_new = view.loaded.condition in {"absent", "open"} and not view.state.has_device_key
    kept = device.keep_seed(fingerprint, os.urandom(_SEED_BYTES)) if is_new else {}

    def enrol(found: Loaded) -> DeviceState | None:
        if found.condition not in {"absent", "open"} or found.state.has_device_key:
            return None
        return replace(found.state, fingerprint=fingerprint, **kept)

    loaded = device.store.update(identity.anchors, enrol)
    if loaded.condition == "too_new":
        raise StateError(
            "state_too_new",
            "The license state on this device was written by a newer version of the app.",
            "Use the newer version.",
        )
    if loaded.condition == "open":
        view = replace(view, loaded=loaded, fingerprint=loaded.state.fingerprint or fingerprint)
    caller = _caller(device, view) or _new_caller(device, view, os.urandom(_SEED_BYTES))
    return view, caller


def _caller(device: Device, view: View) -> Caller | None:
    """Who asks, with the stored device key; None where there is none."""
    seed = device.device_seed(view)
    return None if seed is None or view.fingerprint is None else _new_caller(device, view, seed)


def _new_caller(device: Device, view: View, seed: bytes) -> Caller:
    config = device.config
    return Caller(
        product=config.product_id(),
        fingerprint=view.fingerprint or "",
        signer=Ed25519Signer(seed),
        seed=seed,
        trust=trust_of(device, view),
        entropy=os.urandom,
        domain=told(config.domain, MAX_DOMAIN),
        app_version=told(config.app_version, MAX_VERSION),
        parts=parts_of(view.identity, device.machine),
        held=tuple(each for each in device.evidence(view).grants if each.activation_id is not None),
        list_versions=_list_versions(device, view),
    )


def _list_versions(device: Device, view: View) -> dict[str, tuple[int, int]] | None:
    """Which status lists this device has; None where it has none and its policy asks for none."""
    kept = view.state.status_lists
    if not kept:
        grant = newest_grant(device.evidence(view))
        return None if grant is None or grant.policy.max_revocation_age_seconds is None else {}
    from carnet.client.status_lists import versions_of

    return versions_of(kept, view.root.ring())


def _prepared_ttl(view: View, grant: Grant | None) -> int | None:
    """What is left of a window that was prepared for, where it is longer than the policy's own (R-35)."""
    until = view.state.prepared_until
    if until is None or grant is None or until - view.now <= grant.policy.offline_ttl_seconds:
        return None
    return until - view.now


def _guarded(flow: Flow[Verdict]) -> Generator[HttpRequest | Pause, HttpAnswer, Verdict | CarnetError]:
    """A flow whose trouble is a value: no network and no proof are ordinary (REL-16)."""
    try:
        return (yield from flow)
    except TransportError as problem:
        return problem


# ── after ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _save(
    device: Device,
    view: View,
    caller: Caller,
    verdict: Verdict,
    *,
    is_activation: bool = False,
    prepared_until: Instant | None = None,
) -> Outcome:
    """
    Take an authentic answer in and judge.

    Unless another process was faster (REL-19): it took in an answer with a later time since this exchange began, or,
    for anything but an activation, it activated with another license key. Then what it wrote stands.
    """
    action = verdict.answer.action
    _note(device, view, action, verdict)

    kept = {} if verdict.token is None else device.keep_seed(caller.fingerprint, caller.seed)

    def take(found: Loaded) -> DeviceState | None:
        old = found.state
        if found.condition == "too_new":
            return None
        if found.condition == "open":
            is_late = old.contacts != view.state.contacts and (old.server_time or 0) > verdict.answer.at
            has_moved = old.license_key != view.state.license_key and not is_activation
            if is_late or has_moved:
                return None
        elif verdict.token is None:
            return None  # a refusal or a farewell has nothing to say about a state that is not ours
        # The clocks as they are now, not as they were before the exchange: the signed time is from in between, and
        # running time that is counted from too early would make the bound too late (specs/clock.md §4).
        seen = replace(view, wall=device.clock.now(), uptime=device.clock.uptime())
        return _taken(old, seen, caller, verdict, prepared_until=prepared_until, kept=kept)

    try:
        device.store.update(view.identity.anchors, take)
    except StateError as problem:
        return _left_as_it_was(device, problem, action)
    decision = device.judge(device.look())
    if verdict.answer.outcome == "refused" and verdict.answer.code not in REFUSALS:
        return Outcome(decision=decision, problem=_refusal_as_problem(verdict))
    return Outcome(decision=decision)


def _taken(
    old: DeviceState,
    view: View,
    caller: Caller,
    verdict: Verdict,
    *,
    prepared_until: Instant | None,
    kept: dict[str, Any],
) -> DeviceState:
    """The state after an authentic answer."""
    answer = verdict.answer
    state = replace(
        old,
        roots=stored_after(old.roots, verdict.trust.chain),
        server_time=answer.at,
        contacts=old.contacts + 1,
        clock=observe(remembered(old, verdict.trust.root), view.uptime, view.wall, answer.at, key_of(verdict.proof)),
    )
    if verdict.token is not None:
        return replace(
            state,
            license_key=verdict.license_key,
            fingerprint=caller.fingerprint,
            **kept,
            token=verdict.token,
            machine_file=verdict.machine_file,
            refusals=(),  # a live grant is newer than any refusal that was kept
            status_lists=_lists_after(old, verdict),
            stamp=_stamp_after(old, verdict),
            prepared_until=prepared_until or state.prepared_until,
        )
    if answer.outcome == "granted":  # deactivated: the seat is gone, the device key and the clock stay
        return replace(
            state,
            license_key=None,
            token=None,
            machine_file=None,
            refusals=(),
            status_lists=(),
            stamp=None,
            prepared_until=None,
        )
    if answer.code in REFUSALS:
        return replace(state, refusals=(verdict.proof, *old.refusals)[:MAX_REFUSALS])
    return state


def _stamp_after(old: DeviceState, verdict: Verdict) -> str | None:
    """What is shown at the next refresh. An activation begins anew; answers to refreshes may overtake each other."""
    stamp = verdict.answer.stamp
    if verdict.answer.action == "activate" or (stamp is not None and is_newer_stamp(stamp, old.stamp)):
        return stamp
    return old.stamp


def _lists_after(old: DeviceState, verdict: Verdict) -> tuple[str, ...]:
    """The status lists to keep beside a new grant: the newest of what was there and what came along (SEC-27)."""
    if verdict.grant is None or not (old.status_lists or verdict.status_lists):
        return old.status_lists
    from carnet.client.status_lists import kept_after

    trust = verdict.trust
    return kept_after(old.status_lists, verdict.status_lists, trust.ring(), (verdict.grant,), check_key=trust.check_key)


def _left_as_it_was(device: Device, problem: CarnetError, action: str | None = None) -> Outcome:
    """The decision from disk, as if nothing had been asked, with the problem beside it."""
    view = device.look()
    if action is not None:
        cause = problem.__cause__
        why = cause.code if isinstance(cause, CarnetError) else None if cause is None else type(cause).__name__
        note(device.store.directory, view.wall, action, "problem", problem.code, why=why)
    return Outcome(decision=with_problem(device.judge(view), problem), problem=problem)


def _judge_alone(device: Device, view: View, caller: Caller, verdict: Verdict) -> Decision:
    """The decision about a license key that was refused; what is stored for another key stays out of it."""
    refusal = answer_to_refusal(verdict.answer)
    evidence = Evidence(refusals=(refusal,), device=caller.fingerprint, trusted_at=view.trusted_at)
    return decide(evidence, view.wall, device.config.host())


def _refused(device: Device, view: View, code: str) -> Decision:
    """A decision for a key that no server needs to be asked about."""
    problem = UsageError(
        code, "This is not a license key.", "Enter the license key as it stands in the vendor's message."
    )
    evidence = Evidence(device=view.fingerprint, trusted_at=view.trusted_at)
    return with_problem(decide(evidence, view.wall, device.config.host()), problem)


def _proposed(decision: Decision, typed: str) -> Decision:
    """
    With "Did you mean …?" where the server does not know the key and a small typing error explains it (R-80).

    A proposal only: it is shown, confirmed by a person and typed or passed again, never used silently.
    """
    healing = heal_license_key(typed) if decision.reasons[0].code == "license_not_found" else None
    if healing is None or healing.exact:
        return decision
    first, *rest = decision.reasons
    mended = Reason(code=first.code, message=first.message, fix=f"Did you mean {healing.key}? {first.fix}")
    return replace(decision, reasons=(mended, *rest))


def _refusal_as_problem(verdict: Verdict) -> CarnetError:
    from carnet.core.reasons import reason

    told = reason(verdict.answer.code or "")
    return TransportError(told.code, told.message, told.fix)


def _note(device: Device, view: View, action: str, verdict: Verdict) -> None:
    note(device.store.directory, view.wall, action, verdict.answer.outcome, verdict.answer.code)
