"""
Taking in what was mailed or carried to this device: a bundle, or one artifact alone (specs/bundle.md §3, SEC-22).

The order is the specification's: first the roots, one step at a time from the trusted one, then everything else under
the newest. Each part is verified by its own rules and counts by itself; one that does not pass is noted in the log and
stops no other. Nothing here opens a socket, and nothing that is taken in grants for having been stored.
"""

from __future__ import annotations

import os
from typing import Any

from carnet.client.clock import observe, trusted_now
from carnet.client.device import Device, View, remembered, with_problem
from carnet.client.fingerprint import with_volume_id
from carnet.client.journal import note
from carnet.client.judging import key_of, open_with
from carnet.client.operations import MAX_REFUSALS, Outcome
from carnet.client.root_keeping import trust_of
from carnet.client.roots import Trust, stored_after
from carnet.client.schedule import newest_grant
from carnet.client.state import Loaded
from carnet.client.state_file import DeviceState
from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, StateError, UsageError
from carnet.core.model import Grant
from carnet.core.reasons import REFUSALS
from carnet.core.rules import decide
from carnet.formats.answer import verify_answer
from carnet.formats.bundle import Bundle, read_bundle
from carnet.formats.detect import detect
from carnet.formats.encoding import read_kindly
from carnet.formats.license_token import verify_license_token
from carnet.formats.limits import MAX_BUNDLE
from carnet.formats.machine_file import read_machine_file

_LEAST_CONTENT = 200
"""Characters; no artifact has fewer, and a text that does is a path."""

_FIX = "Ask the vendor for one that was made for this device and this app."


class _Seat(Struct):
    """
    The artifacts of a seat: verified, for this device and app, and in agreement with each other.

    Attributes:
        grants: What they grant, the machine file first.
        token, machine_file: Themselves, where they came.
        license_key: What the machine file opens with.
    """

    grants: tuple[Grant, ...]
    token: str | None = None
    machine_file: str | None = None
    license_key: str | None = None

    def __repr__(self) -> str:
        return f"_Seat({self.grants[0].kind!r})"  # never the license key


class _Taken(Struct):
    """What is kept beside the roots."""

    lists: tuple[str, ...]
    seat: _Seat | None
    refusal: str | None


def content_of(data: bytes | str | os.PathLike[str]) -> bytes:
    """
    What is to be taken in: *data* itself, or what is in the file of that name, as far as a bundle may be long.

    Raises:
        UsageError: ``file_unreadable``.
    """
    if isinstance(data, bytes):
        return data
    if isinstance(data, str) and (len(data) >= _LEAST_CONTENT or "\n" in data):
        return data.encode("utf-8", "surrogateescape")
    try:
        with open(data, "rb") as file:
            return file.read(MAX_BUNDLE + 1)
    except OSError as error:
        raise UsageError(
            "file_unreadable",
            f"The file {os.fspath(data)} cannot be read: {error.strerror or error}.",
            "Check the path, and that this user may read it.",
        ) from error


def install(device: Device, data: bytes, license_key: str | None = None) -> Outcome:
    """
    Take *data* in, as far as it is genuine and for this device, and judge.

    Args:
        device: This device.
        data: A bundle, or one token, machine file, root file or status list.
        license_key: What a machine file opens with, where this device has no key yet.

    Returns:
        The decision from the disk afterwards. `problem` says why nothing, or no license, was taken in. What the device
        holds is never replaced by something older, nor by something that grants nothing here and now.
    """
    view = device.look()
    try:
        bundle = _opened(data)
    except CarnetError as problem:
        return _ended(device, view, problem)
    trust = trust_of(device, view).follow(bundle.roots)
    view = _under(view, trust)
    problems: list[CarnetError] = []
    seat = _caught(problems, lambda: _seat_in(device, view, trust, bundle, license_key))
    refusal = _caught(problems, lambda: _refusal_in(device, view, trust, bundle))
    if seat is not None and not _is_news(device, view, seat):
        seat = None
    try:
        _keep(device, view, trust, _Taken(lists=bundle.status_lists, seat=seat, refusal=refusal))
    except StateError as problem:
        return _ended(device, view, problem)
    for each in problems:
        note(device.store.directory, view.wall, "install", "problem", each.code)
    return _ended(device, view, problems[0] if problems else None)


def _opened(data: bytes) -> Bundle:
    kind = detect(data)
    if kind == "bundle":
        return read_bundle(data)
    text = read_kindly(data).decode("utf-8", "surrogateescape")
    match kind:
        case "token":
            return Bundle(token=text)
        case "machine-file":
            return Bundle(machine_file=text)
        case "root":
            return Bundle(roots=(text,))
        case "status-list":
            return Bundle(status_lists=(text,))
        case _:
            raise MalformedError(
                "unknown_artifact",
                "This is nothing that can be taken in from a file.",
                "Give the .carnet bundle, the machine file or the license token that the vendor sent.",
            )


def _seat_in(device: Device, view: View, trust: Trust, bundle: Bundle, license_key: str | None) -> _Seat | None:
    """
    The seat that *bundle* carries; None where it carries none.

    Raises:
        CarnetError: A part does not verify, does not open, or is for another device, app or activation.
    """
    ring, grants = trust.ring(), []
    key: str | None = None
    if bundle.machine_file is not None:
        sealed = read_machine_file(bundle.machine_file.encode()).verify(ring)
        if view.fingerprint is None:
            raise StateError("no_device_identity", "Nothing identifies this device.", view.identity.advice)
        known = license_key or view.state.license_key or device.config.activation_key()
        if known is None:
            raise UsageError(
                "license_key_required",
                "A machine file opens only with its license key.",
                "Give the license key as well.",
            )
        key, by_file = open_with(sealed.open, known.strip(), view.fingerprint)
        grants.append(by_file)
    if bundle.token is not None:
        grants.append(verify_license_token(bundle.token, ring))
    if not grants:
        return None
    for grant in grants:
        trust.check_key(grant.kid)
        if (grant.product, grant.device) != (device.config.product_id(), view.fingerprint):
            raise NotGenuineError("wrong_artifacts", "The artifacts are for another product or device.", _FIX)
        if (grant.license_id, grant.activation_id) != (grants[0].license_id, grants[0].activation_id):
            raise NotGenuineError("wrong_artifacts", "The artifacts are of two activations.", _FIX)
    return _Seat(grants=tuple(grants), token=bundle.token, machine_file=bundle.machine_file, license_key=key)


def _refusal_in(device: Device, view: View, trust: Trust, bundle: Bundle) -> str | None:
    """The refusal that *bundle* carries, if it is for this device and app: it ranks by its time, as any other."""
    if bundle.answer is None:
        return None
    answer = verify_answer(bundle.answer, trust.ring())
    trust.check_key(key_of(bundle.answer))
    if (answer.product, answer.device) != (device.config.product_id(), view.fingerprint):
        raise NotGenuineError("answer_not_bound", "The answer is for another product or device.", _FIX)
    return bundle.answer if answer.code in REFUSALS else None


def _under(view: View, trust: Trust) -> View:
    """*view* under the roots that are trusted now: a time that rested on a dropped key is forgotten (SEC-31)."""
    clock = remembered(view.state, trust.root)
    return replace(view, chain=trust.chain, clock=clock, trusted_at=trusted_now(clock, view.uptime))


def _is_news(device: Device, view: View, seat: _Seat) -> bool:
    """Whether *seat* grants something here and now, and is newer than what this device holds of it."""
    evidence = replace(device.evidence(view), grants=seat.grants[:1], faults=())
    if not decide(evidence, view.wall, device.config.host()):
        return False
    held = newest_grant(device.evidence(view))
    first = seat.grants[0]
    is_same = held is not None and (held.license_id, held.activation_id) == (first.license_id, first.activation_id)
    return held is None or not is_same or held.issued_at < max(grant.issued_at for grant in seat.grants)


def _keep(device: Device, view: View, trust: Trust, taken: _Taken) -> None:
    """
    Write down what is taken in.

    Raises:
        StateError: ``state_not_writable``, ``state_busy``, ``state_too_new``.
    """
    seat, refusal = taken.seat, taken.refusal
    identity = with_volume_id(view.identity, device.config.state_directory()) if seat is not None else view.identity

    def change(found: Loaded) -> DeviceState | None:
        if found.condition != "open" and seat is None:
            return None  # nothing to add to: roots were kept where there was a place for them
        old = found.state
        state = replace(old, roots=stored_after(old.roots, trust.chain))
        if refusal is not None and refusal not in old.refusals:
            state = replace(state, refusals=(refusal, *old.refusals)[:MAX_REFUSALS])
        if seat is not None:
            state = _seated(device, view, trust, state, seat)
        if taken.lists:
            state = replace(state, status_lists=_lists(device, view, trust, taken.lists, state))
        return None if state == old else state

    device.store.update(identity.anchors, change)


def _seated(device: Device, view: View, trust: Trust, old: DeviceState, seat: _Seat) -> DeviceState:
    """*old* with the artifacts of *seat*; what it does not bring stays, where it is of the same activation."""
    held = newest_grant(device.evidence(view))
    stays = held is not None and held.activation_id == seat.grants[0].activation_id
    newest = max(seat.grants, key=lambda grant: grant.issued_at)
    return replace(
        old,
        license_key=seat.license_key or (old.license_key if stays else None),
        fingerprint=view.fingerprint,
        token=seat.token or (old.token if stays else None),
        machine_file=seat.machine_file or (old.machine_file if stays else None),
        stamp=old.stamp if stays else None,
        prepared_until=old.prepared_until if stays else None,
        # When they were issued that time had come, as with a signed key that is installed (specs/clock.md §2).
        clock=observe(
            remembered(old, trust.root), device.clock.uptime(), device.clock.now(), newest.issued_at, newest.kid
        ),
    )


def _lists(device: Device, view: View, trust: Trust, offered: tuple[str, ...], state: DeviceState) -> tuple[str, ...]:
    from carnet.client.status_lists import kept_after

    now = replace(view, loaded=replace(view.loaded, condition="open", state=state))
    grants = device.listed(now)
    return kept_after(state.status_lists, offered, trust.ring(), grants, check_key=trust.check_key)


def _caught(problems: list[CarnetError], read: Any) -> Any:
    """What *read* reads; None where that part does not pass, which is added to *problems*."""
    try:
        return read()
    except CarnetError as problem:
        problems.append(problem)
        return None


def _ended(device: Device, view: View, problem: CarnetError | None) -> Outcome:
    decision = device.judge(device.look())
    if problem is None:
        note(device.store.directory, view.wall, "install", "granted" if decision else "refused")
        return Outcome(decision=decision)
    return Outcome(decision=with_problem(decision, problem), problem=problem)
